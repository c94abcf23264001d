/* What is wanted of the trials: targets, metrics, objectives, budget, constraints. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "measure/counters.h"
#include "option/schema.h"
#include "sweep/reader.h"

enum { MAX_TARGETS = 16, MAX_METRICS = 256, MAX_OBJECTIVES = 4, MAX_THREADS = 1024 };

/* ---- Targets ---- */

static void read_target(struct sweep_reader *r, const struct pare_yaml *key,
                        const struct pare_yaml *map)
{
    static const char *const keys[] = {"threads", "hwmodel", NULL};
    static const struct pare_option threads_row = {.name = "threads",
                                                   .type = PARE_OPTION_INT,
                                                   .min = 1,
                                                   .max = MAX_THREADS};
    struct pare_target *target = &r->sweep->targets[r->sweep->n_targets];
    const struct pare_yaml *threads, *hwmodel;
    struct pare_error err = {0};
    int64_t n = 1;
    const char *text;

    target->name = key->text;
    target->threads = 1;
    for (const char *c = key->text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-", *c)) {
            pare_problem_add(r->problems, key,
                             "'%s' cannot name a target; use letters, digits, '_' and '-'",
                             key->text);
            return;
        }
    r->sweep->n_targets++;
    if (map->kind != PARE_YAML_MAP && map->kind != PARE_YAML_NULL) {
        pare_problem_add(
            r->problems, map,
            "target '%s': {threads: N} for this machine, or {hwmodel: NAME}, must stand "
            "here",
            key->text);
        return;
    }
    pare_sweep_known_keys(r, map, "a target", keys);
    threads = pare_yaml_get(map, "threads");
    hwmodel = pare_yaml_get(map, "hwmodel");
    target->is_host = !hwmodel;
    if (threads && hwmodel)
        pare_problem_add(r->problems, threads,
                         "target '%s': threads belongs to this machine; a modeled one has its own",
                         key->text);
    else if (threads && pare_option_check(&threads_row, threads, r->problems, r->arena, &text))
        pare_yaml_to_i64(threads, &n);
    target->threads = (int)n;
    if (hwmodel && hwmodel->kind != PARE_YAML_SCALAR)
        pare_problem_add(r->problems, hwmodel,
                         "hwmodel: a device's name must stand here "
                         "('pare hw' lists them)");
    else if (hwmodel && pare_device_open(&target->device, r->registry, hwmodel->text, &err))
        pare_problem_add(r->problems, hwmodel, "hwmodel: %s", err.text);
}

void pare_sweep_read_targets(struct sweep_reader *r)
{
    const struct pare_yaml *map = pare_yaml_get(r->root, "targets");
    struct pare_sweep *s = r->sweep;

    s->targets = PARE_ARENA_NEW(r->arena, struct pare_target, MAX_TARGETS);
    if (!map) { /* this machine */
        s->targets[s->n_targets++] =
            (struct pare_target){.name = "host", .is_host = true, .threads = 1};
        return;
    }
    if (map->kind != PARE_YAML_MAP || map->n > MAX_TARGETS) {
        pare_problem_add(r->problems, map,
                         "targets: a map of at most %d targets must stand here, such as "
                         "{host: {threads: 1}, m7: {hwmodel: stm32f746}}",
                         MAX_TARGETS);
        return;
    }
    for (int i = 0; i < map->n; i++)
        read_target(r, map->keys[i], map->items[i]);
}

/* ---- Metrics ---- */

enum { PLAIN = 1, HOST = 2, MODELED = 4 };

static const struct {
    const char *name;
    int where;
} kinds[] = {
    {"accuracy", PLAIN},
    {"accuracy_drop", PLAIN},
    {"loss", PLAIN},
    {"size_bytes", PLAIN},
    {"macs", PLAIN},
    {"params", PLAIN},
    {"weight_bytes", PLAIN | HOST},
    {"latency_ms", HOST | MODELED},
    {"latency_p95_ms", HOST},
    {"peak_memory_bytes", HOST | MODELED},
    {"memory_bytes", MODELED},
    {"flash_bytes", MODELED},
    {"energy_mj", MODELED},
    {"cycles", MODELED},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static bool is_counter(const char *name)
{
    return strncmp(name, "PAPI_", 5) == 0 || strncmp(name, "perf::", 6) == 0;
}

/* Where the metric can be asked; 0 after a problem. */
static int kind_of(struct sweep_reader *r, const struct pare_yaml *where, const char *name,
                   const char *target)
{
    const char *names[N_KINDS], *nearest;

    if (is_counter(name)) {
        if (pare_counter_name_is_valid(name))
            return HOST;
        pare_problem_add(r->problems, where,
                         "'%s' is no event that PAPI knows (papi_avail and papi_native_avail list "
                         "them)",
                         name);
        return 0;
    }
    for (int i = 0; i < N_KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(names[i], name) == 0)
            return kinds[i].where;
    }
    nearest = pare_text_nearest(name, names, N_KINDS);
    if (nearest)
        pare_problem_add(r->problems, where, "there is no metric '%s'; did you mean '%s%s%s'?",
                         name, nearest, target ? "@" : "", target ? target : "");
    else
        pare_problem_add(r->problems, where,
                         "there is no metric '%s'; there are accuracy, accuracy_drop, size_bytes, "
                         "macs, params, latency_ms@TARGET, peak_memory_bytes@TARGET, "
                         "energy_mj@TARGET, cycles@TARGET, PAPI_*@TARGET",
                         name);
    return 0;
}

/* A target on which the metric can be asked, or NULL. */
static const char *fitting_target(const struct pare_sweep *s, int where)
{
    for (int i = 0; i < s->n_targets; i++)
        if (where & (s->targets[i].is_host ? HOST : MODELED))
            return s->targets[i].name;
    return NULL;
}

static bool find_target(struct sweep_reader *r, const struct pare_yaml *place,
                        struct pare_metric_ref *ref, const char *target, int where)
{
    const char *names[MAX_TARGETS], *fitting = fitting_target(r->sweep, where);
    struct pare_text list = {0};
    struct pare_sweep *s = r->sweep;

    for (int i = 0; i < s->n_targets; i++) {
        names[i] = s->targets[i].name;
        if (strcmp(names[i], target) != 0)
            continue;
        if (!(where & (s->targets[i].is_host ? HOST : MODELED))) {
            if (where == PLAIN)
                pare_problem_add(r->problems, place, "%s is the same on every target; write '%s'",
                                 ref->name, ref->name);
            else
                pare_problem_add(
                    r->problems, place, "%s cannot be had on '%s', which is %s; %s%s", ref->name,
                    target, s->targets[i].is_host ? "this machine" : "a model",
                    fitting ? "ask " : "name a target that can tell, such as ",
                    fitting        ? pare_arena_printf(r->arena, "'%s@%s'", ref->name, fitting)
                    : where & HOST ? "host: {threads: 1}"
                                   : "m7: {hwmodel: stm32f746}");
            return false;
        }
        ref->target = i;
        return true;
    }
    for (int i = 0; i < s->n_targets; i++)
        pare_text_printf(&list, "%s%s", i ? ", " : "", names[i]);
    pare_problem_add(r->problems, place, "there is no target '%s' (targets: names %s)%s", target,
                     list.s ? list.s : "none", pare_sweep_hint(r, target, names, s->n_targets));
    pare_text_clear(&list);
    return false;
}

/* "latency_ms@host" */
static bool read_ref(struct sweep_reader *r, const struct pare_yaml *place, const char *text,
                     struct pare_metric_ref *out)
{
    const char *at = strchr(text, '@'), *fitting;
    int where;

    out->text = pare_arena_strdup(r->arena, text);
    out->name = at ? pare_arena_printf(r->arena, "%.*s", (int)(at - text), text) : out->text;
    out->target = -1;
    where = kind_of(r, place, out->name, at ? at + 1 : NULL);
    if (!where)
        return false;
    if (at)
        return find_target(r, place, out, at + 1, where);
    if (where & PLAIN)
        return true;
    fitting = fitting_target(r->sweep, where);
    pare_problem_add(r->problems, place, "%s needs a target; write '%s@%s'", out->name, out->name,
                     fitting ? fitting : "TARGET");
    return false;
}

/* Every metric is taken once, however often it is asked for. */
static void want_metric(struct sweep_reader *r, const struct pare_metric_ref *ref)
{
    struct pare_sweep *s = r->sweep;

    for (int i = 0; i < s->n_metrics; i++)
        if (strcmp(s->metrics[i].text, ref->text) == 0)
            return;
    if (s->n_metrics < MAX_METRICS)
        s->metrics[s->n_metrics++] = *ref;
}

static void read_metrics(struct sweep_reader *r)
{
    static const char *const usual[] = {"accuracy", "size_bytes", "macs", "params"};
    const struct pare_yaml *list = pare_yaml_get(r->root, "metrics");
    struct pare_metric_ref ref;

    r->sweep->metrics = PARE_ARENA_NEW(r->arena, struct pare_metric_ref, MAX_METRICS);
    if (list && list->kind != PARE_YAML_LIST) {
        pare_problem_add(r->problems, list,
                         "metrics: a list must stand here, such as [accuracy, size_bytes, "
                         "latency_ms@host]");
        return;
    }
    for (size_t i = 0; !list && i < sizeof usual / sizeof usual[0]; i++)
        if (read_ref(r, r->root, usual[i], &ref))
            want_metric(r, &ref);
    for (int i = 0; list && i < list->n; i++) {
        const struct pare_yaml *item = list->items[i];
        int before = r->sweep->n_metrics;

        if (item->kind != PARE_YAML_SCALAR) {
            pare_problem_add(r->problems, item, "metrics: a metric's name must stand here");
            continue;
        }
        if (!read_ref(r, item, item->text, &ref))
            continue;
        want_metric(r, &ref);
        if (r->sweep->n_metrics == before)
            pare_problem_add(r->problems, item, "metrics: '%s' stands twice; remove one", ref.text);
    }
}

/* ---- Objectives and budget ---- */

static void read_objectives(struct sweep_reader *r)
{
    const struct pare_yaml *map = pare_yaml_get(r->root, "objectives");
    struct pare_sweep *s = r->sweep;

    s->objectives = PARE_ARENA_NEW(r->arena, struct pare_objective, MAX_OBJECTIVES);
    if (!map || map->kind != PARE_YAML_MAP || map->n == 0) {
        pare_problem_add(r->problems, map ? map : r->root,
                         "objectives: %s; write a map such as {accuracy: max, size_bytes: min}",
                         map ? "no metric stands here" : "is missing");
        return;
    }
    if (map->n > MAX_OBJECTIVES) {
        pare_problem_add(
            r->problems, map,
            "objectives: %d are too many to have a front worth reading; keep at most %d "
            "and list the others under metrics:",
            map->n, MAX_OBJECTIVES);
        return;
    }
    for (int i = 0; i < map->n; i++) {
        const struct pare_yaml *way = map->items[i];
        struct pare_objective *objective = &s->objectives[s->n_objectives];
        bool is_max = way->kind == PARE_YAML_SCALAR && strcmp(way->text, "max") == 0;

        if (!is_max && (way->kind != PARE_YAML_SCALAR || strcmp(way->text, "min") != 0)) {
            pare_problem_add(r->problems, way, "objectives: %s: min or max must stand here",
                             map->keys[i]->text);
            continue;
        }
        if (!read_ref(r, map->keys[i], map->keys[i]->text, &objective->metric))
            continue;
        objective->maximize = is_max;
        want_metric(r, &objective->metric);
        s->n_objectives++;
    }
}

static void read_budget(struct sweep_reader *r)
{
    const struct pare_yaml *map = pare_yaml_get(r->root, "budget");
    struct pare_sweep *s = r->sweep;

    if (!map)
        return;
    if (map->kind != PARE_YAML_MAP || map->n > MAX_METRICS) {
        pare_problem_add(
            r->problems, map,
            "budget: a map such as {accuracy_drop: 0.01, size_bytes: 64 KiB} must stand "
            "here");
        return;
    }
    s->budget = PARE_ARENA_NEW(r->arena, struct pare_budget_item, map->n + 1);
    for (int i = 0; i < map->n; i++) {
        const struct pare_yaml *value = map->items[i];
        struct pare_budget_item *item = &s->budget[s->n_budget];
        const char *why;

        if (!read_ref(r, map->keys[i], map->keys[i]->text, &item->metric))
            continue;
        why = value->kind == PARE_YAML_SCALAR
                  ? pare_quantity_read(value->text, item->metric.name, &item->limit)
                  : "a number must stand here";
        if (why) {
            pare_problem_add(r->problems, value, "budget: %s: %s", item->metric.text, why);
            continue;
        }
        if (strncmp(item->metric.name, "accuracy", 8) == 0 &&
            !(item->limit >= 0 && item->limit <= 1)) {
            pare_problem_add(
                r->problems, value,
                "budget: %s: %g is outside [0, 1]; one point of accuracy is 0.01 or 1 %%",
                item->metric.text, item->limit);
            continue;
        }
        item->at_least = strcmp(item->metric.name, "accuracy") == 0;
        want_metric(r, &item->metric);
        s->n_budget++;
    }
}

/* ---- Constraints ---- */

static bool is_number_row(const struct pare_option *row)
{
    return row->type == PARE_OPTION_F64 || row->type == PARE_OPTION_I64 ||
           (row->type == PARE_OPTION_INT && !row->choices);
}

/* The word that == compares with, against the words there are. */
static void check_word(struct sweep_reader *r, const struct pare_constraint_use *use,
                       const char *const *words, int n)
{
    struct pare_text list = {0};

    for (int i = 0; i < n; i++) {
        if (strcmp(words[i], use->word) == 0) {
            pare_text_clear(&list);
            return;
        }
        pare_text_printf(&list, "%s%s", i ? ", " : "", words[i]);
    }
    pare_problem_add(r->problems, &use->word_place, "%s: '%s' is not one of %s%s", use->name,
                     use->word, list.s ? list.s : "", pare_sweep_hint(r, use->word, words, n));
    pare_text_clear(&list);
}

static void check_row_use(struct sweep_reader *r, const struct pare_constraint_use *use,
                          const struct pare_option *row)
{
    static const char *const truths[] = {"true", "false"};
    int n = 0;

    if (use->is_number && !is_number_row(row))
        pare_problem_add(r->problems, &use->place,
                         "%s is no number; it can only be compared with == or !=", use->name);
    if (!use->word)
        return;
    while (row->choices && row->choices[n])
        n++;
    if (row->choices)
        check_word(r, use, row->choices, n);
    else if (row->type == PARE_OPTION_BOOL)
        check_word(r, use, truths, 2);
    else if (is_number_row(row))
        pare_problem_add(r->problems, &use->word_place, "%s is a number, and '%s' is none",
                         use->name, use->word);
}

static void check_option_use(struct sweep_reader *r, const struct pare_constraint_use *use)
{
    const struct pare_space *space = r->sweep->space;
    const char *option = strchr(use->name, '.') + 1;
    const char *stage_name =
        pare_arena_printf(r->arena, "%.*s", (int)(option - 1 - use->name), use->name);
    const struct pare_stage *stage = pare_space_stage(space, stage_name);
    const char *names[256];
    const struct pare_option *found = NULL;
    int n = 0;

    if (!stage) {
        for (; n < space->n_stages && n < 255; n++)
            names[n] = space->stages[n].name;
        pare_problem_add(r->problems, &use->place, "%s: there is no stage '%s'%s", use->name,
                         stage_name, pare_sweep_hint(r, stage_name, names, n));
        return;
    }
    if (stage->n_methods == 0)
        return; /* said already */
    if (strcmp(option, "method") == 0) {
        for (; n < stage->n_methods && n < 255; n++)
            names[n] = stage->methods[n].method->name;
        if (use->word)
            check_word(r, use, names, n);
        return;
    }
    for (int m = 0; m < stage->n_methods; m++) {
        const struct pare_option *table = stage->methods[m].method->options;

        for (int i = 0; !found && i < stage->methods[m].n_dims; i++)
            if (strcmp(stage->methods[m].dims[i].name, option) == 0)
                found = stage->methods[m].dims[i].row;
        for (; table && table->name && n < 254; table++) {
            names[n++] = table->name;
            if (!found && strcmp(table->name, option) == 0)
                found = table;
        }
    }
    names[n++] = "method";
    if (found)
        check_row_use(r, use, found);
    else if (pare_option_find(pare_recipe_options, option))
        pare_problem_add(r->problems, &use->place,
                         "%s: stage '%s' does not give '%s', so there is nothing to constrain",
                         use->name, stage->name, option);
    else
        pare_problem_add(r->problems, &use->place, "%s: stage '%s' has no option '%s'%s", use->name,
                         stage->name, option, pare_sweep_hint(r, option, names, n));
}

static void read_constraints(struct sweep_reader *r)
{
    const struct pare_yaml *list = pare_yaml_get(r->root, "constraints");
    struct pare_sweep *s = r->sweep;

    if (!list)
        return;
    if (list->kind != PARE_YAML_LIST) {
        pare_problem_add(r->problems, list,
                         "constraints: a list must stand here, such as [size_bytes <= 96 KiB]");
        return;
    }
    s->constraints = PARE_ARENA_NEW(r->arena, struct pare_constraint *, list->n + 1);
    for (int i = 0; i < list->n; i++) {
        struct pare_constraint *c = pare_constraint_parse(list->items[i], r->problems);
        struct pare_constraint_use use;

        if (!c)
            continue;
        s->constraints[s->n_constraints++] = c;
        for (int k = 0; pare_constraint_use(c, k, &use); k++) {
            struct pare_metric_ref ref;
            const char *name = use.name;

            if (use.is_option) {
                if (s->space)
                    check_option_use(r, &use);
                continue;
            }
            if (strncmp(name, "baseline.", 9) == 0)
                name += 9;
            if (read_ref(r, &use.place, name, &ref))
                want_metric(r, &ref);
        }
    }
}

void pare_sweep_read_wanted(struct sweep_reader *r)
{
    read_metrics(r);
    read_objectives(r);
    read_budget(r);
    read_constraints(r);
}
