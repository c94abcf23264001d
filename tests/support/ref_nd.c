#include "ref_nd.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/graph.h>

#define MAX PARE_MAX_DIMS

static int64_t extent(const struct pare_value *value, int d)
{
    return value->shape.dims[d] == PARE_DIM_BATCH ? 1 : value->shape.dims[d];
}

static int rank(const struct pare_value *value)
{
    return value->shape.n_dims;
}

static double at(const struct pare_value *value, const int64_t *index, double *const *values)
{
    int64_t i = 0;

    for (int d = 0; d < rank(value); d++)
        i = i * extent(value, d) + index[d];
    return values[value->id][i];
}

/* As at(), the value broadcast to `n` dimensions. */
static double stretched(const struct pare_value *value, const int64_t *index, int n,
                        double *const *values)
{
    int64_t own[MAX] = {0};

    for (int d = 0; d < rank(value); d++)
        own[d] = extent(value, d) == 1 ? 0 : index[n - rank(value) + d];
    return at(value, own, values);
}

static int64_t flat(const struct pare_value *value, const int64_t *index)
{
    int64_t i = 0;

    for (int d = 0; d < rank(value); d++)
        i = i * extent(value, d) + index[d];
    return i;
}

/* Entry i of a list attribute, or `def` where it is absent. */
static int64_t entry(const struct pare_node *node, const char *name, int i, int64_t def)
{
    const struct pare_attr *attr = pare_node_attr(node, name);
    return attr && i < attr->n_ints ? attr->ints[i] : def;
}

static int n_entries(const struct pare_node *node, const char *name)
{
    const struct pare_attr *attr = pare_node_attr(node, name);
    return attr ? attr->n_ints : -1;
}

static int axis_of(const struct pare_node *node, int64_t def, int n)
{
    int64_t axis = pare_node_int(node, "axis", def);
    return (int)(axis < 0 ? axis + n : axis);
}

static bool has_word(const struct pare_node *node, const char *name, const char *def,
                     const char *word)
{
    return strcmp(pare_node_string(node, name, def), word) == 0;
}

/* Counts up; false when all is zero again. */
static bool count(int64_t *index, const int64_t *extents, int n)
{
    for (int d = n - 1; d >= 0; d--) {
        if (++index[d] < extents[d])
            return true;
        index[d] = 0;
    }
    return false;
}

static double wrap(double x, enum pare_dtype dtype)
{
    switch (dtype) {
    case PARE_S8: return (int8_t)(int64_t)x;
    case PARE_U8: return (uint8_t)(int64_t)x;
    case PARE_S32: return (int32_t)(int64_t)x;
    default: return x;
    }
}

static double binary(const struct pare_node *node, double a, double b)
{
    bool is_integer = node->outputs[0]->dtype != PARE_F32 && node->outputs[0]->dtype != PARE_F64;
    double y = 0;

    switch (node->op) {
    case PARE_OP_ADD: y = a + b; break;
    case PARE_OP_SUB: y = a - b; break;
    case PARE_OP_MUL: y = a * b; break;
    case PARE_OP_DIV: y = is_integer ? (b == 0 ? 0 : trunc(a / b)) : a / b; break;
    case PARE_OP_POW: y = pow(a, b); break;
    case PARE_OP_MIN: y = a < b ? a : b; break;
    case PARE_OP_MAX: y = a > b ? a : b; break;
    case PARE_OP_PRELU: y = a < 0 ? a * b : a; break;
    default: break;
    }
    return is_integer ? wrap(y, node->outputs[0]->dtype) : y;
}

static double matmul(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *a = node->inputs[0], *b = node->inputs[1];
    int n = rank(node->outputs[0]), na = rank(a), nb = rank(b);
    /* The result's dimensions with those that vectors leave out. */
    int64_t full[MAX + 2] = {0}, ia[MAX] = {0}, ib[MAX] = {0};
    int n_full = 0, n_outer = n - (na > 1) - (nb > 1);
    double sum = 0;

    for (int d = 0; d < n_outer; d++)
        full[n_full++] = index[d];
    int64_t row = na > 1 ? index[n_outer] : 0, column = nb > 1 ? index[n - 1] : 0;
    for (int d = 0; d < na - 2; d++)
        ia[d] = extent(a, d) == 1 ? 0 : full[n_outer - (na - 2) + d];
    for (int d = 0; d < nb - 2; d++)
        ib[d] = extent(b, d) == 1 ? 0 : full[n_outer - (nb - 2) + d];
    for (int64_t k = 0; k < extent(a, na - 1); k++) {
        ia[na - 1] = k;
        if (na > 1)
            ia[na - 2] = row;
        ib[nb > 1 ? nb - 2 : 0] = k;
        if (nb > 1)
            ib[nb - 1] = column;
        sum += at(a, ia, values) * at(b, ib, values);
    }
    return sum;
}

static double reduce(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0];
    bool keeps = pare_node_int(node, "keepdims", 1) != 0, gone[MAX] = {false};
    int64_t i[MAX] = {0}, sub[MAX] = {0}, extents[MAX] = {0}, n = 0;
    double sum = 0, max = -INFINITY;
    int from = 0;

    for (int d = 0; d < rank(x); d++)
        gone[d] = n_entries(node, "axes") < 0;
    for (int k = 0; k < n_entries(node, "axes"); k++) {
        int64_t axis = entry(node, "axes", k, 0);
        gone[axis < 0 ? axis + rank(x) : axis] = true;
    }
    for (int d = 0; d < rank(x); d++) {
        extents[d] = gone[d] ? extent(x, d) : 1;
        if (!gone[d])
            i[d] = index[keeps ? d : from];
        from += !gone[d];
    }
    do {
        int64_t full[MAX] = {0};
        for (int d = 0; d < rank(x); d++)
            full[d] = i[d] + sub[d];
        double value = at(x, full, values);
        sum += value;
        max = value > max ? value : max;
        n++;
    } while (count(sub, extents, rank(x)));
    return node->op == PARE_OP_REDUCE_MAX   ? max
           : node->op == PARE_OP_REDUCE_SUM ? sum
                                            : sum / (double)n;
}

/* Python's x[start:end:step]: the first element it takes. */
static double slice(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0];
    int64_t i[MAX] = {0};

    for (int d = 0; d < rank(x); d++)
        i[d] = index[d];
    for (int k = 0; k < n_entries(node, "starts"); k++) {
        int64_t axis = entry(node, "axes", k, k), start = entry(node, "starts", k, 0);
        int64_t step = entry(node, "steps", k, 1);
        int d = (int)(axis < 0 ? axis + rank(x) : axis);
        int64_t n = extent(x, d);

        if (start < 0)
            start += n;
        if (start < 0)
            start = 0; /* a negative step would take nothing then, or the first */
        if (start > n - 1 && step < 0)
            start = n - 1;
        i[d] = start + index[d] * step;
    }
    return at(x, i, values);
}

static double pad(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0];
    int64_t i[MAX] = {0};

    for (int d = 0; d < rank(x); d++) {
        int64_t n = extent(x, d);

        i[d] = index[d] - entry(node, "pads", d, 0);
        if (i[d] >= 0 && i[d] < n)
            continue;
        if (has_word(node, "mode", "constant", "constant"))
            return pare_node_float(node, "value", 0);
        if (has_word(node, "mode", "constant", "edge"))
            i[d] = i[d] < 0 ? 0 : n - 1;
        else if (has_word(node, "mode", "constant", "wrap"))
            for (; i[d] < 0 || i[d] >= n; i[d] += i[d] < 0 ? n : -n)
                ;
        else /* bounces off both ends */
            for (; i[d] < 0 || i[d] >= n;) {
                if (n == 1)
                    i[d] = 0;
                else
                    i[d] = i[d] < 0 ? -i[d] : 2 * (n - 1) - i[d];
            }
    }
    return at(x, i, values);
}

static double concat(const struct pare_node *node, const int64_t *index, double *const *values)
{
    int axis = axis_of(node, 0, rank(node->inputs[0])), k = 0;
    int64_t i[MAX];

    memcpy(i, index, sizeof i);
    while (i[axis] >= extent(node->inputs[k], axis))
        i[axis] -= extent(node->inputs[k++], axis);
    return at(node->inputs[k], i, values);
}

static double split(const struct pare_node *node, int k, const int64_t *index,
                    double *const *values)
{
    int axis = axis_of(node, 0, rank(node->inputs[0]));
    int64_t i[MAX];

    memcpy(i, index, sizeof i);
    for (int before = 0; before < k; before++)
        i[axis] += entry(node, "split", before, 0);
    return at(node->inputs[0], i, values);
}

static double gather(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0], *by = node->inputs[1];
    int axis = axis_of(node, 0, rank(x)), n = rank(by);
    int64_t i[MAX] = {0}, wanted = (int64_t)at(by, index + axis, values);

    for (int d = 0; d < rank(x); d++) {
        if (d != axis)
            i[d] = d < axis ? index[d] : index[d - 1 + n];
    }
    i[axis] = wanted < 0 ? wanted + extent(x, axis) : wanted;
    return at(x, i, values);
}

static double transposed(const struct pare_node *node, const int64_t *index, double *const *values)
{
    int n = rank(node->inputs[0]);
    int64_t i[MAX] = {0};

    for (int d = 0; d < n; d++)
        i[entry(node, "perm", d, n - 1 - d)] = index[d];
    return at(node->inputs[0], i, values);
}

static double softmax(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0];
    int axis = axis_of(node, -1, rank(x));
    double max = -INFINITY, sum = 0, own = at(x, index, values);
    int64_t i[MAX];

    memcpy(i, index, sizeof i);
    for (i[axis] = 0; i[axis] < extent(x, axis); i[axis]++)
        max = fmax(max, at(x, i, values));
    for (i[axis] = 0; i[axis] < extent(x, axis); i[axis]++)
        sum += exp(at(x, i, values) - max);
    return node->op == PARE_OP_LOG_SOFTMAX ? own - max - log(sum) : exp(own - max) / sum;
}

static double layer_norm(const struct pare_node *node, int k, const int64_t *index,
                         double *const *values)
{
    const struct pare_value *x = node->inputs[0];
    int axis = axis_of(node, -1, rank(x));
    int64_t n = 1, row = 0;
    double mean = 0, var = 0;

    for (int d = 0; d < rank(x); d++) {
        row = d < axis ? row * extent(x, d) + index[d] : row;
        n *= d < axis ? 1 : extent(x, d);
    }
    for (int64_t i = 0; i < n; i++)
        mean += values[x->id][row * n + i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        var += pow(values[x->id][row * n + i] - mean, 2) / (double)n;
    double inv_std = 1 / sqrt(var + pare_node_float(node, "epsilon", 1e-5));
    if (k > 0)
        return k == 1 ? mean : inv_std;
    int64_t i = flat(x, index) - row * n;
    double y = (values[x->id][row * n + i] - mean) * inv_std * values[node->inputs[1]->id][i];
    return node->n_inputs > 2 && node->inputs[2] ? y + values[node->inputs[2]->id][i] : y;
}

static double lrn(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0];
    int64_t size = pare_node_int(node, "size", 0), i[MAX], c = index[1];
    double sum = 0;

    memcpy(i, index, sizeof i);
    for (i[1] = c - (int64_t)floor((double)(size - 1) / 2);
         i[1] <= c + (int64_t)ceil((double)(size - 1) / 2); i[1]++)
        if (i[1] >= 0 && i[1] < extent(x, 1))
            sum += pow(at(x, i, values), 2);
    return at(x, index, values) / pow(pare_node_float(node, "bias", 1) +
                                          pare_node_float(node, "alpha", 1e-4) / (double)size * sum,
                                      pare_node_float(node, "beta", 0.75));
}

/* ---- Windows ---- */

/* x[.., place], or `outside`; false where there is nothing. */
static bool look(double *out, const struct pare_value *x, int64_t n, int64_t c,
                 const int64_t *place, double *const *values)
{
    int64_t i[MAX] = {n, c};

    for (int d = 2; d < rank(x); d++) {
        i[d] = place[d - 2];
        if (i[d] < 0 || i[d] >= extent(x, d))
            return false;
    }
    *out = at(x, i, values);
    return true;
}

static double pool(const struct pare_node *node, int k, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0];
    bool counts_pads = pare_node_int(node, "count_include_pad", 0) != 0;
    int64_t tap[MAX] = {0}, kernel[MAX], place[MAX], n_taps = 0;
    int n = rank(x) - 2;
    double max = -INFINITY, sum = 0, value;
    int64_t where_max = -1;

    for (int d = 0; d < n; d++)
        kernel[d] = entry(node, "kernel_shape", d, 1);
    do {
        bool in_padded = true;
        for (int d = 0; d < n; d++) {
            place[d] = index[2 + d] * entry(node, "strides", d, 1) - entry(node, "pads", d, 0) +
                       tap[d] * entry(node, "dilations", d, 1);
            in_padded = in_padded && place[d] < extent(x, 2 + d) + entry(node, "pads", n + d, 0);
        }
        bool is_inside = look(&value, x, index[0], index[1], place, values);
        if (is_inside) {
            sum += value;
            if (value > max) {
                int64_t i[MAX] = {index[0], index[1]};
                memcpy(i + 2, place, (size_t)n * sizeof *place);
                where_max = flat(x, i);
                max = value;
            }
        }
        n_taps += counts_pads ? in_padded : is_inside;
    } while (count(tap, kernel, n));
    if (k == 1)
        return (double)where_max;
    return node->op == PARE_OP_MAXPOOL ? max : sum / (double)n_taps;
}

static double conv(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0], *w = node->inputs[1];
    int64_t tap[MAX] = {0}, kernel[MAX], place[MAX], group = pare_node_int(node, "group", 1);
    int64_t in_group = extent(w, 1), out_group = extent(w, 0) / group;
    int n = rank(x) - 2;
    double sum = 0, value;

    if (node->n_inputs > 2 && node->inputs[2])
        sum = values[node->inputs[2]->id][index[1]];
    for (int d = 0; d < n; d++)
        kernel[d] = extent(w, 2 + d);
    do {
        for (int d = 0; d < n; d++)
            place[d] = index[2 + d] * entry(node, "strides", d, 1) - entry(node, "pads", d, 0) +
                       tap[d] * entry(node, "dilations", d, 1);
        for (int64_t c = 0; c < in_group; c++) {
            int64_t i[MAX] = {index[1], c};

            for (int d = 0; d < n; d++)
                i[2 + d] = tap[d];
            if (look(&value, x, index[0], index[1] / out_group * in_group + c, place, values))
                sum += value * at(w, i, values);
        }
    } while (count(tap, kernel, n));
    return sum;
}

/* Which inputs reach this output: out = in * stride - pad + tap * dilation. */
static double conv_transpose(const struct pare_node *node, const int64_t *index,
                             double *const *values)
{
    const struct pare_value *x = node->inputs[0], *w = node->inputs[1];
    int64_t tap[MAX] = {0}, kernel[MAX], group = pare_node_int(node, "group", 1);
    int64_t in_group = extent(w, 0) / group, out_group = extent(w, 1);
    int n = rank(x) - 2;
    double sum = 0, value;

    if (node->n_inputs > 2 && node->inputs[2])
        sum = values[node->inputs[2]->id][index[1]];
    for (int d = 0; d < n; d++)
        kernel[d] = extent(w, 2 + d);
    do {
        int64_t place[MAX];
        bool reaches = true;

        for (int d = 0; d < n; d++) {
            int64_t stride = entry(node, "strides", d, 1);
            int64_t rest =
                index[2 + d] + entry(node, "pads", d, 0) - tap[d] * entry(node, "dilations", d, 1);
            reaches = reaches && rest >= 0 && rest % stride == 0;
            place[d] = reaches ? rest / stride : 0;
        }
        for (int64_t c = 0; reaches && c < in_group; c++) {
            int64_t channel = index[1] / out_group * in_group + c;
            int64_t i[MAX] = {channel, index[1] % out_group};

            for (int d = 0; d < n; d++)
                i[2 + d] = tap[d];
            if (look(&value, x, index[0], channel, place, values))
                sum += value * at(w, i, values);
        }
    } while (count(tap, kernel, n));
    return sum;
}

static double global_pool(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[0];
    int64_t inner = pare_shape_elems(&x->shape) / pare_shape_elems(&y->shape);
    double max = -INFINITY, sum = 0;

    for (int64_t j = 0; j < inner; j++) {
        double value = values[x->id][flat(y, index) * inner + j];
        max = fmax(max, value);
        sum += value;
    }
    return node->op == PARE_OP_GLOBAL_MAXPOOL ? max : sum / (double)inner;
}

static double gemm(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *b = node->inputs[1];
    bool is_transposed = pare_node_int(node, "transB", 0) != 0;
    bool has_bias = node->n_inputs > 2 && node->inputs[2];
    double sum = has_bias ? values[node->inputs[2]->id][index[1]] : 0;

    for (int64_t k = 0; k < extent(node->inputs[0], 1); k++) {
        int64_t a[MAX] = {index[0], k}, straight[MAX] = {k, index[1]}, turned[MAX] = {index[1], k};
        sum += at(node->inputs[0], a, values) * at(b, is_transposed ? turned : straight, values);
    }
    return sum;
}

/* ---- Resize ---- */

static double real_entry(const struct pare_node *node, const char *name, int i, double def)
{
    const struct pare_attr *attr = pare_node_attr(node, name);
    return attr && i < attr->n_floats ? attr->floats[i] : def;
}

static double original(const struct pare_node *node, int d, int64_t i, int64_t n_in, int64_t n_out,
                       double scale)
{
    const char *mode = pare_node_string(node, "coordinate_transformation_mode", "half_pixel");
    double x = (double)i, in = (double)n_in, resized = in * scale;
    int n = rank(node->inputs[0]);

    if (strcmp(mode, "asymmetric") == 0)
        return x / scale;
    if (strcmp(mode, "align_corners") == 0)
        return resized == 1 ? 0 : x * (in - 1) / (resized - 1);
    if (strcmp(mode, "tf_half_pixel_for_nn") == 0)
        return (x + 0.5) / scale;
    if (strcmp(mode, "tf_crop_and_resize") == 0) {
        double begin = real_entry(node, "roi", d, 0), end = real_entry(node, "roi", n + d, 1);
        return resized > 1 ? begin * (in - 1) + x * (end - begin) * (in - 1) / (resized - 1)
                           : 0.5 * (begin + end) * (in - 1);
    }
    if (strcmp(mode, "pytorch_half_pixel") == 0 && n_out == 1)
        return 0;
    if (strcmp(mode, "half_pixel_symmetric") == 0)
        return in / 2 * (1 - (double)n_out / resized) + (x + 0.5) / scale - 0.5;
    return (x + 0.5) / scale - 0.5;
}

/* Keys' convolution kernel by distance. */
static double keys(double s, double a)
{
    s = fabs(s);
    if (s <= 1)
        return (a + 2) * s * s * s - (a + 3) * s * s + 1;
    return s < 2 ? a * s * s * s - 5 * a * s * s + 8 * a * s - 4 * a : 0;
}

static double nearest(const struct pare_node *node, double x)
{
    const char *mode = pare_node_string(node, "nearest_mode", "round_prefer_floor");

    if (strcmp(mode, "floor") == 0)
        return floor(x);
    if (strcmp(mode, "ceil") == 0)
        return ceil(x);
    if (x - floor(x) == 0.5)
        return strcmp(mode, "round_prefer_ceil") == 0 ? ceil(x) : floor(x);
    return round(x);
}

/* Dimension d and those behind it; `i` holds input positions before d, output positions from d. */
static double resize(const struct pare_node *node, int d, int64_t *i, double *const *values)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[0];
    double sum = 0, weights = 0, a = pare_node_float(node, "cubic_coeff_a", -0.75);
    bool is_linear = has_word(node, "mode", "nearest", "linear");
    bool excludes = pare_node_int(node, "exclude_outside", 0) != 0;

    if (d == rank(x))
        return at(x, i, values);
    int64_t n = extent(x, d), own = i[d];
    double scale = pare_node_attr(node, "sizes") ? (double)extent(y, d) / (double)n
                                                 : real_entry(node, "scales", d, 1);
    double place = original(node, d, own, n, extent(y, d), scale);
    if (has_word(node, "coordinate_transformation_mode", "half_pixel", "tf_crop_and_resize") &&
        (place < 0 || place > (double)(n - 1)))
        return pare_node_float(node, "extrapolation_value", 0);
    if (has_word(node, "mode", "nearest", "nearest")) {
        i[d] = (int64_t)fmin(fmax(nearest(node, place), 0), (double)(n - 1));
        sum = resize(node, d + 1, i, values);
        i[d] = own;
        return sum;
    }
    for (int64_t k = (int64_t)floor(place) - 1; k <= (int64_t)floor(place) + 2; k++) {
        double weight =
            is_linear ? fmax(0, 1 - fabs(place - (double)k)) : keys(place - (double)k, a);
        if (weight == 0 || (excludes && !is_linear && (k < 0 || k >= n)))
            continue;
        i[d] = k < 0 ? 0 : k >= n ? n - 1 : k;
        weights += weight;
        sum += weight * resize(node, d + 1, i, values);
    }
    i[d] = own;
    return excludes ? sum / weights : sum;
}

/* ---- Types ---- */

static double cast(double x, enum pare_dtype from, enum pare_dtype to)
{
    if (to == PARE_BOOL)
        return x != 0;
    if (to == PARE_F32)
        return (float)x;
    if (to == PARE_F64)
        return x;
    return from == PARE_F32 || from == PARE_F64 ? trunc(x) : wrap(x, to);
}

static double quantize(const struct pare_node *node, const int64_t *index, double *const *values)
{
    const struct pare_value *scale = node->inputs[1];
    bool has_zero = node->n_inputs > 2 && node->inputs[2];
    int64_t c =
        pare_shape_elems(&scale->shape) > 1 ? index[axis_of(node, 1, rank(node->inputs[0]))] : 0;
    double s = values[scale->id][c], zero = has_zero ? values[node->inputs[2]->id][c] : 0;
    double x = at(node->inputs[0], index, values);
    bool is_signed = node->outputs[0]->dtype == PARE_S8;

    if (node->op == PARE_OP_DEQUANTIZE_LINEAR)
        return (x - zero) * s;
    /* The quotient is an f32: its rounding decides ties. */
    return fmin(fmax(nearbyint((double)((float)x / (float)s)) + zero, is_signed ? -128 : 0),
                is_signed ? 127 : 255);
}

double ref_nd_element(const struct pare_node *node, int k, const int64_t *index,
                      double *const *values)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[k];
    double value;
    int64_t i[MAX];

    switch (node->op) {
    case PARE_OP_ADD:
    case PARE_OP_SUB:
    case PARE_OP_MUL:
    case PARE_OP_DIV:
    case PARE_OP_POW:
    case PARE_OP_MIN:
    case PARE_OP_MAX:
    case PARE_OP_PRELU:
        return binary(node, stretched(x, index, rank(y), values),
                      stretched(node->inputs[1], index, rank(y), values));
    case PARE_OP_WHERE:
        return stretched(node->inputs[stretched(x, index, rank(y), values) != 0 ? 1 : 2], index,
                         rank(y), values);
    case PARE_OP_EXPAND: return stretched(x, index, rank(y), values);
    case PARE_OP_MATMUL: return matmul(node, index, values);
    case PARE_OP_REDUCE_MEAN:
    case PARE_OP_REDUCE_SUM:
    case PARE_OP_REDUCE_MAX: return reduce(node, index, values);
    case PARE_OP_FLATTEN:
    case PARE_OP_RESHAPE:
    case PARE_OP_SQUEEZE:
    case PARE_OP_UNSQUEEZE:
    case PARE_OP_IDENTITY: return values[x->id][flat(y, index)];
    case PARE_OP_TRANSPOSE: return transposed(node, index, values);
    case PARE_OP_SLICE: return slice(node, index, values);
    case PARE_OP_SPLIT: return split(node, k, index, values);
    case PARE_OP_PAD: return pad(node, index, values);
    case PARE_OP_CONCAT: return concat(node, index, values);
    case PARE_OP_GATHER: return gather(node, index, values);
    case PARE_OP_SOFTMAX:
    case PARE_OP_LOG_SOFTMAX: return softmax(node, index, values);
    case PARE_OP_LAYER_NORM: return layer_norm(node, k, index, values);
    case PARE_OP_LRN: return lrn(node, index, values);
    case PARE_OP_CONV: return conv(node, index, values);
    case PARE_OP_CONV_TRANSPOSE: return conv_transpose(node, index, values);
    case PARE_OP_MAXPOOL:
    case PARE_OP_AVGPOOL: return pool(node, k, index, values);
    case PARE_OP_RESIZE: memcpy(i, index, sizeof i); return resize(node, 0, i, values);
    case PARE_OP_CAST: return cast(at(x, index, values), x->dtype, y->dtype);
    case PARE_OP_QUANTIZE_LINEAR:
    case PARE_OP_DEQUANTIZE_LINEAR: return quantize(node, index, values);
    case PARE_OP_GLOBAL_MAXPOOL:
    case PARE_OP_GLOBAL_AVGPOOL: return global_pool(node, index, values);
    case PARE_OP_GEMM: return gemm(node, index, values);
    case PARE_OP_BATCHNORM:
        return (at(x, index, values) - values[node->inputs[3]->id][index[1]]) /
                   sqrt(values[node->inputs[4]->id][index[1]] +
                        pare_node_float(node, "epsilon", 1e-5)) *
                   values[node->inputs[1]->id][index[1]] +
               values[node->inputs[2]->id][index[1]];
    default: break;
    }
    value = at(x, index, values);
    switch (node->op) {
    case PARE_OP_ELU:
        return value < 0 ? pare_node_float(node, "alpha", 1) * (exp(value) - 1) : value;
    case PARE_OP_ERF: return erf(value);
    case PARE_OP_SQRT: return sqrt(value);
    case PARE_OP_EXP: return exp(value);
    case PARE_OP_LOG: return log(value);
    case PARE_OP_NEG: return -value;
    case PARE_OP_ABS: return fabs(value);
    default: break;
    }
    fprintf(stderr, "ref_run: operator %s is not known\n", pare_op_name(node->op));
    abort();
}
