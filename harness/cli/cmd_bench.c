/* pare bench: what one network costs on this machine. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "base/text.h"
#include "cli/args.h"
#include "cli/network.h"
#include "infer/plan.h"
#include "measure/counters.h"
#include "measure/latency.h"

enum { MAX_COUNTERS = 16, COUNTER_CALLS = 50 };

static const struct pare_arg bench_options[] = {
    {"output", 'o', "FORMAT", "how to print", PARE_CHOICES("text", "json")},
    {"batch", 'b', "N", "samples per run (default 1)", NULL},
    {"threads", 't', "N", "threads (default 1)", NULL},
    {"kernels", 'k', "WHICH", "the fastest measured here, those of the shape alone, or plain C",
     PARE_CHOICES("tuned", "default", "portable")},
    {"seconds", 's', "N", "give up after so long (default 3)", NULL},
    {"counter", 'c', "EVENT", "a PAPI event, e.g. PAPI_TOT_INS; may be repeated", NULL},
    PARE_ARG_END,
};

struct bench {
    struct pare_graph *graph;
    struct pare_plan *plan;
    int64_t batch, threads;
    float *input, *output;
    int64_t n_bytes;
    double *layer_s; /* seconds of one run, the median of several */
    struct pare_latency_result latency;
    int n_counters;
    struct pare_counter counters[MAX_COUNTERS];
};

static void run_once(void *arg)
{
    struct bench *b = arg;
    pare_plan_run(b->plan, b->input, b->batch, b->output);
}

/* Each layer's fastest of many profiled runs: the timer's own cost and other processes only add. */
static pare_status profile(struct bench *b, struct pare_error *err)
{
    int n = pare_plan_n_layers(b->plan);
    double *once = calloc((size_t)n + 1, sizeof *once);

    b->layer_s = calloc((size_t)n + 1, sizeof *b->layer_s);
    if (!once || !b->layer_s) {
        free(once);
        return pare_fail(err, PARE_ENOMEM, "no memory for %d layers", n);
    }
    for (int run = 0; run < 100; run++) {
        memset(once, 0, (size_t)n * sizeof *once);
        pare_plan_profile(b->plan, b->input, b->batch, b->output, once);
        for (int i = 0; i < n; i++)
            b->layer_s[i] = run == 0 || once[i] < b->layer_s[i] ? once[i] : b->layer_s[i];
    }
    free(once);
    return PARE_OK;
}

static pare_status measure(struct bench *b, const char *kernels, double seconds,
                           struct pare_error *err)
{
    struct pare_plan_options options = {.kernels = *kernels == 't'   ? PARE_KERNELS_TUNED
                                                   : *kernels == 'd' ? PARE_KERNELS_DEFAULT
                                                                     : PARE_KERNELS_PORTABLE,
                                        .max_batch = b->batch,
                                        .n_threads = (int)b->threads};
    int64_t n_in = b->batch * pare_shape_elems(&b->graph->inputs[0]->shape);
    int64_t n_out = b->batch * pare_shape_elems(&b->graph->outputs[0]->shape);
    struct pare_latency_options protocol;
    struct pare_rng rng;
    pare_status st;

    if (!pare_graph_is_batched(b->graph))
        return pare_fail(err, PARE_EUNSUPPORTED, PARE_NOT_BATCHED);
    st = pare_plan_new(&b->plan, b->graph, &options, err);

    if (st)
        return st;
    b->input = malloc((size_t)n_in * sizeof *b->input);
    b->output = malloc((size_t)n_out * sizeof *b->output);
    if (!b->input || !b->output)
        return pare_fail(err, PARE_ENOMEM, "no memory for a batch of %" PRId64, b->batch);
    pare_rng_init(&rng, 1, 0);
    for (int64_t i = 0; i < n_in; i++)
        b->input[i] = (float)pare_rng_uniform(&rng);
    pare_latency_defaults(&protocol);
    protocol.max_s_per_subject = seconds;
    st = pare_latency_measure_calls(&(struct pare_latency_call){run_once, b}, 1, &protocol,
                                    &b->latency, err);
    if (!st)
        st = profile(b, err);
    if (!st && b->n_counters)
        pare_counters_read(b->counters, b->n_counters, run_once, b, COUNTER_CALLS);
    return st;
}

static void print_text(const struct bench *b)
{
    const struct pare_interval *p50 = &b->latency.p50_ms, *p95 = &b->latency.p95_ms;
    double total = 0;
    char size[32];

    for (int i = 0; i < pare_plan_n_layers(b->plan); i++)
        total += b->layer_s[i];
    printf("%-22s %-20s %10s %9s %6s %8s\n", "layer", "kernel", "MACs", "us", "share", "GMAC/s");
    for (int i = 0; i < pare_plan_n_layers(b->plan); i++) {
        struct pare_plan_layer layer = pare_plan_layer(b->plan, i);
        double macs = (double)(layer.macs * b->batch);
        printf("%-22.22s %-20.20s %10" PRId64 " %9.2f %5.1f%%", layer.name, layer.kernel,
               layer.macs, b->layer_s[i] * 1e6, total > 0 ? 100 * b->layer_s[i] / total : 0.0);
        if (layer.macs)
            printf(" %8.1f", macs / b->layer_s[i] * 1e-9);
        putchar('\n');
    }
    printf("\nlatency p50        %.4g ms  (95 %%: %.4g .. %.4g), batch %" PRId64 ", %" PRId64
           " thread%s\n",
           p50->value, p50->low, p50->high, b->batch, b->threads, b->threads == 1 ? "" : "s");
    printf("latency p95        %.4g ms  (95 %%: %.4g .. %.4g)\n", p95->value, p95->low, p95->high);
    if (!b->latency.is_stable)
        printf("                   unstable: %s\n", b->latency.cause);
    printf("activation memory  %s\n",
           pare_text_bytes((double)pare_plan_arena_bytes(b->plan), size, sizeof size));
    printf("weights in memory  %s\n",
           pare_text_bytes((double)pare_plan_weight_bytes(b->plan), size, sizeof size));
    printf("file               %s\n", pare_text_bytes((double)b->n_bytes, size, sizeof size));
    for (int i = 0; i < b->n_counters; i++) {
        if (isnan(b->counters[i].value))
            printf("%-18s unavailable: %s\n", b->counters[i].event, b->counters[i].cause);
        else
            printf("%-18s %.6g per run\n", b->counters[i].event, b->counters[i].value);
    }
}

static void json_field(struct pare_text *out, const char *key, double value)
{
    pare_text_printf(out, ", \"%s\": ", key);
    pare_text_json_number(out, value);
}

static void print_json(const struct bench *b)
{
    struct pare_text out = {0};

    pare_text_add(&out, "[{\"model\": ");
    pare_text_json_string(&out, b->graph->name);
    json_field(&out, "batch", (double)b->batch);
    json_field(&out, "threads", (double)b->threads);
    json_field(&out, "latency_ms", b->latency.p50_ms.value);
    json_field(&out, "latency_ms_low", b->latency.p50_ms.low);
    json_field(&out, "latency_ms_high", b->latency.p50_ms.high);
    json_field(&out, "latency_p95_ms", b->latency.p95_ms.value);
    pare_text_printf(&out, ", \"stable\": %s", b->latency.is_stable ? "true" : "false");
    json_field(&out, "peak_memory_bytes", (double)pare_plan_arena_bytes(b->plan));
    json_field(&out, "weight_bytes", (double)pare_plan_weight_bytes(b->plan));
    json_field(&out, "size_bytes", (double)b->n_bytes);
    for (int i = 0; i < b->n_counters; i++)
        json_field(&out, b->counters[i].event, b->counters[i].value);
    pare_text_add(&out, ", \"layers\": [");
    for (int i = 0; i < pare_plan_n_layers(b->plan); i++) {
        struct pare_plan_layer layer = pare_plan_layer(b->plan, i);
        pare_text_add(&out, i ? ",\n  {\"name\": " : "\n  {\"name\": ");
        pare_text_json_string(&out, layer.name);
        pare_text_add(&out, ", \"op\": ");
        pare_text_json_string(&out, layer.op);
        pare_text_add(&out, ", \"kernel\": ");
        pare_text_json_string(&out, layer.kernel);
        json_field(&out, "macs", (double)layer.macs);
        json_field(&out, "weight_bytes", (double)layer.weight_bytes);
        json_field(&out, "time_us", b->layer_s[i] * 1e6);
        pare_text_add(&out, "}");
    }
    pare_text_add(&out, "]}]");
    puts(out.s);
    pare_text_clear(&out);
}

static int run_bench(int argc, char **argv)
{
    struct pare_args args;
    struct bench b = {.batch = 1, .threads = 1};
    struct pare_error err = {0};
    const char *events[PARE_ARG_MAX];
    int64_t seconds = 3;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_bench, argc, argv, &code))
        return code;
    if (!pare_arg_int(&args, "batch", 1, 4096, &b.batch) ||
        !pare_arg_int(&args, "threads", 1, 256, &b.threads) ||
        !pare_arg_int(&args, "seconds", 1, 3600, &seconds))
        return PARE_EXIT_USAGE;
    b.n_counters = pare_arg_all(&args, "counter", events);
    if (b.n_counters > MAX_COUNTERS)
        return pare_usage_error(&pare_cmd_bench, "at most %d counters", MAX_COUNTERS);
    for (int i = 0; i < b.n_counters; i++) {
        if (!pare_counter_name_is_valid(events[i]))
            return pare_usage_error(&pare_cmd_bench,
                                    "'%s' is no event that PAPI knows (`papi_avail` lists them)",
                                    events[i]);
        b.counters[i].event = events[i];
    }
    st = pare_network_open(&b.graph, args.operands[0], NULL, 0, &err);
    if (!st)
        st = pare_network_bytes(&b.n_bytes, b.graph, args.operands[0], &err);
    if (!st)
        st = measure(&b, pare_arg_get(&args, "kernels", "tuned"), (double)seconds, &err);
    if (st)
        code = pare_command_fail(&pare_cmd_bench, st, &err);
    else if (*pare_arg_get(&args, "output", "text") == 'j')
        print_json(&b);
    else
        print_text(&b);
    if (!st && !b.latency.is_stable)
        code = PARE_EXIT_UNSTABLE;
    pare_latency_clear(&b.latency, 1);
    pare_plan_free(b.plan);
    pare_graph_free(b.graph);
    free(b.input);
    free(b.output);
    free(b.layer_s);
    return code;
}

const struct pare_command pare_cmd_bench = {
    .name = "bench",
    .summary = "latency, layers, memory and counters of one network on this machine",
    .usage = "[OPTION...] MODEL",
    .details =
        "MODEL is a network of the zoo or a .safetensors file.  The input is random; weights of\n"
        "a zoo network are untrained.  Exit code 5 when the latency did not settle.",
    .options = bench_options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_bench,
};
