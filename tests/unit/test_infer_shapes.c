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

/* ---- Operators of any rank ---- */

/* Shapes as text: "N 3 8 8"; with a leading w a weight. */
struct row {
    enum pare_op op;
    const char *a, *b;
    struct list {
        const char *name;
        int n; /* 0: one integer, not a list */
        int64_t values[8];
    } lists[4];
    const char *expected; /* the result's shape, or part of the message */
};

#define ALL INT64_MAX

static const struct row rows[] = {
    /* broadcasting */
    {PARE_OP_ADD, "N 3 8 8", "3 1 1", .expected = "[N, 3, 8, 8]"},
    {PARE_OP_SUB, "w 3 1 1", "N 1 8 8", .expected = "[N, 3, 8, 8]"},
    {PARE_OP_MUL, "N 3", "1 1", .expected = "[N, 3]"},
    {PARE_OP_MUL, "N 3", "w", .expected = "[N, 3]"},
    {PARE_OP_MUL, "4 1 3", "2 1", .expected = "[4, 2, 3]"},
    {PARE_OP_DIV, "N 3 8 8", "4 1 1", .expected = "dimension 1"},
    {PARE_OP_ADD, "N 3", "5 3", .expected = "dimension 0"},
    {PARE_OP_ADD, "N 3", "4 5 3", .expected = "the batch would become dimension 1"},
    {PARE_OP_PRELU, "N 3 8 8", "w 3 1 1", .expected = "[N, 3, 8, 8]"},
    {PARE_OP_PRELU, "N 3 1 1", "w 3 8 8", .expected = "slope"},
    {PARE_OP_EXPAND, "N 1 4", .lists = {{"shape", 3, {-1, 5, 1}}}, .expected = "[N, 5, 4]"},
    {PARE_OP_EXPAND, "1 4", .lists = {{"shape", 3, {2, 5, 1}}}, .expected = "[2, 5, 4]"},
    {PARE_OP_EXPAND, "2 4", .lists = {{"shape", 2, {-1, 4}}}, .expected = "entry 0 is -1"},
    /* products */
    {PARE_OP_MATMUL, "N 5 6", "N 6 7", .expected = "[N, 5, 7]"},
    {PARE_OP_MATMUL, "N 6", "w 6 7", .expected = "[N, 7]"},
    {PARE_OP_MATMUL, "N 5 6", "w 6", .expected = "[N, 5]"},
    {PARE_OP_MATMUL, "w 6", "N 6 7", .expected = "[N, 7]"},
    {PARE_OP_MATMUL, "2 1 5 6", "3 6 7", .expected = "[2, 3, 5, 7]"},
    {PARE_OP_MATMUL, "6", "6", .expected = "[]"},
    {PARE_OP_MATMUL, "N 5", "w 6 7", .expected = "5 columns meet 6 rows"},
    {PARE_OP_MATMUL, "w 7 6", "N 5", .expected = "columns meet"},
    {PARE_OP_MATMUL, "N 6", "w 3 6 7", .expected = "the batch would become dimension 1"},
    /* other shapes of the same elements */
    {PARE_OP_RESHAPE, "N 4 6", .lists = {{"shape", 2, {-1, 24}}}, .expected = "[N, 24]"},
    {PARE_OP_RESHAPE, "N 4 6", .lists = {{"shape", 3, {0, -1, 3}}}, .expected = "[N, 8, 3]"},
    {PARE_OP_RESHAPE, "N 4 6", .lists = {{"shape", 3, {-1, 0, 6}}}, .expected = "[N, 4, 6]"},
    {PARE_OP_RESHAPE, "N 4 6", .lists = {{"shape", 2, {-1, 6}}}, .expected = "cannot become"},
    {PARE_OP_RESHAPE, "N 4 6", .lists = {{"shape", 2, {24, -1}}}, .expected = "must begin with"},
    {PARE_OP_RESHAPE, "N 4 6", .lists = {{"shape", 3, {-1, -1, 6}}}, .expected = "both -1"},
    {PARE_OP_RESHAPE, "4 6", .lists = {{"shape", 3, {-1, 2, 3}}}, .expected = "[4, 2, 3]"},
    {PARE_OP_RESHAPE, "4 6", .lists = {{"shape", 2, {-1, 5}}}, .expected = "do not divide"},
    {PARE_OP_RESHAPE, "4 6", .lists = {{"shape", 0}}, .expected = "wrong kind"},
    {PARE_OP_RESHAPE, "4 6", .expected = "shape is missing"},
    {PARE_OP_RESHAPE, "0 6", .lists = {{"shape", 2, {3, 0}}, {"allowzero", 0, {1}}},
     .expected = "[3, 0]"},
    {PARE_OP_FLATTEN, "2 3 4 5", .lists = {{"axis", 0, {3}}}, .expected = "[24, 5]"},
    {PARE_OP_FLATTEN, "2 3 4 5", .lists = {{"axis", 0, {-4}}}, .expected = "[1, 120]"},
    {PARE_OP_FLATTEN, "2 3", .lists = {{"axis", 0, {2}}}, .expected = "[6, 1]"},
    {PARE_OP_FLATTEN, "N 3 4", .lists = {{"axis", 0, {2}}}, .expected = "axis must be 1"},
    {PARE_OP_SQUEEZE, "N 1 4 1", .expected = "[N, 4]"},
    {PARE_OP_SQUEEZE, "N 1 4 1", .lists = {{"axes", 1, {-1}}}, .expected = "[N, 1, 4]"},
    {PARE_OP_SQUEEZE, "N 1 4 1", .lists = {{"axes", 1, {2}}}, .expected = "extent 4, not 1"},
    {PARE_OP_SQUEEZE, "N 1 4 1", .lists = {{"axes", 1, {0}}}, .expected = "batch"},
    {PARE_OP_UNSQUEEZE, "N 4", .lists = {{"axes", 2, {-1, 1}}}, .expected = "[N, 1, 4, 1]"},
    {PARE_OP_UNSQUEEZE, "N 4", .lists = {{"axes", 1, {0}}}, .expected = "batch"},
    {PARE_OP_UNSQUEEZE, "N 4", .lists = {{"axes", 2, {1, 1}}}, .expected = "twice"},
    {PARE_OP_TRANSPOSE, "N 2 3", .lists = {{"perm", 3, {0, 2, 1}}}, .expected = "[N, 3, 2]"},
    {PARE_OP_TRANSPOSE, "4 2 3", .expected = "[3, 2, 4]"},
    {PARE_OP_TRANSPOSE, "N 2 3", .expected = "batch"},
    {PARE_OP_TRANSPOSE, "4 2 3", .lists = {{"perm", 3, {0, 2, 2}}}, .expected = "entry 2 is 2"},
    {PARE_OP_TRANSPOSE, "4 2 3", .lists = {{"perm", 2, {1, 0}}}, .expected = "2 entries"},
    /* parts */
    {PARE_OP_SLICE, "N 3 9 9",
     .lists =
         {{"starts", 2, {0, 1}}, {"ends", 2, {ALL, -1}}, {"axes", 2, {2, 3}}, {"steps", 2, {2, 3}}},
     .expected = "[N, 3, 5, 3]"},
    {PARE_OP_SLICE, "N 3 9",
     .lists = {{"starts", 2, {0, -1}},
               {"ends", 2, {ALL, INT64_MIN}},
               {"axes", 2, {0, -1}},
               {"steps", 2, {1, -4}}},
     .expected = "[N, 3, 3]"},
    {PARE_OP_SLICE, "N 3", .lists = {{"starts", 1, {2}}, {"ends", 1, {2}}, {"axes", 1, {1}}},
     .expected = "[N, 0]"},
    {PARE_OP_SLICE, "N 3", .lists = {{"starts", 1, {1}}, {"ends", 1, {ALL}}},
     .expected = "cannot be sliced"},
    {PARE_OP_SLICE, "N 3", .lists = {{"starts", 1, {1}}, {"ends", 2, {ALL, 3}}},
     .expected = "equally many"},
    {PARE_OP_SLICE, "N 3",
     .lists = {{"starts", 1, {1}}, {"ends", 1, {2}}, {"axes", 1, {1}}, {"steps", 1, {0}}},
     .expected = "step 0"},
    {PARE_OP_SLICE, "5",
     .lists = {{"starts", 1, {ALL}},
               {"ends", 1, {INT64_MIN}},
               {"axes", 1, {0}},
               {"steps", 1, {INT64_MIN}}},
     .expected = "[1]"},
    {PARE_OP_SPLIT, "N 6 2", .lists = {{"axis", 0, {1}}, {"split", 1, {6}}},
     .expected = "[N, 6, 2]"},
    {PARE_OP_SPLIT, "N 6 2", .lists = {{"axis", 0, {1}}, {"split", 1, {5}}},
     .expected = "5 together"},
    {PARE_OP_SPLIT, "N 6 2", .lists = {{"split", 1, {6}}}, .expected = "batch"},
    {PARE_OP_PAD, "N 3 4 4", .lists = {{"pads", 8, {0, 1, 0, -1, 0, 2, 3, 0}}},
     .expected = "[N, 6, 7, 3]"},
    {PARE_OP_PAD, "N 3", .lists = {{"pads", 4, {1, 0, 0, 0}}}, .expected = "cannot be padded"},
    {PARE_OP_PAD, "N 3", .lists = {{"pads", 4, {0, -4, 0, 0}}}, .expected = "pads -4 and 0"},
    {PARE_OP_PAD, "N 3", .lists = {{"pads", 2, {0, 1}}}, .expected = "two for each"},
    {PARE_OP_CONCAT, "N 3 4", "N 5 4", .lists = {{"axis", 0, {1}}}, .expected = "[N, 8, 4]"},
    {PARE_OP_CONCAT, "N 3 4", "N 5 3", .lists = {{"axis", 0, {1}}},
     .expected = "do not go together"},
    {PARE_OP_CONCAT, "N 3", "w 1 3", .lists = {{"axis", 0, {1}}}, .expected = "do not go together"},
    {PARE_OP_CONCAT, "N 3", "N 3", .lists = {{"axis", 0, {0}}}, .expected = "batch"},
    {PARE_OP_CONCAT, "N 3", "N 3", .expected = "axis is missing"},
    /* sums */
    {PARE_OP_REDUCE_MEAN, "N 3 4 5", .lists = {{"axes", 2, {2, -1}}}, .expected = "[N, 3, 1, 1]"},
    {PARE_OP_REDUCE_SUM, "N 3 4 5", .lists = {{"axes", 2, {2, 3}}, {"keepdims", 0, {0}}},
     .expected = "[N, 3]"},
    {PARE_OP_REDUCE_MAX, "2 3", .lists = {{"keepdims", 0, {0}}}, .expected = "[]"},
    {PARE_OP_REDUCE_MEAN, "N 3", .expected = "batch"},
    {PARE_OP_REDUCE_MEAN, "N 3", .lists = {{"axes", 1, {2}}}, .expected = "axis 2 is outside"},
    {PARE_OP_SOFTMAX, "N 3 4 5", .lists = {{"axis", 0, {1}}}, .expected = "[N, 3, 4, 5]"},
    {PARE_OP_LOG_SOFTMAX, "N 3", .lists = {{"axis", 0, {0}}}, .expected = "batch"},
    {PARE_OP_LAYER_NORM, "N 5 6", "w 6", .expected = "[N, 5, 6]"},
    {PARE_OP_LAYER_NORM, "N 5 6", "w 5 6", .lists = {{"axis", 0, {1}}}, .expected = "[N, 5, 6]"},
    {PARE_OP_LAYER_NORM, "N 5 6", "w 5", .expected = "has 5 elements, needs 6"},
    {PARE_OP_LRN, "N 5 6 6", .lists = {{"size", 0, {3}}}, .expected = "[N, 5, 6, 6]"},
    {PARE_OP_LRN, "N 5 6 6", .expected = "size is missing"},
    /* windows */
    {PARE_OP_CONV_TRANSPOSE, "N 4 5 6", "w 4 3 3 3", .expected = "[N, 3, 7, 8]"},
    {PARE_OP_CONV_TRANSPOSE, "N 4 5 6 7", "w 4 3 3 3", .expected = "needs 4 (N C H W)"},
    {PARE_OP_CONV_TRANSPOSE, "N 4 5", "w 4 2 3", .expected = "others only with a fixed batch"},
    {PARE_OP_CONV_TRANSPOSE, "2 4 5", "w 4 2 3", .lists = {{"strides", 1, {3}}},
     .expected = "[2, 2, 15]"},
    {PARE_OP_CONV, "2 4 5", "w 6 2 3", .lists = {{"group", 0, {2}}}, .expected = "[2, 6, 3]"},
    {PARE_OP_CONV, "1 1 3 4 5", "w 2 1 2 2 2", .expected = "[1, 2, 2, 3, 4]"},
    {PARE_OP_MAXPOOL, "N 3 5 5",
     .lists = {{"kernel_shape", 2, {2, 2}}, {"strides", 2, {2, 2}}, {"ceil_mode", 0, {1}}},
     .expected = "[N, 3, 3, 3]"},
    {PARE_OP_AVGPOOL, "N 3 5 5",
     .lists = {{"kernel_shape", 2, {2, 2}},
               {"strides", 2, {2, 2}},
               {"pads", 4, {0, 0, 1, 1}},
               {"ceil_mode", 0, {1}}},
     .expected = "[N, 3, 3, 3]"}, /* a fourth window would begin in the padding */
    {PARE_OP_MAXPOOL, "N 3 8 8", .lists = {{"kernel_shape", 2, {3, 3}}, {"dilations", 2, {2, 3}}},
     .expected = "[N, 3, 4, 2]"},
    {PARE_OP_MAXPOOL, "N 3 8 8", .lists = {{"kernel_shape", 2, {3, 3}}, {"pads", 2, {1, 1}}},
     .expected = "has 2 entries, needs 4"},
    {PARE_OP_GLOBAL_MAXPOOL, "2 3 4", .expected = "[2, 3, 1]"},
    {PARE_OP_RESIZE, "N 3 4 5", .lists = {{"sizes", 4, {-1, 3, 8, 7}}}, .expected = "[N, 3, 8, 7]"},
    {PARE_OP_RESIZE, "N 3 4 5", .lists = {{"sizes", 4, {2, 3, 8, 7}}},
     .expected = "cannot be resized"},
    {PARE_OP_RESIZE, "N 3 4 5", .expected = "missing"},
    /* elements */
    {PARE_OP_ELU, "0 3", .expected = "[0, 3]"},
    {PARE_OP_RELU, "0 3", .expected = "empty"},
    {PARE_OP_MATMUL, "0 3", "3 2", .expected = "empty"},
    {PARE_OP_CAST, "N 3", .lists = {{"to", 0, {7}}}, .expected = "[N, 3]"},
    {PARE_OP_CAST, "N 3", .lists = {{"to", 0, {8}}}, .expected = "type 8"},
};

/* A value of the shape that the text tells. */
static struct pare_value *value_of(struct pare_graph *g, const char *text, const char *name)
{
    struct pare_shape shape = {0};
    bool is_weight = *text == 'w';

    for (char *end = (char *)(uintptr_t)text + is_weight; *end;) {
        if (*end == 'N') {
            shape.dims[shape.n_dims++] = PARE_DIM_BATCH;
            end++;
        } else if (*end == ' ') {
            end++;
        } else {
            shape.dims[shape.n_dims++] = strtoll(end, &end, 10);
        }
    }
    if (!is_weight)
        return pare_graph_input(g, name, &shape);
    struct pare_tensor *data;
    struct pare_error err = {0};
    assert_ok(pare_tensor_new(&data, PARE_F32, &shape, &err), &err);
    return pare_graph_weight(g, name, data);
}

static void shapes_of_any_rank_follow_onnx(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct pare_graph *g = pare_graph_new("row");
        struct pare_value *inputs[2] = {value_of(g, r->a, "a"), NULL};
        struct pare_error err = {0};
        char shape[160];
        const char *text = err.text;

        if (r->b)
            inputs[1] = value_of(g, r->b, "b");
        struct pare_node *made = pare_graph_node(g, r->op, "op", inputs, r->b ? 2 : 1);
        for (int k = 0; k < 4 && r->lists[k].name; k++) {
            const struct list *list = &r->lists[k];
            if (list->n)
                pare_node_set_ints(g, made, list->name, list->values, list->n);
            else
                pare_node_set_int(g, made, list->name, list->values[0]);
        }
        pare_graph_output(g, made->outputs[0]);
        pare_status st = pare_graph_infer(g, &err);
        if (!st)
            text = pare_shape_text(&made->outputs[0]->shape, shape, sizeof shape);
        if (st ? !strstr(text, r->expected) : strcmp(text, r->expected) != 0)
            fail_msg("row %d, %s of %s and %s: \"%s\", expected \"%s\"", (int)i,
                     pare_op_name(r->op), r->a, r->b ? r->b : "nothing", text, r->expected);
        if (st && !strstr(text, "node 'op'"))
            fail_msg("row %d: \"%s\" does not name the node", (int)i, text);
        pare_graph_free(g);
    }
}

static void types_go_with_values(void **state)
{
    struct pare_graph *g = pare_graph_new("types");
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)3);
    struct pare_value *ids = pare_graph_input(g, "ids", &shape), *pair[3];
    struct pare_value *condition = pare_graph_input(g, "condition", &shape);
    struct pare_error err = {0};
    struct pare_node *gathered, *cast, *where, *sum;

    (void)state;
    ids->dtype = PARE_S64;
    condition->dtype = PARE_BOOL;
    pair[0] = net_weight(g, "table", 2, (int64_t)7, (int64_t)4);
    pair[1] = ids;
    gathered = pare_graph_node(g, PARE_OP_GATHER, NULL, pair, 2);
    cast = pare_graph_node(g, PARE_OP_CAST, NULL, &ids, 1);
    pare_node_set_int(g, cast, "to", 1);
    pair[0] = condition;
    pair[2] = ids;
    where = pare_graph_node(g, PARE_OP_WHERE, NULL, pair, 3);
    pare_graph_output(g, gathered->outputs[0]);
    pare_graph_output(g, cast->outputs[0]);
    pare_graph_output(g, where->outputs[0]);
    assert_ok(pare_graph_infer(g, &err), &err);
    assert_int_equal(gathered->outputs[0]->dtype, PARE_F32);
    assert_int_equal(gathered->outputs[0]->shape.n_dims, 3);
    assert_int_equal(cast->outputs[0]->dtype, PARE_F32);
    assert_int_equal(where->outputs[0]->dtype, PARE_S64);
    assert_false(pare_graph_is_batched(g)); /* integers, two inputs */
    pair[0] = ids;
    pair[1] = cast->outputs[0];
    sum = pare_graph_node(g, PARE_OP_ADD, "sum", pair, 2);
    pare_graph_output(g, sum->outputs[0]);
    assert_int_equal(pare_graph_infer(g, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "are I64 and F32"));
    sum->op = PARE_OP_POW; /* of reals only */
    assert_int_equal(pare_graph_infer(g, &err), PARE_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "is I64, which it does not take"));
    pare_graph_free(g);
}

/* Constant indices are checked once, before anything runs. */
static void indices_outside_are_refused(void **state)
{
    struct pare_graph *g = pare_graph_new("indices");
    struct pare_shape one = pare_shape_of(1, (int64_t)1);
    struct pare_value *pair[2] = {image(g, 3, 4, 4), NULL};
    struct pare_tensor *data;
    struct pare_error err = {0};
    struct pare_node *made;

    (void)state;
    assert_ok(pare_tensor_new(&data, PARE_S64, &one, &err), &err);
    *(int64_t *)data->data = -4;
    pair[1] = pare_graph_weight(g, "index", data);
    made = pare_graph_node(g, PARE_OP_GATHER, NULL, pair, 2);
    pare_node_set_int(g, made, "axis", 1);
    pare_graph_output(g, made->outputs[0]);
    assert_int_equal(pare_graph_infer(g, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "index -4 is outside [-3, 2]"));
    *(int64_t *)data->data = -3;
    assert_ok(pare_graph_infer(g, &err), &err);
    check_shape(made->outputs[0], 1, 4, 4);
    pare_graph_free(g);
}

static void a_split_has_a_shape_for_each_output(void **state)
{
    static const int64_t extents[] = {2, 0, 3};
    struct pare_graph *g = pare_graph_new("split");
    struct pare_value *x = image(g, 5, 4, 4);
    struct pare_node *made = pare_graph_node(g, PARE_OP_SPLIT, "split", &x, 1);
    struct pare_error err = {0};

    (void)state;
    pare_graph_add_output(g, made);
    pare_node_set_int(g, made, "axis", 1);
    pare_node_set_ints(g, made, "split", extents, 3);
    pare_graph_output(g, made->outputs[0]);
    assert_int_equal(pare_graph_infer(g, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "one entry for each of 2"));
    pare_graph_add_output(g, made);
    assert_ok(pare_graph_infer(g, &err), &err);
    check_shape(made->outputs[0], 2, 4, 4);
    check_shape(made->outputs[1], 0, 4, 4);
    check_shape(made->outputs[2], 3, 4, 4);
    assert_string_equal(made->outputs[2]->name, "split_3");
    assert_ptr_equal(made->outputs[2]->producer, made);
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
        cmocka_unit_test(shapes_of_any_rank_follow_onnx),
        cmocka_unit_test(types_go_with_values),
        cmocka_unit_test(indices_outside_are_refused),
        cmocka_unit_test(a_split_has_a_shape_for_each_output),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(notes_of_methods_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
