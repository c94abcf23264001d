/* Gemm: y = x W^T + b with W [out, in]. */
#include "train/op/helpers.h"

void FN(pare_dense_copies)(const struct pare_layer *layer, int64_t *turned, int64_t *flipped)
{
    *turned = layer->x[0]->elems * FN(pare_padded)(layer->y->elems);
    *flipped = 0;
}

void FN(pare_dense_prepare)(const struct pare_layer *layer, int64_t row0, int64_t row1)
{
    int64_t in = layer->x[0]->elems;

    FN(pare_turn)
    ((REAL *)layer->turned + row0, FN(pare_padded)(layer->y->elems),
     (REAL *)layer->w[0]->w + row0 * in, row1 - row0, in, in);
}

void FN(pare_dense_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    struct FN(pare_gemm_args) g = {.M = span->n1 - span->n0,
                                   .N = layer->y->elems,
                                   .run = layer->x[0]->elems,
                                   .a = ROWS(layer->x[0], a, span),
                                   .ai = layer->x[0]->elems,
                                   .ak = 1,
                                   .b = layer->turned,
                                   .ldb = FN(pare_padded)(layer->y->elems),
                                   .bias = layer->w[1] ? layer->w[1]->w : NULL,
                                   .c = ROWS(layer->y, a, span),
                                   .ldc = layer->y->elems};

    g.is_clamped = FN(pare_act_limits)(layer, &g.low, &g.high);
    FN(pare_train_gemm)(&g);
}

void FN(pare_dense_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    struct FN(pare_gemm_args) g = {.M = span->n1 - span->n0,
                                   .N = layer->x[0]->elems,
                                   .run = layer->y->elems,
                                   .a = ROWS(layer->y, g, span),
                                   .ai = layer->y->elems,
                                   .ak = 1,
                                   .b = layer->w[0]->w,
                                   .ldb = layer->x[0]->elems,
                                   .ldc = layer->x[0]->elems,
                                   .is_sum = layer->adds[0]};

    FN(pare_act_backward)(layer, span);
    if (!layer->x[0]->g)
        return;
    g.c = ROWS(layer->x[0], g, span);
    FN(pare_train_gemm)(&g);
}

void FN(pare_dense_weight_rows)(const struct pare_layer *layer, int64_t n, int64_t row0,
                                int64_t row1)
{
    int64_t in = layer->x[0]->elems, out = layer->y->elems;
    const REAL *dy = (const REAL *)layer->y->g + row0;
    struct FN(pare_gemm_args) g = {.M = row1 - row0,
                                   .N = in,
                                   .run = n,
                                   .a = dy,
                                   .ai = 1,
                                   .ak = out,
                                   .b = layer->x[0]->a,
                                   .ldb = in,
                                   .c = (REAL *)layer->w[0]->g + row0 * in,
                                   .ldc = in};

    FN(pare_train_gemm)(&g);
    if (layer->w[1])
        FN(pare_column_sums)((REAL *)layer->w[1]->g + row0, dy, n, row1 - row0, out);
}
