#include "kernel/sparse.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/simd.h"
#include "kernel/walk.h"

#ifdef PARE_HAVE_X86
#include <immintrin.h>
#endif

enum {
    N_PARTS = 4,     /* partial sums of one output */
    LANES = 96,      /* pixels of one inner step: 6 vectors, 24 sums in registers */
    FEW_SAMPLES = 8, /* a smaller batch of a product is not worth turning */
    MAX_SAMPLES = 96 /* that are turned together */
};

struct pare_sparse_f32 {
    struct pare_walk walk;
    enum pare_isa isa;
    bool is_product;
    float low, high;
    int64_t n_planes, plane; /* planes of the turned input, elements of each */
    int64_t n_wide;          /* outputs of one image, the thrown away ones included */
    int64_t *first;          /* [M + 1] */
    int32_t *offsets;        /* [non-zeros]: in the turned input; of a product: input channel */
    float *values;           /* [non-zeros] */
    float *bias;             /* [M] */
};

pare_status pare_sparse_f32_new(struct pare_sparse_f32 **out, const struct pare_conv2d *s,
                                const float *w, const float *bias, float low, float high,
                                enum pare_isa isa, struct pare_error *err)
{
    struct pare_sparse_f32 *conv = pare_xcalloc(1, sizeof *conv);
    struct pare_walk *walk = &conv->walk;
    pare_status st = pare_walk_init(walk, s, err);

    if (!st && (s->group != 1 || s->stride_w != 1))
        st = pare_fail(err, PARE_EUNSUPPORTED, "sparse convolution with a stride or groups");
    if (st)
        goto done;
    conv->isa = isa;
    conv->low = low;
    conv->high = high;
    conv->is_product = walk->is_matrix && s->H == 1 && s->W == 1;
    conv->n_planes = s->C;
    conv->plane = conv->is_product ? MAX_SAMPLES : walk->frame_h * walk->frame_w;
    conv->n_wide = (s->P - 1) * s->stride_h * walk->frame_w + s->Q;
    int64_t line = s->R * s->S * s->C, n_nonzero = 0;
    for (int64_t k = 0; k < s->M * line; k++)
        n_nonzero += w[k] != 0;
    if (conv->n_planes * conv->plane > INT32_MAX) {
        st = pare_fail(err, PARE_EUNSUPPORTED, "sparse convolution of so large an image");
        goto done;
    }
    conv->first = calloc((size_t)s->M + 1, sizeof *conv->first);
    conv->offsets = calloc((size_t)n_nonzero + 1, sizeof *conv->offsets);
    conv->values = calloc((size_t)n_nonzero + 1, sizeof *conv->values);
    conv->bias = calloc((size_t)s->M, sizeof *conv->bias);
    if (!conv->first || !conv->offsets || !conv->values || !conv->bias) {
        st = pare_fail(err, PARE_ENOMEM, "no memory for %lld weights", (long long)n_nonzero);
        goto done;
    }
    int64_t at = 0;
    for (int64_t m = 0; m < s->M; m++) {
        for (int64_t k = 0; k < line; k++) {
            int64_t r = k / (s->S * s->C), c = k / s->C % s->S;
            float value = w[m * line + k];
            if (value == 0)
                continue;
            conv->values[at] = value;
            conv->offsets[at++] =
                (int32_t)(conv->is_product
                              ? k
                              : k % s->C * conv->plane + r * s->dilation_h * walk->frame_w +
                                    c * s->dilation_w);
        }
        conv->first[m + 1] = at;
        conv->bias[m] = bias ? bias[m] : 0;
    }
    *out = conv;
    conv = NULL;
done:
    pare_sparse_f32_free(conv);
    return st;
}

void pare_sparse_f32_free(struct pare_sparse_f32 *conv)
{
    if (!conv)
        return;
    pare_walk_clear(&conv->walk);
    free(conv->first);
    free(conv->offsets);
    free(conv->values);
    free(conv->bias);
    free(conv);
}

size_t pare_sparse_f32_weight_bytes(const struct pare_sparse_f32 *conv)
{
    size_t n_rows = (size_t)conv->walk.s.M;

    return (size_t)conv->first[n_rows] * (sizeof(int32_t) + sizeof(float)) +
           (n_rows + 1) * sizeof(int64_t) + n_rows * sizeof(float);
}

/* The turned input, with room to read beyond, and one row of results. */
static size_t turned_elems(const struct pare_sparse_f32 *conv)
{
    return (size_t)(conv->n_planes * conv->plane + LANES);
}

size_t pare_sparse_f32_work_bytes(const struct pare_sparse_f32 *conv)
{
    return (turned_elems(conv) + LANES) * sizeof(float);
}

static inline float clamped(const struct pare_sparse_f32 *conv, float v)
{
    v = v < conv->low ? conv->low : v;
    return v > conv->high ? conv->high : v;
}

/* A small batch of a product: each weight picks its input element. */
static void run_few_plain(const struct pare_sparse_f32 *conv, float *y, const float *x, int64_t n)
{
    const struct pare_conv2d *s = &conv->walk.s;

    for (int64_t i = 0; i < n; i++, x += s->C, y += s->M)
        for (int64_t m = 0; m < s->M; m++) {
            float sum[N_PARTS] = {0};
            for (int64_t k = conv->first[m]; k < conv->first[m + 1]; k++) {
                float *to = &sum[(k - conv->first[m]) % N_PARTS];
                *to = __builtin_fmaf(conv->values[k], x[conv->offsets[k]], *to);
            }
            y[m] = clamped(conv, (sum[0] + sum[1]) + (sum[2] + sum[3]) + conv->bias[m]);
        }
}

#ifdef PARE_HAVE_X86
/* One by one: on many cores that beats gathering into vectors, and the order is that of the others. */
PARE_FOR_AVX2 static void run_few_avx2(const struct pare_sparse_f32 *conv, float *y, const float *x,
                                       int64_t n)
{
    const struct pare_conv2d *s = &conv->walk.s;
    const int32_t *offsets = conv->offsets;
    const float *values = conv->values;

    for (int64_t i = 0; i < n; i++, x += s->C, y += s->M)
        for (int64_t m = 0; m < s->M; m++) {
            __m128 sum[N_PARTS] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(),
                                   _mm_setzero_ps()};
            int64_t k = conv->first[m], end = conv->first[m + 1];
            for (; k + N_PARTS <= end; k += N_PARTS)
#pragma GCC unroll 4
                for (int p = 0; p < N_PARTS; p++)
                    sum[p] = _mm_fmadd_ss(_mm_load_ss(values + k + p),
                                          _mm_load_ss(x + offsets[k + p]), sum[p]);
#pragma GCC unroll 3
            for (int p = 0; p < N_PARTS - 1; p++)
                if (k + p < end)
                    sum[p] = _mm_fmadd_ss(_mm_load_ss(values + k + p),
                                          _mm_load_ss(x + offsets[k + p]), sum[p]);
            float total = (_mm_cvtss_f32(sum[0]) + _mm_cvtss_f32(sum[1])) +
                          (_mm_cvtss_f32(sum[2]) + _mm_cvtss_f32(sum[3]));
            y[m] = clamped(conv, total + conv->bias[m]);
        }
}
#endif

static void run_few(const struct pare_sparse_f32 *conv, float *y, const float *x, int64_t n)
{
#ifdef PARE_HAVE_X86
    if (conv->isa >= PARE_ISA_AVX2) {
        run_few_avx2(conv, y, x, n);
        return;
    }
#endif
    run_few_plain(conv, y, x, n);
}

/* Neighbouring outputs of row m: sums[LANES] or fewer.  `scale` turns offsets into distances: 1, or the
 * plane's length for a product. */
typedef void lanes_fn(const struct pare_sparse_f32 *conv, float *sums, const float *x, int64_t m,
                      int64_t scale);

PARE_CLONES static void lanes_plain(const struct pare_sparse_f32 *conv, float *sums, const float *x,
                                    int64_t m, int64_t scale)
{
    float part[N_PARTS][LANES] = {0};

    for (int64_t k = conv->first[m]; k < conv->first[m + 1]; k++) {
        const float *from = x + conv->offsets[k] * scale;
        float *to = part[(k - conv->first[m]) % N_PARTS], value = conv->values[k];
        for (int j = 0; j < LANES; j++)
            to[j] = __builtin_fmaf(value, from[j], to[j]);
    }
    for (int j = 0; j < LANES; j++)
        sums[j] = (part[0][j] + part[1][j]) + (part[2][j] + part[3][j]) + conv->bias[m];
}

#ifdef PARE_HAVE_X86
#define INLINE static inline __attribute__((always_inline)) PARE_FOR_AVX512

/* n, a constant in every caller, vectors of 16. */
INLINE void lanes_avx512(const struct pare_sparse_f32 *conv, float *sums, const float *x, int64_t m,
                         int64_t scale, const int n)
{
    __m512 part[N_PARTS][LANES / 16];
    int64_t k = conv->first[m], end = conv->first[m + 1];

#pragma GCC unroll 4
    for (int p = 0; p < N_PARTS; p++)
#pragma GCC unroll 6
        for (int j = 0; j < n; j++)
            part[p][j] = _mm512_setzero_ps();
    for (; k + N_PARTS <= end; k += N_PARTS)
#pragma GCC unroll 4
        for (int p = 0; p < N_PARTS; p++) {
            const float *from = x + conv->offsets[k + p] * scale;
            __m512 value = _mm512_set1_ps(conv->values[k + p]);
#pragma GCC unroll 6
            for (int j = 0; j < n; j++)
                part[p][j] = _mm512_fmadd_ps(value, _mm512_loadu_ps(from + 16 * j), part[p][j]);
        }
#pragma GCC unroll 3
    for (int p = 0; p < N_PARTS - 1; p++)
        if (k + p < end) {
            const float *from = x + conv->offsets[k + p] * scale;
            __m512 value = _mm512_set1_ps(conv->values[k + p]);
#pragma GCC unroll 6
            for (int j = 0; j < n; j++)
                part[p][j] = _mm512_fmadd_ps(value, _mm512_loadu_ps(from + 16 * j), part[p][j]);
        }
#pragma GCC unroll 6
    for (int j = 0; j < n; j++) {
        __m512 sum = _mm512_add_ps(_mm512_add_ps(part[0][j], part[1][j]),
                                   _mm512_add_ps(part[2][j], part[3][j]));
        _mm512_storeu_ps(sums + 16 * j, _mm512_add_ps(sum, _mm512_set1_ps(conv->bias[m])));
    }
}

#define VECTORS(N)                                                                                \
    PARE_FOR_AVX512 static void lanes_avx512_##N(const struct pare_sparse_f32 *conv, float *sums, \
                                                 const float *x, int64_t m, int64_t scale)        \
    {                                                                                             \
        lanes_avx512(conv, sums, x, m, scale, N);                                                 \
    }
VECTORS(1)
VECTORS(2)
VECTORS(3)
VECTORS(4)
VECTORS(6)
#endif

/* For `count` outputs, at most LANES. */
static lanes_fn *lanes_of(enum pare_isa isa, int64_t count)
{
#ifdef PARE_HAVE_X86
    if (isa >= PARE_ISA_AVX512)
        return count <= 16   ? lanes_avx512_1
               : count <= 32 ? lanes_avx512_2
               : count <= 48 ? lanes_avx512_3
               : count <= 64 ? lanes_avx512_4
                             : lanes_avx512_6;
#endif
    (void)isa, (void)count;
    return lanes_plain;
}

/* Rows of `n` elements of C channels to C planes. */
PARE_CLONES static void turn(float *planes, int64_t plane, const float *x, int64_t n, int64_t C)
{
    for (int64_t first = 0; first < n; first += 16) {
        int64_t end = first + 16 < n ? first + 16 : n;
        for (int64_t c = 0; c < C; c++)
            for (int64_t i = first; i < end; i++)
                planes[c * plane + i] = x[i * C + c];
    }
}

static void run_product(const struct pare_sparse_f32 *conv, float *y, const float *x, int64_t n,
                        float *planes, float *sums)
{
    const struct pare_conv2d *s = &conv->walk.s;

    for (int64_t first = 0; first < n; first += MAX_SAMPLES) {
        int64_t count = n - first < MAX_SAMPLES ? n - first : MAX_SAMPLES;
        lanes_fn *lanes = lanes_of(conv->isa, count);
        turn(planes, conv->plane, x + first * s->C, count, s->C);
        for (int64_t m = 0; m < s->M; m++) {
            lanes(conv, sums, planes, m, conv->plane);
            for (int64_t i = 0; i < count; i++)
                y[(first + i) * s->M + m] = clamped(conv, sums[i]);
        }
    }
}

/* Framed planes of one sample. */
static void turn_image(const struct pare_sparse_f32 *conv, float *planes, const float *x)
{
    const struct pare_walk *walk = &conv->walk;
    const struct pare_conv2d *s = &walk->s;
    int64_t n_rows = walk->frame_h - s->pad_top < s->H ? walk->frame_h - s->pad_top : s->H;
    int64_t n_columns = walk->frame_w - s->pad_left < s->W ? walk->frame_w - s->pad_left : s->W;

    if (!walk->is_framed) {
        turn(planes, conv->plane, x, s->H * s->W, s->C);
        return;
    }
    memset(planes, 0, (size_t)(conv->n_planes * conv->plane) * sizeof *planes);
    for (int64_t h = 0; h < n_rows; h++)
        turn(planes + (h + s->pad_top) * walk->frame_w + s->pad_left, conv->plane,
             x + h * s->W * s->C, n_columns, s->C);
}

static void run_image(const struct pare_sparse_f32 *conv, float *y, const float *planes,
                      float *sums)
{
    const struct pare_conv2d *s = &conv->walk.s;
    int64_t row = s->stride_h * conv->walk.frame_w;

    for (int64_t m = 0; m < s->M; m++)
        for (int64_t first = 0; first < conv->n_wide; first += LANES) {
            int64_t end = first + LANES < conv->n_wide ? first + LANES : conv->n_wide;
            lanes_of(conv->isa, end - first)(conv, sums, planes + first, m, 1);
            for (int64_t p = first / row; p * row < end; p++) {
                int64_t from = p * row > first ? p * row : first;
                int64_t to = p * row + s->Q < end ? p * row + s->Q : end;
                for (int64_t t = from; t < to; t++)
                    y[(p * s->Q + t - p * row) * s->M + m] = clamped(conv, sums[t - first]);
            }
        }
}

void pare_sparse_f32_run(const struct pare_sparse_f32 *conv, float *y, const float *x, int64_t n,
                         void *work)
{
    const struct pare_conv2d *s = &conv->walk.s;
    float *planes = work, *sums = planes + turned_elems(conv);

    if (conv->is_product && n < FEW_SAMPLES) {
        run_few(conv, y, x, n);
        return;
    }
    if (conv->is_product) {
        run_product(conv, y, x, n, planes, sums);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        turn_image(conv, planes, x + i * s->H * s->W * s->C);
        run_image(conv, y + i * s->P * s->Q * s->M, planes, sums);
    }
}
