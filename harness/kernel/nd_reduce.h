/* Sums, means and maxima over dimensions, softmax, and the normalisations, on row-major f32 arrays.
 * Sums accumulate in f64.  Never allocate, cannot fail.  y does not overlap x. */
#ifndef PARE_KERNEL_ND_REDUCE_H
#define PARE_KERNEL_ND_REDUCE_H

#include <pare/graph.h>

/* ReduceMean, ReduceSum, ReduceMax over the dimensions with is_axis set; y has the others, in their
 * order.  Of no elements: 0 / 0, 0, minus infinity. */
void pare_nd_reduce_f32(enum pare_op op, float *y, const float *x, const struct pare_shape *x_shape,
                        const bool *is_axis);
/* Along the middle dimension of [outer, n, inner]; is_log: the logarithms. */
void pare_nd_softmax_f32(float *y, const float *x, int64_t outer, int64_t n, int64_t inner,
                         bool is_log);
/* Rows of n: (x - mean) / sqrt(var + epsilon) * scale + bias; bias, mean and inv_std (one per row)
 * may be NULL. */
void pare_nd_layer_norm_f32(float *y, float *mean, float *inv_std, const float *x,
                            const float *scale, const float *bias, int64_t n_rows, int64_t n,
                            double epsilon);
/* [outer, C, inner]: x / (bias + alpha / size * sum of squares of `size` neighbouring channels) ^
 * beta. */
void pare_nd_lrn_f32(float *y, const float *x, int64_t outer, int64_t C, int64_t inner,
                     int64_t size, double alpha, double beta, double bias);
/* [outer, C, inner]: x * scale[c] + shift[c] */
void pare_nd_affine_f32(float *y, const float *x, int64_t outer, int64_t C, int64_t inner,
                        const float *scale, const float *shift);

#endif
