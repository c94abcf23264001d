#include "../support/check.h"
#include "../support/nets.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/train.h>
#include <pare/zoo.h>

#include "io/data_open.h"
#include "option/schema.h"
#include "train/net.h"

static struct pare_data *data; /* 600 digits */
static char *folder;
static char last_line[512];

static int open_data(void **state)
{
    struct pare_data_spec spec;
    struct pare_error err = {0};

    (void)state;
    folder = check_make_dir();
    pare_data_spec_defaults(&spec);
    spec.name = "digits";
    spec.limit_train = 600;
    spec.limit_test = 10;
    spec.cache_dir = folder;
    assert_ok(pare_data_open(&data, &spec, &err), &err);
    return 0;
}

static int close_data(void **state)
{
    (void)state;
    pare_data_close(data);
    check_remove_dir(folder);
    return 0;
}

static void keep_line(void *state, const char *text)
{
    (void)state;
    snprintf(last_line, sizeof last_line, "%s", text);
}

static struct pare_recipe short_recipe(void)
{
    struct pare_recipe recipe;

    pare_recipe_defaults(&recipe);
    recipe.epochs = 2;
    recipe.batch = 64;
    return recipe;
}

static struct pare_graph *zoo(const char *name)
{
    struct pare_shape shape = pare_data_sample_shape(data);
    struct pare_graph *graph;
    struct pare_error err = {0};

    assert_ok(pare_zoo_build(&graph, name, &shape, 10, 3, &err), &err);
    return graph;
}

struct run {
    int n_threads;
    uint64_t seed;
    volatile int *stop;
    const struct pare_attachment *attachments;
    int n_attachments;
    struct pare_train_result result;
    struct pare_error err;
};

static pare_status train(struct pare_graph *graph, const struct pare_recipe *recipe,
                         struct run *run)
{
    struct pare_rng rng;
    struct pare_context ctx = {.seed = run->seed ? run->seed : 1,
                               .rng = &rng,
                               .data = data,
                               .recipe = recipe,
                               .n_threads = run->n_threads ? run->n_threads : 2,
                               .fidelity = 1,
                               .log = keep_line,
                               .stop = run->stop};
    struct pare_trainer *trainer;
    pare_status st;

    pare_rng_init(&rng, ctx.seed, 0);
    st = pare_trainer_new(&trainer, &ctx, recipe, graph, &run->err);
    if (st)
        return st;
    for (int i = 0; i < run->n_attachments; i++)
        assert_ok(pare_trainer_attach(trainer, &run->attachments[i], &run->err), &run->err);
    st = pare_trainer_run(trainer, &run->err);
    pare_trainer_result(trainer, &run->result);
    pare_trainer_free(trainer);
    return st;
}

static void assert_same_weights(const struct pare_graph *a, const struct pare_graph *b)
{
    assert_int_equal(a->n_values, b->n_values);
    for (int i = 0; i < a->n_values; i++)
        if (a->values[i]->data)
            assert_memory_equal(a->values[i]->data->data, b->values[i]->data->data,
                                a->values[i]->data->n_bytes);
}

static bool weights_differ(const struct pare_graph *a, const struct pare_graph *b)
{
    for (int i = 0; i < a->n_values; i++)
        if (a->values[i]->data && memcmp(a->values[i]->data->data, b->values[i]->data->data,
                                         a->values[i]->data->n_bytes) != 0)
            return true;
    return false;
}

/* Trains two fresh copies and gives both. */
static void train_twice(const char *name, const struct pare_recipe *recipe, struct run *first,
                        struct run *second, struct pare_graph *out[2])
{
    struct run *runs[2] = {first, second};

    for (int i = 0; i < 2; i++) {
        out[i] = zoo(name);
        assert_ok(train(out[i], recipe, runs[i]), &runs[i]->err);
    }
}

/* ---- Determinism ---- */

static void one_two_and_three_threads_give_the_same_bytes(void **state)
{
    static const char *const names[] = {"lenet-300-100-half", "lenet5-quarter", "resnet8-quarter",
                                        "ds-cnn-quarter"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int n_threads = 2; n_threads <= 3; n_threads++) {
            struct pare_recipe recipe = short_recipe();
            struct pare_graph *graphs[2];

            recipe.epochs = 0.5; /* four steps */
            recipe.augment.shift = 2;
            recipe.clip_norm = i == 0 ? 1 : 0;
            train_twice(names[i], &recipe, &(struct run){.n_threads = 1},
                        &(struct run){.n_threads = n_threads}, graphs);
            assert_same_weights(graphs[0], graphs[1]);
            pare_graph_free(graphs[0]);
            pare_graph_free(graphs[1]);
        }
}

static void the_same_seed_gives_the_same_bytes_and_another_seed_others(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graphs[2];

    (void)state;
    train_twice("lenet5-quarter", &recipe, &(struct run){.seed = 5}, &(struct run){.seed = 5},
                graphs);
    assert_same_weights(graphs[0], graphs[1]);
    pare_graph_free(graphs[0]);
    pare_graph_free(graphs[1]);
    train_twice("lenet5-quarter", &recipe, &(struct run){.seed = 5}, &(struct run){.seed = 6},
                graphs);
    assert_true(weights_differ(graphs[0], graphs[1]));
    pare_graph_free(graphs[0]);
    pare_graph_free(graphs[1]);
}

/* ---- Laws ---- */

static void zero_learning_rate_leaves_the_network_as_it_was(void **state)
{
    (void)state;
    for (int optimizer = PARE_SGD; optimizer <= PARE_ADAMW; optimizer++) {
        struct pare_recipe recipe = short_recipe();
        struct pare_graph *before = zoo("lenet5-quarter"), *after = zoo("lenet5-quarter");
        struct run run = {0};

        recipe.lr = 0;
        recipe.optimizer = optimizer;
        assert_ok(train(after, &recipe, &run), &run.err);
        assert_same_weights(before, after);
        pare_graph_free(before);
        pare_graph_free(after);
    }
}

static void zero_epochs_leave_the_network_as_it_was(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *before = zoo("resnet8-quarter"), *after = zoo("resnet8-quarter");
    struct run run = {0};

    (void)state;
    recipe.epochs = 0;
    assert_ok(train(after, &recipe, &run), &run.err);
    assert_same_weights(before, after);
    assert_true(run.result.val_accuracy >= 0 && run.result.val_accuracy <= 1);
    pare_graph_free(before);
    pare_graph_free(after);
}

static void training_learns_the_digits(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = zoo("lenet5-quarter");
    struct run run = {0};

    (void)state;
    recipe.epochs = 12;
    recipe.lr = 4e-3;
    assert_ok(train(graph, &recipe, &run), &run.err);
    assert_true(run.result.val_accuracy > 0.7); /* of 60 samples, from 540 */
    assert_true(run.result.train_loss < 0.5);
    assert_true(run.result.samples_per_s > 0);
    assert_non_null(strstr(last_line, "epoch 12/12"));
    pare_graph_free(graph);
}

static void all_optimizers_and_schedules_learn(void **state)
{
    static const struct {
        enum pare_optimizer optimizer;
        enum pare_schedule schedule;
        double lr;
    } cases[] = {{PARE_SGD, PARE_SCHEDULE_STEP, 0.05},
                 {PARE_SGD, PARE_SCHEDULE_COSINE, 0.05},
                 {PARE_ADAM, PARE_SCHEDULE_CONSTANT, 3e-3},
                 {PARE_ADAMW, PARE_SCHEDULE_COSINE, 3e-3}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pare_recipe recipe = short_recipe();
        struct pare_graph *graph = zoo("lenet-300-100-quarter");
        struct run run = {0};

        recipe.epochs = 8;
        recipe.optimizer = (int)cases[i].optimizer;
        recipe.schedule = (int)cases[i].schedule;
        recipe.lr = cases[i].lr;
        recipe.warmup = 1;
        recipe.step_every = 6;
        recipe.label_smoothing = 0.1;
        recipe.nesterov = cases[i].schedule == PARE_SCHEDULE_STEP;
        assert_ok(train(graph, &recipe, &run), &run.err);
        assert_true(run.result.val_accuracy > 0.6);
        pare_graph_free(graph);
    }
}

static void an_autoencoder_learns_to_rebuild_its_input(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = pare_graph_new("autoencoder");
    struct pare_value *x =
        pare_graph_input(graph, "x", &(struct pare_shape){4, {PARE_DIM_BATCH, 1, 28, 28}});
    struct pare_rng rng;
    struct run run = {0};
    double before;

    (void)state;
    pare_rng_init(&rng, 4, 4);
    x = pare_graph_node(graph, PARE_OP_FLATTEN, NULL, &x, 1)->outputs[0];
    for (int i = 0; i < 2; i++) {
        int64_t in = i ? 32 : 784, out = i ? 784 : 32;
        struct pare_tensor *w;
        struct pare_node *node;

        assert_ok(pare_tensor_new(&w, PARE_F32, &(struct pare_shape){2, {out, in}}, &run.err),
                  &run.err);
        for (int64_t k = 0; k < in * out; k++)
            pare_tensor_f32(w)[k] = (float)(pare_rng_normal(&rng) / sqrt((double)in));
        node = pare_graph_node(graph, PARE_OP_GEMM, NULL,
                               (struct pare_value *[]){x, pare_graph_weight(graph, NULL, w)}, 2);
        pare_node_set_int(graph, node, "transB", 1);
        x = node->outputs[0];
    }
    pare_graph_output(graph, x);
    assert_ok(pare_graph_finish(graph, &run.err), &run.err);
    recipe.loss = PARE_LOSS_MSE;
    recipe.epochs = 1;
    recipe.lr = 0;
    assert_ok(train(graph, &recipe, &run), &run.err);
    before = run.result.train_loss;
    recipe.lr = 3e-3;
    recipe.epochs = 10;
    assert_ok(train(graph, &recipe, &run), &run.err);
    assert_true(run.result.train_loss < 0.5 * before);
    assert_true(isnan(run.result.val_accuracy));
    pare_graph_free(graph);
}

static void zeros_of_sparse_weights_stay_zero(void **state)
{
    (void)state;
    for (int optimizer = PARE_SGD; optimizer <= PARE_ADAMW; optimizer++) {
        struct pare_recipe recipe = short_recipe();
        struct pare_graph *graph = zoo("lenet5-quarter");
        struct run run = {0};
        int64_t n_zeros = 0, n_moved = 0;

        recipe.optimizer = optimizer;
        recipe.weight_decay = 0.01;
        pare_each_weight(value, graph) {
            if (value->shape.n_dims < 2)
                continue;
            value->coding.is_sparse = true;
            for (int64_t i = 0; i < pare_tensor_elems(value->data); i += 3)
                pare_tensor_f32(value->data)[i] = 0;
        }
        assert_ok(train(graph, &recipe, &run), &run.err);
        pare_each_weight(value, graph) {
            if (value->shape.n_dims < 2)
                continue;
            assert_true(value->coding.is_sparse);
            for (int64_t i = 0; i < pare_tensor_elems(value->data); i++) {
                if (i % 3 == 0) {
                    n_zeros++;
                    assert_true(pare_tensor_f32(value->data)[i] == 0);
                } else {
                    n_moved += pare_tensor_f32(value->data)[i] != 0;
                }
            }
        }
        assert_true(n_zeros > 0 && n_moved > n_zeros);
        pare_graph_free(graph);
    }
}

/* ---- Faults ---- */

static void a_loss_that_is_not_a_number_names_step_and_layer(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = zoo("lenet-300-100"), *before = zoo("lenet-300-100");
    struct run run = {0};

    (void)state;
    /* The second layer's weights: the first layer's output is still finite. */
    pare_each_node(node, graph) {
        if (node->op == PARE_OP_GEMM && node->index > 2) {
            pare_tensor_f32(node->inputs[1]->data)[5] = NAN;
            assert_int_equal(train(graph, &recipe, &run), PARE_ENUMERIC);
            assert_non_null(strstr(run.err.text, "step 0"));
            assert_non_null(strstr(run.err.text, node->name));
            pare_graph_free(graph);
            pare_graph_free(before);
            return;
        }
    }
    fail();
}

static void a_learning_rate_that_explodes_is_a_numeric_error(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = zoo("lenet5-quarter"), *before = zoo("lenet5-quarter");
    struct run run = {0};

    (void)state;
    recipe.optimizer = PARE_SGD;
    recipe.lr = 1e6;
    recipe.schedule = PARE_SCHEDULE_CONSTANT;
    recipe.epochs = 20;
    assert_int_equal(train(graph, &recipe, &run), PARE_ENUMERIC);
    assert_non_null(strstr(run.err.text, "not finite"));
    assert_non_null(strstr(run.err.text, "lower lr"));
    assert_same_weights(graph, before); /* nothing half-trained is written */
    pare_graph_free(graph);
    pare_graph_free(before);
}

static void quantized_weights_are_refused(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = zoo("lenet5-quarter");
    struct run run = {0};

    (void)state;
    pare_each_weight(value, graph) {
        value->coding.bits = 8;
        assert_int_equal(train(graph, &recipe, &run), PARE_EINVAL);
        assert_non_null(strstr(run.err.text, value->name));
        assert_non_null(strstr(run.err.text, "8 bits"));
        value->coding.bits = 32;
    }
    pare_graph_free(graph);
}

/* conv -> `op` of it -> head; what the graph allows and the trainer does not. */
static struct pare_graph *odd_net(int kind)
{
    struct pare_graph *g = pare_graph_new("odd");
    struct pare_shape shape = pare_shape_of(4, kind == 0 ? (int64_t)2 : (int64_t)PARE_DIM_BATCH,
                                            (int64_t)1, (int64_t)28, (int64_t)28);
    struct pare_value *x = net_conv(g, pare_graph_input(g, "x", &shape), "conv", 1, 4, 3, 1, 0, 1);

    if (kind == 1) { /* an add that stretches one side over the pixels */
        x = net_add(g, x, net_op(g, x, PARE_OP_GLOBAL_AVGPOOL, "mean"), "odd");
    } else if (kind == 2) {
        x = net_op(g, x, PARE_OP_SOFTMAX, "odd");
        pare_node_set_int(g, x->producer, "axis", 1);
    } else if (kind == 3) {
        x = net_op(g, x, PARE_OP_MAXPOOL, "odd");
        pare_node_set_ints(g, x->producer, "kernel_shape", (int64_t[]){3, 3}, 2);
        pare_node_set_ints(g, x->producer, "strides", (int64_t[]){2, 2}, 2);
        pare_node_set_int(g, x->producer, "ceil_mode", 1);
    }
    x = net_op(g, x, PARE_OP_GLOBAL_AVGPOOL, "pool");
    x = net_op(g, x, PARE_OP_FLATTEN, "flat");
    net_finish(g, net_gemm(g, x, "fc", 4, 10));
    return g;
}

static void networks_that_only_run_are_refused(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct pare_recipe recipe = short_recipe();
        struct pare_graph *graph = odd_net(kind);
        struct pare_forward *forward = NULL;
        struct run run = {0};

        assert_int_equal(train(graph, &recipe, &run), PARE_EUNSUPPORTED);
        assert_non_null(strstr(run.err.text, kind ? "odd" : "batch"));
        assert_int_equal(pare_forward_new(&forward, graph, 4, 1, &run.err), PARE_EUNSUPPORTED);
        pare_graph_free(graph);
    }
}

static void data_that_does_not_fit_is_refused(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_shape shape = {3, {3, 32, 32}};
    struct pare_graph *graph;
    struct run run = {0};

    (void)state;
    assert_ok(pare_zoo_build(&graph, "resnet8-quarter", &shape, 10, 1, &run.err), &run.err);
    assert_int_equal(train(graph, &recipe, &run), PARE_EINVAL);
    assert_non_null(strstr(run.err.text, "[1, 28, 28]"));
    assert_non_null(strstr(run.err.text, "[3, 32, 32]"));
    pare_graph_free(graph);
    graph = zoo("lenet5-quarter");
    recipe.loss = PARE_LOSS_MSE;
    assert_int_equal(train(graph, &recipe, &run), PARE_EINVAL);
    assert_non_null(strstr(run.err.text, "10 outputs"));
    pare_graph_free(graph);
}

static void a_request_to_stop_ends_the_run(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = zoo("lenet5-quarter");
    volatile int stop = 1;
    struct run run = {.stop = &stop};

    (void)state;
    assert_int_equal(train(graph, &recipe, &run), PARE_ESTOPPED);
    pare_graph_free(graph);
}

/* ---- Validation ---- */

static void early_stop_ends_after_so_many_epochs_without_gain(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = zoo("lenet-300-100-quarter");
    struct run run = {0};

    (void)state;
    recipe.epochs = 50;
    recipe.lr = 0; /* the first epoch is the best for ever */
    recipe.patience = 3;
    assert_ok(train(graph, &recipe, &run), &run.err);
    assert_true(run.result.epochs_run == 4);
    assert_true(run.result.best_epoch == 1);
    pare_graph_free(graph);
}

static void keep_best_returns_the_best_epochs_weights(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *best = zoo("lenet-300-100-quarter"), *check;
    struct run run = {0}, again = {0};

    (void)state;
    recipe.epochs = 6;
    recipe.schedule = PARE_SCHEDULE_CONSTANT;
    recipe.optimizer = PARE_SGD;
    recipe.lr = 0.6; /* wild: the last epoch is hardly the best */
    recipe.keep_best = true;
    assert_ok(train(best, &recipe, &run), &run.err);
    check = pare_graph_copy(best);
    recipe.epochs = 0;
    assert_ok(train(check, &recipe, &again), &again.err);
    assert_true(again.result.val_accuracy == run.result.val_accuracy);
    pare_graph_free(best);
    pare_graph_free(check);
}

/* ---- Attachments ---- */

/* Multiplies every matrix by a factor and keeps a diary. */
struct scaler {
    float factor;
    char letter;
    char *diary;
    int n_freed, n_finished;
    int64_t n_steps;
};

static void note(struct scaler *s, char what)
{
    size_t n = strlen(s->diary);

    if (n < 60) {
        s->diary[n] = what;
        s->diary[n + 1] = s->letter;
        s->diary[n + 2] = '\0';
    }
}

static pare_status scaler_start(void *state, struct pare_trainer *trainer, struct pare_error *err)
{
    (void)err;
    note(state, 's');
    for (int i = 0; i < pare_trainer_n_params(trainer); i++)
        if (pare_trainer_param(trainer, i)->is_matrix)
            pare_trainer_parametrize(trainer, pare_trainer_param(trainer, i));
    return PARE_OK;
}

static void scaler_weights(void *state, struct pare_trainer *trainer, struct pare_param *p)
{
    struct scaler *s = state;

    assert_true(p->is_matrix);
    assert_ptr_not_equal(p->weight, p->master);
    if (p == pare_trainer_param(trainer, 0))
        note(s, 'w');
    for (int64_t i = 0; i < p->n; i++)
        p->weight[i] *= s->factor;
}

static void scaler_gradients(void *state, struct pare_trainer *trainer, struct pare_param *p)
{
    struct scaler *s = state;

    if (!p->is_matrix)
        return;
    if (p == pare_trainer_param(trainer, 0))
        note(s, 'g');
    for (int64_t i = 0; i < p->n; i++)
        p->grad[i] *= s->factor;
}

static void scaler_after(void *state, struct pare_trainer *trainer)
{
    struct scaler *s = state;

    assert_int_equal(pare_trainer_step(trainer), s->n_steps);
    s->n_steps++;
    note(s, 'a');
}

static pare_status scaler_finish(void *state, struct pare_trainer *trainer,
                                 struct pare_graph *graph, struct pare_error *err)
{
    struct scaler *s = state;

    (void)trainer, (void)err;
    s->n_finished++;
    pare_each_weight(value, graph) {
        if (value->shape.n_dims >= 2)
            for (int64_t i = 0; i < pare_tensor_elems(value->data); i++)
                pare_tensor_f32(value->data)[i] *= s->factor;
    }
    return PARE_OK;
}

static void scaler_free(void *state)
{
    ((struct scaler *)state)->n_freed++;
}

static struct pare_attachment scaler(struct scaler *s)
{
    return (struct pare_attachment){.name = "scaler",
                                    .state = s,
                                    .start = scaler_start,
                                    .weights = scaler_weights,
                                    .gradients = scaler_gradients,
                                    .after_step = scaler_after,
                                    .finish = scaler_finish,
                                    .free = scaler_free};
}

/* Halving and doubling undo each other: powers of two are exact, so the run is the plain one. */
static void two_attachments_compose(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *plain = zoo("lenet5-quarter"), *attached = zoo("lenet5-quarter");
    char diary[64] = "";
    struct scaler a = {.factor = 2, .letter = '1', .diary = diary};
    struct scaler b = {.factor = 0.5f, .letter = '2', .diary = diary};
    struct pare_attachment both[2] = {scaler(&a), scaler(&b)};
    struct run run = {.attachments = both, .n_attachments = 2}, alone = {0};

    (void)state;
    recipe.epochs = 1;
    assert_ok(train(plain, &recipe, &alone), &alone.err);
    assert_ok(train(attached, &recipe, &run), &run.err);
    assert_same_weights(plain, attached);
    /* Starts, then per step: weights in order, gradients in reverse, ends in order. */
    assert_int_equal(strncmp(diary, "s1s2w1w2g2g1a1a2w1w2", 20), 0);
    assert_int_equal(a.n_freed, 1);
    assert_int_equal(b.n_freed, 1);
    assert_int_equal(a.n_finished, 1);
    assert_true(a.n_steps == 600 * 9 / 10 / 64);
    assert_true(run.result.val_accuracy == alone.result.val_accuracy);
    pare_graph_free(plain);
    pare_graph_free(attached);
}

/* A parametrization by a factor changes the gradient as the chain rule says. */
static void a_parametrization_really_changes_the_weights(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *plain = zoo("lenet5-quarter"), *attached = zoo("lenet5-quarter");
    char diary[64] = "";
    struct scaler a = {.factor = 0.5f, .letter = '1', .diary = diary};
    struct pare_attachment one = scaler(&a);
    struct run run = {.attachments = &one, .n_attachments = 1}, alone = {0};

    (void)state;
    assert_ok(train(plain, &recipe, &alone), &alone.err);
    assert_ok(train(attached, &recipe, &run), &run.err);
    assert_true(weights_differ(plain, attached));
    pare_graph_free(plain);
    pare_graph_free(attached);
}

/* The hard-label loss over again, as a term: half and half make the whole. */
struct term {
    double weight;
    int64_t n_calls;
};

static pare_status term_start(void *state, struct pare_trainer *trainer, struct pare_error *err)
{
    (void)err;
    pare_trainer_set_label_weight(trainer, 1 - ((struct term *)state)->weight);
    return PARE_OK;
}

static pare_status term_loss(void *state, struct pare_trainer *trainer,
                             const struct pare_train_batch *batch, const float *output,
                             float *d_output, double *value, struct pare_error *err)
{
    struct term *t = state;
    int k = pare_trainer_n_outputs(trainer);

    (void)err;
    t->n_calls++;
    assert_false(batch->is_augmented);
    *value = 0;
    for (int64_t i = 0; i < batch->n; i++) {
        double sum = 0, high = -INFINITY;

        assert_true(batch->indices[i] >= 0 && batch->indices[i] < pare_data_n(data, PARE_TRAIN));
        for (int c = 0; c < k; c++)
            high = fmax(high, (double)output[i * k + c]);
        for (int c = 0; c < k; c++)
            sum += exp((double)output[i * k + c] - high);
        for (int c = 0; c < k; c++) {
            double p = exp((double)output[i * k + c] - high) / sum;

            d_output[i * k + c] +=
                (float)(t->weight / (double)batch->n * (p - (c == batch->labels[i] ? 1 : 0)));
        }
        *value -= t->weight / (double)batch->n *
                  ((double)output[i * k + batch->labels[i]] - high - log(sum));
    }
    return PARE_OK;
}

static void a_loss_term_adds_its_value_and_gradient(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *plain = zoo("lenet-300-100-quarter"),
                      *attached = zoo("lenet-300-100-quarter");
    struct term t = {.weight = 0.5};
    struct pare_attachment one = {.name = "term",
                                  .state = &t,
                                  .start = term_start,
                                  .loss = term_loss};
    struct run run = {.attachments = &one, .n_attachments = 1}, alone = {0};

    (void)state;
    recipe.epochs = 1;
    recipe.optimizer = PARE_SGD;
    recipe.lr = 0.05;
    assert_ok(train(plain, &recipe, &alone), &alone.err);
    assert_ok(train(attached, &recipe, &run), &run.err);
    assert_true(t.n_calls == 600 * 9 / 10 / 64);
    /* Two sums in place of one: equal to rounding. */
    assert_true(fabs(run.result.train_loss - alone.result.train_loss) < 1e-5);
    pare_graph_free(plain);
    pare_graph_free(attached);
}

static pare_status refuse(void *state, struct pare_trainer *trainer, struct pare_error *err)
{
    (void)state, (void)trainer;
    return pare_fail(err, PARE_EINFEASIBLE, "not with this network");
}

static void a_start_that_fails_ends_the_run_with_the_methods_name(void **state)
{
    struct pare_recipe recipe = short_recipe();
    struct pare_graph *graph = zoo("lenet-300-100-quarter");
    struct pare_attachment one = {.name = "method", .start = refuse};
    struct run run = {.attachments = &one, .n_attachments = 1};

    (void)state;
    assert_int_equal(train(graph, &recipe, &run), PARE_EINFEASIBLE);
    assert_string_equal(run.err.text, "method: not with this network");
    pare_graph_free(graph);
}

/* ---- Number types, forward passes ---- */

static struct pare_net *net_of(struct pare_graph *graph, int real_bits, int64_t n)
{
    struct pare_net_config config = {.real_bits = real_bits,
                                     .max_batch = n,
                                     .n_threads = 2,
                                     .learns = true};
    struct pare_net *net;
    struct pare_error err = {0};

    assert_ok(pare_net_new(&net, graph, &config, &err), &err);
    return net;
}

/* What the proofs in f64 prove is what runs in f32. */
static void f32_and_f64_agree(void **state)
{
    static const char *const names[] = {"lenet5-half", "resnet8-half", "ds-cnn-half"};
    enum { N = 48 };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pare_graph *graph = zoo(names[i]);
        struct pare_net *narrow = net_of(graph, 32, N), *wide = net_of(graph, 64, N);
        struct pare_rng rng;
        int64_t k = narrow->logits->elems;

        pare_rng_init(&rng, 2, 2);
        for (int64_t j = 0; j < N * narrow->input->elems; j++) {
            double v = pare_rng_normal(&rng);

            ((float *)narrow->input->a)[j] = (float)v;
            ((double *)wide->input->a)[j] = (double)(float)v;
        }
        for (int64_t j = 0; j < N * k; j++) {
            double v = pare_rng_normal(&rng);

            ((float *)narrow->logits->g)[j] = (float)v;
            ((double *)wide->logits->g)[j] = (double)(float)v;
        }
        pare_net_forward(narrow, N, true);
        pare_net_forward(wide, N, true);
        pare_net_backward(narrow, N);
        pare_net_backward(wide, N);
        for (int s = 0; s < narrow->n_slots; s++) {
            double norm = 0, error = 0;

            if (!narrow->slots[s].g)
                continue;
            for (int64_t j = 0; j < narrow->slots[s].n; j++) {
                double a = (double)((float *)narrow->slots[s].g)[j];
                double b = ((double *)wide->slots[s].g)[j];

                norm += b * b;
                error += (a - b) * (a - b);
            }
            /* A few hundred roundings of 6e-8 each, and a ReLU that may fall to the other side; a
             * bias before batch norm has no gradient but rounding. */
            if (norm > 1e-8)
                assert_true(sqrt(error / norm) < 2e-3);
        }
        pare_net_free(narrow);
        pare_net_free(wide);
        pare_graph_free(graph);
    }
}

/* The pass that keeps every value against the trainer's own evaluation, where layers are fused. */
static void forward_shows_every_value(void **state)
{
    static const char *const names[] = {"lenet5-quarter", "resnet8-quarter", "ds-cnn-quarter"};
    enum { N = 37 };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pare_graph *graph = zoo(names[i]);
        struct pare_net *fused = net_of(graph, 32, N);
        struct pare_forward *forward;
        struct pare_error err = {0};
        int64_t indices[N], k = fused->logits->elems;
        const float *logits;

        for (int64_t j = 0; j < N; j++)
            indices[j] = j;
        assert_ok(pare_forward_new(&forward, graph, N, 2, &err), &err);
        pare_data_fetch(data, PARE_TRAIN, indices, N, NULL, NULL, fused->input->a, NULL);
        assert_ok(pare_forward_run(forward, fused->input->a, N, &err), &err);
        pare_net_forward(fused, N, false);
        logits = pare_forward_logits(forward);
        assert_close(logits, (const float *)fused->logits->a, N * k, 1e-4, 1e-5);
        for (int v = 0; v < graph->n_values; v++)
            assert_int_equal(pare_forward_value(forward, graph->values[v]) != NULL,
                             graph->values[v]->data == NULL);
        assert_memory_equal(pare_forward_value(forward, graph->inputs[0]), fused->input->a,
                            sizeof(float) * (size_t)(N * fused->input->elems));
        pare_each_node(node, graph) {
            const float *x = pare_forward_value(forward, node->inputs[0]);
            const float *y = pare_forward_value(forward, node->outputs[0]);

            if (node->op == PARE_OP_RELU)
                for (int64_t j = 0; j < N * pare_shape_elems(&node->outputs[0]->shape); j++)
                    assert_true(y[j] == (x[j] > 0 ? x[j] : 0));
        }
        assert_int_equal(pare_forward_run(forward, fused->input->a, N + 1, &err), PARE_EINVAL);
        pare_forward_free(forward);
        pare_net_free(fused);
        pare_graph_free(graph);
    }
}

static void recipe_rows_cover_the_recipe(void **state)
{
    struct pare_recipe recipe;

    (void)state;
    memset(&recipe, 0xff, sizeof recipe);
    pare_recipe_defaults(&recipe);
    assert_true(recipe.epochs == 10 && recipe.batch == 128 && recipe.lr == 1e-3);
    assert_int_equal(recipe.optimizer, PARE_ADAMW);
    assert_int_equal(recipe.schedule, PARE_SCHEDULE_COSINE);
    assert_int_equal(recipe.augment.shift + recipe.augment.crop_padding, 0);
    assert_true(pare_option_find(pare_recipe_options, "epochs")->fidelity);
    assert_int_equal(pare_option_find(pare_recipe_options, "flip")->offset,
                     offsetof(struct pare_recipe, augment.flip));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_two_and_three_threads_give_the_same_bytes),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes_and_another_seed_others),
        cmocka_unit_test(zero_learning_rate_leaves_the_network_as_it_was),
        cmocka_unit_test(zero_epochs_leave_the_network_as_it_was),
        cmocka_unit_test(training_learns_the_digits),
        cmocka_unit_test(all_optimizers_and_schedules_learn),
        cmocka_unit_test(an_autoencoder_learns_to_rebuild_its_input),
        cmocka_unit_test(zeros_of_sparse_weights_stay_zero),
        cmocka_unit_test(a_loss_that_is_not_a_number_names_step_and_layer),
        cmocka_unit_test(a_learning_rate_that_explodes_is_a_numeric_error),
        cmocka_unit_test(quantized_weights_are_refused),
        cmocka_unit_test(networks_that_only_run_are_refused),
        cmocka_unit_test(data_that_does_not_fit_is_refused),
        cmocka_unit_test(a_request_to_stop_ends_the_run),
        cmocka_unit_test(early_stop_ends_after_so_many_epochs_without_gain),
        cmocka_unit_test(keep_best_returns_the_best_epochs_weights),
        cmocka_unit_test(two_attachments_compose),
        cmocka_unit_test(a_parametrization_really_changes_the_weights),
        cmocka_unit_test(a_loss_term_adds_its_value_and_gradient),
        cmocka_unit_test(a_start_that_fails_ends_the_run_with_the_methods_name),
        cmocka_unit_test(f32_and_f64_agree),
        cmocka_unit_test(forward_shows_every_value),
        cmocka_unit_test(recipe_rows_cover_the_recipe),
    };

    return cmocka_run_group_tests(tests, open_data, close_data);
}
