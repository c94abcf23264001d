/* Optimizers: one pass over the elements of a parameter.
 *
 * Conventions are PyTorch's.  SGD: g += decay w; m = momentum m + g; w -= lr (nesterov ? g + momentum
 * m : m).  Adam: g += decay w; AdamW: w -= lr decay w first; then both by the bias-corrected moments.
 * Sources: Sutskever et al., ICML 2013; Kingma and Ba, ICLR 2015; Loshchilov and Hutter, ICLR 2019. */
#ifndef PARE_TRAIN_OPTIMIZER_H
#define PARE_TRAIN_OPTIMIZER_H

#include <pare/train.h>

/* What is the same for all elements in one step. */
struct pare_update {
    int optimizer; /* enum pare_optimizer */
    bool nesterov;
    double lr, momentum, beta1, beta2, epsilon;
    double weight_decay;
    double gradient_scale; /* of clipping; 1: as it is */
    double bias1, bias2;   /* 1 - beta^t */
};

/* The update of step `step` (0-based) with learning rate lr. */
struct pare_update pare_update_at(const struct pare_recipe *recipe, int64_t step, double lr);
/* Moves w by its gradient.  m: momentum or first moment; v: second moment (Adam only). */
void pare_update_apply(const struct pare_update *update, float *w, const float *g, float *m,
                       float *v, int64_t n);
/* What all gradients are multiplied with so that their common norm is at most max_norm. */
double pare_clip_scale(double sum_of_squares, double max_norm);

/* The learning rate of a step: linear warm-up from 0, then constant, steps, or a half cosine to 0. */
double pare_schedule_lr(const struct pare_recipe *recipe, int64_t step, int64_t n_steps,
                        int64_t steps_per_epoch);

#endif
