#include "kernel/nd_move.h"

#include <math.h>
#include <string.h>

#include "kernel/nd_loop.h"

#define COPY_ROW(TYPE)                                                                      \
    static void copy_row_##TYPE(TYPE *y, int64_t y_stride, const TYPE *x, int64_t x_stride, \
                                int64_t n)                                                  \
    {                                                                                       \
        for (int64_t i = 0; i < n; i++)                                                     \
            y[i * y_stride] = x[i * x_stride];                                              \
    }
COPY_ROW(uint8_t)
COPY_ROW(uint32_t)
COPY_ROW(uint64_t)

static void copy_row(char *y, int64_t y_stride, const char *x, int64_t x_stride, int64_t n,
                     size_t bytes)
{
    if (y_stride == 1 && x_stride == 1)
        memcpy(y, x, (size_t)n * bytes);
    else if (bytes == 1)
        copy_row_uint8_t((uint8_t *)y, y_stride, (const uint8_t *)x, x_stride, n);
    else if (bytes == 4)
        copy_row_uint32_t((uint32_t *)y, y_stride, (const uint32_t *)x, x_stride, n);
    else
        copy_row_uint64_t((uint64_t *)y, y_stride, (const uint64_t *)x, x_stride, n);
}

/* Operand 0 is written, operand 1 read. */
static void copy(char *y, const char *x, const struct pare_nd_loop *loop, size_t bytes)
{
    struct pare_nd_cursor c = {0};

    if (!loop->n_elems)
        return;
    do {
        copy_row(y + c.at[0] * (int64_t)bytes, pare_nd_stride(loop, 0),
                 x + c.at[1] * (int64_t)bytes, pare_nd_stride(loop, 1), pare_nd_row(loop), bytes);
    } while (pare_nd_next(loop, &c));
}

void pare_nd_transpose(void *y, const void *x, const struct pare_shape *x_shape, const int *perm,
                       size_t bytes)
{
    int64_t dense[PARE_MAX_DIMS], dims[PARE_MAX_DIMS], strides[2][PARE_MAX_DIMS];
    struct pare_nd_loop loop;
    int n = x_shape->n_dims;

    pare_nd_strides(dense, x_shape->dims, n);
    for (int d = 0; d < n; d++) {
        dims[d] = x_shape->dims[perm[d]];
        strides[1][d] = dense[perm[d]];
    }
    pare_nd_strides(strides[0], dims, n);
    pare_nd_loop_init(&loop, dims, n, 2, strides);
    copy(y, x, &loop, bytes);
}

void pare_nd_slice(void *y, const void *x, const struct pare_nd_slice *s, size_t bytes)
{
    int64_t dense[PARE_MAX_DIMS], strides[2][PARE_MAX_DIMS], first = 0;
    struct pare_nd_loop loop;

    pare_nd_strides(dense, s->in, s->n);
    for (int d = 0; d < s->n; d++) {
        first += s->start[d] * dense[d];
        /* A single element may have any step: it must not overflow. */
        strides[1][d] = s->out[d] > 1 ? s->step[d] * dense[d] : 0;
    }
    pare_nd_strides(strides[0], s->out, s->n);
    pare_nd_loop_init(&loop, s->out, s->n, 2, strides);
    if (loop.n_elems)
        copy(y, (const char *)x + first * (int64_t)bytes, &loop, bytes);
}

/* ---- Pad ---- */

static void fill(char *y, int64_t n, const void *value, size_t bytes)
{
    if (bytes == 1)
        memset(y, *(const uint8_t *)value, (size_t)n);
    else if (bytes == 4)
        copy_row_uint32_t((uint32_t *)y, 1, value, 0, n);
    else
        copy_row_uint64_t((uint64_t *)y, 1, value, 0, n);
}

/* Where position i of an axis of extent n comes from; -1: from nowhere. */
static int64_t source(int64_t i, int64_t n, enum pare_nd_pad_mode mode)
{
    int64_t period;

    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case PARE_PAD_CONSTANT: break;
    case PARE_PAD_EDGE: return i < 0 ? 0 : n - 1;
    case PARE_PAD_WRAP: return (i % n + n) % n;
    case PARE_PAD_REFLECT:
        period = n > 1 ? 2 * (n - 1) : 1;
        i = (i % period + period) % period;
        return i < n ? i : period - i;
    }
    return -1;
}

/* Elements first .. end-1 of a row of y, each from where the mode says. */
static void repeat(char *y, const char *x, int64_t first, int64_t end, const struct pare_nd_pad *p,
                   size_t bytes)
{
    int d = p->n - 1;

    for (int64_t i = first; i < end; i++)
        memcpy(y + (size_t)i * bytes,
               x + (size_t)source(i - p->before[d], p->in[d], p->mode) * bytes, bytes);
}

/* The last dimension: x is its row, or NULL where an outer index is outside. */
static void pad_row(char *y, const char *x, const struct pare_nd_pad *p, const void *value,
                    size_t bytes)
{
    int d = p->n - 1;
    int64_t n = p->out[d], before = p->before[d];
    int64_t from = before < 0 ? -before : 0, at = before < 0 ? 0 : before;
    int64_t inside = p->in[d] - from;

    at = at > n ? n : at;
    inside = inside > n - at ? n - at : inside < 0 ? 0 : inside;
    if (!x) {
        fill(y, n, value, bytes);
        return;
    }
    if (p->mode == PARE_PAD_CONSTANT) {
        fill(y, at, value, bytes);
        fill(y + (size_t)(at + inside) * bytes, n - at - inside, value, bytes);
    } else {
        repeat(y, x, 0, at, p, bytes);
        repeat(y, x, at + inside, n, p, bytes);
    }
    if (inside)
        memcpy(y + (size_t)at * bytes, x + (size_t)from * bytes, (size_t)inside * bytes);
}

void pare_nd_pad(void *y, const void *x, const struct pare_nd_pad *p, const void *value,
                 size_t bytes)
{
    int64_t dense[PARE_MAX_DIMS], index[PARE_MAX_DIMS] = {0}, n_rows = 1;
    int last = p->n - 1;
    char *to = y;

    if (p->n == 0) {
        memcpy(y, x, bytes);
        return;
    }
    pare_nd_strides(dense, p->in, p->n);
    for (int d = 0; d < last; d++)
        n_rows *= p->out[d];
    if (p->out[last] == 0)
        return;
    for (int64_t row = 0; row < n_rows; row++, to += (size_t)p->out[last] * bytes) {
        int64_t offset = 0;
        bool is_inside = true;

        for (int d = 0; d < last; d++) {
            int64_t i = source(index[d] - p->before[d], p->in[d], p->mode);
            is_inside = is_inside && i >= 0;
            offset += i * dense[d];
        }
        pad_row(to, is_inside ? (const char *)x + offset * (int64_t)bytes : NULL, p, value, bytes);
        for (int d = last - 1; d >= 0 && ++index[d] == p->out[d]; d--)
            index[d] = 0;
    }
}

/* ---- Runs ---- */

void pare_nd_copy_runs(void *y, int64_t y_stride, const void *x, int64_t x_stride,
                       int64_t run_bytes, int64_t n_runs)
{
    char *to = y;
    const char *from = x;

    if (run_bytes)
        for (int64_t i = 0; i < n_runs; i++, to += y_stride, from += x_stride)
            memcpy(to, from, (size_t)run_bytes);
}

void pare_nd_gather(void *y, const void *x, int64_t outer, int64_t extent, int64_t inner,
                    const void *indices, enum pare_dtype index_type, int64_t n_indices,
                    size_t bytes)
{
    size_t run = (size_t)inner * bytes;
    const char *from = x;
    char *to = y;

    if (!run)
        return;
    for (int64_t o = 0; o < outer; o++, from += (size_t)extent * run)
        for (int64_t k = 0; k < n_indices; k++, to += run) {
            int64_t i = index_type == PARE_S64 ? ((const int64_t *)indices)[k]
                                               : ((const int32_t *)indices)[k];
            i = i < 0 ? i + extent : i;
            i = i < 0 ? 0 : i >= extent ? extent - 1 : i;
            memcpy(to, from + (size_t)i * run, run);
        }
}

void pare_nd_expand(void *y, const struct pare_shape *y_shape, const void *x,
                    const struct pare_shape *x_shape, size_t bytes)
{
    struct pare_nd_loop loop;

    pare_nd_loop_broadcast(&loop, y_shape, &x_shape, 1);
    copy(y, x, &loop, bytes);
}

#define WHERE_ROW(TYPE)                                                                            \
    static void where_row_##TYPE(TYPE *y, const uint8_t *condition, int64_t c_stride,              \
                                 const TYPE *a, int64_t a_stride, const TYPE *b, int64_t b_stride, \
                                 int64_t n)                                                        \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = condition[i * c_stride] ? a[i * a_stride] : b[i * b_stride];                    \
    }
WHERE_ROW(uint8_t)
WHERE_ROW(uint32_t)
WHERE_ROW(uint64_t)

void pare_nd_where(void *y, const struct pare_shape *y_shape, const uint8_t *condition,
                   const struct pare_shape *condition_shape, const void *a,
                   const struct pare_shape *a_shape, const void *b,
                   const struct pare_shape *b_shape, size_t bytes)
{
    const struct pare_shape *shapes[] = {condition_shape, a_shape, b_shape};
    struct pare_nd_cursor c = {0};
    struct pare_nd_loop loop;

    pare_nd_loop_broadcast(&loop, y_shape, shapes, 3);
    if (!loop.n_elems)
        return;
    int64_t n = pare_nd_row(&loop), sc = pare_nd_stride(&loop, 1), sa = pare_nd_stride(&loop, 2);
    int64_t sb = pare_nd_stride(&loop, 3);
    do {
        if (bytes == 1)
            where_row_uint8_t((uint8_t *)y + c.at[0], condition + c.at[1], sc,
                              (const uint8_t *)a + c.at[2], sa, (const uint8_t *)b + c.at[3], sb,
                              n);
        else if (bytes == 4)
            where_row_uint32_t((uint32_t *)y + c.at[0], condition + c.at[1], sc,
                               (const uint32_t *)a + c.at[2], sa, (const uint32_t *)b + c.at[3], sb,
                               n);
        else
            where_row_uint64_t((uint64_t *)y + c.at[0], condition + c.at[1], sc,
                               (const uint64_t *)a + c.at[2], sa, (const uint64_t *)b + c.at[3], sb,
                               n);
    } while (pare_nd_next(&loop, &c));
}

/* ---- Cast ---- */

static double real_at(const void *x, enum pare_dtype type, int64_t i)
{
    return type == PARE_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

static int64_t integer_at(const void *x, enum pare_dtype type, int64_t i)
{
    switch (type) {
    case PARE_S8: return ((const int8_t *)x)[i];
    case PARE_S32: return ((const int32_t *)x)[i];
    case PARE_S64: return ((const int64_t *)x)[i];
    case PARE_BOOL: return ((const uint8_t *)x)[i] != 0;
    default: return ((const uint8_t *)x)[i];
    }
}

/* 2^63 itself is one too many. */
static int64_t truncate(double value)
{
    if (isnan(value))
        return 0;
    if (value >= 0x1p63)
        return INT64_MAX;
    return value <= -0x1p63 ? INT64_MIN : (int64_t)value;
}

static int64_t within(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void store_integer(void *y, enum pare_dtype type, int64_t i, int64_t value)
{
    switch (type) {
    case PARE_S8: ((int8_t *)y)[i] = (int8_t)value; break;
    case PARE_U8: ((uint8_t *)y)[i] = (uint8_t)value; break;
    case PARE_S32: ((int32_t *)y)[i] = (int32_t)value; break;
    case PARE_S64: ((int64_t *)y)[i] = value; break;
    case PARE_BOOL: ((uint8_t *)y)[i] = value != 0; break;
    case PARE_F32: ((float *)y)[i] = (float)value; break;
    case PARE_F64: ((double *)y)[i] = (double)value; break;
    }
}

static void store_real(void *y, enum pare_dtype type, int64_t i, double value)
{
    static const int64_t low[] = {[PARE_S8] = INT8_MIN, [PARE_S32] = INT32_MIN};
    static const int64_t high[] =
        {[PARE_S8] = INT8_MAX, [PARE_U8] = UINT8_MAX, [PARE_S32] = INT32_MAX};

    switch (type) {
    case PARE_F32: ((float *)y)[i] = (float)value; break;
    case PARE_F64: ((double *)y)[i] = value; break;
    case PARE_BOOL: ((uint8_t *)y)[i] = value != 0; break;
    case PARE_S64: ((int64_t *)y)[i] = truncate(value); break;
    case PARE_S8:
    case PARE_U8:
    case PARE_S32: store_integer(y, type, i, within(truncate(value), low[type], high[type])); break;
    }
}

void pare_nd_cast(void *y, enum pare_dtype y_type, const void *x, enum pare_dtype x_type, int64_t n)
{
    if (y_type == x_type) {
        if (n)
            memcpy(y, x, (size_t)n * pare_dtype_bytes(y_type));
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (x_type == PARE_F32 || x_type == PARE_F64)
            store_real(y, y_type, i, real_at(x, x_type, i));
        else
            store_integer(y, y_type, i, integer_at(x, x_type, i));
    }
}
