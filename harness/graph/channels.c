/* Which channels go together: union-find over the activations. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "graph/resolve.h"

/* The channels of one activation: dimension 1, in blocks.  Behind Flatten a channel is `block`
 * neighbouring features. */
struct span {
    int parent;
    int64_t block;
    bool is_fixed; /* of roots */
};

struct finder {
    const struct pare_graph *graph;
    struct pare_arena *scratch;
    struct span *spans; /* by value id */
    int *n_uses;        /* of weights, by value id */
    int n_members;      /* over all groups */
    struct found {
        struct pare_channel_member member;
        int value; /* whose group it joins */
    } * found;
};

static int root(struct finder *f, int id)
{
    while (f->spans[id].parent != id) {
        f->spans[id].parent = f->spans[f->spans[id].parent].parent;
        id = f->spans[id].parent;
    }
    return id;
}

static void fix(struct finder *f, const struct pare_value *value)
{
    f->spans[root(f, value->id)].is_fixed = true;
}

static int64_t n_channels(const struct finder *f, const struct pare_value *value)
{
    if (value->shape.n_dims < 2)
        return 0; /* none: such a value is fixed */
    return value->shape.dims[1] / f->spans[value->id].block;
}

/* The lower id stays root, so that groups come in the order of the graph. */
static void unite(struct finder *f, const struct pare_value *a, const struct pare_value *b)
{
    int ra = root(f, a->id), rb = root(f, b->id);
    int low = ra < rb ? ra : rb, high = ra < rb ? rb : ra;

    if (n_channels(f, a) != n_channels(f, b)) {
        /* An Add of flattened maps and plain features: their channels do not match. */
        fix(f, a);
        fix(f, b);
        return;
    }
    f->spans[low].is_fixed |= f->spans[high].is_fixed;
    f->spans[high].parent = low;
}

static void join(struct finder *f, struct pare_node *node, int role, const struct pare_value *value,
                 int64_t block)
{
    struct found *found = &f->found[f->n_members++];

    found->member.node = node;
    found->member.role = role;
    found->member.block = block;
    found->value = value->id;
}

static bool shares_weights(const struct finder *f, const struct pare_node *node)
{
    for (int k = 0; k < node->n_inputs; k++) {
        if (node->inputs[k] && node->inputs[k]->data && f->n_uses[node->inputs[k]->id] > 1 &&
            pare_shape_elems(&node->inputs[k]->shape) > 1)
            return true;
    }
    return false;
}

static void visit_conv(struct finder *f, struct pare_node *node)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[0];
    struct pare_conv2d c = pare_node_conv2d(node);

    if (c.group == 1) {
        join(f, node, PARE_MEMBER_IN, x, 1);
        join(f, node, PARE_MEMBER_OUT, y, 1);
    } else if (c.group == c.C && c.M == c.C) {
        unite(f, x, y);
        join(f, node, PARE_MEMBER_DEPTHWISE, y, 1);
    } else {
        fix(f, x); /* groups of several channels would have to stay equally large */
        fix(f, y);
    }
}

static void fix_all(struct finder *f, struct pare_node *node)
{
    for (int k = 0; k < node->n_inputs; k++) {
        if (node->inputs[k] && !node->inputs[k]->data)
            fix(f, node->inputs[k]);
    }
    for (int k = 0; k < node->n_outputs; k++)
        fix(f, node->outputs[k]);
}

/* Extent of an operand along the channels of a result with n_dims dimensions. */
static int64_t channel_extent(const struct pare_value *operand, int n_dims)
{
    int d = 1 - (n_dims - operand->shape.n_dims);
    return d < 0 ? 1 : operand->shape.dims[d];
}

/* An operation on elements of several inputs.  Operands that are the same for all channels do not
 * matter; constants that are not would have to be cut with them. */
static void visit_broadcast(struct finder *f, struct pare_node *node)
{
    const struct pare_value *y = node->outputs[0];

    for (int k = node->n_inputs - 1; k >= 0; k--) {
        if (!node->inputs[k]->data)
            f->spans[y->id].block = f->spans[node->inputs[k]->id].block;
    }
    for (int k = 0; k < node->n_inputs; k++) {
        const struct pare_value *x = node->inputs[k];

        if (channel_extent(x, y->shape.n_dims) == y->shape.dims[1] && !x->data &&
            x->shape.n_dims == y->shape.n_dims)
            unite(f, x, y);
        else if (channel_extent(x, y->shape.n_dims) != 1 || !x->data)
            fix_all(f, node);
    }
}

/* True when dimension 1 of the result is that of the input, element by element. */
static bool keeps_channels(const struct pare_node *node)
{
    const struct pare_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
    bool is_axis[PARE_MAX_DIMS] = {false};
    int perm[PARE_MAX_DIMS] = {0}, axis = 1;
    struct pare_nd_slice slice;
    struct pare_nd_pad pad;
    struct pare_nd_resize resize;

    if (x->n_dims < 2 || y->n_dims < 2)
        return false;
    switch (node->op) {
    case PARE_OP_UNSQUEEZE: return !pare_resolve_axes(is_axis, node, y, NULL) && !is_axis[1];
    case PARE_OP_TRANSPOSE: return !pare_resolve_perm(perm, node, NULL) && perm[1] == 1;
    case PARE_OP_REDUCE_MEAN:
    case PARE_OP_REDUCE_SUM:
    case PARE_OP_REDUCE_MAX:
    case PARE_OP_SQUEEZE: /* no axes: the channels may be among them, or become them */
        return pare_node_attr(node, "axes") && !pare_resolve_axes(is_axis, node, x, NULL) &&
               !is_axis[1];
    case PARE_OP_SLICE:
        return !pare_resolve_slice(&slice, node, NULL) && slice.out[1] == slice.in[1] &&
               slice.step[1] == 1;
    case PARE_OP_PAD:
        return !pare_resolve_pad(&pad, node, NULL) && pad.out[1] == pad.in[1] && !pad.before[1];
    case PARE_OP_RESIZE:
        return !pare_resolve_resize(&resize, node, NULL) && resize.out[1] == resize.in[1] &&
               resize.coordinate != PARE_RESIZE_TF_CROP;
    case PARE_OP_CONCAT:
        return !pare_resolve_axis(&axis, pare_node_int(node, "axis", 1), x, NULL) && axis != 1;
    case PARE_OP_QUANTIZE_LINEAR:
    case PARE_OP_DEQUANTIZE_LINEAR: return pare_shape_elems(&node->inputs[1]->shape) == 1;
    default: return true;
    }
}

static bool has_weight(const struct pare_node *node)
{
    for (int k = 0; k < node->n_inputs; k++) {
        if (node->inputs[k]->data)
            return true;
    }
    return false;
}

static bool is_broadcast(enum pare_op op)
{
    switch (op) {
    case PARE_OP_ADD:
    case PARE_OP_SUB:
    case PARE_OP_MUL:
    case PARE_OP_DIV:
    case PARE_OP_POW:
    case PARE_OP_MIN:
    case PARE_OP_MAX:
    case PARE_OP_PRELU: return true;
    default: return false;
    }
}

/* A node whose first input is an activation with channels. */
static void visit_first(struct finder *f, struct pare_node *node)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[0];

    switch (node->op) {
    case PARE_OP_CONV:
        f->spans[y->id].block = 1;
        visit_conv(f, node);
        break;
    case PARE_OP_GEMM:
        f->spans[y->id].block = 1;
        join(f, node, PARE_MEMBER_IN, x, f->spans[x->id].block);
        join(f, node, PARE_MEMBER_OUT, y, 1);
        break;
    case PARE_OP_BATCHNORM:
        unite(f, x, y);
        join(f, node, PARE_MEMBER_NORM, y, f->spans[y->id].block);
        break;
    case PARE_OP_FLATTEN:
        f->spans[y->id].block *= y->shape.dims[1] / x->shape.dims[1];
        unite(f, x, y);
        break;
    case PARE_OP_RELU:
    case PARE_OP_CLIP:
    case PARE_OP_LEAKY_RELU:
    case PARE_OP_SIGMOID:
    case PARE_OP_TANH:
    case PARE_OP_HARD_SIGMOID:
    case PARE_OP_HARD_SWISH:
    case PARE_OP_GELU:
    case PARE_OP_ELU:
    case PARE_OP_ERF:
    case PARE_OP_SQRT:
    case PARE_OP_EXP:
    case PARE_OP_LOG:
    case PARE_OP_NEG:
    case PARE_OP_ABS:
    case PARE_OP_CAST:
    case PARE_OP_MAXPOOL:
    case PARE_OP_AVGPOOL:
    case PARE_OP_GLOBAL_AVGPOOL:
    case PARE_OP_GLOBAL_MAXPOOL:
    case PARE_OP_IDENTITY: unite(f, x, y); break;
    case PARE_OP_TRANSPOSE:
    case PARE_OP_REDUCE_MEAN:
    case PARE_OP_REDUCE_SUM:
    case PARE_OP_REDUCE_MAX:
    case PARE_OP_SQUEEZE:
    case PARE_OP_UNSQUEEZE:
    case PARE_OP_SLICE:
    case PARE_OP_PAD:
    case PARE_OP_RESIZE:
    case PARE_OP_CONCAT:
    case PARE_OP_QUANTIZE_LINEAR:
    case PARE_OP_DEQUANTIZE_LINEAR:
        if (!keeps_channels(node)) {
            fix_all(f, node);
            break;
        }
        for (int k = 0; k < node->n_inputs; k++) {
            if (node->inputs[k] && !node->inputs[k]->data)
                unite(f, node->inputs[k], y);
        }
        if (node->op == PARE_OP_CONCAT && has_weight(node))
            fix_all(f, node);
        break;
    case PARE_OP_SOFTMAX: /* probabilities of fewer classes are other probabilities */
    case PARE_OP_LOG_SOFTMAX:
        unite(f, x, y);
        fix(f, y);
        break;
    default: fix_all(f, node); /* mixes channels, or may */
    }
}

static void visit(struct finder *f, struct pare_node *node)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[0];

    if (!pare_shape_has_batch(&y->shape) || y->shape.n_dims < 2) {
        fix_all(f, node);
        return;
    }
    if (is_broadcast(node->op)) {
        visit_broadcast(f, node);
    } else if (x->data || !pare_shape_has_batch(&x->shape) || x->shape.n_dims < 2) {
        fix_all(f, node);
    } else {
        f->spans[y->id].block = f->spans[x->id].block;
        visit_first(f, node);
    }
    if (shares_weights(f, node))
        fix_all(f, node);
}

static void collect(struct pare_channel_groups *out, struct finder *f)
{
    int n_values = f->graph->n_values, n_groups = 0;
    int *count = PARE_ARENA_NEW(f->scratch, int, n_values);
    int *group_of = PARE_ARENA_NEW(f->scratch, int, n_values);

    for (int i = 0; i < f->n_members; i++)
        count[root(f, f->found[i].value)]++;
    for (int id = 0; id < n_values; id++)
        n_groups += count[id] > 0;
    out->n_groups = 0;
    out->groups = PARE_ARENA_NEW(out->arena, struct pare_channel_group, n_groups);
    for (int id = 0; id < n_values; id++) {
        struct pare_channel_group *group;

        if (!count[id])
            continue;
        group_of[id] = out->n_groups;
        group = &out->groups[out->n_groups++];
        group->n_channels = n_channels(f, f->graph->values[id]);
        group->is_fixed = f->spans[id].is_fixed;
        group->members = PARE_ARENA_NEW(out->arena, struct pare_channel_member, count[id]);
    }
    for (int i = 0; i < f->n_members; i++) {
        struct pare_channel_group *group = &out->groups[group_of[root(f, f->found[i].value)]];
        group->members[group->n_members++] = f->found[i].member;
    }
}

pare_status pare_channel_groups_find(struct pare_channel_groups *out,
                                     const struct pare_graph *graph, struct pare_error *err)
{
    struct finder f = {.graph = graph, .scratch = pare_arena_new()};

    (void)err; /* every graph has groups; outputs come first, err last, as everywhere */

    f.spans = PARE_ARENA_NEW(f.scratch, struct span, graph->n_values);
    f.n_uses = PARE_ARENA_NEW(f.scratch, int, graph->n_values);
    f.found = PARE_ARENA_NEW(f.scratch, struct found, 2 * (size_t)graph->n_nodes);
    for (int id = 0; id < graph->n_values; id++) {
        f.spans[id].parent = id;
        f.spans[id].block = 1;
    }
    pare_each_node(node, graph) {
        for (int k = 0; k < node->n_inputs; k++) {
            if (node->inputs[k] && node->inputs[k]->data)
                f.n_uses[node->inputs[k]->id]++;
        }
    }
    for (int i = 0; i < graph->n_inputs; i++)
        fix(&f, graph->inputs[i]);
    pare_each_node(node, graph)
        visit(&f, node);
    for (int i = 0; i < graph->n_outputs; i++)
        fix(&f, graph->outputs[i]);
    memset(out, 0, sizeof *out);
    out->arena = pare_arena_new();
    collect(out, &f);
    pare_arena_free(f.scratch);
    return PARE_OK;
}

void pare_channel_groups_clear(struct pare_channel_groups *groups)
{
    if (groups->arena)
        pare_arena_free(groups->arena);
    memset(groups, 0, sizeof *groups);
}
