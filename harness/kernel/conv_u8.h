/* 2-D convolution and matrix product on integers, channels last.
 *
 *   acc[n,p,q,m] = bias[m] + sum_{r,s,c} (x[n, h, v, g*C/G + c] - x_zero) w[m,r,s,c]
 *   to u8:  y = clamp(round_half_even(acc * scale[m]) + zero, low, high)
 *   to f32: y = acc * scale[m] + bias_f32[m], one rounding; clamped to low_f32 .. high_f32
 *
 *   y     u8 or f32 [n, P, Q, M]
 *   x     u8 [n, H, W, C]      outside: x_zero, the real zero
 *   w     s8 [M, R, S, C/G]    zero point 0
 *   bias  s32 [M] or NULL
 *
 * acc fits s32 when R * S * C/G * 255 * 127 < 2^31 (66 000 terms): checked by pare_conv_u8_new.
 * The input may be read up to PARE_CONV_U8_SLACK bytes beyond its end (the bytes do not matter).
 * Source: Jacob et al., CVPR 2018, sec. 2.2 to 2.4. */
#ifndef PARE_KERNEL_CONV_U8_H
#define PARE_KERNEL_CONV_U8_H

#include <pare/graph.h>

#include "kernel/isa.h"
#include "kernel/quant.h"

enum { PARE_CONV_U8_SLACK = 64 };

struct pare_conv_u8_result {
    bool is_f32;
    const float *scale; /* [M] */
    struct pare_u8_range range;
    const float *bias_f32; /* [M] or NULL; in place of bias when is_f32 */
    float low_f32, high_f32;
};

void pare_conv2d_u8_ref(void *y, const uint8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, const struct pare_conv2d *s, int64_t n,
                        const struct pare_conv_u8_result *result);

/* Packed for the direct kernel; all that is given is copied.  PARE_EUNSUPPORTED when acc could
 * overflow.  Below PARE_ISA_VNNI it runs plain loops that the compiler vectorises. */
struct pare_conv_u8;
pare_status pare_conv_u8_new(struct pare_conv_u8 **out, const struct pare_conv2d *s, int32_t x_zero,
                             const int8_t *w, const int32_t *bias,
                             const struct pare_conv_u8_result *result, enum pare_isa isa,
                             struct pare_error *err);
void pare_conv_u8_free(struct pare_conv_u8 *conv);
size_t pare_conv_u8_weight_bytes(const struct pare_conv_u8 *conv);
size_t pare_conv_u8_work_bytes(const struct pare_conv_u8 *conv); /* 64-byte aligned scratch */
void pare_conv_u8_run(const struct pare_conv_u8 *conv, void *y, const uint8_t *x, int64_t n,
                      void *work);
#endif
