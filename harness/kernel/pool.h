/* Pooling, channels last.
 *
 *   y  [n, P, Q, C]; global: [n, C]
 *   x  [n, H, W, C]
 *
 * Padding is minus infinity for the maximum (a window wholly in the padding gives the type's
 * smallest value) and zero for the mean, which divides by R * S when count_include_pad is set and by
 * the number of real pixels otherwise.  The mean of integers is
 *   y = clamp(round_half_even(sum(x - x_zero) * f32(scale / divisor)) + zero), scale = x's by y's. */
#ifndef PARE_KERNEL_POOL_H
#define PARE_KERNEL_POOL_H

#include <pare/graph.h>

#include "kernel/isa.h"
#include "kernel/quant.h"

void pare_maxpool_f32_ref(float *y, const float *x, const struct pare_conv2d *s, int64_t n);
void pare_maxpool_u8_ref(uint8_t *y, const uint8_t *x, const struct pare_conv2d *s, int64_t n);
void pare_maxpool_f32(float *y, const float *x, const struct pare_conv2d *s, int64_t n,
                      enum pare_isa isa);
void pare_maxpool_u8(uint8_t *y, const uint8_t *x, const struct pare_conv2d *s, int64_t n,
                     enum pare_isa isa);

void pare_avgpool_f32_ref(float *y, const float *x, const struct pare_conv2d *s, int64_t n);
void pare_avgpool_u8_ref(uint8_t *y, const uint8_t *x, int32_t x_zero, const struct pare_conv2d *s,
                         int64_t n, double scale, struct pare_u8_range range);
/* The mean of a whole image is the pool with one window: see pare_pool_global(). */
void pare_avgpool_f32(float *y, const float *x, const struct pare_conv2d *s, int64_t n);
void pare_avgpool_u8(uint8_t *y, const uint8_t *x, int32_t x_zero, const struct pare_conv2d *s,
                     int64_t n, double scale, struct pare_u8_range range);
struct pare_conv2d pare_pool_global(int64_t C, int64_t H, int64_t W);
#endif
