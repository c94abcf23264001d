#include "kernel/nd_quant.h"

#include <math.h>

#include "base/simd.h"

static int32_t integer_at(const void *x, enum pare_dtype type, int64_t i)
{
    switch (type) {
    case PARE_U8: return ((const uint8_t *)x)[i];
    case PARE_S8: return ((const int8_t *)x)[i];
    default: return ((const int32_t *)x)[i];
    }
}

/* Clamped before it is rounded: the bounds are integers.  NaN gives the lowest. */
PARE_CLONES static void quantize_row(void *y, bool is_signed, const float *x, int64_t n,
                                     float scale, int32_t zero)
{
    float low = (float)((is_signed ? -128 : 0) - zero),
          high = (float)((is_signed ? 127 : 255) - zero);
    uint8_t *bytes = y; /* both types in two's complement */

    for (int64_t i = 0; i < n; i++) {
        float t = x[i] / scale;
        t = t > low ? t : low;
        t = t < high ? t : high;
        bytes[i] = (uint8_t)((int32_t)rintf(t) + zero);
    }
}

void pare_nd_quantize(void *y, enum pare_dtype type, const float *x, int64_t outer, int64_t C,
                      int64_t inner, const float *scale, const void *zero)
{
    for (int64_t row = 0; row < outer * C; row++)
        quantize_row((uint8_t *)y + row * inner, type == PARE_S8, x + row * inner, inner,
                     scale[row % C], zero ? integer_at(zero, type, row % C) : 0);
}

void pare_nd_dequantize(float *y, const void *x, enum pare_dtype type, int64_t outer, int64_t C,
                        int64_t inner, const float *scale, const void *zero)
{
    for (int64_t row = 0; row < outer * C; row++) {
        float s = scale[row % C];
        int64_t z = zero ? integer_at(zero, type, row % C) : 0;

        for (int64_t i = row * inner; i < (row + 1) * inner; i++)
            y[i] = (float)(integer_at(x, type, i) - z) * s;
    }
}
