#include <stdlib.h>
#include <string.h>

#include "../../harness/graph/infer.h"
#include "../support/check.h"
#include "../support/nets.h"

static struct pare_value *image(struct pare_graph *g, int64_t C, int64_t H, int64_t W)
{
    struct pare_shape shape = pare_shape_of(4, (int64_t)PARE_DIM_BATCH, C, H, W);
    return pare_graph_input(g, "x", &shape);
}

static void check_shape(const struct pare_value *value, int64_t C, int64_t H, int64_t W)
{
    struct pare_shape shape = pare_shape_of(4, (int64_t)PARE_DIM_BATCH, C, H, W);

    if (!pare_shape_equal(&value->shape, &shape)) {
        char text[160];
        fail_msg("%s", pare_shape_text(&value->shape, text, sizeof text));
    }
}

/* Extents after a window: input, kernel, stride, dilation, pad before, pad after -> output. */
static void windows_follow_the_formula_of_onnx(void **state)
{
    static const int64_t rows[][7] = {
        {28, 5, 1, 1, 0, 0, 24},  {24, 2, 2, 1, 0, 0, 12}, {32, 3, 2, 1, 0, 1, 16},
        {49, 10, 2, 1, 4, 5, 25}, {10, 4, 2, 1, 1, 1, 5},  {12, 3, 1, 2, 2, 2, 12},
        {7, 3, 3, 1, 0, 0, 2},    {5, 5, 1, 1, 0, 0, 1},   {1, 3, 1, 1, 1, 1, 1},
        {8, 1, 2, 1, 0, 0, 4},    {9, 3, 2, 3, 3, 2, 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int64_t *r = rows[i];
        int64_t strides[2] = {r[2], 1}, dilations[2] = {r[3], 1}, pads[4] = {r[4], 0, r[5], 0};
        struct pare_graph *g = pare_graph_new("window");
        struct pare_value *inputs[2] = {image(g, 2, r[0], 6)};
        struct pare_node *node;
        struct pare_conv2d c;

        inputs[1] = net_weight(g, "w", 4, (int64_t)3, (int64_t)2, r[1], (int64_t)3);
        node = pare_graph_node(g, PARE_OP_CONV, "conv", inputs, 2);
        pare_node_set_ints(g, node, "strides", strides, 2);
        pare_node_set_ints(g, node, "dilations", dilations, 2);
        pare_node_set_ints(g, node, "pads", pads, 4);
        net_finish(g, node->outputs[0]);
        check_shape(node->outputs[0], 3, r[6], 4);
        c = pare_node_conv2d(node);
        assert_int_equal(c.P, r[6]);
        assert_int_equal(c.pad_top, r[4]);
        assert_int_equal(c.pad_bottom, r[5]);
        assert_int_equal(c.pad_left, 0);
        assert_int_equal(pare_node_macs(node), 3 * r[6] * 4 * 2 * r[1] * 3);
        pare_graph_free(g);
    }
}

static void grouped_and_depthwise_convolutions_are_resolved(void **state)
{
    struct pare_graph *g = pare_graph_new("groups");
    struct pare_value *x = image(g, 6, 5, 5);
    struct pare_conv2d c;

    (void)state;
    x = net_conv(g, x, "grouped", 6, 9, 3, 1, 1, 3);
    x = net_conv(g, x, "depthwise", 9, 9, 3, 1, 1, 9);
    net_finish(g, x);
    c = pare_node_conv2d(pare_graph_find_node(g, "grouped"));
    assert_int_equal(c.group, 3);
    assert_int_equal(pare_node_macs(g->nodes[0]), 9 * 25 * 2 * 9);
    assert_int_equal(pare_node_macs(g->nodes[1]), 9 * 25 * 9);
    check_shape(x, 9, 5, 5);
    pare_graph_free(g);
}

static void every_operator_gives_its_shape(void **state)
{
    static const int64_t kernel[2] = {3, 2}, strides[2] = {2, 2}, pads[4] = {1, 0, 1, 1};
    static const enum pare_op same[] = {PARE_OP_RELU,    PARE_OP_CLIP,         PARE_OP_LEAKY_RELU,
                                        PARE_OP_SIGMOID, PARE_OP_TANH,         PARE_OP_IDENTITY,
                                        PARE_OP_GELU,    PARE_OP_HARD_SIGMOID, PARE_OP_HARD_SWISH};
    struct pare_graph *g = pare_graph_new("ops");
    struct pare_value *x = image(g, 2, 9, 8), *y = x, *wide;
    struct pare_node *pool;
    struct pare_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        y = net_op(g, y, same[i], NULL);
    y = net_batchnorm(g, y, "bn", 2);
    wide = y = net_add(g, y, x, "add");
    pool = pare_graph_node(g, PARE_OP_MAXPOOL, "max", &y, 1);
    pare_node_set_ints(g, pool, "kernel_shape", kernel, 2);
    pare_node_set_ints(g, pool, "strides", strides, 2);
    pare_node_set_ints(g, pool, "pads", pads, 4);
    y = net_op(g, pool->outputs[0], PARE_OP_GLOBAL_AVGPOOL, "gap");
    y = net_op(g, y, PARE_OP_FLATTEN, "flat");
    y = net_gemm(g, y, "fc", 2, 5);
    net_finish(g, net_op(g, y, PARE_OP_SOFTMAX, "softmax"));
    check_shape(wide, 2, 9, 8);
    check_shape(pool->outputs[0], 2, 5, 4);
    assert_int_equal(y->shape.n_dims, 2);
    assert_int_equal(y->shape.dims[0], PARE_DIM_BATCH);
    assert_int_equal(y->shape.dims[1], 5);
    assert_ok(pare_graph_infer(g, &err), &err);
    pare_graph_free(g);
}

/* A Gemm may hold its weight either way. */
static void gemm_takes_its_weight_transposed_or_not(void **state)
{
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)4);
    struct pare_graph *g = pare_graph_new("gemm");
    struct pare_value *inputs[2] = {pare_graph_input(g, "x", &shape)};
    struct pare_node *node;

    (void)state;
    inputs[1] = net_weight(g, "w", 2, (int64_t)4, (int64_t)7);
    node = pare_graph_node(g, PARE_OP_GEMM, "fc", inputs, 2);
    net_finish(g, node->outputs[0]);
    assert_int_equal(node->outputs[0]->shape.dims[1], 7);
    assert_int_equal(pare_graph_macs(g), 28);
    pare_graph_free(g);
}

/* ---- What a hostile file may say ---- */

struct change {
    const char *what;
    void (*apply)(struct pare_graph *g);
    const char *message; /* part of it */
};

static struct pare_node *node(struct pare_graph *g, const char *name)
{
    return pare_graph_find_node(g, name);
}

static void ints(struct pare_graph *g, const char *name, const char *attr, int n, int64_t a,
                 int64_t b)
{
    int64_t values[4] = {a, b, a, b};
    pare_node_set_ints(g, node(g, name), attr, values, n);
}

static void negative_stride(struct pare_graph *g)
{
    ints(g, "conv", "strides", 2, -1, 1);
}
static void zero_stride(struct pare_graph *g)
{
    ints(g, "conv", "strides", 2, 0, 0);
}
static void huge_stride(struct pare_graph *g)
{
    ints(g, "conv", "strides", 2, INT64_MAX, 1);
}
static void negative_pad(struct pare_graph *g)
{
    ints(g, "conv", "pads", 4, -1, 0);
}
static void huge_pad(struct pare_graph *g)
{
    ints(g, "conv", "pads", 4, INT64_MAX, 0);
}
static void wide_pool_pad(struct pare_graph *g)
{
    ints(g, "pool", "pads", 4, 2, 2);
}
static void zero_dilation(struct pare_graph *g)
{
    ints(g, "conv", "dilations", 2, 0, 1);
}
static void huge_dilation(struct pare_graph *g)
{
    ints(g, "conv", "dilations", 2, 60000, 1);
}
static void one_dimension(struct pare_graph *g)
{
    ints(g, "conv", "strides", 1, 1, 1);
}
static void wrong_kernel(struct pare_graph *g)
{
    ints(g, "conv", "kernel_shape", 2, 5, 3);
}
static void no_pool_kernel(struct pare_graph *g)
{
    ints(g, "pool", "kernel_shape", 2, 0, 2);
}
static void huge_pool(struct pare_graph *g)
{
    ints(g, "pool", "kernel_shape", 2, INT64_MAX, INT64_MAX);
}
static void no_group(struct pare_graph *g)
{
    pare_node_set_int(g, node(g, "conv"), "group", 0);
}
static void odd_group(struct pare_graph *g)
{
    pare_node_set_int(g, node(g, "conv"), "group", 2);
}
static void negative_group(struct pare_graph *g)
{
    pare_node_set_int(g, node(g, "conv"), "group", -1);
}
static void auto_pad(struct pare_graph *g)
{
    pare_node_set_string(g, node(g, "conv"), "auto_pad", "SAME_UPPER");
}
static void unknown_attr(struct pare_graph *g)
{
    pare_node_set_int(g, node(g, "relu"), "beta", 1);
}
static void wrong_kind(struct pare_graph *g)
{
    pare_node_set_string(g, node(g, "conv"), "group", "1");
}
static void infinite_attr(struct pare_graph *g)
{
    pare_node_set_float(g, node(g, "bn"), "epsilon", 1e308 * 10);
}
static void negative_epsilon(struct pare_graph *g)
{
    pare_node_set_float(g, node(g, "bn"), "epsilon", -1);
}
static void alpha(struct pare_graph *g)
{
    pare_node_set_float(g, node(g, "fc"), "alpha", 0.5);
}
static void odd_trans(struct pare_graph *g)
{
    pare_node_set_int(g, node(g, "fc"), "transB", 2);
}
static void turned_weight(struct pare_graph *g)
{
    pare_node_set_int(g, node(g, "fc"), "transB", 0);
}
static void missing_input(struct pare_graph *g)
{
    node(g, "relu")->inputs[0] = NULL;
}
static void missing_weight(struct pare_graph *g)
{
    node(g, "conv")->inputs[1] = NULL;
}
static void no_inputs(struct pare_graph *g)
{
    node(g, "relu")->n_inputs = 0;
}
static void bias_as_weight(struct pare_graph *g)
{
    node(g, "conv")->inputs[1] = node(g, "conv")->inputs[2];
}
static void weight_as_bias(struct pare_graph *g)
{
    node(g, "conv")->inputs[2] = node(g, "conv")->inputs[1];
}
static void activation_as_weight(struct pare_graph *g)
{
    node(g, "fc")->inputs[1] = g->inputs[0];
}
static void weight_as_input(struct pare_graph *g)
{
    node(g, "relu")->inputs[0] = node(g, "conv")->inputs[1];
}
static void short_statistics(struct pare_graph *g)
{
    node(g, "bn")->inputs[3] = pare_graph_find_value(g, "fc.bias");
}
static void image_into_gemm(struct pare_graph *g)
{
    node(g, "fc")->inputs[0] = node(g, "pool")->outputs[0];
}
static void features_into_pool(struct pare_graph *g)
{
    g->inputs[0]->shape.n_dims = 2;
}
static void empty_input(struct pare_graph *g)
{
    g->inputs[0]->shape.dims[2] = 0;
}
static void negative_input(struct pare_graph *g)
{
    g->inputs[0]->shape.dims[2] = -5;
}
static void odd_type(struct pare_graph *g)
{
    g->inputs[0]->dtype = PARE_S64;
}
static void huge_input(struct pare_graph *g)
{
    g->inputs[0]->shape.dims[2] = g->inputs[0]->shape.dims[3] = (int64_t)1 << 32;
}
static void large_flatten(struct pare_graph *g)
{
    g->inputs[0]->shape.dims[2] = g->inputs[0]->shape.dims[3] = (int64_t)1 << 14;
}
static void no_output(struct pare_graph *g)
{
    g->n_outputs = 0;
}
static void input_is_output(struct pare_graph *g)
{
    g->outputs[0] = g->inputs[0];
}
static void unmade(struct pare_graph *g)
{
    node(g, "relu")->inputs[0]->producer = NULL;
}
static void other_data_shape(struct pare_graph *g)
{
    pare_graph_find_value(g, "conv.weight")->shape.dims[0] = 1000;
}

static const struct change changes[] = {
    {"a negative stride", negative_stride, "strides: -1"},
    {"a stride of zero", zero_stride, "strides: 0"},
    {"a huge stride", huge_stride, "strides"},
    {"a negative pad", negative_pad, "pads: -1"},
    {"a huge pad", huge_pad, "pads"},
    {"a pool all padding", wide_pool_pad, "pads must be smaller"},
    {"no dilation", zero_dilation, "dilations: 0"},
    {"a huge dilation", huge_dilation, "does not fit"},
    {"a stride for one dimension", one_dimension, "has 1 entries"},
    {"a kernel_shape that is not the weight's", wrong_kernel, "kernel_shape"},
    {"a pool without kernel", no_pool_kernel, "kernel_shape"},
    {"a huge pool", huge_pool, "kernel_shape"},
    {"no group", no_group, "group 0"},
    {"a group that does not divide", odd_group, "group 2"},
    {"a negative group", negative_group, "group -1"},
    {"auto_pad", auto_pad, "auto_pad"},
    {"an unknown attribute", unknown_attr, "'beta' is not known"},
    {"an attribute of the wrong kind", wrong_kind, "wrong kind"},
    {"an infinite attribute", infinite_attr, "finite"},
    {"a negative epsilon", negative_epsilon, "epsilon"},
    {"alpha", alpha, "alpha"},
    {"transB = 2", odd_trans, "transB"},
    {"a weight the other way round", turned_weight, "features"},
    {"a missing input", missing_input, "input 0 is missing"},
    {"a missing weight", missing_weight, "input 1 is missing"},
    {"no inputs", no_inputs, "0 inputs"},
    {"the bias as weight", bias_as_weight, "dimensions"},
    {"the weight as bias", weight_as_bias, "bias"},
    {"an activation as weight", activation_as_weight, "constant weight"},
    {"a weight as input", weight_as_input, "activation"},
    {"statistics of another size", short_statistics, "mean"},
    {"an image into a Gemm", image_into_gemm, "Flatten"},
    {"features into a convolution", features_into_pool, "4 (N C H W)"},
    {"an empty input", empty_input, "empty"},
    {"a negative input", negative_input, "negative"},
    {"an image of integers", odd_type, "is I64"},
    {"an input that overflows", huge_input, "too large"},
    {"an input larger than the weights", large_flatten, "features come in"},
    {"no output", no_output, "output"},
    {"an input as output", input_is_output, "not made by any node"},
    {"a value that nothing makes", unmade, "nothing makes"},
    {"a shape that is not the data's", other_data_shape, "not that of its data"},
};

static void what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct pare_graph *g = pare_graph_new("hostile");
        struct pare_value *x = image(g, 3, 8, 8);
        static const int64_t kernel[2] = {2, 2};
        struct pare_error err = {0};
        struct pare_node *pool;
        pare_status st;

        x = net_conv(g, x, "conv", 3, 4, 3, 1, 1, 1);
        x = net_batchnorm(g, x, "bn", 4);
        x = net_op(g, x, PARE_OP_RELU, "relu");
        pool = pare_graph_node(g, PARE_OP_MAXPOOL, "pool", &x, 1);
        pare_node_set_ints(g, pool, "kernel_shape", kernel, 2);
        pare_node_set_ints(g, pool, "strides", kernel, 2);
        x = net_op(g, pool->outputs[0], PARE_OP_FLATTEN, "flatten");
        net_finish(g, net_gemm(g, x, "fc", 64, 5));
        changes[i].apply(g);
        st = pare_graph_infer(g, &err);
        if (st != PARE_EINVAL && st != PARE_EUNSUPPORTED)
            fail_msg("%s: status %s", changes[i].what, pare_status_name(st));
        if (!strstr(err.text, changes[i].message))
            fail_msg("%s: \"%s\" does not say \"%s\"", changes[i].what, err.text,
                     changes[i].message);
        pare_graph_free(g);
    }
}

/* 2^31 elements of one value are the limit: beyond, products of two such would overflow. */
static void sizes_that_overflow_are_refused(void **state)
{
    struct pare_graph *g = pare_graph_new("large");
    struct pare_value *x = image(g, 1, 40000, 40000);
    struct pare_error err = {0};

    (void)state;
    x = net_conv(g, x, "conv", 1, 2, 1, 1, 0, 1);
    pare_graph_output(g, x);
    assert_int_equal(pare_graph_infer(g, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "too large"));
    pare_graph_free(g);
}

static void notes_of_methods_are_left_alone(void **state)
{
    struct pare_graph *g = pare_graph_new("note");
    struct pare_value *x = net_op(g, image(g, 1, 2, 2), PARE_OP_RELU, "relu");

    (void)state;
    pare_node_set_string(g, x->producer, "lowrank.of", "conv1");
    net_finish(g, x);
    pare_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_follow_the_formula_of_onnx),
        cmocka_unit_test(grouped_and_depthwise_convolutions_are_resolved),
        cmocka_unit_test(every_operator_gives_its_shape),
        cmocka_unit_test(gemm_takes_its_weight_transposed_or_not),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(notes_of_methods_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
