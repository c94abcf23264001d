/* Integers and reals: y = clamp(round_half_even(t) + zero).
 *
 * Inside an executing network every quantized activation is held as u8: a signed one is shifted by
 * 128 together with its zero point, which changes no real value.  So kernels know one type only.
 * The product acc * scale is one f32 multiplication everywhere, hence all kernels agree bit by bit.
 * Source: Jacob et al., CVPR 2018, sec. 2; rounding half to even as ONNX QuantizeLinear. */
#ifndef PARE_KERNEL_QUANT_H
#define PARE_KERNEL_QUANT_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* The integers that a result may take; a fused activation narrows them. */
struct pare_u8_range {
    int32_t zero, low, high; /* 0 <= low <= high <= 255 */
};

/* Clamps before it rounds: the bounds are integers, so the order is free, and nothing overflows. */
static inline uint8_t pare_round_u8(float t, struct pare_u8_range range)
{
    float low = (float)(range.low - range.zero), high = (float)(range.high - range.zero);

    t = t > low ? t : low; /* NaN gives low */
    t = t < high ? t : high;
    return (uint8_t)((int32_t)rintf(t) + range.zero);
}

/* y[i] = u8 of x[i] / scale */
void pare_quantize_u8_ref(uint8_t *y, const float *x, int64_t n, float scale,
                          struct pare_u8_range range);
void pare_quantize_u8(uint8_t *y, const float *x, int64_t n, float scale,
                      struct pare_u8_range range);
/* y[i] = scale * (x[i] - zero) */
void pare_dequantize_u8_ref(float *y, const uint8_t *x, int64_t n, float scale, int32_t zero);
void pare_dequantize_u8(float *y, const uint8_t *x, int64_t n, float scale, int32_t zero);
/* The nearest point of the grid: what quantizing and dequantizing leaves; y may be x. */
void pare_fake_quantize_ref(float *y, const float *x, int64_t n, float scale,
                            struct pare_u8_range range);
/* y[i] = table[x[i]]; y may be x */
void pare_lookup_u8(uint8_t *y, const uint8_t *x, int64_t n, const uint8_t table[256]);
/* y[i] = u8 of a_scale * (a[i] - a_zero) + b_scale * (b[i] - b_zero), scales relative to y's; the
 * second product is rounded, the first is fused into the sum.  y may be a or b. */
void pare_add_u8_ref(uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t n, float a_scale,
                     int32_t a_zero, float b_scale, int32_t b_zero, struct pare_u8_range range);
void pare_add_u8(uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t n, float a_scale,
                 int32_t a_zero, float b_scale, int32_t b_zero, struct pare_u8_range range);
#endif
