/* Moving elements of plain row-major arrays about: any type, any rank up to PARE_MAX_DIMS.  `bytes`
 * is the size of an element: 1, 4 or 8.  Never allocate, cannot fail.  x and y do not overlap. */
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

#endif
