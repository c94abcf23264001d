#include "kernel/quant.h"

#include "base/simd.h"

/* The plain loops and the vectorised ones are one text, compiled without and with clones. */
#define LOOPS(CLONES, SUFFIX)                                                                     \
    CLONES void pare_quantize_u8##SUFFIX(uint8_t *y, const float *x, int64_t n, float scale,      \
                                         struct pare_u8_range range)                              \
    {                                                                                             \
        for (int64_t i = 0; i < n; i++)                                                           \
            y[i] = pare_round_u8(x[i] / scale, range);                                            \
    }                                                                                             \
    CLONES void pare_dequantize_u8##SUFFIX(float *y, const uint8_t *x, int64_t n, float scale,    \
                                           int32_t zero)                                          \
    {                                                                                             \
        for (int64_t i = 0; i < n; i++)                                                           \
            y[i] = scale * (float)((int32_t)x[i] - zero);                                         \
    }                                                                                             \
    CLONES void pare_add_u8##SUFFIX(uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t n,    \
                                    float a_scale, int32_t a_zero, float b_scale, int32_t b_zero, \
                                    struct pare_u8_range range)                                   \
    {                                                                                             \
        for (int64_t i = 0; i < n; i++) {                                                         \
            float right = b_scale * (float)((int32_t)b[i] - b_zero);                              \
            y[i] = pare_round_u8(fmaf(a_scale, (float)((int32_t)a[i] - a_zero), right), range);   \
        }                                                                                         \
    }

LOOPS(, _ref)
LOOPS(PARE_CLONES, )

void pare_fake_quantize_ref(float *y, const float *x, int64_t n, float scale,
                            struct pare_u8_range range)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = scale * (float)((int32_t)pare_round_u8(x[i] / scale, range) - range.zero);
}

void pare_lookup_u8(uint8_t *y, const uint8_t *x, int64_t n, const uint8_t table[256])
{
    for (int64_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}
