/* How a comparison reads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/stats.h"
#include "report/compare.h"
#include "report/format.h"
#include "report/table.h"

static const char *const verdict_words[] = {"same", "better", "worse", "unsure"};

static void change_text(struct pare_text *out, const struct pare_comparison *c,
                        const struct pare_change *change)
{
    int m = pare_dataset_metric(c->a, change->metric);

    if (isnan(change->change)) {
        pare_text_add(out, "-");
    } else if (change->is_ratio) {
        pare_text_printf(out, "x%.3f", change->change);
        if (!isnan(change->low))
            pare_text_printf(out, " [%.3f, %.3f]", change->low, change->high);
    } else {
        struct pare_value value = {.value = change->change,
                                   .low = change->low,
                                   .high = change->high,
                                   .provenance = PARE_MEASURED};

        if (change->change > 0)
            pare_text_add(out, "+");
        pare_value_quantity(out, change->metric, pare_metric_unit(c->a, m), &value);
    }
}

/* How bad: for the order of rows.  Relative where that makes sense. */
static double severity(const struct pare_change *change)
{
    double size;

    if (strcmp(change->metric, "status") == 0)
        return change->verdict == PARE_WORSE ? INFINITY : 0;
    if (change->is_ratio)
        size = fabs(log(change->change));
    else
        size = fabs(change->change) / fmax(fabs(change->value_a), 1e-300);
    return isnan(size) ? 0 : size;
}

struct listed {
    const struct pare_change *change;
};

static int worst_first(const void *a, const void *b)
{
    static const int rank[] =
        {[PARE_WORSE] = 0, [PARE_UNSURE] = 1, [PARE_BETTER] = 2, [PARE_SAME] = 3};
    const struct listed *x = a, *y = b;
    double s = severity(x->change), t = severity(y->change);

    if (rank[x->change->verdict] != rank[y->change->verdict])
        return rank[x->change->verdict] - rank[y->change->verdict];
    if (s != t)
        return s > t ? -1 : 1;
    return x->change < y->change ? -1 : x->change > y->change;
}

/* ---- counts ---- */

static double median_change(const struct pare_comparison *c, const char *metric, bool *is_ratio)
{
    double *values = pare_xcalloc((size_t)c->n_changes + 1, sizeof *values), median;
    int64_t n = 0;

    for (int64_t i = 0; i < c->n_changes; i++)
        if (strcmp(c->changes[i].metric, metric) == 0 && !isnan(c->changes[i].change)) {
            values[n++] = c->changes[i].change;
            *is_ratio = c->changes[i].is_ratio;
        }
    median = n ? pare_median(values, n) : NAN;
    free(values);
    return median;
}

static struct pare_grid *build_counts(const struct pare_comparison *c)
{
    static const char *const heads[] = {"pairs", "worse", "unsure", "better", "same"};
    static const enum pare_verdict order[] = {PARE_WORSE, PARE_UNSURE, PARE_BETTER, PARE_SAME};
    struct pare_grid *grid = pare_grid_new();

    pare_grid_column(grid, "metric", "", false, true, true);
    for (int i = 0; i < 5; i++)
        pare_grid_column(grid, heads[i], "", true, false, true);
    pare_grid_column(grid, "median change", "", true, false, false);
    for (int m = 0; m < c->n_metrics; m++) {
        int64_t counts[4] = {0}, n = 0;
        struct pare_text text = {0};
        struct pare_change median = {.metric = c->metrics[m], .low = NAN, .high = NAN};
        int row;

        for (int64_t i = 0; i < c->n_changes; i++)
            if (strcmp(c->changes[i].metric, c->metrics[m]) == 0) {
                counts[c->changes[i].verdict]++;
                n++;
            }
        row = pare_grid_row(grid, counts[PARE_WORSE] ? PARE_BOLD : PARE_PLAIN);
        pare_grid_set(grid, row, 0, c->metrics[m]);
        for (int i = 0; i < 5; i++) {
            pare_text_printf(&text, "%lld", (long long)(i ? counts[order[i - 1]] : n));
            pare_grid_set(grid, row, i + 1, text.s);
            pare_text_clear(&text);
        }
        median.change = median_change(c, c->metrics[m], &median.is_ratio);
        change_text(&text, c, &median);
        pare_grid_set(grid, row, 6, text.s);
        pare_text_clear(&text);
    }
    return grid;
}

/* ---- changes ---- */

/* Everything that changed, or would have on one machine; with `all` the rest too. */
static struct listed *list_changes(const struct pare_comparison *c, bool all, int64_t *n)
{
    struct listed *list = pare_xcalloc((size_t)c->n_changes + 1, sizeof *list);

    *n = 0;
    for (int64_t i = 0; i < c->n_changes; i++)
        if (all || c->changes[i].apparent != PARE_SAME)
            list[(*n)++] = (struct listed){&c->changes[i]};
    qsort(list, (size_t)*n, sizeof *list, worst_first);
    return list;
}

static void set_value(struct pare_grid *grid, int row, int column, const struct pare_comparison *c,
                      const char *metric, double value)
{
    struct pare_text text = {0};

    if (isnan(value))
        pare_text_add(&text, "-");
    else
        pare_quantity_text(&text, metric, pare_metric_unit(c->a, pare_dataset_metric(c->a, metric)),
                           value);
    pare_grid_set(grid, row, column, text.s);
    pare_text_clear(&text);
}

static struct pare_grid *build_changes(const struct pare_comparison *c, const struct listed *list,
                                       int64_t n)
{
    struct pare_grid *grid = pare_grid_new();
    struct pare_text text = {0};

    pare_grid_column(grid, "verdict", "", false, false, true);
    pare_grid_column(grid, "A", "trial", true, false, true);
    pare_grid_column(grid, "B", "trial", true, false, true);
    pare_grid_column(grid, "metric", "", false, true, true);
    pare_grid_column(grid, "change", "", true, false, true);
    pare_grid_column(grid, "evidence", "", false, true, true);
    pare_grid_column(grid, "A", "value", true, false, false);
    pare_grid_column(grid, "B", "value", true, false, false);
    for (int64_t i = 0; i < n; i++) {
        const struct pare_change *change = list[i].change;
        int row = pare_grid_row(grid, change->verdict == PARE_WORSE ? PARE_BOLD : PARE_PLAIN);
        const int64_t ids[] = {change->a->id, change->b->id};

        pare_grid_set(grid, row, 0, verdict_words[change->verdict]);
        for (int k = 0; k < 2; k++) {
            pare_text_printf(&text, "%lld", (long long)ids[k]);
            pare_grid_set(grid, row, 1 + k, text.s);
            pare_text_clear(&text);
        }
        pare_grid_set(grid, row, 3, change->metric);
        change_text(&text, c, change);
        pare_grid_set(grid, row, 4, text.s);
        pare_text_clear(&text);
        pare_grid_set(grid, row, 5, change->evidence);
        set_value(grid, row, 6, c, change->metric, change->value_a);
        set_value(grid, row, 7, c, change->metric, change->value_b);
    }
    return grid;
}

static void print_text(struct pare_text *out, const struct pare_comparison *c, int max_rows,
                       int columns, bool color)
{
    struct pare_grid *counts = build_counts(c), *changes;
    struct pare_text more = {0};
    int64_t n, shown;
    struct listed *list = list_changes(c, false, &n);

    pare_text_printf(out, "A: %s\nB: %s\n", c->a->folder, c->b->folder);
    pare_text_printf(out, "%lld trial%s compared", (long long)c->n_pairs,
                     c->n_pairs == 1 ? "" : "s");
    if (c->n_only_a || c->n_only_b)
        pare_text_printf(out, "; only in A: %lld, only in B: %lld", (long long)c->n_only_a,
                         (long long)c->n_only_b);
    pare_text_add(out, "\n");
    if (c->machines != PARE_SAME_MACHINE)
        pare_text_printf(out, "%s: measured times are not judged\n",
                         c->machines == PARE_OTHER_MACHINE ? "the machines differ"
                                                           : "a machine is unknown");
    if (!c->is_same_data)
        pare_text_add(out, "the data differ or are unknown: accuracies are not paired\n");
    pare_text_add(out, "\n");
    pare_grid_text(out, counts, columns, color);
    shown = max_rows > 0 && n > max_rows ? max_rows : n;
    if (n > 0) {
        pare_text_add(out, "\n");
        changes = build_changes(c, list, shown);
        if (n > shown) {
            pare_text_printf(&more, "%lld more: -o csv has all", (long long)(n - shown));
            pare_grid_legend(changes, more.s);
        }
        pare_grid_text(out, changes, columns, color);
        pare_grid_free(changes);
    }
    pare_text_clear(&more);
    pare_grid_free(counts);
    free(list);
}

/* ---- for programs ---- */

static const char *const fields[] = {"metric",  "verdict",  "trial_a", "trial_b", "value_a",
                                     "value_b", "kind",     "change",  "low",     "high",
                                     "p",       "evidence", "config"};
enum { N_FIELDS = sizeof fields / sizeof *fields };

/* The i-th field as text, or as a number. */
static const char *field(const struct pare_change *change, int i, double *number)
{
    *number = NAN;
    switch (i) {
    case 0: return change->metric;
    case 1: return verdict_words[change->verdict];
    case 2: *number = (double)change->a->id; return NULL;
    case 3: *number = (double)change->b->id; return NULL;
    case 4: *number = change->value_a; return NULL;
    case 5: *number = change->value_b; return NULL;
    case 6: return change->is_ratio ? "ratio" : "difference";
    case 7: *number = change->change; return NULL;
    case 8: *number = change->low; return NULL;
    case 9: *number = change->high; return NULL;
    case 10: *number = change->p; return NULL;
    case 11: return change->evidence;
    default: return change->b->config;
    }
}

static void print_json(struct pare_text *out, const struct listed *list, int64_t n)
{
    double number;

    pare_text_add(out, "[");
    for (int64_t k = 0; k < n; k++) {
        pare_text_add(out, k ? ",\n {" : "{");
        for (int i = 0; i < N_FIELDS; i++) {
            const char *text = field(list[k].change, i, &number);

            pare_text_printf(out, "%s\"%s\": ", i ? ", " : "", fields[i]);
            if (text)
                pare_text_json_string(out, text);
            else
                pare_text_json_number(out, number);
        }
        pare_text_add(out, "}");
    }
    pare_text_add(out, "]\n");
}

static void print_csv(struct pare_text *out, const struct listed *list, int64_t n)
{
    struct pare_grid *grid = pare_grid_new();
    struct pare_text cell = {0};
    double number;

    for (int i = 0; i < N_FIELDS; i++)
        pare_grid_column(grid, fields[i], "", false, false, true);
    for (int64_t k = 0; k < n; k++) {
        int row = pare_grid_row(grid, PARE_PLAIN);

        for (int i = 0; i < N_FIELDS; i++) {
            const char *text = field(list[k].change, i, &number);

            if (!text && isnan(number))
                continue;
            if (!text)
                pare_text_json_number(&cell, number);
            pare_grid_set(grid, row, i, text ? text : cell.s);
            pare_text_clear(&cell);
        }
    }
    pare_grid_csv(out, grid);
    pare_grid_free(grid);
}

void pare_compare_print(struct pare_text *out, const struct pare_comparison *c,
                        enum pare_table_format format, int max_rows, int columns, bool color)
{
    bool all = format == PARE_TABLE_CSV || format == PARE_TABLE_JSON;
    struct pare_grid *grid;
    struct listed *list;
    int64_t n;

    if (format == PARE_TABLE_TEXT) {
        print_text(out, c, max_rows, columns, color);
        return;
    }
    list = list_changes(c, all, &n);
    if (format == PARE_TABLE_JSON) {
        print_json(out, list, n);
    } else if (format == PARE_TABLE_CSV) {
        print_csv(out, list, n);
    } else {
        grid = build_changes(c, list, n);
        pare_grid_print(out, grid, format, columns, color);
        pare_grid_free(grid);
    }
    free(list);
}
