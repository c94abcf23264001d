#include "kernel/depthwise_packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "kernel/walk.h"

#ifdef PARE_HAVE_X86
#include <immintrin.h>

enum { TAPS = 4 }; /* that one integer dot product takes */

/* One vector of a line of outputs. */
struct chunk {
    int64_t x, w, y; /* first element: in the input's line, the packed weights, the output's line */
    int64_t count;
};

struct pare_depthwise {
    struct pare_walk walk;
    bool is_u8;
    int64_t lanes;    /* of a vector: 16 f32, 64 u8 */
    int64_t n_packed; /* elements of a line of packed weights, a multiple of lanes */
    int64_t n_chunks;
    struct chunk *chunks;
    int64_t n_taps;
    int64_t *taps; /* distances in the (framed) input; u8: rounded up to fours */
    float low, high;
    float *w, *bias; /* f32: [taps][n_packed], [n_packed] */
    int32_t x_zero;
    struct pare_u8_range range;
    int8_t *w_s8;      /* [taps / 4][n_packed][4], in interleaved order */
    int32_t *bias_s32; /* [n_packed], the same order */
    float *scale;
};

void pare_depthwise_free(struct pare_depthwise *conv)
{
    if (!conv)
        return;
    pare_walk_clear(&conv->walk);
    free(conv->chunks);
    free(conv->taps);
    free(conv->w);
    free(conv->bias);
    free(conv->w_s8);
    free(conv->bias_s32);
    free(conv->scale);
    free(conv);
}

/* The channel of packed element i; the rest of the last vector repeats some channel. */
static int64_t channel_of(const struct pare_depthwise *conv, int64_t i)
{
    return i % conv->walk.s.C;
}

/* Where packed u8 element i goes when four taps are interleaved: byte, then word, unpacking keeps to
 * 128-bit lanes, so vector k of four holds elements 4k..4k+3 of each lane. */
static int64_t interleaved(int64_t i)
{
    int64_t lane = i % 64 / 16, k = i % 16 / 4, d = i % 4;
    return i / 64 * 64 + k * 16 + lane * 4 + d;
}

static pare_status start(struct pare_depthwise **out, const struct pare_conv2d *s, bool is_u8,
                         struct pare_error *err)
{
    struct pare_depthwise *conv;
    pare_status st;

    if (s->group != s->C || s->M != s->C)
        return pare_fail(err, PARE_EUNSUPPORTED, "not a depthwise convolution");
    conv = pare_xcalloc(1, sizeof *conv);
    st = pare_walk_init(&conv->walk, s, err);
    if (st) {
        pare_depthwise_free(conv);
        return st;
    }
    conv->is_u8 = is_u8;
    conv->lanes = is_u8 ? 64 : 16;
    bool is_line = s->stride_w == 1;
    int64_t line = is_line ? s->Q * s->C : s->C, n_pieces = is_line ? 1 : s->Q;
    int64_t per_piece = (line + conv->lanes - 1) / conv->lanes;
    conv->n_packed = per_piece * conv->lanes;
    conv->n_chunks = per_piece * n_pieces;
    conv->chunks = pare_xcalloc((size_t)conv->n_chunks, sizeof *conv->chunks);
    for (int64_t i = 0; i < conv->n_chunks; i++) {
        int64_t piece = i / per_piece, w = i % per_piece * conv->lanes;
        conv->chunks[i] = (struct chunk){.x = piece * s->stride_w * s->C + w,
                                         .w = w,
                                         .y = piece * s->C + w,
                                         .count = line - w < conv->lanes ? line - w : conv->lanes};
    }
    conv->n_taps = s->R * s->S;
    /* Taps that fill up the last four read what another reads, with weight zero. */
    conv->taps = pare_xcalloc((size_t)(conv->n_taps + TAPS), sizeof *conv->taps);
    for (int64_t t = 0; t < conv->n_taps; t++)
        conv->taps[t] =
            (t / s->S * s->dilation_h * conv->walk.frame_w + t % s->S * s->dilation_w) * s->C;
    *out = conv;
    return PARE_OK;
}

static void *vectors(int64_t n, size_t elem_bytes)
{
    size_t n_bytes = ((size_t)n * elem_bytes + 63) / 64 * 64;
    void *data = aligned_alloc(64, n_bytes);

    if (data)
        memset(data, 0, n_bytes);
    return data;
}

pare_status pare_depthwise_f32_new(struct pare_depthwise **out, const struct pare_conv2d *s,
                                   const float *w, const float *bias, float low, float high,
                                   enum pare_isa isa, struct pare_error *err)
{
    struct pare_depthwise *conv;
    pare_status st;

    if (isa < PARE_ISA_AVX512)
        return pare_fail(err, PARE_EUNSUPPORTED, "needs AVX-512");
    st = start(&conv, s, false, err);
    if (st)
        return st;
    conv->low = low;
    conv->high = high;
    conv->w = vectors(conv->n_taps * conv->n_packed, sizeof *conv->w);
    conv->bias = vectors(conv->n_packed, sizeof *conv->bias);
    if (!conv->w || !conv->bias) {
        pare_depthwise_free(conv);
        return pare_fail(err, PARE_ENOMEM, "no memory for packed weights");
    }
    for (int64_t i = 0; i < conv->n_packed; i++) {
        for (int64_t t = 0; t < conv->n_taps; t++)
            conv->w[t * conv->n_packed + i] = w[t * s->C + channel_of(conv, i)];
        conv->bias[i] = bias[channel_of(conv, i)];
    }
    *out = conv;
    return PARE_OK;
}

pare_status pare_depthwise_u8_new(struct pare_depthwise **out, const struct pare_conv2d *s,
                                  int32_t x_zero, const int8_t *w, const int32_t *bias,
                                  const struct pare_conv_u8_result *result, enum pare_isa isa,
                                  struct pare_error *err)
{
    struct pare_depthwise *conv;
    pare_status st;

    if (isa < PARE_ISA_VNNI || result->is_f32)
        return pare_fail(err, PARE_EUNSUPPORTED, "needs VNNI and a u8 result");
    st = start(&conv, s, true, err);
    if (st)
        return st;
    int64_t n_fours = (conv->n_taps + TAPS - 1) / TAPS;
    conv->x_zero = x_zero;
    conv->range = result->range;
    conv->w_s8 = vectors(n_fours * conv->n_packed * TAPS, 1);
    conv->bias_s32 = vectors(conv->n_packed, sizeof *conv->bias_s32);
    conv->scale = vectors(conv->n_packed, sizeof *conv->scale);
    if (!conv->w_s8 || !conv->bias_s32 || !conv->scale) {
        pare_depthwise_free(conv);
        return pare_fail(err, PARE_ENOMEM, "no memory for packed weights");
    }
    for (int64_t i = 0; i < conv->n_packed; i++) {
        int64_t c = channel_of(conv, i), at = interleaved(i);
        int32_t sum = 0;
        for (int64_t t = 0; t < conv->n_taps; t++) {
            conv->w_s8[(t / TAPS * conv->n_packed + at) * TAPS + t % TAPS] = w[t * s->C + c];
            sum += w[t * s->C + c];
        }
        conv->bias_s32[at] = bias[c] - x_zero * sum;
        conv->scale[at] = result->scale[c];
    }
    *out = conv;
    return PARE_OK;
}

size_t pare_depthwise_weight_bytes(const struct pare_depthwise *conv)
{
    int64_t n_fours = (conv->n_taps + TAPS - 1) / TAPS;

    return (size_t)conv->n_packed *
           (conv->is_u8 ? (size_t)n_fours * TAPS + 8 : (size_t)(conv->n_taps + 1) * sizeof(float));
}

size_t pare_depthwise_work_bytes(const struct pare_depthwise *conv)
{
    size_t n_elems = (size_t)pare_walk_frame_elems(&conv->walk);

    return n_elems == 0 ? 0 : conv->is_u8 ? n_elems + PARE_CONV_U8_SLACK : n_elems * sizeof(float);
}

#define INLINE static inline __attribute__((always_inline))

/* n_rows (a constant in every caller) rows of outputs: a weight is loaded once for all. */
INLINE PARE_FOR_AVX512 void rows_f32(const struct pare_depthwise *conv, float *y, const float *x,
                                     const int n_rows)
{
    const struct pare_conv2d *s = &conv->walk.s;
    int64_t x_row = s->stride_h * conv->walk.frame_w * s->C, y_row = s->Q * s->C;

    for (int64_t i = 0; i < conv->n_chunks; i++) {
        const struct chunk *chunk = &conv->chunks[i];
        __mmask16 mask = chunk->count >= 16 ? 0xffff : (__mmask16)((1u << chunk->count) - 1);
        __m512 sum[4];
#pragma GCC unroll 4
        for (int j = 0; j < n_rows; j++)
            sum[j] = _mm512_loadu_ps(conv->bias + chunk->w);
        for (int64_t t = 0; t < conv->n_taps; t++) {
            __m512 w = _mm512_loadu_ps(conv->w + t * conv->n_packed + chunk->w);
            const float *from = x + conv->taps[t] + chunk->x;
#pragma GCC unroll 4
            for (int j = 0; j < n_rows; j++)
                sum[j] = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(mask, from + j * x_row), sum[j]);
        }
#pragma GCC unroll 4
        for (int j = 0; j < n_rows; j++) {
            /* The maximum's second operand wins over a NaN in the first: a NaN stays. */
            __m512 v = _mm512_max_ps(_mm512_set1_ps(conv->low), sum[j]);
            v = _mm512_min_ps(_mm512_set1_ps(conv->high), v);
            _mm512_mask_storeu_ps(y + j * y_row + chunk->y, mask, v);
        }
    }
}

PARE_FOR_AVX512 static void rows_f32_4(const struct pare_depthwise *conv, float *y, const float *x)
{
    rows_f32(conv, y, x, 4);
}

PARE_FOR_AVX512 static void rows_f32_1(const struct pare_depthwise *conv, float *y, const float *x)
{
    rows_f32(conv, y, x, 1);
}

INLINE PARE_FOR_VNNI __m512i requantized(const struct pare_depthwise *conv, __m512i acc, int64_t at)
{
    __m512 t = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(conv->scale + at));

    t = _mm512_max_ps(t, _mm512_set1_ps((float)(conv->range.low - conv->range.zero)));
    t = _mm512_min_ps(t, _mm512_set1_ps((float)(conv->range.high - conv->range.zero)));
    return _mm512_add_epi32(_mm512_cvtps_epi32(t), _mm512_set1_epi32(conv->range.zero));
}

PARE_FOR_VNNI static void row_u8(const struct pare_depthwise *conv, uint8_t *y, const uint8_t *x)
{
    for (int64_t i = 0; i < conv->n_chunks; i++) {
        const struct chunk *chunk = &conv->chunks[i];
        const int8_t *w = conv->w_s8 + chunk->w * TAPS;
        __mmask64 mask = chunk->count >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << chunk->count) - 1;
        __m512i sum[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            sum[k] = _mm512_loadu_si512(conv->bias_s32 + chunk->w + 16 * k);
        for (int64_t t = 0; t < conv->n_taps; t += TAPS, w += conv->n_packed * TAPS) {
            const int64_t *taps = conv->taps + t;
            __m512i a = _mm512_loadu_si512(x + taps[0] + chunk->x);
            __m512i b = _mm512_loadu_si512(x + taps[1] + chunk->x);
            __m512i c = _mm512_loadu_si512(x + taps[2] + chunk->x);
            __m512i d = _mm512_loadu_si512(x + taps[3] + chunk->x);
            __m512i ab = _mm512_unpacklo_epi8(a, b), AB = _mm512_unpackhi_epi8(a, b);
            __m512i cd = _mm512_unpacklo_epi8(c, d), CD = _mm512_unpackhi_epi8(c, d);
            sum[0] =
                _mm512_dpbusd_epi32(sum[0], _mm512_unpacklo_epi16(ab, cd), _mm512_loadu_si512(w));
            sum[1] = _mm512_dpbusd_epi32(sum[1], _mm512_unpackhi_epi16(ab, cd),
                                         _mm512_loadu_si512(w + 64));
            sum[2] = _mm512_dpbusd_epi32(sum[2], _mm512_unpacklo_epi16(AB, CD),
                                         _mm512_loadu_si512(w + 128));
            sum[3] = _mm512_dpbusd_epi32(sum[3], _mm512_unpackhi_epi16(AB, CD),
                                         _mm512_loadu_si512(w + 192));
        }
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            sum[k] = requantized(conv, sum[k], chunk->w + 16 * k);
        /* Packing keeps to the lanes as unpacking did: the order is the old one again. */
        __m512i packed = _mm512_packus_epi16(_mm512_packs_epi32(sum[0], sum[1]),
                                             _mm512_packs_epi32(sum[2], sum[3]));
        _mm512_mask_storeu_epi8(y + chunk->y, mask, packed);
    }
}

static void run_f32(const struct pare_depthwise *conv, float *y, const float *x)
{
    const struct pare_conv2d *s = &conv->walk.s;
    int64_t x_row = s->stride_h * conv->walk.frame_w * s->C, y_row = s->Q * s->C, p = 0;

    for (; p + 4 <= s->P; p += 4)
        rows_f32_4(conv, y + p * y_row, x + p * x_row);
    for (; p < s->P; p++)
        rows_f32_1(conv, y + p * y_row, x + p * x_row);
}

static void run_u8(const struct pare_depthwise *conv, uint8_t *y, const uint8_t *x)
{
    const struct pare_conv2d *s = &conv->walk.s;

    for (int64_t p = 0; p < s->P; p++)
        row_u8(conv, y + p * s->Q * s->C, x + p * s->stride_h * conv->walk.frame_w * s->C);
}

void pare_depthwise_run(const struct pare_depthwise *conv, void *y, const void *x, int64_t n,
                        void *work)
{
    const struct pare_conv2d *s = &conv->walk.s;
    int64_t elem = conv->is_u8 ? 1 : (int64_t)sizeof(float);

    for (int64_t i = 0; i < n; i++) {
        const void *image = (const char *)x + i * s->H * s->W * s->C * elem;
        char *to = (char *)y + i * s->P * s->Q * s->C * elem;
        if (conv->walk.is_framed) {
            pare_walk_frame(&conv->walk, work, image, elem, conv->x_zero);
            image = work;
        }
        if (conv->is_u8)
            run_u8(conv, (uint8_t *)to, image);
        else
            run_f32(conv, (float *)(void *)to, image);
    }
}

#else /* no AVX-512 */

pare_status pare_depthwise_f32_new(struct pare_depthwise **out, const struct pare_conv2d *s,
                                   const float *w, const float *bias, float low, float high,
                                   enum pare_isa isa, struct pare_error *err)
{
    (void)out, (void)s, (void)w, (void)bias, (void)low, (void)high, (void)isa;
    return pare_fail(err, PARE_EUNSUPPORTED, "needs AVX-512");
}

pare_status pare_depthwise_u8_new(struct pare_depthwise **out, const struct pare_conv2d *s,
                                  int32_t x_zero, const int8_t *w, const int32_t *bias,
                                  const struct pare_conv_u8_result *result, enum pare_isa isa,
                                  struct pare_error *err)
{
    (void)out, (void)s, (void)x_zero, (void)w, (void)bias, (void)result, (void)isa;
    return pare_fail(err, PARE_EUNSUPPORTED, "needs VNNI");
}

void pare_depthwise_free(struct pare_depthwise *conv)
{
    (void)conv;
}

size_t pare_depthwise_weight_bytes(const struct pare_depthwise *conv)
{
    (void)conv;
    return 0;
}

size_t pare_depthwise_work_bytes(const struct pare_depthwise *conv)
{
    (void)conv;
    return 0;
}

void pare_depthwise_run(const struct pare_depthwise *conv, void *y, const void *x, int64_t n,
                        void *work)
{
    (void)conv, (void)y, (void)x, (void)n, (void)work;
}
#endif
