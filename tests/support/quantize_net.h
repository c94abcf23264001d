/* Turns a network of a test into an integer one, by ranges that the network itself shows. */
#ifndef PARE_TESTS_QUANTIZE_NET_H
#define PARE_TESTS_QUANTIZE_NET_H

#include <math.h>
#include <stdlib.h>

#include <pare/graph.h>
#include <pare/quantize.h>
#include <pare/rng.h>

#include "check.h"
#include "infer/plan.h"
#include "infer/trace.h"

static int64_t value_elems(const struct pare_value *value)
{
    return pare_shape_elems(&value->shape);
}

/* [n, H, W, C] in the range of pixels, some negative; malloc'ed. */
static float *random_input(const struct pare_graph *graph, int64_t n, uint64_t seed)
{
    struct pare_rng rng;
    int64_t n_elems = n * value_elems(graph->inputs[0]);
    float *x = malloc(sizeof *x * (size_t)n_elems);

    pare_rng_init(&rng, seed, 0);
    for (int64_t i = 0; i < n_elems; i++)
        x[i] = (float)(pare_rng_uniform(&rng) * 1.5 - 0.4);
    return x;
}

struct ranges {
    const struct pare_graph *graph;
    float *low, *high; /* by value id */
};

static void see_range(void *arg, const struct pare_trace *trace)
{
    struct ranges *ranges = arg;
    const struct pare_value *value = pare_graph_find_value(ranges->graph, trace->value);
    const float *x = trace->data;

    for (int64_t i = 0; i < trace->n_elems; i++) {
        ranges->low[value->id] = fminf(ranges->low[value->id], x[i]);
        ranges->high[value->id] = fmaxf(ranges->high[value->id], x[i]);
    }
}

static bool is_mover(enum pare_op op)
{
    return op == PARE_OP_MAXPOOL || op == PARE_OP_FLATTEN || op == PARE_OP_IDENTITY;
}

/* Batch norm folded; weights of `bits`, one scale per channel (axis 0) or one (-1); every activation
 * that a plan computes gets 8 bits; the network's output stays f32.  Fails the test on an error. */
static void quantize_net(struct pare_graph *graph, int bits, int axis, bool is_symmetric)
{
    struct ranges ranges = {graph, calloc((size_t)graph->n_values * 3, sizeof(float)),
                            calloc((size_t)graph->n_values * 3, sizeof(float))};
    struct pare_error err = {0};
    enum { N = 4 };
    struct pare_plan_options options = {.kernels = PARE_KERNELS_DEFAULT,
                                        .max_batch = N,
                                        .n_threads = 1};
    struct pare_plan *plan = NULL;
    float *x = random_input(graph, N, 21);
    float *y = malloc(sizeof *y * (size_t)(N * value_elems(graph->outputs[0])));

    assert_ok(pare_graph_fold_batchnorm(graph, &err), &err);
    assert_ok(pare_graph_finish(graph, &err), &err);
    assert_ok(pare_plan_new(&plan, graph, &options, &err), &err);
    pare_plan_trace(plan, x, N, y, see_range, &ranges);
    pare_plan_free(plan);
    for (int64_t i = 0; i < N * value_elems(graph->inputs[0]); i++) {
        int in = graph->inputs[0]->id;
        ranges.low[in] = fminf(ranges.low[in], x[i]);
        ranges.high[in] = fmaxf(ranges.high[in], x[i]);
    }
    for (int v = 0; v < graph->n_values; v++) {
        struct pare_value *value = graph->values[v];
        bool is_seen = ranges.low[v] != 0 || ranges.high[v] != 0;
        if (!value->data && is_seen && value != graph->outputs[0])
            value->quant = pare_quant_from_range(ranges.low[v], ranges.high[v], 8, is_symmetric);
    }
    pare_each_node(node, graph) {
        if (is_mover(node->op) && node->outputs[0] != graph->outputs[0])
            node->outputs[0]->quant = node->inputs[0]->quant;
        if (node->op == PARE_OP_CONV || node->op == PARE_OP_GEMM)
            assert_ok(pare_quantize_weight(graph, node->inputs[1], bits, axis, false, &err), &err);
    }
    free(ranges.low), free(ranges.high), free(x), free(y);
}

#endif
