/* The one trainer (pare/train.h): what methods see of it, what it accepts, and the run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "train/optimizer.h"
#include "train/trainer_impl.h"

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
    if (trainer->n_attachments == PARE_MAX_ATTACHMENTS) {
        if (attachment->free)
            attachment->free(attachment->state);
        return pare_fail(err, PARE_EINVAL, "'%s': a training run carries at most %d methods",
                         attachment->name, PARE_MAX_ATTACHMENTS);
    }
    trainer->starting = trainer->n_attachments;
    trainer->attachments[trainer->n_attachments++] = *attachment;
    return PARE_OK;
}

void pare_trainer_parametrize(struct pare_trainer *trainer, struct pare_param *p)
{
    struct pare_param_state *state = &trainer->states[p - trainer->params];
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
        struct pare_param_state *state = &trainer->states[trainer->n_params];
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
        *state = (struct pare_param_state){.slot = slot, .m = m, .v = v, .mask = mask};
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
            st = pare_trainer_step_run(trainer, trainer->order + done * trainer->batch, &loss, err);
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
        score = pare_trainer_validate(trainer);
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
        double score = pare_trainer_validate(trainer);

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
