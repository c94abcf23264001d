/* What a graph costs, counted. */
#include <assert.h>

#include <pare/graph.h>

#include "graph/window.h"

struct pare_conv2d pare_node_conv2d(const struct pare_node *node)
{
    struct pare_conv2d c = {0};
    pare_status st = pare_window_resolve(&c, node, NULL);

    assert(st == PARE_OK); /* the graph is inferred */
    (void)st;
    return c;
}

/* Output elements and weights of one output are at most 2^31 each: the product fits. */
int64_t pare_node_macs(const struct pare_node *node)
{
    if (node->op == PARE_OP_CONV) {
        struct pare_conv2d c = pare_node_conv2d(node);
        return c.M * c.P * c.Q * (c.C / c.group * c.R * c.S);
    }
    if (node->op == PARE_OP_GEMM)
        return pare_shape_elems(&node->inputs[1]->shape);
    return 0;
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
        if (!pare_value_is_statistic(graph, value))
            sum += pare_shape_elems(&value->shape);
    }
    return sum;
}
