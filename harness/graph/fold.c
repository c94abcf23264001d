/* Folding batch norm into the layer before it:
 *     w' = w g / sqrt(var + eps),  b' = (b - mean) g / sqrt(var + eps) + beta */
#include <math.h>

#include "base/arena.h"
#include "graph/infer.h"

/* A copy for this node alone when other nodes use the weight too. */
static pare_status unshare(struct pare_graph *graph, struct pare_node *node, int k,
                           struct pare_error *err)
{
    struct pare_value *weight = node->inputs[k];
    struct pare_tensor *data;
    pare_status st;
    int n_uses = 0;

    pare_each_node(other, graph) {
        for (int i = 0; i < other->n_inputs; i++)
            n_uses += other->inputs[i] == weight;
    }
    if (n_uses == 1)
        return pare_value_own_data(weight, err);
    st = pare_tensor_copy(&data, weight->data, err);
    if (st)
        return st;
    node->inputs[k] = pare_graph_weight(graph, weight->name, data);
    node->inputs[k]->coding.is_sparse = weight->coding.is_sparse;
    return PARE_OK;
}

/* The bias of a Conv or Gemm, private to it; a new one of zeros where there is none. */
static pare_status own_bias(struct pare_graph *graph, struct pare_node *node, int64_t n,
                            struct pare_error *err)
{
    struct pare_shape shape = pare_shape_of(1, n);
    struct pare_value **inputs;
    struct pare_tensor *data;
    pare_status st;

    if (node->n_inputs > 2 && node->inputs[2])
        return unshare(graph, node, 2, err);
    st = pare_tensor_new(&data, PARE_F32, &shape, err);
    if (st)
        return st;
    inputs = PARE_ARENA_NEW(graph->arena, struct pare_value *, 3);
    inputs[0] = node->inputs[0];
    inputs[1] = node->inputs[1];
    inputs[2] =
        pare_graph_weight(graph, pare_arena_printf(graph->arena, "%s.bias", node->name), data);
    node->inputs = inputs;
    node->n_inputs = 3;
    return PARE_OK;
}

static pare_status fold(struct pare_graph *graph, struct pare_node *layer, struct pare_node *norm,
                        struct pare_error *err)
{
    bool by_columns = layer->op == PARE_OP_GEMM && !pare_node_int(layer, "transB", 0);
    double epsilon = pare_node_float(norm, "epsilon", 1e-5);
    int64_t n = norm->inputs[1]->shape.dims[0], n_weights, inner;
    const float *p[4];
    float *w, *bias;
    pare_status st;

    for (int64_t c = 0; c < n; c++) {
        float var = pare_tensor_f32(norm->inputs[4]->data)[c];

        if (!(var + epsilon > 0))
            return pare_fail(err, PARE_ENUMERIC, "channel %lld has variance %g", (long long)c, var);
    }
    st = unshare(graph, layer, 1, err);
    if (!st)
        st = own_bias(graph, layer, n, err);
    if (st)
        return st;
    for (int i = 0; i < 4; i++)
        p[i] = pare_tensor_f32(norm->inputs[1 + i]->data);
    w = pare_tensor_f32(layer->inputs[1]->data);
    bias = pare_tensor_f32(layer->inputs[2]->data);
    n_weights = pare_tensor_elems(layer->inputs[1]->data);
    inner = n_weights / n;
    for (int64_t i = 0; i < n_weights; i++) {
        int64_t c = by_columns ? i % n : i / inner;

        if (w[i] != 0) /* a pruned weight stays +0, whatever the sign of the factor */
            w[i] = (float)(w[i] * (p[0][c] / sqrt(p[3][c] + epsilon)));
    }
    for (int64_t c = 0; c < n; c++)
        bias[c] =
            (float)((bias[c] - (double)p[2][c]) * (p[0][c] / sqrt(p[3][c] + epsilon)) + p[1][c]);
    layer->outputs[0]->quant = norm->outputs[0]->quant;
    pare_graph_replace_uses(graph, norm->outputs[0], layer->outputs[0]);
    pare_graph_remove(graph, norm);
    return PARE_OK;
}

static bool is_output(const struct pare_graph *graph, const struct pare_value *value)
{
    for (int i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i] == value)
            return true;
    }
    return false;
}

/* Integer weights stay as they are: scaled by anything, they would leave their grid. */
static bool can_fold(const struct pare_graph *graph, const struct pare_node *layer)
{
    return layer && (layer->op == PARE_OP_CONV || layer->op == PARE_OP_GEMM) &&
           layer->inputs[1]->coding.bits == 32 &&
           pare_value_n_users(graph, layer->outputs[0]) == 1 &&
           !is_output(graph, layer->outputs[0]);
}

pare_status pare_graph_fold_batchnorm(struct pare_graph *graph, struct pare_error *err)
{
    for (int i = 0; i < graph->n_nodes;) {
        struct pare_node *norm = graph->nodes[i], *layer = norm->inputs[0]->producer;
        pare_status st;

        if (norm->op != PARE_OP_BATCHNORM || !can_fold(graph, layer)) {
            i++;
            continue;
        }
        st = fold(graph, layer, norm, err); /* takes nodes[i] out: the next one moves here */
        if (st) {
            pare_error_prefix(err, "folding '%s' into '%s'", norm->name, layer->name);
            return st;
        }
    }
    return pare_graph_finish(graph, err);
}
