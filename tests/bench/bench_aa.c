/* The A/A test of the latency protocol: pairs of the same artifact, on the real clock.
 *
 *   bench_aa [PAIRS [MODEL]]      100 pairs of lenet5-quarter unless said otherwise
 *
 * Each pair is compiled anew and measured as the sweep measures two artifacts.  Prints one line; exit
 * code 1 when more than 2 % of the pairs are declared different. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "measure/latency.h"

enum { PLAN_COPIES = 3 }; /* as sweep/worker.c */

static float input[3 * 96 * 96];

static void fail(const struct pare_error *err)
{
    fprintf(stderr, "bench_aa: %s\n", err->text);
    exit(2);
}

int main(int argc, char **argv)
{
    int n_pairs = argc > 1 ? atoi(argv[1]) : 100, n_different = 0, n_unstable = 0;
    const char *model = argc > 2 ? argv[2] : "lenet5-quarter";
    struct pare_graph *graph = NULL;
    struct pare_error err = {0};
    double farthest = 1;

    if (pare_zoo_build(&graph, model, NULL, 0, 1, &err))
        fail(&err);
    if (pare_shape_elems(&graph->inputs[0]->shape) > (int64_t)(sizeof input / sizeof *input)) {
        fprintf(stderr, "bench_aa: the input of %s is too large\n", model);
        return 2;
    }
    for (int p = 0; p < n_pairs; p++) {
        struct pare_latency_options options;
        struct pare_latency_result results[2];

        pare_latency_defaults(&options);
        options.seed = (uint64_t)p;
        options.max_s_per_subject = 0.5;
        if (pare_latency_measure_graphs(
                (struct pare_latency_graph[]){{graph, input, 1}, {graph, input, 1}}, 2, PLAN_COPIES,
                &options, results, &err))
            fail(&err);
        n_different += results[1].differs;
        n_unstable += !results[1].is_stable;
        double off =
            results[1].ratio.value > 1 ? results[1].ratio.value : 1 / results[1].ratio.value;
        farthest = off > farthest ? off : farthest;
        pare_latency_clear(results, 2);
    }
    pare_graph_free(graph);
    printf("aa\t%s\t%d pairs of the same network: %d declared different, %d unstable, largest "
           "ratio %.3f\n",
           model, n_pairs, n_different, n_unstable, farthest);
    return n_different * 50 > n_pairs;
}
