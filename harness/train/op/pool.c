/* Max, average and global average pooling, channels innermost. */
#include "train/op/helpers.h"

/* The taps of output (p, q) that lie inside the image: r0 <= r < r1, s0 <= s < s1. */
struct window {
    int64_t h0, w0, r0, r1, s0, s1;
};

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return a <= 0 ? 0 : (a + b - 1) / b;
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

/* One image.  Of equal values the first wins; NaN goes through. */
PARE_CLONES
static void max_image(REAL *restrict y, int32_t *restrict place, const REAL *restrict x,
                      const struct pare_conv2d *k)
{
    int64_t C = k->C;

    for (int64_t p = 0; p < k->P; p++)
        for (int64_t q = 0; q < k->Q; q++, y += C, place += C) {
            struct window w = window_at(k, p, q);

            for (int64_t c = 0; c < C; c++) {
                y[c] = (REAL)-INFINITY;
                place[c] = -1;
            }
            for (int64_t r = w.r0; r < w.r1; r++)
                for (int64_t s = w.s0; s < w.s1; s++) {
                    const REAL *from = x + tap_offset(k, &w, r, s);
                    int32_t tap = (int32_t)(r * k->S + s);

                    for (int64_t c = 0; c < C; c++) {
                        bool is_better = !(from[c] <= y[c]);

                        y[c] = is_better ? from[c] : y[c];
                        place[c] = is_better ? tap : place[c];
                    }
                }
        }
}

PARE_CLONES
static void max_image_gradient(REAL *restrict dx, const REAL *restrict dy,
                               const int32_t *restrict place, const struct pare_conv2d *k)
{
    int64_t C = k->C;

    for (int64_t p = 0; p < k->P; p++)
        for (int64_t q = 0; q < k->Q; q++, dy += C, place += C) {
            struct window w = window_at(k, p, q);

            for (int64_t r = w.r0; r < w.r1; r++)
                for (int64_t s = w.s0; s < w.s1; s++) {
                    REAL *to = dx + tap_offset(k, &w, r, s);
                    int32_t tap = (int32_t)(r * k->S + s);

                    for (int64_t c = 0; c < C; c++)
                        to[c] += place[c] == tap ? dy[c] : 0;
                }
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
        max_image((REAL *)layer->y->a + n * y_elems, (int32_t *)layer->saved + n * y_elems,
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
                           (const int32_t *)layer->saved + n * y_elems, &layer->conv);
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
