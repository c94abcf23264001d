/* The inner kernels of conv_f32: a tile of pixels against a share of output channels: 1 to 4 panels
 * of 16, the last one half as wide where 8 lanes suffice. */
#ifndef PARE_KERNEL_CONV_F32_TILE_H
#define PARE_KERNEL_CONV_F32_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/isa.h"

struct pare_tile_f32 {
    const float *w;    /* [sum of runs][lanes of the share] */
    const float *bias; /* [lanes] */
    const int64_t *offsets;
    int64_t n_runs, run_elems;
    int64_t x_pixel;    /* elements between input pixels */
    int64_t y_pixel;    /* between output pixels */
    int64_t n_channels; /* of these panels that exist in y */
    float low, high;
};
typedef void pare_tile_f32_fn(const struct pare_tile_f32 *t, float *y, const float *x);

/* A split kernel keeps several partial sums per output: for matrix products with few columns, where
 * one sum would wait for itself.  The order of summation depends on n_panels and is_split alone. */
pare_tile_f32_fn *pare_tile_f32(enum pare_isa isa, int n_pixels, int n_panels, bool is_half,
                                bool is_split);
/* Most panels that one kernel takes. */
int pare_tile_f32_panels(enum pare_isa isa);
/* Most pixels that the kernel for so many panels takes. */
int pare_tile_f32_pixels(enum pare_isa isa, int n_panels, bool is_split);
#endif
