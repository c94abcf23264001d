/* The tests' truth itself, against vectors that PyTorch 1.13.1 computed in f64. */
#include <stdlib.h>
#include <string.h>

#include "../../harness/io/safetensors.h"
#include "../support/check.h"
#include "../support/nets.h"
#include "../support/ref_run.h"

static struct pare_graph *graph_for(const struct pare_safetensors *file, struct pare_value **x)
{
    struct pare_shape shape = pare_safetensors_find(file, "in.x")->shape;
    struct pare_graph *g = pare_graph_new("vector");

    shape.dims[0] = PARE_DIM_BATCH;
    *x = pare_graph_input(g, "x", &shape);
    return g;
}

/* Runs the graph on in.x and compares with a tensor of the file; frees the graph. */
static void check(struct pare_graph *g, struct pare_value *y, const struct pare_safetensors *file,
                  const char *wanted)
{
    struct pare_tensor *x = vector_tensor(file, "in.x"), *expected = vector_tensor(file, wanted);
    float *output;

    net_finish(g, y);
    assert_int_equal(net_n_out(g) * x->shape.dims[0], pare_tensor_elems(expected));
    output = net_output(g, pare_tensor_f32(x), x->shape.dims[0]);
    /* The vectors are rounded to f32, we too: one unit in the last place, near 0 of the terms. */
    assert_close(output, pare_tensor_f32(expected), pare_tensor_elems(expected), 2e-7, 1e-7);
    free(output);
    pare_tensor_unref(x);
    pare_tensor_unref(expected);
    pare_graph_free(g);
}

static void check_conv(const char *name, int64_t stride, int64_t pad, int64_t dilation,
                       int64_t group)
{
    struct pare_safetensors *file = vector_open(name);
    int64_t strides[2] = {stride, stride}, pads[4] = {pad, pad, pad, pad};
    int64_t dilations[2] = {dilation, dilation};
    struct pare_value *inputs[3];
    struct pare_graph *g = graph_for(file, &inputs[0]);
    bool has_bias = pare_safetensors_find(file, "in.b") != NULL;
    struct pare_node *node;

    inputs[1] = pare_graph_weight(g, "w", vector_tensor(file, "in.w"));
    if (has_bias)
        inputs[2] = pare_graph_weight(g, "b", vector_tensor(file, "in.b"));
    node = pare_graph_node(g, PARE_OP_CONV, "conv", inputs, has_bias ? 3 : 2);
    pare_node_set_ints(g, node, "strides", strides, 2);
    pare_node_set_ints(g, node, "pads", pads, 4);
    pare_node_set_ints(g, node, "dilations", dilations, 2);
    pare_node_set_int(g, node, "group", group);
    check(g, node->outputs[0], file, "out.y");
    pare_safetensors_close(file);
}

static void convolutions_are_those_of_pytorch(void **state)
{
    (void)state;
    check_conv("conv2d__1x1", 1, 0, 1, 1);
    check_conv("conv2d__basic", 1, 1, 1, 1);
    check_conv("conv2d__stride", 2, 2, 1, 1);
    check_conv("conv2d__dilated", 1, 2, 2, 1);
    check_conv("conv2d__group", 1, 1, 1, 3);
    check_conv("conv2d__depthwise", 2, 1, 1, 6);
}

static void check_pool(const char *name, enum pare_op op, int include_pad)
{
    static const int64_t kernel[2] = {3, 3}, strides[2] = {2, 2}, pads[4] = {1, 1, 1, 1};
    struct pare_safetensors *file = vector_open(name);
    struct pare_value *x;
    struct pare_graph *g = graph_for(file, &x);
    struct pare_node *node = pare_graph_node(g, op, "pool", &x, 1);

    pare_node_set_ints(g, node, "kernel_shape", kernel, 2);
    pare_node_set_ints(g, node, "strides", strides, 2);
    pare_node_set_ints(g, node, "pads", pads, 4);
    if (op == PARE_OP_AVGPOOL)
        pare_node_set_int(g, node, "count_include_pad", include_pad);
    check(g, node->outputs[0], file, "out.y");
    pare_safetensors_close(file);
}

static void pools_are_those_of_pytorch(void **state)
{
    (void)state;
    check_pool("max_pool2d__k3s2p1_allneg", PARE_OP_MAXPOOL, 0);
    check_pool("avg_pool2d__pad_count", PARE_OP_AVGPOOL, 1);
    check_pool("avg_pool2d__pad_nocount", PARE_OP_AVGPOOL, 0);
}

static void global_pool_batch_norm_and_gemm_are_those_of_pytorch(void **state)
{
    struct pare_safetensors *file = vector_open("global_avg_pool");
    struct pare_value *inputs[5];
    struct pare_graph *g = graph_for(file, &inputs[0]);
    struct pare_node *node;

    (void)state;
    check(g, net_op(g, inputs[0], PARE_OP_GLOBAL_AVGPOOL, "pool"), file, "out.y");
    pare_safetensors_close(file);

    file = vector_open("batch_norm2d__eval");
    g = graph_for(file, &inputs[0]);
    inputs[1] = pare_graph_weight(g, "scale", vector_tensor(file, "in.w"));
    inputs[2] = pare_graph_weight(g, "bias", vector_tensor(file, "in.b"));
    inputs[3] = pare_graph_weight(g, "mean", vector_tensor(file, "in.running_mean"));
    inputs[4] = pare_graph_weight(g, "var", vector_tensor(file, "in.running_var"));
    node = pare_graph_node(g, PARE_OP_BATCHNORM, "bn", inputs, 5); /* epsilon: ONNX's default */
    check(g, node->outputs[0], file, "out.y");
    pare_safetensors_close(file);

    file = vector_open("linear__1");
    g = graph_for(file, &inputs[0]);
    inputs[1] = pare_graph_weight(g, "w", vector_tensor(file, "in.w"));
    node = pare_graph_node(g, PARE_OP_GEMM, "fc", inputs, 2);
    pare_node_set_int(g, node, "transB", 1);
    check(g, node->outputs[0], file, "out.y");
    pare_safetensors_close(file);
}

static void activations_and_softmax_are_those_of_pytorch(void **state)
{
    static const struct {
        enum pare_op op;
        const char *name;
    } rows[] = {{PARE_OP_RELU, "out.relu"},
                {PARE_OP_CLIP, "out.relu6"},
                {PARE_OP_LEAKY_RELU, "out.leaky_relu"},
                {PARE_OP_SIGMOID, "out.sigmoid"},
                {PARE_OP_TANH, "out.tanh"},
                {PARE_OP_HARD_SWISH, "out.hardswish"},
                {PARE_OP_GELU, "out.gelu_erf"}};
    struct pare_safetensors *file = vector_open("softmax__plain");
    struct pare_value *x;
    struct pare_graph *g = graph_for(file, &x);

    (void)state;
    check(g, net_op(g, x, PARE_OP_SOFTMAX, "softmax"), file, "out.softmax");
    pare_safetensors_close(file);

    file = vector_open("activations");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pare_tensor *in = vector_tensor(file, "in.x");
        struct pare_tensor *expected = vector_tensor(file, rows[i].name);
        struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)64);
        struct pare_node *node;
        float *output;

        g = pare_graph_new("vector");
        x = pare_graph_input(g, "x", &shape);
        node = pare_graph_node(g, rows[i].op, "y", &x, 1);
        if (rows[i].op == PARE_OP_CLIP) {
            pare_node_set_float(g, node, "min", 0);
            pare_node_set_float(g, node, "max", 6);
        }
        net_finish(g, node->outputs[0]);
        output = net_output(g, pare_tensor_f32(in), 1);
        assert_close(output, pare_tensor_f32(expected), 64, 2e-7, 1e-9);
        free(output);
        pare_graph_free(g);
        pare_tensor_unref(in);
        pare_tensor_unref(expected);
    }
    pare_safetensors_close(file);
}

/* No vector has it: its formula by hand. */
static void hard_sigmoid_is_its_formula(void **state)
{
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)5);
    float in[5] = {-4, -1, 0, 1, 4}, expected[5] = {0, 0.3f, 0.5f, 0.7f, 1}, *output;
    struct pare_graph *g = pare_graph_new("hard");
    struct pare_value *x = pare_graph_input(g, "x", &shape);

    (void)state;
    net_finish(g, net_op(g, x, PARE_OP_HARD_SIGMOID, "y"));
    output = net_output(g, in, 1);
    assert_close(output, expected, 5, 1e-6, 0);
    free(output);
    pare_graph_free(g);
}

static void any_value_can_be_asked_for_by_name(void **state)
{
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)3);
    struct pare_graph *g = pare_graph_new("chain");
    struct pare_value *x = pare_graph_input(g, "x", &shape);
    float in[6] = {-1, 2, -3, 4, -5, 6}, relu[6] = {0, 2, 0, 4, 0, 6}, out[6];

    (void)state;
    x = net_op(g, x, PARE_OP_RELU, "relu");
    net_finish(g, net_op(g, x, PARE_OP_TANH, "tanh"));
    ref_run_value(g, in, 2, "relu", out);
    assert_memory_equal(out, relu, sizeof out);
    ref_run_value(g, in, 2, "x", out);
    assert_memory_equal(out, in, sizeof out);
    pare_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_are_those_of_pytorch),
        cmocka_unit_test(pools_are_those_of_pytorch),
        cmocka_unit_test(global_pool_batch_norm_and_gemm_are_those_of_pytorch),
        cmocka_unit_test(activations_and_softmax_are_those_of_pytorch),
        cmocka_unit_test(hard_sigmoid_is_its_formula),
        cmocka_unit_test(any_value_can_be_asked_for_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
