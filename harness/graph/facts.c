/* What a graph costs, counted. */
#include <assert.h>

#include <pare/graph.h>

#include "graph/window.h"

struct pare_conv2d pare_node_conv2d(const struct pare_node *node)
{
    struct pare_nd_window w = {0};
    pare_status st = pare_window_resolve(&w, node, NULL);

    assert(st == PARE_OK && w.n == 2); /* the graph is inferred, its batch symbolic */
    (void)st;
    return (struct pare_conv2d){.C = w.C,
                                .H = w.in[0],
                                .W = w.in[1],
                                .M = w.M,
                                .P = w.out[0],
                                .Q = w.out[1],
                                .R = w.kernel[0],
                                .S = w.kernel[1],
                                .group = w.group,
                                .stride_h = w.stride[0],
                                .stride_w = w.stride[1],
                                .dilation_h = w.dilation[0],
                                .dilation_w = w.dilation[1],
                                .pad_top = w.pad_begin[0],
                                .pad_left = w.pad_begin[1],
                                .pad_bottom = w.pad_end[0],
                                .pad_right = w.pad_end[1],
                                .count_include_pad = w.count_include_pad};
}

bool pare_graph_is_batched(const struct pare_graph *graph)
{
    if (graph->n_inputs != 1 || graph->n_outputs < 1)
        return false;
    for (int i = 0; i < 1 + graph->n_outputs; i++) {
        const struct pare_value *value = i ? graph->outputs[i - 1] : graph->inputs[0];

        if (value->shape.n_dims < 2 || value->shape.dims[0] != PARE_DIM_BATCH ||
            value->dtype != PARE_F32)
            return false;
    }
    return true;
}

/* Output elements and weights of one output are at most 2^31 each: the product fits. */
int64_t pare_node_macs(const struct pare_node *node)
{
    const struct pare_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;

    switch (node->op) {
    case PARE_OP_CONV: /* every output takes one row of the weight, */
        return pare_shape_elems(y) *
               (pare_shape_elems(&node->inputs[1]->shape) / node->inputs[1]->shape.dims[0]);
    case PARE_OP_CONV_TRANSPOSE: /* every input meets one row */
        return pare_shape_elems(x) *
               (pare_shape_elems(&node->inputs[1]->shape) / node->inputs[1]->shape.dims[0]);
    case PARE_OP_GEMM: return pare_shape_elems(y) * x->dims[1];
    case PARE_OP_MATMUL: return pare_shape_elems(y) * x->dims[x->n_dims - 1];
    default: return 0;
    }
}

int64_t pare_graph_macs(const struct pare_graph *graph)
{
    int64_t sum = 0;

    for (int i = 0; i < graph->n_nodes; i++) {
        if (__builtin_add_overflow(sum, pare_node_macs(graph->nodes[i]), &sum))
            return INT64_MAX;
    }
    return sum;
}

bool pare_value_is_statistic(const struct pare_graph *graph, const struct pare_value *value)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct pare_node *node = graph->nodes[i];

        if (node->op == PARE_OP_BATCHNORM && (node->inputs[3] == value || node->inputs[4] == value))
            return true;
    }
    return false;
}

int64_t pare_graph_params(const struct pare_graph *graph)
{
    int64_t sum = 0;

    pare_each_weight(value, graph) {
        if (value->dtype == PARE_F32 && !pare_value_is_statistic(graph, value))
            sum += pare_shape_elems(&value->shape);
    }
    return sum;
}
