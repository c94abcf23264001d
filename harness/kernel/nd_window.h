/* Sliding windows over row-major f32 arrays in ONNX's order, any number of spatial dimensions: for
 * what the channels-last kernels do not take.
 *
 *   y     [M, out...] of one sample
 *   x     [C, in...]
 *   w     [M, C/group, kernel...]; transposed [C, M/group, kernel...]
 *   bias  [M], or NULL
 *   work  pare_nd_window_work_bytes() bytes, 64-byte aligned
 *
 * Never allocate, cannot fail. */
#ifndef PARE_KERNEL_ND_WINDOW_H
#define PARE_KERNEL_ND_WINDOW_H

#include <stddef.h>

#include <pare/tensor.h>

#define PARE_MAX_SPATIAL (PARE_MAX_DIMS - 2)

/* A transposed convolution is the convolution that takes `out` to `in`, turned round: each input
 * position is spread over the window that would have given it. */
struct pare_nd_window {
    int n; /* spatial dimensions */
    int64_t C, M, group;
    int64_t in[PARE_MAX_SPATIAL], out[PARE_MAX_SPATIAL], kernel[PARE_MAX_SPATIAL];
    int64_t stride[PARE_MAX_SPATIAL], dilation[PARE_MAX_SPATIAL];
    int64_t pad_begin[PARE_MAX_SPATIAL], pad_end[PARE_MAX_SPATIAL];
    bool count_include_pad; /* average pool; what ceil_mode adds behind pad_end never counts */
};

/* Of both convolutions. */
size_t pare_nd_window_work_bytes(const struct pare_nd_window *w, bool is_transposed);
/* Patches as columns of a matrix, a part of them at a time, times the weights. */
void pare_nd_conv_f32(float *y, const float *x, const float *weight, const float *bias,
                      const struct pare_nd_window *w, void *work);
void pare_nd_conv_transpose_f32(float *y, const float *x, const float *weight, const float *bias,
                                const struct pare_nd_window *w, void *work);
/* Plain sums. */
void pare_nd_conv_f32_ref(float *y, const float *x, const float *weight, const float *bias,
                          const struct pare_nd_window *w);
void pare_nd_conv_transpose_f32_ref(float *y, const float *x, const float *weight,
                                    const float *bias, const struct pare_nd_window *w);
/* C channels, one after the other.  Indices (may be NULL): where each maximum stands, the first of
 * equals, counted from `first` at the beginning of x. */
void pare_nd_maxpool_f32(float *y, int64_t *indices, const float *x, const struct pare_nd_window *w,
                         int64_t first);
void pare_nd_avgpool_f32(float *y, const float *x, const struct pare_nd_window *w);

#endif
