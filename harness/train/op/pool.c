/* Max, average and global average pooling, channels innermost. */
#include "train/op/helpers.h"

/* The taps of output (p, q) that lie inside the image: r0 <= r < r1, s0 <= s < s1. */
struct window {
    int64_t h0, w0, r0, r1, s0, s1;
};

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return a <= 0 ? 0 : b == 1 ? a : (a + b - 1) / b;
}

static inline struct window window_at(const struct pare_conv2d *k, int64_t p, int64_t q)
{
    struct window w = {.h0 = p * k->stride_h - k->pad_top, .w0 = q * k->stride_w - k->pad_left};

    w.r0 = ceil_div(-w.h0, k->dilation_h);
    w.r1 = ceil_div(k->H - w.h0, k->dilation_h);
    w.s0 = ceil_div(-w.w0, k->dilation_w);
    w.s1 = ceil_div(k->W - w.w0, k->dilation_w);
    w.r1 = w.r1 < k->R ? w.r1 : k->R;
    w.s1 = w.s1 < k->S ? w.s1 : k->S;
    return w;
}

static inline int64_t tap_offset(const struct pare_conv2d *k, const struct window *w, int64_t r,
                                 int64_t s)
{
    return ((w->h0 + r * k->dilation_h) * k->W + w->w0 + s * k->dilation_w) * k->C;
}

/* Max pooling keeps for every output which tap it came from, as an INT, so that a comparison of REALs
 * makes a mask for both.  Of equal values the first wins; NaN goes through.  One window for as many
 * channels as a vector holds: */
#define INLINE static inline __attribute__((always_inline))
#define MAX_POOL_LANES(LANES)                                                                    \
    typedef REAL vector_##LANES __attribute__((vector_size(LANES * sizeof(REAL))));              \
    typedef INT mask_##LANES __attribute__((vector_size(LANES * sizeof(INT))));                  \
                                                                                                 \
    INLINE void max_##LANES(REAL *y, INT *place, const REAL *x, const struct pare_conv2d *k,     \
                            const struct window *w)                                              \
    {                                                                                            \
        vector_##LANES best = (vector_##LANES){0} - (REAL)INFINITY, v;                           \
        mask_##LANES at = (mask_##LANES){0} - 1;                                                 \
                                                                                                 \
        for (int64_t r = w->r0; r < w->r1; r++)                                                  \
            for (int64_t s = w->s0; s < w->s1; s++) {                                            \
                memcpy(&v, x + tap_offset(k, w, r, s), sizeof v);                                \
                mask_##LANES stays = v <= best;                                                  \
                best =                                                                           \
                    (vector_##LANES)((stays & (mask_##LANES)best) | (~stays & (mask_##LANES)v)); \
                at = (stays & at) | (~stays & (INT)(r * k->S + s));                              \
            }                                                                                    \
        memcpy(y, &best, sizeof best);                                                           \
        memcpy(place, &at, sizeof at);                                                           \
    }                                                                                            \
                                                                                                 \
    INLINE void max_gradient_##LANES(REAL *dx, const REAL *dy, const INT *place,                 \
                                     const struct pare_conv2d *k, const struct window *w)        \
    {                                                                                            \
        vector_##LANES d, old;                                                                   \
        mask_##LANES at;                                                                         \
                                                                                                 \
        memcpy(&d, dy, sizeof d);                                                                \
        memcpy(&at, place, sizeof at);                                                           \
        for (int64_t r = w->r0; r < w->r1; r++)                                                  \
            for (int64_t s = w->s0; s < w->s1; s++) {                                            \
                REAL *to = dx + tap_offset(k, w, r, s);                                          \
                                                                                                 \
                memcpy(&old, to, sizeof old);                                                    \
                old += (vector_##LANES)((mask_##LANES)d & (at == (INT)(r * k->S + s)));          \
                memcpy(to, &old, sizeof old);                                                    \
            }                                                                                    \
    }
MAX_POOL_LANES(16)
MAX_POOL_LANES(4)
MAX_POOL_LANES(1)

/* One image. */
PARE_CLONES
static void max_image(REAL *restrict y, INT *restrict place, const REAL *restrict x,
                      const struct pare_conv2d *k)
{
    int64_t C = k->C;

    for (int64_t p = 0; p < k->P; p++)
        for (int64_t q = 0; q < k->Q; q++, y += C, place += C) {
            struct window w = window_at(k, p, q);
            int64_t c = 0;

            for (; c + 16 <= C; c += 16)
                max_16(y + c, place + c, x + c, k, &w);
            for (; c + 4 <= C; c += 4)
                max_4(y + c, place + c, x + c, k, &w);
            for (; c < C; c++)
                max_1(y + c, place + c, x + c, k, &w);
        }
}

PARE_CLONES
static void max_image_gradient(REAL *restrict dx, const REAL *restrict dy,
                               const INT *restrict place, const struct pare_conv2d *k)
{
    int64_t C = k->C;

    for (int64_t p = 0; p < k->P; p++)
        for (int64_t q = 0; q < k->Q; q++, dy += C, place += C) {
            struct window w = window_at(k, p, q);
            int64_t c = 0;

            for (; c + 16 <= C; c += 16)
                max_gradient_16(dx + c, dy + c, place + c, k, &w);
            for (; c + 4 <= C; c += 4)
                max_gradient_4(dx + c, dy + c, place + c, k, &w);
            for (; c < C; c++)
                max_gradient_1(dx + c, dy + c, place + c, k, &w);
        }
}

PARE_CLONES
static void add_scaled(REAL *restrict y, const REAL *restrict x, int64_t C, REAL scale)
{
    for (int64_t c = 0; c < C; c++)
        y[c] += scale * x[c];
}

void FN(pare_maxpool_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t x_elems = layer->x[0]->elems, y_elems = layer->y->elems;

    for (int64_t n = span->n0; n < span->n1; n++)
        max_image((REAL *)layer->y->a + n * y_elems, (INT *)layer->saved + n * y_elems,
                  (const REAL *)layer->x[0]->a + n * x_elems, &layer->conv);
}

/* Zeroes the span's input gradients unless they are added to. */
static void clear_gradient(const struct pare_layer *layer, const struct pare_span *span)
{
    if (!layer->adds[0])
        memset(ROWS(layer->x[0], g, span), 0, (size_t)COUNT(layer->x[0], span) * sizeof(REAL));
}

void FN(pare_maxpool_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t x_elems = layer->x[0]->elems, y_elems = layer->y->elems;

    if (!layer->x[0]->g)
        return;
    clear_gradient(layer, span);
    for (int64_t n = span->n0; n < span->n1; n++)
        max_image_gradient((REAL *)layer->x[0]->g + n * x_elems,
                           (const REAL *)layer->y->g + n * y_elems,
                           (const INT *)layer->saved + n * y_elems, &layer->conv);
}

static REAL divisor(const struct pare_conv2d *k, const struct window *w)
{
    int64_t n = k->count_include_pad ? k->R * k->S : (w->r1 - w->r0) * (w->s1 - w->s0);

    return (REAL)1 / (REAL)(n > 0 ? n : 1);
}

void FN(pare_avgpool_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    const struct pare_conv2d *k = &layer->conv;

    memset(ROWS(layer->y, a, span), 0, (size_t)COUNT(layer->y, span) * sizeof(REAL));
    for (int64_t n = span->n0; n < span->n1; n++) {
        const REAL *x = (const REAL *)layer->x[0]->a + n * layer->x[0]->elems;
        REAL *y = (REAL *)layer->y->a + n * layer->y->elems;

        for (int64_t p = 0; p < k->P; p++)
            for (int64_t q = 0; q < k->Q; q++, y += k->C) {
                struct window w = window_at(k, p, q);
                REAL scale = divisor(k, &w);

                for (int64_t r = w.r0; r < w.r1; r++)
                    for (int64_t s = w.s0; s < w.s1; s++)
                        add_scaled(y, x + tap_offset(k, &w, r, s), k->C, scale);
            }
    }
}

void FN(pare_avgpool_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    const struct pare_conv2d *k = &layer->conv;

    if (!layer->x[0]->g)
        return;
    clear_gradient(layer, span);
    for (int64_t n = span->n0; n < span->n1; n++) {
        REAL *dx = (REAL *)layer->x[0]->g + n * layer->x[0]->elems;
        const REAL *dy = (const REAL *)layer->y->g + n * layer->y->elems;

        for (int64_t p = 0; p < k->P; p++)
            for (int64_t q = 0; q < k->Q; q++, dy += k->C) {
                struct window w = window_at(k, p, q);
                REAL scale = divisor(k, &w);

                for (int64_t r = w.r0; r < w.r1; r++)
                    for (int64_t s = w.s0; s < w.s1; s++)
                        add_scaled(dx + tap_offset(k, &w, r, s), dy, k->C, scale);
            }
    }
}

void FN(pare_global_avgpool_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->x[0]->channels, pixels = layer->x[0]->pixels;

    for (int64_t n = span->n0; n < span->n1; n++) {
        REAL *y = (REAL *)layer->y->a + n * C;

        FN(pare_column_sums)
        (y, (const REAL *)layer->x[0]->a + n * layer->x[0]->elems, pixels, C, C);
        for (int64_t c = 0; c < C; c++)
            y[c] /= (REAL)pixels;
    }
}

void FN(pare_global_avgpool_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->x[0]->channels, pixels = layer->x[0]->pixels;

    if (!layer->x[0]->g)
        return;
    clear_gradient(layer, span);
    for (int64_t n = span->n0; n < span->n1; n++)
        for (int64_t i = 0; i < pixels; i++)
            add_scaled((REAL *)layer->x[0]->g + n * layer->x[0]->elems + i * C,
                       (const REAL *)layer->y->g + n * C, C, (REAL)1 / (REAL)pixels);
}
