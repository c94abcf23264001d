#include "graph/resolve.h"

#include <math.h>
#include <string.h>

#include "graph/window.h"

bool pare_shape_has_batch(const struct pare_shape *shape)
{
    return shape->n_dims > 0 && shape->dims[0] == PARE_DIM_BATCH;
}

bool pare_dtype_from_onnx(enum pare_dtype *out, int64_t number)
{
    static const struct {
        int64_t number;
        enum pare_dtype dtype;
    } rows[] = {{1, PARE_F32}, {2, PARE_U8},   {3, PARE_S8},  {6, PARE_S32},
                {7, PARE_S64}, {9, PARE_BOOL}, {11, PARE_F64}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].number == number) {
            *out = rows[i].dtype;
            return true;
        }
    }
    return false;
}

static pare_status index_of(int *out, int64_t axis, int n_dims, struct pare_error *err)
{
    if (axis < -n_dims || axis >= n_dims)
        return pare_fail(err, PARE_EINVAL, "axis %lld is outside [%d, %d]", (long long)axis,
                         -n_dims, n_dims - 1);
    *out = (int)(axis < 0 ? axis + n_dims : axis);
    return PARE_OK;
}

static pare_status refuse_batch(const char *what, struct pare_error *err)
{
    return pare_fail(err, PARE_EUNSUPPORTED, "dimension 0 is the batch: %s", what);
}

pare_status pare_resolve_axis(int *out, int64_t axis, const struct pare_shape *x,
                              struct pare_error *err)
{
    pare_status st = index_of(out, axis, x->n_dims, err);

    if (!st && *out == 0 && pare_shape_has_batch(x))
        st = refuse_batch("it cannot be the axis", err);
    return st;
}

pare_status pare_resolve_broadcast(struct pare_shape *out, const struct pare_shape *a,
                                   const struct pare_shape *b, struct pare_error *err)
{
    struct pare_shape y = {.n_dims = a->n_dims > b->n_dims ? a->n_dims : b->n_dims};
    char ta[160], tb[160];

    for (int d = 0; d < y.n_dims; d++) {
        int da = d - (y.n_dims - a->n_dims), db = d - (y.n_dims - b->n_dims);
        int64_t ea = da < 0 ? 1 : a->dims[da], eb = db < 0 ? 1 : b->dims[db];

        if (d > 0 && (ea == PARE_DIM_BATCH || eb == PARE_DIM_BATCH))
            return pare_fail(
                err, PARE_EUNSUPPORTED, "shapes %s and %s: the batch would become dimension %d",
                pare_shape_text(a, ta, sizeof ta), pare_shape_text(b, tb, sizeof tb), d);
        if (ea != eb && ea != 1 && eb != 1)
            return pare_fail(err, PARE_EINVAL, "shapes %s and %s do not go together: dimension %d",
                             pare_shape_text(a, ta, sizeof ta), pare_shape_text(b, tb, sizeof tb),
                             d);
        y.dims[d] = ea == 1 ? eb : ea;
    }
    *out = y;
    return PARE_OK;
}

/* Axes of `n_dims` dimensions, each at most once. */
static pare_status read_axes(bool *is_axis, const struct pare_attr *attr, int n_dims,
                             struct pare_error *err)
{
    for (int i = 0; i < attr->n_ints; i++) {
        int axis = 0;
        pare_status st = index_of(&axis, attr->ints[i], n_dims, err);

        if (st)
            return st;
        if (is_axis[axis])
            return pare_fail(err, PARE_EINVAL, "axis %d is given twice", axis);
        is_axis[axis] = true;
    }
    return PARE_OK;
}

pare_status pare_resolve_axes(bool *is_axis, const struct pare_node *node,
                              const struct pare_shape *x, struct pare_error *err)
{
    const struct pare_attr *attr = pare_node_attr(node, "axes");
    pare_status st = PARE_OK;

    memset(is_axis, attr ? 0 : 1, PARE_MAX_DIMS * sizeof *is_axis);
    if (attr)
        st = read_axes(is_axis, attr, x->n_dims, err);
    if (!st && pare_shape_has_batch(x) && is_axis[0])
        st = refuse_batch("it cannot be among the axes", err);
    return st;
}

/* ---- Other shapes for the same elements ---- */

static pare_status reshape(struct pare_shape *y, const struct pare_node *node,
                           const struct pare_shape *x, struct pare_error *err)
{
    const struct pare_attr *attr = pare_node_attr(node, "shape");
    bool has_batch = pare_shape_has_batch(x), keeps_zeros = pare_node_int(node, "allowzero", 0);
    int64_t known = 1;
    int rest = -1, first = has_batch;

    if (!attr || attr->n_ints > PARE_MAX_DIMS)
        return pare_fail(err, PARE_EINVAL, "shape is missing or has more than %d entries",
                         PARE_MAX_DIMS);
    y->n_dims = attr->n_ints;
    if (has_batch) {
        if (!attr->n_ints ||
            (attr->ints[0] != PARE_DIM_BATCH && (attr->ints[0] != 0 || keeps_zeros)))
            return refuse_batch("shape must begin with -1 or 0, which keep it", err);
        y->dims[0] = PARE_DIM_BATCH;
    }
    for (int d = first; d < y->n_dims; d++) {
        y->dims[d] = attr->ints[d];
        if (attr->ints[d] == 0 && !keeps_zeros) {
            if (d >= x->n_dims)
                return pare_fail(err, PARE_EINVAL,
                                 "shape: entry %d is 0, but the input has %d dimensions", d,
                                 x->n_dims);
            y->dims[d] = x->dims[d];
        }
        if (y->dims[d] == -1) {
            if (rest >= 0)
                return pare_fail(err, PARE_EINVAL, "shape: entries %d and %d are both -1", rest, d);
            rest = d;
        } else if (y->dims[d] < 0 || __builtin_mul_overflow(known, y->dims[d], &known)) {
            return pare_fail(err, PARE_EINVAL, "shape: entry %d is %lld", d, (long long)y->dims[d]);
        }
    }
    if (rest >= 0 && has_batch && attr->ints[0] == -1)
        return pare_fail(err, PARE_EINVAL, "shape: entries 0, the batch, and %d are both -1", rest);
    if (rest >= 0) {
        if (known == 0 || pare_shape_elems(x) % known)
            return pare_fail(err, PARE_EINVAL,
                             "shape: %lld elements do not divide into entry %d by %lld",
                             (long long)pare_shape_elems(x), rest, (long long)known);
        y->dims[rest] = pare_shape_elems(x) / known;
    }
    return PARE_OK;
}

static pare_status flatten(struct pare_shape *y, const struct pare_node *node,
                           const struct pare_shape *x, struct pare_error *err)
{
    int64_t given = pare_node_int(node, "axis", 1);
    int axis = 0;
    pare_status st = PARE_OK;

    *y = pare_shape_of(2, (int64_t)1, (int64_t)1);
    if (given == x->n_dims) /* a gap behind the last dimension, too */
        axis = x->n_dims;
    else
        st = index_of(&axis, given, x->n_dims, err);
    if (st)
        return st;
    if (pare_shape_has_batch(x)) {
        if (axis != 1)
            return refuse_batch("axis must be 1", err);
        y->dims[0] = PARE_DIM_BATCH;
    }
    for (int d = pare_shape_has_batch(x); d < x->n_dims; d++)
        y->dims[d >= axis] *= x->dims[d]; /* no overflow: x has at most 2^31 elements */
    return PARE_OK;
}

static pare_status squeeze(struct pare_shape *y, const struct pare_node *node,
                           const struct pare_shape *x, struct pare_error *err)
{
    bool is_axis[PARE_MAX_DIMS] = {false};
    const struct pare_attr *attr = pare_node_attr(node, "axes");
    pare_status st = PARE_OK;

    if (attr)
        st = read_axes(is_axis, attr, x->n_dims, err);
    for (int d = 0; d < x->n_dims && !st; d++) {
        if (!attr)
            is_axis[d] = x->dims[d] == 1;
        if (is_axis[d] && x->dims[d] == PARE_DIM_BATCH)
            st = refuse_batch("it cannot be squeezed", err);
        else if (is_axis[d] && x->dims[d] != 1)
            st = pare_fail(err, PARE_EINVAL, "dimension %d has extent %lld, not 1", d,
                           (long long)x->dims[d]);
        if (!is_axis[d])
            y->dims[y->n_dims++] = x->dims[d];
    }
    return st;
}

static pare_status unsqueeze(struct pare_shape *y, const struct pare_node *node,
                             const struct pare_shape *x, struct pare_error *err)
{
    bool is_axis[PARE_MAX_DIMS] = {false};
    const struct pare_attr *attr = pare_node_attr(node, "axes");
    pare_status st;
    int from = 0;

    if (!attr || x->n_dims + attr->n_ints > PARE_MAX_DIMS)
        return pare_fail(err, PARE_EINVAL, "axes are missing, or more than %d dimensions result",
                         PARE_MAX_DIMS);
    y->n_dims = x->n_dims + attr->n_ints;
    st = read_axes(is_axis, attr, y->n_dims, err);
    if (!st && pare_shape_has_batch(x) && is_axis[0])
        st = refuse_batch("nothing can be put before it", err);
    for (int d = 0; d < y->n_dims; d++)
        y->dims[d] = is_axis[d] || from == x->n_dims ? 1 : x->dims[from++];
    return st;
}

static pare_status expand(struct pare_shape *y, const struct pare_node *node,
                          const struct pare_shape *x, struct pare_error *err)
{
    const struct pare_attr *attr = pare_node_attr(node, "shape");
    struct pare_shape to = {0};

    if (!attr || attr->n_ints > PARE_MAX_DIMS)
        return pare_fail(err, PARE_EINVAL, "shape is missing or has more than %d entries",
                         PARE_MAX_DIMS);
    to.n_dims = attr->n_ints;
    for (int d = 0; d < to.n_dims; d++) {
        to.dims[d] = attr->ints[d];
        if (to.dims[d] < 0 && !(d == 0 && to.dims[d] == PARE_DIM_BATCH && pare_shape_has_batch(x)))
            return pare_fail(err, PARE_EINVAL, "shape: entry %d is %lld", d, (long long)to.dims[d]);
    }
    return pare_resolve_broadcast(y, x, &to, err);
}

pare_status pare_resolve_reshape(struct pare_shape *out, const struct pare_node *node,
                                 struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    struct pare_shape y = {0};
    char tx[160], ty[160];
    pare_status st;

    switch (node->op) {
    case PARE_OP_FLATTEN: st = flatten(&y, node, x, err); break;
    case PARE_OP_SQUEEZE: st = squeeze(&y, node, x, err); break;
    case PARE_OP_UNSQUEEZE: st = unsqueeze(&y, node, x, err); break;
    case PARE_OP_EXPAND: st = expand(&y, node, x, err); break;
    default: st = reshape(&y, node, x, err); break;
    }
    if (!st && node->op != PARE_OP_EXPAND && pare_shape_elems(&y) != pare_shape_elems(x))
        st = pare_fail(err, PARE_EINVAL, "shape %s cannot become %s",
                       pare_shape_text(x, tx, sizeof tx), pare_shape_text(&y, ty, sizeof ty));
    if (!st)
        *out = y;
    return st;
}

/* ---- Elements taken in another order, or fewer, or more ---- */

pare_status pare_resolve_perm(int *perm, const struct pare_node *node, struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    const struct pare_attr *attr = pare_node_attr(node, "perm");
    unsigned seen = 0;

    if (attr && attr->n_ints != x->n_dims)
        return pare_fail(err, PARE_EINVAL, "perm has %d entries, the input %d dimensions",
                         attr->n_ints, x->n_dims);
    for (int d = 0; d < x->n_dims; d++) {
        int64_t from = attr ? attr->ints[d] : x->n_dims - 1 - d;

        if (from < 0 || from >= x->n_dims || seen & 1u << from)
            return pare_fail(err, PARE_EINVAL, "perm: entry %d is %lld", d, (long long)from);
        seen |= 1u << from;
        perm[d] = (int)from;
    }
    if (pare_shape_has_batch(x) && perm[0] != 0)
        return refuse_batch("it cannot be moved", err);
    return PARE_OK;
}

/* One dimension of extent n: first element, step and number of elements. */
static void slice_dim(struct pare_nd_slice *s, int d, int64_t n, int64_t start, int64_t end,
                      int64_t step)
{
    int64_t low = 0, high = step > 0 ? n : n - 1;
    int64_t end_low = step > 0 ? 0 : -1;

    start = start < 0 ? start + n : start;
    end = end < 0 ? end + n : end;
    start = start < low ? low : start > high ? high : start;
    end = end < end_low ? end_low : end > high ? high : end;
    s->start[d] = n ? start : 0;
    s->step[d] = step;
    if (n == 0 || (step > 0 ? start >= end : start <= end))
        s->out[d] = 0;
    else if (step > 0)
        s->out[d] = (end - start - 1) / step + 1;
    else /* -(step + 1): -INT64_MIN does not exist */
        s->out[d] = (int64_t)((uint64_t)(start - end - 1) / ((uint64_t) - (step + 1) + 1)) + 1;
}

pare_status pare_resolve_slice(struct pare_nd_slice *out, const struct pare_node *node,
                               struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    const struct pare_attr *starts = pare_node_attr(node, "starts");
    const struct pare_attr *ends = pare_node_attr(node, "ends");
    const struct pare_attr *axes = pare_node_attr(node, "axes");
    const struct pare_attr *steps = pare_node_attr(node, "steps");
    struct pare_nd_slice s = {.n = x->n_dims};
    unsigned seen = 0;

    if (!starts || !ends || starts->n_ints != ends->n_ints ||
        (axes && axes->n_ints != starts->n_ints) || (steps && steps->n_ints != starts->n_ints) ||
        (!axes && starts->n_ints > x->n_dims))
        return pare_fail(err, PARE_EINVAL,
                         "starts, ends, axes and steps must have equally many entries");
    for (int d = 0; d < s.n; d++) {
        s.in[d] = s.out[d] = x->dims[d];
        s.step[d] = 1;
    }
    for (int i = 0; i < starts->n_ints; i++) {
        int64_t step = steps ? steps->ints[i] : 1;
        int d = 0;
        pare_status st = index_of(&d, axes ? axes->ints[i] : i, x->n_dims, err);

        if (st)
            return st;
        if (step == 0 || seen & 1u << d)
            return pare_fail(err, PARE_EINVAL, step ? "axis %d is given twice" : "axis %d: step 0",
                             d);
        seen |= 1u << d;
        if (x->dims[d] == PARE_DIM_BATCH) {
            if (starts->ints[i] != 0 || ends->ints[i] < INT32_MAX || step != 1)
                return refuse_batch("it cannot be sliced", err);
            continue;
        }
        slice_dim(&s, d, x->dims[d], starts->ints[i], ends->ints[i], step);
    }
    *out = s;
    return PARE_OK;
}

static bool find_word(int *out, const char *word, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* A text attribute that is one of `words`. */
static pare_status read_word(int *out, const struct pare_node *node, const char *name,
                             const char *def, const char *const *words, int n,
                             struct pare_error *err)
{
    const char *word = pare_node_string(node, name, def);

    if (find_word(out, word, words, n))
        return PARE_OK;
    return pare_fail(err, PARE_EUNSUPPORTED, "%s '%.32s' is not known", name, word);
}

pare_status pare_resolve_pad(struct pare_nd_pad *out, const struct pare_node *node,
                             struct pare_error *err)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    const struct pare_shape *x = &node->inputs[0]->shape;
    const struct pare_attr *pads = pare_node_attr(node, "pads");
    struct pare_nd_pad p = {.n = x->n_dims};
    int mode = 0;
    pare_status st = read_word(&mode, node, "mode", "constant", modes, 4, err);

    if (st)
        return st;
    p.mode = (enum pare_nd_pad_mode)mode;
    if (!pads || pads->n_ints != 2 * x->n_dims)
        return pare_fail(err, PARE_EINVAL, "pads are missing or not two for each of %d dimensions",
                         x->n_dims);
    for (int d = 0; d < p.n; d++) {
        int64_t before = pads->ints[d], after = pads->ints[p.n + d];

        p.in[d] = p.out[d] = x->dims[d];
        p.before[d] = before;
        if (before == 0 && after == 0)
            continue;
        if (x->dims[d] == PARE_DIM_BATCH)
            return refuse_batch("it cannot be padded", err);
        if (before < -PARE_MAX_ELEMS || before > PARE_MAX_ELEMS || after < -PARE_MAX_ELEMS ||
            after > PARE_MAX_ELEMS || x->dims[d] + before + after < 0)
            return pare_fail(err, PARE_EINVAL, "dimension %d of extent %lld: pads %lld and %lld", d,
                             (long long)x->dims[d], (long long)before, (long long)after);
        p.out[d] = x->dims[d] + before + after;
        if (p.mode != PARE_PAD_CONSTANT && x->dims[d] == 0 && p.out[d] > 0)
            return pare_fail(err, PARE_EINVAL, "dimension %d is empty: there is nothing to repeat",
                             d);
    }
    *out = p;
    return PARE_OK;
}

static pare_status resize_modes(struct pare_nd_resize *r, const struct pare_node *node,
                                struct pare_error *err)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const coordinates[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
        "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil"};
    int mode = 0, coordinate = 0, rounding = 0;
    pare_status st = read_word(&mode, node, "mode", "nearest", modes, 3, err);

    if (!st)
        st = read_word(&coordinate, node, "coordinate_transformation_mode", "half_pixel",
                       coordinates, 7, err);
    if (!st)
        st = read_word(&rounding, node, "nearest_mode", "round_prefer_floor", nearest, 4, err);
    r->mode = (enum pare_resize_mode)mode;
    r->coordinate = (enum pare_resize_coordinate)coordinate;
    r->nearest = (enum pare_resize_nearest)rounding;
    r->cubic_a = pare_node_float(node, "cubic_coeff_a", -0.75);
    r->extrapolation = pare_node_float(node, "extrapolation_value", 0);
    r->exclude_outside = pare_node_int(node, "exclude_outside", 0) != 0;
    return st;
}

pare_status pare_resolve_resize(struct pare_nd_resize *out, const struct pare_node *node,
                                struct pare_error *err)
{
    const struct pare_shape *x = &node->inputs[0]->shape;
    const struct pare_attr *scales = pare_node_attr(node, "scales");
    const struct pare_attr *sizes = pare_node_attr(node, "sizes");
    const struct pare_attr *roi = pare_node_attr(node, "roi");
    struct pare_nd_resize r = {.n = x->n_dims};
    pare_status st = resize_modes(&r, node, err);

    if (st)
        return st;
    if ((!scales && !sizes) || (sizes && sizes->n_ints != r.n) ||
        (!sizes && scales->n_floats != r.n))
        return pare_fail(err, PARE_EINVAL, "sizes or scales are missing or not %d", r.n);
    if (r.coordinate == PARE_RESIZE_TF_CROP && (!roi || roi->n_floats != 2 * r.n))
        return pare_fail(err, PARE_EINVAL, "tf_crop_and_resize: roi must have %d entries", 2 * r.n);
    for (int d = 0; d < r.n; d++) {
        r.in[d] = x->dims[d];
        r.roi_begin[d] = r.coordinate == PARE_RESIZE_TF_CROP ? roi->floats[d] : 0;
        r.roi_end[d] = r.coordinate == PARE_RESIZE_TF_CROP ? roi->floats[r.n + d] : 1;
        if (x->dims[d] == PARE_DIM_BATCH) {
            if ((sizes ? sizes->ints[d] != PARE_DIM_BATCH : scales->floats[d] != 1) ||
                r.roi_begin[d] != 0 || r.roi_end[d] != 1)
                return refuse_batch("it cannot be resized", err);
            r.out[d] = PARE_DIM_BATCH;
            r.scale[d] = 1;
            continue;
        }
        r.scale[d] = sizes ? (double)sizes->ints[d] / (double)x->dims[d] : scales->floats[d];
        if (!(r.scale[d] > 0) || r.scale[d] * (double)x->dims[d] > (double)PARE_MAX_ELEMS)
            return pare_fail(err, PARE_EINVAL, "dimension %d of extent %lld: scale %g", d,
                             (long long)x->dims[d], r.scale[d]);
        r.out[d] = sizes ? sizes->ints[d] : (int64_t)floor((double)x->dims[d] * r.scale[d]);
        if (r.out[d] < 1)
            return pare_fail(err, PARE_EINVAL, "dimension %d: nothing is left", d);
    }
    *out = r;
    return PARE_OK;
}
