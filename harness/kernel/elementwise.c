#include "kernel/elementwise.h"

#include <math.h>

#include "base/simd.h"

float pare_activate_ref(const struct pare_activation *activation, float x)
{
    float unit;

    switch (activation->op) {
    case PARE_OP_RELU:
    case PARE_OP_CLIP:
        x = x < activation->low ? activation->low : x;
        return x > activation->high ? activation->high : x;
    case PARE_OP_LEAKY_RELU: return x < 0 ? activation->alpha * x : x;
    case PARE_OP_SIGMOID: return 1 / (1 + expf(-x));
    case PARE_OP_TANH: return tanhf(x);
    case PARE_OP_HARD_SIGMOID:
    case PARE_OP_HARD_SWISH:
        unit = fmaxf(0, fminf(1, activation->alpha * x + activation->beta));
        return activation->op == PARE_OP_HARD_SWISH ? x * unit : unit;
    case PARE_OP_GELU: return 0.5f * x * (1 + erff(x * (float)M_SQRT1_2));
    default: return x;
    }
}

PARE_CLONES static void clamp(float *y, const float *x, int64_t n, float low, float high)
{
    for (int64_t i = 0; i < n; i++) {
        float v = x[i] < low ? low : x[i];
        y[i] = v > high ? high : v;
    }
}

PARE_CLONES static void hard(float *y, const float *x, int64_t n, float alpha, float beta,
                             bool is_swish)
{
    for (int64_t i = 0; i < n; i++) {
        float unit = alpha * x[i] + beta;
        unit = unit < 0 ? 0 : unit > 1 ? 1 : unit;
        y[i] = is_swish ? x[i] * unit : unit;
    }
}

void pare_activate_f32(float *y, const float *x, int64_t n,
                       const struct pare_activation *activation)
{
    switch (activation->op) {
    case PARE_OP_RELU:
    case PARE_OP_CLIP: clamp(y, x, n, activation->low, activation->high); break;
    case PARE_OP_HARD_SIGMOID:
    case PARE_OP_HARD_SWISH:
        hard(y, x, n, activation->alpha, activation->beta, activation->op == PARE_OP_HARD_SWISH);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            y[i] = pare_activate_ref(activation, x[i]);
    }
}

PARE_CLONES void pare_add_f32(float *y, const float *a, const float *b, int64_t n, float low,
                              float high)
{
    for (int64_t i = 0; i < n; i++) {
        float v = a[i] + b[i];
        v = v < low ? low : v;
        y[i] = v > high ? high : v;
    }
}

PARE_CLONES void pare_affine_f32(float *y, const float *x, int64_t n_pixels, int64_t C,
                                 const float *scale, const float *shift, float low, float high)
{
    for (int64_t i = 0; i < n_pixels; i++)
        for (int64_t c = 0; c < C; c++) {
            float v = x[i * C + c] * scale[c] + shift[c];
            v = v < low ? low : v;
            y[i * C + c] = v > high ? high : v;
        }
}

void pare_softmax_f32(float *y, const float *x, int64_t n_rows, int64_t C)
{
    for (int64_t i = 0; i < n_rows; i++, x += C, y += C) {
        float largest = x[0];
        double sum = 0;
        for (int64_t c = 1; c < C; c++)
            largest = x[c] > largest ? x[c] : largest;
        for (int64_t c = 0; c < C; c++) {
            y[c] = expf(x[c] - largest);
            sum += (double)y[c];
        }
        for (int64_t c = 0; c < C; c++)
            y[c] = (float)(y[c] / sum);
    }
}

void pare_channels_first_f32(float *y, const float *x, int64_t n, int64_t n_pixels, int64_t C)
{
    for (int64_t i = 0; i < n; i++, x += n_pixels * C, y += n_pixels * C)
        for (int64_t c = 0; c < C; c++)
            for (int64_t p = 0; p < n_pixels; p++)
                y[c * n_pixels + p] = x[p * C + c];
}
