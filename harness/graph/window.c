#include "graph/window.h"

static pare_status check_range(const char *name, const int64_t *values, int n, int64_t min,
                               struct pare_error *err)
{
    for (int i = 0; i < n; i++) {
        if (values[i] < min || values[i] > PARE_MAX_WINDOW)
            return pare_fail(err, PARE_EINVAL, "%s: %lld is outside [%lld, %lld]", name,
                             (long long)values[i], (long long)min, (long long)PARE_MAX_WINDOW);
    }
    return PARE_OK;
}

/* An attribute with one entry per spatial dimension (or two), in [min, PARE_MAX_WINDOW]. */
static pare_status read_list(int64_t *out, const struct pare_node *node, const char *name, int n,
                             int64_t def, int64_t min, struct pare_error *err)
{
    const struct pare_attr *attr = pare_node_attr(node, name);

    if (attr && attr->n_ints != n)
        return pare_fail(err, PARE_EINVAL, "attribute '%s' has %d entries, needs %d", name,
                         attr->n_ints, n);
    pare_node_ints(node, name, out, n, def);
    return check_range(name, out, n, min, err);
}

/* Number of positions along one dimension.  No term exceeds 2^31 + 2 * 2^16 and the window
 * 2^31 * 2^16, so nothing overflows. */
static pare_status positions(struct pare_nd_window *w, int d, bool ceil_mode,
                             struct pare_error *err)
{
    static const char *const names[] = {"width", "height", "depth"};
    int64_t span = w->dilation[d] * (w->kernel[d] - 1) + 1;
    int64_t room = w->in[d] + w->pad_begin[d] + w->pad_end[d];

    if (span > room)
        return pare_fail(err, PARE_EINVAL,
                         "the window does not fit: %s %lld (with padding %lld), window %lld",
                         w->n - 1 - d < 3 ? names[w->n - 1 - d] : "extent", (long long)w->in[d],
                         (long long)room, (long long)span);
    w->out[d] = (room - span) / w->stride[d] + 1;
    /* One more that hangs over the end, unless it would begin in the padding there. */
    if (ceil_mode && (room - span) % w->stride[d] &&
        w->out[d] * w->stride[d] < w->in[d] + w->pad_begin[d])
        w->out[d]++;
    return PARE_OK;
}

static pare_status spread(struct pare_nd_window *w, int d, int64_t output_padding,
                          struct pare_error *err)
{
    int64_t span = w->dilation[d] * (w->kernel[d] - 1) + 1;

    if (output_padding >= w->stride[d] && output_padding >= w->dilation[d])
        return pare_fail(err, PARE_EINVAL,
                         "output_padding %lld must be smaller than the stride or the dilation",
                         (long long)output_padding);
    w->out[d] =
        w->stride[d] * (w->in[d] - 1) + span + output_padding - w->pad_begin[d] - w->pad_end[d];
    if (w->out[d] < 1)
        return pare_fail(err, PARE_EINVAL, "pads leave nothing of the result: extent %lld",
                         (long long)w->out[d]);
    return PARE_OK;
}

/* Channels and kernel from the weight: [M, C/group, ...], transposed [C, M/group, ...]. */
static pare_status read_weight(struct pare_nd_window *w, const struct pare_node *node,
                               bool transposed, struct pare_error *err)
{
    const struct pare_shape *weight = &node->inputs[1]->shape;
    const struct pare_attr *kernel_shape = pare_node_attr(node, "kernel_shape");

    if (weight->n_dims != w->n + 2)
        return pare_fail(err, PARE_EINVAL, "the weight has %d dimensions, needs %d (%s)",
                         weight->n_dims, w->n + 2, transposed ? "C M R S" : "M C R S");
    for (int d = 0; d < w->n; d++)
        w->kernel[d] = weight->dims[2 + d];
    if (kernel_shape && kernel_shape->n_ints != w->n)
        return pare_fail(err, PARE_EINVAL, "attribute 'kernel_shape' has %d entries, needs %d",
                         kernel_shape->n_ints, w->n);
    for (int d = 0; kernel_shape && d < w->n; d++) {
        if (kernel_shape->ints[d] != w->kernel[d])
            return pare_fail(err, PARE_EINVAL, "kernel_shape says %lld, but the weight has %lld",
                             (long long)kernel_shape->ints[d], (long long)w->kernel[d]);
    }
    w->group = pare_node_int(node, "group", 1);
    if (w->group >= 1 && w->group <= PARE_MAX_ELEMS)
        w->M = transposed ? weight->dims[1] * w->group : weight->dims[0];
    if (w->group < 1 || w->C % w->group || w->M % w->group || w->M > PARE_MAX_ELEMS ||
        weight->dims[transposed ? 0 : 1] != (transposed ? w->C : w->C / w->group))
        return pare_fail(err, PARE_EINVAL,
                         "%lld input channels, %lld output channels, group %lld and a weight "
                         "with %lld channels do not go together",
                         (long long)w->C, (long long)w->M, (long long)w->group,
                         (long long)weight->dims[transposed ? 0 : 1]);
    return PARE_OK;
}

static pare_status read_kernel(struct pare_nd_window *w, const struct pare_node *node,
                               struct pare_error *err)
{
    const struct pare_attr *kernel_shape = pare_node_attr(node, "kernel_shape");

    w->M = w->C;
    if (!kernel_shape || kernel_shape->n_ints != w->n)
        return pare_fail(err, PARE_EINVAL, "kernel_shape is missing or has not %d entries", w->n);
    for (int d = 0; d < w->n; d++) {
        w->kernel[d] = kernel_shape->ints[d];
        if (w->kernel[d] < 1 || w->kernel[d] > PARE_MAX_ELEMS)
            return pare_fail(err, PARE_EINVAL, "kernel_shape: %lld is not in [1, 2^31]",
                             (long long)w->kernel[d]);
    }
    return PARE_OK;
}

/* A maximum or mean of nothing is not a number: every window must meet the input. */
static pare_status check_pads(const struct pare_nd_window *w, struct pare_error *err)
{
    for (int d = 0; d < w->n; d++) {
        int64_t span = w->dilation[d] * (w->kernel[d] - 1) + 1;

        if (w->pad_begin[d] >= span || w->pad_end[d] >= span)
            return pare_fail(err, PARE_EINVAL, "pads must be smaller than the kernel");
    }
    return PARE_OK;
}

pare_status pare_window_resolve(struct pare_nd_window *out, const struct pare_node *node,
                                struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    bool transposed = node->op == PARE_OP_CONV_TRANSPOSE;
    bool is_pool = node->op == PARE_OP_MAXPOOL || node->op == PARE_OP_AVGPOOL;
    int64_t pads[2 * PARE_MAX_SPATIAL], output_padding[PARE_MAX_SPATIAL] = {0};
    struct pare_nd_window w = {.n = x->n_dims - 2, .group = 1};
    pare_status st;

    if (w.n < 1 || w.n > PARE_MAX_SPATIAL)
        return pare_fail(err, PARE_EINVAL, "the input has %d dimensions, needs 4 (N C H W)",
                         x->n_dims);
    if (w.n != 2 && x->dims[0] == PARE_DIM_BATCH)
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "the input has %d dimensions, needs 4 (N C H W); others only with a "
                         "fixed batch",
                         x->n_dims);
    w.C = x->dims[1];
    for (int d = 0; d < w.n; d++)
        w.in[d] = x->dims[2 + d];
    st = is_pool ? read_kernel(&w, node, err) : read_weight(&w, node, transposed, err);
    if (!st)
        st = read_list(w.stride, node, "strides", w.n, 1, 1, err);
    if (!st)
        st = read_list(w.dilation, node, "dilations", w.n, 1, 1, err);
    if (!st)
        st = read_list(pads, node, "pads", 2 * w.n, 0, 0, err);
    if (!st && transposed)
        st = read_list(output_padding, node, "output_padding", w.n, 0, 0, err);
    if (st)
        return st;
    for (int d = 0; d < w.n; d++) { /* ONNX: all beginnings, then all ends */
        w.pad_begin[d] = pads[d];
        w.pad_end[d] = pads[w.n + d];
    }
    w.count_include_pad = pare_node_int(node, "count_include_pad", 0) != 0;
    if (is_pool)
        st = check_pads(&w, err);
    for (int d = 0; d < w.n && !st; d++)
        st = transposed ? spread(&w, d, output_padding[d], err)
                        : positions(&w, d, pare_node_int(node, "ceil_mode", 0) != 0, err);
    if (!st)
        *out = w;
    return st;
}
