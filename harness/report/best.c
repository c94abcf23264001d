#include "report/best.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/format.h"

struct pare_margin pare_margin_of(const struct pare_trial *trial, const struct pare_limit *limit)
{
    struct pare_margin margin = {.limit = limit, .value = NAN, .slack = NAN, .fraction = NAN};
    const struct pare_value *v;

    if (limit->metric < 0)
        return margin;
    v = &trial->values[limit->metric];
    margin.value = v->value;
    margin.slack = limit->at_least ? v->value - limit->limit : limit->limit - v->value;
    margin.fraction = margin.slack / (limit->limit != 0 ? fabs(limit->limit) : 1);
    margin.is_sure =
        limit->at_least ? pare_value_low(v) >= limit->limit : pare_value_high(v) <= limit->limit;
    return margin;
}

static bool has_goals(const struct pare_trial *trial, const struct pare_dataset *data)
{
    for (int g = 0; g < data->n_goals; g++)
        if (isnan(pare_trial_value(trial, data->goals[g].metric)))
            return false;
    return trial->is_ok;
}

/* `without`: a line that is not asked, -1: none. */
static bool is_feasible(const struct pare_trial *trial, const struct pare_dataset *data,
                        int without)
{
    for (int i = 0; i < data->n_limits; i++)
        if (i != without && !(pare_margin_of(trial, &data->limits[i]).slack >= 0))
            return false;
    return has_goals(trial, data);
}

static bool is_inside(const struct pare_value *value, const struct pare_value *interval)
{
    return value->value >= pare_value_low(interval) && value->value <= pare_value_high(interval);
}

/* Best by one objective's value; of equals the first. */
static const struct pare_trial *leader(const struct pare_rows *rows, const struct pare_goal *goal)
{
    const struct pare_trial *best = rows->trials[0];

    for (int64_t i = 1; i < rows->n; i++)
        if (pare_value_better(&rows->trials[i]->values[goal->metric], &best->values[goal->metric],
                              goal->maximize))
            best = rows->trials[i];
    return best;
}

static void keep_near(struct pare_rows *rows, const struct pare_trial *best, int metric)
{
    int64_t n = 0;

    for (int64_t i = 0; i < rows->n; i++)
        if (is_inside(&rows->trials[i]->values[metric], &best->values[metric]))
            rows->trials[n++] = rows->trials[i];
    rows->n = n;
}

static void keep_equal(struct pare_rows *rows, double value, int metric)
{
    int64_t n = 0;

    for (int64_t i = 0; i < rows->n; i++)
        if (rows->trials[i]->values[metric].value == value)
            rows->trials[n++] = rows->trials[i];
    rows->n = n;
}

/* The answer among the feasible, one trial and one line left out; NULL: nothing is feasible. */
static const struct pare_trial *choose(const struct pare_dataset *data,
                                       const struct pare_trial *but, int without,
                                       int64_t *n_feasible)
{
    struct pare_rows rows;
    const struct pare_trial *best = NULL;
    int64_t n = 0;

    pare_rows_init(&rows, data, false);
    for (int64_t i = 0; i < rows.n; i++)
        if (rows.trials[i] != but && is_feasible(rows.trials[i], data, without))
            rows.trials[n++] = rows.trials[i];
    rows.n = n;
    if (n_feasible)
        *n_feasible = n;
    if (n > 0) {
        const struct pare_goal *last = &data->goals[data->n_goals - 1];

        for (int g = 0; g < data->n_goals; g++)
            keep_near(&rows, leader(&rows, &data->goals[g]), data->goals[g].metric);
        keep_equal(&rows, leader(&rows, last)->values[last->metric].value, last->metric);
        best = leader(&rows, &data->goals[0]);
    }
    pare_rows_clear(&rows);
    return best;
}

static double worst_fraction(const struct pare_trial *trial, const struct pare_dataset *data)
{
    double worst = INFINITY;

    for (int i = 0; i < data->n_limits; i++) {
        double fraction = pare_margin_of(trial, &data->limits[i]).fraction;

        worst = isnan(fraction) ? -INFINITY : fmin(worst, fraction);
    }
    return worst;
}

static const struct pare_trial *find_nearest(const struct pare_dataset *data)
{
    const struct pare_trial *nearest = NULL;
    double least = -INFINITY;

    for (int64_t i = 0; i < data->n; i++) {
        double worst =
            has_goals(&data->trials[i], data) ? worst_fraction(&data->trials[i], data) : -INFINITY;

        if (worst > least) {
            nearest = &data->trials[i];
            least = worst;
        }
    }
    return nearest;
}

static void find_binding(struct pare_best *best, const struct pare_dataset *data)
{
    best->binding = best->tightest = -1;
    for (int i = 0; i < data->n_limits; i++) {
        const struct pare_trial *other = choose(data, NULL, i, NULL);
        double fraction = best->margins[i].fraction;

        if (best->tightest < 0 || fraction < best->margins[best->tightest].fraction)
            best->tightest = i;
        /* What the line does not exclude was free to win before. */
        if (!other || pare_margin_of(other, &data->limits[i]).slack >= 0 ||
            (best->binding >= 0 && fraction >= best->margins[best->binding].fraction))
            continue;
        best->binding = i;
        best->without_binding = other;
    }
}

pare_status pare_best_find(struct pare_best *best, const struct pare_dataset *data,
                           struct pare_error *err)
{
    const struct pare_trial *shown;

    *best = (struct pare_best){.binding = -1, .tightest = -1};
    if (data->n_goals == 0)
        return pare_fail(err, PARE_EINVAL,
                         "%s: the sweep has no objectives, so no trial is the best; add "
                         "'objectives: {accuracy: max, size_bytes: min}' to it",
                         data->folder);
    for (int g = 0; g < data->n_goals; g++)
        if (data->goals[g].metric < 0)
            return pare_fail(err, PARE_EINVAL, "%s: no trial has the objective '%s' yet",
                             data->folder, data->goals[g].name);
    best->trial = choose(data, NULL, -1, &best->n_feasible);
    if (best->trial)
        best->runner_up = choose(data, best->trial, -1, NULL);
    else
        best->nearest = find_nearest(data);
    shown = best->trial ? best->trial : best->nearest;
    best->margins = pare_xcalloc((size_t)data->n_limits + 1, sizeof *best->margins);
    for (int i = 0; shown && i < data->n_limits; i++)
        best->margins[i] = pare_margin_of(shown, &data->limits[i]);
    if (best->trial)
        find_binding(best, data);
    return PARE_OK;
}

void pare_best_clear(struct pare_best *best)
{
    free(best->margins);
    *best = (struct pare_best){0};
}

/* ---- for people ---- */

static void print_values(struct pare_text *out, const struct pare_trial *trial,
                         const struct pare_dataset *data)
{
    for (int g = 0; g < data->n_goals; g++) {
        int m = data->goals[g].metric;

        pare_text_printf(out, "%s%s ", g ? ", " : "", data->goals[g].name);
        pare_value_quantity(out, data->metrics[m], data->units[m], &trial->values[m]);
    }
}

static void print_line(struct pare_text *out, const char *what, const struct pare_trial *trial,
                       const struct pare_dataset *data)
{
    pare_text_printf(out, "%s: trial %lld (%s)\n            ", what, (long long)trial->id,
                     trial->pipeline);
    print_values(out, trial, data);
    pare_text_add(out, "\n");
}

static void print_margin(struct pare_text *out, const struct pare_margin *margin,
                         const struct pare_dataset *data, bool color)
{
    struct pare_text limit = {0}, value = {0};
    int m = margin->limit->metric, pad;
    bool holds = margin->slack >= 0;

    pare_limit_text(&limit, data, margin->limit);
    pare_quantity_text(&value, margin->limit->name, pare_metric_unit(data, m), margin->value);
    pare_text_add(out, "  ");
    pare_text_add(out, limit.s);
    for (pad = pare_text_width(limit.s); pad < 34; pad++)
        pare_text_add(out, " ");
    for (pad = pare_text_width(value.s); pad < 12; pad++)
        pare_text_add(out, " ");
    pare_text_printf(out, " %s  ", value.s);
    if (isnan(margin->slack))
        pare_text_add(out, "unavailable");
    else if (holds)
        pare_text_printf(out, "margin %.0f %%", 100 * margin->fraction);
    else
        pare_text_printf(out, "%sover by %.0f %%%s", color ? "\033[31m" : "",
                         -100 * margin->fraction, color ? "\033[0m" : "");
    if (holds && !margin->is_sure)
        pare_text_add(out, " (inside the interval)");
    pare_text_add(out, "\n");
    pare_text_clear(&limit);
    pare_text_clear(&value);
}

static void print_binding(struct pare_text *out, const struct pare_best *best,
                          const struct pare_dataset *data)
{
    int i = best->binding >= 0 ? best->binding : best->tightest;
    const struct pare_trial *other = best->without_binding;
    struct pare_text limit = {0};

    if (i < 0)
        return;
    pare_limit_text(&limit, data, &data->limits[i]);
    if (best->binding < 0) {
        pare_text_printf(out, "binding:    none; the tightest is %s\n", limit.s);
    } else {
        pare_text_printf(out, "binding:    %s; without it trial %lld (%s)\n            ", limit.s,
                         (long long)other->id, other->pipeline);
        print_values(out, other, data);
        pare_text_add(out, "\n");
    }
    pare_text_clear(&limit);
}

void pare_best_print(struct pare_text *out, const struct pare_best *best,
                     const struct pare_dataset *data, bool color)
{
    const char *bold = color ? "\033[1m" : "", *plain = color ? "\033[0m" : "";
    const struct pare_trial *shown = best->trial ? best->trial : best->nearest;
    int test;

    if (!shown) {
        pare_text_printf(out, "%s: no trial is done yet\n", data->name);
        return;
    }
    if (best->trial)
        pare_text_printf(out, "%sbest: trial %lld%s of %lld feasible\n", bold, (long long)shown->id,
                         plain, (long long)best->n_feasible);
    else
        pare_text_printf(out, "%snothing is within the budget; nearest: trial %lld%s\n", bold,
                         (long long)shown->id, plain);
    pare_text_printf(out, "pipeline:   %s\n", shown->pipeline);
    if (shown->id != 0)
        pare_text_printf(out, "config:     %s\n", shown->config);
    pare_text_add(out, "objectives: ");
    print_values(out, shown, data);
    pare_text_add(out, "\n");
    test = pare_dataset_metric(data, "accuracy_test");
    if (test >= 0 && shown->values[test].provenance != PARE_ABSENT) {
        pare_text_add(out, "on test:    accuracy ");
        pare_value_quantity(out, "accuracy_test", data->units[test], &shown->values[test]);
        pare_text_add(out, "\n");
    }
    if (data->n_limits)
        pare_text_add(out, "budget:\n");
    for (int i = 0; i < data->n_limits; i++)
        print_margin(out, &best->margins[i], data, color);
    if (best->runner_up)
        print_line(out, "runner-up", best->runner_up, data);
    print_binding(out, best, data);
    if (shown->artifact_path[0])
        pare_text_printf(out, "model:      %s/%s\n", data->folder, shown->artifact_path);
}

/* ---- for programs ---- */

static void json_trial(struct pare_text *out, const struct pare_trial *trial,
                       const struct pare_dataset *data)
{
    if (!trial) {
        pare_text_add(out, "null");
        return;
    }
    pare_text_printf(out, "{\"trial\": %lld, \"pipeline\": ", (long long)trial->id);
    pare_text_json_string(out, trial->pipeline);
    pare_text_add(out, ", \"config\": ");
    pare_text_json_string(out, trial->config);
    for (int m = 0; m < data->n_metrics; m++) {
        pare_text_add(out, ", ");
        pare_text_json_string(out, data->metrics[m]);
        pare_text_add(out, ": ");
        pare_text_json_number(out, trial->values[m].value);
    }
    pare_text_add(out, ", \"model\": ");
    if (trial->artifact_path[0]) {
        struct pare_text path = {0};

        pare_text_printf(&path, "%s/%s", data->folder, trial->artifact_path);
        pare_text_json_string(out, path.s);
        pare_text_clear(&path);
    } else {
        pare_text_add(out, "null");
    }
    pare_text_add(out, "}");
}

void pare_best_json(struct pare_text *out, const struct pare_best *best,
                    const struct pare_dataset *data)
{
    bool has_margins = best->trial || best->nearest;

    pare_text_printf(out, "[{\"feasible\": %s, \"n_feasible\": %lld,\n \"best\": ",
                     best->trial ? "true" : "false", (long long)best->n_feasible);
    json_trial(out, best->trial, data);
    pare_text_add(out, ",\n \"runner_up\": ");
    json_trial(out, best->runner_up, data);
    pare_text_add(out, ",\n \"nearest\": ");
    json_trial(out, best->nearest, data);
    pare_text_add(out, ",\n \"binding\": ");
    if (best->binding >= 0)
        pare_text_json_string(out, data->limits[best->binding].name);
    else
        pare_text_add(out, "null");
    pare_text_add(out, ",\n \"without_binding\": ");
    json_trial(out, best->without_binding, data);
    pare_text_add(out, ",\n \"budget\": [");
    for (int i = 0; has_margins && i < data->n_limits; i++) {
        const struct pare_margin *margin = &best->margins[i];

        pare_text_printf(out, "%s{\"metric\": ", i ? ", " : "");
        pare_text_json_string(out, margin->limit->name);
        pare_text_printf(
            out, ", \"at_least\": %s, \"limit\": ", margin->limit->at_least ? "true" : "false");
        pare_text_json_number(out, margin->limit->limit);
        pare_text_add(out, ", \"value\": ");
        pare_text_json_number(out, margin->value);
        pare_text_add(out, ", \"margin\": ");
        pare_text_json_number(out, margin->fraction);
        pare_text_printf(out, ", \"sure\": %s}", margin->is_sure ? "true" : "false");
    }
    pare_text_add(out, "]}]\n");
}
