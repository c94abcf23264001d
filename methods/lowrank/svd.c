/* lowrank.svd: two thin layers in place of one, where that is smaller.
 *
 * Gemm [out, in] ~ [out, r] [r, in].  Conv [M, C R S] ~ a convolution R x S to r channels, then a
 * 1 x 1 convolution to M.  sqrt(S) goes to both sides, so that neither factor has a range that
 * harms a later quantization.  Source: Denton et al., NeurIPS 2014, sec. 3; Xue et al.,
 * Interspeech 2013. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/linalg.h>
#include <pare/method.h>
#include <pare/select.h>

enum layers { ALL, GEMM, CONV };
struct options {
    int rank;
    double ratio, energy;
    int layers; /* enum layers */
    struct pare_strings ignore;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, energy, .def = 0, .min = 0, .max = 1,
             .help = "smallest rank that keeps this share of the squared singular values "
                     "(0.9 when neither rank nor ratio is given)"),
    PARE_OPT(struct options, rank, .def = 0, .min = 0, .max = 65536,
             .help = "the same rank for every layer; 0: not given"),
    PARE_OPT(struct options, ratio, .def = 0, .min = 0, .max = 1,
             .help = "share of a layer's weights that its factors may have; 0: not given"),
    PARE_OPT(struct options, layers, .choices = PARE_CHOICES("all", "gemm", "conv"), .def = ALL,
             .help = "which operators are split"),
    PARE_OPT(struct options, ignore, .help = "names of nodes that stay whole"),
    PARE_OPT_END,
};

static bool is_candidate(const struct options *o, const struct pare_node *node)
{
    if (node->op != PARE_OP_GEMM && node->op != PARE_OP_CONV)
        return false;
    if ((o->layers == GEMM && node->op != PARE_OP_GEMM) ||
        (o->layers == CONV && node->op != PARE_OP_CONV))
        return false;
    if (node->op == PARE_OP_CONV && pare_node_int(node, "group", 1) != 1)
        return false;
    if (node->op == PARE_OP_GEMM && !pare_node_int(node, "transB", 0))
        return false;
    if (!node->inputs[1]->data)
        return false;
    return !pare_select_has(&o->ignore, node);
}

/* The rank asked for; full = min(m, n) keeps everything. */
static int64_t choose_rank(const struct options *o, const double *s, int64_t m, int64_t n)
{
    int64_t full = m < n ? m : n, rank = 1;
    double total = 0, kept = 0;

    if (o->rank > 0)
        return o->rank < full ? o->rank : full;
    if (o->ratio > 0) {
        rank = (int64_t)(o->ratio * (double)(m * n) / (double)(m + n));
        return rank < 1 ? 1 : rank < full ? rank : full;
    }
    double energy = o->energy > 0 ? o->energy : 0.9;
    for (int64_t i = 0; i < full; i++)
        total += s[i] * s[i];
    for (rank = 0; rank < full && (rank == 0 || kept < energy * total); rank++)
        kept += s[rank] * s[rank];
    return rank;
}

/* Replaces `node` (y = f(x) with weight [m, n]) by inner [r, n] and outer [m, r]. */
static pare_status split(struct pare_graph *graph, struct pare_node *node, int64_t rank,
                         const double *u, const double *s, const double *vt, int64_t full,
                         struct pare_error *err)
{
    struct pare_value *weight = node->inputs[1];
    const struct pare_shape *old = &weight->data->shape;
    bool is_conv = node->op == PARE_OP_CONV;
    int64_t m = old->dims[0], n = pare_tensor_elems(weight->data) / m;
    struct pare_shape inner_shape = *old, outer_shape = *old;
    struct pare_tensor *inner = NULL, *outer = NULL;
    char name[256];
    pare_status st;

    inner_shape.dims[0] = rank;
    outer_shape.dims[1] = rank;
    for (int d = 2; d < outer_shape.n_dims; d++)
        outer_shape.dims[d] = 1;
    st = pare_tensor_new(&inner, PARE_F32, &inner_shape, err);
    if (!st)
        st = pare_tensor_new(&outer, PARE_F32, &outer_shape, err);
    if (st) {
        pare_tensor_unref(inner);
        return st;
    }
    for (int64_t r = 0; r < rank; r++) {
        double root = sqrt(s[r]);
        for (int64_t j = 0; j < n; j++)
            pare_tensor_f32(inner)[r * n + j] = (float)(root * vt[r * n + j]);
        for (int64_t i = 0; i < m; i++)
            pare_tensor_f32(outer)[i * rank + r] = (float)(root * u[i * full + r]);
    }

    struct pare_value *inputs[3] = {node->inputs[0]};
    snprintf(name, sizeof name, "%s_a.weight", node->name);
    inputs[1] = pare_graph_weight(graph, name, inner);
    snprintf(name, sizeof name, "%s_a", node->name);
    struct pare_node *first = pare_graph_node(graph, node->op, name, inputs, 2);
    pare_graph_move_before(graph, first, node);
    snprintf(name, sizeof name, "%s_b.weight", node->name);
    inputs[0] = first->outputs[0];
    inputs[1] = pare_graph_weight(graph, name, outer);
    inputs[2] = node->n_inputs > 2 ? node->inputs[2] : NULL;
    snprintf(name, sizeof name, "%s_b", node->name);
    struct pare_node *second = pare_graph_node(graph, node->op, name, inputs, inputs[2] ? 3 : 2);
    pare_graph_move_before(graph, second, node);
    if (is_conv) {
        int64_t values[4];
        pare_node_set_ints(graph, first, "kernel_shape", &old->dims[2], 2);
        pare_node_ints(node, "strides", values, 2, 1);
        pare_node_set_ints(graph, first, "strides", values, 2);
        pare_node_ints(node, "dilations", values, 2, 1);
        pare_node_set_ints(graph, first, "dilations", values, 2);
        pare_node_ints(node, "pads", values, 4, 0);
        pare_node_set_ints(graph, first, "pads", values, 4);
        pare_node_set_ints(graph, second, "kernel_shape", (int64_t[]){1, 1}, 2);
    } else {
        pare_node_set_int(graph, first, "transB", 1);
        pare_node_set_int(graph, second, "transB", 1);
    }
    pare_graph_replace_uses(graph, node->outputs[0], second->outputs[0]);
    pare_graph_remove(graph, node);
    return PARE_OK;
}

static pare_status factor(const struct options *o, struct pare_graph *graph, struct pare_node *node,
                          bool *is_split, struct pare_error *err)
{
    const struct pare_tensor *weight = node->inputs[1]->data;
    int64_t m = weight->shape.dims[0], n = pare_tensor_elems(weight) / m, full = m < n ? m : n;
    double *a = malloc(sizeof(double) * (size_t)(m * n));
    double *u = malloc(sizeof(double) * (size_t)(m * full));
    double *s = malloc(sizeof(double) * (size_t)full);
    double *vt = malloc(sizeof(double) * (size_t)(full * n));
    pare_status st = PARE_OK;

    *is_split = false;
    if (!a || !u || !s || !vt) {
        st = pare_fail(err, PARE_ENOMEM, "no memory to factorise '%s'", node->name);
        goto done;
    }
    for (int64_t i = 0; i < m * n; i++)
        a[i] = pare_tensor_f32(weight)[i];
    st = pare_svd(a, m, n, u, s, vt, err);
    if (st) {
        pare_error_prefix(err, "node '%s'", node->name);
        goto done;
    }
    int64_t rank = choose_rank(o, s, m, n);
    if (rank * (m + n) < m * n) {
        st = split(graph, node, rank, u, s, vt, full, err);
        *is_split = !st;
    }
done:
    free(a);
    free(u);
    free(s);
    free(vt);
    return st;
}

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    const struct options *o = options;
    int n_given = (o->rank > 0) + (o->ratio > 0) + (o->energy > 0), n_split = 0, n_whole = 0;
    char text[128];

    if (n_given > 1)
        return pare_fail(err, PARE_EINVAL, "give one of rank, ratio and energy, not %d of them",
                         n_given);
    pare_status st = pare_select_check(&o->ignore, graph, err);
    if (st)
        return st;
    /* From the end, so that the nodes a split puts in do not come up again. */
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        bool is_split = false;
        if (!is_candidate(o, graph->nodes[i]))
            continue;
        st = factor(o, graph, graph->nodes[i], &is_split, err);
        if (st)
            return st;
        n_split += is_split;
        n_whole += !is_split;
    }
    snprintf(text, sizeof text, "%d layers split in two, %d stay whole (two would not be smaller)",
             n_split, n_whole);
    ctx->log(ctx->log_state, text);
    return pare_graph_finish(graph, err);
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "lowrank.svd",
    .summary = "two thin layers in place of one, where that is smaller",
    .source = "Denton et al., NeurIPS 2014, sec. 3; Xue et al., Interspeech 2013",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .refuses = PARE_STATE_QUANTIZED,
    .leaves = PARE_STATE_FACTORED,
    .clears = PARE_STATE_SPARSE,
    .apply = apply,
};
