#include "train/optimizer.h"

#include <math.h>

#include "base/simd.h"

struct pare_update pare_update_at(const struct pare_recipe *recipe, int64_t step, double lr)
{
    return (struct pare_update){.optimizer = recipe->optimizer,
                                .nesterov = recipe->nesterov,
                                .lr = lr,
                                .momentum = recipe->momentum,
                                .beta1 = recipe->beta1,
                                .beta2 = recipe->beta2,
                                .epsilon = recipe->epsilon,
                                .weight_decay = recipe->weight_decay,
                                .gradient_scale = 1,
                                .bias1 = 1 - pow(recipe->beta1, (double)step + 1),
                                .bias2 = 1 - pow(recipe->beta2, (double)step + 1)};
}

PARE_CLONES
static void sgd(float *restrict w, const float *restrict g, float *restrict m, int64_t n,
                float scale, float decay, float momentum, float lr)
{
    for (int64_t i = 0; i < n; i++) {
        float d = scale * g[i] + decay * w[i];

        m[i] = momentum * m[i] + d;
        w[i] -= lr * m[i];
    }
}

PARE_CLONES
static void sgd_nesterov(float *restrict w, const float *restrict g, float *restrict m, int64_t n,
                         float scale, float decay, float momentum, float lr)
{
    for (int64_t i = 0; i < n; i++) {
        float d = scale * g[i] + decay * w[i];

        m[i] = momentum * m[i] + d;
        w[i] -= lr * (d + momentum * m[i]);
    }
}

/* keep: what AdamW leaves of the weight; decay: what Adam adds to the gradient.  One is neutral. */
PARE_CLONES
static void adam(float *restrict w, const float *restrict g, float *restrict m, float *restrict v,
                 int64_t n, float scale, float decay, float keep, float beta1, float beta2,
                 float rate, float root, float epsilon)
{
    for (int64_t i = 0; i < n; i++) {
        float d = scale * g[i] + decay * w[i];

        m[i] = beta1 * m[i] + (1 - beta1) * d;
        v[i] = beta2 * v[i] + (1 - beta2) * d * d;
        w[i] = keep * w[i] - rate * m[i] / (sqrtf(v[i]) * root + epsilon);
    }
}

void pare_update_apply(const struct pare_update *u, float *w, const float *g, float *m, float *v,
                       int64_t n)
{
    float scale = (float)u->gradient_scale, decay = (float)u->weight_decay;
    bool is_decoupled = u->optimizer == PARE_ADAMW;

    if (u->optimizer == PARE_SGD)
        (u->nesterov ? sgd_nesterov : sgd)(w, g, m, n, scale, decay, (float)u->momentum,
                                           (float)u->lr);
    else
        adam(w, g, m, v, n, scale, is_decoupled ? 0 : decay,
             is_decoupled ? (float)(1 - u->lr * u->weight_decay) : 1, (float)u->beta1,
             (float)u->beta2, (float)(u->lr / u->bias1), (float)(1 / sqrt(u->bias2)),
             (float)u->epsilon);
}

double pare_clip_scale(double sum_of_squares, double max_norm)
{
    double scale = max_norm / (sqrt(sum_of_squares) + 1e-6);

    return scale < 1 ? scale : 1;
}

double pare_schedule_lr(const struct pare_recipe *recipe, int64_t step, int64_t n_steps,
                        int64_t steps_per_epoch)
{
    double t = (double)step, warmup = round(recipe->warmup * (double)steps_per_epoch);
    double rest = (double)n_steps - warmup;

    if (t < warmup)
        return recipe->lr * t / warmup;
    switch (recipe->schedule) {
    case PARE_SCHEDULE_STEP:
        return recipe->lr *
               pow(recipe->step_factor, floor(t / (recipe->step_every * (double)steps_per_epoch)));
    case PARE_SCHEDULE_COSINE:
        return rest > 0 ? recipe->lr * 0.5 * (1 + cos(M_PI * (t - warmup) / rest)) : recipe->lr;
    default: return recipe->lr;
    }
}
