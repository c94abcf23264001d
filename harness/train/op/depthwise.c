/* Depthwise convolution, one filter per channel: direct loops, channels innermost.
 *
 * The filter [C, R, S] is turned into taps [R, S, C] in scratch, so that one tap of all channels is
 * one vector loop; the gradient is gathered in that form and turned back. */
#include "train/op/helpers.h"

int64_t FN(pare_depthwise_scratch)(const struct pare_layer *layer)
{
    return 2 * layer->conv.R * layer->conv.S * layer->conv.C;
}

static void taps_from_filters(REAL *taps, const REAL *w, const struct pare_conv2d *k)
{
    int64_t area = k->R * k->S;

    for (int64_t c = 0; c < k->C; c++)
        for (int64_t i = 0; i < area; i++)
            taps[i * k->C + c] = w[c * area + i];
}

PARE_CLONES
static void multiply_add(REAL *restrict y, const REAL *restrict x, const REAL *restrict w,
                         int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i] * w[i];
}

/* Both gradients of one tap. */
PARE_CLONES
static void tap_gradient(REAL *restrict dx, REAL *restrict dw, const REAL *restrict dy,
                         const REAL *restrict x, const REAL *restrict w, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        dw[i] += dy[i] * x[i];
        dx[i] += dy[i] * w[i];
    }
}

/* The s range inside the image for output column q. */
static void inside(int64_t *begin, int64_t *end, int64_t start, int64_t step, int64_t size,
                   int64_t n)
{
    int64_t s = 0, e = n;

    while (s < n && start + s * step < 0)
        s++;
    while (e > s && start + (e - 1) * step >= size)
        e--;
    *begin = s;
    *end = e;
}

void FN(pare_depthwise_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    const struct pare_conv2d *k = &layer->conv;
    const REAL *bias = layer->w[1] ? layer->w[1]->w : NULL;
    REAL *taps = span->scratch;

    taps_from_filters(taps, layer->w[0]->w, k);
    for (int64_t n = span->n0; n < span->n1; n++) {
        const REAL *x = (const REAL *)layer->x[0]->a + n * layer->x[0]->elems;
        REAL *y = (REAL *)layer->y->a + n * layer->y->elems;

        for (int64_t p = 0; p < k->P; p++) {
            int64_t h0 = p * k->stride_h - k->pad_top, r0, r1;

            inside(&r0, &r1, h0, k->dilation_h, k->H, k->R);
            for (int64_t q = 0; q < k->Q; q++, y += k->C) {
                int64_t w0 = q * k->stride_w - k->pad_left, s0, s1;

                if (bias)
                    memcpy(y, bias, (size_t)k->C * sizeof *y);
                else
                    memset(y, 0, (size_t)k->C * sizeof *y);
                inside(&s0, &s1, w0, k->dilation_w, k->W, k->S);
                for (int64_t r = r0; r < r1; r++)
                    for (int64_t s = s0; s < s1; s++)
                        multiply_add(
                            y,
                            x + ((h0 + r * k->dilation_h) * k->W + w0 + s * k->dilation_w) * k->C,
                            taps + (r * k->S + s) * k->C, k->C);
            }
        }
    }
    FN(pare_act_forward)(layer, span);
}

void FN(pare_depthwise_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    const struct pare_conv2d *k = &layer->conv;
    int64_t area = k->R * k->S, n_pixels = (span->n1 - span->n0) * k->P * k->Q;
    REAL *taps = span->scratch, *gradient = taps + area * k->C;
    REAL *part = (REAL *)layer->w[0]->parts + span->shard * layer->w[0]->n;

    FN(pare_act_backward)(layer, span);
    taps_from_filters(taps, layer->w[0]->w, k);
    memset(gradient, 0, (size_t)(area * k->C) * sizeof *gradient);
    if (layer->x[0]->g && !layer->adds[0])
        memset(ROWS(layer->x[0], g, span), 0, (size_t)COUNT(layer->x[0], span) * sizeof(REAL));
    for (int64_t n = span->n0; n < span->n1; n++) {
        const REAL *x = (const REAL *)layer->x[0]->a + n * layer->x[0]->elems;
        const REAL *dy = (const REAL *)layer->y->g + n * layer->y->elems;
        REAL *dx = layer->x[0]->g ? (REAL *)layer->x[0]->g + n * layer->x[0]->elems : NULL;

        for (int64_t p = 0; p < k->P; p++) {
            int64_t h0 = p * k->stride_h - k->pad_top, r0, r1;

            inside(&r0, &r1, h0, k->dilation_h, k->H, k->R);
            for (int64_t q = 0; q < k->Q; q++, dy += k->C) {
                int64_t w0 = q * k->stride_w - k->pad_left, s0, s1;

                inside(&s0, &s1, w0, k->dilation_w, k->W, k->S);
                for (int64_t r = r0; r < r1; r++)
                    for (int64_t s = s0; s < s1; s++) {
                        int64_t tap = (r * k->S + s) * k->C;
                        int64_t at =
                            ((h0 + r * k->dilation_h) * k->W + w0 + s * k->dilation_w) * k->C;

                        if (dx)
                            tap_gradient(dx + at, gradient + tap, dy, x + at, taps + tap, k->C);
                        else
                            multiply_add(gradient + tap, dy, x + at, k->C);
                    }
            }
        }
    }
    for (int64_t c = 0; c < k->C; c++)
        for (int64_t i = 0; i < area; i++)
            part[c * area + i] = gradient[i * k->C + c];
    if (layer->w[1])
        FN(pare_column_sums)
    ((REAL *)layer->w[1]->parts + span->shard * layer->w[1]->n, ROWS(layer->y, g, span), n_pixels,
     k->C, k->C);
}
