/* Moving elements of row-major arrays about: any type, any rank up to PARE_MAX_DIMS.  `bytes` is the
 * size of an element: 1, 4 or 8.  Never allocate, cannot fail.  y does not overlap what is read. */
#ifndef PARE_KERNEL_ND_MOVE_H
#define PARE_KERNEL_ND_MOVE_H

#include <stddef.h>

#include <pare/tensor.h>

/* Element (i0, i1, ...) of the result is element (start + i * step) of the input. */
struct pare_nd_slice {
    int n;
    int64_t in[PARE_MAX_DIMS], out[PARE_MAX_DIMS];
    int64_t start[PARE_MAX_DIMS], step[PARE_MAX_DIMS]; /* steps may be negative */
};

enum pare_nd_pad_mode { PARE_PAD_CONSTANT, PARE_PAD_REFLECT, PARE_PAD_EDGE, PARE_PAD_WRAP };
struct pare_nd_pad {
    int n;
    int64_t in[PARE_MAX_DIMS], out[PARE_MAX_DIMS];
    int64_t before[PARE_MAX_DIMS]; /* out = before + in + after; negative: cropped */
    enum pare_nd_pad_mode mode;
};

/* Dimension d of y is dimension perm[d] of x. */
void pare_nd_transpose(void *y, const void *x, const struct pare_shape *x_shape, const int *perm,
                       size_t bytes);
void pare_nd_slice(void *y, const void *x, const struct pare_nd_slice *s, size_t bytes);
/* `value` is one element. */
void pare_nd_pad(void *y, const void *x, const struct pare_nd_pad *p, const void *value,
                 size_t bytes);
/* n_runs times: run_bytes from x, every x_stride bytes, to y, every y_stride bytes.  Concat and
 * Split are made of these. */
void pare_nd_copy_runs(void *y, int64_t y_stride, const void *x, int64_t x_stride,
                       int64_t run_bytes, int64_t n_runs);
/* y [outer, n_indices, inner] from x [outer, extent, inner]; indices S64 or S32, negative ones count
 * from the end, those outside take the nearest end. */
void pare_nd_gather(void *y, const void *x, int64_t outer, int64_t extent, int64_t inner,
                    const void *indices, enum pare_dtype index_type, int64_t n_indices,
                    size_t bytes);
/* x repeated along the dimensions where it has extent 1. */
void pare_nd_expand(void *y, const struct pare_shape *y_shape, const void *x,
                    const struct pare_shape *x_shape, size_t bytes);
/* y = condition ? a : b, all broadcast to y. */
void pare_nd_where(void *y, const struct pare_shape *y_shape, const uint8_t *condition,
                   const struct pare_shape *condition_shape, const void *a,
                   const struct pare_shape *a_shape, const void *b,
                   const struct pare_shape *b_shape, size_t bytes);
/* Every pair of types.  Reals to integers: towards zero, saturating, NaN to 0; integers to shorter
 * ones: the lowest bits; to BOOL: is not 0. */
void pare_nd_cast(void *y, enum pare_dtype y_type, const void *x, enum pare_dtype x_type,
                  int64_t n);

#endif
