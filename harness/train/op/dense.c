/* Gemm: y = x W^T + b with W [out, in]. */
#include "train/op/helpers.h"

void FN(pare_dense_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t rows = span->n1 - span->n0, in = layer->x[0]->elems, out = layer->y->elems;
    REAL *y = ROWS(layer->y, a, span);

    GEMM(false, true, rows, out, in, ROWS(layer->x[0], a, span), in, layer->w[0]->w, in, 0, y, out);
    if (layer->w[1])
        FN(pare_add_bias)(y, layer->w[1]->w, rows, out);
    FN(pare_act_forward)(layer, span);
}

void FN(pare_dense_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t rows = span->n1 - span->n0, in = layer->x[0]->elems, out = layer->y->elems;

    FN(pare_act_backward)(layer, span);
    if (layer->x[0]->g)
        GEMM(false, false, rows, in, out, ROWS(layer->y, g, span), out, layer->w[0]->w, in,
             layer->adds[0] ? 1 : 0, ROWS(layer->x[0], g, span), in);
}

void FN(pare_dense_weight_rows)(const struct pare_layer *layer, int64_t n, int64_t row0,
                                int64_t row1)
{
    int64_t in = layer->x[0]->elems, out = layer->y->elems;
    const REAL *dy = (const REAL *)layer->y->g + row0;

    GEMM(true, false, row1 - row0, in, n, dy, out, layer->x[0]->a, in, 0,
         (REAL *)layer->w[0]->g + row0 * in, in);
    if (layer->w[1])
        FN(pare_column_sums)((REAL *)layer->w[1]->g + row0, dy, n, row1 - row0, out);
}
