/* Latency of compiled networks: bench_infer [-v] [BATCH [THREADS [SECONDS]]].
 *
 * All networks are built first; then rounds visit every one in turn, so that drift of the machine hits
 * all alike.  A line per network, columns by tabs: infer NET TYPE BATCH THREADS median_us min_us arena_bytes
 * weight_bytes.
 * -v adds a table of layers. */
#include <stdio.h>
#include <string.h>

#include <pare/zoo.h>

#include "../support/quantize_net.h"
#include "base/clock.h"

static const char *const nets[] = {"lenet-300-100", "lenet5",           "resnet8",
                                   "ds-cnn",        "mobilenetv1-0.25", "fc-autoencoder"};
enum { N_NETS = sizeof nets / sizeof *nets, N_SUBJECTS = 2 * N_NETS, MAX_SAMPLES = 4096 };

struct subject {
    const char *net, *type;
    struct pare_plan *plan;
    float *input, *output;
    double samples[MAX_SAMPLES];
    int n_samples, n_runs; /* runs per sample: half a millisecond */
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void make(struct subject *s, const char *net, bool is_int8, int64_t batch, int n_threads)
{
    struct pare_plan_options options = {.kernels = PARE_KERNELS_TUNED,
                                        .max_batch = batch,
                                        .n_threads = n_threads};
    struct pare_graph *graph = NULL;
    struct pare_error err = {0};

    assert_ok(pare_zoo_build(&graph, net, NULL, 0, 1, &err), &err);
    if (is_int8)
        quantize_net(graph, 8, 0, false);
    assert_ok(pare_plan_new(&s->plan, graph, &options, &err), &err);
    s->net = net;
    s->type = is_int8 ? "int8" : "f32";
    s->input = random_input(graph, batch, 1);
    s->output = malloc(sizeof(float) * (size_t)(batch * value_elems(graph->outputs[0])));
    pare_graph_free(graph);
}

static double time_runs(struct subject *s, int64_t batch)
{
    double start = pare_clock_s();

    for (int i = 0; i < s->n_runs; i++)
        pare_plan_run(s->plan, s->input, batch, s->output);
    return pare_clock_s() - start;
}

/* The least of many runs, layer by layer: what each costs when nothing disturbs it. */
static void print_layers(struct subject *s, int64_t batch)
{
    enum { RUNS = 300 };
    int n = pare_plan_n_layers(s->plan);
    double *seconds = malloc(sizeof *seconds * (size_t)n),
           *least = calloc((size_t)n, sizeof *least);

    for (int k = 0; k < RUNS; k++) {
        memset(seconds, 0, sizeof *seconds * (size_t)n);
        pare_plan_profile(s->plan, s->input, batch, s->output, seconds);
        for (int i = 0; i < n; i++)
            least[i] = k == 0 || seconds[i] < least[i] ? seconds[i] : least[i];
    }
    for (int i = 0; i < n; i++) {
        struct pare_plan_layer layer = pare_plan_layer(s->plan, i);
        printf("    %-28s %-28s %9.2f us %7.1f Gop/s %9lld B  %s\n", layer.name, layer.op,
               least[i] * 1e6, 2e-9 * (double)(layer.macs * batch) / least[i],
               (long long)layer.weight_bytes, layer.kernel);
    }
    free(seconds), free(least);
}

int main(int argc, char **argv)
{
    bool is_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    int first = is_verbose ? 2 : 1;
    int64_t batch = argc > first ? atoi(argv[first]) : 1;
    int n_threads = argc > first + 1 ? atoi(argv[first + 1]) : 1;
    double seconds = argc > first + 2 ? atof(argv[first + 2]) : 3;
    struct subject *subjects = calloc(N_SUBJECTS, sizeof *subjects);

    for (int i = 0; i < N_SUBJECTS; i++) {
        struct subject *s = &subjects[i];
        make(s, nets[i / 2], i % 2, batch, n_threads);
        s->n_runs = 1;
        while (time_runs(s, batch) < 0.5e-3 && s->n_runs < 1 << 20)
            s->n_runs *= 2;
    }
    double end = pare_clock_s() + seconds;
    do {
        for (int i = 0; i < N_SUBJECTS; i++) {
            struct subject *s = &subjects[i];
            if (s->n_samples < MAX_SAMPLES)
                s->samples[s->n_samples++] = time_runs(s, batch) / s->n_runs;
        }
    } while (pare_clock_s() < end);
    for (int i = 0; i < N_SUBJECTS; i++) {
        struct subject *s = &subjects[i];
        qsort(s->samples, (size_t)s->n_samples, sizeof *s->samples, ascending);
        printf("infer\t%s\t%s\t%lld\t%d\t%.3f\t%.3f\t%lld\t%lld\n", s->net, s->type,
               (long long)batch, n_threads, s->samples[s->n_samples / 2] * 1e6, s->samples[0] * 1e6,
               (long long)pare_plan_arena_bytes(s->plan),
               (long long)pare_plan_weight_bytes(s->plan));
        if (is_verbose)
            print_layers(s, batch);
        pare_plan_free(s->plan);
        free(s->input);
        free(s->output);
    }
    free(subjects);
    return 0;
}
