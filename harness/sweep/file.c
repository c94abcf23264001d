#include "sweep/file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "base/file.h"
#include "base/text.h"
#include "io/model.h"
#include "option/schema.h"
#include "sweep/reader.h"

enum { MAX_BYTES = 1 << 20 };

const char *pare_sweep_hint(struct sweep_reader *r, const char *word, const char *const *names,
                            int n)
{
    const char *nearest = pare_text_nearest(word, names, n);

    return nearest ? pare_arena_printf(r->arena, "; did you mean '%s'?", nearest) : "";
}

void pare_sweep_known_keys(struct sweep_reader *r, const struct pare_yaml *map, const char *section,
                           const char *const *names)
{
    struct pare_text list = {0};
    int n = 0;

    for (; names[n]; n++)
        pare_text_printf(&list, "%s%s", n ? ", " : "", names[n]);
    for (int i = 0; i < map->n; i++) {
        const char *key = map->keys[i]->text;
        bool known = false;

        for (int k = 0; k < n; k++)
            known |= strcmp(names[k], key) == 0;
        if (!known)
            pare_problem_add(r->problems, map->keys[i], "%s has no '%s'%s (it has %s)", section,
                             key, pare_sweep_hint(r, key, names, n), list.s);
    }
    pare_text_clear(&list);
}

static const char *expand_path(struct sweep_reader *r, const char *path)
{
    char *expanded = pare_path_expand(path);
    const char *copy = pare_arena_strdup(r->arena, expanded);

    free(expanded);
    return copy;
}

/* ---- Head ---- */

static void read_version(struct sweep_reader *r)
{
    const struct pare_yaml *node = pare_yaml_get(r->root, "version");
    int64_t version;

    if (!node)
        pare_problem_add(r->problems, r->root, "version: is missing; write version: 1");
    else if (!pare_yaml_to_i64(node, &version) || version != 1)
        pare_problem_add(r->problems, node,
                         "version: '%s' is not known to this program, which reads version 1",
                         node->kind == PARE_YAML_SCALAR ? node->text : "");
}

static bool name_is_good(const char *name)
{
    bool good = isalnum((unsigned char)*name) != 0;

    for (; good && *name; name++)
        good = isalnum((unsigned char)*name) || strchr("._-", *name);
    return good;
}

/* The name is that of the results' folder; without one, that of the file. */
static void read_name(struct sweep_reader *r)
{
    const struct pare_yaml *node = pare_yaml_get(r->root, "name");
    const char *slash = strrchr(r->sweep->path, '/'), *base = slash ? slash + 1 : r->sweep->path;

    if (node && node->kind == PARE_YAML_SCALAR && name_is_good(node->text))
        r->sweep->name = node->text;
    else if (node)
        pare_problem_add(
            r->problems, node,
            "name: it names a folder: letters, digits, '.', '_' and '-' only, a letter "
            "or digit first");
    else
        r->sweep->name = pare_arena_printf(r->arena, "%.*s", (int)strcspn(base, "."), base);
}

/* ---- Model ---- */

static void read_model_file(struct sweep_reader *r, const struct pare_yaml *node)
{
    struct pare_graph *graph = NULL;
    struct pare_error err = {0};
    const char *path = expand_path(r, node->text);

    if (!pare_file_exists(path)) {
        pare_problem_add(
            r->problems, node,
            "model: there is no file %s; write the path of a .safetensors file that pare "
            "wrote, or {zoo: NAME}",
            path);
        return;
    }
    if (pare_model_load(&graph, path, &err))
        pare_problem_add(r->problems, node, "model: %s; save it again, or name another file",
                         err.text);
    pare_graph_free(graph);
    r->sweep->model_path = path;
}

static void read_model(struct sweep_reader *r)
{
    static const char *const keys[] = {"zoo", "pare", "onnx", NULL};
    const struct pare_yaml *map = pare_yaml_get(r->root, "model"), *zoo, *file, *onnx;
    struct pare_error err = {0};
    int n_before = r->problems->n;

    if (!map || map->kind != PARE_YAML_MAP) {
        pare_problem_add(r->problems, map ? map : r->root,
                         "model: %s; write {zoo: lenet5} or {pare: FILE.safetensors}",
                         map ? "a map must stand here" : "is missing");
        return;
    }
    pare_sweep_known_keys(r, map, "model", keys);
    zoo = pare_yaml_get(map, "zoo");
    file = pare_yaml_get(map, "pare");
    onnx = pare_yaml_get(map, "onnx");
    if (onnx)
        pare_problem_add(r->problems, onnx,
                         "model: ONNX files cannot be read yet; write {zoo: NAME} or "
                         "{pare: FILE.safetensors}");
    else if ((zoo != NULL) + (file != NULL) != 1) {
        if (r->problems->n == n_before)
            pare_problem_add(r->problems, map,
                             "model: one of zoo and pare must stand here, such as {zoo: lenet5}");
    } else if ((zoo ? zoo : file)->kind != PARE_YAML_SCALAR)
        pare_problem_add(r->problems, zoo ? zoo : file, "model: one %s must stand here",
                         zoo ? "network's name" : "path");
    else if (file)
        read_model_file(r, file);
    else if (pare_zoo_check(zoo->text, &err))
        pare_problem_add(r->problems, zoo, "model: %s", err.text);
    else
        r->sweep->model_zoo = zoo->text;
}

/* ---- Data and recipe ---- */

static void read_data(struct sweep_reader *r)
{
    const struct pare_yaml *map = pare_yaml_get(r->root, "data"), *where;
    struct pare_data_spec *spec = &r->sweep->data;
    struct pare_error err = {0};
    int n_before = r->problems->n;

    pare_data_spec_defaults(spec);
    if (!map || map->kind != PARE_YAML_MAP || !pare_yaml_get(map, "name")) {
        pare_problem_add(r->problems, map ? map : r->root,
                         "data: %s; write {name: digits}, or another data set ('pare data' lists "
                         "them)",
                         !map                         ? "is missing"
                         : map->kind != PARE_YAML_MAP ? "a map must stand here"
                                                      : "the name is missing");
        return;
    }
    pare_options_read(pare_data_options, spec, map, NULL, r->arena, r->problems);
    if (spec->path)
        spec->path = expand_path(r, spec->path);
    if (spec->cache_dir)
        spec->cache_dir = expand_path(r, spec->cache_dir);
    where = pare_yaml_get(map, "path");
    if (!where)
        where = pare_yaml_get(map, "name");
    if (r->problems->n == n_before && pare_data_check(spec, &err))
        pare_problem_add(r->problems, where, "%s", err.text);
}

static void read_train(struct sweep_reader *r)
{
    pare_recipe_defaults(&r->sweep->train);
    pare_options_read(pare_recipe_options, &r->sweep->train, pare_yaml_get(r->root, "train"), NULL,
                      r->arena, r->problems);
}

/* ---- Space ---- */

static const struct pare_method *find_method(void *state, const char *name)
{
    return pare_registry_method(((struct sweep_reader *)state)->registry, name);
}

/* The map of a stage, for places. */
static const struct pare_yaml *stage_map(const struct sweep_reader *r,
                                         const struct pare_stage *stage)
{
    const struct pare_yaml *stages = pare_yaml_get(r->root, "stages"),
                           *list = pare_yaml_get(r->root, "pipeline");

    if (stages)
        return pare_yaml_get(stages, stage->name);
    for (int i = 0; i < list->n; i++)
        if (list->items[i]->line == stage->line && list->items[i]->column == stage->column)
            return list->items[i];
    return NULL;
}

/* Students are networks of the zoo: a slip is found here and not after the baseline's training. */
static void check_students(struct sweep_reader *r)
{
    for (int s = 0; s < r->sweep->space->n_stages; s++) {
        const struct pare_stage *stage = &r->sweep->space->stages[s];
        const struct pare_yaml *map = stage_map(r, stage), *node;
        struct pare_error err = {0};
        bool has = false;

        for (int m = 0; m < stage->n_methods; m++)
            for (int d = 0; d < stage->methods[m].n_dims; d++)
                has |= strcmp(stage->methods[m].dims[d].name, "student") == 0;
        node = has && map ? pare_yaml_get(map, "student") : NULL;
        for (int i = 0; node && i < (node->kind == PARE_YAML_LIST ? node->n : 1); i++) {
            const struct pare_yaml *item = node->kind == PARE_YAML_LIST ? node->items[i] : node;

            if (item->kind == PARE_YAML_SCALAR && pare_zoo_check(item->text, &err))
                pare_problem_add(r->problems, item, "student: %s", err.text);
        }
    }
}

static void read_space(struct sweep_reader *r)
{
    int n = pare_registry_n_methods(r->registry);
    const char **names = pare_xcalloc((size_t)n + 1, sizeof *names);

    for (int i = 0; i < n; i++)
        names[i] = pare_registry_method_at(r->registry, i)->name;
    pare_space_read(&r->sweep->space, r->root, find_method, names, n, r, r->problems);
    check_students(r);
    free(names);
}

/* ---- The whole ---- */

static void read_all(struct sweep_reader *r)
{
    static const char *const keys[] = {"version", "name",    "model",      "data",
                                       "train",   "stages",  "pipelines",  "pipeline",
                                       "targets", "metrics", "objectives", "constraints",
                                       "budget",  "search",  NULL};

    if (r->root->kind != PARE_YAML_MAP) {
        pare_problem_add(
            r->problems, r->root,
            "a sweep is a map that begins with version: 1 (see sweeps/quickstart.yaml)");
        return;
    }
    pare_sweep_known_keys(r, r->root, "a sweep", keys);
    read_version(r);
    read_name(r);
    read_model(r);
    read_data(r);
    read_train(r);
    read_space(r);
    pare_sweep_read_targets(r);
    pare_sweep_read_wanted(r);
    pare_sweep_read_search(r);
}

/* Nothing but white space and comments. */
static bool is_empty(const char *text)
{
    while (*text) {
        text += strspn(text, " \t\r\n");
        if (*text && *text != '#')
            return false;
        text += strcspn(text, "\n");
    }
    return true;
}

static pare_status parse(struct sweep_reader *r, const char *path, const char *const *overrides,
                         int n_overrides, char **report, struct pare_error *err)
{
    struct pare_sweep *s = r->sweep;
    struct pare_error own = {0};
    char *text = NULL;
    size_t n_bytes;
    pare_status st = pare_file_read(&text, &n_bytes, path, MAX_BYTES, &own);

    if (!st) {
        s->text = pare_arena_strdup(s->arena, text);
        s->digest = pare_hash_bytes(text, n_bytes);
        if (is_empty(text))
            st = pare_fail(
                &own, PARE_EINVAL,
                "%s:1:1: the file is empty; a sweep is a map that begins with version: 1", path);
        else
            st = pare_yaml_parse(&s->doc, text, n_bytes, path, &own);
        if (st) {
            struct pare_text line = {0};

            pare_text_printf(&line, "%s\n", own.text);
            *report = pare_text_take(&line);
            st = PARE_EINVAL;
        }
    }
    free(text);
    if (st)
        return pare_fail(err, st, "%s", own.text);
    r->root = pare_yaml_copy(s->arena, pare_yaml_root(s->doc));
    for (int i = 0; !st && i < n_overrides; i++)
        st = pare_yaml_override(r->root, s->arena, overrides[i], err);
    return st;
}

pare_status pare_sweep_load(struct pare_sweep **out, const char *path,
                            const struct pare_registry *registry, const char *const *overrides,
                            int n_overrides, char **report, struct pare_error *err)
{
    struct pare_problems problems = {0};
    struct sweep_reader r = {.registry = registry, .problems = &problems};
    pare_status st;

    *out = NULL;
    *report = NULL;
    r.sweep = pare_xcalloc(1, sizeof *r.sweep);
    r.arena = r.sweep->arena = pare_arena_new();
    r.sweep->path = pare_arena_strdup(r.arena, path);
    st = parse(&r, path, overrides, n_overrides, report, err);
    if (st)
        goto done;
    read_all(&r);
    if (problems.n) {
        *report = pare_problems_text(&problems, path);
        st = pare_fail(err, PARE_EINVAL, "%s: not valid", path);
        goto done;
    }
    *out = r.sweep;
    r.sweep = NULL;
done:
    pare_sweep_free(r.sweep);
    pare_problems_clear(&problems);
    return st;
}

void pare_sweep_free(struct pare_sweep *sweep)
{
    if (!sweep)
        return;
    for (int i = 0; i < sweep->n_targets; i++)
        if (sweep->targets[i].device.arena)
            pare_device_close(&sweep->targets[i].device);
    for (int i = 0; i < sweep->n_constraints; i++)
        pare_constraint_free(sweep->constraints[i]);
    pare_space_free(sweep->space);
    pare_yaml_free(sweep->doc);
    pare_arena_free(sweep->arena);
    free(sweep);
}
