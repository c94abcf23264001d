#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/graph.h>
#include <pare/quantize.h>
#include <pare/rng.h>
#include <pare/zoo.h>

#include "../support/check.h"
#include "../support/quantize_net.h"
#include "../support/ref_run.h"
#include "graph/infer.h"
#include "infer/plan.h"
#include "infer/trace.h"

static const char *const nets[] = {"lenet-300-100", "lenet5",           "resnet8",
                                   "ds-cnn",        "mobilenetv1-0.25", "fc-autoencoder",
                                   "lenet5-x0.3",   "resnet8-half"};
enum { N_NETS = sizeof nets / sizeof *nets };

/* ---- Networks ---- */

/* Norms and biases away from their neutral start, so that folding them shows. */
static void stir(struct pare_graph *graph, uint64_t seed)
{
    struct pare_rng rng;

    pare_rng_init(&rng, seed, 5);
    pare_each_node(node, graph) {
        for (int i = 1; i < node->n_inputs; i++) {
            struct pare_value *w = node->inputs[i];
            bool is_norm = node->op == PARE_OP_BATCHNORM;
            struct pare_error err = {0};
            if (!w || !w->data || (!is_norm && i < 2))
                continue;
            assert_ok(pare_value_own_data(w, &err), &err);
            float *x = pare_tensor_f32(w->data);
            for (int64_t k = 0; k < pare_tensor_elems(w->data); k++) {
                double u = pare_rng_uniform(&rng);
                if (is_norm && (i == 1 || i == 4))
                    x[k] = (float)(0.5 + u);
                else
                    x[k] = (float)(0.4 * u - 0.2);
            }
        }
    }
}

static struct pare_graph *zoo(const char *name)
{
    struct pare_graph *graph = NULL;
    struct pare_error err = {0};

    assert_ok(pare_zoo_build(&graph, name, NULL, 0, 3, &err), &err);
    stir(graph, 7);
    return graph;
}

static int64_t elems(const struct pare_value *value)
{
    return pare_shape_elems(&value->shape);
}

/* The plan's input for ref_run's: channels last to channels first. */
static float *channels_first(const struct pare_graph *graph, const float *x, int64_t n)
{
    const struct pare_shape *shape = &graph->inputs[0]->shape;
    int64_t C = shape->dims[1], pixels = elems(graph->inputs[0]) / C;
    float *y = malloc(sizeof *y * (size_t)(n * C * pixels));

    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t p = 0; p < pixels; p++)
                y[(i * C + c) * pixels + p] = x[(i * pixels + p) * C + c];
    return y;
}

static struct pare_plan *make_plan(const struct pare_graph *graph, enum pare_plan_kernels kernels,
                                   int64_t max_batch, int n_threads, bool simulate)
{
    struct pare_plan_options options = {.kernels = kernels,
                                        .max_batch = max_batch,
                                        .n_threads = n_threads,
                                        .simulate = simulate};
    struct pare_plan *plan = NULL;
    struct pare_error err = {0};

    assert_ok(pare_plan_new(&plan, graph, &options, &err), &err);
    return plan;
}

/* Outputs of a graph whose last value is an image come channels last from the plan. */
static void check_against_truth(const struct pare_graph *graph, enum pare_plan_kernels kernels,
                                const char *what)
{
    enum { N = 2 };
    int64_t n_out = elems(graph->outputs[0]);
    float *x = random_input(graph, N, 11), *nchw = channels_first(graph, x, N);
    float *y = malloc(sizeof *y * (size_t)(N * n_out));
    float *expected = malloc(sizeof *y * (size_t)(N * n_out));
    struct pare_plan *plan = make_plan(graph, kernels, N, 1, false);
    double largest = 0;

    ref_run(graph, nchw, N, expected);
    if (graph->outputs[0]->shape.n_dims == 4) {
        int64_t C = graph->outputs[0]->shape.dims[1], pixels = n_out / C;
        float *last = malloc(sizeof *y * (size_t)(N * n_out));
        for (int64_t i = 0; i < N; i++)
            for (int64_t c = 0; c < C; c++)
                for (int64_t p = 0; p < pixels; p++)
                    last[(i * pixels + p) * C + c] = expected[(i * C + c) * pixels + p];
        free(expected);
        expected = last;
    }
    pare_plan_run(plan, x, N, y);
    for (int64_t i = 0; i < N * n_out; i++)
        largest = fmax(largest, fabs((double)expected[i]));
    for (int64_t i = 0; i < N * n_out; i++)
        if (!(fabs((double)y[i] - expected[i]) <= 3e-5 * largest + 1e-6)) {
            print_error("%s, kernels %d\n", what, (int)kernels);
            break;
        }
    /* Some ten layers of f32 sums of up to a thousand terms. */
    assert_close(y, expected, N * n_out, 0, 3e-5 * largest + 1e-6);
    pare_plan_free(plan);
    free(x), free(nchw), free(y), free(expected);
}

/* ---- Comparing two runs value by value ---- */

struct record {
    int64_t sample;
    char value[128];
    uint8_t *q;
    int64_t n;
    float scale;
    int32_t zero;
};
struct recording {
    struct record *records;
    int n;
    int n_compared;
    int largest_lsb;
    const char *worst;
};

static void keep_integers(void *arg, const struct pare_trace *trace)
{
    struct recording *recording = arg;

    if (!trace->is_u8)
        return;
    recording->records =
        realloc(recording->records, sizeof(struct record) * (size_t)(recording->n + 1));
    struct record *r = &recording->records[recording->n++];
    r->sample = trace->sample;
    snprintf(r->value, sizeof r->value, "%s", trace->value);
    r->n = trace->n_elems;
    r->scale = trace->scale;
    r->zero = trace->zero;
    r->q = malloc((size_t)r->n);
    memcpy(r->q, trace->data, (size_t)r->n);
}

static void recording_clear(struct recording *recording)
{
    for (int i = 0; i < recording->n; i++)
        free(recording->records[i].q);
    free(recording->records);
    *recording = (struct recording){0};
}

static const struct record *find_record(const struct recording *recording,
                                        const struct pare_trace *trace)
{
    const struct record *found = NULL;

    for (int i = 0; i < recording->n; i++)
        if (recording->records[i].sample == trace->sample &&
            strcmp(recording->records[i].value, trace->value) == 0)
            found = &recording->records[i]; /* the last: what later steps read */
    return found;
}

/* Each simulated value against the integers; then the integers go on, so that each layer is judged
 * on the same inputs. */
static void compare_and_replace(void *arg, const struct pare_trace *trace)
{
    struct recording *recording = arg;
    const struct record *r = find_record(recording, trace);
    float *x = trace->data;

    if (!trace->is_quantized || !r)
        return;
    assert_int_equal(r->n, trace->n_elems);
    for (int64_t i = 0; i < r->n; i++) {
        int lsb = abs((int)lrintf(x[i] / trace->scale) + trace->zero - (int)r->q[i]);
        if (lsb > recording->largest_lsb) {
            recording->largest_lsb = lsb;
            recording->worst = r->value;
        }
        x[i] = r->scale * (float)((int)r->q[i] - r->zero);
    }
    recording->n_compared++;
}

static void compare_bits(void *arg, const struct pare_trace *trace)
{
    struct recording *recording = arg;

    if (!trace->is_u8)
        return;
    const struct record *r = &recording->records[recording->n_compared++];
    assert_string_equal(r->value, trace->value);
    assert_memory_equal(r->q, trace->data, (size_t)r->n);
}

/* Integer kernels against simulation and against the plain loops. */
static void check_integers(const struct pare_graph *graph, const char *what, int n_expected)
{
    enum { N = 3 };
    int64_t n_out = N * elems(graph->outputs[0]);
    float *x = random_input(graph, N, 31);
    float *y = malloc(sizeof *y * (size_t)n_out), *z = malloc(sizeof *y * (size_t)n_out);
    struct recording recording = {0};
    struct pare_plan *plan = make_plan(graph, PARE_KERNELS_DEFAULT, N, 1, false);

    pare_plan_trace(plan, x, N, y, keep_integers, &recording);
    pare_plan_free(plan);
    plan = make_plan(graph, PARE_KERNELS_DEFAULT, N, 1, true);
    pare_plan_trace(plan, x, N, z, compare_and_replace, &recording);
    pare_plan_free(plan);
    if (recording.n_compared < N * n_expected)
        fail_msg("%s: %d quantized values compared, %d expected", what, recording.n_compared,
                 n_expected);
    if (recording.largest_lsb > 1)
        fail_msg("%s: '%s' differs by %d LSB", what, recording.worst, recording.largest_lsb);
    /* What comes out in f32 was rounded in the bias only. */
    double largest = 1e-6;
    for (int64_t i = 0; i < n_out; i++)
        largest = fmax(largest, fabs((double)z[i]));
    assert_close(y, z, n_out, 0, 1e-5 * largest);
    for (int kernels = PARE_KERNELS_TUNED; kernels <= PARE_KERNELS_PORTABLE; kernels++) {
        plan = make_plan(graph, kernels, N, 1, false);
        recording.n_compared = 0;
        pare_plan_trace(plan, x, N, z, compare_bits, &recording);
        assert_int_equal(recording.n_compared, recording.n);
        pare_plan_free(plan);
    }
    recording_clear(&recording);
    free(x), free(y), free(z);
}

/* ---- Random small networks: every operator, in odd combinations ---- */

static struct pare_value *weight(struct pare_graph *graph, struct pare_rng *rng, double deviation,
                                 struct pare_shape shape)
{
    struct pare_tensor *data = NULL;
    struct pare_error err = {0};

    assert_ok(pare_tensor_new(&data, PARE_F32, &shape, &err), &err);
    for (int64_t i = 0; i < pare_tensor_elems(data); i++)
        pare_tensor_f32(data)[i] = (float)(deviation * pare_rng_normal(rng));
    return pare_graph_weight(graph, NULL, data);
}

static struct pare_value *infer(struct pare_graph *graph, struct pare_node *node)
{
    struct pare_error err = {0};

    /* Shapes are wanted while the network grows: every value is the output for a moment. */
    pare_graph_output(graph, node->outputs[0]);
    assert_ok(pare_graph_infer(graph, &err), &err);
    graph->n_outputs--;
    return node->outputs[0];
}

static struct pare_value *unary(struct pare_graph *graph, enum pare_op op, struct pare_value *x)
{
    struct pare_node *node = pare_graph_node(graph, op, NULL, &x, 1);

    if (op == PARE_OP_CLIP) {
        pare_node_set_float(graph, node, "min", -0.3);
        pare_node_set_float(graph, node, "max", 0.9);
    }
    return infer(graph, node);
}

static struct pare_value *random_conv(struct pare_graph *graph, struct pare_rng *rng,
                                      struct pare_value *x, int64_t M)
{
    int64_t C = x->shape.dims[1], R = 1 + pare_rng_below(rng, 3), S = 1 + pare_rng_below(rng, 3);
    int64_t group = C % 2 == 0 && M % 2 == 0 && pare_rng_below(rng, 3) == 0 ? 2 : 1;
    bool is_depthwise = M == C && pare_rng_below(rng, 2);
    int64_t pads[4] = {pare_rng_below(rng, R), pare_rng_below(rng, S), R - 1, S - 1};
    int64_t strides[2] = {1, 1}, dilations[2] = {1, 1};

    if (M != C) {
        strides[0] = 1 + pare_rng_below(rng, 2);
        strides[1] = 1 + pare_rng_below(rng, 2);
    } else { /* keeps the shape, for the residual sum */
        pads[2] = R - 1 - pads[0];
        pads[3] = S - 1 - pads[1];
    }
    if (is_depthwise)
        group = C;
    struct pare_value *inputs[3] = {x,
                                    weight(graph, rng, 1 / sqrt((double)(R * S * C / group)),
                                           pare_shape_of(4, M, C / group, R, S)),
                                    weight(graph, rng, 0.2, pare_shape_of(1, M))};
    struct pare_node *node =
        pare_graph_node(graph, PARE_OP_CONV, NULL, inputs, pare_rng_below(rng, 3) ? 3 : 2);
    int64_t kernel[2] = {R, S};
    pare_node_set_ints(graph, node, "kernel_shape", kernel, 2);
    pare_node_set_ints(graph, node, "pads", pads, 4);
    pare_node_set_ints(graph, node, "strides", strides, 2);
    pare_node_set_ints(graph, node, "dilations", dilations, 2);
    pare_node_set_int(graph, node, "group", group);
    return infer(graph, node);
}

static struct pare_value *random_norm(struct pare_graph *graph, struct pare_rng *rng,
                                      struct pare_value *x)
{
    struct pare_shape shape = pare_shape_of(1, x->shape.dims[1]);
    struct pare_value *inputs[5] = {x};

    for (int i = 1; i < 5; i++) {
        inputs[i] = weight(graph, rng, 0.5, shape);
        for (int64_t c = 0; i == 4 && c < shape.dims[0]; c++) {
            float *var = &pare_tensor_f32(inputs[i]->data)[c];
            *var = 0.5f + fabsf(*var);
        }
    }
    return infer(graph, pare_graph_node(graph, PARE_OP_BATCHNORM, NULL, inputs, 5));
}

static struct pare_value *random_pool(struct pare_graph *graph, struct pare_rng *rng,
                                      struct pare_value *x)
{
    static const enum pare_op ops[] = {PARE_OP_MAXPOOL, PARE_OP_AVGPOOL};
    enum pare_op op = ops[pare_rng_below(rng, 2)];
    struct pare_node *node = pare_graph_node(graph, op, NULL, &x, 1);
    int64_t kernel[2] = {2, 3}, pads[4] = {1, 1, 0, 1}, strides[2] = {2, 1};

    pare_node_set_ints(graph, node, "kernel_shape", kernel, 2);
    pare_node_set_ints(graph, node, "pads", pads, 4);
    pare_node_set_ints(graph, node, "strides", strides, 2);
    if (op == PARE_OP_AVGPOOL)
        pare_node_set_int(graph, node, "count_include_pad", pare_rng_below(rng, 2));
    return infer(graph, node);
}

static struct pare_value *random_gemm(struct pare_graph *graph, struct pare_rng *rng,
                                      struct pare_value *x, int64_t M, bool is_transposed)
{
    int64_t K = x->shape.dims[1];
    struct pare_value *inputs[3] = {
        x,
        weight(graph, rng, 1 / sqrt((double)K),
               is_transposed ? pare_shape_of(2, M, K) : pare_shape_of(2, K, M)),
        weight(graph, rng, 0.2, pare_shape_of(1, M))};
    struct pare_node *node = pare_graph_node(graph, PARE_OP_GEMM, NULL, inputs, 3);

    pare_node_set_int(graph, node, "transB", is_transposed);
    return infer(graph, node);
}

static struct pare_graph *random_network(uint64_t seed)
{
    static const enum pare_op activations[] = {
        PARE_OP_RELU,    PARE_OP_RELU,         PARE_OP_CLIP,       PARE_OP_LEAKY_RELU,
        PARE_OP_SIGMOID, PARE_OP_HARD_SIGMOID, PARE_OP_HARD_SWISH, PARE_OP_TANH,
        PARE_OP_GELU,    PARE_OP_IDENTITY};
    struct pare_graph *graph = pare_graph_new("random");
    struct pare_shape shape =
        pare_shape_of(4, (int64_t)PARE_DIM_BATCH, (int64_t)3, (int64_t)11, (int64_t)9);
    struct pare_rng rng;
    struct pare_error err = {0};

    pare_rng_init(&rng, seed, 1);
    struct pare_value *x = pare_graph_input(graph, "x", &shape);
    int n_blocks = 2 + (int)pare_rng_below(&rng, 4);
    for (int i = 0; i < n_blocks; i++) {
        struct pare_value *before = x;
        bool is_residual = i > 0 && pare_rng_below(&rng, 2);
        x = random_conv(graph, &rng, x,
                        is_residual ? before->shape.dims[1] : 2 + pare_rng_below(&rng, 30));
        if (pare_rng_below(&rng, 3) == 0)
            x = random_norm(graph, &rng, x);
        if (is_residual && pare_shape_equal(&x->shape, &before->shape)) {
            struct pare_value *both[2] = {x, before};
            x = infer(graph, pare_graph_node(graph, PARE_OP_ADD, NULL, both, 2));
        }
        if (pare_rng_below(&rng, 4))
            x = unary(graph, activations[pare_rng_below(&rng, 10)], x);
        if (pare_rng_below(&rng, 5) == 0)
            x = random_norm(graph, &rng, x); /* nothing takes it in */
        if (pare_rng_below(&rng, 4) == 0)
            x = random_pool(graph, &rng, x);
    }
    if (seed % 3 == 0)
        x = unary(graph, PARE_OP_GLOBAL_AVGPOOL, x);
    if (seed % 7 != 0) {
        x = unary(graph, PARE_OP_FLATTEN, x);
        if (seed % 5 == 0)
            x = unary(graph, PARE_OP_RELU, x);
        if (seed % 4 != 0) {
            x = random_gemm(graph, &rng, x, 3 + pare_rng_below(&rng, 40), seed % 3);
            x = unary(graph, PARE_OP_RELU, x);
            x = random_gemm(graph, &rng, x, 5, true);
        }
        if (seed % 5 == 1)
            x = unary(graph, PARE_OP_SOFTMAX, x);
    }
    pare_graph_output(graph, x);
    assert_ok(pare_graph_finish(graph, &err), &err);
    return graph;
}

/* ---- Tests ---- */

static void every_zoo_network_computes_what_its_formulas_say(void **state)
{
    (void)state;
    for (int i = 0; i < N_NETS; i++) {
        struct pare_graph *graph = zoo(nets[i]);
        for (int kernels = PARE_KERNELS_DEFAULT; kernels <= PARE_KERNELS_PORTABLE; kernels++)
            check_against_truth(graph, kernels, nets[i]);
        pare_graph_free(graph);
    }
}

static void random_networks_compute_what_their_formulas_say(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct pare_graph *graph = random_network(seed);
        char what[40];
        snprintf(what, sizeof what, "random network %d", (int)seed);
        for (int kernels = PARE_KERNELS_DEFAULT; kernels <= PARE_KERNELS_PORTABLE; kernels++)
            check_against_truth(graph, kernels, what);
        pare_graph_free(graph);
    }
}

static void integers_and_simulation_differ_by_one_lsb_at_most_in_the_zoo(void **state)
{
    (void)state;
    for (int i = 0; i < N_NETS; i++) {
        struct pare_graph *graph = zoo(nets[i]);
        quantize_net(graph, i % 3 == 1 ? 4 : 8, i % 4 == 3 ? -1 : 0, i % 2);
        check_integers(graph, nets[i], 2);
        pare_graph_free(graph);
    }
}

static void integers_and_simulation_differ_by_one_lsb_at_most_in_random_networks(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct pare_graph *graph = random_network(seed);
        char what[40];
        snprintf(what, sizeof what, "random network %d", (int)seed);
        quantize_net(graph, 2 + (int)(seed % 7), seed % 2 ? 0 : -1, seed % 3 == 0);
        check_integers(graph, what, 1);
        pare_graph_free(graph);
    }
}

static void a_batch_gives_each_sample_what_it_gets_alone(void **state)
{
    enum { N = 17 };

    (void)state;
    for (int k = 0; k < 2 * N_NETS; k++) {
        struct pare_graph *graph = zoo(nets[k / 2]);
        int64_t n_in = elems(graph->inputs[0]), n_out = elems(graph->outputs[0]);
        float *x = random_input(graph, N, 41);
        float *y = malloc(sizeof *y * (size_t)(N * n_out)),
              *one = malloc(sizeof *y * (size_t)n_out);
        if (k % 2)
            quantize_net(graph, 8, 0, false);
        struct pare_plan *many = make_plan(graph, PARE_KERNELS_DEFAULT, N, 1, false);
        struct pare_plan *single = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
        pare_plan_run(many, x, N, y);
        for (int i = 0; i < N; i++) {
            pare_plan_run(single, x + i * n_in, 1, one);
            assert_memory_equal(one, y + i * n_out, sizeof *y * (size_t)n_out);
        }
        pare_plan_free(many);
        pare_plan_free(single);
        pare_graph_free(graph);
        free(x), free(y), free(one);
    }
}

static void two_threads_give_the_bits_of_one(void **state)
{
    enum { N = 21 };

    (void)state;
    for (int k = 0; k < 2 * N_NETS; k++) {
        struct pare_graph *graph = zoo(nets[k / 2]);
        int64_t n_out = elems(graph->outputs[0]);
        float *x = random_input(graph, N, 43);
        float *y = malloc(sizeof *y * (size_t)(N * n_out)),
              *z = malloc(sizeof *y * (size_t)(N * n_out));
        if (k % 2)
            quantize_net(graph, 8, 0, false);
        struct pare_plan *one = make_plan(graph, PARE_KERNELS_DEFAULT, N, 1, false);
        struct pare_plan *two = make_plan(graph, PARE_KERNELS_DEFAULT, N, 2, false);
        pare_plan_run(one, x, N, y);
        pare_plan_run(two, x, N, z);
        assert_memory_equal(y, z, sizeof *y * (size_t)(N * n_out));
        pare_plan_run(two, x, N - 3, z);
        assert_memory_equal(y, z, sizeof *y * (size_t)((N - 3) * n_out));
        pare_plan_free(one);
        pare_plan_free(two);
        pare_graph_free(graph);
        free(x), free(y), free(z);
    }
}

static void the_arena_is_smaller_than_all_activations_together(void **state)
{
    (void)state;
    for (int i = 0; i < N_NETS; i++) {
        struct pare_graph *graph = zoo(nets[i]);
        struct pare_plan *plan = make_plan(graph, PARE_KERNELS_PORTABLE, 1, 1, false);
        int64_t sum = 0, largest = 0;
        for (int k = 0; k < pare_plan_n_layers(plan); k++) {
            struct pare_plan_layer layer = pare_plan_layer(plan, k);
            sum += layer.output_bytes;
            largest = layer.output_bytes > largest ? layer.output_bytes : largest;
        }
        assert_true(pare_plan_arena_bytes(plan) < sum + 64);
        if (pare_plan_n_layers(plan) > 6)
            assert_true(pare_plan_arena_bytes(plan) < sum / 2);
        assert_true(pare_plan_arena_bytes(plan) > 0);
        pare_plan_free(plan);
        pare_graph_free(graph);
    }
}

static void integers_need_a_quarter_of_the_memory(void **state)
{
    struct pare_graph *graph = zoo("resnet8");
    struct pare_plan *plan = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
    int64_t arena = pare_plan_arena_bytes(plan), weights = pare_plan_weight_bytes(plan);

    (void)state;
    pare_plan_free(plan);
    quantize_net(graph, 8, 0, false);
    plan = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
    assert_true(pare_plan_arena_bytes(plan) < arena * 30 / 100);
    assert_true(pare_plan_weight_bytes(plan) < weights * 35 / 100);
    for (int i = 0; i < pare_plan_n_layers(plan); i++) {
        struct pare_plan_layer layer = pare_plan_layer(plan, i);
        if (layer.macs)
            assert_null(strstr(layer.kernel, "f32"));
    }
    pare_plan_free(plan);
    pare_graph_free(graph);
}

static void layers_carry_all_multiplications_and_their_seconds(void **state)
{
    (void)state;
    for (int i = 0; i < N_NETS; i++) {
        struct pare_graph *graph = zoo(nets[i]);
        struct pare_plan *plan = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
        float *x = random_input(graph, 1, 47),
              *y = malloc(sizeof *y * (size_t)elems(graph->outputs[0]));
        double *seconds = calloc((size_t)pare_plan_n_layers(plan), sizeof *seconds);
        int64_t macs = 0;
        pare_plan_profile(plan, x, 1, y, seconds);
        for (int k = 0; k < pare_plan_n_layers(plan); k++) {
            struct pare_plan_layer layer = pare_plan_layer(plan, k);
            macs += layer.macs;
            assert_true(seconds[k] >= 0 && seconds[k] < 10);
            assert_true(layer.name[0] && layer.op[0] && layer.kernel[0]);
        }
        assert_int_equal(macs, pare_graph_macs(graph));
        pare_plan_free(plan);
        pare_graph_free(graph);
        free(x), free(y), free(seconds);
    }
}

static void a_plan_outlives_its_graph(void **state)
{
    struct pare_graph *graph = zoo("lenet5");
    struct pare_plan *plan = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
    float *x = random_input(graph, 1, 51), y[10], z[10];

    (void)state;
    pare_plan_run(plan, x, 1, y);
    pare_graph_free(graph);
    pare_plan_run(plan, x, 1, z);
    assert_memory_equal(y, z, sizeof y);
    assert_true(strlen(pare_plan_layer(plan, 0).name) > 0);
    pare_plan_free(plan);
    free(x);
}

static void integer_weights_behind_a_float_input_are_dequantized_and_say_so(void **state)
{
    struct pare_graph *graph = zoo("lenet-300-100");
    struct pare_error err = {0};

    (void)state;
    pare_each_node(node, graph) {
        if (node->op == PARE_OP_GEMM)
            assert_ok(pare_quantize_weight(graph, node->inputs[1], 4, 0, false, &err), &err);
    }
    check_against_truth(graph, PARE_KERNELS_DEFAULT, "weights only");
    struct pare_plan *plan = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
    assert_non_null(strstr(pare_plan_layer(plan, 0).kernel, "dequantized weights"));
    pare_plan_free(plan);
    pare_graph_free(graph);
}

static void sparse_weights_are_stored_sparse_where_that_is_faster(void **state)
{
    struct pare_graph *graph = zoo("lenet5");
    struct pare_error err = {0};
    struct pare_rng rng;
    int n_sparse = 0;

    (void)state;
    struct pare_plan *dense = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
    pare_rng_init(&rng, 1, 0);
    pare_each_node(node, graph) {
        if (node->op != PARE_OP_CONV && node->op != PARE_OP_GEMM)
            continue;
        struct pare_value *w = node->inputs[1];
        assert_ok(pare_value_own_data(w, &err), &err);
        for (int64_t i = 0; i < pare_tensor_elems(w->data); i++)
            if (pare_rng_uniform(&rng) < 0.95)
                pare_tensor_f32(w->data)[i] = 0;
        w->coding.is_sparse = true;
    }
    for (int kernels = PARE_KERNELS_DEFAULT; kernels <= PARE_KERNELS_PORTABLE; kernels++)
        check_against_truth(graph, kernels, "sparse lenet5");
    struct pare_plan *sparse = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
    for (int i = 0; i < pare_plan_n_layers(sparse); i++)
        n_sparse += strstr(pare_plan_layer(sparse, i).kernel, "csr") != NULL;
    assert_int_equal(n_sparse, 4);
    assert_true(pare_plan_weight_bytes(sparse) < pare_plan_weight_bytes(dense) / 5);
    pare_plan_free(dense);
    pare_plan_free(sparse);
    pare_graph_free(graph);
}

static void a_clip_between_integers_is_a_narrower_range(void **state)
{
    struct pare_graph *graph = pare_graph_new("clip");
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)8);
    struct pare_rng rng;
    struct pare_error err = {0};

    (void)state;
    pare_rng_init(&rng, 3, 0);
    struct pare_value *x = pare_graph_input(graph, "x", &shape);
    x = random_gemm(graph, &rng, x, 12, true);
    x = unary(graph, PARE_OP_CLIP, x);
    x = random_gemm(graph, &rng, x, 4, true);
    pare_graph_output(graph, x);
    assert_ok(pare_graph_finish(graph, &err), &err);
    quantize_net(graph, 8, 0, true);
    struct pare_plan *plan = make_plan(graph, PARE_KERNELS_DEFAULT, 1, 1, false);
    assert_int_equal(pare_plan_n_layers(plan), 3); /* quantize, Gemm+Clip, Gemm */
    assert_string_equal(pare_plan_layer(plan, 1).op, "Gemm+Clip");
    pare_plan_free(plan);
    check_integers(graph, "clip", 2);
    pare_graph_free(graph);
}

static void what_cannot_run_is_named(void **state)
{
    struct pare_graph *graph = zoo("lenet5");
    struct pare_plan_options options = {.max_batch = 1, .n_threads = 1};
    struct pare_plan *plan = NULL;
    struct pare_error err = {0};

    (void)state;
    options.max_batch = 0;
    assert_int_equal(pare_plan_new(&plan, graph, &options, &err), PARE_EINVAL);
    options.max_batch = 1;
    pare_each_node(node, graph) {
        if (node->op == PARE_OP_GEMM)
            pare_node_set_float(graph, node, "alpha", 2);
    }
    assert_int_equal(pare_plan_new(&plan, graph, &options, &err), PARE_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "node '"));
    assert_non_null(strstr(err.text, "alpha"));
    assert_null(plan);
    pare_graph_free(graph);
}

/* ---- No allocation while a plan runs ---- */

#if !defined(__SANITIZE_ADDRESS__)
/* Ours stand before libc's: they count while `is_counting`. */
static volatile int is_counting, n_allocations;
void *__libc_malloc(size_t n_bytes);
void *malloc(size_t n_bytes)
{
    n_allocations += is_counting;
    return __libc_malloc(n_bytes);
}

static void running_allocates_nothing(void **state)
{
    (void)state;
    for (int k = 0; k < 2 * N_NETS; k++) {
        struct pare_graph *graph = zoo(nets[k / 2]);
        float *x = random_input(graph, 4, 53);
        float *y = malloc(sizeof *y * (size_t)(4 * elems(graph->outputs[0])));
        if (k % 2)
            quantize_net(graph, 8, 0, false);
        struct pare_plan *plan = make_plan(graph, PARE_KERNELS_DEFAULT, 4, 1, false);
        struct mallinfo2 before = mallinfo2();
        bool uses_library = false;
        for (int i = 0; i < pare_plan_n_layers(plan); i++)
            uses_library |= strncmp(pare_plan_layer(plan, i).kernel, "pare:", 5) != 0;
        n_allocations = 0;
        is_counting = 1;
        pare_plan_run(plan, x, 4, y);
        is_counting = 0;
        /* oneDNN makes and frees a small list of arguments per call. */
        if (!uses_library)
            assert_int_equal(n_allocations, 0);
        assert_int_equal(mallinfo2().uordblks, before.uordblks);
        pare_plan_free(plan);
        pare_graph_free(graph);
        free(x), free(y);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_zoo_network_computes_what_its_formulas_say),
        cmocka_unit_test(random_networks_compute_what_their_formulas_say),
        cmocka_unit_test(integers_and_simulation_differ_by_one_lsb_at_most_in_the_zoo),
        cmocka_unit_test(integers_and_simulation_differ_by_one_lsb_at_most_in_random_networks),
        cmocka_unit_test(a_batch_gives_each_sample_what_it_gets_alone),
        cmocka_unit_test(two_threads_give_the_bits_of_one),
        cmocka_unit_test(the_arena_is_smaller_than_all_activations_together),
        cmocka_unit_test(integers_need_a_quarter_of_the_memory),
        cmocka_unit_test(layers_carry_all_multiplications_and_their_seconds),
        cmocka_unit_test(a_plan_outlives_its_graph),
        cmocka_unit_test(integer_weights_behind_a_float_input_are_dequantized_and_say_so),
        cmocka_unit_test(sparse_weights_are_stored_sparse_where_that_is_faster),
        cmocka_unit_test(a_clip_between_integers_is_a_narrower_range),
        cmocka_unit_test(what_cannot_run_is_named),
#if !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(running_allocates_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
