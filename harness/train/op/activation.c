/* Elementwise activations: y = f(x).  All write NaN for NaN, so that a fault shows in the loss. */
#include "train/op/helpers.h"

/* With layer->p: Clip min, max; LeakyRelu alpha; HardSigmoid and HardSwish alpha, beta. */

PARE_CLONES
static void clip(REAL *y, const REAL *x, int64_t n, REAL low, REAL high)
{
    for (int64_t i = 0; i < n; i++) {
        REAL v = x[i] < low ? low : x[i];

        y[i] = v > high ? high : v;
    }
}

/* Zero at and beyond the kinks, as in PyTorch. */
PARE_CLONES
static void clip_gradient(REAL *dx, const REAL *dy, const REAL *y, int64_t n, REAL low, REAL high)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] > low && y[i] < high ? dy[i] : 0;
}

PARE_CLONES
static void clip_gradient_add(REAL *dx, const REAL *dy, const REAL *y, int64_t n, REAL low,
                              REAL high)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] += y[i] > low && y[i] < high ? dy[i] : 0;
}

static void clip_limits(enum pare_op op, const double p[2], REAL *low, REAL *high)
{
    *low = op == PARE_OP_RELU ? 0 : (REAL)p[0];
    *high = op == PARE_OP_RELU ? (REAL)INFINITY : (REAL)p[1];
}

bool FN(pare_act_limits)(const struct pare_layer *layer, REAL *low, REAL *high)
{
    *low = *high = 0;
    if (layer->act == PARE_OP_IDENTITY)
        return false;
    clip_limits(layer->act, layer->act_p, low, high);
    return true;
}

void FN(pare_act_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    REAL *y = ROWS(layer->y, a, span), low, high;

    if (FN(pare_act_limits)(layer, &low, &high))
        clip(y, y, COUNT(layer->y, span), low, high);
}

void FN(pare_act_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    REAL *dy = ROWS(layer->y, g, span), low, high;

    if (FN(pare_act_limits)(layer, &low, &high))
        clip_gradient(dy, dy, ROWS(layer->y, a, span), COUNT(layer->y, span), low, high);
}

static REAL sigmoid(REAL x)
{
    return 1 / (1 + (REAL)exp(-(double)x));
}

static REAL hard_sigmoid(REAL x, REAL alpha, REAL beta)
{
    REAL v = alpha * x + beta;

    v = v < 0 ? 0 : v;
    return v > 1 ? 1 : v;
}

static REAL normal_cdf(REAL x)
{
    return (REAL)(0.5 * erfc(-(double)x * M_SQRT1_2));
}

static REAL normal_pdf(REAL x)
{
    return (REAL)(exp(-0.5 * (double)x * (double)x) * 0.3989422804014327);
}

void FN(pare_activation_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    const REAL *x = ROWS(layer->x[0], a, span);
    REAL *y = ROWS(layer->y, a, span), low, high;
    REAL p0 = (REAL)layer->p[0], p1 = (REAL)layer->p[1];
    int64_t n = COUNT(layer->y, span);

    switch (layer->op) {
    case PARE_OP_RELU:
    case PARE_OP_CLIP:
        clip_limits(layer->op, layer->p, &low, &high);
        clip(y, x, n, low, high);
        break;
    case PARE_OP_LEAKY_RELU:
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] < 0 ? p0 * x[i] : x[i];
        break;
    case PARE_OP_SIGMOID:
        for (int64_t i = 0; i < n; i++)
            y[i] = sigmoid(x[i]);
        break;
    case PARE_OP_TANH:
        for (int64_t i = 0; i < n; i++)
            y[i] = (REAL)tanh((double)x[i]);
        break;
    case PARE_OP_HARD_SIGMOID:
        for (int64_t i = 0; i < n; i++)
            y[i] = hard_sigmoid(x[i], p0, p1);
        break;
    case PARE_OP_HARD_SWISH:
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * hard_sigmoid(x[i], p0, p1);
        break;
    case PARE_OP_GELU:
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * normal_cdf(x[i]);
        break;
    default: /* Identity */ memcpy(y, x, (size_t)n * sizeof *y); break;
    }
}

/* f'(x) of the smooth and rare ones. */
static REAL slope(enum pare_op op, REAL x, REAL y, REAL p0)
{
    switch (op) {
    case PARE_OP_LEAKY_RELU: return x > 0 ? 1 : p0;
    case PARE_OP_SIGMOID: return y * (1 - y);
    case PARE_OP_TANH: return 1 - y * y;
    case PARE_OP_HARD_SIGMOID: return y > 0 && y < 1 ? p0 : 0;
    case PARE_OP_HARD_SWISH:
        return x < -3 ? 0 : x < 3 ? x / 3 + (REAL)0.5 : 1; /* at the kinks as PyTorch */
    case PARE_OP_GELU: return normal_cdf(x) + x * normal_pdf(x);
    default: return 1;
    }
}

void FN(pare_activation_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    const REAL *x = ROWS(layer->x[0], a, span), *y = ROWS(layer->y, a, span);
    const REAL *dy = ROWS(layer->y, g, span);
    REAL *dx = ROWS(layer->x[0], g, span), low, high;
    REAL p0 = (REAL)layer->p[0];
    int64_t n = COUNT(layer->y, span);

    if (!layer->x[0]->g)
        return;
    if (layer->op == PARE_OP_RELU || layer->op == PARE_OP_CLIP) {
        clip_limits(layer->op, layer->p, &low, &high);
        if (layer->adds[0])
            clip_gradient_add(dx, dy, y, n, low, high);
        else
            clip_gradient(dx, dy, y, n, low, high);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        dx[i] = (layer->adds[0] ? dx[i] : 0) + dy[i] * slope(layer->op, x[i], y[i], p0);
}
