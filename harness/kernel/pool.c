#include "kernel/pool.h"

#include "base/simd.h"
#include "kernel/window.h"

#ifdef PARE_HAVE_X86
#include <immintrin.h>
#endif

/* Channels that one accumulator array holds; the loops over it become vectors. */
enum { LANES = 64 };

struct pare_conv2d pare_pool_global(int64_t C, int64_t H, int64_t W)
{
    return (struct pare_conv2d){.C = C,
                                .H = H,
                                .W = W,
                                .M = C,
                                .P = 1,
                                .Q = 1,
                                .R = H,
                                .S = W,
                                .group = 1,
                                .stride_h = 1,
                                .stride_w = 1,
                                .dilation_h = 1,
                                .dilation_w = 1};
}

/* First element of tap (r, c) of window `v` in sample `i`. */
static inline int64_t tap_at(const struct pare_conv2d *s, const struct pare_window *v, int64_t i,
                             int64_t r, int64_t c)
{
    return ((i * s->H + v->h + r * s->dilation_h) * s->W + v->w + c * s->dilation_w) * s->C;
}

static inline double divisor(const struct pare_conv2d *s, const struct pare_window *v)
{
    int64_t n_real = (v->r1 - v->r0) * (v->s1 - v->s0);
    int64_t n = s->count_include_pad ? s->R * s->S : n_real;
    return n > 0 ? (double)n : 1;
}

#define MAX_REF(NAME, TYPE, SMALLEST)                                                    \
    void NAME(TYPE *y, const TYPE *x, const struct pare_conv2d *s, int64_t n)            \
    {                                                                                    \
        for (int64_t pixel = 0; pixel < n * s->P * s->Q; pixel++) {                      \
            struct pare_window v = pare_window_at(s, pixel / s->Q % s->P, pixel % s->Q); \
            for (int64_t k = 0; k < s->C; k++) {                                         \
                TYPE best = SMALLEST;                                                    \
                for (int64_t r = v.r0; r < v.r1; r++)                                    \
                    for (int64_t c = v.s0; c < v.s1; c++) {                              \
                        TYPE value = x[tap_at(s, &v, pixel / (s->P * s->Q), r, c) + k];  \
                        best = best > value ? best : value;                              \
                    }                                                                    \
                y[pixel * s->C + k] = best;                                              \
            }                                                                            \
        }                                                                                \
    }
MAX_REF(pare_maxpool_f32_ref, float, -INFINITY)
MAX_REF(pare_maxpool_u8_ref, uint8_t, 0)

void pare_avgpool_f32_ref(float *y, const float *x, const struct pare_conv2d *s, int64_t n)
{
    for (int64_t pixel = 0; pixel < n * s->P * s->Q; pixel++) {
        struct pare_window v = pare_window_at(s, pixel / s->Q % s->P, pixel % s->Q);
        for (int64_t k = 0; k < s->C; k++) {
            double sum = 0;
            for (int64_t r = v.r0; r < v.r1; r++)
                for (int64_t c = v.s0; c < v.s1; c++)
                    sum += (double)x[tap_at(s, &v, pixel / (s->P * s->Q), r, c) + k];
            y[pixel * s->C + k] = (float)(sum / divisor(s, &v));
        }
    }
}

void pare_avgpool_u8_ref(uint8_t *y, const uint8_t *x, int32_t x_zero, const struct pare_conv2d *s,
                         int64_t n, double scale, struct pare_u8_range range)
{
    for (int64_t pixel = 0; pixel < n * s->P * s->Q; pixel++) {
        struct pare_window v = pare_window_at(s, pixel / s->Q % s->P, pixel % s->Q);
        for (int64_t k = 0; k < s->C; k++) {
            int32_t sum = 0;
            for (int64_t r = v.r0; r < v.r1; r++)
                for (int64_t c = v.s0; c < v.s1; c++)
                    sum += (int32_t)x[tap_at(s, &v, pixel / (s->P * s->Q), r, c) + k] - x_zero;
            y[pixel * s->C + k] =
                pare_round_u8((float)sum * (float)(scale / divisor(s, &v)), range);
        }
    }
}

/* The same with LANES channels at a time. */
#define BLOCKED(TYPE, SUM_TYPE, START, STEP, FINISH)                                     \
    for (int64_t line = 0; line < n * s->P; line++)                                      \
        for (int64_t q = 0; q < s->Q; q++) {                                             \
            struct pare_window v = pare_window_at(s, line % s->P, q);                    \
            for (int64_t first = 0; first < s->C; first += LANES) {                      \
                int64_t count = s->C - first < LANES ? s->C - first : LANES;             \
                SUM_TYPE acc[LANES];                                                     \
                for (int64_t k = 0; k < LANES; k++)                                      \
                    acc[k] = START;                                                      \
                for (int64_t r = v.r0; r < v.r1; r++)                                    \
                    for (int64_t c = v.s0; c < v.s1; c++) {                              \
                        const TYPE *from = x + tap_at(s, &v, line / s->P, r, c) + first; \
                        for (int64_t k = 0; k < count; k++)                              \
                            acc[k] = STEP;                                               \
                    }                                                                    \
                TYPE *to = y + (line * s->Q + q) * s->C + first;                         \
                for (int64_t k = 0; k < count; k++)                                      \
                    to[k] = FINISH;                                                      \
            }                                                                            \
        }

PARE_CLONES static void maxpool_f32_plain(float *y, const float *x, const struct pare_conv2d *s,
                                          int64_t n){
    BLOCKED(float, float, -INFINITY, acc[k] > from[k] ? acc[k] : from[k], acc[k])}

PARE_CLONES static void maxpool_u8_plain(uint8_t *y, const uint8_t *x, const struct pare_conv2d *s,
                                         int64_t n){
    BLOCKED(uint8_t, uint8_t, 0, acc[k] > from[k] ? acc[k] : from[k], acc[k])}

PARE_CLONES void pare_avgpool_f32(float *y, const float *x, const struct pare_conv2d *s, int64_t n){
    BLOCKED(float, double, 0, acc[k] + (double)from[k], (float)(acc[k] / divisor(s, &v)))}

PARE_CLONES
    void pare_avgpool_u8(uint8_t *y, const uint8_t *x, int32_t x_zero, const struct pare_conv2d *s,
                         int64_t n, double scale, struct pare_u8_range range)
{
    BLOCKED(uint8_t, int32_t, 0, acc[k] + (int32_t)from[k] - x_zero,
            pare_round_u8((float)acc[k] * (float)(scale / divisor(s, &v)), range))
}

#ifdef PARE_HAVE_X86
/* Small channel counts, which the blocked loops leave to scalar rests, are one masked vector.  Taps of
 * a window that lies inside stand at the same distances everywhere. */
enum { MAX_TAPS = 64 };

static int64_t tap_offsets(int64_t offsets[MAX_TAPS], const struct pare_conv2d *s)
{
    int64_t n = 0;

    for (int64_t r = 0; r < s->R; r++)
        for (int64_t c = 0; c < s->S; c++)
            offsets[n++] = (r * s->dilation_h * s->W + c * s->dilation_w) * s->C;
    return n;
}

PARE_FOR_AVX512 static void maxpool_f32_avx512(float *y, const float *x,
                                               const struct pare_conv2d *s, int64_t n)
{
    int64_t offsets[MAX_TAPS], n_taps = tap_offsets(offsets, s);

    for (int64_t line = 0; line < n * s->P; line++) {
        for (int64_t q = 0; q < s->Q; q++, y += s->C) {
            struct pare_window v = pare_window_at(s, line % s->P, q);
            bool is_inside = (v.r1 - v.r0) * (v.s1 - v.s0) == n_taps;
            const float *from = x + tap_at(s, &v, line / s->P, 0, 0);
            for (int64_t first = 0; first < s->C; first += 16) {
                int64_t left = s->C - first;
                __mmask16 mask = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
                __m512 best = _mm512_set1_ps(-INFINITY);
                for (int64_t t = 0; is_inside && t < n_taps; t++)
                    best =
                        _mm512_max_ps(best, _mm512_maskz_loadu_ps(mask, from + offsets[t] + first));
                for (int64_t r = v.r0; !is_inside && r < v.r1; r++)
                    for (int64_t c = v.s0; c < v.s1; c++)
                        best = _mm512_max_ps(best, _mm512_maskz_loadu_ps(
                                                       mask, from + offsets[r * s->S + c] + first));
                _mm512_mask_storeu_ps(y + first, mask, best);
            }
        }
    }
}

PARE_FOR_AVX512 static void maxpool_u8_avx512(uint8_t *y, const uint8_t *x,
                                              const struct pare_conv2d *s, int64_t n)
{
    int64_t offsets[MAX_TAPS], n_taps = tap_offsets(offsets, s);

    for (int64_t line = 0; line < n * s->P; line++) {
        for (int64_t q = 0; q < s->Q; q++, y += s->C) {
            struct pare_window v = pare_window_at(s, line % s->P, q);
            bool is_inside = (v.r1 - v.r0) * (v.s1 - v.s0) == n_taps;
            const uint8_t *from = x + tap_at(s, &v, line / s->P, 0, 0);
            for (int64_t first = 0; first < s->C; first += 64) {
                int64_t left = s->C - first;
                __mmask64 mask = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
                __m512i best = _mm512_setzero_si512();
                for (int64_t t = 0; is_inside && t < n_taps; t++)
                    best = _mm512_max_epu8(
                        best, _mm512_maskz_loadu_epi8(mask, from + offsets[t] + first));
                for (int64_t r = v.r0; !is_inside && r < v.r1; r++)
                    for (int64_t c = v.s0; c < v.s1; c++)
                        best = _mm512_max_epu8(
                            best,
                            _mm512_maskz_loadu_epi8(mask, from + offsets[r * s->S + c] + first));
                _mm512_mask_storeu_epi8(y + first, mask, best);
            }
        }
    }
}
#endif

void pare_maxpool_f32(float *y, const float *x, const struct pare_conv2d *s, int64_t n,
                      enum pare_isa isa)
{
#ifdef PARE_HAVE_X86
    if (isa >= PARE_ISA_AVX512 && s->R * s->S <= MAX_TAPS) {
        maxpool_f32_avx512(y, x, s, n);
        return;
    }
#endif
    (void)isa;
    maxpool_f32_plain(y, x, s, n);
}

void pare_maxpool_u8(uint8_t *y, const uint8_t *x, const struct pare_conv2d *s, int64_t n,
                     enum pare_isa isa)
{
#ifdef PARE_HAVE_X86
    if (isa >= PARE_ISA_AVX512 && s->R * s->S <= MAX_TAPS) {
        maxpool_u8_avx512(y, x, s, n);
        return;
    }
#endif
    (void)isa;
    maxpool_u8_plain(y, x, s, n);
}
