/* Softmax over the last axis, with the row's maximum taken off first. */
#include "train/op/helpers.h"

void FN(pare_softmax_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t k = layer->y->channels, n_rows = (span->n1 - span->n0) * layer->y->pixels;
    const REAL *x = ROWS(layer->x[0], a, span);
    REAL *y = ROWS(layer->y, a, span);

    for (int64_t r = 0; r < n_rows; r++, x += k, y += k) {
        REAL high = x[0];
        double sum = 0;

        for (int64_t i = 1; i < k; i++)
            high = x[i] > high ? x[i] : high;
        for (int64_t i = 0; i < k; i++) {
            double e = exp((double)(x[i] - high));

            y[i] = (REAL)e;
            sum += e;
        }
        for (int64_t i = 0; i < k; i++)
            y[i] = (REAL)(y[i] / sum);
    }
}

/* dx = y (dy - sum dy y). */
void FN(pare_softmax_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t k = layer->y->channels, n_rows = (span->n1 - span->n0) * layer->y->pixels;
    const REAL *y = ROWS(layer->y, a, span), *dy = ROWS(layer->y, g, span);
    REAL *dx = ROWS(layer->x[0], g, span);

    if (!layer->x[0]->g)
        return;
    for (int64_t r = 0; r < n_rows; r++, y += k, dy += k, dx += k) {
        double dot = 0;

        for (int64_t i = 0; i < k; i++)
            dot += (double)dy[i] * y[i];
        for (int64_t i = 0; i < k; i++)
            dx[i] = (layer->adds[0] ? dx[i] : 0) + y[i] * (dy[i] - (REAL)dot);
    }
}
