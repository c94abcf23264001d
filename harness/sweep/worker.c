#include "sweep/worker.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "infer/plan.h"
#include "io/data_test.h"
#include "io/model.h"
#include "measure/counters.h"
#include "measure/evaluate.h"
#include "measure/hw.h"
#include "measure/latency.h"
#include "option/schema.h"
#include "pipeline/cache.h"
#include "pipeline/key.h"
#include "pipeline/stage.h"
#include "pipeline/worker.h"

enum { MAX_SUBJECTS = 64, MAX_EVENTS = 64, PROFILE_RUNS = 64, COUNTED_RUNS = 32 };
/* Each network is compiled so often for its latency: layout in memory is part of the interval. */
enum { PLAN_COPIES = 3 };

struct bench {
    struct pare_arena *arena;
    struct pare_registry *registry;
    const char *folder;
    struct pare_data_spec data_spec;
    struct pare_data *data;
    struct pare_data_test *test; /* opened by the first `test` job */
    struct pare_recipe train;
    int n_devices;
    struct pare_device *devices;
    char *baseline_key; /* of `baseline`, kept from job to job */
    struct pare_graph *baseline;
};

static const struct pare_method *find_method(void *state, const char *name)
{
    return pare_registry_method(state, name);
}

/* ---- hello ---- */

/* A device as the coordinator read it: the worker looks for no files of its own. */
static pare_status open_device(struct bench *b, struct pare_device *device,
                               const struct pare_json *json, struct pare_error *err)
{
    const char *model = pare_json_get_string(json, "model", "");

    device->id = pare_arena_strdup(b->arena, pare_json_get_string(json, "id", ""));
    device->part = "";
    device->model = pare_registry_hwmodel(b->registry, model);
    if (!device->model)
        return pare_fail(err, PARE_EINVAL, "this worker has no hardware model '%s'", model);
    device->options = pare_arena_alloc(b->arena, device->model->options_bytes);
    pare_options_defaults(device->model->options, device->options);
    return pare_protocol_read_options(device->options, device->model->options,
                                      pare_json_get(json, "options"), b->arena, err);
}

static pare_status open_devices(struct bench *b, const struct pare_json *list,
                                struct pare_error *err)
{
    pare_status st = PARE_OK;

    b->n_devices = (int)pare_json_n(list);
    b->devices = PARE_ARENA_NEW(b->arena, struct pare_device, b->n_devices + 1);
    for (int i = 0; !st && i < b->n_devices; i++)
        st = open_device(b, &b->devices[i], pare_json_at(list, i), err);
    return st;
}

static pare_status hello(void *state, const struct pare_json *message, struct pare_error *err)
{
    struct bench *b = state;
    pare_status st;

    b->folder = pare_arena_strdup(b->arena, pare_json_get_string(message, "folder", "."));
    pare_data_spec_defaults(&b->data_spec);
    pare_recipe_defaults(&b->train);
    st = pare_protocol_read_options(&b->data_spec, pare_data_options,
                                    pare_json_get(message, "data"), b->arena, err);
    if (!st)
        st = pare_protocol_read_options(&b->train, pare_recipe_options,
                                        pare_json_get(message, "train"), b->arena, err);
    if (!st)
        st = pare_registry_open(&b->registry, err);
    if (!st)
        st = open_devices(b, pare_json_get(message, "devices"), err);
    if (!st)
        st = pare_data_open(&b->data, &b->data_spec, err);
    return st;
}

/* ---- stages ---- */

static pare_status load(struct bench *b, const char *key, struct pare_graph **out,
                        struct pare_error *err)
{
    char *path = pare_cache_path(b->folder, key);
    pare_status st = pare_model_load(out, path, err);

    free(path);
    return st;
}

static pare_status use_baseline(struct bench *b, const char *key, struct pare_error *err)
{
    if (b->baseline_key && strcmp(b->baseline_key, key) == 0)
        return PARE_OK;
    pare_graph_free(b->baseline);
    free(b->baseline_key);
    b->baseline = NULL;
    b->baseline_key = NULL;
    pare_status st = load(b, key, &b->baseline, err);
    if (!st)
        b->baseline_key = pare_xstrdup(key);
    return st;
}

static struct pare_stage_env env_of(const struct bench *b, struct pare_worker_job *job)
{
    struct pare_stage_env env = {
        .train = &b->train,
        .data = b->data,
        .fidelity = pare_json_get_number(job->message, "fidelity", 1),
        .n_threads = (int)pare_json_get_int(job->message, "threads", 1),
        .log = pare_worker_log,
        .log_state = job,
    };

    env.seed = pare_key_seed(pare_json_get_string(job->message, "key", ""));
    return env;
}

/* Keeps the artifact under the job's key and answers with what it is. */
static pare_status keep(struct bench *b, struct pare_worker_job *job,
                        const struct pare_graph *graph, struct pare_error *err)
{
    struct pare_cache_entry entry = {
        .wall_s = pare_clock_s() - job->begin_s,
        .peak_rss_mib = pare_worker_peak_rss_mib(),
        .log = pare_xstrdup(job->log.s ? job->log.s : ""),
    };
    pare_status st = pare_cache_put(b->folder, pare_json_get_string(job->message, "key", ""), graph,
                                    &entry, err);

    if (!st)
        pare_text_printf(&job->result,
                         "{\"digest\": \"%s\", \"size_bytes\": %lld, \"macs\": %lld, "
                         "\"params\": %lld}",
                         entry.digest.hex, (long long)entry.size_bytes, (long long)entry.macs,
                         (long long)entry.params);
    pare_cache_entry_clear(&entry);
    return st;
}

static pare_status do_baseline(struct bench *b, struct pare_worker_job *job, struct pare_error *err)
{
    const char *zoo = pare_json_get_string(job->message, "zoo", NULL);
    const char *path = pare_json_get_string(job->message, "path", "");
    struct pare_stage_env env = env_of(b, job);
    struct pare_graph *graph = NULL;
    pare_status st = zoo ? pare_baseline_train(&graph, zoo, &env, err)
                         : pare_baseline_load(&graph, path, &env, err);

    if (!st)
        st = keep(b, job, graph, err);
    pare_graph_free(graph);
    return st;
}

static pare_status do_stage(struct bench *b, struct pare_worker_job *job, bool is_probe,
                            struct pare_error *err)
{
    struct pare_arena *arena = pare_arena_new();
    struct pare_stage_env env = env_of(b, job);
    struct pare_graph *input = NULL, *graph = NULL;
    struct pare_task task;
    pare_status st;

    st = pare_protocol_read_task(&task, pare_json_get(job->message, "task"), find_method,
                                 b->registry, arena, err);
    if (!st)
        st = use_baseline(b, pare_json_get_string(job->message, "baseline", ""), err);
    if (!st)
        st = load(b, pare_json_get_string(job->message, "parent", ""), &input, err);
    if (st)
        goto done;
    env.baseline = b->baseline;
    if (is_probe) {
        st = pare_stage_prepare(&graph, input, &task, &env, err);
        if (!st)
            pare_text_printf(&job->result, "{\"macs\": %lld, \"params\": %lld}",
                             (long long)pare_graph_macs(graph),
                             (long long)pare_graph_params(graph));
    } else {
        st = pare_stage_run(&graph, input, &task, &env, err);
        if (!st)
            st = keep(b, job, graph, err);
    }
done:
    pare_graph_free(input);
    pare_graph_free(graph);
    pare_arena_free(arena);
    return st;
}

/* ---- evaluation ---- */

static void add_number(struct pare_text *out, const char *name, double value)
{
    pare_text_printf(out, "\"%s\": ", name);
    pare_text_json_number(out, value);
}

static void add_evaluation(struct pare_text *out, const struct pare_evaluation *e)
{
    pare_text_printf(out, "\"n\": %lld, \"n_correct\": %lld, ", (long long)e->n,
                     (long long)e->n_correct);
    add_number(out, "accuracy", e->accuracy);
    pare_text_add(out, ", ");
    add_number(out, "mse", e->mse);
    pare_text_add(out, ", \"bits\": ");
    pare_protocol_add_bytes(out, e->bits, e->bits ? (e->n + 7) / 8 : 0);
}

static void add_estimate(struct pare_text *out, const char *name,
                         const struct pare_hw_estimate *estimate)
{
    pare_text_printf(out, "\"%s\": [", name);
    pare_text_json_number(out, estimate->value);
    pare_text_add(out, ", ");
    pare_text_json_number(out, estimate->low);
    pare_text_add(out, ", ");
    pare_text_json_number(out, estimate->high);
    pare_text_add(out, "], ");
}

/* One object per device, in the order of hello; a model that fails says why. */
static void add_devices(struct bench *b, const struct pare_graph *graph, struct pare_text *out)
{
    pare_text_add(out, ", \"devices\": [");
    for (int i = 0; i < b->n_devices; i++) {
        struct pare_hw_result result;
        struct pare_error err = {0};

        memset(&result, 0, sizeof result);
        pare_text_add(out, i ? ", {" : "{");
        if (pare_hw_estimate(&result, &b->devices[i], graph, &err) == PARE_OK) {
            add_estimate(out, "latency_ms", &result.latency_ms);
            add_estimate(out, "energy_mj", &result.energy_mj);
            add_estimate(out, "cycles", &result.cycles);
            add_estimate(out, "memory_bytes", &result.memory_bytes);
            add_estimate(out, "flash_bytes", &result.flash_bytes);
        }
        pare_text_add(out, "\"tier\": ");
        pare_text_json_string(out, result.tier ? result.tier : "");
        pare_text_add(out, ", \"limit\": ");
        pare_text_json_string(out, err.text[0] ? err.text : result.limit);
        pare_text_add(out, "}");
    }
    pare_text_add(out, "]");
}

/* Weights as their codings hold them in memory. */
static void add_weight_bytes(const struct pare_graph *graph, struct pare_text *out)
{
    struct pare_hw_lowered lowered = {0};

    if (pare_hw_lower(&lowered, graph, NULL) == PARE_OK)
        pare_text_printf(out, ", \"weight_bytes\": %lld", (long long)lowered.network.weight_bytes);
    pare_hw_lowered_clear(&lowered);
}

/* For each host target's number of threads: peak activation memory of one sample, packed weights. */
static pare_status add_hosts(const struct pare_graph *graph, const struct pare_json *hosts,
                             struct pare_text *out, struct pare_error *err)
{
    pare_text_add(out, ", \"hosts\": [");
    for (int64_t i = 0; i < pare_json_n(hosts); i++) {
        int64_t threads = 1;
        struct pare_plan_options options = {.max_batch = 1};
        struct pare_plan *plan = NULL;
        pare_status st;

        pare_json_int(pare_json_at(hosts, i), &threads);
        options.n_threads = (int)threads;
        st = pare_plan_new(&plan, graph, &options, err);
        if (st)
            return st;
        pare_text_printf(out, "%s[%lld, %lld]", i ? ", " : "",
                         (long long)pare_plan_arena_bytes(plan),
                         (long long)pare_plan_weight_bytes(plan));
        pare_plan_free(plan);
    }
    pare_text_add(out, "]");
    return PARE_OK;
}

static pare_status do_evaluate(struct bench *b, struct pare_worker_job *job, struct pare_error *err)
{
    const char *key = pare_json_get_string(job->message, "artifact", "");
    int n_threads = (int)pare_json_get_int(job->message, "threads", 1);
    struct pare_evaluation evaluation = {0};
    struct pare_graph *graph = NULL;
    pare_status st = load(b, key, &graph, err);

    if (!st)
        st = pare_evaluate(&evaluation, graph, b->data, n_threads, err);
    if (st)
        goto done;
    pare_text_add(&job->result, "{");
    add_evaluation(&job->result, &evaluation);
    pare_text_printf(&job->result, ", \"macs\": %lld, \"params\": %lld",
                     (long long)pare_graph_macs(graph), (long long)pare_graph_params(graph));
    add_weight_bytes(graph, &job->result);
    add_devices(b, graph, &job->result);
    st = add_hosts(graph, pare_json_get(job->message, "hosts"), &job->result, err);
    pare_text_add(&job->result, "}");
done:
    pare_evaluation_clear(&evaluation);
    pare_graph_free(graph);
    return st;
}

static pare_status do_test(struct bench *b, struct pare_worker_job *job, struct pare_error *err)
{
    int n_threads = (int)pare_json_get_int(job->message, "threads", 1);
    struct pare_evaluation evaluation = {0};
    struct pare_graph *graph = NULL;
    pare_status st = load(b, pare_json_get_string(job->message, "artifact", ""), &graph, err);

    if (!st && !b->test)
        st = pare_data_test_open(&b->test, b->data, err);
    if (!st)
        st = pare_evaluate_test(&evaluation, graph, b->test, b->data, n_threads, err);
    if (!st) {
        pare_text_add(&job->result, "{");
        add_evaluation(&job->result, &evaluation);
        pare_text_add(&job->result, "}");
    }
    pare_evaluation_clear(&evaluation);
    pare_graph_free(graph);
    return st;
}

/* ---- measuring ---- */

struct subjects {
    int n;
    struct pare_graph *graphs[MAX_SUBJECTS];
    struct pare_plan *plans[MAX_SUBJECTS];
    float *input, *output; /* of one sample */
    int n_threads;
};

static void close_subjects(struct subjects *s)
{
    for (int i = 0; i < s->n; i++) {
        pare_plan_free(s->plans[i]);
        pare_graph_free(s->graphs[i]);
    }
    free(s->input);
    free(s->output);
}

static pare_status open_subjects(struct subjects *s, struct bench *b,
                                 const struct pare_worker_job *job, struct pare_error *err)
{
    const struct pare_json *list = pare_json_get(job->message, "subjects");
    struct pare_plan_options options = {
        .kernels = PARE_KERNELS_TUNED,
        .max_batch = 1,
        .n_threads = (int)pare_json_get_int(job->message, "threads", 1),
    };
    struct pare_shape sample = pare_data_sample_shape(b->data);
    int64_t n = pare_json_n(list), first = 0, n_out = 1;
    pare_status st = PARE_OK;

    s->n_threads = options.n_threads;
    if (n < 1 || n > MAX_SUBJECTS)
        return pare_fail(err, PARE_EINVAL, "%lld subjects; 1 to %d can be measured at once",
                         (long long)n, MAX_SUBJECTS);
    for (int64_t i = 0; !st && i < n; i++) {
        const char *key = pare_json_string(pare_json_at(list, i));

        s->n = (int)i + 1;
        st = load(b, key ? key : "", &s->graphs[i], err);
        if (!st)
            st = pare_plan_new(&s->plans[i], s->graphs[i], &options, err);
        if (!st && pare_shape_elems(&s->graphs[i]->outputs[0]->shape) > n_out)
            n_out = pare_shape_elems(&s->graphs[i]->outputs[0]->shape);
    }
    if (st)
        return st;
    s->input = pare_xcalloc((size_t)pare_shape_elems(&sample), sizeof *s->input);
    s->output = pare_xcalloc((size_t)n_out, sizeof *s->output);
    pare_data_fetch(b->data, PARE_TRAIN, &first, 1, NULL, NULL, s->input, NULL);
    return PARE_OK;
}

static void add_interval(struct pare_text *out, const char *name, struct pare_interval interval)
{
    const struct pare_hw_estimate same = {interval.value, interval.low, interval.high};

    add_estimate(out, name, &same);
}

/* Where the time goes, layer by layer: the mean of some runs. */
static void add_layers(struct pare_text *out, struct pare_plan *plan, const struct subjects *s)
{
    int n = pare_plan_n_layers(plan);
    double *seconds = pare_xcalloc((size_t)n + 1, sizeof *seconds);

    pare_plan_profile(plan, s->input, 1, s->output, seconds); /* warm */
    memset(seconds, 0, (size_t)n * sizeof *seconds);
    for (int r = 0; r < PROFILE_RUNS; r++)
        pare_plan_profile(plan, s->input, 1, s->output, seconds);
    pare_text_add(out, "\"layers\": [");
    for (int i = 0; i < n; i++) {
        struct pare_plan_layer layer = pare_plan_layer(plan, i);

        pare_text_add(out, i ? ", {\"name\": " : "{\"name\": ");
        pare_text_json_string(out, layer.name ? layer.name : "");
        pare_text_add(out, ", \"op\": ");
        pare_text_json_string(out, layer.op ? layer.op : "");
        pare_text_add(out, ", \"kernel\": ");
        pare_text_json_string(out, layer.kernel ? layer.kernel : "");
        pare_text_printf(out, ", \"macs\": %lld, \"weight_bytes\": %lld, ", (long long)layer.macs,
                         (long long)layer.weight_bytes);
        add_number(out, "us", 1e6 * seconds[i] / PROFILE_RUNS);
        pare_text_add(out, "}");
    }
    pare_text_add(out, "]");
    free(seconds);
}

static void add_latency(struct pare_text *out, const struct pare_latency_result *result)
{
    add_interval(out, "p50_ms", result->p50_ms);
    add_interval(out, "p95_ms", result->p95_ms);
    add_interval(out, "ratio", result->ratio);
    pare_text_printf(out, "\"differs\": %s, \"is_stable\": %s, \"cause\": ",
                     result->differs ? "true" : "false", result->is_stable ? "true" : "false");
    pare_text_json_string(out, result->cause);
    pare_text_add(out, ", \"samples_s\": [");
    for (int64_t i = 0; i < result->n_samples; i++) {
        pare_text_add(out, i ? ", " : "");
        pare_text_json_number(out, result->samples_s[i]);
    }
    pare_text_add(out, "], ");
}

static pare_status do_latency(struct bench *b, struct pare_worker_job *job, struct pare_error *err)
{
    struct subjects s = {0};
    struct pare_latency_graph subjects[MAX_SUBJECTS];
    struct pare_latency_result results[MAX_SUBJECTS];
    struct pare_latency_options options;
    pare_status st = open_subjects(&s, b, job, err);

    if (st)
        goto done;
    for (int i = 0; i < s.n; i++)
        subjects[i] = (struct pare_latency_graph){s.graphs[i], s.input, s.n_threads};
    memset(results, 0, sizeof results);
    pare_latency_defaults(&options);
    options.cpu = -1;
    options.max_s_per_subject =
        pare_json_get_number(job->message, "max_s", options.max_s_per_subject);
    pare_protocol_read_u64(pare_json_get(job->message, "seed"), &options.seed);
    st = pare_latency_measure_graphs(subjects, s.n, PLAN_COPIES, &options, results, err);
    if (st)
        goto done;
    pare_text_add(&job->result, "{\"results\": [");
    for (int i = 0; i < s.n; i++) {
        pare_text_add(&job->result, i ? ", {" : "{");
        add_latency(&job->result, &results[i]);
        add_layers(&job->result, s.plans[i], &s);
        pare_text_add(&job->result, "}");
    }
    pare_text_add(&job->result, "]}");
    pare_latency_clear(results, s.n);
done:
    close_subjects(&s);
    return st;
}

struct call {
    struct pare_plan *plan;
    const struct subjects *subjects;
};

static void run_once(void *arg)
{
    const struct call *call = arg;

    pare_plan_run(call->plan, call->subjects->input, 1, call->subjects->output);
}

static pare_status do_counters(struct bench *b, struct pare_worker_job *job, struct pare_error *err)
{
    const struct pare_json *events = pare_json_get(job->message, "events");
    int n_events = (int)pare_json_n(events);
    struct pare_counter counters[MAX_EVENTS];
    struct subjects s = {0};
    pare_status st = open_subjects(&s, b, job, err);

    if (!st && n_events > MAX_EVENTS)
        st = pare_fail(err, PARE_EINVAL, "%d counters; at most %d", n_events, MAX_EVENTS);
    pare_text_add(&job->result, "{\"results\": [");
    for (int i = 0; !st && i < s.n; i++) {
        struct call call = {s.plans[i], &s};

        memset(counters, 0, sizeof counters);
        for (int e = 0; e < n_events; e++)
            counters[e].event = pare_json_string(pare_json_at(events, e));
        pare_counters_read(counters, n_events, run_once, &call, COUNTED_RUNS);
        pare_text_add(&job->result, i ? ", [" : "[");
        for (int e = 0; e < n_events; e++) {
            pare_text_add(&job->result, e ? ", {" : "{");
            add_number(&job->result, "value", counters[e].value);
            pare_text_add(&job->result, ", \"cause\": ");
            pare_text_json_string(&job->result, counters[e].cause);
            pare_text_add(&job->result, "}");
        }
        pare_text_add(&job->result, "]");
    }
    pare_text_add(&job->result, "]}");
    close_subjects(&s);
    return st;
}

/* ---- all ---- */

static pare_status run(void *state, struct pare_worker_job *job, struct pare_error *err)
{
    struct bench *b = state;

    if (strcmp(job->what, "baseline") == 0)
        return do_baseline(b, job, err);
    if (strcmp(job->what, "stage") == 0)
        return do_stage(b, job, false, err);
    if (strcmp(job->what, "probe") == 0)
        return do_stage(b, job, true, err);
    if (strcmp(job->what, "evaluate") == 0)
        return do_evaluate(b, job, err);
    if (strcmp(job->what, "test") == 0)
        return do_test(b, job, err);
    if (strcmp(job->what, "latency") == 0)
        return do_latency(b, job, err);
    if (strcmp(job->what, "counters") == 0)
        return do_counters(b, job, err);
    return pare_fail(err, PARE_EINVAL, "this worker cannot do '%s'", job->what);
}

int pare_sweep_worker(void)
{
    struct bench bench = {.arena = pare_arena_new()};
    const struct pare_worker_handler handler = {&bench, hello, run};
    int code;

    if (fcntl(PARE_WORKER_FD, F_GETFD) < 0) {
        fprintf(stderr, "pare worker: started by `pare run` only\n");
        pare_arena_free(bench.arena);
        return 2;
    }
    code = pare_worker_serve(PARE_WORKER_FD, &handler);
    pare_graph_free(bench.baseline);
    free(bench.baseline_key);
    if (bench.test)
        pare_data_test_close(bench.test);
    pare_data_close(bench.data);
    pare_registry_close(bench.registry);
    pare_arena_free(bench.arena);
    return code;
}
