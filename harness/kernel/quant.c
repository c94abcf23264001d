#include "kernel/quant.h"

#include "kernel/isa.h"

#ifdef PARE_HAVE_X86
#include <immintrin.h>
#endif

void pare_quantize_u8_ref(uint8_t *y, const float *x, int64_t n, float scale,
                          struct pare_u8_range range)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pare_round_u8(x[i] / scale, range);
}

void pare_dequantize_u8_ref(float *y, const uint8_t *x, int64_t n, float scale, int32_t zero)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = scale * (float)((int32_t)x[i] - zero);
}

void pare_add_u8_ref(uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t n, float a_scale,
                     int32_t a_zero, float b_scale, int32_t b_zero, struct pare_u8_range range)
{
    for (int64_t i = 0; i < n; i++) {
        float right = b_scale * (float)((int32_t)b[i] - b_zero);
        y[i] = pare_round_u8(fmaf(a_scale, (float)((int32_t)a[i] - a_zero), right), range);
    }
}

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

#ifdef PARE_HAVE_X86
#define INLINE static inline __attribute__((always_inline)) PARE_FOR_AVX512

INLINE __mmask16 first_lanes(int64_t n)
{
    return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}

/* As pare_round_u8, 16 at a time. */
INLINE __m512i round_u8(__m512 t, struct pare_u8_range range)
{
    t = _mm512_max_ps(t, _mm512_set1_ps((float)(range.low - range.zero)));
    t = _mm512_min_ps(t, _mm512_set1_ps((float)(range.high - range.zero)));
    return _mm512_add_epi32(_mm512_cvtps_epi32(t), _mm512_set1_epi32(range.zero));
}

/* x - zero, as f32 */
INLINE __m512 centred(__mmask16 mask, const uint8_t *x, int32_t zero)
{
    __m512i q = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, x));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(q, _mm512_set1_epi32(zero)));
}

PARE_FOR_AVX512 static void quantize_avx512(uint8_t *y, const float *x, int64_t n, float scale,
                                            struct pare_u8_range range)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        __m512 t = _mm512_div_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(scale));
        _mm_mask_storeu_epi8(y + i, mask, _mm512_cvtepi32_epi8(round_u8(t, range)));
    }
}

PARE_FOR_AVX512 static void dequantize_avx512(float *y, const uint8_t *x, int64_t n, float scale,
                                              int32_t zero)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        __m512 real = _mm512_mul_ps(_mm512_set1_ps(scale), centred(mask, x + i, zero));
        _mm512_mask_storeu_ps(y + i, mask, real);
    }
}

PARE_FOR_AVX512 static void add_avx512(uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t n,
                                       float a_scale, int32_t a_zero, float b_scale, int32_t b_zero,
                                       struct pare_u8_range range)
{
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        __m512 right = _mm512_mul_ps(_mm512_set1_ps(b_scale), centred(mask, b + i, b_zero));
        __m512 t = _mm512_fmadd_ps(_mm512_set1_ps(a_scale), centred(mask, a + i, a_zero), right);
        _mm_mask_storeu_epi8(y + i, mask, _mm512_cvtepi32_epi8(round_u8(t, range)));
    }
}
#endif

static bool has_avx512(void)
{
    return pare_isa_best() >= PARE_ISA_AVX512;
}

void pare_quantize_u8(uint8_t *y, const float *x, int64_t n, float scale,
                      struct pare_u8_range range)
{
#ifdef PARE_HAVE_X86
    if (has_avx512()) {
        quantize_avx512(y, x, n, scale, range);
        return;
    }
#endif
    pare_quantize_u8_ref(y, x, n, scale, range);
}

void pare_dequantize_u8(float *y, const uint8_t *x, int64_t n, float scale, int32_t zero)
{
#ifdef PARE_HAVE_X86
    if (has_avx512()) {
        dequantize_avx512(y, x, n, scale, zero);
        return;
    }
#endif
    pare_dequantize_u8_ref(y, x, n, scale, zero);
}

void pare_add_u8(uint8_t *y, const uint8_t *a, const uint8_t *b, int64_t n, float a_scale,
                 int32_t a_zero, float b_scale, int32_t b_zero, struct pare_u8_range range)
{
#ifdef PARE_HAVE_X86
    if (has_avx512()) {
        add_avx512(y, a, b, n, a_scale, a_zero, b_scale, b_zero, range);
        return;
    }
#endif
    pare_add_u8_ref(y, a, b, n, a_scale, a_zero, b_scale, b_zero, range);
}
