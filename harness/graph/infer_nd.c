#include "graph/infer_nd.h"

#include <math.h>
#include <string.h>

#include "graph/resolve.h"
#include "graph/window.h"

static pare_status broadcast(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    pare_status st = PARE_OK;

    *y = node->inputs[0]->shape;
    for (int k = 1; k < node->n_inputs && !st; k++)
        st = pare_resolve_broadcast(y, y, &node->inputs[k]->shape, err);
    return st;
}

static pare_status prelu(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    char text[160];
    pare_status st = broadcast(node, y, err);

    if (!st && !pare_shape_equal(y, &node->inputs[0]->shape))
        st = pare_fail(err, PARE_EINVAL, "the slope's shape %s does not go into the input's",
                       pare_shape_text(&node->inputs[1]->shape, text, sizeof text));
    return st;
}

static pare_status where(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    if (node->inputs[0]->dtype != PARE_BOOL)
        return pare_fail(err, PARE_EINVAL, "the condition is %s, needs BOOL",
                         pare_dtype_name(node->inputs[0]->dtype));
    if (node->inputs[1]->dtype != node->inputs[2]->dtype)
        return pare_fail(err, PARE_EINVAL, "types %s and %s differ",
                         pare_dtype_name(node->inputs[1]->dtype),
                         pare_dtype_name(node->inputs[2]->dtype));
    node->outputs[0]->dtype = node->inputs[1]->dtype;
    return broadcast(node, y, err);
}

/* The last two dimensions multiply, those before are broadcast; a vector is one row, or one column,
 * that the result does not have. */
static pare_status matmul(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    struct pare_shape a = node->inputs[0]->shape, b = node->inputs[1]->shape;
    int64_t rows, columns;
    pare_status st;

    if (a.n_dims < 1 || b.n_dims < 1)
        return pare_fail(err, PARE_EINVAL, "a scalar is no matrix");
    if (a.dims[a.n_dims - 1] != b.dims[b.n_dims > 1 ? b.n_dims - 2 : 0] ||
        a.dims[a.n_dims - 1] == PARE_DIM_BATCH)
        return pare_fail(err, PARE_EINVAL, "%lld columns meet %lld rows",
                         (long long)a.dims[a.n_dims - 1],
                         (long long)b.dims[b.n_dims > 1 ? b.n_dims - 2 : 0]);
    rows = a.n_dims > 1 ? a.dims[a.n_dims - 2] : 0;
    columns = b.n_dims > 1 ? b.dims[b.n_dims - 1] : 0;
    if (rows == PARE_DIM_BATCH && b.n_dims > 2)
        return pare_fail(err, PARE_EUNSUPPORTED, "the batch would become dimension %d",
                         b.n_dims - 2);
    a.n_dims = a.n_dims > 2 ? a.n_dims - 2 : 0;
    b.n_dims = b.n_dims > 2 ? b.n_dims - 2 : 0;
    st = pare_resolve_broadcast(y, &a, &b, err);
    if (st)
        return st;
    if (rows)
        y->dims[y->n_dims++] = rows;
    if (columns)
        y->dims[y->n_dims++] = columns;
    return PARE_OK;
}

static pare_status reduce(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    bool keeps = pare_node_int(node, "keepdims", 1) != 0, is_axis[PARE_MAX_DIMS];
    pare_status st = pare_resolve_axes(is_axis, node, x, err);

    y->n_dims = 0;
    for (int d = 0; d < x->n_dims; d++) {
        if (!is_axis[d])
            y->dims[y->n_dims++] = x->dims[d];
        else if (keeps)
            y->dims[y->n_dims++] = 1;
    }
    return st;
}

static pare_status transpose(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    int perm[PARE_MAX_DIMS] = {0};
    pare_status st = pare_resolve_perm(perm, node, err);

    for (int d = 0; d < y->n_dims; d++)
        y->dims[d] = node->inputs[0]->shape.dims[perm[d]];
    return st;
}

static pare_status slice(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    struct pare_nd_slice s = {0};
    pare_status st = pare_resolve_slice(&s, node, err);

    memcpy(y->dims, s.out, sizeof s.out);
    return st;
}

static pare_status pad(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    struct pare_nd_pad p = {0};
    pare_status st = pare_resolve_pad(&p, node, err);

    memcpy(y->dims, p.out, sizeof p.out);
    return st;
}

static pare_status resize(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    struct pare_nd_resize r = {0};
    pare_status st = pare_resolve_resize(&r, node, err);

    memcpy(y->dims, r.out, sizeof r.out);
    return st;
}

static pare_status split(struct pare_node *node, struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    const struct pare_attr *extents = pare_node_attr(node, "split");
    int64_t sum = 0;
    int axis;
    pare_status st = pare_resolve_axis(&axis, pare_node_int(node, "axis", 0), x, err);

    if (st)
        return st;
    if (!extents || extents->n_ints != node->n_outputs)
        return pare_fail(err, PARE_EINVAL, "split is missing or has not one entry for each of %d",
                         node->n_outputs);
    for (int k = 0; k < node->n_outputs; k++) {
        struct pare_value *y = node->outputs[k];

        if (extents->ints[k] < 0 || extents->ints[k] > PARE_MAX_ELEMS)
            return pare_fail(err, PARE_EINVAL, "split: entry %d is %lld", k,
                             (long long)extents->ints[k]);
        y->shape = *x;
        y->shape.dims[axis] = extents->ints[k];
        sum += extents->ints[k];
    }
    if (sum != x->dims[axis])
        return pare_fail(err, PARE_EINVAL, "split: %lld together, dimension %d has %lld",
                         (long long)sum, axis, (long long)x->dims[axis]);
    return PARE_OK;
}

static pare_status concat(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    const struct pare_attr *attr = pare_node_attr(node, "axis");
    char ta[160], tb[160];
    int axis;
    pare_status st;

    if (!attr)
        return pare_fail(err, PARE_EINVAL, "axis is missing");
    st = pare_resolve_axis(&axis, attr->i, y, err);
    if (st)
        return st;
    for (int k = 1; k < node->n_inputs; k++) {
        const struct pare_shape *x = &node->inputs[k]->shape;
        bool fits = x->n_dims == y->n_dims && x->dims[axis] >= 0;

        for (int d = 0; d < y->n_dims && fits; d++)
            fits = d == axis || x->dims[d] == y->dims[d];
        if (!fits)
            return pare_fail(err, PARE_EINVAL, "shapes %s and %s do not go together: dimension %d",
                             pare_shape_text(&node->inputs[0]->shape, ta, sizeof ta),
                             pare_shape_text(x, tb, sizeof tb), axis);
        if (__builtin_add_overflow(y->dims[axis], x->dims[axis], &y->dims[axis]))
            return pare_fail(err, PARE_EINVAL, "dimension %d is too large", axis);
    }
    return PARE_OK;
}

static pare_status check_indices(const struct pare_value *indices, int64_t n,
                                 struct pare_error *err)
{
    if (!indices->data)
        return PARE_OK;
    for (int64_t i = 0; i < pare_tensor_elems(indices->data); i++) {
        int64_t at = indices->dtype == PARE_S64 ? ((const int64_t *)indices->data->data)[i]
                                                : ((const int32_t *)indices->data->data)[i];
        if (at < -n || at >= n)
            return pare_fail(err, PARE_EINVAL, "index %lld is outside [%lld, %lld]", (long long)at,
                             (long long)-n, (long long)(n - 1));
    }
    return PARE_OK;
}

static pare_status gather(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    const struct pare_value *data = node->inputs[0], *indices = node->inputs[1];
    int axis, n = 0;
    pare_status st = pare_resolve_axis(&axis, pare_node_int(node, "axis", 0), &data->shape, err);

    if (st)
        return st;
    if (indices->dtype != PARE_S64 && indices->dtype != PARE_S32)
        return pare_fail(err, PARE_EINVAL, "the indices are %s, need I64 or I32",
                         pare_dtype_name(indices->dtype));
    if (data->shape.n_dims - 1 + indices->shape.n_dims > PARE_MAX_DIMS)
        return pare_fail(err, PARE_EUNSUPPORTED, "more than %d dimensions result", PARE_MAX_DIMS);
    if (pare_shape_has_batch(&indices->shape) && axis != 0)
        return pare_fail(err, PARE_EUNSUPPORTED, "the batch would become dimension %d", axis);
    for (int d = 0; d < axis; d++)
        y->dims[n++] = data->shape.dims[d];
    for (int d = 0; d < indices->shape.n_dims; d++)
        y->dims[n++] = indices->shape.dims[d];
    for (int d = axis + 1; d < data->shape.n_dims; d++)
        y->dims[n++] = data->shape.dims[d];
    y->n_dims = n;
    if (data->shape.dims[axis] == 0 && pare_shape_elems(&indices->shape) > 0)
        return pare_fail(err, PARE_EINVAL, "dimension %d is empty: there is nothing to gather",
                         axis);
    return check_indices(indices, data->shape.dims[axis], err);
}

static pare_status cast(struct pare_node *node, struct pare_error *err)
{
    if (!pare_dtype_from_onnx(&node->outputs[0]->dtype, pare_node_int(node, "to", 0)))
        return pare_fail(err, PARE_EUNSUPPORTED, "to type %lld",
                         (long long)pare_node_int(node, "to", 0));
    return PARE_OK;
}

static pare_status lrn(struct pare_node *node, struct pare_error *err)
{
    if (node->inputs[0]->shape.n_dims < 2)
        return pare_fail(err, PARE_EINVAL, "the input has %d dimensions, needs 4 (N C H W)",
                         node->inputs[0]->shape.n_dims);
    if (pare_node_int(node, "size", 0) < 1)
        return pare_fail(err, PARE_EINVAL, "size is missing or not positive");
    return PARE_OK;
}

/* Statistics over the axis and all behind it; mean and 1/std keep them as extents of 1. */
static pare_status layer_norm(struct pare_node *node, struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    struct pare_shape row = *x;
    int64_t inner = 1;
    int axis;
    pare_status st = pare_resolve_axis(&axis, pare_node_int(node, "axis", -1), x, err);

    if (st)
        return st;
    for (int d = axis; d < x->n_dims; d++) {
        inner *= x->dims[d];
        row.dims[d] = 1;
    }
    for (int k = 1; k < node->n_inputs; k++) {
        if (node->inputs[k] && (pare_shape_elems(&node->inputs[k]->shape) != inner ||
                                pare_shape_has_batch(&node->inputs[k]->shape)))
            return pare_fail(err, PARE_EINVAL, "input %d, '%s', has %lld elements, needs %lld", k,
                             node->inputs[k]->name,
                             (long long)pare_shape_elems(&node->inputs[k]->shape),
                             (long long)inner);
    }
    if (pare_node_float(node, "epsilon", 1e-5) < 0)
        return pare_fail(err, PARE_EINVAL, "epsilon must be 0 or more");
    for (int k = 1; k < node->n_outputs; k++)
        node->outputs[k]->shape = row;
    return PARE_OK;
}

/* A scale is a scalar or lies along the axis; the zero point is of its shape. */
static pare_status check_scale(struct pare_node *node, struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    const struct pare_value *scale = node->inputs[1];
    const struct pare_value *zero = node->n_inputs > 2 ? node->inputs[2] : NULL;
    int64_t n = pare_shape_elems(&scale->shape);
    int axis;

    if (scale->dtype != PARE_F32)
        return pare_fail(err, PARE_EUNSUPPORTED, "the scale is %s, needs F32",
                         pare_dtype_name(scale->dtype));
    if (zero && pare_shape_elems(&zero->shape) != n)
        return pare_fail(err, PARE_EINVAL, "%lld scales, but %lld zero points", (long long)n,
                         (long long)pare_shape_elems(&zero->shape));
    for (int64_t i = 0; i < n; i++) {
        float s = pare_tensor_f32(scale->data)[i];

        if (!(s > 0) || !isfinite(s))
            return pare_fail(err, PARE_EINVAL, "scale %lld is %g", (long long)i, (double)s);
    }
    if (n == 1)
        return PARE_OK;
    if (scale->shape.n_dims != 1)
        return pare_fail(err, PARE_EUNSUPPORTED, "the scale has %d dimensions, needs 0 or 1",
                         scale->shape.n_dims);
    pare_status st = pare_resolve_axis(&axis, pare_node_int(node, "axis", 1), x, err);
    if (!st && x->dims[axis] != n)
        st = pare_fail(err, PARE_EINVAL, "%lld scales for dimension %d of extent %lld",
                       (long long)n, axis, (long long)x->dims[axis]);
    return st;
}

static pare_status quantize(struct pare_node *node, struct pare_error *err)
{
    bool has_zero = node->n_inputs > 2 && node->inputs[2];
    enum pare_dtype dtype = has_zero ? node->inputs[2]->dtype : PARE_U8;

    if (node->inputs[0]->dtype != PARE_F32)
        return pare_fail(err, PARE_EUNSUPPORTED, "the input is %s, needs F32",
                         pare_dtype_name(node->inputs[0]->dtype));
    if (dtype != PARE_U8 && dtype != PARE_S8)
        return pare_fail(err, PARE_EUNSUPPORTED, "the zero point is %s, needs U8 or I8",
                         pare_dtype_name(dtype));
    node->outputs[0]->dtype = dtype;
    return check_scale(node, err);
}

static pare_status dequantize(struct pare_node *node, struct pare_error *err)
{
    enum pare_dtype dtype = node->inputs[0]->dtype;

    if (dtype != PARE_U8 && dtype != PARE_S8 && dtype != PARE_S32)
        return pare_fail(err, PARE_EUNSUPPORTED, "the input is %s, needs U8, I8 or I32",
                         pare_dtype_name(dtype));
    if (node->n_inputs > 2 && node->inputs[2] && node->inputs[2]->dtype != dtype)
        return pare_fail(err, PARE_EINVAL, "the zero point is %s, the input %s",
                         pare_dtype_name(node->inputs[2]->dtype), pare_dtype_name(dtype));
    node->outputs[0]->dtype = PARE_F32;
    return check_scale(node, err);
}

pare_status pare_infer_nd(struct pare_node *node, struct pare_error *err)
{
    struct pare_shape y = node->inputs[0]->shape;
    pare_status st = PARE_OK;
    int axis;

    for (int k = 0; k < node->n_outputs; k++)
        node->outputs[k]->dtype = node->inputs[0]->dtype;
    switch (node->op) {
    case PARE_OP_ADD:
    case PARE_OP_SUB:
    case PARE_OP_MUL:
    case PARE_OP_DIV:
    case PARE_OP_POW:
    case PARE_OP_MIN:
    case PARE_OP_MAX: st = broadcast(node, &y, err); break;
    case PARE_OP_PRELU: st = prelu(node, &y, err); break;
    case PARE_OP_WHERE: st = where(node, &y, err); break;
    case PARE_OP_MATMUL: st = matmul(node, &y, err); break;
    case PARE_OP_REDUCE_MEAN:
    case PARE_OP_REDUCE_SUM:
    case PARE_OP_REDUCE_MAX: st = reduce(node, &y, err); break;
    case PARE_OP_FLATTEN:
    case PARE_OP_RESHAPE:
    case PARE_OP_SQUEEZE:
    case PARE_OP_UNSQUEEZE:
    case PARE_OP_EXPAND: st = pare_resolve_reshape(&y, node, err); break;
    case PARE_OP_TRANSPOSE: st = transpose(node, &y, err); break;
    case PARE_OP_SLICE: st = slice(node, &y, err); break;
    case PARE_OP_SPLIT: return split(node, err);
    case PARE_OP_PAD: st = pad(node, &y, err); break;
    case PARE_OP_CONCAT: st = concat(node, &y, err); break;
    case PARE_OP_GATHER: st = gather(node, &y, err); break;
    case PARE_OP_CAST: st = cast(node, err); break;
    case PARE_OP_LRN: st = lrn(node, err); break;
    case PARE_OP_RESIZE: st = resize(node, &y, err); break;
    case PARE_OP_LAYER_NORM: st = layer_norm(node, err); break;
    case PARE_OP_QUANTIZE_LINEAR: st = quantize(node, err); break;
    case PARE_OP_DEQUANTIZE_LINEAR: st = dequantize(node, err); break;
    case PARE_OP_SOFTMAX:
    case PARE_OP_LOG_SOFTMAX:
        st = pare_resolve_axis(&axis, pare_node_int(node, "axis", -1), &y, err);
        break;
    default: break; /* one element in, one out */
    }
    if (!st)
        node->outputs[0]->shape = y;
    return st;
}
