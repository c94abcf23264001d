#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/format.h"

/* ---- texts ---- */

void pare_metric_head(struct pare_text *out, const char *metric)
{
    static const char *const units[] = {"_bytes", "_ms", "_mj", "_mib", "_us"};
    size_t n = strcspn(metric, "@"), kept = n;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t m = strlen(units[i]);

        if (n > m && strncmp(metric + n - m, units[i], m) == 0)
            kept = n - m;
    }
    pare_text_add_n(out, metric, kept);
    pare_text_add(out, metric + n);
}

/* Some other trial has another value of the option.  A trial without it says nothing: its pipeline
 * has no such stage. */
static bool varies(const struct pare_dataset *data, const char *option, const char *value)
{
    for (int64_t i = 0; i < data->n; i++) {
        const char *other = pare_trial_option(&data->trials[i], option);

        if (other && strcmp(other, value) != 0)
            return true;
    }
    return false;
}

static const char *short_name(const struct pare_trial *trial, int i)
{
    const char *name = trial->option_names[i], *dot = strrchr(name, '.');

    for (int k = 0; dot && k < trial->n_options; k++) {
        const char *other = strrchr(trial->option_names[k], '.');

        if (k != i && other && strcmp(other, dot) == 0)
            return name; /* two stages have such an option */
    }
    return dot ? dot + 1 : name;
}

void pare_config_brief(struct pare_text *out, const struct pare_dataset *data,
                       const struct pare_trial *trial)
{
    size_t start = out->n;

    for (int i = 0; i < trial->n_options; i++)
        if (varies(data, trial->option_names[i], trial->option_values[i]))
            pare_text_printf(out, "%s%s=%s", out->n > start ? " " : "", short_name(trial, i),
                             trial->option_values[i]);
}

/* ---- choosing metrics ---- */

static void add_metric(int *metrics, int *n, int metric)
{
    for (int i = 0; i < *n; i++)
        if (metrics[i] == metric)
            return;
    if (metric >= 0)
        metrics[(*n)++] = metric;
}

static pare_status add_named(int *metrics, int *n, const struct pare_dataset *data,
                             const char *names, struct pare_error *err)
{
    char *copy = pare_xstrdup(names), *save = NULL;
    pare_status st = PARE_OK;

    for (char *name = strtok_r(copy, ", ", &save); name && st == PARE_OK;
         name = strtok_r(NULL, ", ", &save)) {
        int metric = -1;

        st = pare_dataset_need_metric(data, name, &metric, err);
        add_metric(metrics, n, metric);
    }
    free(copy);
    return st;
}

pare_status pare_table_metrics(int **metrics, int *n_metrics, const struct pare_dataset *data,
                               const char *names, bool all_by_default, struct pare_error *err)
{
    bool all = names ? strcmp(names, "all") == 0 : all_by_default;
    pare_status st = PARE_OK;

    *metrics = pare_xcalloc((size_t)data->n_metrics + 1, sizeof **metrics);
    *n_metrics = 0;
    if (names && !all) {
        st = add_named(*metrics, n_metrics, data, names, err);
    } else {
        for (int g = 0; g < data->n_goals; g++)
            add_metric(*metrics, n_metrics, data->goals[g].metric);
        for (int i = 0; i < data->n_limits; i++)
            add_metric(*metrics, n_metrics, data->limits[i].metric);
        /* Without objectives there is nothing to prefer. */
        for (int m = 0; (all || *n_metrics == 0) && m < data->n_metrics; m++)
            add_metric(*metrics, n_metrics, m);
    }
    if (st) {
        free(*metrics);
        *metrics = NULL;
    }
    return st;
}

/* ---- for people ---- */

static bool in_budget(const struct pare_trial *trial, const struct pare_dataset *data)
{
    for (int i = 0; i < data->n_limits; i++)
        if (!(pare_margin_of(trial, &data->limits[i]).slack >= 0))
            return false;
    return trial->is_ok;
}

static const char *standing_word(enum pare_rank rank)
{
    static const char *const words[] = {"", "dominated", "tie", "front"};
    return words[rank];
}

/* "*" the best, "+" within the budget, "=12" cannot be told from trial 12. */
static void set_mark(struct pare_grid *grid, int row, int column, const struct pare_dataset *data,
                     const struct pare_trial *trial, const struct pare_standing *standing,
                     const struct pare_best *best)
{
    struct pare_text mark = {0};

    if (best && best->trial == trial) {
        pare_text_add(&mark, "*");
        pare_grid_legend(grid, data->n_limits ? "* the best within the budget" : "* the best");
    } else if (data->n_limits && in_budget(trial, data)) {
        pare_text_add(&mark, "+");
        pare_grid_legend(grid, "+ within the budget");
    }
    if (standing->rank == PARE_RANK_TIE) {
        pare_text_printf(&mark, "=%lld", (long long)standing->by);
        pare_grid_legend(grid, "=N cannot be told from trial N: intervals overlap");
    }
    pare_grid_set(grid, row, column, mark.s ? mark.s : "");
    pare_text_clear(&mark);
}

/* The note that all values of a column share, or NULL. */
static const char *common_note(const struct pare_rows *rows, int metric)
{
    const char *note = NULL;

    for (int64_t i = 0; i < rows->n; i++) {
        const struct pare_value *v = &rows->trials[i]->values[metric];

        if (v->provenance == PARE_ABSENT)
            continue;
        if (!v->note[0] || (note && strcmp(note, v->note) != 0))
            return NULL;
        note = v->note;
    }
    return note;
}

struct layout {
    const struct pare_dataset *data;
    const struct pare_rows *rows;
    const struct pare_table_options *options;
    struct pare_grid *grid;
    int first_metric;
    struct pare_scale *scales;
    const char **notes; /* of a whole column */
};

static void add_columns(struct layout *l)
{
    const struct pare_table_options *o = l->options;
    struct pare_text head = {0};

    pare_grid_column(l->grid, "trial", "", true, false, true);
    if (o->standing)
        pare_grid_column(l->grid, "", "", false, false, true);
    if (o->with_status)
        pare_grid_column(l->grid, "status", "", false, false, true);
    pare_grid_column(l->grid, "pipeline", "", false, true, true);
    l->first_metric = l->grid->n_columns;
    for (int i = 0; i < o->n_metrics; i++) {
        int m = o->metrics[i];

        l->scales[i] = pare_scale_column(l->data, m, l->rows->trials, l->rows->n, NAN);
        l->notes[i] = common_note(l->rows, m);
        pare_metric_head(&head, l->data->metrics[m]);
        if (l->notes[i])
            pare_text_printf(&head, "[%d]", pare_grid_note(l->grid, l->notes[i]));
        pare_grid_column(l->grid, head.s, l->scales[i].unit, true, false, i == 0);
        pare_text_clear(&head);
    }
    pare_grid_column(l->grid, "config", "", false, true, false);
}

static void set_metric(struct layout *l, int row, int i, const struct pare_trial *trial,
                       bool intervals)
{
    const struct pare_value *v = &trial->values[l->options->metrics[i]];
    struct pare_text text = {0};

    pare_value_text(&text, v, l->scales[i], intervals);
    if (v->note[0] && !l->notes[i] && strncmp(v->note, "unstable", 8) == 0) {
        /* each has its own particulars: too many lines for a footnote each */
        pare_text_add(&text, "!");
        pare_grid_legend(l->grid,
                         "! unstable: the interval stayed wide; `pare show TRIAL` says why");
    } else if (v->note[0] && !l->notes[i])
        pare_text_printf(&text, "[%d]", pare_grid_note(l->grid, v->note));
    if (v->provenance == PARE_MODELED)
        pare_grid_legend(l->grid, "~ modeled, not measured");
    pare_grid_set(l->grid, row, l->first_metric + i, text.s);
    pare_text_clear(&text);
}

static void add_row(struct layout *l, int64_t i, bool intervals)
{
    const struct pare_table_options *o = l->options;
    const struct pare_trial *trial = l->rows->trials[i];
    enum pare_emphasis emphasis = PARE_PLAIN;
    struct pare_text text = {0};
    int row, c = 0;

    if (o->best && o->best->trial == trial)
        emphasis = PARE_BOLD;
    else if (!trial->is_ok || (o->standing && o->standing[i].rank <= PARE_RANK_DOMINATED))
        emphasis = PARE_FAINT;
    row = pare_grid_row(l->grid, emphasis);
    pare_text_printf(&text, "%lld", (long long)trial->id);
    pare_grid_set(l->grid, row, c++, text.s);
    pare_text_clear(&text);
    if (o->standing)
        set_mark(l->grid, row, c++, l->data, trial, &o->standing[i], o->best);
    if (o->with_status)
        pare_grid_set(l->grid, row, c++, trial->status);
    pare_grid_set(l->grid, row, c++, trial->pipeline);
    for (int m = 0; m < o->n_metrics; m++)
        set_metric(l, row, m, trial, intervals);
    pare_config_brief(&text, l->data, trial);
    if (text.s)
        pare_grid_set(l->grid, row, l->grid->n_columns - 1, text.s);
    pare_text_clear(&text);
}

static struct pare_grid *build(const struct pare_dataset *data, const struct pare_rows *rows,
                               const struct pare_table_options *options, bool intervals)
{
    struct layout l = {.data = data, .rows = rows, .options = options, .grid = pare_grid_new()};

    l.scales = pare_xcalloc((size_t)options->n_metrics + 1, sizeof *l.scales);
    l.notes = pare_xcalloc((size_t)options->n_metrics + 1, sizeof *l.notes);
    add_columns(&l);
    for (int64_t i = 0; i < rows->n; i++)
        add_row(&l, i, intervals);
    if (!intervals)
        pare_grid_legend(l.grid, "intervals: no room here; see -o csv or a wider terminal");
    free(l.scales);
    free(l.notes);
    return l.grid;
}

/* ---- for programs ---- */

static bool has_interval(const struct pare_rows *rows, int metric)
{
    for (int64_t i = 0; i < rows->n; i++)
        if (!isnan(rows->trials[i]->values[metric].low) ||
            !isnan(rows->trials[i]->values[metric].high))
            return true;
    return false;
}

static const char *provenance_word(enum pare_provenance provenance)
{
    static const char *const words[] = {"", "unavailable", "measured", "modeled", "counted"};
    return words[provenance];
}

static void set_number(struct pare_grid *grid, int row, int column, double value)
{
    struct pare_text text = {0};

    if (isnan(value))
        return;
    pare_text_json_number(&text, value);
    pare_grid_set(grid, row, column, text.s);
    pare_text_clear(&text);
}

static struct pare_grid *build_csv(const struct pare_dataset *data, const struct pare_rows *rows,
                                   const struct pare_table_options *o)
{
    struct pare_grid *grid = pare_grid_new();
    struct pare_text head = {0};
    static const char *const first[] = {"trial", "pipeline", "status"};
    static const char *const parts[] = {"low", "high", "provenance", "note"};

    for (int i = 0; i < 3; i++)
        pare_grid_column(grid, first[i], "", false, false, true);
    if (o->standing) {
        pare_grid_column(grid, "front", "", false, false, true);
        pare_grid_column(grid, "within_budget", "", false, false, true);
    }
    for (int i = 0; i < o->n_metrics; i++) {
        pare_grid_column(grid, data->metrics[o->metrics[i]], "", true, false, true);
        for (int k = has_interval(rows, o->metrics[i]) ? 0 : 2; k < 4; k++) {
            pare_text_printf(&head, "%s.%s", data->metrics[o->metrics[i]], parts[k]);
            pare_grid_column(grid, head.s, "", true, false, true);
            pare_text_clear(&head);
        }
    }
    pare_grid_column(grid, "config", "", false, false, true);
    for (int64_t i = 0; i < rows->n; i++) {
        const struct pare_trial *trial = rows->trials[i];
        int row = pare_grid_row(grid, PARE_PLAIN), c = 0;

        set_number(grid, row, c++, (double)trial->id);
        pare_grid_set(grid, row, c++, trial->pipeline);
        pare_grid_set(grid, row, c++, trial->status);
        if (o->standing) {
            pare_grid_set(grid, row, c++, standing_word(o->standing[i].rank));
            pare_grid_set(grid, row, c++, in_budget(trial, data) ? "true" : "false");
        }
        for (int m = 0; m < o->n_metrics; m++) {
            const struct pare_value *v = &trial->values[o->metrics[m]];

            set_number(grid, row, c++, v->value);
            if (has_interval(rows, o->metrics[m])) {
                set_number(grid, row, c++, v->low);
                set_number(grid, row, c++, v->high);
            }
            pare_grid_set(grid, row, c++, provenance_word(v->provenance));
            pare_grid_set(grid, row, c++, v->note);
        }
        pare_grid_set(grid, row, c++, trial->config);
    }
    return grid;
}

static void json_member(struct pare_text *out, const char *name)
{
    pare_text_add(out, ", ");
    pare_text_json_string(out, name);
    pare_text_add(out, ": ");
}

static void json_row(struct pare_text *out, const struct pare_dataset *data,
                     const struct pare_trial *trial, const struct pare_standing *standing,
                     const struct pare_table_options *o)
{
    const char *comma = "";

    pare_text_printf(out, "{\"trial\": %lld", (long long)trial->id);
    json_member(out, "pipeline");
    pare_text_json_string(out, trial->pipeline);
    json_member(out, "config");
    pare_text_json_string(out, trial->config);
    json_member(out, "status");
    pare_text_json_string(out, trial->status);
    if (standing) {
        json_member(out, "front");
        pare_text_json_string(out, standing_word(standing->rank));
        json_member(out, "tie_with");
        pare_text_json_number(out, standing->rank == PARE_RANK_TIE ? (double)standing->by : NAN);
        json_member(out, "within_budget");
        pare_text_add(out, in_budget(trial, data) ? "true" : "false");
    }
    for (int m = 0; m < o->n_metrics; m++) {
        json_member(out, data->metrics[o->metrics[m]]);
        pare_text_json_number(out, trial->values[o->metrics[m]].value);
    }
    json_member(out, "intervals");
    pare_text_add(out, "{");
    for (int m = 0; m < o->n_metrics; m++) {
        const struct pare_value *v = &trial->values[o->metrics[m]];

        if (isnan(v->low) && isnan(v->high))
            continue;
        pare_text_add(out, comma);
        pare_text_json_string(out, data->metrics[o->metrics[m]]);
        pare_text_add(out, ": [");
        pare_text_json_number(out, v->low);
        pare_text_add(out, ", ");
        pare_text_json_number(out, v->high);
        pare_text_add(out, "]");
        comma = ", ";
    }
    pare_text_add(out, "}");
    for (int notes = 0; notes < 2; notes++) {
        comma = "";
        json_member(out, notes ? "notes" : "provenance");
        pare_text_add(out, "{");
        for (int m = 0; m < o->n_metrics; m++) {
            const struct pare_value *v = &trial->values[o->metrics[m]];
            const char *text = notes ? v->note : provenance_word(v->provenance);

            if (!text[0])
                continue;
            pare_text_add(out, comma);
            pare_text_json_string(out, data->metrics[o->metrics[m]]);
            pare_text_add(out, ": ");
            pare_text_json_string(out, text);
            comma = ", ";
        }
        pare_text_add(out, "}");
    }
    json_member(out, "options");
    pare_text_add(out, "{");
    for (int i = 0; i < trial->n_options; i++) {
        pare_text_add(out, i ? ", " : "");
        pare_text_json_string(out, trial->option_names[i]);
        pare_text_add(out, ": ");
        pare_text_json_string(out, trial->option_values[i]);
    }
    pare_text_add(out, "}}");
}

void pare_table_print(struct pare_text *out, const struct pare_dataset *data,
                      const struct pare_rows *rows, const struct pare_table_options *options)
{
    struct pare_grid *grid;

    if (options->format == PARE_TABLE_JSON) {
        pare_text_add(out, "[");
        for (int64_t i = 0; i < rows->n; i++) {
            pare_text_add(out, i ? ",\n " : "");
            json_row(out, data, rows->trials[i], options->standing ? &options->standing[i] : NULL,
                     options);
        }
        pare_text_add(out, "]\n");
        return;
    }
    if (options->format == PARE_TABLE_CSV)
        grid = build_csv(data, rows, options);
    else
        grid = build(data, rows, options, true);
    if (options->format == PARE_TABLE_TEXT && !pare_grid_fits(grid, options->columns)) {
        pare_grid_free(grid);
        grid = build(data, rows, options, false);
    }
    pare_grid_print(out, grid, options->format, options->columns, options->color);
    pare_grid_free(grid);
}
