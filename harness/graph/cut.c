/* Removing channels for good: rows, columns and vectors of every member of a group. */
#include <string.h>

#include "base/arena.h"
#include "graph/graph_impl.h"

struct cut {
    struct pare_graph *graph;
    const uint8_t *keep;
    int64_t n, n_kept;
    struct pare_error *err;
};

/* Scales and zero points per row go with their rows. */
static void cut_coding(const struct cut *cut, struct pare_coding *coding, int64_t block)
{
    float *scales = PARE_ARENA_NEW(cut->graph->arena, float, cut->n_kept *block);
    int32_t *zeros =
        coding->zeros ? PARE_ARENA_NEW(cut->graph->arena, int32_t, cut->n_kept * block) : NULL;
    int64_t n = 0;

    for (int64_t i = 0; i < coding->n_scales; i++) {
        if (!cut->keep[i / block])
            continue;
        scales[n] = coding->scales[i];
        if (zeros)
            zeros[n] = coding->zeros[i];
        n++;
    }
    coding->scales = scales;
    coding->zeros = zeros;
    coding->n_scales = n;
}

/* Keeps what belongs to kept channels along `axis`; element j there is of channel j / block. */
static pare_status cut_value(const struct cut *cut, struct pare_value *value, int axis,
                             int64_t block)
{
    struct pare_coding coding = value->coding;
    struct pare_shape shape = value->shape;
    int64_t outer = 1, inner = 1, extent = shape.dims[axis];
    struct pare_tensor *data;
    const float *from;
    float *to;
    pare_status st;

    if (extent != cut->n * block)
        return pare_fail(cut->err, PARE_EINVAL,
                         "weight '%s': dimension %d is %lld, the group has %lld channels of %lld: "
                         "it is not this graph's, or was cut before",
                         value->name, axis, (long long)extent, (long long)cut->n, (long long)block);
    for (int d = 0; d < axis; d++)
        outer *= shape.dims[d];
    for (int d = axis + 1; d < shape.n_dims; d++)
        inner *= shape.dims[d];
    shape.dims[axis] = cut->n_kept * block;
    st = pare_tensor_new(&data, PARE_F32, &shape, cut->err);
    if (st) {
        pare_error_prefix(cut->err, "weight '%s'", value->name);
        return st;
    }
    from = pare_tensor_f32(value->data);
    to = pare_tensor_f32(data);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t c = 0; c < cut->n; c++, from += block * inner) {
            if (!cut->keep[c])
                continue;
            memcpy(to, from, (size_t)(block * inner) * sizeof *to);
            to += block * inner;
        }
    }
    if (axis == 0 && coding.axis == 0 && coding.n_scales)
        cut_coding(cut, &coding, block);
    pare_value_set_data(value, data);
    value->coding = coding;
    return PARE_OK;
}

static pare_status cut_rows(const struct cut *cut, struct pare_node *node, int axis)
{
    pare_status st = cut_value(cut, node->inputs[1], axis, 1);

    if (!st && node->n_inputs > 2 && node->inputs[2])
        st = cut_value(cut, node->inputs[2], 0, 1);
    return st;
}

static pare_status cut_member(const struct cut *cut, const struct pare_channel_member *member)
{
    struct pare_node *node = member->node;
    bool by_rows = node->op == PARE_OP_CONV || pare_node_int(node, "transB", 0) != 0;
    pare_status st = PARE_OK;

    switch (member->role) {
    case PARE_MEMBER_OUT: return cut_rows(cut, node, by_rows ? 0 : 1);
    case PARE_MEMBER_IN: return cut_value(cut, node->inputs[1], by_rows ? 1 : 0, member->block);
    case PARE_MEMBER_NORM:
        for (int k = 1; k < 5 && !st; k++)
            st = cut_value(cut, node->inputs[k], 0, member->block);
        return st;
    case PARE_MEMBER_DEPTHWISE:
        st = cut_rows(cut, node, 0);
        if (!st)
            pare_node_set_int(cut->graph, node, "group", cut->n_kept);
        return st;
    }
    return st;
}

pare_status pare_channel_group_cut(struct pare_graph *graph, const struct pare_channel_group *group,
                                   const uint8_t *keep, struct pare_error *err)
{
    struct cut cut = {graph, keep, group->n_channels, 0, err};

    for (int64_t c = 0; c < cut.n; c++)
        cut.n_kept += keep[c] != 0;
    if (cut.n_kept == cut.n)
        return PARE_OK;
    if (cut.n_kept == 0)
        return pare_fail(err, PARE_EINVAL, "all %lld channels would go: at least one must stay",
                         (long long)cut.n);
    if (group->is_fixed)
        return pare_fail(err, PARE_EINVAL,
                         "the channels of '%s' are those of an input or output: they cannot be cut",
                         group->members[0].node->name);
    for (int i = 0; i < group->n_members; i++) {
        pare_status st = cut_member(&cut, &group->members[i]);

        if (st) {
            pare_error_prefix(err, "node '%s'", group->members[i].node->name);
            return st;
        }
    }
    return PARE_OK;
}
