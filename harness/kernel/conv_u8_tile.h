/* The inner kernels of conv_u8, by VNNI: a tile of pixels against a share of output channels: 1 to 4
 * panels of 16, the last one half as wide where 8 lanes suffice. */
#ifndef PARE_KERNEL_CONV_U8_TILE_H
#define PARE_KERNEL_CONV_U8_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pare_tile_u8 {
    const int8_t *w;       /* [runs][quads of the run][lanes of the share][4]; a quad: 4 bytes */
    const int32_t *bias;   /* [lanes], zero point and real bias in one */
    const float *scale;    /* [lanes] */
    const float *bias_f32; /* [lanes] */
    const int64_t *offsets;
    int64_t n_runs, n_quads;
    int64_t x_pixel, y_pixel; /* elements between pixels */
    int64_t n_channels;       /* of these panels that exist in y */
    bool is_f32;
    float low, high; /* of y - zero, or of the f32 result */
    int32_t zero;
};
typedef void pare_tile_u8_fn(const struct pare_tile_u8 *t, void *y, const uint8_t *x);

/* NULL where the compiler has no VNNI. */
pare_tile_u8_fn *pare_tile_u8(int n_pixels, int n_panels, bool is_half);
int pare_tile_u8_panels(void);         /* most panels of one kernel */
int pare_tile_u8_pixels(int n_panels); /* most pixels of one kernel */
#endif
