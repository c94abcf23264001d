#include "kernel/nd_reduce.h"

#include <math.h>

#include "base/simd.h"
#include "kernel/nd_loop.h"

static double sum_row(const float *x, int64_t stride, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i * stride];
    return sum;
}

static float max_row(float max, const float *x, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        max = x[i * stride] > max || isnan(x[i * stride]) ? x[i * stride] : max;
    return max;
}

void pare_nd_reduce_f32(enum pare_op op, float *y, const float *x, const struct pare_shape *x_shape,
                        const bool *is_axis)
{
    int64_t dense[PARE_MAX_DIMS], kept[1][PARE_MAX_DIMS], gone[1][PARE_MAX_DIMS];
    int64_t kept_dims[PARE_MAX_DIMS], gone_dims[PARE_MAX_DIMS];
    struct pare_nd_loop outer, inner;
    struct pare_nd_cursor o = {0};
    int n_kept = 0, n_gone = 0;

    pare_nd_strides(dense, x_shape->dims, x_shape->n_dims);
    for (int d = 0; d < x_shape->n_dims; d++) {
        if (is_axis[d]) {
            gone_dims[n_gone] = x_shape->dims[d];
            gone[0][n_gone++] = dense[d];
        } else {
            kept_dims[n_kept] = x_shape->dims[d];
            kept[0][n_kept++] = dense[d];
        }
    }
    pare_nd_loop_init(&outer, kept_dims, n_kept, 1, kept);
    pare_nd_loop_init(&inner, gone_dims, n_gone, 1, gone);
    if (!outer.n_elems)
        return;
    do {
        for (int64_t i = 0; i < pare_nd_row(&outer); i++) {
            const float *from = x + o.at[0] + i * pare_nd_stride(&outer, 0);
            struct pare_nd_cursor c = {0};
            float max = -INFINITY;
            double sum = 0;

            if (inner.n_elems)
                do {
                    const float *row = from + c.at[0];
                    if (op == PARE_OP_REDUCE_MAX)
                        max = max_row(max, row, pare_nd_stride(&inner, 0), pare_nd_row(&inner));
                    else
                        sum += sum_row(row, pare_nd_stride(&inner, 0), pare_nd_row(&inner));
                } while (pare_nd_next(&inner, &c));
            *y++ = op == PARE_OP_REDUCE_MAX   ? max
                   : op == PARE_OP_REDUCE_SUM ? (float)sum
                                              : (float)(sum / (double)inner.n_elems);
        }
    } while (pare_nd_next(&outer, &o));
}

void pare_nd_softmax_f32(float *y, const float *x, int64_t outer, int64_t n, int64_t inner,
                         bool is_log)
{
    for (int64_t i = 0; i < outer * inner; i++) {
        int64_t at = i / inner * n * inner + i % inner;
        float max = max_row(-INFINITY, x + at, inner, n);
        double sum = 0;

        for (int64_t k = 0; k < n; k++) {
            float shifted = x[at + k * inner] - max;
            float e = expf(shifted);
            sum += (double)e;
            y[at + k * inner] = is_log ? shifted : e;
        }
        double last = is_log ? log(sum) : 1 / sum;
        for (int64_t k = 0; k < n; k++) {
            double value = (double)y[at + k * inner];
            y[at + k * inner] = (float)(is_log ? value - last : value * last);
        }
    }
}

void pare_nd_layer_norm_f32(float *y, float *mean, float *inv_std, const float *x,
                            const float *scale, const float *bias, int64_t n_rows, int64_t n,
                            double epsilon)
{
    for (int64_t r = 0; r < n_rows; r++, x += n, y += n) {
        double m = sum_row(x, 1, n) / (double)n, squares = 0;

        for (int64_t i = 0; i < n; i++)
            squares += ((double)x[i] - m) * ((double)x[i] - m);
        double factor = 1 / sqrt(squares / (double)n + epsilon);
        for (int64_t i = 0; i < n; i++)
            y[i] = (float)(((double)x[i] - m) * factor * (double)scale[i] +
                           (bias ? (double)bias[i] : 0));
        if (mean)
            mean[r] = (float)m;
        if (inv_std)
            inv_std[r] = (float)factor;
    }
}

void pare_nd_lrn_f32(float *y, const float *x, int64_t outer, int64_t C, int64_t inner,
                     int64_t size, double alpha, double beta, double bias)
{
    int64_t before = (size - 1) / 2, after = size - 1 - before; /* ONNX: floor, ceil */

    for (int64_t o = 0; o < outer; o++, x += C * inner, y += C * inner)
        for (int64_t i = 0; i < inner; i++)
            for (int64_t c = 0; c < C; c++) {
                int64_t low = c > before ? c - before : 0, high = c + after < C ? c + after : C - 1;
                double sum = 0;

                for (int64_t k = low; k <= high; k++)
                    sum += (double)x[k * inner + i] * (double)x[k * inner + i];
                y[c * inner + i] = (float)((double)x[c * inner + i] *
                                           pow(bias + alpha / (double)size * sum, -beta));
            }
}

PARE_CLONES void pare_nd_affine_f32(float *y, const float *x, int64_t outer, int64_t C,
                                    int64_t inner, const float *scale, const float *shift)
{
    for (int64_t row = 0; row < outer * C; row++, x += inner, y += inner) {
        float a = scale[row % C], b = shift[row % C];
        for (int64_t i = 0; i < inner; i++)
            y[i] = x[i] * a + b;
    }
}
