/* Resampling of row-major f32 arrays of any rank: ONNX's Resize.
 *
 * Linear and cubic interpolation are separable: one dimension after the other.  What lies outside
 * the input takes the nearest element, except that tf_crop_and_resize gives `extrapolation` there
 * and exclude_outside drops it from cubic sums. */
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
    double scale[PARE_MAX_DIMS]; /* out / in, before out was rounded down */
    double roi_begin[PARE_MAX_DIMS], roi_end[PARE_MAX_DIMS]; /* of tf_crop_and_resize, 0 .. 1 */
    enum pare_resize_mode mode;
    enum pare_resize_coordinate coordinate;
    enum pare_resize_nearest nearest;
    double cubic_a, extrapolation;
    bool exclude_outside;
};

/* Aligned to 64 bytes. */
size_t pare_nd_resize_work_bytes(const struct pare_nd_resize *r);
/* y does not overlap x; never allocates, cannot fail. */
void pare_nd_resize_f32(float *y, const float *x, const struct pare_nd_resize *r, void *work);

#endif
