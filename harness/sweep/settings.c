/* `search:`: who chooses the trials, how many, and the limits. */
#include <string.h>

#include "base/text.h"
#include "option/schema.h"
#include "search/samplers.h"
#include "sweep/reader.h"

enum { DEFAULT_TRIALS = 100, MAX_WORKERS = 1024, MIN_MEMORY_MIB = 64 };

static const struct pare_option trials_row = {.name = "trials",
                                              .type = PARE_OPTION_I64,
                                              .min = 1,
                                              .max = 1e9};
static const struct pare_option seed_row = {.name = "seed",
                                            .type = PARE_OPTION_I64,
                                            .min = 0,
                                            .max = 9e15};
static const struct pare_option workers_row = {.name = "workers",
                                               .type = PARE_OPTION_INT,
                                               .min = 1,
                                               .max = MAX_WORKERS};

/* `NAME` or `{name: NAME, option: value, ...}`; the node of the name, NULL after a problem. */
static const struct pare_yaml *name_node(struct sweep_reader *r, const struct pare_yaml *node,
                                         const char *what)
{
    const struct pare_yaml *name = node;

    if (node->kind == PARE_YAML_MAP)
        name = pare_yaml_get(node, "name");
    if (name && name->kind == PARE_YAML_SCALAR)
        return name;
    pare_problem_add(r->problems, node, "%s: a name, or {name: NAME, ...}, must stand here", what);
    return NULL;
}

static void read_sampler(struct sweep_reader *r, const struct pare_yaml *node)
{
    static const char *const skip[] = {"name", NULL};
    struct pare_sweep *s = r->sweep;
    const struct pare_yaml *name = node ? name_node(r, node, "sampler") : NULL;
    int n = 0;

    s->sampler = &pare_sampler_sobol;
    if (name && !pare_sampler_find(name->text)) {
        struct pare_text list = {0};

        for (; pare_sampler_names[n]; n++)
            pare_text_printf(&list, "%s%s", n ? ", " : "", pare_sampler_names[n]);
        pare_problem_add(r->problems, name, "sampler: '%s' is not one of %s%s", name->text, list.s,
                         pare_sweep_hint(r, name->text, pare_sampler_names, n));
        pare_text_clear(&list);
        return;
    }
    if (name)
        s->sampler = pare_sampler_find(name->text);
    s->sampler_options =
        pare_arena_alloc(r->arena, s->sampler->options_bytes ? s->sampler->options_bytes : 1);
    pare_options_defaults(s->sampler->options, s->sampler_options);
    if (node && node->kind == PARE_YAML_MAP)
        pare_options_read(s->sampler->options, s->sampler_options, node, skip, r->arena,
                          r->problems);
}

static void read_scheduler(struct sweep_reader *r, const struct pare_yaml *node)
{
    const struct pare_yaml *name;

    if (!node || node->kind == PARE_YAML_NULL)
        return;
    name = name_node(r, node, "scheduler");
    if (name && strcmp(name->text, "none") != 0)
        pare_problem_add(
            r->problems, name,
            "scheduler: '%s' is not there yet: every trial runs in full; write none or "
            "leave it out",
            name->text);
}

static void read_whole(struct sweep_reader *r, const struct pare_option *row,
                       const struct pare_yaml *map, int64_t *out)
{
    const struct pare_yaml *node = pare_yaml_get(map, row->name);
    const char *text;

    if (node && pare_option_check(row, node, r->problems, r->arena, &text))
        pare_yaml_to_i64(node, out);
}

static void read_seconds(struct sweep_reader *r, const struct pare_yaml *map, const char *key,
                         double *out)
{
    const struct pare_yaml *node = pare_yaml_get(map, key);

    if (node &&
        (node->kind != PARE_YAML_SCALAR || !pare_text_to_seconds(node->text, out) || !(*out > 0)))
        pare_problem_add(r->problems, node,
                         "%s: a time above 0 must stand here, such as 90s, 15 min or 2h", key);
}

static void read_memory(struct sweep_reader *r, const struct pare_yaml *node)
{
    double bytes;

    if (!node)
        return;
    if (node->kind != PARE_YAML_SCALAR || !pare_text_to_bytes(node->text, &bytes) ||
        bytes < MIN_MEMORY_MIB * 1048576.0 || bytes > 0x1p62)
        pare_problem_add(r->problems, node,
                         "stage_memory: a size of at least %d MiB must stand here, such as 4 GiB",
                         MIN_MEMORY_MIB);
    else
        r->sweep->stage_memory_bytes = (int64_t)bytes;
}

static void read_workers(struct sweep_reader *r, const struct pare_yaml *map)
{
    const struct pare_yaml *node = pare_yaml_get(map, "workers");
    int64_t n = 0;

    if (node && node->kind == PARE_YAML_SCALAR && strcmp(node->text, "auto") == 0)
        return;
    read_whole(r, &workers_row, map, &n);
    r->sweep->n_workers = (int)n;
}

/* A grid that is given no end runs to its own. */
static int64_t whole_grid(const struct sweep_reader *r)
{
    int64_t n = r->problems->n ? 1 : pare_space_n_points(r->sweep->space);

    return n < (int64_t)trials_row.max ? n : (int64_t)trials_row.max;
}

void pare_sweep_read_search(struct sweep_reader *r)
{
    static const char *const keys[] = {"sampler",       "scheduler",    "trials",
                                       "seed",          "workers",      "timeout",
                                       "stage_timeout", "stage_memory", NULL};
    static const struct pare_yaml none = {.kind = PARE_YAML_MAP};
    const struct pare_yaml *map = pare_yaml_get(r->root, "search");
    struct pare_sweep *s = r->sweep;
    int64_t seed = 0;

    s->stage_timeout_s = 30 * 60;
    s->stage_memory_bytes = INT64_C(4) << 30;
    if (map && map->kind != PARE_YAML_MAP) {
        pare_problem_add(r->problems, map,
                         "search: a map such as {sampler: sobol, trials: 100} must stand here");
        map = NULL;
    }
    if (!map)
        map = &none;
    pare_sweep_known_keys(r, map, "search", keys);
    read_sampler(r, pare_yaml_get(map, "sampler"));
    read_scheduler(r, pare_yaml_get(map, "scheduler"));
    s->n_trials = s->sampler == &pare_sampler_grid ? whole_grid(r) : DEFAULT_TRIALS;
    read_whole(r, &trials_row, map, &s->n_trials);
    read_whole(r, &seed_row, map, &seed);
    s->seed = (uint64_t)seed;
    read_workers(r, map);
    read_seconds(r, map, "timeout", &s->timeout_s);
    read_seconds(r, map, "stage_timeout", &s->stage_timeout_s);
    read_memory(r, pare_yaml_get(map, "stage_memory"));
}
