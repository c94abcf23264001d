/* Depthwise convolution, channels last: each channel has its own filter (group = C = M).
 *
 *   y     [n, P, Q, C]
 *   x     [n, H, W, C]
 *   w     [R, S, C]
 *   bias  [C], never NULL
 *
 * Otherwise as conv_f32.h and conv_u8.h; their _ref functions are the truth for these too.  A u8
 * bias is that of conv_u8 before the zero point is taken off: the taps see x - x_zero. */
#ifndef PARE_KERNEL_DEPTHWISE_H
#define PARE_KERNEL_DEPTHWISE_H

#include "kernel/conv_u8.h"

void pare_depthwise_f32(float *y, const float *x, const float *w, const float *bias,
                        const struct pare_conv2d *s, int64_t n, float low, float high);
void pare_depthwise_u8(void *y, const uint8_t *x, int32_t x_zero, const int8_t *w,
                       const int32_t *bias, const struct pare_conv2d *s, int64_t n,
                       const struct pare_conv_u8_result *result);
#endif
