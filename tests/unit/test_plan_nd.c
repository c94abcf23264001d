/* Networks in which channels-last steps and generic ones alternate: the numbers, and where values
 * change their order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/graph.h>
#include <pare/quantize.h>
#include <pare/rng.h>

#include "../support/check.h"
#include "../support/nets.h"
#include "../support/quantize_net.h"
#include "../support/run_net.h"
#include "graph/infer.h"
#include "io/safetensors.h"

static struct pare_value *image(struct pare_graph *g, int64_t C, int64_t H, int64_t W)
{
    struct pare_shape shape = pare_shape_of(4, (int64_t)PARE_DIM_BATCH, C, H, W);
    return pare_graph_input(g, "x", &shape);
}

static struct pare_value *node_of(struct pare_graph *g, enum pare_op op,
                                  struct pare_value *const *inputs, int n)
{
    return pare_graph_node(g, op, NULL, inputs, n)->outputs[0];
}

static struct pare_value *two(struct pare_graph *g, enum pare_op op, struct pare_value *a,
                              struct pare_value *b)
{
    struct pare_value *inputs[] = {a, b};
    return node_of(g, op, inputs, 2);
}

/* x[:, :, ::2, ::2] and `before`, `after` channels of zeros: the shortcut of ResNet's option A. */
static struct pare_value *option_a(struct pare_graph *g, struct pare_value *x, int64_t before,
                                   int64_t after)
{
    static const int64_t starts[] = {0, 0}, ends[] = {INT64_MAX, INT64_MAX}, axes[] = {2, 3},
                         steps[] = {2, 2};
    int64_t pads[] = {0, before, 0, 0, 0, after, 0, 0};
    struct pare_node *slice = pare_graph_node(g, PARE_OP_SLICE, NULL, &x, 1);
    struct pare_node *pad = pare_graph_node(g, PARE_OP_PAD, NULL, slice->outputs, 1);

    pare_node_set_ints(g, slice, "starts", starts, 2);
    pare_node_set_ints(g, slice, "ends", ends, 2);
    pare_node_set_ints(g, slice, "axes", axes, 2);
    pare_node_set_ints(g, slice, "steps", steps, 2);
    pare_node_set_ints(g, pad, "pads", pads, 8);
    return pad->outputs[0];
}

static struct pare_graph *resnet_a(void)
{
    struct pare_graph *g = pare_graph_new("option A");
    struct pare_value *x = image(g, 3, 9, 8), *y;

    x = net_op(g, net_conv(g, x, "conv0", 3, 6, 3, 1, 1, 1), PARE_OP_RELU, NULL);
    y = net_op(g, net_conv(g, x, "conv1", 6, 10, 3, 2, 1, 1), PARE_OP_RELU, NULL);
    y = net_conv(g, y, "conv2", 10, 10, 3, 1, 1, 1);
    y = net_op(g, two(g, PARE_OP_ADD, y, option_a(g, x, 1, 3)), PARE_OP_RELU, NULL);
    y = net_op(g, net_op(g, y, PARE_OP_GLOBAL_AVGPOOL, NULL), PARE_OP_FLATTEN, NULL);
    net_finish(g, net_gemm(g, y, "fc", 10, 4));
    return g;
}

static int count_steps(const struct pare_graph *g, const char *op)
{
    struct pare_plan_options options = {.max_batch = 1, .n_threads = 1};
    struct pare_plan *plan = NULL;
    struct pare_error err = {0};
    int n = 0;

    assert_ok(pare_plan_new(&plan, g, &options, &err), &err);
    for (int i = 0; i < pare_plan_n_layers(plan); i++)
        n += strcmp(pare_plan_layer(plan, i).op, op) == 0;
    pare_plan_free(plan);
    return n;
}

static void check(struct pare_graph *g, double atol)
{
    /* Sums of up to a hundred terms near 1. */
    check_net(g, &(struct run_net){.seed = 5, .n = 3, .atol = atol});
    check_net(g, &(struct run_net){.seed = 6, .n = 1, .atol = atol});
}

static void shortcuts_of_option_a_run_without_a_change_of_order(void **state)
{
    struct pare_graph *g = resnet_a();

    (void)state;
    check(g, 1e-4);
    assert_int_equal(count_steps(g, "Transpose"), 0);
    assert_int_equal(count_steps(g, "Add+Relu"), 1);
    pare_graph_free(g);
}

static void squeeze_and_excitation_runs_without_a_change_of_order(void **state)
{
    static const int64_t axes[] = {2, 3};
    struct pare_graph *g = pare_graph_new("SE");
    struct pare_value *x = image(g, 3, 7, 6), *gate;
    struct pare_node *mean, *wide;

    (void)state;
    x = net_conv(g, x, "conv", 3, 8, 3, 1, 1, 1);
    mean = pare_graph_node(g, PARE_OP_REDUCE_MEAN, NULL, &x, 1);
    pare_node_set_ints(g, mean, "axes", axes, 2);
    pare_node_set_int(g, mean, "keepdims", 0);
    gate = net_op(g, net_gemm(g, mean->outputs[0], "down", 8, 2), PARE_OP_RELU, NULL);
    gate = net_op(g, net_gemm(g, gate, "up", 2, 8), PARE_OP_SIGMOID, NULL);
    wide = pare_graph_node(g, PARE_OP_UNSQUEEZE, NULL, &gate, 1);
    pare_node_set_ints(g, wide, "axes", axes, 2);
    x = two(g, PARE_OP_MUL, x, wide->outputs[0]);
    net_finish(g, net_conv(g, x, "last", 8, 2, 1, 1, 0, 1));
    check(g, 1e-4);
    assert_int_equal(count_steps(g, "Transpose"), 0);
    pare_graph_free(g);
}

/* Constants of every shape that goes into an image, sums of branches, parts of channels. */
static void images_and_constants_stay_channels_last(void **state)
{
    static const int64_t parts[] = {5, 3, 4};
    struct pare_graph *g = pare_graph_new("branches");
    struct pare_value *x = image(g, 2, 6, 5), *branches[3], *y;
    struct pare_node *concat, *split, *resize, *softmax;
    static const double scales[] = {1, 1, 2, 2};

    (void)state;
    branches[0] = net_conv(g, x, "a", 2, 4, 1, 1, 0, 1);
    branches[1] = two(g, PARE_OP_PRELU, net_conv(g, x, "b", 2, 5, 3, 1, 1, 1),
                      net_weight(g, "slope", 3, (int64_t)5, (int64_t)1, (int64_t)1));
    branches[2] = two(g, PARE_OP_SUB, net_weight(g, "map", 2, (int64_t)6, (int64_t)5),
                      net_conv(g, x, "c", 2, 3, 3, 1, 1, 1));
    concat = pare_graph_node(g, PARE_OP_CONCAT, NULL, branches, 3);
    pare_node_set_int(g, concat, "axis", 1);
    y = two(g, PARE_OP_MUL, concat->outputs[0],
            net_weight(g, "full", 4, (int64_t)1, (int64_t)12, (int64_t)6, (int64_t)5));
    y = two(g, PARE_OP_ADD, y, net_weight(g, "scalar", 0));
    split = pare_graph_node(g, PARE_OP_SPLIT, NULL, &y, 1);
    pare_graph_add_output(g, split);
    pare_graph_add_output(g, split);
    pare_node_set_int(g, split, "axis", 1);
    pare_node_set_ints(g, split, "split", parts, 3);
    resize = pare_graph_node(g, PARE_OP_RESIZE, NULL, &split->outputs[2], 1);
    pare_node_set_floats(g, resize, "scales", scales, 4);
    pare_node_set_string(g, resize, "mode", "linear");
    softmax = pare_graph_node(g, PARE_OP_SOFTMAX, NULL, resize->outputs, 1);
    pare_node_set_int(g, softmax, "axis", 1);
    y = net_conv(g,
                 two(g, PARE_OP_MAX, net_op(g, softmax->outputs[0], PARE_OP_ELU, NULL),
                     net_op(g, resize->outputs[0], PARE_OP_ABS, NULL)),
                 "last", 4, 2, 3, 1, 1, 1);
    pare_graph_output(g, net_op(g, split->outputs[0], PARE_OP_GLOBAL_MAXPOOL, NULL));
    net_finish(g, y);
    check(g, 1e-4);
    assert_int_equal(count_steps(g, "Transpose"), 0);
    pare_graph_free(g);
}

/* Attention over the pixels of an image: three dimensions, products, back to an image. */
static struct pare_graph *attention(void)
{
    static const int64_t to_tokens[] = {-1, 6, 20}, perm[] = {0, 2, 1}, to_image[] = {0, 6, 4, 5};
    struct pare_graph *g = pare_graph_new("attention");
    struct pare_value *x = image(g, 3, 4, 5), *y, *q, *k, *norm[3];
    struct pare_node *reshape, *turn, *back;

    x = net_conv(g, x, "conv", 3, 6, 3, 1, 1, 1);
    reshape = pare_graph_node(g, PARE_OP_RESHAPE, NULL, &x, 1);
    pare_node_set_ints(g, reshape, "shape", to_tokens, 3);
    turn = pare_graph_node(g, PARE_OP_TRANSPOSE, NULL, reshape->outputs, 1);
    pare_node_set_ints(g, turn, "perm", perm, 3);
    norm[0] = turn->outputs[0]; /* [N, 20, 6] */
    norm[1] = net_weight(g, "gain", 1, (int64_t)6);
    norm[2] = net_weight(g, "shift", 1, (int64_t)6);
    y = node_of(g, PARE_OP_LAYER_NORM, norm, 3);
    q = two(g, PARE_OP_MATMUL, y, net_weight(g, "wq", 2, (int64_t)6, (int64_t)6));
    k = two(g, PARE_OP_MATMUL, y, net_weight(g, "wk", 2, (int64_t)6, (int64_t)6));
    turn = pare_graph_node(g, PARE_OP_TRANSPOSE, NULL, &k, 1);
    pare_node_set_ints(g, turn, "perm", perm, 3);
    y = two(g, PARE_OP_MATMUL,
            net_op(g, two(g, PARE_OP_MATMUL, q, turn->outputs[0]), PARE_OP_SOFTMAX, NULL), y);
    back = pare_graph_node(g, PARE_OP_TRANSPOSE, NULL, &y, 1);
    pare_node_set_ints(g, back, "perm", perm, 3);
    reshape = pare_graph_node(g, PARE_OP_RESHAPE, NULL, back->outputs, 1);
    pare_node_set_ints(g, reshape, "shape", to_image, 4);
    y = two(g, PARE_OP_ADD, x, reshape->outputs[0]);
    net_finish(g, net_conv(g, y, "last", 6, 2, 3, 1, 1, 1));
    return g;
}

static void tokens_and_images_meet(void **state)
{
    struct pare_graph *g = attention();

    (void)state;
    check(g, 5e-4); /* the softmax of large products passes their rounding on */
    pare_graph_free(g);
}

/* What exporters of channels-last frameworks leave: order changed back and forth. */
static void transpositions_to_the_order_of_memory_cost_nothing(void **state)
{
    static const int64_t to_last[] = {0, 2, 3, 1}, to_first[] = {0, 3, 1, 2};
    struct pare_graph *g = pare_graph_new("transpositions");
    struct pare_value *x = image(g, 3, 4, 5);
    struct pare_node *a, *b;

    (void)state;
    x = net_conv(g, x, "conv", 3, 6, 3, 1, 1, 1);
    a = pare_graph_node(g, PARE_OP_TRANSPOSE, NULL, &x, 1);
    pare_node_set_ints(g, a, "perm", to_last, 4);
    x = two(g, PARE_OP_MUL, a->outputs[0], net_weight(g, "per_channel", 1, (int64_t)6));
    b = pare_graph_node(g, PARE_OP_TRANSPOSE, NULL, &x, 1);
    pare_node_set_ints(g, b, "perm", to_first, 4);
    net_finish(g, net_conv(g, b->outputs[0], "last", 6, 2, 3, 1, 1, 1));
    check(g, 1e-4);
    assert_int_equal(count_steps(g, "Transpose"), 0);
    pare_graph_free(g);
}

static void other_transpositions_of_images_are_done(void **state)
{
    static const int64_t perms[][4] = {{0, 1, 3, 2},
                                       {0, 2, 1, 3},
                                       {0, 3, 2, 1},
                                       {0, 2, 3, 1},
                                       {0, 3, 1, 2}};

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct pare_graph *g = pare_graph_new("transposition");
        struct pare_value *x = net_conv(g, image(g, 3, 4, 5), "conv", 3, 6, 3, 1, 1, 1);
        struct pare_node *turn = pare_graph_node(g, PARE_OP_TRANSPOSE, NULL, &x, 1);

        pare_node_set_ints(g, turn, "perm", perms[i], 4);
        net_finish(g, net_op(g, turn->outputs[0], PARE_OP_TANH, NULL));
        check(g, 1e-4);
        pare_graph_free(g);
    }
}

/* A flattened image is read by what is not a Gemm, and comes back. */
static void flattened_images_are_read_in_the_order_of_onnx(void **state)
{
    static const int64_t back[] = {-1, 4, 3, 2};
    struct pare_graph *g = pare_graph_new("flattened");
    struct pare_value *x = net_conv(g, image(g, 2, 3, 2), "conv", 2, 4, 3, 1, 1, 1), *flat, *y;
    struct pare_node *image_again;

    (void)state;
    flat = net_op(g, x, PARE_OP_FLATTEN, NULL);
    y = two(g, PARE_OP_ADD, flat, net_weight(g, "line", 1, (int64_t)24));
    y = two(g, PARE_OP_MUL, y, flat);
    y = two(g, PARE_OP_ADD, y, net_op(g, flat, PARE_OP_TANH, NULL));
    image_again = pare_graph_node(g, PARE_OP_RESHAPE, NULL, &flat, 1);
    pare_node_set_ints(g, image_again, "shape", back, 4);
    pare_graph_output(g, net_gemm(g, y, "fc", 24, 3));
    pare_graph_output(g, net_op(g, flat, PARE_OP_LOG_SOFTMAX, NULL));
    net_finish(g, two(g, PARE_OP_SUB, image_again->outputs[0], x));
    check(g, 1e-4);
    pare_graph_free(g);
}

/* Several inputs: one of samples, one the same for all, indices. */
static void inputs_may_lack_the_batch(void **state)
{
    struct pare_graph *g = pare_graph_new("inputs");
    struct pare_shape shared = pare_shape_of(3, (int64_t)4, (int64_t)1, (int64_t)1);
    struct pare_shape ids = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)3);
    struct pare_value *x = image(g, 2, 3, 4), *gain = pare_graph_input(g, "gain", &shared);
    struct pare_value *words = pare_graph_input(g, "words", &ids), *y;

    (void)state;
    words->dtype = PARE_S64;
    x = net_conv(g, x, "conv", 2, 4, 3, 1, 1, 1);
    y = two(g, PARE_OP_MUL, x, gain);
    pare_graph_output(g, net_op(g, gain, PARE_OP_EXP, NULL));
    pare_graph_output(
        g, two(g, PARE_OP_GATHER, net_weight(g, "table", 2, (int64_t)10, (int64_t)3), words));
    pare_graph_output(g, net_op(g, words, PARE_OP_IDENTITY, NULL));
    net_finish(g, net_conv(g, y, "last", 4, 2, 1, 1, 0, 1));
    check(g, 1e-4);
    pare_graph_free(g);
}

/* The same value is two outputs; an input is one. */
static void outputs_may_be_views_of_one_another(void **state)
{
    struct pare_graph *g = pare_graph_new("outputs");
    struct pare_value *x = image(g, 4, 1, 1), *y;

    (void)state;
    pare_graph_output(g, net_op(g, x, PARE_OP_IDENTITY, NULL));
    y = net_op(g, net_conv(g, x, "conv", 4, 3, 1, 1, 0, 1), PARE_OP_RELU, NULL);
    pare_graph_output(g, y);
    pare_graph_output(g, net_op(g, y, PARE_OP_FLATTEN, NULL));
    net_finish(g, net_op(g, net_op(g, y, PARE_OP_FLATTEN, NULL), PARE_OP_NEG, NULL));
    check(g, 1e-5);
    pare_graph_free(g);
}

/* A network whose batch is a number runs as a whole, convolutions by the fast kernels. */
static void fixed_batches_run_as_a_whole(void **state)
{
    struct pare_graph *g = resnet_a();
    int n_fast = count_steps(g, "Conv+Relu");

    (void)state;
    g->inputs[0]->shape.dims[0] = 3;
    struct pare_error err = {0};
    assert_ok(pare_graph_finish(g, &err), &err);
    check_net(g, &(struct run_net){.seed = 8, .atol = 1e-4});
    assert_int_equal(count_steps(g, "Conv+Relu"), n_fast);
    pare_graph_free(g);
}

static void threads_and_batches_give_the_same(void **state)
{
    enum { N = 37 };
    struct pare_graph *g = resnet_a();
    struct pare_error err = {0};
    float *x = net_random(4, N * net_n_in(g)), y[N * 4], z[N * 4];

    (void)state;
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        struct pare_plan_options options = {.max_batch = N, .n_threads = n_threads};
        struct pare_plan *plan = NULL;

        assert_ok(pare_plan_new(&plan, g, &options, &err), &err);
        pare_plan_run(plan, x, N, n_threads == 1 ? y : z);
        if (n_threads > 1)
            assert_memory_equal(y, z, sizeof y);
        pare_plan_free(plan);
    }
    free(x);
    pare_graph_free(g);
}

/* ---- Networks by chance ---- */

struct chance {
    struct pare_rng rng;
    struct pare_graph *g;
    struct pare_value *values[64]; /* activations so far */
    int n;
};

static int64_t pick(struct chance *c, int64_t low, int64_t high)
{
    return low + pare_rng_below(&c->rng, high - low + 1);
}

static struct pare_value *weight_like(struct chance *c, const struct pare_shape *shape,
                                      bool is_line)
{
    struct pare_shape own = *shape;
    struct pare_tensor *data;
    struct pare_error err = {0};

    own.dims[0] = 1;
    for (int d = 2; d < own.n_dims && is_line; d++)
        own.dims[d] = 1;
    assert_ok(pare_tensor_new(&data, PARE_F32, &own, &err), &err);
    for (int64_t i = 0; i < pare_tensor_elems(data); i++)
        pare_tensor_f32(data)[i] = (float)(0.5 + pare_rng_uniform(&c->rng));
    return pare_graph_weight(c->g, NULL, data);
}

static struct pare_value *chance_conv(struct chance *c, struct pare_value *x)
{
    int64_t C = x->shape.dims[1], M = pick(c, 1, 6);
    struct pare_value *y = net_conv(c->g, x, NULL, C, M, pick(c, 0, 1) ? 3 : 1, 1, 1, 1);
    float *w = pare_tensor_f32(y->producer->inputs[1]->data);

    for (int64_t i = 0; i < pare_tensor_elems(y->producer->inputs[1]->data); i++)
        w[i] *= 0.3f; /* values stay near 1 through the layers */
    return y;
}

/* Another node behind a value of the right rank; NULL: this one does not fit. */
static struct pare_value *chance_node(struct chance *c, struct pare_value *x)
{
    static const enum pare_op unary[] = {PARE_OP_RELU,    PARE_OP_TANH, PARE_OP_ELU,
                                         PARE_OP_SIGMOID, PARE_OP_ABS,  PARE_OP_HARD_SWISH};
    static const enum pare_op binary[] = {PARE_OP_ADD, PARE_OP_SUB, PARE_OP_MUL, PARE_OP_MAX};
    static const int64_t perms[][4] = {{0, 2, 3, 1}, {0, 3, 1, 2}, {0, 1, 3, 2}, {0, 2, 1, 3}};
    int n = x->shape.n_dims;
    struct pare_node *node;
    int64_t list[8] = {0};

    switch (pick(c, 0, 10)) {
    case 0: return n == 4 ? chance_conv(c, x) : NULL;
    case 1: return net_op(c->g, x, unary[pick(c, 0, 5)], NULL);
    case 2: return two(c->g, binary[pick(c, 0, 3)], x, weight_like(c, &x->shape, pick(c, 0, 1)));
    case 3:
        for (int k = 0; k < 8; k++) {
            struct pare_value *other = c->values[pick(c, 0, c->n - 1)];
            if (pare_shape_equal(&other->shape, &x->shape))
                return two(c->g, binary[pick(c, 0, 3)], x, other);
        }
        return NULL;
    case 4:
        if (n != 4)
            return NULL;
        node = pare_graph_node(c->g, PARE_OP_TRANSPOSE, NULL, &x, 1);
        pare_node_set_ints(c->g, node, "perm", perms[pick(c, 0, 3)], 4);
        return node->outputs[0];
    case 5: { /* [N, A, B, ...] as [N, A, rest], [N, rest], or back to four */
        node = pare_graph_node(c->g, PARE_OP_RESHAPE, NULL, &x, 1);
        int64_t elems = pare_shape_elems(&x->shape), first = x->shape.dims[1];
        int to = (int)pick(c, 2, 4);
        list[0] = -1;
        list[1] = to == 2 ? elems : first;
        list[2] = elems / first;
        list[3] = 1;
        pare_node_set_ints(c->g, node, "shape", list, to);
        return node->outputs[0];
    }
    case 6: {
        int64_t starts[] = {pick(c, 0, 1)}, ends[] = {INT64_MAX};
        int64_t axes[] = {pick(c, 1, n - 1)}, steps[] = {pick(c, 1, 2)};
        if (x->shape.dims[axes[0]] < 2)
            return NULL;
        node = pare_graph_node(c->g, PARE_OP_SLICE, NULL, &x, 1);
        pare_node_set_ints(c->g, node, "starts", starts, 1);
        pare_node_set_ints(c->g, node, "ends", ends, 1);
        pare_node_set_ints(c->g, node, "axes", axes, 1);
        pare_node_set_ints(c->g, node, "steps", steps, 1);
        return node->outputs[0];
    }
    case 7:
        if (pare_shape_elems(&x->shape) > 300)
            return NULL;
        node = pare_graph_node(c->g, PARE_OP_PAD, NULL, &x, 1);
        for (int d = 1; d < n; d++) {
            list[d] = pick(c, 0, 1);
            list[n + d] = pick(c, 0, 1);
        }
        pare_node_set_ints(c->g, node, "pads", list, 2 * n);
        pare_node_set_string(c->g, node, "mode", pick(c, 0, 1) ? "constant" : "edge");
        return node->outputs[0];
    case 8: {
        struct pare_value *parts[2] = {x, c->values[pick(c, 0, c->n - 1)]};
        int64_t axis = pick(c, 1, n - 1);
        if (pare_shape_elems(&x->shape) > 300 || !pare_shape_equal(&parts[1]->shape, &x->shape))
            return NULL;
        node = pare_graph_node(c->g, PARE_OP_CONCAT, NULL, parts, 2);
        pare_node_set_int(c->g, node, "axis", axis);
        return node->outputs[0];
    }
    case 9:
        node = pare_graph_node(c->g, PARE_OP_SOFTMAX, NULL, &x, 1);
        pare_node_set_int(c->g, node, "axis", pick(c, 1, n - 1));
        return node->outputs[0];
    default:
        return n == 2 ? net_gemm(c->g, x, NULL, x->shape.dims[1], 12)
                      : net_op(c->g, x, PARE_OP_FLATTEN, NULL);
    }
}

/* Shapes must be known to choose the next node. */
static struct pare_graph *chance_net(uint64_t seed)
{
    struct chance c = {.g = pare_graph_new("by chance")};
    struct pare_error err = {0};

    pare_rng_init(&c.rng, seed, 99);
    c.values[c.n++] = image(c.g, pick(&c, 1, 4), pick(&c, 1, 5), pick(&c, 1, 5));
    for (int k = 0; k < 40 && c.n < 14; k++) {
        struct pare_value *y = chance_node(&c, c.values[c.n - 1 - pick(&c, 0, c.n > 1)]);

        if (!y)
            continue;
        c.g->n_outputs = 0;
        pare_graph_output(c.g, y);
        assert_ok(pare_graph_infer(c.g, &err), &err);
        c.values[c.n++] = y;
    }
    pare_graph_output(c.g, c.values[c.n / 2 + 1]);
    assert_ok(pare_graph_finish(c.g, &err), &err);
    return c.g;
}

static void networks_by_chance_compute_what_their_formulas_say(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct pare_graph *g = chance_net(seed);

        check_net(g, &(struct run_net){.seed = seed,
                                       .n = 1 + (int64_t)seed % 4,
                                       .rtol = 1e-4,
                                       .atol = 1e-4});
        pare_graph_free(g);
    }
}

/* ---- Integers ---- */

static void moved_integers_stay_integers(void **state)
{
    struct pare_graph *g = resnet_a();
    struct pare_plan_options options = {.max_batch = 1, .n_threads = 1};
    struct pare_plan *plan = NULL;
    struct pare_error err = {0};

    (void)state;
    quantize_net(g, 8, 0, false);
    pare_each_node(node, g) { /* what is only moved has the grid it had */
        if (node->op == PARE_OP_SLICE || node->op == PARE_OP_PAD)
            node->outputs[0]->quant = node->inputs[0]->quant;
    }
    assert_ok(pare_plan_new(&plan, g, &options, &err), &err);
    for (int i = 0; i < pare_plan_n_layers(plan); i++) {
        struct pare_plan_layer layer = pare_plan_layer(plan, i);
        const struct pare_node *node = pare_graph_find_node(g, layer.name);

        assert_string_not_equal(layer.op, "DequantizeLinear");
        if (strcmp(layer.op, "Pad") == 0)
            assert_int_equal(layer.output_bytes, pare_shape_elems(&node->outputs[0]->shape));
    }
    pare_plan_free(plan);
    pare_graph_free(g);
}

/* Integers against the same network simulated in f32: one step at most, where rounding differs. */
static void check_simulated(struct pare_graph *g)
{
    enum { N = 4 };
    struct pare_error err = {0};
    int64_t n_out = N * net_n_out(g);
    float *x = random_input(g, N, 3), *y = malloc((size_t)n_out * sizeof *y);
    float *z = malloc((size_t)n_out * sizeof *z), step = 0;

    for (int simulate = 0; simulate < 2; simulate++) {
        struct pare_plan_options options = {.max_batch = N,
                                            .n_threads = 1,
                                            .simulate = simulate == 1};
        struct pare_plan *plan = NULL;
        assert_ok(pare_plan_new(&plan, g, &options, &err), &err);
        pare_plan_run(plan, x, N, simulate ? z : y);
        pare_plan_free(plan);
    }
    for (int i = 0; i < g->n_values; i++)
        step = fmaxf(step, g->values[i]->quant.scale);
    /* Some layers in a row, each half a step off now and then, times a row of weights near 1. */
    assert_close(y, z, n_out, 0, 12 * step);
    free(x), free(y), free(z);
}

static void integers_and_generic_steps_meet(void **state)
{
    static const int64_t parts[] = {4, 2}, perm[] = {0, 1, 3, 2};
    struct pare_graph *g = resnet_a();

    (void)state;
    quantize_net(g, 8, 0, false);
    check_simulated(g); /* every slice and pad has a grid of its own */
    pare_graph_free(g);

    g = attention();
    quantize_net(g, 8, 0, false);
    check_simulated(g);
    pare_graph_free(g);

    g = pare_graph_new("mixed integers");
    struct pare_value *x = image(g, 3, 6, 6), *y[2];
    struct pare_node *split, *concat, *turn;
    x = net_op(g, net_conv(g, x, "a", 3, 6, 3, 1, 1, 1), PARE_OP_RELU, NULL);
    split = pare_graph_node(g, PARE_OP_SPLIT, NULL, &x, 1);
    pare_node_set_int(g, split, "axis", 1);
    pare_node_set_ints(g, split, "split", parts, 2);
    y[0] = split->outputs[0];
    y[1] = pare_graph_add_output(g, split);
    y[1] = net_conv(g, y[1], "b", 2, 2, 3, 1, 1, 1);
    concat = pare_graph_node(g, PARE_OP_CONCAT, NULL, y, 2);
    pare_node_set_int(g, concat, "axis", 1);
    turn = pare_graph_node(g, PARE_OP_TRANSPOSE, NULL, concat->outputs, 1);
    pare_node_set_ints(g, turn, "perm", perm, 4);
    x = two(g, PARE_OP_MUL, turn->outputs[0],
            net_weight(g, "gain", 3, (int64_t)6, (int64_t)1, (int64_t)1));
    x = net_op(g, net_conv(g, x, "c", 6, 3, 3, 1, 1, 1), PARE_OP_GLOBAL_MAXPOOL, NULL);
    net_finish(g, net_gemm(g, net_op(g, x, PARE_OP_FLATTEN, NULL), "fc", 3, 4));
    quantize_net(g, 8, 0, false);
    check_simulated(g);
    pare_graph_free(g);
}

/* A rounding that goes the other way may grow through softmax and products; a value in the wrong
 * order or on the wrong grid is wrong altogether. */
static void integers_by_chance_come_near_their_simulation(void **state)
{
    enum { N = 4 };

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct pare_graph *g = chance_net(seed);
        struct pare_error err = {0};
        int64_t n_out = N * net_n_out(g);
        float *x = random_input(g, N, seed), *out[2];
        double square = 1e-6, difference = 0;

        quantize_net(g, 8, 0, seed % 2);
        for (int simulate = 0; simulate < 2; simulate++) {
            struct pare_plan_options options = {.max_batch = N,
                                                .n_threads = 1,
                                                .simulate = simulate == 1};
            struct pare_plan *plan = NULL;

            out[simulate] = malloc((size_t)n_out * sizeof(float));
            assert_ok(pare_plan_new(&plan, g, &options, &err), &err);
            pare_plan_run(plan, x, N, out[simulate]);
            pare_plan_free(plan);
        }
        for (int64_t i = 0; i < n_out; i++) {
            square += (double)out[1][i] * (double)out[1][i];
            difference += pow((double)out[0][i] - (double)out[1][i], 2);
        }
        if (!(difference < 0.0025 * square))
            fail_msg("seed %d: a relative difference of %g", (int)seed, sqrt(difference / square));
        free(x), free(out[0]), free(out[1]);
        pare_graph_free(g);
    }
}

/* ---- Reference vectors: PyTorch in f64 ---- */

static void check_vector(struct pare_graph *g, struct pare_value *y, const float *x, int64_t n,
                         const struct pare_tensor *expected, double rtol, double atol)
{
    float *out = malloc(expected->n_bytes);
    const void *inputs[] = {x};
    void *outputs[] = {out};

    net_finish(g, y);
    for (int kernels = PARE_KERNELS_DEFAULT; kernels <= PARE_KERNELS_PORTABLE; kernels++) {
        struct pare_plan *plan = net_plan(g, (enum pare_plan_kernels)kernels, n);
        pare_plan_run_many(plan, inputs, n, outputs);
        assert_close(out, pare_tensor_f32(expected), pare_tensor_elems(expected), rtol, atol);
        pare_plan_free(plan);
    }
    free(out);
    pare_graph_free(g);
}

static void activations_are_those_of_the_vectors(void **state)
{
    static const struct {
        const char *name;
        enum pare_op op;
    } rows[] = {{"out.elu", PARE_OP_ELU},
                {"out.gelu_erf", PARE_OP_GELU},
                {"out.hardswish", PARE_OP_HARD_SWISH},
                {"out.leaky_relu", PARE_OP_LEAKY_RELU},
                {"out.sigmoid", PARE_OP_SIGMOID},
                {"out.tanh", PARE_OP_TANH}};
    struct pare_safetensors *file = vector_open("activations");
    struct pare_tensor *x = vector_tensor(file, "in.x");

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pare_tensor *expected = vector_tensor(file, rows[i].name);
        struct pare_graph *g = pare_graph_new(rows[i].name);
        struct pare_value *in = pare_graph_input(g, "x", &x->shape);

        check_vector(g, net_op(g, in, rows[i].op, NULL), pare_tensor_f32(x), 1, expected, 2e-5,
                     2e-6);
        pare_tensor_unref(expected);
    }
    pare_tensor_unref(x);
    pare_safetensors_close(file);
}

static void softmax_and_its_logarithm_are_those_of_the_vectors(void **state)
{
    static const char *const files[] = {"softmax__plain", "softmax__large_logits"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pare_safetensors *file = vector_open(files[i / 2]);
        struct pare_tensor *x = vector_tensor(file, "in.x");
        struct pare_tensor *expected =
            vector_tensor(file, i % 2 ? "out.log_softmax" : "out.softmax");
        struct pare_graph *g = pare_graph_new(files[i / 2]);
        struct pare_shape shape = x->shape;
        int64_t n = shape.dims[0];

        shape.dims[0] = PARE_DIM_BATCH;
        struct pare_value *in = pare_graph_input(g, "x", &shape);
        check_vector(g, net_op(g, in, i % 2 ? PARE_OP_LOG_SOFTMAX : PARE_OP_SOFTMAX, NULL),
                     pare_tensor_f32(x), n, expected, 2e-5, 1e-6);
        pare_tensor_unref(expected);
        pare_tensor_unref(x);
        pare_safetensors_close(file);
    }
}

static void layer_norm_is_that_of_the_vectors(void **state)
{
    struct pare_safetensors *file = vector_open("layer_norm");
    struct pare_tensor *x = vector_tensor(file, "in.x"), *expected = vector_tensor(file, "out.y");
    struct pare_graph *g = pare_graph_new("layer_norm");
    struct pare_shape shape = x->shape;
    struct pare_value *inputs[3];

    (void)state;
    shape.dims[0] = PARE_DIM_BATCH;
    inputs[0] = pare_graph_input(g, "x", &shape);
    inputs[1] = pare_graph_weight(g, "w", vector_tensor(file, "in.w"));
    inputs[2] = pare_graph_weight(g, "b", vector_tensor(file, "in.b"));
    check_vector(g, node_of(g, PARE_OP_LAYER_NORM, inputs, 3), pare_tensor_f32(x), x->shape.dims[0],
                 expected, 3e-5, 5e-6);
    pare_tensor_unref(x);
    pare_tensor_unref(expected);
    pare_safetensors_close(file);
}

static void conv_transpose_is_that_of_the_vectors(void **state)
{
    static const int64_t twos[] = {2, 2}, ones[] = {1, 1, 1, 1};
    struct pare_safetensors *file = vector_open("conv_transpose2d");
    struct pare_tensor *x = vector_tensor(file, "in.x"), *expected = vector_tensor(file, "out.y");
    struct pare_graph *g = pare_graph_new("conv_transpose2d");
    struct pare_shape shape = x->shape;
    struct pare_value *inputs[3];
    struct pare_node *node;

    (void)state;
    shape.dims[0] = PARE_DIM_BATCH;
    inputs[0] = pare_graph_input(g, "x", &shape);
    inputs[1] = pare_graph_weight(g, "w", vector_tensor(file, "in.w"));
    inputs[2] = pare_graph_weight(g, "b", vector_tensor(file, "in.b"));
    node = pare_graph_node(g, PARE_OP_CONV_TRANSPOSE, NULL, inputs, 3);
    pare_node_set_ints(g, node, "strides", twos, 2);
    pare_node_set_ints(g, node, "pads", ones, 4);
    pare_node_set_ints(g, node, "output_padding", ones, 2);
    check_vector(g, node->outputs[0], pare_tensor_f32(x), x->shape.dims[0], expected, 2e-5, 5e-6);
    pare_tensor_unref(x);
    pare_tensor_unref(expected);
    pare_safetensors_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shortcuts_of_option_a_run_without_a_change_of_order),
        cmocka_unit_test(squeeze_and_excitation_runs_without_a_change_of_order),
        cmocka_unit_test(images_and_constants_stay_channels_last),
        cmocka_unit_test(tokens_and_images_meet),
        cmocka_unit_test(transpositions_to_the_order_of_memory_cost_nothing),
        cmocka_unit_test(other_transpositions_of_images_are_done),
        cmocka_unit_test(flattened_images_are_read_in_the_order_of_onnx),
        cmocka_unit_test(inputs_may_lack_the_batch),
        cmocka_unit_test(outputs_may_be_views_of_one_another),
        cmocka_unit_test(fixed_batches_run_as_a_whole),
        cmocka_unit_test(threads_and_batches_give_the_same),
        cmocka_unit_test(networks_by_chance_compute_what_their_formulas_say),
        cmocka_unit_test(moved_integers_stay_integers),
        cmocka_unit_test(integers_and_generic_steps_meet),
        cmocka_unit_test(integers_by_chance_come_near_their_simulation),
        cmocka_unit_test(activations_are_those_of_the_vectors),
        cmocka_unit_test(softmax_and_its_logarithm_are_those_of_the_vectors),
        cmocka_unit_test(layer_norm_is_that_of_the_vectors),
        cmocka_unit_test(conv_transpose_is_that_of_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
