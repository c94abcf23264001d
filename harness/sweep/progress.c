/* The progress line, and what the store keeps about the run itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "measure/machine.h"
#include "search/samplers.h"
#include "sweep/engine.h"

/* ---- the line ---- */

/* Objectives that are known already: latencies come last. */
static int known_objectives(const struct engine *e, int *which)
{
    int n = 0;

    for (int i = 0; i < e->sweep->n_objectives; i++)
        if (!isnan(pare_metrics_value(&e->trials[0].metrics, e->sweep->objectives[i].metric.text)))
            which[n++] = i;
    return n;
}

static int64_t front_size(const struct engine *e, const int *which, int n_objectives)
{
    double *points = pare_xcalloc((size_t)(e->n_trials * n_objectives) + 1, sizeof *points);
    unsigned char *on_front = pare_xcalloc((size_t)e->n_trials + 1, 1);
    int64_t n = 0, n_front = 0;

    for (int64_t i = 0; i < e->n_trials; i++) {
        bool is_whole = engine_is_ok(&e->trials[i]) && n_objectives > 0;

        for (int k = 0; is_whole && k < n_objectives; k++) {
            const struct pare_objective *o = &e->sweep->objectives[which[k]];
            double value = pare_metrics_value(&e->trials[i].metrics, o->metric.text);

            points[n * n_objectives + k] = o->maximize ? -value : value;
            is_whole = !isnan(value);
        }
        n += is_whole;
    }
    pare_front_find(points, (int)n, n_objectives, on_front);
    for (int64_t i = 0; i < n; i++)
        n_front += on_front[i];
    free(points);
    free(on_front);
    return n_front;
}

/* Within the part of the budget that is known. */
static bool is_in_budget(const struct engine *e, const struct trial *t)
{
    for (int i = 0; i < e->sweep->n_budget; i++) {
        const struct pare_budget_item *item = &e->sweep->budget[i];
        double value = pare_metrics_value(&t->metrics, item->metric.text);

        if (item->at_least ? value < item->limit : value > item->limit)
            return false;
    }
    return engine_is_ok(t);
}

/* Of those within the budget the one with the least cost, in the first known objective that is one. */
static const struct trial *best_in_budget(const struct engine *e, const int *which, int n)
{
    const char *cost = NULL;
    const struct trial *best = NULL;

    for (int k = 0; k < n && !cost; k++)
        if (!e->sweep->objectives[which[k]].maximize)
            cost = e->sweep->objectives[which[k]].metric.text;
    for (int64_t i = 1; cost && e->sweep->n_budget && i < e->n_trials; i++)
        if (is_in_budget(e, &e->trials[i]) &&
            (!best || pare_metrics_value(&e->trials[i].metrics, cost) <
                          pare_metrics_value(&best->metrics, cost)))
            best = &e->trials[i];
    return best;
}

static void add_value(struct pare_text *out, const struct pare_metric *m)
{
    char buffer[32];

    if (!m || isnan(m->value))
        return;
    if (strcmp(m->unit, "B") == 0)
        pare_text_printf(out, " %s", pare_text_bytes(m->value, buffer, sizeof buffer));
    else if (strcmp(m->name, "accuracy") == 0)
        pare_text_printf(out, " %.1f %%", 100 * m->value);
    else
        pare_text_printf(out, " %.3g %s", m->value, strcmp(m->unit, "1") == 0 ? "" : m->unit);
}

static void add_eta(const struct engine *e, struct pare_text *out, int64_t n_over, int64_t n_total)
{
    int64_t n_done = n_over - e->n_over_before;
    double elapsed_s = pare_clock_s() - e->begin_s;
    char buffer[32];

    if (n_done < 1 || n_over >= n_total)
        return;
    pare_text_printf(out, ", about %s left",
                     pare_text_seconds(elapsed_s / (double)n_done * (double)(n_total - n_over),
                                       buffer, sizeof buffer));
}

void engine_progress(struct engine *e, const char *doing)
{
    int64_t n_points = pare_space_n_points(e->sweep->space), n_over = 0, n_failed = 0;
    int64_t n_total = e->sweep->n_trials < n_points ? e->sweep->n_trials : n_points;
    int *which = pare_xcalloc((size_t)e->sweep->n_objectives + 1, sizeof *which);
    int n = known_objectives(e, which);
    const struct trial *best;
    struct pare_text line = {0};

    if (e->options->is_quiet) {
        free(which);
        return;
    }
    for (int64_t i = 1; i < e->n_trials; i++) {
        const struct trial *t = &e->trials[i];
        bool is_over = t->phase == TRIAL_OVER;
        bool is_good = strcmp(t->status, "ok") == 0 || strcmp(t->status, "infeasible") == 0;

        n_over += is_over && (t->key.hex[0] || !is_good);
        n_failed += is_over && !is_good;
    }
    pare_text_printf(&line, "%s: %lld/%lld trials", doing, (long long)n_over, (long long)n_total);
    if (n_failed)
        pare_text_printf(&line, ", %lld failed", (long long)n_failed);
    if (n)
        pare_text_printf(&line, ", front %lld", (long long)front_size(e, which, n));
    best = best_in_budget(e, which, n);
    if (best) {
        pare_text_printf(&line, ", best in budget #%lld", (long long)best->id);
        for (int k = 0; k < n; k++)
            add_value(&line,
                      pare_metrics_get(&best->metrics, e->sweep->objectives[which[k]].metric.text));
    }
    add_eta(e, &line, n_over, n_total);
    pare_progress("%s", line.s);
    pare_text_clear(&line);
    free(which);
}

/* ---- meta data ---- */

static char *objectives_json(const struct pare_sweep *sweep)
{
    struct pare_text text = {0};

    pare_text_add(&text, "[");
    for (int i = 0; i < sweep->n_objectives; i++) {
        pare_text_add(&text, i ? ", {\"metric\": " : "{\"metric\": ");
        pare_text_json_string(&text, sweep->objectives[i].metric.text);
        pare_text_printf(&text, ", \"maximize\": %s}",
                         sweep->objectives[i].maximize ? "true" : "false");
    }
    pare_text_add(&text, "]");
    return pare_text_take(&text);
}

static char *budget_json(const struct pare_sweep *sweep)
{
    struct pare_text text = {0};

    pare_text_add(&text, "[");
    for (int i = 0; i < sweep->n_budget; i++) {
        pare_text_add(&text, i ? ", {\"metric\": " : "{\"metric\": ");
        pare_text_json_string(&text, sweep->budget[i].metric.text);
        pare_text_add(&text, ", \"limit\": ");
        pare_text_json_number(&text, sweep->budget[i].limit);
        pare_text_printf(&text, ", \"at_least\": %s}",
                         sweep->budget[i].at_least ? "true" : "false");
    }
    pare_text_add(&text, "]");
    return pare_text_take(&text);
}

static char *manifest_json(const struct engine *e)
{
    struct pare_text text = {0};
    int n = pare_registry_n_methods(e->registry);

    pare_text_add(&text, "{\"command\": ");
    pare_text_json_string(&text, e->options->command_line ? e->options->command_line : "");
    pare_text_add(&text, ", \"sweep_path\": ");
    pare_text_json_string(&text, e->sweep->path);
    pare_text_printf(&text, ", \"sweep_digest\": \"%s\", \"seed\": %llu, \"workers\": %d",
                     e->sweep->digest.hex, (unsigned long long)e->sweep->seed,
                     pare_worker_pool_n(e->pool));
    pare_text_printf(&text, ", \"engine_revision\": %d, \"data_digest\": ", PARE_ENGINE_REVISION);
    pare_text_json_string(&text, e->scope.data_digest);
    pare_text_add(&text, ", \"numeric_mode\": ");
    pare_text_json_string(&text, e->numeric_mode);
    pare_text_add(&text, ", \"methods\": {");
    for (int i = 0; i < n; i++) {
        const struct pare_method *method = pare_registry_method_at(e->registry, i);

        pare_text_add(&text, i ? ", " : "");
        pare_text_json_string(&text, method->name);
        pare_text_printf(&text, ": %d", method->revision);
    }
    pare_text_add(&text, "}, \"machine\": ");
    pare_machine_json(&text);
    pare_text_add(&text, "}");
    return pare_text_take(&text);
}

pare_status engine_describe(struct engine *e, struct pare_error *err)
{
    char *objectives = objectives_json(e->sweep), *budget = budget_json(e->sweep);
    char *manifest = manifest_json(e);
    char machine[64];
    const char *const pairs[][2] = {
        {"name", e->sweep->name},
        {"sweep_path", e->sweep->path},
        {"sweep_text", e->sweep->text},
        {"sweep_digest", e->sweep->digest.hex},
        {"objectives", objectives},
        {"budget", budget},
        {"data_digest", e->scope.data_digest},
        {"manifest", manifest},
        {"machine_digest", pare_machine_digest(machine, sizeof machine)},
    };
    pare_status st = pare_store_begin(e->store, err);

    for (size_t i = 0; !st && i < sizeof pairs / sizeof *pairs; i++)
        st = pare_store_set(e->store, pairs[i][0], pairs[i][1], err);
    if (!st)
        st = engine_close_transaction(e, st, err);
    if (!st)
        st = pare_store_run_begin(e->store, manifest, &e->run_id, err);
    free(objectives);
    free(budget);
    free(manifest);
    return st;
}
