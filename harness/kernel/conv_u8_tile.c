#include "kernel/conv_u8_tile.h"

#include <string.h>

#include "kernel/isa.h"
#include "kernel/walk.h"

enum { MAX_PIXELS = 16 };

#if defined(PARE_NO_CLONES)
enum { WIDE_PANELS = 2 };
static const int wide_pixels[] = {0, 3, 2};
#else
enum { WIDE_PANELS = 4 };
static const int wide_pixels[] = {0, 16, 12, 8, 6};
#endif

int pare_tile_u8_panels(void)
{
    return WIDE_PANELS;
}

int pare_tile_u8_pixels(int n_panels)
{
    return wide_pixels[n_panels];
}

#ifdef PARE_HAVE_X86
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline)) PARE_FOR_VNNI

INLINE int32_t load_quad(const uint8_t *x)
{
    int32_t quad;
    memcpy(&quad, x, sizeof quad);
    return quad;
}

/* 16 results of one pixel: requantised to u8, or scaled to f32. */
INLINE void store(const struct pare_tile_u8 *t, char *y, int64_t pixel, int64_t first, __m512i acc)
{
    __m512 scale = _mm512_loadu_ps(t->scale + first);
    __m512 low = _mm512_set1_ps(t->low), high = _mm512_set1_ps(t->high);
    __m512 real = _mm512_cvtepi32_ps(acc);
    int64_t left = t->n_channels - first, at = pixel * t->y_pixel + first;
    __mmask16 mask = left >= 16 ? 0xffff : left > 0 ? (__mmask16)((1u << left) - 1) : 0;

    if (t->is_f32) {
        real = _mm512_fmadd_ps(real, scale, _mm512_loadu_ps(t->bias_f32 + first));
        real = _mm512_min_ps(high, _mm512_max_ps(low, real));
        _mm512_mask_storeu_ps((float *)y + at, mask, real);
    } else {
        real = _mm512_mul_ps(real, scale);
        real = _mm512_min_ps(_mm512_max_ps(real, low), high);
        acc = _mm512_add_epi32(_mm512_cvtps_epi32(real), _mm512_set1_epi32(t->zero));
        _mm_mask_storeu_epi8((uint8_t *)y + at, mask, _mm512_cvtepi32_epi8(acc));
    }
}

/* The same for 8 results. */
INLINE void store_half(const struct pare_tile_u8 *t, char *y, int64_t pixel, int64_t first,
                       __m256i acc)
{
    __m256 scale = _mm256_loadu_ps(t->scale + first);
    __m256 low = _mm256_set1_ps(t->low), high = _mm256_set1_ps(t->high);
    __m256 real = _mm256_cvtepi32_ps(acc);
    int64_t left = t->n_channels - first, at = pixel * t->y_pixel + first;
    __mmask8 mask = (__mmask8)((1u << left) - 1);

    if (t->is_f32) {
        real = _mm256_fmadd_ps(real, scale, _mm256_loadu_ps(t->bias_f32 + first));
        real = _mm256_min_ps(high, _mm256_max_ps(low, real));
        _mm256_mask_storeu_ps((float *)y + at, mask, real);
    } else {
        real = _mm256_mul_ps(real, scale);
        real = _mm256_min_ps(_mm256_max_ps(real, low), high);
        acc = _mm256_add_epi32(_mm256_cvtps_epi32(real), _mm256_set1_epi32(t->zero));
        _mm_mask_storeu_epi8((uint8_t *)y + at, mask, _mm256_cvtepi32_epi8(acc));
    }
}

/* As in conv_f32: n_pixels, n (whole panels) and n_half (0 or 1) are constants in every caller. */
INLINE void tile(const struct pare_tile_u8 *t, void *y, const uint8_t *x, const int n_pixels,
                 const int n, const int n_half)
{
    __m512i sum[MAX_PIXELS][PARE_MAX_PANELS];
    __m256i half[MAX_PIXELS];
    const int64_t px = t->x_pixel;
    const int quad = 4 * (n * PARE_PANEL + n_half * (PARE_PANEL / 2)); /* bytes of weights */
    const int8_t *w = t->w;

#pragma GCC unroll 16
    for (int j = 0; j < n_pixels; j++) {
#pragma GCC unroll 4
        for (int i = 0; i < n; i++)
            sum[j][i] = _mm512_loadu_si512(t->bias + i * PARE_PANEL);
        if (n_half)
            half[j] = _mm256_loadu_si256((const __m256i *)(t->bias + n * PARE_PANEL));
    }

    for (int64_t r = 0; r < t->n_runs; r++) {
        const uint8_t *row[(MAX_PIXELS + 2) / 3];
        int64_t k = 0;
#pragma GCC unroll 16
        for (int j = 0; j < n_pixels; j += 3)
            row[j / 3] = x + t->offsets[r] + j * px;
        for (; k + 2 <= t->n_quads; k += 2) {
#pragma GCC unroll 2
            for (int u = 0; u < 2; u++) {
                __m512i b[PARE_MAX_PANELS];
                __m256i h = _mm256_setzero_si256();
#pragma GCC unroll 4
                for (int i = 0; i < n; i++)
                    b[i] = _mm512_loadu_si512(w + u * quad + i * 4 * PARE_PANEL);
                if (n_half)
                    h = _mm256_loadu_si256((const __m256i *)(w + u * quad + n * 4 * PARE_PANEL));
#pragma GCC unroll 16
                for (int j = 0; j < n_pixels; j++) {
                    __m512i a = _mm512_set1_epi32(load_quad(row[j / 3] + j % 3 * px + 4 * u));
#pragma GCC unroll 4
                    for (int i = 0; i < n; i++)
                        sum[j][i] = _mm512_dpbusd_epi32(sum[j][i], a, b[i]);
                    if (n_half)
                        half[j] = _mm256_dpbusd_epi32(half[j], _mm512_castsi512_si256(a), h);
                }
            }
            w += 2 * quad;
#pragma GCC unroll 16
            for (int j = 0; j < n_pixels; j += 3)
                row[j / 3] += 8;
        }
        for (; k < t->n_quads; k++) {
#pragma GCC unroll 16
            for (int j = 0; j < n_pixels; j++) {
                __m512i a = _mm512_set1_epi32(load_quad(row[j / 3] + j % 3 * px));
#pragma GCC unroll 4
                for (int i = 0; i < n; i++)
                    sum[j][i] = _mm512_dpbusd_epi32(sum[j][i], a,
                                                    _mm512_loadu_si512(w + i * 4 * PARE_PANEL));
                if (n_half)
                    half[j] = _mm256_dpbusd_epi32(
                        half[j], _mm512_castsi512_si256(a),
                        _mm256_loadu_si256((const __m256i *)(w + n * 4 * PARE_PANEL)));
            }
            w += quad;
#pragma GCC unroll 16
            for (int j = 0; j < n_pixels; j += 3)
                row[j / 3] += 4;
        }
    }

#pragma GCC unroll 4
    for (int i = 0; i < n; i++)
#pragma GCC unroll 16
        for (int j = 0; j < n_pixels; j++)
            store(t, y, j, i * PARE_PANEL, sum[j][i]);
    if (n_half)
#pragma GCC unroll 16
        for (int j = 0; j < n_pixels; j++)
            store_half(t, y, j, n * PARE_PANEL, half[j]);
}

#define KERNEL(PIXELS, PANELS)                                                                 \
    PARE_FOR_VNNI static void whole_##PIXELS##_##PANELS(const struct pare_tile_u8 *t, void *y, \
                                                        const uint8_t *x)                      \
    {                                                                                          \
        tile(t, y, x, PIXELS, PANELS, 0);                                                      \
    }                                                                                          \
    PARE_FOR_VNNI static void half_##PIXELS##_##PANELS(const struct pare_tile_u8 *t, void *y,  \
                                                       const uint8_t *x)                       \
    {                                                                                          \
        tile(t, y, x, PIXELS, PANELS - 1, 1);                                                  \
    }
#include "kernel/conv_u8_table.inc.c"
#undef KERNEL

#define KERNEL(PIXELS, PANELS) \
    [0][PANELS][PIXELS] = whole_##PIXELS##_##PANELS, [1][PANELS][PIXELS] = half_##PIXELS##_##PANELS,
static pare_tile_u8_fn *const kernels[2][PARE_MAX_PANELS + 1][MAX_PIXELS + 1] = {
#include "kernel/conv_u8_table.inc.c"
};
#undef KERNEL

pare_tile_u8_fn *pare_tile_u8(int n_pixels, int n_panels, bool is_half)
{
    return kernels[is_half][n_panels][n_pixels];
}
#else
pare_tile_u8_fn *pare_tile_u8(int n_pixels, int n_panels, bool is_half)
{
    (void)n_pixels;
    (void)n_panels;
    (void)is_half;
    return NULL;
}
#endif
