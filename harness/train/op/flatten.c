/* Flatten of a 4-D value whose elements must really change places: channels last to the order that
 * ONNX gives the columns, C then pixels.  (Where one Gemm is the only user the trainer reorders that
 * Gemm's columns instead, and no layer runs.) */
#include "train/op/helpers.h"

void FN(pare_flatten_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->x[0]->channels, pixels = layer->x[0]->pixels;

    for (int64_t n = span->n0; n < span->n1; n++) {
        const REAL *x = (const REAL *)layer->x[0]->a + n * layer->x[0]->elems;
        REAL *y = (REAL *)layer->y->a + n * layer->y->elems;

        for (int64_t c = 0; c < C; c++)
            for (int64_t i = 0; i < pixels; i++)
                y[c * pixels + i] = x[i * C + c];
    }
}

void FN(pare_flatten_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->x[0]->channels, pixels = layer->x[0]->pixels;

    if (!layer->x[0]->g)
        return;
    for (int64_t n = span->n0; n < span->n1; n++) {
        REAL *dx = (REAL *)layer->x[0]->g + n * layer->x[0]->elems;
        const REAL *dy = (const REAL *)layer->y->g + n * layer->y->elems;

        for (int64_t i = 0; i < pixels; i++)
            for (int64_t c = 0; c < C; c++)
                dx[i * C + c] = (layer->adds[0] ? dx[i * C + c] : 0) + dy[c * pixels + i];
    }
}
