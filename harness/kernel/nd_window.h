/* Sliding windows over plain arrays in ONNX order, any number of spatial dimensions: for what the
 * channels-last kernels do not take.  Never allocate, cannot fail. */
#ifndef PARE_KERNEL_ND_WINDOW_H
#define PARE_KERNEL_ND_WINDOW_H

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

#endif
