/* One step of training, and one look at the validation split.
 *
 * A step runs on the whole team at once: each thread fetches its shards, takes them forward, through
 * the loss and backward; after a barrier each completes the gradients of its tasks (rows of matrices,
 * whole vectors) and moves those parameters at once.  Where an attachment wants to see outputs or
 * gradients, the team stops there and the caller's thread asks it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/denormal.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/shard.h"
#include "train/trainer_impl.h"

struct step {
    struct pare_trainer *trainer;
    const int64_t *indices;
    bool is_augmented;
    bool forward, backward, update; /* which parts this call does */
    struct pare_update how;
};

/* The shard's samples into the net's input. */
static void fetch_shard(const struct step *step, int64_t n0, int64_t n1, int shard)
{
    struct pare_trainer *trainer = step->trainer;
    struct pare_slab *input = trainer->net->input;
    struct pare_rng rng;

    if (step->is_augmented)
        pare_rng_init(&rng, trainer->ctx->seed ^ 0x61756776u,
                      (uint64_t)(trainer->step * PARE_MAX_SHARDS + shard));
    pare_data_fetch(trainer->ctx->data, PARE_TRAIN, step->indices + n0, n1 - n0,
                    step->is_augmented ? &trainer->recipe.augment : NULL,
                    step->is_augmented ? &rng : NULL, (float *)input->a + n0 * input->elems,
                    trainer->labels + n0);
}

static double shard_loss(const struct step *step, int64_t n0, int64_t n1)
{
    struct pare_trainer *trainer = step->trainer;
    struct pare_slab *logits = trainer->net->logits, *input = trainer->net->input;
    int64_t k = logits->elems;
    const float *y = (const float *)logits->a + n0 * k;
    float *d = (float *)logits->g + n0 * k;
    double scale = trainer->label_weight / (double)trainer->batch;

    if (trainer->recipe.loss == PARE_LOSS_MSE)
        return pare_loss_mse_f32(d, y, (const float *)input->a + n0 * k, n1 - n0, k, scale);
    return pare_loss_cross_entropy_f32(d, y, trainer->labels + n0, n1 - n0, k,
                                       trainer->recipe.label_smoothing, scale);
}

/* Elements of the task's parameters: masked, and their squares summed. */
static double finish_gradient(struct pare_trainer *trainer, const struct pare_net_task *task)
{
    double sum = 0;

    for (int k = 0; k < 2 && task->slot[k] && task->slot[k]->g; k++) {
        const float *mask = trainer->states[task->slot[k]->param].mask;
        float *g = task->slot[k]->g;

        for (int64_t i = task->begin[k]; mask && i < task->end[k]; i++)
            g[i] *= mask[i];
        for (int64_t i = task->begin[k]; trainer->recipe.clip_norm > 0 && i < task->end[k]; i++)
            sum += (double)g[i] * (double)g[i];
    }
    return sum;
}

/* Moves the task's parameters.  Where nobody else touches weights, the copies that the passes read
 * are made here, while the rows are in the cache. */
static void update_task(const struct step *step, const struct pare_net_task *task, double scale)
{
    struct pare_trainer *trainer = step->trainer;

    for (int k = 0; k < 2 && task->slot[k]; k++) {
        const struct pare_param *p = &trainer->params[task->slot[k]->param];
        const struct pare_param_state *s = &trainer->states[task->slot[k]->param];
        struct pare_update how = step->how;
        int64_t begin = task->begin[k];

        how.gradient_scale = scale;
        if (!p->is_matrix)
            how.weight_decay = 0;
        pare_update_apply(&how, p->master + begin, p->grad + begin, s->m + begin,
                          s->v ? s->v + begin : NULL, task->end[k] - begin);
    }
    if (trainer->n_attachments == 0)
        pare_net_task_prepare(trainer->net, task);
}

/* Of all gradients together, their squares added up in the order of tasks. */
static double clip_scale(const struct pare_trainer *trainer)
{
    double sum = 0;

    for (int i = 0; i < trainer->net->n_tasks; i++)
        sum += trainer->task_norms[i];
    return pare_clip_scale(sum, trainer->recipe.clip_norm);
}

static void step_thread(void *arg, int thread, int n_threads)
{
    const struct step *step = arg;
    struct pare_trainer *trainer = step->trainer;
    struct pare_net *net = trainer->net;
    int64_t n = trainer->batch;
    int n_shards = pare_shard_count(n);
    bool is_clipped = trainer->recipe.clip_norm > 0;
    unsigned mode = pare_denormals_off();

    if (step->forward) {
        for (int s = thread; s < n_shards; s += n_threads)
            fetch_shard(step, pare_shard_begin(n, s, n_shards),
                        pare_shard_begin(n, s + 1, n_shards), s);
        if (trainer->n_attachments > 0) {
            pare_net_prepare_part(net, thread, n_threads);
            pare_pool_barrier(net->pool);
        }
        pare_net_forward_part(net, n, true, thread, n_threads);
        for (int s = thread; s < n_shards; s += n_threads)
            trainer->shard_loss[s] = shard_loss(step, pare_shard_begin(n, s, n_shards),
                                                pare_shard_begin(n, s + 1, n_shards));
    }
    if (step->backward) {
        pare_net_backward_part(net, n, thread, n_threads);
        pare_pool_barrier(net->pool);
    }
    for (int i = 0; i < net->n_tasks; i++) {
        const struct pare_net_task *task = &net->tasks[i];

        if (task->thread != thread)
            continue;
        if (step->backward)
            pare_net_task_run(net, task, n);
        if (step->update) {
            trainer->task_norms[i] = finish_gradient(trainer, task);
            if (!is_clipped)
                update_task(step, task, 1);
        }
    }
    if (step->update && is_clipped) {
        double scale;

        pare_pool_barrier(net->pool);
        scale = clip_scale(trainer);
        for (int i = 0; i < net->n_tasks; i++)
            if (net->tasks[i].thread == thread)
                update_task(step, &net->tasks[i], scale);
    }
    pare_denormals_restore(mode);
}

/* p->weight of every parametrized parameter, through all attachments in order. */
static void refresh_weights(struct pare_trainer *trainer)
{
    for (int i = 0; i < trainer->n_params; i++) {
        struct pare_param *p = &trainer->params[i];

        if (!trainer->states[i].announced)
            continue;
        memcpy(p->weight, p->master, (size_t)p->n * sizeof *p->weight);
        for (int a = 0; a < trainer->n_attachments; a++)
            if (trainer->states[i].announced >> a & 1 && trainer->attachments[a].weights)
                trainer->attachments[a].weights(trainer->attachments[a].state, trainer, p);
    }
}

static bool has_hook_loss(const struct pare_trainer *trainer)
{
    for (int a = 0; a < trainer->n_attachments; a++)
        if (trainer->attachments[a].loss)
            return true;
    return false;
}

static bool has_hook_gradients(const struct pare_trainer *trainer)
{
    for (int a = 0; a < trainer->n_attachments; a++)
        if (trainer->attachments[a].gradients)
            return true;
    return false;
}

static pare_status add_loss_terms(const struct step *step, double *loss, struct pare_error *err)
{
    struct pare_trainer *trainer = step->trainer;
    struct pare_train_batch batch = {.n = trainer->batch,
                                     .indices = step->indices,
                                     .input = trainer->net->input->a,
                                     .labels = trainer->labels,
                                     .is_augmented = step->is_augmented};

    for (int a = 0; a < trainer->n_attachments; a++) {
        const struct pare_attachment *attachment = &trainer->attachments[a];
        double value = 0;
        pare_status st;

        if (!attachment->loss)
            continue;
        st = attachment->loss(attachment->state, trainer, &batch, trainer->net->logits->a,
                              trainer->net->logits->g, &value, err);
        if (st) {
            pare_error_prefix(err, "%s", attachment->name);
            return st;
        }
        *loss += value;
    }
    return PARE_OK;
}

static bool is_finite(const float *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(a[i]))
            return false;
    return true;
}

/* The loss is not a number: where did that begin? */
static pare_status name_the_fault(const struct pare_trainer *trainer, double loss,
                                  struct pare_error *err)
{
    const struct pare_net *net = trainer->net;
    const char *remedy = "lower lr, or set clip_norm";

    if (!is_finite(net->input->a, trainer->batch * net->input->elems))
        return pare_fail(err, PARE_ENUMERIC,
                         "training: step %lld: the input has values that are not finite; check "
                         "the data",
                         (long long)trainer->step);
    for (int i = 0; i < net->n_layers; i++)
        if (!is_finite(net->layers[i].y->a, trainer->batch * net->layers[i].y->elems))
            return pare_fail(err, PARE_ENUMERIC,
                             "training: step %lld: the output of layer '%s' (%s) is not finite; "
                             "%s",
                             (long long)trainer->step, net->layers[i].node->name,
                             pare_op_name(net->layers[i].op), remedy);
    return pare_fail(err, PARE_ENUMERIC, "training: step %lld: the loss after layer '%s' is %g; %s",
                     (long long)trainer->step, net->layers[net->n_layers - 1].node->name, loss,
                     remedy);
}

pare_status pare_trainer_step_run(struct pare_trainer *trainer, const int64_t *indices,
                                  double *loss, struct pare_error *err)
{
    const struct pare_augment *augment = &trainer->recipe.augment;
    double lr = pare_schedule_lr(&trainer->recipe, trainer->step, trainer->n_steps,
                                 trainer->steps_per_epoch);
    bool stops_at_loss = has_hook_loss(trainer), stops_at_gradients = has_hook_gradients(trainer);
    struct step step = {.trainer = trainer,
                        .indices = indices,
                        .is_augmented = augment->shift || augment->flip || augment->crop_padding,
                        .how = pare_update_at(&trainer->recipe, trainer->step, lr)};
    pare_status st = PARE_OK;

    refresh_weights(trainer);
    step.forward = true;
    step.backward = !stops_at_loss;
    step.update = step.backward && !stops_at_gradients;
    pare_pool_run(trainer->net->pool, step_thread, &step);
    *loss = 0;
    for (int s = 0; s < pare_shard_count(trainer->batch); s++)
        *loss += trainer->shard_loss[s];
    *loss *= trainer->label_weight / (double)trainer->batch;
    if (stops_at_loss) {
        st = add_loss_terms(&step, loss, err);
        if (st)
            return st;
    }
    if (!isfinite(*loss))
        return name_the_fault(trainer, *loss, err);
    if (stops_at_loss) {
        step.forward = false;
        step.backward = true;
        step.update = !stops_at_gradients;
        pare_pool_run(trainer->net->pool, step_thread, &step);
    }
    if (stops_at_gradients) {
        for (int a = trainer->n_attachments - 1; a >= 0; a--)
            for (int i = 0; i < trainer->n_params && trainer->attachments[a].gradients; i++)
                trainer->attachments[a].gradients(trainer->attachments[a].state, trainer,
                                                  &trainer->params[i]);
        step.forward = step.backward = false;
        step.update = true;
        pare_pool_run(trainer->net->pool, step_thread, &step);
    }
    for (int a = 0; a < trainer->n_attachments; a++)
        if (trainer->attachments[a].after_step)
            trainer->attachments[a].after_step(trainer->attachments[a].state, trainer);
    return PARE_OK;
}

/* ---- Validation ---- */

struct look {
    struct pare_trainer *trainer;
    const int64_t *indices;
    int64_t n;
};

static void look_thread(void *arg, int thread, int n_threads)
{
    const struct look *look = arg;
    struct pare_trainer *trainer = look->trainer;
    struct pare_slab *input = trainer->net->input, *logits = trainer->net->logits;
    int64_t n = look->n, k = logits->elems;
    int n_shards = pare_shard_count(n);

    for (int s = thread; s < n_shards; s += n_threads) {
        int64_t n0 = pare_shard_begin(n, s, n_shards), n1 = pare_shard_begin(n, s + 1, n_shards);

        pare_data_fetch(trainer->ctx->data, PARE_VALIDATION, look->indices + n0, n1 - n0, NULL,
                        NULL, (float *)input->a + n0 * input->elems, trainer->labels + n0);
    }
    pare_net_forward_part(trainer->net, n, false, thread, n_threads);
    for (int s = thread; s < n_shards; s += n_threads) {
        int64_t n0 = pare_shard_begin(n, s, n_shards), n1 = pare_shard_begin(n, s + 1, n_shards);

        trainer->shard_hits[s] = 0;
        trainer->shard_loss[s] = 0;
        for (int64_t i = n0; i < n1; i++) {
            const float *y = (const float *)logits->a + i * k;
            const float *x = (const float *)input->a + i * input->elems;
            int64_t best = 0;

            if (trainer->recipe.loss == PARE_LOSS_MSE) {
                for (int64_t j = 0; j < k; j++)
                    trainer->shard_loss[s] += (double)(y[j] - x[j]) * (double)(y[j] - x[j]);
                continue;
            }
            for (int64_t j = 1; j < k; j++)
                best = y[j] > y[best] ? j : best;
            trainer->shard_hits[s] += best == trainer->labels[i];
        }
    }
}

double pare_trainer_validate(struct pare_trainer *trainer)
{
    int64_t n = pare_data_n(trainer->ctx->data, PARE_VALIDATION), hits = 0;
    int64_t *indices;
    double loss = 0;

    if (n < 1)
        return NAN;
    refresh_weights(trainer);
    pare_net_prepare(trainer->net);
    indices = pare_xcalloc((size_t)trainer->batch, sizeof *indices);
    for (int64_t first = 0; first < n; first += trainer->batch) {
        struct look look = {trainer, indices,
                            n - first < trainer->batch ? n - first : trainer->batch};

        for (int64_t i = 0; i < look.n; i++)
            indices[i] = first + i;
        pare_pool_run(trainer->net->pool, look_thread, &look);
        for (int s = 0; s < pare_shard_count(look.n); s++) {
            hits += trainer->shard_hits[s];
            loss += trainer->shard_loss[s];
        }
    }
    free(indices);
    if (trainer->recipe.loss == PARE_LOSS_MSE)
        return -loss / (double)(n * trainer->net->logits->elems);
    return (double)hits / (double)n;
}
