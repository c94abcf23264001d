/* Device files: one YAML map that names its model and fills the model's option table. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "option/schema.h"
#include "plugin/places.h"
#include "plugin/registry.h"

#define ENDING ".yaml"

static void find_places(struct pare_places *places)
{
    pare_places_find(places, "hwmodels", "../share/pare/hwmodels", "PARE_HWMODEL_PATH");
}

/* "dir/m7.yaml" -> "m7"; malloc'ed. */
static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    return strndup(name, strlen(name) - strlen(ENDING));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int pare_device_names(char ***out)
{
    struct pare_places places;
    char **names = NULL;
    int n = 0, n_kept = 0;

    find_places(&places);
    for (int i = 0; i < places.n; i++) {
        char **paths;
        int n_paths = pare_places_list(&paths, places.paths[i], ENDING);

        for (int k = 0; k < n_paths; k++) {
            names = pare_xrealloc(names, (size_t)(n + 1) * sizeof *names);
            names[n++] = stem_of(paths[k]);
            free(paths[k]);
        }
        free(paths);
    }
    pare_places_clear(&places);
    if (n)
        qsort(names, (size_t)n, sizeof *names, by_text);
    for (int i = 0; i < n; i++)
        if (n_kept && strcmp(names[n_kept - 1], names[i]) == 0)
            free(names[i]);
        else
            names[n_kept++] = names[i];
    *out = names;
    return n_kept;
}

static pare_status unknown_device(const char *name, struct pare_error *err)
{
    struct pare_text known = {0};
    char **names;
    int n = pare_device_names(&names);
    const char *nearest = pare_text_nearest(name, (const char *const *)names, n);
    pare_status st;

    for (int i = 0; i < n; i++)
        pare_text_printf(&known, "%s%s", i ? ", " : "", names[i]);
    st = pare_fail(err, PARE_EINVAL,
                   "unknown device '%s'%s%s%s; known: %s (PARE_HWMODEL_PATH adds folders; a path "
                   "ending in .yaml will do too)",
                   name, nearest ? ", did you mean '" : "", nearest ? nearest : "",
                   nearest ? "'?" : "", known.s ? known.s : "none");
    pare_text_clear(&known);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return st;
}

/* A file of one's own comes before one of the same name that pare brings. */
static pare_status find_file(char **out, const char *name, struct pare_error *err)
{
    struct pare_places places;
    struct pare_text file = {0};
    size_t n = strlen(name);

    *out = NULL;
    if (strchr(name, '/') ||
        (n > strlen(ENDING) && strcmp(name + n - strlen(ENDING), ENDING) == 0)) {
        *out = pare_path_expand(name);
        return PARE_OK;
    }
    pare_text_printf(&file, "%s%s", name, ENDING);
    find_places(&places);
    for (int i = places.n - 1; !*out && i >= 0; i--) {
        *out = pare_path_join(places.paths[i], file.s);
        if (!pare_file_exists(*out)) {
            free(*out);
            *out = NULL;
        }
    }
    pare_places_clear(&places);
    pare_text_clear(&file);
    return *out ? PARE_OK : unknown_device(name, err);
}

static const char *text_of(const struct pare_yaml *root, const char *key,
                           struct pare_problems *problems, struct pare_arena *arena)
{
    const struct pare_yaml *node = pare_yaml_get(root, key);

    if (!node)
        pare_problem_add(problems, root, "'%s' is missing", key);
    else if (node->kind != PARE_YAML_SCALAR || !node->text[0])
        pare_problem_add(problems, node, "%s: needs a text", key);
    else
        return pare_arena_strdup(arena, node->text);
    return NULL;
}

static void find_model(struct pare_device *out, const struct pare_registry *registry,
                       const struct pare_yaml *root, struct pare_problems *problems)
{
    const char *name = text_of(root, "model", problems, out->arena);
    struct pare_text known = {0};

    if (!name)
        return;
    out->model = pare_registry_hwmodel(registry, name);
    if (out->model)
        return;
    for (int i = 0; i < pare_registry_n_hwmodels(registry); i++)
        pare_text_printf(&known, "%s%s", i ? ", " : "",
                         pare_registry_hwmodel_at(registry, i)->name);
    pare_problem_add(problems, pare_yaml_get(root, "model"),
                     "model: unknown hardware model '%s'; known: %s", name,
                     known.s ? known.s : "none");
    pare_text_clear(&known);
}

static void read_device(struct pare_device *out, const struct pare_registry *registry,
                        const struct pare_yaml *root, struct pare_problems *problems)
{
    static const char *const own_keys[] = {"id", "part", "model", NULL};

    if (root->kind != PARE_YAML_MAP) {
        pare_problem_add(problems, root, "a device file is a map: id, part, model and its numbers");
        return;
    }
    out->id = text_of(root, "id", problems, out->arena);
    out->part = text_of(root, "part", problems, out->arena);
    find_model(out, registry, root, problems);
    if (!out->model)
        return;
    out->options = pare_arena_alloc(out->arena, out->model->options_bytes);
    pare_options_defaults(out->model->options, out->options);
    pare_options_read(out->model->options, out->options, root, own_keys, out->arena, problems);
}

pare_status pare_device_open(struct pare_device *out, const struct pare_registry *registry,
                             const char *name, struct pare_error *err)
{
    struct pare_problems problems = {0};
    struct pare_yaml_doc *doc = NULL;
    char *path = NULL, *text;
    pare_status st;

    *out = (struct pare_device){0};
    st = find_file(&path, name, err);
    if (!st)
        st = pare_yaml_load(&doc, path, err);
    if (st)
        goto done;
    out->arena = pare_arena_new();
    read_device(out, registry, pare_yaml_root(doc), &problems);
    if (problems.n) {
        text = pare_problems_text(&problems, path);
        text[strlen(text) - 1] = '\0'; /* the last newline */
        st = pare_fail(err, PARE_EINVAL, "%s", text);
        free(text);
    }
done:
    pare_problems_clear(&problems);
    pare_yaml_free(doc);
    free(path);
    if (st)
        pare_device_close(out);
    return st;
}

void pare_device_close(struct pare_device *device)
{
    pare_arena_free(device->arena);
    *device = (struct pare_device){0};
}
