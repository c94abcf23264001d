/* 2-D convolution and matrix product, f32, channels last, with bias and clamp.
 *
 *   y[n,p,q,m] = clamp(bias[m] + sum_{r,s,c} x[n, p*stride_h + r*dilation_h - pad_top,
 *                      q*stride_w + s*dilation_w - pad_left, g*C/G + c] w[m,r,s,c], low, high)
 *
 *   y     [n, P, Q, M]
 *   x     [n, H, W, C]   zero outside
 *   w     [M, R, S, C/G]
 *   bias  [M] or NULL
 *   low, high            -INFINITY, INFINITY: no clamp
 *
 * A matrix product y[n,M] = x[n,K] w[M,K]' is the case H = W = R = S = 1, C = K. */
#ifndef PARE_KERNEL_CONV_F32_H
#define PARE_KERNEL_CONV_F32_H

#include <pare/graph.h>

#include "kernel/isa.h"

/* The plain loops, with sums in f64: the truth.  Never allocates, cannot fail. */
void pare_conv2d_f32_ref(float *y, const float *x, const float *w, const float *bias,
                         const struct pare_conv2d *s, int64_t n, float low, float high);

/* Packed weights for the direct kernel.  Every output is summed in the same order whatever n is, so
 * a sample's numbers do not depend on its batch. */
struct pare_conv_f32;
pare_status pare_conv_f32_new(struct pare_conv_f32 **out, const struct pare_conv2d *s,
                              const float *w, const float *bias, float low, float high,
                              enum pare_isa isa, struct pare_error *err);
void pare_conv_f32_free(struct pare_conv_f32 *conv);
size_t pare_conv_f32_weight_bytes(const struct pare_conv_f32 *conv);
size_t pare_conv_f32_work_bytes(const struct pare_conv_f32 *conv); /* 64-byte aligned scratch */
void pare_conv_f32_run(const struct pare_conv_f32 *conv, float *y, const float *x, int64_t n,
                       void *work);
#endif
