/* Latencies and counters: exclusive, in groups that each hold the baseline.
 *
 * A group is measured in randomised blocks by one worker while the others wait, so drift of the
 * machine hits candidates and baseline alike; artifacts of the same bytes are measured once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sweep/engine.h"
#include "sweep/folder.h"

#define MIN_S_PER_SUBJECT 0.25 /* below, intervals of small networks are too wide to compare */
#define MAX_S_PER_SUBJECT 3.0
#define MIN_S_ALTOGETHER  10.0
#define MAX_S_ALTOGETHER  180.0
#define SHARE_OF_COMPRESS 0.25 /* measuring takes at most this much of what compressing took */
#define SLACK_S           60.0 /* building plans, choosing kernels */
#define GIVE_UP_LOCK_S    600.0
enum { GROUP = 6, MAX_EVENTS = 64 };

/* What is measured on one target. */
struct bench {
    struct engine *e;
    int target;
    const char *name; /* of the target */
    bool wants_latency;
    int n_events;
    const char *events[MAX_EVENTS];
    double max_s; /* per subject */
    int n_groups; /* measured so far: part of the seed */
    struct {
        double *s;
        int64_t n;
    } baseline; /* samples of all groups */
};

static void metric_name(char *out, size_t n, const char *name, const char *target)
{
    snprintf(out, n, "%s@%s", name, target);
}

static bool has_metric(const struct bench *b, const struct trial *t, const char *name)
{
    char full[256];

    metric_name(full, sizeof full, name, b->name);
    return pare_metrics_get(&t->metrics, full) != NULL;
}

static void look_for_wishes(struct bench *b)
{
    const struct pare_sweep *sweep = b->e->sweep;

    for (int i = 0; i < sweep->n_metrics; i++) {
        const struct pare_metric_ref *m = &sweep->metrics[i];

        if (m->target != b->target || !engine_is_timed(sweep, m))
            continue;
        if (!engine_is_counter(m->name))
            b->wants_latency = true;
        else if (b->n_events < MAX_EVENTS)
            b->events[b->n_events++] = m->name;
    }
}

static bool lacks(const struct bench *b, const struct trial *t, bool is_counting)
{
    if (!is_counting)
        return b->wants_latency && !has_metric(b, t, "latency_ms");
    for (int i = 0; i < b->n_events; i++)
        if (!has_metric(b, t, b->events[i]))
            return true;
    return false;
}

/* Trials without a measurement, one per artifact, in an order drawn by the sweep's seed. */
static int64_t find_subjects(const struct bench *b, bool is_counting, int64_t **out)
{
    struct engine *e = b->e;
    int64_t *list = pare_xcalloc((size_t)e->n_trials, sizeof *list), n = 0;
    struct pare_rng rng;

    for (int64_t i = 1; i < e->n_trials; i++) {
        const struct trial *t = &e->trials[i];
        bool is_known = strcmp(t->artifact.hex, e->trials[0].artifact.hex) == 0;

        for (int64_t k = 0; !is_known && k < n; k++)
            is_known = strcmp(e->trials[list[k]].artifact.hex, t->artifact.hex) == 0;
        if (engine_is_ok(t) && lacks(b, t, is_counting) && !is_known)
            list[n++] = i;
    }
    pare_rng_init(&rng, e->sweep->seed, 1);
    pare_rng_shuffle(&rng, list, n);
    *out = list;
    return n;
}

/* ---- jobs ---- */

static char *body_of(const struct bench *b, const int64_t *group, int64_t n, bool is_counting)
{
    const struct engine *e = b->e;
    struct pare_text body = {0};

    pare_text_add(&body, "\"subjects\": [");
    for (int64_t i = -1; i < n; i++)
        pare_text_printf(&body, "%s\"%s\"", i < 0 ? "" : ", ",
                         e->trials[i < 0 ? 0 : group[i]].key.hex);
    pare_text_printf(&body, "], \"threads\": %d, ", e->sweep->targets[b->target].threads);
    if (is_counting) {
        pare_text_add(&body, "\"events\": [");
        for (int i = 0; i < b->n_events; i++) {
            pare_text_add(&body, i ? ", " : "");
            pare_text_json_string(&body, b->events[i]);
        }
        pare_text_add(&body, "]");
    } else {
        pare_text_add(&body, "\"max_s\": ");
        pare_text_json_number(&body, b->max_s);
        pare_text_add(&body, ", \"seed\": ");
        pare_protocol_add_u64(&body, e->sweep->seed + (uint64_t)b->n_groups);
    }
    return pare_text_take(&body);
}

static bool must_stop(void *state)
{
    return engine_interrupted(state);
}

/* One job on the machine that is otherwise idle.  PARE_ESTOPPED when the user or the clock ended it
 * (with n_interrupts or is_timed_out set). */
static pare_status run_alone(struct bench *b, const char *what, const char *body, double timeout_s,
                             struct pare_worker_event *event, struct pare_error *err)
{
    struct engine *e = b->e;
    pare_status st;

    if (e->n_interrupts || e->is_timed_out)
        return PARE_ESTOPPED;
    if (!pare_exclusive_take(e->exclusive_fd, GIVE_UP_LOCK_S, must_stop, e)) {
        if (e->n_interrupts)
            return PARE_ESTOPPED;
        pare_log(PARE_LOG_WARN, "another sweep has been measuring for %.0f min: going on beside it",
                 GIVE_UP_LOCK_S / 60);
    }
    st = engine_send(e, 0, (struct job){JOB_EVALUATE, 0}, what, body, timeout_s, err);
    while (!st && pare_worker_pool_n_busy(e->pool) > 0) {
        engine_progress(e, "measuring");
        if (engine_wait(e, event))
            break;
        if (pare_clock_s() >= e->end_s) {
            e->is_timed_out = true;
            pare_worker_pool_kill(e->pool);
        }
        if (pare_worker_pool_n_busy(e->pool) == 0)
            st = PARE_ESTOPPED;
    }
    pare_exclusive_give(e->exclusive_fd);
    return st;
}

/* ---- taking the numbers ---- */

static struct pare_interval read_interval(const struct pare_json *json)
{
    struct pare_interval interval = {NAN, NAN, NAN};

    pare_json_number(pare_json_at(json, 0), &interval.value);
    pare_json_number(pare_json_at(json, 1), &interval.low);
    pare_json_number(pare_json_at(json, 2), &interval.high);
    return interval;
}

static double *read_samples(const struct pare_json *list, int64_t *n)
{
    double *samples;

    *n = pare_json_n(list);
    samples = pare_xcalloc((size_t)*n + 1, sizeof *samples);
    for (int64_t i = 0; i < *n; i++)
        pare_json_number(pare_json_at(list, i), &samples[i]);
    return samples;
}

static struct pare_interval in_ms(struct pare_interval s)
{
    return (struct pare_interval){1e3 * s.value, 1e3 * s.low, 1e3 * s.high};
}

static void put_latency(const struct bench *b, struct trial *t, struct pare_interval p50_ms,
                        struct pare_interval p95_ms, struct pare_interval ratio, const char *note)
{
    const struct pare_interval speedup = {1 / ratio.value, 1 / ratio.high, 1 / ratio.low};
    char name[256];

    metric_name(name, sizeof name, "latency_ms", b->name);
    pare_metrics_put(&t->metrics, name, p50_ms, "ms", "measured", note);
    metric_name(name, sizeof name, "latency_p95_ms", b->name);
    pare_metrics_put(&t->metrics, name, p95_ms, "ms", "measured", note);
    metric_name(name, sizeof name, "speedup", b->name);
    pare_metrics_put(&t->metrics, name, speedup, "1", "measured", note);
}

static pare_status save_layers(const struct bench *b, int64_t trial, const struct pare_json *layers,
                               struct pare_error *err)
{
    pare_status st = PARE_OK;

    for (int64_t i = 0; !st && i < pare_json_n(layers); i++) {
        const struct pare_json *layer = pare_json_at(layers, i);
        const struct pare_layer_row row = {
            .trial = trial,
            .index = (int)i,
            .name = pare_json_get_string(layer, "name", ""),
            .op = pare_json_get_string(layer, "op", ""),
            .kernel = pare_json_get_string(layer, "kernel", ""),
            .macs = pare_json_get_int(layer, "macs", 0),
            .weight_bytes = pare_json_get_int(layer, "weight_bytes", 0),
            .time_us = pare_json_get_number(layer, "us", NAN),
        };

        st = pare_store_put_layer(b->e->store, &row, err);
    }
    return st;
}

/* Metrics, samples, layers, and what the constraints now say: one transaction. */
static pare_status save(const struct bench *b, struct trial *t, const double *samples, int64_t n,
                        const struct pare_json *layers, struct pare_error *err)
{
    struct pare_store *store = b->e->store;
    char name[256], *reason = NULL;
    const char *status;
    pare_status st = pare_store_begin(store, err);

    if (st)
        return st;
    metric_name(name, sizeof name, "latency_ms", b->name);
    status = engine_verdict(b->e, t, &reason);
    engine_set_end(t, status, reason ? reason : "");
    free(reason);
    st = engine_put_trial(b->e, t, err);
    if (!st && n > 0)
        st = pare_store_put_samples(store, t->id, name, samples, n, err);
    if (!st)
        st = save_layers(b, t->id, layers, err);
    return engine_close_transaction(b->e, st, err);
}

/* The baseline stands in every group: its figures come from all samples together. */
static pare_status take_baseline(struct bench *b, const struct pare_json *result,
                                 struct pare_error *err)
{
    const struct pare_interval same = {1, NAN, NAN};
    struct trial *t = &b->e->trials[0];
    int64_t n;
    double *samples = read_samples(pare_json_get(result, "samples_s"), &n);
    bool is_stable = pare_json_get_bool(result, "is_stable", true);
    pare_status st;

    b->baseline.s = pare_xrealloc(b->baseline.s, (size_t)(b->baseline.n + n + 1) * sizeof(double));
    memcpy(b->baseline.s + b->baseline.n, samples, (size_t)n * sizeof(double));
    b->baseline.n += n;
    put_latency(b, t, in_ms(pare_series_quantile(b->baseline.s, b->baseline.n, 0.5, 1.96)),
                in_ms(pare_series_quantile(b->baseline.s, b->baseline.n, 0.95, 1.96)), same,
                is_stable ? "" : pare_json_get_string(result, "cause", ""));
    st = save(b, t, b->baseline.s, b->baseline.n, pare_json_get(result, "layers"), err);
    free(samples);
    return st;
}

static pare_status take_candidate(struct bench *b, const struct pare_digest *artifact,
                                  const struct pare_json *result, struct pare_error *err)
{
    struct engine *e = b->e;
    bool is_stable = pare_json_get_bool(result, "is_stable", true);
    char note[256] = "";
    int64_t n;
    double *samples = read_samples(pare_json_get(result, "samples_s"), &n);
    pare_status st = PARE_OK;

    if (!is_stable)
        snprintf(note, sizeof note, "unstable: %s", pare_json_get_string(result, "cause", ""));
    for (int64_t i = 1; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];

        if (!engine_is_ok(t) || strcmp(t->artifact.hex, artifact->hex) != 0)
            continue;
        put_latency(b, t, read_interval(pare_json_get(result, "p50_ms")),
                    read_interval(pare_json_get(result, "p95_ms")),
                    read_interval(pare_json_get(result, "ratio")), note);
        st = save(b, t, samples, n, pare_json_get(result, "layers"), err);
    }
    free(samples);
    return st;
}

static pare_status take_latencies(struct bench *b, const int64_t *group, int64_t n,
                                  const struct pare_json *result, struct pare_error *err)
{
    const struct pare_json *list = pare_json_get(result, "results");
    pare_status st = take_baseline(b, pare_json_at(list, 0), err);

    for (int64_t i = 0; !st && i < n; i++) {
        const struct pare_digest artifact = b->e->trials[group[i]].artifact;

        st = take_candidate(b, &artifact, pare_json_at(list, i + 1), err);
    }
    return st;
}

/* Trials with the baseline's bytes have the baseline's figures. */
static pare_status share_baseline(struct bench *b, struct pare_error *err)
{
    struct engine *e = b->e;
    const struct trial *baseline = &e->trials[0];
    pare_status st = PARE_OK;

    for (int64_t i = 1; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];
        int n_before = t->metrics.n;

        if (!engine_is_ok(t) || strcmp(t->artifact.hex, baseline->artifact.hex) != 0)
            continue;
        for (int m = 0; m < baseline->metrics.n; m++) {
            const struct pare_metric *from = &baseline->metrics.items[m];
            const char *at = strchr(from->name, '@');

            if (at && strcmp(at + 1, b->name) == 0 && !pare_metrics_get(&t->metrics, from->name))
                pare_metrics_put(&t->metrics, from->name,
                                 (struct pare_interval){from->value, from->low, from->high},
                                 from->unit, from->provenance, from->note);
        }
        if (t->metrics.n > n_before)
            st = save(b, t, b->baseline.s, b->baseline.n, NULL, err);
    }
    return st;
}

/* ---- failures ---- */

static pare_status give_up(struct bench *b, int64_t trial, bool is_counting, const char *why,
                           struct pare_error *err)
{
    struct engine *e = b->e;
    const struct pare_digest artifact = e->trials[trial].artifact;
    char name[256];
    pare_status st = PARE_OK;

    pare_log(PARE_LOG_WARN, "trial %lld cannot be measured: %s", (long long)trial, why);
    for (int64_t i = 0; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];

        if (!engine_is_ok(t) || strcmp(t->artifact.hex, artifact.hex) != 0)
            continue;
        if (!is_counting) {
            metric_name(name, sizeof name, "latency_ms", b->name);
            pare_metrics_unavailable(&t->metrics, name, "ms", why);
            metric_name(name, sizeof name, "latency_p95_ms", b->name);
            pare_metrics_unavailable(&t->metrics, name, "ms", why);
            metric_name(name, sizeof name, "speedup", b->name);
            pare_metrics_unavailable(&t->metrics, name, "1", why);
        }
        for (int k = 0; is_counting && k < b->n_events; k++) {
            metric_name(name, sizeof name, b->events[k], b->name);
            pare_metrics_unavailable(&t->metrics, name, "1", why);
        }
        st = engine_save_trial(e, t, err);
    }
    return st;
}

/* ---- counters ---- */

static pare_status take_counters(struct bench *b, const int64_t *group, int64_t n,
                                 const struct pare_json *result, struct pare_error *err)
{
    struct engine *e = b->e;
    const struct pare_json *list = pare_json_get(result, "results");
    pare_status st = PARE_OK;

    for (int64_t i = -1; !st && i < n; i++) {
        const struct pare_digest artifact = e->trials[i < 0 ? 0 : group[i]].artifact;
        const struct pare_json *counters = pare_json_at(list, i + 1);

        for (int64_t k = 0; !st && k < e->n_trials; k++) {
            struct trial *t = &e->trials[k];

            if (!engine_is_ok(t) || strcmp(t->artifact.hex, artifact.hex) != 0)
                continue;
            for (int c = 0; c < b->n_events; c++) {
                const struct pare_json *counter = pare_json_at(counters, c);
                double value = pare_json_get_number(counter, "value", NAN);
                char name[256];

                metric_name(name, sizeof name, b->events[c], b->name);
                if (isnan(value))
                    pare_metrics_unavailable(&t->metrics, name, "1",
                                             pare_json_get_string(counter, "cause", ""));
                else
                    pare_metrics_put(&t->metrics, name, (struct pare_interval){value, NAN, NAN},
                                     "1", "measured", NULL);
            }
            st = save(b, t, NULL, 0, NULL, err);
        }
    }
    return st;
}

/* A machine without counters answers the same for every artifact: it is asked once. */
static bool counts_nothing(const struct bench *b)
{
    const struct trial *t = &b->e->trials[0];

    for (int i = 0; i < b->n_events; i++) {
        char name[256];

        metric_name(name, sizeof name, b->events[i], b->name);
        if (!pare_metrics_get(&t->metrics, name) || !isnan(pare_metrics_value(&t->metrics, name)))
            return false;
    }
    return true;
}

static pare_status copy_causes(struct bench *b, struct pare_error *err)
{
    struct engine *e = b->e;
    pare_status st = PARE_OK;

    for (int64_t i = 1; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];

        if (!engine_is_ok(t) || !lacks(b, t, true))
            continue;
        for (int k = 0; k < b->n_events; k++) {
            char name[256];

            metric_name(name, sizeof name, b->events[k], b->name);
            pare_metrics_unavailable(&t->metrics, name, "1",
                                     pare_metrics_get(&e->trials[0].metrics, name)->note);
        }
        st = engine_save_trial(e, t, err);
    }
    return st;
}

/* ---- groups ---- */

/* Baseline and group together.  A group that fails is taken apart, so that only the culprit is left
 * without a number. */
static pare_status measure_group(struct bench *b, const int64_t *group, int64_t n, bool is_counting,
                                 struct pare_error *err)
{
    struct pare_worker_event event;
    char *body = body_of(b, group, n, is_counting);
    double timeout_s = SLACK_S + 4 * b->max_s * (double)(n + 1);
    pare_status st;

    b->n_groups++;
    st = run_alone(b, is_counting ? "counters" : "latency", body, timeout_s, &event, err);
    free(body);
    if (st)
        return st;
    if (event.status == PARE_OK)
        return is_counting ? take_counters(b, group, n, event.result, err)
                           : take_latencies(b, group, n, event.result, err);
    if (n <= 1)
        return give_up(b, n ? group[0] : 0, is_counting, event.error, err);
    for (int64_t i = 0; !st && i < n; i++)
        st = measure_group(b, &group[i], 1, is_counting, err);
    return st;
}

static void add_wall_s(void *state, const struct pare_stage_row *row)
{
    double *sum = state;

    *sum += row->wall_s > 0 ? row->wall_s : 0;
}

/* By what all stages took, in this run or earlier, so that a resumed run measures as long. */
static void set_budget(struct bench *b, int64_t n)
{
    const struct engine *e = b->e;
    double stages_s = 0, total;
    double n_runs = (double)n + ceil((double)n / GROUP); /* each group has the baseline, too */

    pare_store_each_stage(e->store, add_wall_s, &stages_s);
    total = SHARE_OF_COMPRESS * stages_s / pare_worker_pool_n(e->pool);
    total = fmin(fmax(total, MIN_S_ALTOGETHER), MAX_S_ALTOGETHER);
    if (isfinite(e->end_s))
        total = fmin(total, fmax(e->end_s - pare_clock_s(), 1));
    b->max_s = fmin(fmax(total / fmax(n_runs, 1), MIN_S_PER_SUBJECT), MAX_S_PER_SUBJECT);
}

static pare_status measure_groups(struct bench *b, bool is_counting, struct pare_error *err)
{
    bool is_baseline_new = lacks(b, &b->e->trials[0], is_counting);
    int64_t *list = NULL, n = find_subjects(b, is_counting, &list);
    pare_status st = PARE_OK;

    set_budget(b, n);
    /* Counters: first the baseline alone, which shows whether this machine counts at all. */
    if (is_baseline_new && (is_counting || n == 0))
        st = measure_group(b, NULL, 0, is_counting, err);
    if (!st && is_counting && counts_nothing(b)) {
        st = copy_causes(b, err);
        n = 0;
    }
    for (int64_t i = 0; !st && i < n; i += GROUP)
        st = measure_group(b, list + i, n - i < GROUP ? n - i : GROUP, is_counting, err);
    free(list);
    return st;
}

static pare_status measure_target(struct engine *e, int target, struct pare_error *err)
{
    struct bench b = {.e = e, .target = target, .name = e->sweep->targets[target].name};
    char name[256];
    pare_status st = PARE_OK;

    look_for_wishes(&b);
    metric_name(name, sizeof name, "latency_ms", b.name);
    b.baseline.n = pare_store_get_samples(e->store, 0, name, &b.baseline.s);
    if (b.wants_latency)
        st = measure_groups(&b, false, err);
    if (!st && b.n_events)
        st = measure_groups(&b, true, err);
    if (!st)
        st = share_baseline(&b, err);
    free(b.baseline.s);
    return st;
}

pare_status engine_measure(struct engine *e, struct pare_error *err)
{
    pare_status st = PARE_OK;

    for (int i = 0; !st && i < e->sweep->n_targets; i++)
        if (e->sweep->targets[i].is_host)
            st = measure_target(e, i, err);
    return st == PARE_ESTOPPED && (e->n_interrupts || e->is_timed_out) ? PARE_OK : st;
}
