/* The one trainer (pare/train.h).
 *
 * A step runs on the whole team at once: each thread fetches its shards, takes them forward, through
 * the loss and backward; after a barrier each completes the gradients of its tasks (rows of matrices,
 * whole vectors) and moves those parameters at once.  Where an attachment wants to see outputs or
 * gradients, the team stops there and the caller's thread asks it. */
#include <pare/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "train/denormal.h"
#include "train/loss.h"
#include "train/net.h"
#include "train/optimizer.h"
#include "train/shard.h"

#define MAX_ATTACHMENTS 16

/* Beside what methods see of a parameter. */
struct param_state {
    struct pare_slot *slot;
    float *m, *v;       /* the optimizer's */
    float *mask;        /* 0 where a sparse weight stays zero; NULL: dense */
    unsigned announced; /* bit i: attachment i parametrizes it */
};

struct pare_trainer {
    const struct pare_context *ctx;
    struct pare_recipe recipe;
    struct pare_graph *graph;
    struct pare_net *net;
    int n_params;
    struct pare_param *params;
    struct param_state *states;
    int n_attachments;
    struct pare_attachment attachments[MAX_ATTACHMENTS];
    int starting; /* the attachment whose start() runs, else the last one */
    double label_weight;
    pare_status failed; /* of a call that returns nothing */
    struct pare_error failure;
    int64_t batch, n_steps, steps_per_epoch, step;
    int64_t *order; /* of the training split, shuffled every epoch */
    int32_t *labels;
    float *best_numbers; /* snapshot of the best epoch */
    double *task_norms;
    double shard_loss[PARE_MAX_SHARDS];
    int64_t shard_hits[PARE_MAX_SHARDS];
    struct pare_train_result result;
};

/* ---- What methods see ---- */

int pare_trainer_n_params(const struct pare_trainer *trainer)
{
    return trainer->n_params;
}

struct pare_param *pare_trainer_param(struct pare_trainer *trainer, int i)
{
    return &trainer->params[i];
}

int64_t pare_trainer_step(const struct pare_trainer *trainer)
{
    return trainer->step;
}

int64_t pare_trainer_n_steps(const struct pare_trainer *trainer)
{
    return trainer->n_steps;
}

int64_t pare_trainer_steps_per_epoch(const struct pare_trainer *trainer)
{
    return trainer->steps_per_epoch;
}

const struct pare_context *pare_trainer_context(const struct pare_trainer *trainer)
{
    return trainer->ctx;
}

int pare_trainer_n_outputs(const struct pare_trainer *trainer)
{
    return (int)trainer->net->logits->elems;
}

void pare_trainer_set_label_weight(struct pare_trainer *trainer, double weight)
{
    trainer->label_weight = weight;
}

void pare_trainer_result(const struct pare_trainer *trainer, struct pare_train_result *out)
{
    *out = trainer->result;
}

pare_status pare_trainer_attach(struct pare_trainer *trainer,
                                const struct pare_attachment *attachment, struct pare_error *err)
{
    if (trainer->n_attachments == MAX_ATTACHMENTS) {
        if (attachment->free)
            attachment->free(attachment->state);
        return pare_fail(err, PARE_EINVAL, "'%s': a training run carries at most %d methods",
                         attachment->name, MAX_ATTACHMENTS);
    }
    trainer->starting = trainer->n_attachments;
    trainer->attachments[trainer->n_attachments++] = *attachment;
    return PARE_OK;
}

void pare_trainer_parametrize(struct pare_trainer *trainer, struct pare_param *p)
{
    struct param_state *state = &trainer->states[p - trainer->params];
    void *weight;

    state->announced |= 1u << trainer->starting;
    if (p->weight != p->master)
        return;
    trainer->failed =
        pare_net_buffer(trainer->net, &weight, p->n, sizeof(float), &trainer->failure);
    if (trainer->failed)
        return;
    p->weight = weight;
    state->slot->w = weight;
    memcpy(p->weight, p->master, (size_t)p->n * sizeof(float));
}

/* ---- Making ---- */

static pare_status check_recipe(const struct pare_recipe *r, struct pare_error *err)
{
    if (!(r->epochs >= 0) || r->batch < 1 || !(r->lr >= 0) || !isfinite(r->lr))
        return pare_fail(err, PARE_EINVAL, "training: epochs %g, batch %d, lr %g make no run",
                         r->epochs, r->batch, r->lr);
    return PARE_OK;
}

static pare_status check_graph(const struct pare_graph *graph, struct pare_error *err)
{
    for (int i = 0; i < graph->n_values; i++) {
        const struct pare_value *value = graph->values[i];

        if (value->data && value->coding.bits && value->coding.bits < 32)
            return pare_fail(err, PARE_EINVAL,
                             "training: weight '%s' is quantized to %d bits and cannot move; "
                             "train before quantizing",
                             value->name, value->coding.bits);
        if (!value->data && value->quant.bits)
            return pare_fail(err, PARE_EINVAL,
                             "training: activation '%s' is quantized to %d bits; train before "
                             "quantizing",
                             value->name, value->quant.bits);
    }
    return PARE_OK;
}

/* Does the data fit the network and the loss? */
static pare_status check_data(const struct pare_trainer *trainer, struct pare_error *err)
{
    const struct pare_data *data = trainer->ctx->data;
    struct pare_shape sample, input = trainer->net->input->value->shape;
    const struct pare_slab *logits = trainer->net->logits;
    char a[128], b[128];

    if (!data)
        return pare_fail(err, PARE_EINVAL, "training needs data; give the sweep a 'data:' section");
    if (pare_data_n(data, PARE_TRAIN) < 1)
        return pare_fail(err, PARE_EINVAL, "training: '%s' has no training samples",
                         pare_data_name(data));
    sample = pare_data_sample_shape(data);
    memmove(&input.dims[0], &input.dims[1], sizeof input.dims[0] * (size_t)(input.n_dims - 1));
    input.n_dims--;
    if (!pare_shape_equal(&sample, &input))
        return pare_fail(err, PARE_EINVAL, "training: samples of '%s' are %s, the network wants %s",
                         pare_data_name(data), pare_shape_text(&sample, a, sizeof a),
                         pare_shape_text(&input, b, sizeof b));
    if (trainer->recipe.loss == PARE_LOSS_MSE) {
        if (logits->elems != trainer->net->input->elems ||
            (logits->pixels != trainer->net->input->pixels && trainer->net->input->channels > 1 &&
             trainer->net->input->pixels > 1))
            return pare_fail(err, PARE_EINVAL,
                             "training: loss mse rebuilds the input, but the network has %lld "
                             "outputs for %lld inputs",
                             (long long)logits->elems, (long long)trainer->net->input->elems);
        return PARE_OK;
    }
    if (pare_data_n_classes(data) < 1)
        return pare_fail(err, PARE_EINVAL,
                         "training: '%s' has no labels; set loss: mse to rebuild the input",
                         pare_data_name(data));
    if (logits->elems < pare_data_n_classes(data))
        return pare_fail(err, PARE_EINVAL, "training: %lld outputs for the %d classes of '%s'",
                         (long long)logits->elems, pare_data_n_classes(data), pare_data_name(data));
    return PARE_OK;
}

static pare_status make_params(struct pare_trainer *trainer, struct pare_error *err)
{
    struct pare_net *net = trainer->net;
    bool is_adam = trainer->recipe.optimizer != PARE_SGD;
    pare_status st = PARE_OK;

    trainer->params = pare_xcalloc((size_t)net->n_slots + 1, sizeof *trainer->params);
    trainer->states = pare_xcalloc((size_t)net->n_slots + 1, sizeof *trainer->states);
    for (int i = 0; i < net->n_slots && !st; i++) {
        struct pare_slot *slot = &net->slots[i];
        struct param_state *state = &trainer->states[trainer->n_params];
        void *m, *v = NULL, *mask = NULL;

        if (!slot->g)
            continue;
        st = pare_net_buffer(net, &m, slot->n, sizeof(float), err);
        if (!st && is_adam)
            st = pare_net_buffer(net, &v, slot->n, sizeof(float), err);
        if (!st && slot->value->coding.is_sparse)
            st = pare_net_buffer(net, &mask, slot->n, sizeof(float), err);
        if (st)
            break;
        *state = (struct param_state){.slot = slot, .m = m, .v = v, .mask = mask};
        for (int64_t k = 0; k < slot->n && mask; k++)
            state->mask[k] = ((float *)slot->w)[k] != 0;
        trainer->params[trainer->n_params++] = (struct pare_param){.value = slot->value,
                                                                   .node = slot->node,
                                                                   .master = slot->w,
                                                                   .weight = slot->w,
                                                                   .grad = slot->g,
                                                                   .n = slot->n,
                                                                   .n_rows = slot->n_rows,
                                                                   .is_matrix = slot->is_matrix};
        slot->param = trainer->n_params - 1;
    }
    if (!st && !trainer->n_params)
        st = pare_fail(err, PARE_EINVAL, "training: the network has no weights to train");
    return st;
}

pare_status pare_trainer_new(struct pare_trainer **out, const struct pare_context *ctx,
                             const struct pare_recipe *recipe, struct pare_graph *graph,
                             struct pare_error *err)
{
    struct pare_net_config config = {.real_bits = 32,
                                     .n_threads = ctx->n_threads > 1 ? ctx->n_threads : 1,
                                     .learns = true};
    struct pare_trainer *trainer;
    int64_t n;
    pare_status st;

    *out = NULL;
    st = check_recipe(recipe, err);
    if (!st)
        st = check_graph(graph, err);
    if (st)
        return st;
    trainer = pare_xcalloc(1, sizeof *trainer);
    trainer->ctx = ctx;
    trainer->recipe = *recipe;
    trainer->graph = graph;
    trainer->label_weight = 1;
    trainer->result = (struct pare_train_result){.train_loss = NAN, .val_accuracy = NAN};
    n = ctx->data ? pare_data_n(ctx->data, PARE_TRAIN) : 0;
    /* The last, partial batch of an epoch is dropped, unless it is the only one. */
    trainer->batch = n > 0 && n < recipe->batch ? n : recipe->batch;
    trainer->steps_per_epoch = n > trainer->batch ? n / trainer->batch : 1;
    trainer->n_steps = (int64_t)llround(recipe->epochs * (double)trainer->steps_per_epoch);
    if (recipe->epochs > 0 && trainer->n_steps < 1)
        trainer->n_steps = 1;
    config.max_batch = trainer->batch;
    st = pare_net_new(&trainer->net, graph, &config, err);
    if (!st)
        st = check_data(trainer, err);
    if (!st)
        st = make_params(trainer, err);
    if (st) {
        pare_trainer_free(trainer);
        return st;
    }
    trainer->order = pare_xcalloc((size_t)n, sizeof *trainer->order);
    trainer->labels = pare_xcalloc((size_t)trainer->batch, sizeof *trainer->labels);
    trainer->task_norms = pare_xcalloc((size_t)trainer->net->n_tasks + 1, sizeof(double));
    *out = trainer;
    return PARE_OK;
}

void pare_trainer_free(struct pare_trainer *trainer)
{
    if (!trainer)
        return;
    for (int i = 0; i < trainer->n_attachments; i++)
        if (trainer->attachments[i].free)
            trainer->attachments[i].free(trainer->attachments[i].state);
    pare_net_free(trainer->net);
    free(trainer->params);
    free(trainer->states);
    free(trainer->order);
    free(trainer->labels);
    free(trainer->best_numbers);
    free(trainer->task_norms);
    free(trainer);
}

/* ---- One step ---- */

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

static void update_task(const struct step *step, const struct pare_net_task *task, double scale)
{
    struct pare_trainer *trainer = step->trainer;

    for (int k = 0; k < 2 && task->slot[k]; k++) {
        const struct pare_param *p = &trainer->params[task->slot[k]->param];
        const struct param_state *s = &trainer->states[task->slot[k]->param];
        struct pare_update how = step->how;
        int64_t begin = task->begin[k];

        how.gradient_scale = scale;
        if (!p->is_matrix)
            how.weight_decay = 0;
        pare_update_apply(&how, p->master + begin, p->grad + begin, s->m + begin,
                          s->v ? s->v + begin : NULL, task->end[k] - begin);
    }
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
        pare_net_prepare_part(net, thread, n_threads);
        pare_pool_barrier(net->pool);
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

static pare_status run_step(struct pare_trainer *trainer, const int64_t *indices, double *loss,
                            struct pare_error *err)
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

/* Accuracy on the validation split, or without labels the negative mean squared error: larger is
 * better.  NAN when there is no validation split. */
static double validate(struct pare_trainer *trainer)
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

/* ---- The best epoch ---- */

/* An attachment that moves weights by a schedule (pruning) would be undone by an earlier epoch. */
static bool may_keep_best(const struct pare_trainer *trainer)
{
    for (int a = 0; a < trainer->n_attachments; a++)
        if (trainer->attachments[a].after_step || trainer->attachments[a].weights)
            return false;
    return trainer->recipe.keep_best;
}

/* Copies all numbers that training moved to (or from) the snapshot. */
static void snapshot(struct pare_trainer *trainer, bool restores)
{
    float *at;
    int64_t n = 0;

    for (int i = 0; i < trainer->net->n_slots; i++)
        n += trainer->net->slots[i].n;
    if (!trainer->best_numbers)
        trainer->best_numbers = pare_xcalloc((size_t)n, sizeof(float));
    at = trainer->best_numbers;
    for (int i = 0; i < trainer->net->n_slots; i++) {
        const struct pare_slot *slot = &trainer->net->slots[i];
        float *numbers = slot->g ? trainer->params[slot->param].master : slot->w;

        if (restores)
            memcpy(numbers, at, (size_t)slot->n * sizeof(float));
        else
            memcpy(at, numbers, (size_t)slot->n * sizeof(float));
        at += slot->n;
    }
}

/* ---- The run ---- */

static void say(const struct pare_trainer *trainer, double epoch, double score, double seconds,
                int64_t samples)
{
    double lr = pare_schedule_lr(&trainer->recipe, trainer->step - 1, trainer->n_steps,
                                 trainer->steps_per_epoch);
    char text[256], validation[64] = "";

    if (!trainer->ctx->log)
        return;
    if (trainer->recipe.loss == PARE_LOSS_MSE && isfinite(score))
        snprintf(validation, sizeof validation, ", validation mse %.5g", -score);
    else if (isfinite(score))
        snprintf(validation, sizeof validation, ", validation %.2f %%", 100 * score);
    snprintf(text, sizeof text, "epoch %.4g/%.4g: loss %.4f%s, lr %.3g, %.0f samples/s", epoch,
             trainer->recipe.epochs, trainer->result.train_loss, validation, lr,
             seconds > 0 ? (double)samples / seconds : 0.0);
    trainer->ctx->log(trainer->ctx->log_state, text);
}

static pare_status run_epochs(struct pare_trainer *trainer, struct pare_error *err)
{
    const struct pare_context *ctx = trainer->ctx;
    int64_t n = pare_data_n(ctx->data, PARE_TRAIN);
    double best = -INFINITY, seconds = 0;
    int n_worse = 0;
    bool is_stopped = false;

    for (int64_t epoch = 0; trainer->step < trainer->n_steps && !is_stopped; epoch++) {
        double loss_sum = 0, started = pare_clock_s(), score, now;
        int64_t done = 0;
        struct pare_rng rng;

        for (int64_t i = 0; i < n; i++)
            trainer->order[i] = i;
        pare_rng_init(&rng, ctx->seed, 0x65706f6368u + (uint64_t)epoch);
        pare_rng_shuffle(&rng, trainer->order, n);
        for (; done < trainer->steps_per_epoch && trainer->step < trainer->n_steps; done++) {
            double loss;
            pare_status st;

            if (ctx->stop && *ctx->stop)
                return pare_fail(err, PARE_ESTOPPED, "training stopped at step %lld of %lld",
                                 (long long)trainer->step, (long long)trainer->n_steps);
            st = run_step(trainer, trainer->order + done * trainer->batch, &loss, err);
            if (st)
                return st;
            loss_sum += loss;
            trainer->step++;
        }
        now = pare_clock_s();
        seconds += now - started;
        trainer->result.train_loss = loss_sum / (double)done;
        trainer->result.epochs_run = (double)trainer->step / (double)trainer->steps_per_epoch;
        trainer->result.samples_per_s =
            seconds > 0 ? (double)(trainer->step * trainer->batch) / seconds : 0;
        score = validate(trainer);
        say(trainer, trainer->result.epochs_run, score, now - started, done * trainer->batch);
        if (trainer->recipe.loss != PARE_LOSS_MSE)
            trainer->result.val_accuracy = score;
        n_worse++;
        if (score > best || isnan(score)) {
            best = isnan(score) ? best : score;
            n_worse = 0;
            trainer->result.best_epoch = trainer->result.epochs_run;
            if (may_keep_best(trainer))
                snapshot(trainer, false);
        }
        is_stopped = trainer->recipe.patience > 0 && n_worse >= trainer->recipe.patience;
    }
    if (trainer->n_steps == 0) {
        double score = validate(trainer);

        trainer->result.val_accuracy = trainer->recipe.loss == PARE_LOSS_MSE ? NAN : score;
    } else if (may_keep_best(trainer)) {
        snapshot(trainer, true);
        if (trainer->recipe.loss != PARE_LOSS_MSE && best > -INFINITY)
            trainer->result.val_accuracy = best;
    }
    return PARE_OK;
}

static pare_status write_back(struct pare_trainer *trainer, struct pare_error *err)
{
    for (int i = 0; i < trainer->net->n_slots; i++) {
        struct pare_slot *slot = &trainer->net->slots[i];
        pare_status st = pare_value_own_data(slot->value, err);

        if (st)
            return st;
        pare_slot_store(trainer->net, slot, slot->g ? trainer->params[slot->param].master : slot->w,
                        pare_tensor_f32(slot->value->data));
    }
    return PARE_OK;
}

pare_status pare_trainer_run(struct pare_trainer *trainer, struct pare_error *err)
{
    pare_status st = PARE_OK;

    for (int a = 0; a < trainer->n_attachments && !st; a++) {
        const struct pare_attachment *attachment = &trainer->attachments[a];

        trainer->starting = a;
        if (attachment->start)
            st = attachment->start(attachment->state, trainer, err);
        if (st)
            pare_error_prefix(err, "%s", attachment->name);
    }
    if (!st && trainer->failed)
        st = pare_fail(err, trainer->failed, "%s", trainer->failure.text);
    if (!st)
        st = run_epochs(trainer, err);
    if (!st)
        st = write_back(trainer, err);
    for (int a = 0; a < trainer->n_attachments && !st; a++) {
        const struct pare_attachment *attachment = &trainer->attachments[a];

        if (attachment->finish)
            st = attachment->finish(attachment->state, trainer, trainer->graph, err);
        if (st)
            pare_error_prefix(err, "%s", attachment->name);
    }
    return st;
}
