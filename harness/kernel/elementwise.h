/* Operators on single values, and softmax, f32.  y may be x. */
#ifndef PARE_KERNEL_ELEMENTWISE_H
#define PARE_KERNEL_ELEMENTWISE_H

#include <pare/graph.h>

/* An activation with its attributes resolved. */
struct pare_activation {
    enum pare_op op; /* RELU, CLIP, LEAKY_RELU, SIGMOID, TANH, HARD_SIGMOID, HARD_SWISH, GELU */
    float low, high; /* Relu, Clip */
    float alpha;     /* LeakyRelu, HardSigmoid, HardSwish: slope */
    float beta;      /* HardSigmoid, HardSwish: offset */
};
float pare_activate_ref(const struct pare_activation *activation, float x);
void pare_activate_f32(float *y, const float *x, int64_t n,
                       const struct pare_activation *activation);
/* y = clamp(a + b); y may be a or b. */
void pare_add_f32(float *y, const float *a, const float *b, int64_t n, float low, float high);
/* y[i,c] = clamp(x[i,c] * scale[c] + shift[c]): a batch norm that nothing takes in. */
void pare_affine_f32(float *y, const float *x, int64_t n_pixels, int64_t C, const float *scale,
                     const float *shift, float low, float high);
/* Rows of C values, the maximum taken off first. */
void pare_softmax_f32(float *y, const float *x, int64_t n_rows, int64_t C);
/* y[n, C, pixels] = x[n, pixels, C] */
void pare_channels_first_f32(float *y, const float *x, int64_t n, int64_t n_pixels, int64_t C);
#endif
