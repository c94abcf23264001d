/* The end: the test split, once for every trial that may be chosen. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sweep/engine.h"

enum { TEST_TIMEOUT_S = 600 };

struct tested {
    int64_t trial;
    bool is_sent, is_done;
    pare_status status;
    char *why;
    int64_t n, n_correct;
    double loss;
    uint8_t *bits;
};

/* ---- who may be chosen ---- */

static double low_of(const struct pare_metric *m, bool maximize)
{
    double worst = maximize ? m->low : m->high;

    return isnan(worst) ? m->value : worst;
}

static double high_of(const struct pare_metric *m, bool maximize)
{
    double best = maximize ? m->high : m->low;

    return isnan(best) ? m->value : best;
}

/* a is at least as good everywhere, and somewhere so much better that the intervals do not touch. */
static bool clearly_dominates(const struct engine *e, const struct trial *a, const struct trial *b)
{
    bool is_clear = false;

    for (int i = 0; i < e->sweep->n_objectives; i++) {
        const struct pare_objective *o = &e->sweep->objectives[i];
        const struct pare_metric *x = pare_metrics_get(&a->metrics, o->metric.text);
        const struct pare_metric *y = pare_metrics_get(&b->metrics, o->metric.text);
        double sign = o->maximize ? 1 : -1;

        if (sign * x->value < sign * y->value)
            return false;
        is_clear = is_clear || sign * low_of(x, o->maximize) > sign * high_of(y, o->maximize);
    }
    return is_clear;
}

/* On the front, or tied with it. */
static bool may_be_chosen(const struct engine *e, const struct trial *t, double *scratch)
{
    if (!engine_is_ok(t) || !engine_objectives(e, t, scratch))
        return false;
    for (int64_t i = 0; i < e->n_trials; i++) {
        const struct trial *other = &e->trials[i];

        if (other != t && engine_is_ok(other) && engine_objectives(e, other, scratch) &&
            clearly_dominates(e, other, t))
            return false;
    }
    return true;
}

static const char *metric_of(const struct engine *e)
{
    return pare_data_n_classes(e->data) > 0 ? "accuracy_test" : "loss_test";
}

static struct tested *find_candidates(struct engine *e, int64_t *n)
{
    struct tested *list = pare_xcalloc((size_t)e->n_trials, sizeof *list);
    double *scratch = pare_xcalloc((size_t)e->sweep->n_objectives + 1, sizeof *scratch);

    *n = 0;
    for (int64_t i = 0; i < e->n_trials; i++)
        if (!pare_metrics_get(&e->trials[i].metrics, metric_of(e)) && engine_is_ok(&e->trials[i]) &&
            (i == 0 || may_be_chosen(e, &e->trials[i], scratch)))
            list[(*n)++] = (struct tested){.trial = i};
    free(scratch);
    return list;
}

/* ---- running ---- */

/* The first in the list with the same bytes: it is executed, the others share its result. */
static int64_t owner(const struct engine *e, const struct tested *list, int64_t i)
{
    for (int64_t k = 0; k < i; k++)
        if (strcmp(e->trials[list[k].trial].artifact.hex, e->trials[list[i].trial].artifact.hex) ==
            0)
            return k;
    return i;
}

static pare_status send_next(struct engine *e, struct tested *list, int64_t n, int worker,
                             bool *is_sent, struct pare_error *err)
{
    *is_sent = false;
    for (int64_t i = 0; i < n; i++) {
        struct pare_text body = {0};
        pare_status st;

        if (list[i].is_sent || owner(e, list, i) != i)
            continue;
        pare_text_printf(&body, "\"artifact\": \"%s\", \"threads\": 1",
                         e->trials[list[i].trial].key.hex);
        list[i].is_sent = *is_sent = true;
        st = engine_send(e, worker, (struct job){JOB_EVALUATE, (int)i}, "test", body.s,
                         TEST_TIMEOUT_S, err);
        pare_text_clear(&body);
        return st;
    }
    return PARE_OK;
}

static void take(struct tested *t, const struct pare_worker_event *event)
{
    t->is_done = true;
    t->status = event->status;
    t->loss = NAN;
    if (event->status) {
        t->why = pare_xstrdup(event->error);
        return;
    }
    t->n = pare_json_get_int(event->result, "n", 0);
    t->n_correct = pare_json_get_int(event->result, "n_correct", 0);
    t->loss = pare_json_get_number(event->result, "mse", NAN);
    t->bits = pare_protocol_read_bytes(pare_json_get(event->result, "bits"), (t->n + 7) / 8);
}

static pare_status run_all(struct engine *e, struct tested *list, int64_t n, struct pare_error *err)
{
    pare_status st = PARE_OK;

    while (!st) {
        struct pare_worker_event event;
        bool is_sent = true;

        for (int w;
             !st && is_sent && !e->n_interrupts && (w = pare_worker_pool_idle(e->pool)) >= 0;)
            st = send_next(e, list, n, w, &is_sent, err);
        if (st || pare_worker_pool_n_busy(e->pool) == 0)
            break;
        engine_progress(e, "testing");
        if (engine_wait(e, &event))
            take(&list[e->jobs[event.worker].index], &event);
    }
    return st;
}

/* ---- keeping ---- */

static void put_drop(struct trial *t, const uint8_t *baseline, const uint8_t *bits, int64_t n)
{
    int64_t only_baseline, only_trial;
    char note[96];

    if (t->id == 0) {
        pare_metrics_count(&t->metrics, "accuracy_drop_test", 0, "1");
        return;
    }
    pare_paired_counts(baseline, bits, n, &only_baseline, &only_trial);
    snprintf(note, sizeof note, "exact McNemar test: p = %.3g",
             pare_mcnemar_p(only_baseline, only_trial));
    pare_metrics_put(&t->metrics, "accuracy_drop_test", pare_paired_difference(baseline, bits, n),
                     "1", "measured", note);
}

static pare_status keep(struct engine *e, struct trial *t, const struct tested *result,
                        const uint8_t *baseline, int64_t n_baseline, struct pare_error *err)
{
    if (result->status) {
        pare_metrics_unavailable(&t->metrics, metric_of(e), "1", result->why);
        return pare_metrics_save(&t->metrics, e->store, t->id, err);
    }
    if (!result->bits) {
        pare_metrics_put(&t->metrics, metric_of(e), (struct pare_interval){result->loss, NAN, NAN},
                         "1", "measured", NULL);
        return pare_metrics_save(&t->metrics, e->store, t->id, err);
    }
    pare_metrics_put(&t->metrics, metric_of(e), pare_wilson(result->n_correct, result->n), "1",
                     "measured", NULL);
    if (baseline && n_baseline == result->n)
        put_drop(t, baseline, result->bits, result->n);
    pare_status st = pare_metrics_save(&t->metrics, e->store, t->id, err);
    return st ? st : pare_store_put_bits(e->store, t->id, "test", result->bits, result->n, err);
}

static pare_status keep_all(struct engine *e, struct tested *list, int64_t n,
                            struct pare_error *err)
{
    uint8_t *stored = NULL;
    int64_t n_bits = pare_store_get_bits(e->store, 0, "test", &stored);
    const uint8_t *baseline = n_bits > 0 ? stored : NULL;
    pare_status st = pare_store_begin(e->store, err);

    if (st) {
        free(stored);
        return st;
    }
    if (!baseline && n > 0 && list[0].trial == 0) {
        baseline = list[0].bits;
        n_bits = list[0].n;
    }
    for (int64_t i = 0; !st && i < n; i++) {
        const struct tested *result = &list[owner(e, list, i)];

        if (result->is_done)
            st = keep(e, &e->trials[list[i].trial], result, baseline, n_bits, err);
    }
    free(stored);
    return engine_close_transaction(e, st, err);
}

pare_status engine_test(struct engine *e, struct pare_error *err)
{
    int64_t n;
    struct tested *list = find_candidates(e, &n);
    pare_status st = run_all(e, list, n, err);

    /* All or nothing: which ones were done first is nobody's business. */
    if (!st && !e->n_interrupts)
        st = keep_all(e, list, n, err);
    for (int64_t i = 0; i < n; i++) {
        free(list[i].bits);
        free(list[i].why);
    }
    free(list);
    return st;
}
