/* Every operator's backward pass against central differences in f64.
 *
 * L = sum(r * output) with a fixed random r.  Along a random direction d over the input and all
 * weights, (L(+h d) - L(-h d)) / 2h with h = 1e-5 must equal grad . d to 1e-7: the difference formula
 * errs by about h^2 and 1e-16 / h, both near 1e-11 for values near 1.  Inputs are random reals, so no
 * element stands within h of a kink. */
#include "../support/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pare/graph.h>
#include <pare/rng.h>

#include "train/loss.h"
#include "train/net.h"

#define STEP      1e-5
#define TOLERANCE 1e-7
#define BATCH     5

static struct pare_value *weight(struct pare_graph *graph, struct pare_rng *rng, double mean,
                                 double deviation, int n_dims, int64_t a, int64_t b, int64_t c,
                                 int64_t d)
{
    struct pare_shape shape = {n_dims, {a, b, c, d}};
    struct pare_tensor *tensor;
    struct pare_error err = {0};

    assert_ok(pare_tensor_new(&tensor, PARE_F32, &shape, &err), &err);
    for (int64_t i = 0; i < pare_tensor_elems(tensor); i++)
        pare_tensor_f32(tensor)[i] = (float)(mean + deviation * pare_rng_normal(rng));
    return pare_graph_weight(graph, NULL, tensor);
}

static struct pare_value *image(struct pare_graph *graph, int64_t C, int64_t H, int64_t W)
{
    return pare_graph_input(graph, "x", &(struct pare_shape){4, {PARE_DIM_BATCH, C, H, W}});
}

static struct pare_value *vector(struct pare_graph *graph, int64_t n)
{
    return pare_graph_input(graph, "x", &(struct pare_shape){2, {PARE_DIM_BATCH, n}});
}

static struct pare_node *node(struct pare_graph *graph, enum pare_op op, struct pare_value *x)
{
    return pare_graph_node(graph, op, NULL, &x, 1);
}

struct window {
    int64_t kernel[2], strides[2], pads[4], dilations[2], group;
};

static void set_window(struct pare_graph *graph, struct pare_node *at, const struct window *w)
{
    pare_node_set_ints(graph, at, "kernel_shape", w->kernel, 2);
    pare_node_set_ints(graph, at, "strides", w->strides, 2);
    pare_node_set_ints(graph, at, "pads", w->pads, 4);
    if (at->op == PARE_OP_CONV) {
        pare_node_set_ints(graph, at, "dilations", w->dilations, 2);
        pare_node_set_int(graph, at, "group", w->group);
    }
}

static struct pare_value *conv(struct pare_graph *graph, struct pare_rng *rng, struct pare_value *x,
                               int64_t C, int64_t M, bool has_bias, const struct window *w)
{
    struct pare_value *in[3] = {
        x, weight(graph, rng, 0, 0.4, 4, M, C / w->group, w->kernel[0], w->kernel[1]),
        has_bias ? weight(graph, rng, 0, 1, 1, M, 0, 0, 0) : NULL};
    struct pare_node *at = pare_graph_node(graph, PARE_OP_CONV, NULL, in, has_bias ? 3 : 2);

    set_window(graph, at, w);
    return at->outputs[0];
}

static struct pare_value *gemm(struct pare_graph *graph, struct pare_rng *rng, struct pare_value *x,
                               int64_t in, int64_t out, bool transposed)
{
    struct pare_value *inputs[3] = {x,
                                    transposed ? weight(graph, rng, 0, 0.4, 2, out, in, 0, 0)
                                               : weight(graph, rng, 0, 0.4, 2, in, out, 0, 0),
                                    weight(graph, rng, 0, 1, 1, out, 0, 0, 0)};
    struct pare_node *at = pare_graph_node(graph, PARE_OP_GEMM, NULL, inputs, 3);

    pare_node_set_int(graph, at, "transB", transposed);
    return at->outputs[0];
}

static struct pare_value *batchnorm(struct pare_graph *graph, struct pare_rng *rng,
                                    struct pare_value *x, int64_t C)
{
    struct pare_value *in[5] = {
        x, weight(graph, rng, 1, 0.3, 1, C, 0, 0, 0), weight(graph, rng, 0, 0.5, 1, C, 0, 0, 0),
        weight(graph, rng, 0, 0, 1, C, 0, 0, 0), weight(graph, rng, 1, 0, 1, C, 0, 0, 0)};

    return pare_graph_node(graph, PARE_OP_BATCHNORM, NULL, in, 5)->outputs[0];
}

static void fill(double *a, int64_t n, struct pare_rng *rng)
{
    for (int64_t i = 0; i < n; i++)
        a[i] = pare_rng_normal(rng);
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* What L depends on: the input and every learned weight, each with a direction. */
struct variable {
    double *at, *gradient, *direction, *start;
    int64_t n;
};

static int variables(struct variable *out, struct pare_net *net, int64_t n, struct pare_rng *rng)
{
    int count = 0;

    out[count++] = (struct variable){.at = net->input->a,
                                     .gradient = net->input->g,
                                     .n = n * net->input->elems};
    for (int i = 0; i < net->n_slots; i++)
        if (net->slots[i].g)
            out[count++] = (struct variable){.at = net->slots[i].w,
                                             .gradient = net->slots[i].g,
                                             .n = net->slots[i].n};
    for (int v = 0; v < count; v++) {
        out[v].direction = malloc((size_t)out[v].n * sizeof(double));
        out[v].start = malloc((size_t)out[v].n * sizeof(double));
        fill(out[v].direction, out[v].n, rng);
        memcpy(out[v].start, out[v].at, (size_t)out[v].n * sizeof(double));
    }
    return count;
}

static double value_at(struct pare_net *net, const struct variable *v, int n_variables, int only,
                       double h, const double *r, int64_t n)
{
    for (int k = 0; k < n_variables; k++)
        for (int64_t i = 0; i < v[k].n; i++)
            v[k].at[i] = v[k].start[i] + (only < 0 || only == k ? h * v[k].direction[i] : 0);
    pare_net_prepare(net);
    pare_net_forward(net, n, true);
    return dot(r, net->logits->a, n * net->logits->elems);
}

/* Takes the graph. */
static void check_gradients(struct pare_graph *graph, struct pare_value *output, int64_t n)
{
    struct pare_net_config config = {.real_bits = 64,
                                     .max_batch = n,
                                     .n_threads = 2,
                                     .learns = true,
                                     .input_gradient = true};
    struct pare_error err = {0};
    struct pare_net *net;
    struct variable v[64];
    struct pare_rng rng;
    double *r;
    int n_variables;

    pare_graph_output(graph, output);
    assert_ok(pare_graph_finish(graph, &err), &err);
    assert_ok(pare_net_new(&net, graph, &config, &err), &err);
    pare_rng_init(&rng, 7, 3);
    fill(net->input->a, n * net->input->elems, &rng);
    r = malloc((size_t)(n * net->logits->elems) * sizeof *r);
    fill(r, n * net->logits->elems, &rng);
    n_variables = variables(v, net, n, &rng);
    /* All together, then each alone, so that a fault cannot hide behind a larger term. */
    for (int only = -1; only < n_variables; only++) {
        double plus = value_at(net, v, n_variables, only, STEP, r, n);
        double minus = value_at(net, v, n_variables, only, -STEP, r, n);
        double numeric = (plus - minus) / (2 * STEP), analytic = 0, size = 0, terms = 0;

        value_at(net, v, n_variables, only, 0, r, n);
        memcpy(net->logits->g, r, (size_t)(n * net->logits->elems) * sizeof *r);
        pare_net_backward(net, n);
        for (int64_t i = 0; i < n * net->logits->elems; i++)
            terms += fabs(r[i] * ((double *)net->logits->a)[i]);
        for (int k = 0; k < n_variables; k++)
            if (only < 0 || only == k) {
                analytic += dot(v[k].gradient, v[k].direction, v[k].n);
                size += sqrt(dot(v[k].gradient, v[k].gradient, v[k].n) *
                             dot(v[k].direction, v[k].direction, v[k].n) / (double)v[k].n);
            }
        /* `size`: the product along a typical direction, for directions that happen to be flat;
         * the last term: what rounding of L's terms leaves in the difference. */
        if (!(fabs(analytic - numeric) <=
              TOLERANCE * (fabs(numeric) + 0.1 * size) + 1e-15 * terms / STEP)) {
            print_error("variable %d: %.12g by backward, %.12g by differences\n", only, analytic,
                        numeric);
            fail();
        }
    }
    for (int k = 0; k < n_variables; k++) {
        free(v[k].direction);
        free(v[k].start);
    }
    free(r);
    pare_net_free(net);
    pare_graph_free(graph);
}

#define GRAPH                                          \
    struct pare_graph *graph = pare_graph_new("test"); \
    struct pare_rng rng_, *rng = &rng_;                \
    pare_rng_init(rng, 11, 1);                         \
    (void)state

static void check_conv(int64_t C, int64_t H, int64_t W, int64_t M, bool has_bias, struct window w,
                       int64_t n)
{
    struct pare_graph *graph = pare_graph_new("test");
    struct pare_rng rng;

    pare_rng_init(&rng, 11, 1);
    check_gradients(graph, conv(graph, &rng, image(graph, C, H, W), C, M, has_bias, &w), n);
}

static void conv_gradient_matches_finite_differences(void **state)
{
    (void)state;
    check_conv(3, 7, 6, 4, true, (struct window){{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1}, BATCH);
    check_conv(1, 9, 9, 5, false, (struct window){{5, 5}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1}, BATCH);
    check_conv(17, 6, 5, 33, true, (struct window){{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1}, BATCH);
    check_conv(2, 4, 4, 3, true, (struct window){{4, 4}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1}, BATCH);
}

static void conv_gradient_holds_for_strides_and_uneven_padding(void **state)
{
    (void)state;
    check_conv(4, 11, 9, 6, true, (struct window){{5, 3}, {2, 2}, {2, 2, 2, 2}, {1, 1}, 1}, BATCH);
    check_conv(3, 8, 8, 4, true, (struct window){{3, 3}, {2, 2}, {0, 0, 1, 1}, {1, 1}, 1}, BATCH);
    check_conv(3, 8, 9, 4, true, (struct window){{2, 3}, {3, 1}, {1, 0, 0, 2}, {1, 1}, 1}, BATCH);
}

static void conv_gradient_holds_for_dilation_and_groups(void **state)
{
    (void)state;
    check_conv(3, 9, 8, 5, true, (struct window){{3, 3}, {1, 1}, {2, 2, 2, 2}, {2, 2}, 1}, BATCH);
    check_conv(6, 7, 7, 9, true, (struct window){{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 3}, BATCH);
    check_conv(4, 7, 7, 8, true, (struct window){{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 4}, BATCH);
}

static void conv_gradient_holds_for_one_by_one(void **state)
{
    (void)state;
    check_conv(8, 5, 6, 5, true, (struct window){{1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1}, BATCH);
    check_conv(8, 6, 6, 5, true, (struct window){{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1}, BATCH);
}

static void depthwise_conv_gradient_matches_finite_differences(void **state)
{
    (void)state;
    check_conv(6, 9, 8, 6, false, (struct window){{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 6}, BATCH);
    check_conv(19, 6, 7, 19, true, (struct window){{3, 3}, {1, 1}, {1, 1, 1, 1}, {2, 2}, 19},
               BATCH);
}

static void gradients_are_right_when_the_batch_is_cut_into_shards(void **state)
{
    GRAPH;
    struct pare_value *x = conv(graph, rng, image(graph, 2, 5, 5), 2, 4, true,
                                &(struct window){{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1});

    x = node(graph, PARE_OP_GLOBAL_AVGPOOL, batchnorm(graph, rng, x, 4))->outputs[0];
    x = gemm(graph, rng, node(graph, PARE_OP_FLATTEN, x)->outputs[0], 4, 3, true);
    check_gradients(graph, x, 67); /* four shards of 16 and 17 */
}

static void gemm_gradient_matches_finite_differences(void **state)
{
    GRAPH;
    check_gradients(graph, gemm(graph, rng, vector(graph, 12), 12, 7, true), BATCH);
    graph = pare_graph_new("test");
    check_gradients(graph, gemm(graph, rng, vector(graph, 12), 12, 170, false), BATCH);
}

static void batchnorm_gradient_matches_finite_differences(void **state)
{
    GRAPH;
    check_gradients(graph, batchnorm(graph, rng, image(graph, 3, 5, 4), 3), BATCH);
    graph = pare_graph_new("test");
    check_gradients(graph, batchnorm(graph, rng, vector(graph, 18), 18), 8);
    graph = pare_graph_new("test");
    check_gradients(graph, batchnorm(graph, rng, image(graph, 20, 3, 3), 20), 70);
}

static void activation_gradients_match_finite_differences(void **state)
{
    static const enum pare_op ops[] = {PARE_OP_RELU,       PARE_OP_CLIP, PARE_OP_LEAKY_RELU,
                                       PARE_OP_SIGMOID,    PARE_OP_TANH, PARE_OP_HARD_SIGMOID,
                                       PARE_OP_HARD_SWISH, PARE_OP_GELU, PARE_OP_SOFTMAX,
                                       PARE_OP_IDENTITY};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        GRAPH;
        struct pare_value *x = gemm(graph, rng, vector(graph, 9), 9, 21, true);
        struct pare_node *at = node(graph, ops[i], x);

        if (ops[i] == PARE_OP_CLIP) {
            pare_node_set_float(graph, at, "min", -0.5);
            pare_node_set_float(graph, at, "max", 0.75);
        }
        /* A Gemm behind it, so that a final Softmax is not looked through. */
        check_gradients(graph, gemm(graph, rng, at->outputs[0], 21, 4, true), BATCH);
    }
}

/* Not fused: a second reader of the value before it. */
static void an_activation_that_stands_alone_has_the_same_gradient(void **state)
{
    static const enum pare_op ops[] = {PARE_OP_RELU, PARE_OP_CLIP};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        GRAPH;
        struct pare_value *x = gemm(graph, rng, vector(graph, 9), 9, 21, true);
        struct pare_node *at = node(graph, ops[i], x);
        struct pare_value *both[2] = {at->outputs[0], x};

        if (ops[i] == PARE_OP_CLIP) {
            pare_node_set_float(graph, at, "min", -0.5);
            pare_node_set_float(graph, at, "max", 0.75);
        }
        check_gradients(graph, pare_graph_node(graph, PARE_OP_ADD, NULL, both, 2)->outputs[0],
                        BATCH);
    }
}

static void add_gradient_matches_finite_differences(void **state)
{
    GRAPH;
    struct pare_value *x = vector(graph, 6);
    struct pare_value *both[2] = {gemm(graph, rng, x, 6, 6, true), x};
    struct pare_value *sum = pare_graph_node(graph, PARE_OP_ADD, NULL, both, 2)->outputs[0];
    struct pare_value *twice[2] = {sum, sum};

    sum = pare_graph_node(graph, PARE_OP_ADD, NULL, twice, 2)->outputs[0];
    check_gradients(graph, node(graph, PARE_OP_RELU, sum)->outputs[0], BATCH);
}

static void pool_gradients_match_finite_differences(void **state)
{
    static const struct window windows[] = {{{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1},
                                            {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
                                            {{3, 2}, {1, 2}, {1, 0, 0, 1}, {1, 1}, 1}};

    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++)
        for (int kind = 0; kind < 3; kind++) {
            GRAPH;
            struct pare_node *at =
                node(graph, kind == 0 ? PARE_OP_MAXPOOL : PARE_OP_AVGPOOL, image(graph, 3, 8, 7));

            set_window(graph, at, &windows[i]);
            if (kind > 0)
                pare_node_set_int(graph, at, "count_include_pad", kind == 1);
            check_gradients(graph, at->outputs[0], BATCH);
        }
}

static void global_pool_gradient_matches_finite_differences(void **state)
{
    GRAPH;
    check_gradients(graph, node(graph, PARE_OP_GLOBAL_AVGPOOL, image(graph, 18, 4, 3))->outputs[0],
                    BATCH);
}

static void flatten_gradient_matches_finite_differences(void **state)
{
    GRAPH;
    struct pare_value *x = node(graph, PARE_OP_FLATTEN, image(graph, 3, 4, 2))->outputs[0];
    struct pare_value *both[2];

    /* Read by one Gemm: the Gemm's columns change places instead. */
    check_gradients(graph, gemm(graph, rng, x, 24, 5, true), BATCH);
    graph = pare_graph_new("test");
    x = node(graph, PARE_OP_FLATTEN, image(graph, 3, 4, 2))->outputs[0];
    check_gradients(graph, gemm(graph, rng, x, 24, 5, false), BATCH);
    /* Read twice: the elements change places. */
    graph = pare_graph_new("test");
    x = node(graph, PARE_OP_FLATTEN, image(graph, 3, 4, 2))->outputs[0];
    both[0] = x;
    both[1] = gemm(graph, rng, x, 24, 24, true);
    check_gradients(graph, pare_graph_node(graph, PARE_OP_ADD, NULL, both, 2)->outputs[0], BATCH);
}

/* Residual blocks with batch norm, a depthwise layer and everything that is fused or shared. */
static void check_residual(enum pare_op activation, enum pare_op pooling, int64_t size, int64_t n)
{
    static const struct window three = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1};
    static const struct window down = {{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1};
    static const struct window three_down = {{3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1};
    static const struct window pool = {{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1};
    static const struct window depthwise = {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 6};
    struct pare_graph *graph = pare_graph_new("test");
    struct pare_rng rng_, *rng = &rng_;
    struct pare_value *x = image(graph, 2, size, size), *y, *both[2];
    struct pare_node *at;

    pare_rng_init(rng, 11, 1);
    x = batchnorm(graph, rng, conv(graph, rng, x, 2, 4, false, &three), 4);
    x = node(graph, activation, x)->outputs[0];
    at = node(graph, pooling, x);
    set_window(graph, at, &pool);
    x = at->outputs[0];
    y = batchnorm(graph, rng, conv(graph, rng, x, 4, 6, true, &three_down), 6);
    y = node(graph, activation, y)->outputs[0];
    y = batchnorm(graph, rng, conv(graph, rng, y, 6, 6, false, &depthwise), 6);
    both[0] = y;
    both[1] = conv(graph, rng, x, 4, 6, true, &down);
    x = pare_graph_node(graph, PARE_OP_ADD, NULL, both, 2)->outputs[0];
    x = node(graph, activation, x)->outputs[0];
    x = gemm(graph, rng, node(graph, PARE_OP_FLATTEN, x)->outputs[0], 6 * (size / 4) * (size / 4),
             5, true);
    check_gradients(graph, node(graph, PARE_OP_SOFTMAX, x)->outputs[0], n);
}

static void gradients_of_a_residual_network_match_finite_differences(void **state)
{
    (void)state;
    check_residual(PARE_OP_GELU, PARE_OP_AVGPOOL, 12, 33);
}

/* Small: among many thousand values one would stand within the step of a kink. */
static void gradients_of_a_residual_relu_network_match_finite_differences(void **state)
{
    (void)state;
    check_residual(PARE_OP_RELU, PARE_OP_MAXPOOL, 8, 3);
}

/* Losses: the returned sum against its written gradient. */
enum loss { CROSS_ENTROPY, SMOOTHED, MSE, KL };

static double loss_of(enum loss loss, double *d, const double *y, const double *t,
                      const int32_t *labels, int64_t n, int64_t k)
{
    switch (loss) {
    case MSE: return pare_loss_mse_f64(d, y, t, n, k, 1);
    case KL:
        memset(d, 0, (size_t)(n * k) * sizeof *d);
        return pare_loss_kl_f64(d, y, t, n, k, 3.5, 1);
    default: return pare_loss_cross_entropy_f64(d, y, labels, n, k, loss == SMOOTHED ? 0.1 : 0, 1);
    }
}

static void loss_gradients_match_finite_differences(void **state)
{
    enum { N = 6, K = 9 };
    static const int32_t labels[N] = {0, 8, 3, 3, 1, 5};
    double y[N * K], t[N * K], d[N * K], other[N * K], direction[N * K], at[N * K];
    struct pare_rng rng;

    (void)state;
    pare_rng_init(&rng, 5, 5);
    fill(y, N * K, &rng);
    fill(t, N * K, &rng);
    fill(direction, N * K, &rng);
    for (int loss = CROSS_ENTROPY; loss <= KL; loss++) {
        double sides[2];

        for (int side = 0; side < 2; side++) {
            for (int i = 0; i < N * K; i++)
                at[i] = y[i] + (side ? -STEP : STEP) * direction[i];
            sides[side] = loss_of(loss, other, at, t, labels, N, K);
        }
        loss_of(loss, d, y, t, labels, N, K);
        assert_true(fabs(dot(d, direction, N * K) - (sides[0] - sides[1]) / (2 * STEP)) <
                    TOLERANCE * fabs(dot(d, direction, N * K)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_gradient_matches_finite_differences),
        cmocka_unit_test(conv_gradient_holds_for_strides_and_uneven_padding),
        cmocka_unit_test(conv_gradient_holds_for_dilation_and_groups),
        cmocka_unit_test(conv_gradient_holds_for_one_by_one),
        cmocka_unit_test(depthwise_conv_gradient_matches_finite_differences),
        cmocka_unit_test(gradients_are_right_when_the_batch_is_cut_into_shards),
        cmocka_unit_test(gemm_gradient_matches_finite_differences),
        cmocka_unit_test(batchnorm_gradient_matches_finite_differences),
        cmocka_unit_test(activation_gradients_match_finite_differences),
        cmocka_unit_test(an_activation_that_stands_alone_has_the_same_gradient),
        cmocka_unit_test(add_gradient_matches_finite_differences),
        cmocka_unit_test(pool_gradients_match_finite_differences),
        cmocka_unit_test(global_pool_gradient_matches_finite_differences),
        cmocka_unit_test(flatten_gradient_matches_finite_differences),
        cmocka_unit_test(gradients_of_a_residual_network_match_finite_differences),
        cmocka_unit_test(gradients_of_a_residual_relu_network_match_finite_differences),
        cmocka_unit_test(loss_gradients_match_finite_differences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
