/* One option of a stage: a scalar, a list, a range or a fidelity becomes canonical texts. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "option/schema.h"
#include "space/inner.h"

static bool is_number(const struct pare_option *row)
{
    return row->type == PARE_OPTION_F64 || row->type == PARE_OPTION_I64 ||
           (row->type == PARE_OPTION_INT && !row->choices);
}

static bool is_whole(const struct pare_option *row)
{
    return row->type != PARE_OPTION_F64;
}

/* ---- Lists ---- */

static bool read_list(struct space_reader *r, struct pare_dim *dim, const struct pare_yaml *list)
{
    const char **values;
    bool good = true;
    int n = 0;

    if (list->n == 0 || list->n > MAX_VALUES) {
        pare_problem_add(r->problems, list, "%s: a list of 1 to %d values must stand here",
                         dim->name, MAX_VALUES);
        return false;
    }
    values = PARE_ARENA_NEW(r->arena, const char *, list->n);
    for (int i = 0; i < list->n; i++) {
        if (!pare_option_check(dim->row, list->items[i], r->problems, r->arena, &values[n])) {
            good = false;
            continue;
        }
        for (int k = 0; k < n; k++)
            if (strcmp(values[k], values[n]) == 0) {
                pare_problem_add(r->problems, list->items[i],
                                 "%s: %s stands twice in the list; remove one", dim->name,
                                 values[n]);
                good = false;
                break;
            }
        n++;
    }
    dim->n_values = n;
    dim->values = values;
    dim->is_ordered = good && is_number(dim->row);
    for (int i = 1; dim->is_ordered && i < n; i++) {
        double a, b;
        char end;

        dim->is_ordered = sscanf(values[i - 1], "%lf%c", &a, &end) == 1 &&
                          sscanf(values[i], "%lf%c", &b, &end) == 1 && a < b;
    }
    return good;
}

/* ---- Ranges ---- */

struct range {
    double min, max, step; /* step 0: n values */
    int64_t n;
    bool is_log;
};

static bool want_number(struct space_reader *r, const char *option, const char *key,
                        const struct pare_yaml *node, double *out)
{
    if (node && pare_yaml_to_f64(node, out) && isfinite(*out))
        return true;
    if (node)
        pare_problem_add(r->problems, node, "%s: %s: a number must stand here", option, key);
    return false;
}

/* min and max must themselves be legal values. */
static bool read_end(struct space_reader *r, const struct pare_dim *dim,
                     const struct pare_yaml *map, const char *key, double *out)
{
    const struct pare_yaml *node = pare_yaml_get(map, key);
    const char *text;

    if (!node) {
        pare_problem_add(r->problems, map,
                         "%s: '%s' is missing; a range is {min: A, max: B} with "
                         "step: C, or with log: true and n: K",
                         dim->name, key);
        return false;
    }
    return pare_option_check(dim->row, node, r->problems, r->arena, &text) &&
           want_number(r, dim->name, key, node, out);
}

static bool read_range(struct space_reader *r, const struct pare_dim *dim,
                       const struct pare_yaml *map, struct range *range)
{
    static const char *const keys[] = {"min", "max", "step", "log", "n"};
    const struct pare_yaml *step = pare_yaml_get(map, "step"), *log = pare_yaml_get(map, "log"),
                           *n = pare_yaml_get(map, "n");
    bool good = true;

    *range = (struct range){.n = DEFAULT_VALUES};
    for (int i = 0; i < map->n; i++) {
        const char *key = map->keys[i]->text;
        bool known = false;

        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            known |= strcmp(keys[k], key) == 0;
        if (!known) {
            pare_problem_add(r->problems, map->keys[i],
                             "%s: a range has no '%s'%s; it knows min, max, step, log, n",
                             dim->name, key, pare_space_hint(r, key, keys, 5));
            good = false;
        }
    }
    good &= read_end(r, dim, map, "min", &range->min);
    good &= read_end(r, dim, map, "max", &range->max);
    if (log && !pare_yaml_to_bool(log, &range->is_log)) {
        pare_problem_add(r->problems, log, "%s: log: true or false must stand here", dim->name);
        good = false;
    }
    if (step) {
        good &= want_number(r, dim->name, "step", step, &range->step);
        if (range->step <= 0) {
            pare_problem_add(r->problems, step, "%s: step must be above 0", dim->name);
            good = false;
        }
        if (n || range->is_log) {
            pare_problem_add(r->problems, step,
                             "%s: step and %s exclude each other; remove one of them", dim->name,
                             n ? "n" : "log");
            good = false;
        }
    }
    if (n && (!pare_yaml_to_i64(n, &range->n) || range->n < 2 || range->n > MAX_VALUES)) {
        pare_problem_add(r->problems, n, "%s: n: a whole number in [2, %d] must stand here",
                         dim->name, MAX_VALUES);
        good = false;
    }
    if (good && range->min > range->max) {
        pare_problem_add(r->problems, map, "%s: min %g is above max %g; swap them", dim->name,
                         range->min, range->max);
        good = false;
    }
    if (good && range->is_log && range->min <= 0) {
        pare_problem_add(r->problems, pare_yaml_get(map, "min"),
                         "%s: a logarithmic range must start above 0", dim->name);
        good = false;
    }
    if (good && step && (range->max - range->min) / range->step >= MAX_VALUES) {
        pare_problem_add(r->problems, step, "%s: more than %d values; take a larger step",
                         dim->name, MAX_VALUES);
        good = false;
    }
    return good;
}

static int64_t range_n(const struct range *range, bool whole)
{
    /* A little beyond, so that 0.3, 0.4 ... 0.9 holds its end in spite of rounding. */
    if (range->step > 0)
        return (int64_t)floor((range->max - range->min) / range->step + 1e-9) + 1;
    if (range->min == range->max)
        return 1;
    if (whole && !range->is_log && range->max - range->min + 1 <= (double)range->n)
        return (int64_t)(range->max - range->min) + 1;
    return range->n;
}

static double range_at(const struct range *range, int64_t i, int64_t n)
{
    double t = n > 1 ? (double)i / (double)(n - 1) : 0;

    if (range->step > 0)
        return range->min + (double)i * range->step;
    if (range->is_log)
        return range->min * pow(range->max / range->min, t);
    return range->min + t * (range->max - range->min);
}

static bool fill_range(struct space_reader *r, struct pare_dim *dim, const struct pare_yaml *map,
                       const struct range *range)
{
    bool whole = is_whole(dim->row);
    int64_t n = range_n(range, whole);
    const char **values = PARE_ARENA_NEW(r->arena, const char *, n);

    dim->n_values = 0;
    for (int64_t i = 0; i < n; i++) {
        struct pare_yaml node = *map;
        double x = range_at(range, i, n);
        char text[40];
        const char **value = &values[dim->n_values];

        /* Decimal fractions come out as written: 12 digits hide what binary steps add.  Inner points
         * of a division into n are round to 4 digits, which is finer than any of them means. */
        if (whole)
            snprintf(text, sizeof text, "%.0f", round(x));
        else if (range->step > 0 || i == 0 || i == n - 1)
            snprintf(text, sizeof text, "%.12g", x);
        else
            snprintf(text, sizeof text, "%.4g", x);
        node.kind = PARE_YAML_SCALAR;
        node.is_quoted = false;
        node.text = pare_arena_strdup(r->arena, text);
        node.n = 0;
        if (!pare_option_check(dim->row, &node, r->problems, r->arena, value))
            return false;
        if (dim->n_values == 0 || strcmp(values[dim->n_values - 1], *value) != 0)
            dim->n_values++;
    }
    dim->values = values;
    dim->is_ordered = true;
    return true;
}

/* ---- Fidelity ---- */

static bool read_fidelity(struct space_reader *r, struct pare_dim *dim, const struct pare_yaml *map)
{
    const struct pare_yaml *pair = pare_yaml_get(map, "fidelity");
    const char **values = PARE_ARENA_NEW(r->arena, const char *, 1), *low_text;
    double low, high;

    if (!dim->row->fidelity) {
        pare_problem_add(
            r->problems, map,
            "%s is no measure of effort, so it takes no fidelity; write a value, a list "
            "or a range",
            dim->name);
        return false;
    }
    if (map->n != 1 || pair->kind != PARE_YAML_LIST || pair->n != 2) {
        pare_problem_add(r->problems, map, "%s: a fidelity is written {fidelity: [low, high]}",
                         dim->name);
        return false;
    }
    if (!pare_option_check(dim->row, pair->items[0], r->problems, r->arena, &low_text) ||
        !pare_option_check(dim->row, pair->items[1], r->problems, r->arena, &values[0]) ||
        !want_number(r, dim->name, "fidelity", pair->items[0], &low) ||
        !want_number(r, dim->name, "fidelity", pair->items[1], &high))
        return false;
    if (low <= 0 || low > high) {
        pare_problem_add(r->problems, pair,
                         "%s: fidelity: the low value must be above 0 and not above the high one",
                         dim->name);
        return false;
    }
    dim->n_values = 1;
    dim->values = values;
    dim->has_fidelity = true;
    dim->fidelity_low = low;
    return true;
}

bool pare_dim_read(struct space_reader *r, struct pare_dim *dim, const struct pare_option *row,
                   const struct pare_yaml *node)
{
    bool is_list = node->kind == PARE_YAML_LIST;
    const char **values;
    struct range range;

    dim->name = row->name;
    dim->row = row;
    dim->flat = -1;
    if (is_list && row->type == PARE_OPTION_STRINGS)
        is_list = node->n > 0 && node->items[0]->kind == PARE_YAML_LIST; /* a list of lists */
    if (is_list)
        return read_list(r, dim, node);
    if (node->kind == PARE_YAML_MAP) {
        if (pare_yaml_get(node, "fidelity"))
            return read_fidelity(r, dim, node);
        if (!is_number(row)) {
            pare_problem_add(r->problems, node,
                             "%s is no number, so it has no range; write a list of values",
                             dim->name);
            return false;
        }
        return read_range(r, dim, node, &range) && fill_range(r, dim, node, &range);
    }
    values = PARE_ARENA_NEW(r->arena, const char *, 1);
    dim->n_values = 1;
    dim->values = values;
    return pare_option_check(row, node, r->problems, r->arena, &values[0]);
}
