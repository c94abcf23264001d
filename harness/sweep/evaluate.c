/* Executing artifacts on the validation split, and the numbers that come with it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sweep/engine.h"

enum { EVALUATION_TIMEOUT_S = 600 };

static struct evaluation *append(struct engine *e)
{
    if (e->n_evaluations == e->evaluations_capacity) {
        e->evaluations_capacity = e->evaluations_capacity ? 2 * e->evaluations_capacity : 64;
        e->evaluations =
            pare_xrealloc(e->evaluations, (size_t)e->evaluations_capacity * sizeof *e->evaluations);
    }
    e->evaluations[e->n_evaluations] = (struct evaluation){.state = EVALUATION_WAITS};
    return &e->evaluations[e->n_evaluations++];
}

static int find(const struct engine *e, const struct pare_digest *artifact)
{
    for (int i = 0; i < e->n_evaluations; i++)
        if (strcmp(e->evaluations[i].artifact.hex, artifact->hex) == 0)
            return i;
    return -1;
}

/* ---- a trial and its numbers ---- */

static void put_drop(const struct engine *e, struct trial *t)
{
    const struct trial *baseline = &e->trials[0];
    struct pare_interval drop = {NAN, NAN, NAN};

    if (t->id == 0) {
        pare_metrics_count(&t->metrics, "accuracy_drop", 0, "1");
        return;
    }
    if (t->bits && baseline->bits && t->n_bits == baseline->n_bits)
        drop = pare_paired_difference(baseline->bits, t->bits, t->n_bits);
    else
        drop.value = pare_metrics_value(&baseline->metrics, "accuracy") -
                     pare_metrics_value(&t->metrics, "accuracy");
    pare_metrics_put(&t->metrics, "accuracy_drop", drop, "1", "measured", NULL);
}

static const char *unit_of(const char *name)
{
    if (strstr(name, "_ms"))
        return "ms";
    if (strstr(name, "_bytes"))
        return "B";
    return strstr(name, "_mj") ? "mJ" : "1";
}

/* What was asked for and nobody could answer says so; latencies and counters come later. */
static void put_unavailable(const struct engine *e, struct trial *t)
{
    const struct pare_sweep *sweep = e->sweep;

    for (int i = 0; i < sweep->n_metrics; i++) {
        const struct pare_metric_ref *m = &sweep->metrics[i];

        if (!pare_metrics_get(&t->metrics, m->text) && !engine_is_timed(sweep, m))
            pare_metrics_unavailable(&t->metrics, m->text, unit_of(m->name),
                                     "nothing here gives this number");
    }
}

static pare_status finish(struct engine *e, struct trial *t, const struct evaluation *v,
                          struct pare_error *err)
{
    const char *status;
    char *reason = NULL;
    pare_status st;

    pare_metrics_copy(&t->metrics, &v->metrics);
    if (v->bits) {
        size_t n_bytes = ((size_t)v->n_bits + 7) / 8;

        free(t->bits);
        t->bits = pare_xcalloc(n_bytes, 1);
        memcpy(t->bits, v->bits, n_bytes);
        t->n_bits = v->n_bits;
    }
    if (!isnan(pare_metrics_value(&t->metrics, "accuracy")))
        put_drop(e, t);
    put_unavailable(e, t);
    status = engine_verdict(e, t, &reason);
    st = engine_end_trial(e, t, status, reason ? reason : "", err);
    free(reason);
    return st;
}

pare_status engine_want_evaluation(struct engine *e, struct trial *t, struct pare_error *err)
{
    int i = find(e, &t->artifact);

    t->phase = TRIAL_IN_EVALUATION;
    if (i < 0) {
        struct evaluation *v = append(e);

        i = e->n_evaluations - 1;
        v->artifact = t->artifact;
        v->key = t->key;
    }
    return e->evaluations[i].state == EVALUATION_DONE ? finish(e, t, &e->evaluations[i], err)
                                                      : PARE_OK;
}

/* ---- jobs ---- */

int engine_waiting_evaluation(const struct engine *e)
{
    for (int i = 0; i < e->n_evaluations; i++)
        if (e->evaluations[i].state == EVALUATION_WAITS)
            return i;
    return -1;
}

int engine_n_waiting_evaluations(const struct engine *e)
{
    int n = 0;

    for (int i = 0; i < e->n_evaluations; i++)
        n += e->evaluations[i].state == EVALUATION_WAITS;
    return n;
}

pare_status engine_send_evaluation(struct engine *e, int worker, int index, int n_threads,
                                   struct pare_error *err)
{
    struct evaluation *v = &e->evaluations[index];
    struct pare_text body = {0};
    bool is_first = true;
    pare_status st;

    pare_text_printf(&body, "\"artifact\": \"%s\", \"threads\": %d, \"hosts\": [", v->key.hex,
                     n_threads);
    for (int i = 0; i < e->sweep->n_targets; i++)
        if (e->sweep->targets[i].is_host) {
            pare_text_printf(&body, "%s%d", is_first ? "" : ", ", e->sweep->targets[i].threads);
            is_first = false;
        }
    pare_text_add(&body, "]");
    v->state = EVALUATION_RUNS;
    st = engine_send(e, worker, (struct job){JOB_EVALUATE, index}, "evaluate", body.s,
                     EVALUATION_TIMEOUT_S, err);
    pare_text_clear(&body);
    return st;
}

/* [value, low, high] */
static struct pare_interval read_interval(const struct pare_json *json)
{
    struct pare_interval interval = {NAN, NAN, NAN};

    pare_json_number(pare_json_at(json, 0), &interval.value);
    pare_json_number(pare_json_at(json, 1), &interval.low);
    pare_json_number(pare_json_at(json, 2), &interval.high);
    return interval;
}

/* The i-th target's answer stands at its position among the targets of its kind. */
static int position(const struct pare_sweep *sweep, int target)
{
    int n = 0;

    for (int i = 0; i < target; i++)
        n += sweep->targets[i].is_host == sweep->targets[target].is_host;
    return n;
}

static void put_modeled(struct pare_metrics *metrics, const struct pare_metric_ref *m,
                        const struct pare_json *device)
{
    const char *name = strcmp(m->name, "peak_memory_bytes") == 0 ? "memory_bytes" : m->name;
    struct pare_interval value = read_interval(pare_json_get(device, name));
    const char *limit = pare_json_get_string(device, "limit", "");
    const char *tier = pare_json_get_string(device, "tier", "");

    if (isnan(value.value))
        pare_metrics_unavailable(metrics, m->text, unit_of(m->name),
                                 *limit ? limit : "the hardware model has nothing to say");
    else
        pare_metrics_put(metrics, m->text, value, unit_of(m->name), "modeled",
                         *limit ? limit : tier);
}

/* Per host target the worker gives [activation memory, packed weights]. */
static void put_host(struct pare_metrics *metrics, const struct pare_metric_ref *m,
                     const struct pare_json *host)
{
    static const char *const names[] = {"peak_memory_bytes", "weight_bytes"};
    double bytes;

    for (int i = 0; i < 2; i++)
        if (strcmp(m->name, names[i]) == 0 && pare_json_number(pare_json_at(host, i), &bytes))
            pare_metrics_count(metrics, m->text, bytes, "B");
}

static void put_targets(const struct engine *e, struct pare_metrics *metrics,
                        const struct pare_json *result)
{
    const struct pare_sweep *sweep = e->sweep;

    for (int i = 0; i < sweep->n_metrics; i++) {
        const struct pare_metric_ref *m = &sweep->metrics[i];
        const struct pare_json *hosts = pare_json_get(result, "hosts");
        const struct pare_json *devices = pare_json_get(result, "devices");

        if (m->target >= 0 && sweep->targets[m->target].is_host)
            put_host(metrics, m, pare_json_at(hosts, position(sweep, m->target)));
        else if (m->target >= 0)
            put_modeled(metrics, m, pare_json_at(devices, position(sweep, m->target)));
    }
}

/* Size is what the file takes on disk, asked of the file. */
static double size_on_disk(const struct engine *e, const struct pare_digest *key)
{
    char *path = pare_cache_path(e->folder, key->hex);
    struct stat file;
    double size = stat(path, &file) == 0 ? (double)file.st_size : NAN;

    free(path);
    return size;
}

static void read_result(const struct engine *e, struct evaluation *v,
                        const struct pare_json *result)
{
    double accuracy = pare_json_get_number(result, "accuracy", NAN);
    double mse = pare_json_get_number(result, "mse", NAN), weight_bytes;

    v->n_bits = pare_json_get_int(result, "n", 0);
    if (!isnan(accuracy)) {
        v->bits = pare_protocol_read_bytes(pare_json_get(result, "bits"), (v->n_bits + 7) / 8);
        pare_metrics_put(&v->metrics, "accuracy",
                         pare_wilson(pare_json_get_int(result, "n_correct", 0), v->n_bits), "1",
                         "measured", NULL);
    }
    if (!isnan(mse))
        pare_metrics_put(&v->metrics, "loss", (struct pare_interval){mse, NAN, NAN}, "1",
                         "measured", NULL);
    if (!v->bits)
        v->n_bits = 0;
    pare_metrics_count(&v->metrics, "size_bytes", size_on_disk(e, &v->key), "B");
    pare_metrics_count(&v->metrics, "macs", (double)pare_json_get_int(result, "macs", 0), "1");
    pare_metrics_count(&v->metrics, "params", (double)pare_json_get_int(result, "params", 0), "1");
    if (pare_json_number(pare_json_get(result, "weight_bytes"), &weight_bytes))
        pare_metrics_count(&v->metrics, "weight_bytes", weight_bytes, "B");
    put_targets(e, &v->metrics, result);
}

pare_status engine_evaluated(struct engine *e, int index, const struct pare_worker_event *event,
                             struct pare_error *err)
{
    struct evaluation *v = &e->evaluations[index];
    pare_status st = PARE_OK;

    v->state = EVALUATION_DONE;
    if (event->status == PARE_OK)
        read_result(e, v, event->result);
    for (int64_t i = 0; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];
        char *reason = NULL;

        if (t->phase != TRIAL_IN_EVALUATION || strcmp(t->artifact.hex, v->artifact.hex) != 0)
            continue;
        if (event->status == PARE_OK) {
            st = finish(e, t, v, err);
            continue;
        }
        if (asprintf(&reason, "executing the artifact: %s", event->error) < 0)
            abort();
        st = engine_end_trial(e, t, engine_trial_status(event->status), reason, err);
        free(reason);
    }
    if (event->status != PARE_OK) { /* another trial with these bytes asks anew */
        pare_metrics_clear(&v->metrics);
        memset(&v->artifact, 0, sizeof v->artifact);
    }
    return st;
}
