/* Resampling of plain row-major arrays, any rank: ONNX's Resize. */
#ifndef PARE_KERNEL_ND_RESIZE_H
#define PARE_KERNEL_ND_RESIZE_H

#include <stddef.h>

#include <pare/tensor.h>

enum pare_resize_mode { PARE_RESIZE_NEAREST, PARE_RESIZE_LINEAR, PARE_RESIZE_CUBIC };
enum pare_resize_coordinate {
    PARE_RESIZE_HALF_PIXEL,
    PARE_RESIZE_HALF_PIXEL_SYMMETRIC,
    PARE_RESIZE_PYTORCH_HALF_PIXEL,
    PARE_RESIZE_ALIGN_CORNERS,
    PARE_RESIZE_ASYMMETRIC,
    PARE_RESIZE_TF_HALF_PIXEL_FOR_NN,
    PARE_RESIZE_TF_CROP
};
enum pare_resize_nearest {
    PARE_RESIZE_ROUND_PREFER_FLOOR,
    PARE_RESIZE_ROUND_PREFER_CEIL,
    PARE_RESIZE_FLOOR,
    PARE_RESIZE_CEIL
};
struct pare_nd_resize {
    int n;
    int64_t in[PARE_MAX_DIMS], out[PARE_MAX_DIMS];
    double scale[PARE_MAX_DIMS];                             /* out / in, as given */
    double roi_begin[PARE_MAX_DIMS], roi_end[PARE_MAX_DIMS]; /* of TF_CROP, normalised */
    enum pare_resize_mode mode;
    enum pare_resize_coordinate coordinate;
    enum pare_resize_nearest nearest;
    double cubic_a, extrapolation; /* extrapolation: what TF_CROP finds outside */
    bool exclude_outside;
};

#endif
