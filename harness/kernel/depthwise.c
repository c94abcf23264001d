#include "kernel/depthwise.h"

#include "base/simd.h"
#include "kernel/window.h"

/* Channels that one accumulator array holds; the loops over it become vectors. */
enum { LANES = 32 };

PARE_CLONES void pare_depthwise_f32(float *y, const float *x, const float *w, const float *bias,
                                    const struct pare_conv2d *s, int64_t n, float low, float high)
{
    for (int64_t pixel = 0, line = 0; line < n * s->P; line++)
        for (int64_t q = 0; q < s->Q; q++, pixel++) {
            int64_t i = line / s->P;
            struct pare_window v = pare_window_at(s, line % s->P, q);
            for (int64_t first = 0; first < s->C; first += LANES) {
                int64_t count = s->C - first < LANES ? s->C - first : LANES;
                float sum[LANES] = {0};
                for (int64_t r = v.r0; r < v.r1; r++)
                    for (int64_t c = v.s0; c < v.s1; c++) {
                        const float *from = x + first +
                                            ((i * s->H + v.h + r * s->dilation_h) * s->W + v.w +
                                             c * s->dilation_w) *
                                                s->C;
                        const float *tap = w + (r * s->S + c) * s->C + first;
                        if (count == LANES)
                            for (int64_t k = 0; k < LANES; k++)
                                sum[k] += from[k] * tap[k];
                        else
                            for (int64_t k = 0; k < count; k++)
                                sum[k] += from[k] * tap[k];
                    }
                for (int64_t k = 0; k < count; k++) {
                    float value = sum[k] + bias[first + k];
                    value = value < low ? low : value;
                    y[pixel * s->C + first + k] = value > high ? high : value;
                }
            }
        }
}

PARE_CLONES void pare_depthwise_u8(void *y, const uint8_t *x, int32_t x_zero, const int8_t *w,
                                   const int32_t *bias, const struct pare_conv2d *s, int64_t n,
                                   const struct pare_conv_u8_result *result)
{
    for (int64_t pixel = 0, line = 0; line < n * s->P; line++)
        for (int64_t q = 0; q < s->Q; q++, pixel++) {
            int64_t i = line / s->P;
            struct pare_window v = pare_window_at(s, line % s->P, q);
            for (int64_t first = 0; first < s->C; first += LANES) {
                int64_t count = s->C - first < LANES ? s->C - first : LANES;
                int32_t sum[LANES] = {0};
                for (int64_t r = v.r0; r < v.r1; r++)
                    for (int64_t c = v.s0; c < v.s1; c++) {
                        const uint8_t *from = x + first +
                                              ((i * s->H + v.h + r * s->dilation_h) * s->W + v.w +
                                               c * s->dilation_w) *
                                                  s->C;
                        const int8_t *tap = w + (r * s->S + c) * s->C + first;
                        if (count == LANES)
                            for (int64_t k = 0; k < LANES; k++)
                                sum[k] += ((int32_t)from[k] - x_zero) * tap[k];
                        else
                            for (int64_t k = 0; k < count; k++)
                                sum[k] += ((int32_t)from[k] - x_zero) * tap[k];
                    }
                int64_t at = pixel * s->C + first;
                if (!result->is_f32) {
                    uint8_t *to = (uint8_t *)y + at;
                    for (int64_t k = 0; k < count; k++)
                        to[k] = pare_round_u8((float)(sum[k] + bias[first + k]) *
                                                  result->scale[first + k],
                                              result->range);
                } else {
                    float *to = (float *)y + at;
                    for (int64_t k = 0; k < count; k++) {
                        float value = fmaf((float)sum[k], result->scale[first + k],
                                           result->bias_f32 ? result->bias_f32[first + k] : 0);
                        value = value < result->low_f32 ? result->low_f32 : value;
                        to[k] = value > result->high_f32 ? result->high_f32 : value;
                    }
                }
            }
        }
}
