/* The trainer's operators, losses, optimizers and schedules against vectors made with PyTorch in f64
 * (tests/data/vectors; rule "close:R,A": off by at most A + R max(|expected|, rms of the tensor)). */
#include "../support/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/graph.h>

#include "io/safetensors.h"
#include "train/loss.h"
#include "train/net.h"
#include "train/optimizer.h"

static struct pare_safetensors *file;

static void open_case(const char *name)
{
    char path[128];
    struct pare_error err = {0};

    snprintf(path, sizeof path, "vectors/%s.safetensors", name);
    assert_ok(pare_safetensors_open(&file, check_test_data(path), &err), &err);
}

static void close_case(void)
{
    pare_safetensors_close(file);
}

static double option(const char *name)
{
    char key[64];
    const char *text;

    snprintf(key, sizeof key, "opt.%s", name);
    text = pare_safetensors_meta(file, key);
    assert_non_null(text);
    return strtod(text, NULL);
}

static bool has(const char *name)
{
    return pare_safetensors_find(file, name) != NULL;
}

/* F32 and F64 entries. */
static struct pare_tensor *tensor(const char *name)
{
    const struct pare_safetensors_entry *entry = pare_safetensors_find(file, name);
    struct pare_tensor *out;
    struct pare_error err = {0};

    if (!entry)
        print_error("no tensor '%s'\n", name);
    assert_non_null(entry);
    assert_ok(pare_safetensors_tensor(&out, entry, &err), &err);
    return out;
}

static void labels(int32_t *out, const char *name, int64_t n)
{
    const struct pare_safetensors_entry *entry = pare_safetensors_find(file, name);

    assert_non_null(entry);
    assert_int_equal(entry->dtype, PARE_S32);
    assert_int_equal(entry->n_bytes, n * (int64_t)sizeof *out);
    memcpy(out, entry->data, entry->n_bytes);
}

/* By the file's own rule. */
static void expect(const float *got, const char *name)
{
    struct pare_tensor *want = tensor(name);
    const char *rule = pare_safetensors_meta(file, "tol");
    int64_t n = pare_tensor_elems(want);
    double relative = 0, absolute = 0, rms = 0;

    assert_non_null(rule);
    assert_int_equal(sscanf(rule, "close:%lf,%lf", &relative, &absolute), 2);
    for (int64_t i = 0; i < n; i++)
        rms += (double)pare_tensor_f32(want)[i] * (double)pare_tensor_f32(want)[i];
    rms = sqrt(rms / (double)n);
    for (int64_t i = 0; i < n; i++) {
        double w = (double)pare_tensor_f32(want)[i];

        if (!(fabs((double)got[i] - w) <= absolute + relative * fmax(fabs(w), rms))) {
            print_error("%s[%lld]: %.9g, expected %.9g\n", name, (long long)i, (double)got[i], w);
            fail();
        }
    }
    pare_tensor_unref(want);
}

/* ---- One operator ---- */

/* [N, C, pixels] to [N, pixels, C] and back. */
static void turn(float *out, const float *in, int64_t n, int64_t C, int64_t pixels, bool to_last)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t p = 0; p < pixels; p++) {
                int64_t first = (i * C + c) * pixels + p, last = (i * pixels + p) * C + c;

                if (to_last)
                    out[last] = in[first];
                else
                    out[first] = in[last];
            }
}

static void put(const struct pare_slab *slab, float *to, const char *name)
{
    struct pare_tensor *from = tensor(name);

    turn(to, pare_tensor_f32(from), pare_tensor_elems(from) / slab->elems, slab->channels,
         slab->pixels, true);
    pare_tensor_unref(from);
}

static void expect_slab(const struct pare_slab *slab, const float *got, int64_t n, const char *name)
{
    float *turned = malloc((size_t)(n * slab->elems) * sizeof *turned);

    turn(turned, got, n, slab->channels, slab->pixels, false);
    expect(turned, name);
    free(turned);
}

static struct pare_graph *graph_with_input(void)
{
    struct pare_graph *graph = pare_graph_new("vectors");
    struct pare_tensor *x = tensor("in.x");
    struct pare_shape shape = x->shape;

    shape.dims[0] = PARE_DIM_BATCH;
    pare_graph_input(graph, "x", &shape);
    pare_tensor_unref(x);
    return graph;
}

static struct pare_value *weight(struct pare_graph *graph, const char *name)
{
    return has(name) ? pare_graph_weight(graph, name, tensor(name)) : NULL;
}

static struct pare_net *net_of(struct pare_graph *graph, int64_t n)
{
    struct pare_net_config config = {.real_bits = 32,
                                     .max_batch = n,
                                     .n_threads = 2,
                                     .learns = true,
                                     .input_gradient = true};
    struct pare_net *net;
    struct pare_error err = {0};

    assert_ok(pare_graph_finish(graph, &err), &err);
    assert_ok(pare_net_new(&net, graph, &config, &err), &err);
    return net;
}

static void expect_weight_gradient(const struct pare_net *net, int slot, const char *name)
{
    float *in_graph_order = malloc((size_t)net->slots[slot].n * sizeof(float));

    pare_slot_store(net, &net->slots[slot], net->slots[slot].g, in_graph_order);
    expect(in_graph_order, name);
    free(in_graph_order);
}

/* Takes the graph, whose first output is the operator's; forward and backward of the case. */
static void check_layer(struct pare_graph *graph)
{
    struct pare_tensor *x = tensor("in.x");
    int64_t n = x->shape.dims[0];
    struct pare_net *net = net_of(graph, n);

    put(net->input, net->input->a, "in.x");
    put(net->logits, net->logits->g, "in.gy");
    pare_net_forward(net, n, true);
    pare_net_backward(net, n);
    expect_slab(net->logits, net->logits->a, n, "out.y");
    expect_slab(net->input, net->input->g, n, "grad.x");
    if (has("grad.w"))
        expect_weight_gradient(net, 0, "grad.w");
    if (has("grad.b"))
        expect_weight_gradient(net, 1, "grad.b");
    if (has("out.running_var")) {
        expect(net->slots[2].w, "out.running_mean");
        expect(net->slots[3].w, "out.running_var");
    }
    pare_net_free(net);
    pare_graph_free(graph);
    pare_tensor_unref(x);
}

static void linear_agrees(void **state)
{
    static const char *const names[] = {"linear__0", "linear__1"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pare_graph *graph;
        struct pare_node *node;

        open_case(names[i]);
        graph = graph_with_input();
        node = pare_graph_node(
            graph, PARE_OP_GEMM, NULL,
            (struct pare_value *[]){graph->inputs[0], weight(graph, "in.w"), weight(graph, "in.b")},
            has("in.b") ? 3 : 2);
        pare_node_set_int(graph, node, "transB", 1);
        pare_graph_output(graph, node->outputs[0]);
        check_layer(graph);
        close_case();
    }
}

static void set_all(struct pare_graph *graph, struct pare_node *node, const char *name, int n,
                    int64_t value)
{
    pare_node_set_ints(graph, node, name, (int64_t[]){value, value, value, value}, n);
}

static void conv2d_agrees(void **state)
{
    static const char *const names[] = {"conv2d__basic",     "conv2d__stride",  "conv2d__group",
                                        "conv2d__depthwise", "conv2d__dilated", "conv2d__1x1"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pare_graph *graph;
        struct pare_value *w;
        struct pare_node *node;

        open_case(names[i]);
        graph = graph_with_input();
        w = weight(graph, "in.w");
        node = pare_graph_node(graph, PARE_OP_CONV, NULL,
                               (struct pare_value *[]){graph->inputs[0], w, weight(graph, "in.b")},
                               has("in.b") ? 3 : 2);
        pare_node_set_ints(graph, node, "kernel_shape", &w->data->shape.dims[2], 2);
        set_all(graph, node, "strides", 2, (int64_t)option("stride"));
        set_all(graph, node, "pads", 4, (int64_t)option("padding"));
        set_all(graph, node, "dilations", 2, (int64_t)option("dilation"));
        pare_node_set_int(graph, node, "group", (int64_t)option("groups"));
        pare_graph_output(graph, node->outputs[0]);
        check_layer(graph);
        close_case();
    }
}

static struct pare_graph *batchnorm_graph(void)
{
    struct pare_graph *graph = graph_with_input();
    struct pare_node *node = pare_graph_node(
        graph, PARE_OP_BATCHNORM, NULL,
        (struct pare_value *[]){graph->inputs[0], weight(graph, "in.w"), weight(graph, "in.b"),
                                weight(graph, "in.running_mean"), weight(graph, "in.running_var")},
        5);

    pare_node_set_float(graph, node, "epsilon", option("eps"));
    pare_node_set_float(graph, node, "momentum", 1 - option("momentum")); /* ONNX's convention */
    pare_graph_output(graph, node->outputs[0]);
    return graph;
}

static void batch_norm_agrees(void **state)
{
    struct pare_graph *graph;
    struct pare_net *net;

    (void)state;
    open_case("batch_norm2d__train");
    check_layer(batchnorm_graph());
    close_case();
    open_case("batch_norm1d");
    check_layer(batchnorm_graph());
    close_case();

    open_case("batch_norm2d__eval");
    graph = batchnorm_graph();
    net = net_of(graph, 3);
    put(net->input, net->input->a, "in.x");
    pare_net_forward(net, 3, false);
    expect_slab(net->logits, net->logits->a, 3, "out.y");
    expect(net->slots[2].w, "out.running_mean");
    pare_net_free(net);
    pare_graph_free(graph);
    close_case();
}

static void pools_agree(void **state)
{
    static const char *const names[] = {"max_pool2d__k2s2", "max_pool2d__k3s2p1_allneg",
                                        "avg_pool2d__k2s2", "avg_pool2d__pad_count",
                                        "avg_pool2d__pad_nocount"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool is_max = i < 2;
        struct pare_graph *graph;
        struct pare_node *node;

        open_case(names[i]);
        graph = graph_with_input();
        node = pare_graph_node(graph, is_max ? PARE_OP_MAXPOOL : PARE_OP_AVGPOOL, NULL,
                               graph->inputs, 1);
        set_all(graph, node, "kernel_shape", 2, (int64_t)option("kernel"));
        set_all(graph, node, "strides", 2, (int64_t)option("stride"));
        set_all(graph, node, "pads", 4, (int64_t)option("padding"));
        if (!is_max)
            pare_node_set_int(graph, node, "count_include_pad",
                              (int64_t)option("count_include_pad"));
        pare_graph_output(graph, node->outputs[0]);
        check_layer(graph);
        close_case();
    }
}

static void global_average_pool_agrees(void **state)
{
    struct pare_graph *graph;

    (void)state;
    open_case("global_avg_pool");
    graph = graph_with_input();
    pare_graph_output(
        graph, pare_graph_node(graph, PARE_OP_GLOBAL_AVGPOOL, NULL, graph->inputs, 1)->outputs[0]);
    check_layer(graph);
    close_case();
}

static void activations_agree(void **state)
{
    static const struct {
        const char *name;
        enum pare_op op;
    } cases[] = {
        {"relu", PARE_OP_RELU},       {"relu6", PARE_OP_CLIP}, {"leaky_relu", PARE_OP_LEAKY_RELU},
        {"sigmoid", PARE_OP_SIGMOID}, {"tanh", PARE_OP_TANH},  {"hardswish", PARE_OP_HARD_SWISH},
        {"gelu_erf", PARE_OP_GELU}};

    (void)state;
    open_case("activations");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pare_graph *graph = pare_graph_new("vectors");
        struct pare_value *x =
            pare_graph_input(graph, "x", &(struct pare_shape){2, {PARE_DIM_BATCH, 64}});
        struct pare_node *node = pare_graph_node(graph, cases[i].op, NULL, &x, 1);
        struct pare_net *net;
        char name[64];

        if (cases[i].op == PARE_OP_CLIP) {
            pare_node_set_float(graph, node, "min", 0);
            pare_node_set_float(graph, node, "max", 6);
        }
        pare_graph_output(graph, node->outputs[0]);
        net = net_of(graph, 1);
        put(net->input, net->input->a, "in.x");
        put(net->logits, net->logits->g, "in.gy");
        pare_net_forward(net, 1, true);
        pare_net_backward(net, 1);
        snprintf(name, sizeof name, "out.%s", cases[i].name);
        expect(net->logits->a, name);
        snprintf(name, sizeof name, "grad.%s", cases[i].name);
        expect(net->input->g, name);
        pare_net_free(net);
        pare_graph_free(graph);
    }
    close_case();
}

static void softmax_agrees(void **state)
{
    static const char *const names[] = {"softmax__plain", "softmax__large_logits"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pare_graph *graph;
        struct pare_value *y, *both[2];
        struct pare_tensor *zero;
        struct pare_net *net;
        struct pare_error err = {0};
        int64_t n, k;

        open_case(names[i]);
        graph = graph_with_input();
        k = graph->inputs[0]->shape.dims[1];
        n = pare_safetensors_find(file, "in.x")->shape.dims[0];
        y = pare_graph_node(graph, PARE_OP_SOFTMAX, NULL, graph->inputs, 1)->outputs[0];
        /* A final Softmax is looked through; a Gemm by the unit matrix keeps it in. */
        assert_ok(pare_tensor_new(&zero, PARE_F32, &(struct pare_shape){2, {k, k}}, &err), &err);
        for (int64_t j = 0; j < k; j++)
            pare_tensor_f32(zero)[j * k + j] = 1;
        both[0] = y;
        both[1] = pare_graph_weight(graph, "unit", zero);
        pare_graph_output(graph, pare_graph_node(graph, PARE_OP_GEMM, NULL, both, 2)->outputs[0]);
        net = net_of(graph, n);
        put(net->input, net->input->a, "in.x");
        put(net->logits, net->logits->g, "in.gy");
        pare_net_forward(net, n, true);
        pare_net_backward(net, n);
        expect(net->logits->a, "out.softmax");
        expect(net->input->g, "grad.softmax");
        pare_net_free(net);
        pare_graph_free(graph);
        close_case();
    }
}

/* ---- Losses ---- */

static void cross_entropy_agrees(void **state)
{
    static const char *const names[] = {"cross_entropy__plain", "cross_entropy__smooth"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pare_tensor *x;
        float d[60], loss;
        int32_t t[6];

        open_case(names[i]);
        x = tensor("in.x");
        labels(t, "in.t", 6);
        loss = (float)(pare_loss_cross_entropy_f32(d, pare_tensor_f32(x), t, 6, 10,
                                                   option("label_smoothing"), 1.0 / 6) /
                       6);
        expect(&loss, "out.loss");
        expect(d, "grad.x");
        pare_tensor_unref(x);
        close_case();
    }
}

static void mse_agrees(void **state)
{
    struct pare_tensor *x, *t;
    float d[20], loss;

    (void)state;
    open_case("mse_l1_bce");
    x = tensor("in.x");
    t = tensor("in.t");
    loss = (float)(pare_loss_mse_f32(d, pare_tensor_f32(x), pare_tensor_f32(t), 5, 4, 1.0 / 5) / 5);
    expect(&loss, "out.mse");
    expect(d, "grad.mse");
    pare_tensor_unref(x);
    pare_tensor_unref(t);
    close_case();
}

static void distillation_agrees(void **state)
{
    static const char *const names[] = {"kd_hinton__T4_a07", "kd_hinton__T20_a09",
                                        "kd_hinton__T1_a05"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct pare_tensor *s, *te;
        int64_t n, k;
        int32_t t[16];
        float d[256], loss;
        double alpha;

        open_case(names[i]);
        s = tensor("in.s");
        te = tensor("in.te");
        n = s->shape.dims[0];
        k = s->shape.dims[1];
        labels(t, "in.lab", n);
        alpha = option("alpha");
        loss = (float)((1 - alpha) / (double)n *
                       pare_loss_cross_entropy_f32(d, pare_tensor_f32(s), t, n, k, 0,
                                                   (1 - alpha) / (double)n));
        loss += (float)pare_kl_distill(pare_tensor_f32(s), pare_tensor_f32(te), n, k, option("T"),
                                       alpha, d);
        expect(&loss, "out.loss");
        expect(d, "grad.s");
        pare_tensor_unref(s);
        pare_tensor_unref(te);
        close_case();
    }
}

/* The mean over the batch, not over batch times classes. */
static void kl_is_a_mean_over_the_batch(void **state)
{
    struct pare_tensor *s, *te;
    float d[40] = {0}, loss;

    (void)state;
    open_case("kl_reductions");
    s = tensor("in.s");
    te = tensor("in.te");
    loss = (float)pare_kl_distill(pare_tensor_f32(s), pare_tensor_f32(te), 5, 8, 1, 1, d);
    expect(&loss, "out.batchmean");
    pare_tensor_unref(s);
    pare_tensor_unref(te);
    close_case();
}

/* ---- Optimizers and schedules ---- */

static void optimizers_agree(void **state)
{
    static const struct {
        const char *name;
        struct pare_recipe recipe;
    } cases[] = {
        {"optim__sgd", {.optimizer = PARE_SGD, .lr = 0.1}},
        {"optim__sgd_momentum", {.optimizer = PARE_SGD, .lr = 0.05, .momentum = 0.9}},
        {"optim__sgd_momentum_wd",
         {.optimizer = PARE_SGD, .lr = 0.05, .momentum = 0.9, .weight_decay = 0.05}},
        {"optim__sgd_nesterov_wd",
         {.optimizer = PARE_SGD,
          .lr = 0.05,
          .momentum = 0.9,
          .weight_decay = 0.05,
          .nesterov = true}},
        {"optim__adam",
         {.optimizer = PARE_ADAM, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8}},
        {"optim__adam_l2",
         {.optimizer = PARE_ADAM,
          .lr = 0.01,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .weight_decay = 0.1}},
        {"optim__adamw",
         {.optimizer = PARE_ADAMW,
          .lr = 0.01,
          .beta1 = 0.9,
          .beta2 = 0.999,
          .epsilon = 1e-8,
          .weight_decay = 0.1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pare_tensor *p, *grads;
        float m[12] = {0}, v[12] = {0}, path[8 * 12];

        open_case(cases[i].name);
        p = tensor("in.p0");
        grads = tensor("in.grads");
        for (int64_t step = 0; step < 8; step++) {
            struct pare_update update = pare_update_at(&cases[i].recipe, step, cases[i].recipe.lr);

            pare_update_apply(&update, pare_tensor_f32(p), pare_tensor_f32(grads) + step * 12, m, v,
                              12);
            memcpy(path + step * 12, pare_tensor_f32(p), 12 * sizeof(float));
        }
        expect(path, "out.p");
        pare_tensor_unref(p);
        pare_tensor_unref(grads);
        close_case();
    }
}

static void clipping_agrees(void **state)
{
    static const char *const names[] = {"g0", "g1"};
    double sum = 0, scale;

    (void)state;
    open_case("clip_grad_norm");
    for (int pass = 0; pass < 2; pass++) {
        scale = pare_clip_scale(sum, option("max_norm"));
        for (int i = 0; i < 2; i++) {
            char in[16], out[16];
            struct pare_tensor *g;

            snprintf(in, sizeof in, "in.%s", names[i]);
            snprintf(out, sizeof out, "out.%s", names[i]);
            g = tensor(in);
            for (int64_t k = 0; k < pare_tensor_elems(g); k++) {
                float *at = pare_tensor_f32(g) + k;

                if (pass == 0)
                    sum += (double)*at * (double)*at;
                else
                    *at = (float)((double)*at * scale);
            }
            if (pass == 1)
                expect(pare_tensor_f32(g), out);
            pare_tensor_unref(g);
        }
    }
    close_case();
}

static const double *doubles(const char *name)
{
    static double out[64];
    const struct pare_safetensors_entry *entry = pare_safetensors_find(file, name);

    assert_non_null(entry);
    assert_int_equal(entry->dtype, PARE_F64);
    assert_true(entry->n_bytes <= sizeof out);
    memcpy(out, entry->data, entry->n_bytes);
    return out;
}

static void schedules_agree(void **state)
{
    struct pare_recipe recipe = {.lr = 0.1, .step_factor = 0.1, .step_every = 10};
    double base = 0.1, floor_lr = 0.001, got[40];

    (void)state;
    open_case("lr_schedules");
    recipe.schedule = PARE_SCHEDULE_STEP;
    for (int64_t t = 0; t < 40; t++)
        got[t] = pare_schedule_lr(&recipe, t, 40, 1);
    assert_close(got, doubles("out.step"), 40, 1e-9, 1e-12);
    recipe.schedule = PARE_SCHEDULE_COSINE;
    /* The vector's cosine ends at emin, ours at 0. */
    for (int64_t t = 0; t < 40; t++)
        got[t] = floor_lr + (base - floor_lr) / base * pare_schedule_lr(&recipe, t, 40, 1);
    assert_close(got, doubles("out.cosine"), 40, 1e-9, 1e-12);
    recipe.warmup = 5;
    for (int64_t t = 0; t < 40; t++)
        got[t] = pare_schedule_lr(&recipe, t, 40, 1);
    assert_close(got, doubles("out.warmup_cosine"), 40, 1e-9, 1e-12);
    close_case();
}

/* ---- Whole runs, with the vectors' own batches ---- */

static void update_all(struct pare_net *net, const struct pare_recipe *recipe, int64_t step,
                       float **momentum)
{
    struct pare_update update = pare_update_at(recipe, step, recipe->lr);

    for (int i = 0; i < net->n_slots; i++)
        if (net->slots[i].g)
            pare_update_apply(&update, net->slots[i].w, net->slots[i].g, momentum[i], NULL,
                              net->slots[i].n);
}

/* Trains by the case's batches and compares the losses and every weight "in.NAME" with "out.NAME". */
static struct pare_net *check_run(struct pare_graph *graph, const struct pare_recipe *recipe,
                                  int64_t batch, int64_t n_steps)
{
    struct pare_net *net = net_of(graph, batch);
    struct pare_tensor *x = tensor("in.x");
    struct pare_slab *in = net->input, *out = net->logits;
    int32_t t[128];
    float *momentum[32] = {0}, loss[8];

    labels(t, "in.t", batch * n_steps);
    for (int i = 0; i < net->n_slots; i++)
        momentum[i] = calloc((size_t)net->slots[i].n, sizeof(float));
    for (int64_t step = 0; step < n_steps; step++) {
        turn(in->a, pare_tensor_f32(x) + step * batch * in->elems, batch, in->channels, in->pixels,
             true);
        pare_net_prepare(net);
        pare_net_forward(net, batch, true);
        loss[step] =
            (float)(pare_loss_cross_entropy_f32(out->g, out->a, t + step * batch, batch, out->elems,
                                                recipe->label_smoothing, 1.0 / (double)batch) /
                    (double)batch);
        pare_net_backward(net, batch);
        update_all(net, recipe, step, momentum);
    }
    expect(loss, "out.loss");
    for (int i = 0; i < net->n_slots; i++) {
        const struct pare_slot *slot = &net->slots[i];
        float *numbers = malloc((size_t)slot->n * sizeof *numbers);
        char name[64];

        snprintf(name, sizeof name, "out.%s", slot->value->name + strlen("in."));
        pare_slot_store(net, slot, slot->w, numbers);
        expect(numbers, name);
        free(numbers);
        free(momentum[i]);
    }
    pare_tensor_unref(x);
    return net;
}

static struct pare_value *dense(struct pare_graph *graph, struct pare_value *x, const char *w,
                                const char *b)
{
    struct pare_node *node =
        pare_graph_node(graph, PARE_OP_GEMM, NULL,
                        (struct pare_value *[]){x, weight(graph, w), weight(graph, b)}, 3);

    pare_node_set_int(graph, node, "transB", 1);
    return node->outputs[0];
}

static struct pare_value *apply(struct pare_graph *graph, enum pare_op op, struct pare_value *x)
{
    return pare_graph_node(graph, op, NULL, &x, 1)->outputs[0];
}

static void training_a_perceptron_agrees(void **state)
{
    struct pare_recipe recipe = {.optimizer = PARE_SGD};
    struct pare_graph *graph;
    struct pare_value *x;

    (void)state;
    open_case("train_mlp");
    recipe.lr = option("lr");
    recipe.momentum = option("mom");
    recipe.weight_decay = option("wd");
    graph = pare_graph_new("mlp");
    x = pare_graph_input(graph, "x", &(struct pare_shape){2, {PARE_DIM_BATCH, 20}});
    x = apply(graph, PARE_OP_RELU, dense(graph, x, "in.w0", "in.b0"));
    x = apply(graph, PARE_OP_RELU, dense(graph, x, "in.w1", "in.b1"));
    pare_graph_output(graph, dense(graph, x, "in.w2", "in.b2"));
    pare_net_free(check_run(graph, &recipe, 16, 6));
    pare_graph_free(graph);
    close_case();
}

static struct pare_value *conv(struct pare_graph *graph, struct pare_value *x, const char *w,
                               const char *b, int64_t padding)
{
    struct pare_node *node = pare_graph_node(
        graph, PARE_OP_CONV, NULL,
        (struct pare_value *[]){x, weight(graph, w), b ? weight(graph, b) : NULL}, b ? 3 : 2);

    set_all(graph, node, "kernel_shape", 2, 3);
    set_all(graph, node, "pads", 4, padding);
    return node->outputs[0];
}

static struct pare_value *norm(struct pare_graph *graph, struct pare_value *x, const char *layer)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    struct pare_value *in[5] = {x};

    for (int i = 0; i < 4; i++) {
        char name[64];

        snprintf(name, sizeof name, "in.%s.%s", layer, parts[i]);
        in[i + 1] = weight(graph, name);
    }
    return pare_graph_node(graph, PARE_OP_BATCHNORM, NULL, in, 5)->outputs[0];
}

static void training_a_cnn_with_batch_norm_agrees(void **state)
{
    struct pare_recipe recipe = {.optimizer = PARE_SGD, .nesterov = true, .label_smoothing = 0.1};
    struct pare_graph *graph;
    struct pare_value *x;
    struct pare_tensor *batches;
    struct pare_node *pool;
    struct pare_net *net;

    (void)state;
    open_case("train_cnn_bn");
    recipe.lr = option("lr");
    recipe.momentum = option("mom");
    graph = pare_graph_new("cnn");
    x = pare_graph_input(graph, "x", &(struct pare_shape){4, {PARE_DIM_BATCH, 1, 12, 12}});
    x = apply(graph, PARE_OP_RELU, norm(graph, conv(graph, x, "in.0.weight", NULL, 1), "1"));
    pool = pare_graph_node(graph, PARE_OP_MAXPOOL, NULL, &x, 1);
    set_all(graph, pool, "kernel_shape", 2, 2);
    set_all(graph, pool, "strides", 2, 2);
    x = conv(graph, pool->outputs[0], "in.4.weight", "in.4.bias", 0);
    x = apply(graph, PARE_OP_RELU, norm(graph, x, "5"));
    x = apply(graph, PARE_OP_FLATTEN, apply(graph, PARE_OP_GLOBAL_AVGPOOL, x));
    pare_graph_output(graph, dense(graph, x, "in.9.weight", "in.9.bias"));
    net = check_run(graph, &recipe, 8, 4);
    /* The net still holds the last batch; the reference evaluates the first. */
    batches = tensor("in.x");
    turn(net->input->a, pare_tensor_f32(batches), 8, 1, 144, true);
    pare_tensor_unref(batches);
    pare_net_prepare(net);
    pare_net_forward(net, 8, false);
    expect(net->logits->a, "out.logits_eval");
    pare_net_free(net);
    pare_graph_free(graph);
    close_case();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_agrees),
        cmocka_unit_test(conv2d_agrees),
        cmocka_unit_test(batch_norm_agrees),
        cmocka_unit_test(pools_agree),
        cmocka_unit_test(global_average_pool_agrees),
        cmocka_unit_test(activations_agree),
        cmocka_unit_test(softmax_agrees),
        cmocka_unit_test(cross_entropy_agrees),
        cmocka_unit_test(mse_agrees),
        cmocka_unit_test(distillation_agrees),
        cmocka_unit_test(kl_is_a_mean_over_the_batch),
        cmocka_unit_test(optimizers_agree),
        cmocka_unit_test(clipping_agrees),
        cmocka_unit_test(schedules_agree),
        cmocka_unit_test(training_a_perceptron_agrees),
        cmocka_unit_test(training_a_cnn_with_batch_norm_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
