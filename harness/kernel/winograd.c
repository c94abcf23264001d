#include "kernel/winograd.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "kernel/conv_f32_tile.h"
#include "kernel/walk.h"

#ifdef PARE_HAVE_X86
#include <immintrin.h>

enum { EDGE = 6, N_POINTS = EDGE * EDGE };

struct pare_winograd {
    struct pare_conv2d s;
    float low, high;
    enum pare_isa isa;
    int64_t tile; /* outputs of a tile along an edge: 4 or 2 */
    int64_t n_tiles_h, n_tiles_w;
    int64_t n_chunk;          /* tiles that are transformed and multiplied together */
    int64_t c_lanes, m_lanes; /* C rounded up to 16, M to 8 */
    float *w;                 /* [36][share of channels][C][lanes of the share] */
    float *bias;              /* [m_lanes] */
    float *zeros;             /* [m_lanes] */
};

/* G: one filter line of R taps at the six points. */
static void at_points(double *out, const double *g, int64_t n_taps, int64_t stride)
{
    static const double points[EDGE - 1] = {0, 1, -1, 2, -2};
    static const double factors[EDGE - 1] = {1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24};

    for (int i = 0; i < EDGE - 1; i++) {
        double sum = 0;
        for (int64_t k = n_taps - 1; k >= 0; k--)
            sum = sum * points[i] + g[k * stride];
        out[i * stride] = sum * factors[i];
    }
    out[(EDGE - 1) * stride] = g[(n_taps - 1) * stride];
}

/* G g G', in double: the weights are transformed once. */
static void transform_filter(double out[N_POINTS], const float *w, const struct pare_conv2d *s)
{
    double rows[EDGE * EDGE] = {0}, half[EDGE * EDGE];

    for (int64_t r = 0; r < s->R; r++)
        for (int64_t c = 0; c < s->S; c++)
            rows[r * EDGE + c] = (double)w[(r * s->S + c) * s->C];
    for (int64_t c = 0; c < s->S; c++)
        at_points(half + c, rows + c, s->R, EDGE);
    for (int64_t r = 0; r < EDGE; r++)
        at_points(out + r * EDGE, half + r * EDGE, s->S, 1);
}

static void pack(struct pare_winograd *conv, const float *w)
{
    const struct pare_conv2d *s = &conv->s;
    int64_t per_point = s->C * conv->m_lanes;

    for (int64_t m = 0; m < s->M; m++)
        for (int64_t c = 0; c < s->C; c++) {
            double points[N_POINTS];
            transform_filter(points, w + m * s->R * s->S * s->C + c, s);
            /* The share that holds channel m, its width, and the place inside. */
            int64_t first = 0;
            struct pare_share share = pare_walk_share(s->M, pare_tile_f32_panels(conv->isa));
            while (m >= first + share.lanes) {
                first += share.lanes;
                share = pare_walk_share(s->M - first, pare_tile_f32_panels(conv->isa));
            }
            int64_t at = first * s->C + c * share.lanes + m - first;
            for (int64_t i = 0; i < N_POINTS; i++)
                conv->w[i * per_point + at] = (float)points[i];
        }
}

pare_status pare_winograd_new(struct pare_winograd **out, const struct pare_conv2d *s,
                              const float *w, const float *bias, float low, float high,
                              enum pare_isa isa, struct pare_error *err)
{
    /* Transformed input and output of a chunk together: they should stay in the second-level cache
     * beside the weights, and are scratch in the plan's arena. */
    const int64_t chunk_bytes = 96 * 1024;
    struct pare_winograd *conv;
    struct pare_walk walk;
    pare_status st;

    if (isa < PARE_ISA_AVX512 || s->R != s->S || (s->R != 3 && s->R != 5) || s->stride_h != 1 ||
        s->stride_w != 1 || s->dilation_h != 1 || s->dilation_w != 1 || s->group != 1)
        return pare_fail(err, PARE_EUNSUPPORTED, "not a 3x3 or 5x5 filter of stride 1");
    st = pare_walk_init(&walk, s, err); /* checks the geometry */
    pare_walk_clear(&walk);
    if (st)
        return st;
    conv = pare_xcalloc(1, sizeof *conv);
    conv->s = *s;
    conv->low = low;
    conv->high = high;
    conv->isa = isa;
    conv->tile = EDGE + 1 - s->R;
    conv->n_tiles_h = (s->P + conv->tile - 1) / conv->tile;
    conv->n_tiles_w = (s->Q + conv->tile - 1) / conv->tile;
    conv->c_lanes = (s->C + 15) / 16 * 16;
    conv->m_lanes = pare_walk_lanes(s->M);
    int64_t n_tiles = conv->n_tiles_h * conv->n_tiles_w;
    conv->n_chunk =
        chunk_bytes / (N_POINTS * (int64_t)sizeof(float) * (conv->c_lanes + conv->m_lanes));
    conv->n_chunk = conv->n_chunk < 4 ? 4 : conv->n_chunk;
    conv->n_chunk = conv->n_chunk < n_tiles ? conv->n_chunk : n_tiles;
    size_t n_bytes = (size_t)(N_POINTS * s->C * conv->m_lanes) * sizeof(float);
    size_t m_bytes = (size_t)(conv->m_lanes + 15) / 16 * 16 * sizeof(float);

    n_bytes = (n_bytes + 63) / 64 * 64;
    conv->w = aligned_alloc(64, n_bytes);
    conv->bias = aligned_alloc(64, m_bytes);
    conv->zeros = aligned_alloc(64, m_bytes);
    if (!conv->w || !conv->bias || !conv->zeros) {
        pare_winograd_free(conv);
        return pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes of packed weights", n_bytes);
    }
    memset(conv->w, 0, n_bytes);
    memset(conv->bias, 0, m_bytes);
    memset(conv->zeros, 0, m_bytes);
    if (bias)
        memcpy(conv->bias, bias, (size_t)s->M * sizeof *bias);
    pack(conv, w);
    *out = conv;
    return PARE_OK;
}

void pare_winograd_free(struct pare_winograd *conv)
{
    if (!conv)
        return;
    free(conv->w);
    free(conv->bias);
    free(conv->zeros);
    free(conv);
}

size_t pare_winograd_weight_bytes(const struct pare_winograd *conv)
{
    return (size_t)(N_POINTS * conv->s.C * conv->m_lanes + conv->m_lanes) * sizeof(float);
}

size_t pare_winograd_work_bytes(const struct pare_winograd *conv)
{
    /* Half a panel's results are read as a whole vector. */
    return (size_t)(N_POINTS * conv->n_chunk * (conv->c_lanes + conv->m_lanes) + PARE_PANEL / 2) *
           sizeof(float);
}

#define INLINE static inline __attribute__((always_inline)) PARE_FOR_AVX512

INLINE __mmask16 first_lanes(int64_t n)
{
    return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}

INLINE __m512 times(float a, __m512 x)
{
    return _mm512_mul_ps(_mm512_set1_ps(a), x);
}

/* a x + y */
INLINE __m512 fused(float a, __m512 x, __m512 y)
{
    return _mm512_fmadd_ps(_mm512_set1_ps(a), x, y);
}

/* B' on one line of six. */
INLINE void to_points(__m512 *o, int stride, const __m512 d[EDGE])
{
    __m512 a = fused(-4, d[2], d[4]), b = fused(-4, d[1], d[3]);
    __m512 c = _mm512_sub_ps(d[4], d[2]), e = times(2, _mm512_sub_ps(d[3], d[1]));

    o[0] = fused(4, d[0], fused(-5, d[2], d[4]));
    o[1 * stride] = _mm512_add_ps(a, b);
    o[2 * stride] = _mm512_sub_ps(a, b);
    o[3 * stride] = _mm512_add_ps(c, e);
    o[4 * stride] = _mm512_sub_ps(c, e);
    o[5 * stride] = fused(4, d[1], fused(-5, d[3], d[5]));
}

/* A' on one line of six: two or four outputs. */
INLINE void from_points(__m512 *o, int stride, const __m512 m[EDGE], int64_t n)
{
    __m512 s = _mm512_add_ps(m[1], m[2]), d = _mm512_sub_ps(m[1], m[2]);
    __m512 s2 = _mm512_add_ps(m[3], m[4]), d2 = _mm512_sub_ps(m[3], m[4]);

    o[0] = _mm512_add_ps(_mm512_add_ps(m[0], s), s2);
    if (n == 2) {
        o[stride] = _mm512_add_ps(fused(2, d2, d), m[5]);
        return;
    }
    o[1 * stride] = fused(2, d2, d);
    o[2 * stride] = fused(4, s2, s);
    o[3 * stride] = _mm512_add_ps(fused(8, d2, d), m[5]);
}

/* Six by six inputs of one tile, 16 channels; what lies outside is zero. */
INLINE void load_tile(__m512 d[N_POINTS], const struct pare_conv2d *s, const float *x, int64_t h,
                      int64_t w, __mmask16 mask)
{
    if (h >= 0 && h + EDGE <= s->H && w >= 0 && w + EDGE <= s->W) {
        for (int i = 0; i < EDGE; i++)
            for (int j = 0; j < EDGE; j++)
                d[i * EDGE + j] = _mm512_maskz_loadu_ps(mask, x + ((h + i) * s->W + w + j) * s->C);
        return;
    }
    for (int i = 0; i < EDGE; i++)
        for (int j = 0; j < EDGE; j++) {
            bool is_inside = h + i >= 0 && h + i < s->H && w + j >= 0 && w + j < s->W;
            d[i * EDGE + j] = is_inside
                                  ? _mm512_maskz_loadu_ps(mask, x + ((h + i) * s->W + w + j) * s->C)
                                  : _mm512_setzero_ps();
        }
}

PARE_FOR_AVX512 static void transform_input(const struct pare_winograd *conv, float *v,
                                            const float *x, int64_t first_tile, int64_t n_tiles)
{
    const struct pare_conv2d *s = &conv->s;

    for (int64_t t = 0; t < n_tiles; t++) {
        int64_t h = (first_tile + t) / conv->n_tiles_w * conv->tile - s->pad_top;
        int64_t w = (first_tile + t) % conv->n_tiles_w * conv->tile - s->pad_left;
        for (int64_t c = 0; c < s->C; c += 16) {
            __m512 d[N_POINTS], half[N_POINTS], line[EDGE];
            load_tile(d, s, x + c, h, w, first_lanes(s->C - c));
            for (int i = 0; i < EDGE; i++)
                to_points(half + i * EDGE, 1, d + i * EDGE);
            for (int j = 0; j < EDGE; j++) {
                for (int i = 0; i < EDGE; i++)
                    line[i] = half[i * EDGE + j];
                to_points(d + j, EDGE, line);
            }
            for (int i = 0; i < N_POINTS; i++)
                _mm512_storeu_ps(v + (i * conv->n_chunk + t) * conv->c_lanes + c, d[i]);
        }
    }
}

INLINE void store_tile(const struct pare_winograd *conv, float *y, const __m512 *o, int64_t p,
                       int64_t q, int64_t m, const int64_t tile)
{
    const struct pare_conv2d *s = &conv->s;
    __m512 bias = _mm512_loadu_ps(conv->bias + m);
    __m512 low = _mm512_set1_ps(conv->low), high = _mm512_set1_ps(conv->high);
    __mmask16 mask = first_lanes(s->M - m);

    for (int64_t i = 0; i < tile && p + i < s->P; i++)
        for (int64_t j = 0; j < tile && q + j < s->Q; j++) {
            /* The maximum's second operand wins over a NaN in the first: a NaN stays. */
            __m512 sum = _mm512_add_ps(o[i * tile + j], bias);
            sum = _mm512_min_ps(high, _mm512_max_ps(low, sum));
            _mm512_mask_storeu_ps(y + ((p + i) * s->Q + q + j) * s->M + m, mask, sum);
        }
}

INLINE void transform_outputs(const struct pare_winograd *conv, float *y, const float *sums,
                              int64_t first_tile, int64_t n_tiles, const int64_t tile)
{
    for (int64_t t = 0; t < n_tiles; t++) {
        int64_t p = (first_tile + t) / conv->n_tiles_w * tile;
        int64_t q = (first_tile + t) % conv->n_tiles_w * tile;
        for (int64_t m = 0; m < conv->s.M; m += 16) {
            __m512 half[EDGE * 4], line[EDGE], o[16];
            for (int i = 0; i < EDGE; i++) {
                for (int j = 0; j < EDGE; j++)
                    line[j] = _mm512_loadu_ps(
                        sums + ((i * EDGE + j) * conv->n_chunk + t) * conv->m_lanes + m);
                from_points(half + i * tile, 1, line, tile);
            }
            for (int64_t j = 0; j < tile; j++) {
                for (int i = 0; i < EDGE; i++)
                    line[i] = half[i * tile + j];
                from_points(o + j, (int)tile, line, tile);
            }
            store_tile(conv, y, o, p, q, m, tile);
        }
    }
}

PARE_FOR_AVX512 static void transform_outputs_of_4(const struct pare_winograd *conv, float *y,
                                                   const float *sums, int64_t first, int64_t n)
{
    transform_outputs(conv, y, sums, first, n, 4);
}

PARE_FOR_AVX512 static void transform_outputs_of_2(const struct pare_winograd *conv, float *y,
                                                   const float *sums, int64_t first, int64_t n)
{
    transform_outputs(conv, y, sums, first, n, 2);
}

/* At each of the 36 points: [tiles, C] times [C, M]. */
static void multiply(const struct pare_winograd *conv, float *sums, const float *v, int64_t n_tiles)
{
    static const int64_t offset = 0;
    struct pare_tile_f32 tile = {.w = conv->w,
                                 .bias = conv->zeros,
                                 .offsets = &offset,
                                 .n_runs = 1,
                                 .run_elems = conv->s.C,
                                 .x_pixel = conv->c_lanes,
                                 .y_pixel = conv->m_lanes,
                                 .low = -__builtin_inff(),
                                 .high = __builtin_inff()};

    for (int64_t i = 0; i < N_POINTS; i++)
        for (int64_t first = 0; first < conv->s.M;) {
            struct pare_share share =
                pare_walk_share(conv->s.M - first, pare_tile_f32_panels(conv->isa));
            int64_t most = pare_tile_f32_pixels(conv->isa, share.n_panels, false);
            int64_t n_calls = (n_tiles + most - 1) / most;
            tile.n_channels = share.lanes;
            for (int64_t k = 0; k < n_calls; k++) {
                int64_t from = n_tiles * k / n_calls, end = n_tiles * (k + 1) / n_calls;
                pare_tile_f32(conv->isa, (int)(end - from), share.n_panels, share.is_half, false)(
                    &tile, sums + (i * conv->n_chunk + from) * conv->m_lanes + first,
                    v + (i * conv->n_chunk + from) * conv->c_lanes);
            }
            tile.w += share.lanes * conv->s.C;
            first += share.lanes;
        }
}

void pare_winograd_run(const struct pare_winograd *conv, float *y, const float *x, int64_t n,
                       void *work)
{
    const struct pare_conv2d *s = &conv->s;
    int64_t n_tiles = conv->n_tiles_h * conv->n_tiles_w;
    float *v = work, *sums = v + N_POINTS * conv->n_chunk * conv->c_lanes;

    for (int64_t i = 0; i < n; i++) {
        for (int64_t first = 0; first < n_tiles; first += conv->n_chunk) {
            int64_t count = n_tiles - first < conv->n_chunk ? n_tiles - first : conv->n_chunk;
            transform_input(conv, v, x, first, count);
            multiply(conv, sums, v, count);
            if (conv->tile == 4)
                transform_outputs_of_4(conv, y, sums, first, count);
            else
                transform_outputs_of_2(conv, y, sums, first, count);
        }
        x += s->H * s->W * s->C;
        y += s->P * s->Q * s->M;
    }
}

#else /* no AVX-512 */

pare_status pare_winograd_new(struct pare_winograd **out, const struct pare_conv2d *s,
                              const float *w, const float *bias, float low, float high,
                              enum pare_isa isa, struct pare_error *err)
{
    (void)out, (void)s, (void)w, (void)bias, (void)low, (void)high, (void)isa;
    return pare_fail(err, PARE_EUNSUPPORTED, "needs AVX-512");
}

void pare_winograd_free(struct pare_winograd *conv)
{
    (void)conv;
}

size_t pare_winograd_weight_bytes(const struct pare_winograd *conv)
{
    (void)conv;
    return 0;
}

size_t pare_winograd_work_bytes(const struct pare_winograd *conv)
{
    (void)conv;
    return 0;
}

void pare_winograd_run(const struct pare_winograd *conv, float *y, const float *x, int64_t n,
                       void *work)
{
    (void)conv, (void)y, (void)x, (void)n, (void)work;
}
#endif
