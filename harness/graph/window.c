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

/* Positions of a window along one dimension.  No term exceeds 2^31 + 2 * 2^16 and the window
 * 2^31 * 2^16, so nothing overflows. */
static pare_status positions(int64_t *out, const char *axis, int64_t extent, int64_t kernel,
                             int64_t stride, int64_t dilation, int64_t pad_begin, int64_t pad_end,
                             struct pare_error *err)
{
    int64_t span = dilation * (kernel - 1) + 1, room = extent + pad_begin + pad_end;

    if (span > room)
        return pare_fail(err, PARE_EINVAL,
                         "the window does not fit: %s %lld (with padding %lld), window %lld", axis,
                         (long long)extent, (long long)room, (long long)span);
    *out = (room - span) / stride + 1;
    return PARE_OK;
}

pare_status pare_window_resolve(struct pare_conv2d *out, const struct pare_node *node,
                                struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    int64_t kernel[2], strides[2], dilations[2], pads[4];
    struct pare_conv2d c = {0};
    pare_status st;

    if (x->n_dims != 4)
        return pare_fail(err, PARE_EINVAL, "the input has %d dimensions, needs 4 (N C H W)",
                         x->n_dims);
    c.C = x->dims[1];
    c.H = x->dims[2];
    c.W = x->dims[3];
    c.group = 1;
    if (node->op == PARE_OP_CONV) {
        const struct pare_shape *w = &node->inputs[1]->shape;

        if (w->n_dims != 4)
            return pare_fail(err, PARE_EINVAL, "the weight has %d dimensions, needs 4 (M C R S)",
                             w->n_dims);
        c.M = w->dims[0];
        c.R = w->dims[2];
        c.S = w->dims[3];
        pare_node_ints(node, "kernel_shape", kernel, 2, 0);
        if ((kernel[0] && kernel[0] != c.R) || (kernel[1] && kernel[1] != c.S))
            return pare_fail(
                err, PARE_EINVAL, "kernel_shape is %lldx%lld, but the weight has %lldx%lld",
                (long long)kernel[0], (long long)kernel[1], (long long)c.R, (long long)c.S);
        c.group = pare_node_int(node, "group", 1);
        if (c.group < 1 || c.C % c.group || c.M % c.group || w->dims[1] != c.C / c.group)
            return pare_fail(err, PARE_EINVAL,
                             "%lld input channels, %lld output channels, group %lld and a weight "
                             "with %lld channels do not go together",
                             (long long)c.C, (long long)c.M, (long long)c.group,
                             (long long)w->dims[1]);
    } else {
        c.M = c.C;
        pare_node_ints(node, "kernel_shape", kernel, 2, 0);
        c.R = kernel[0];
        c.S = kernel[1];
        if (c.R < 1 || c.S < 1 || c.R > PARE_MAX_ELEMS || c.S > PARE_MAX_ELEMS)
            return pare_fail(err, PARE_EINVAL, "kernel_shape is missing or not positive");
    }
    pare_node_ints(node, "strides", strides, 2, 1);
    pare_node_ints(node, "dilations", dilations, 2, 1);
    pare_node_ints(node, "pads", pads, 4, 0);
    st = check_range("strides", strides, 2, 1, err);
    if (!st)
        st = check_range("dilations", dilations, 2, 1, err);
    if (!st)
        st = check_range("pads", pads, 4, 0, err);
    if (st)
        return st;
    c.stride_h = strides[0];
    c.stride_w = strides[1];
    c.dilation_h = dilations[0];
    c.dilation_w = dilations[1];
    c.pad_top = pads[0]; /* ONNX: all beginnings, then all ends */
    c.pad_left = pads[1];
    c.pad_bottom = pads[2];
    c.pad_right = pads[3];
    c.count_include_pad = pare_node_int(node, "count_include_pad", 0) != 0;
    /* A pool's window always meets the input: a maximum or mean of nothing is not a number. */
    if (node->op != PARE_OP_CONV &&
        (c.pad_top >= c.R || c.pad_bottom >= c.R || c.pad_left >= c.S || c.pad_right >= c.S))
        return pare_fail(err, PARE_EINVAL, "pads must be smaller than kernel_shape");
    st =
        positions(&c.P, "height", c.H, c.R, c.stride_h, c.dilation_h, c.pad_top, c.pad_bottom, err);
    if (!st)
        st = positions(&c.Q, "width", c.W, c.S, c.stride_w, c.dilation_w, c.pad_left, c.pad_right,
                       err);
    if (!st)
        *out = c;
    return st;
}
