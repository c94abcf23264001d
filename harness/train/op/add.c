/* y = a + b, one shape. */
#include "train/op/helpers.h"

PARE_CLONES
static void sum(REAL *restrict y, const REAL *restrict a, const REAL *restrict b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

PARE_CLONES
static void add(REAL *restrict y, const REAL *restrict a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a[i];
}

void FN(pare_add_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    sum(ROWS(layer->y, a, span), ROWS(layer->x[0], a, span), ROWS(layer->x[1], a, span),
        COUNT(layer->y, span));
    FN(pare_act_forward)(layer, span);
}

void FN(pare_add_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    const REAL *dy = ROWS(layer->y, g, span);
    int64_t n = COUNT(layer->y, span);

    FN(pare_act_backward)(layer, span);
    for (int i = 0; i < 2; i++) {
        if (!layer->x[i]->g)
            continue;
        if (layer->adds[i])
            add(ROWS(layer->x[i], g, span), dy, n);
        else
            memcpy(ROWS(layer->x[i], g, span), dy, (size_t)n * sizeof *dy);
    }
}
