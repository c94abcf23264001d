#include "plugin/registry.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "plugin/places.h"
#include "plugin/table.h"

/* One loaded library; it may hold a method, a hardware model, or both. */
struct library {
    void *handle;
    char *path;
    const struct pare_method *method;
    const struct pare_hwmodel *hwmodel;
};

struct pare_registry {
    int n_libraries, n_methods, n_hwmodels;
    struct library *libraries;
    /* sorted by name */
    const struct pare_method **methods;
    const struct pare_hwmodel **hwmodels;
};

/* ---- Is a descriptor sound? ---- */

static pare_status check_abi(int abi, struct pare_error *err)
{
    if (abi != PARE_ABI)
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "built for plugin ABI %d, this pare has %d: compile it again against "
                         "the headers of this version",
                         abi, PARE_ABI);
    return PARE_OK;
}

static pare_status check_texts(const char *name, const char *summary, const char *source,
                               struct pare_error *err)
{
    if (!name || !name[0] || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')
        return pare_fail(err, PARE_EFORMAT,
                         "name '%s': small letters, digits, '.', '_' and '-' are allowed",
                         name ? name : "");
    if (!summary || !summary[0] || !source || !source[0])
        return pare_fail(err, PARE_EFORMAT, "'%s' has no %s", name,
                         !summary || !summary[0] ? "summary" : "source");
    return PARE_OK;
}

static pare_status check_method(const struct pare_method *method, struct pare_error *err)
{
    const unsigned states = PARE_STATE_SPARSE | PARE_STATE_NARROWED | PARE_STATE_FACTORED |
                            PARE_STATE_QUANTIZED | PARE_STATE_STUDENT;
    pare_status st;

    st = check_abi(method->abi, err);
    if (!st)
        st = check_texts(method->name, method->summary, method->source, err);
    if (st)
        return st;
    if (!method->apply && !method->attach && !method->prepare)
        return pare_fail(err, PARE_EFORMAT,
                         "'%s' does nothing: it has neither apply nor attach nor prepare",
                         method->name);
    if ((method->refuses | method->leaves | method->clears) & ~states)
        return pare_fail(err, PARE_EFORMAT, "'%s' names network states that this pare has not",
                         method->name);
    st = pare_option_table_check(method->options, method->options_bytes, err);
    if (st)
        pare_error_prefix(err, "'%s'", method->name);
    return st;
}

static pare_status check_hwmodel(const struct pare_hwmodel *model, struct pare_error *err)
{
    pare_status st;

    st = check_abi(model->abi, err);
    if (!st)
        st = check_texts(model->name, model->summary, model->source, err);
    if (st)
        return st;
    if (!model->estimate)
        return pare_fail(err, PARE_EFORMAT, "'%s' has no estimate function", model->name);
    st = pare_option_table_check(model->options, model->options_bytes, err);
    if (st)
        pare_error_prefix(err, "'%s'", model->name);
    return st;
}

/* ---- Loading ---- */

static pare_status check_duplicate(const struct pare_registry *registry,
                                   const struct library *library, struct pare_error *err)
{
    for (int i = 0; i < registry->n_libraries; i++) {
        const struct library *other = &registry->libraries[i];

        if (library->method && other->method &&
            strcmp(library->method->name, other->method->name) == 0)
            return pare_fail(err, PARE_EINVAL, "a method '%s' was already loaded from %s",
                             library->method->name, other->path);
        if (library->hwmodel && other->hwmodel &&
            strcmp(library->hwmodel->name, other->hwmodel->name) == 0)
            return pare_fail(err, PARE_EINVAL, "a hardware model '%s' was already loaded from %s",
                             library->hwmodel->name, other->path);
    }
    return PARE_OK;
}

static bool is_loaded(const struct pare_registry *registry, const void *handle)
{
    for (int i = 0; i < registry->n_libraries; i++)
        if (registry->libraries[i].handle == handle)
            return true;
    return false;
}

static int method_order(const void *a, const void *b)
{
    return strcmp((*(const struct pare_method *const *)a)->name,
                  (*(const struct pare_method *const *)b)->name);
}

static int hwmodel_order(const void *a, const void *b)
{
    return strcmp((*(const struct pare_hwmodel *const *)a)->name,
                  (*(const struct pare_hwmodel *const *)b)->name);
}

static void keep(struct pare_registry *registry, const struct library *library)
{
    size_t n = (size_t)registry->n_libraries + 1;

    registry->libraries = pare_xrealloc(registry->libraries, n * sizeof *registry->libraries);
    registry->libraries[registry->n_libraries++] = *library;
    if (library->method) {
        registry->methods = pare_xrealloc(registry->methods, n * sizeof *registry->methods);
        registry->methods[registry->n_methods++] = library->method;
        qsort(registry->methods, (size_t)registry->n_methods, sizeof *registry->methods,
              method_order);
    }
    if (library->hwmodel) {
        registry->hwmodels = pare_xrealloc(registry->hwmodels, n * sizeof *registry->hwmodels);
        registry->hwmodels[registry->n_hwmodels++] = library->hwmodel;
        qsort(registry->hwmodels, (size_t)registry->n_hwmodels, sizeof *registry->hwmodels,
              hwmodel_order);
    }
}

pare_status pare_registry_load(struct pare_registry *registry, const char *path,
                               struct pare_error *err)
{
    struct library library = {0};
    /* dlopen() searches the system's folders for a name without a slash */
    char *full = realpath(path, NULL);
    pare_status st = PARE_OK;

    if (!full)
        return pare_fail(err, PARE_EIO, "%s: no such plugin file", path);
    library.handle = dlopen(full, RTLD_NOW | RTLD_LOCAL);
    if (!library.handle) {
        st = pare_fail(err, PARE_EFORMAT, "cannot be loaded: %s", dlerror());
        goto done;
    }
    if (is_loaded(registry, library.handle)) {
        dlclose(library.handle);
        free(full);
        return PARE_OK;
    }
    library.method = dlsym(library.handle, "pare_entry");
    library.hwmodel = dlsym(library.handle, "pare_hwmodel_entry");
    if (!library.method && !library.hwmodel)
        st = pare_fail(err, PARE_EFORMAT,
                       "is no plugin: it exports neither pare_entry nor pare_hwmodel_entry");
    if (!st && library.method)
        st = check_method(library.method, err);
    if (!st && library.hwmodel)
        st = check_hwmodel(library.hwmodel, err);
    if (!st)
        st = check_duplicate(registry, &library, err);
done:
    if (st) {
        pare_error_prefix(err, "%s", path);
        if (library.handle)
            dlclose(library.handle);
        free(full);
        return st;
    }
    library.path = full;
    keep(registry, &library);
    return PARE_OK;
}

/* One that cannot be loaded must not keep the others from working. */
static void load_or_warn(struct pare_registry *registry, const char *path)
{
    struct pare_error err = {0};

    if (pare_registry_load(registry, path, &err))
        pare_log(PARE_LOG_WARN, "plugin left out: %s", err.text);
}

static void load_folder(struct pare_registry *registry, const char *folder)
{
    char **paths;
    int n = pare_places_list(&paths, folder, ".so");

    if (n < 0)
        pare_log(PARE_LOG_WARN, "no plugins: cannot read folder %s", folder);
    for (int i = 0; i < n; i++) {
        load_or_warn(registry, paths[i]);
        free(paths[i]);
    }
    free(paths);
}

struct pare_registry *pare_registry_new(void)
{
    return pare_xcalloc(1, sizeof(struct pare_registry));
}

pare_status pare_registry_open(struct pare_registry **out, struct pare_error *err)
{
    struct pare_registry *registry = pare_registry_new();
    struct pare_places places;

    (void)err;
    pare_places_find(&places, "plugins", "../lib/pare/plugins", "PARE_PLUGIN_PATH");
    for (int i = 0; i < places.n; i++) {
        struct stat info;

        if (stat(places.paths[i], &info) == 0 && S_ISREG(info.st_mode))
            load_or_warn(registry, places.paths[i]);
        else
            load_folder(registry, places.paths[i]);
    }
    pare_places_clear(&places);
    *out = registry;
    return PARE_OK;
}

void pare_registry_close(struct pare_registry *registry)
{
    if (!registry)
        return;
    for (int i = 0; i < registry->n_libraries; i++) {
        dlclose(registry->libraries[i].handle);
        free(registry->libraries[i].path);
    }
    free(registry->libraries);
    free(registry->methods);
    free(registry->hwmodels);
    free(registry);
}

/* ---- Asking ---- */

int pare_registry_n_methods(const struct pare_registry *registry)
{
    return registry->n_methods;
}

const struct pare_method *pare_registry_method_at(const struct pare_registry *registry, int i)
{
    return registry->methods[i];
}

const struct pare_method *pare_registry_method(const struct pare_registry *registry,
                                               const char *name)
{
    for (int i = 0; i < registry->n_methods; i++)
        if (strcmp(registry->methods[i]->name, name) == 0)
            return registry->methods[i];
    return NULL;
}

int pare_registry_n_hwmodels(const struct pare_registry *registry)
{
    return registry->n_hwmodels;
}

const struct pare_hwmodel *pare_registry_hwmodel_at(const struct pare_registry *registry, int i)
{
    return registry->hwmodels[i];
}

const struct pare_hwmodel *pare_registry_hwmodel(const struct pare_registry *registry,
                                                 const char *name)
{
    for (int i = 0; i < registry->n_hwmodels; i++)
        if (strcmp(registry->hwmodels[i]->name, name) == 0)
            return registry->hwmodels[i];
    return NULL;
}
