#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "../../harness/io/safetensors.h"
#include "../support/check.h"
#include "../support/nets.h"

static struct pare_value *image(struct pare_graph *g, int64_t C, int64_t H, int64_t W)
{
    struct pare_shape shape = pare_shape_of(4, (int64_t)PARE_DIM_BATCH, C, H, W);
    return pare_graph_input(g, "x", &shape);
}

static void fold(struct pare_graph *g)
{
    struct pare_error err = {0};
    assert_ok(pare_graph_fold_batchnorm(g, &err), &err);
}

static int n_norms(const struct pare_graph *g)
{
    int n = 0;

    pare_each_node(node, g)
        n += node->op == PARE_OP_BATCHNORM;
    return n;
}

/* Folds, and compares what the network computes before and after.  Weights are rounded to f32 once
 * more: a relative 6e-8 for each, over sums whose terms may cancel. */
static void check_same_function(struct pare_graph *g, int n_left)
{
    float *in = net_random(7, 3 * net_n_in(g)), *before = net_output(g, in, 3), *after;

    fold(g);
    assert_int_equal(n_norms(g), n_left);
    after = net_output(g, in, 3);
    assert_close(after, before, 3 * net_n_out(g), 2e-6, 2e-6);
    free(in);
    free(before);
    free(after);
}

static void weights_are_those_of_pytorchs_fusion(void **state)
{
    struct pare_safetensors *file = vector_open("conv_bn_fold");
    struct pare_tensor *w = vector_tensor(file, "out.w"), *b = vector_tensor(file, "out.b");
    struct pare_graph *g = pare_graph_new("vector");
    struct pare_value *inputs[5] = {image(g, 3, 6, 6)};
    struct pare_node *conv;

    (void)state;
    inputs[1] = pare_graph_weight(g, "w", vector_tensor(file, "in.w"));
    inputs[2] = pare_graph_weight(g, "b", vector_tensor(file, "in.b"));
    conv = pare_graph_node(g, PARE_OP_CONV, "conv", inputs, 3);
    inputs[0] = conv->outputs[0];
    inputs[1] = pare_graph_weight(g, "gamma", vector_tensor(file, "in.gamma"));
    inputs[2] = pare_graph_weight(g, "beta", vector_tensor(file, "in.beta"));
    inputs[3] = pare_graph_weight(g, "mean", vector_tensor(file, "in.mean"));
    inputs[4] = pare_graph_weight(g, "var", vector_tensor(file, "in.var"));
    net_finish(g, pare_graph_node(g, PARE_OP_BATCHNORM, "bn", inputs, 5)->outputs[0]);
    fold(g);
    assert_int_equal(g->n_nodes, 1);
    assert_close(pare_tensor_f32(pare_graph_find_value(g, "w")->data), pare_tensor_f32(w),
                 pare_tensor_elems(w), 1e-5, 1e-6); /* the vector's rule */
    assert_close(pare_tensor_f32(pare_graph_find_value(g, "b")->data), pare_tensor_f32(b),
                 pare_tensor_elems(b), 1e-5, 1e-6);
    pare_tensor_unref(w);
    pare_tensor_unref(b);
    pare_graph_free(g);
    pare_safetensors_close(file);
}

static void networks_of_the_zoo_compute_the_same(void **state)
{
    static const char *const names[] = {"resnet8-half", "ds-cnn-half", "mobilenetv1-0.25-half",
                                        "fc-autoencoder", "lenet5-half"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct pare_error err = {0};
        struct pare_graph *g;

        assert_ok(pare_zoo_build(&g, names[i], NULL, 0, 1, &err), &err);
        net_randomize(g, 5);
        check_same_function(g, 0);
        pare_graph_free(g);
    }
}

static void a_missing_bias_is_added_and_named(void **state)
{
    struct pare_graph *g = pare_graph_new("no bias");
    struct pare_value *x = net_conv(g, image(g, 2, 5, 5), "conv", 2, 3, 3, 1, 0, 1);

    (void)state;
    x->producer->n_inputs = 2;
    net_finish(g, net_batchnorm(g, x, "bn", 3));
    assert_null(pare_graph_find_value(g, "conv.bias"));
    check_same_function(g, 0);
    assert_int_equal(pare_graph_find_value(g, "conv.bias")->shape.dims[0], 3);
    assert_ptr_equal(g->outputs[0], pare_graph_find_value(g, "conv"));
    pare_graph_free(g);
}

static void a_gemm_with_its_weight_the_other_way_round_folds_too(void **state)
{
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)6);
    struct pare_graph *g = pare_graph_new("gemm");
    struct pare_value *inputs[2] = {pare_graph_input(g, "x", &shape)};

    (void)state;
    inputs[1] = net_weight(g, "w", 2, (int64_t)6, (int64_t)4); /* transB = 0 */
    net_finish(g, net_batchnorm(g, pare_graph_node(g, PARE_OP_GEMM, "fc", inputs, 2)->outputs[0],
                                "bn", 4));
    check_same_function(g, 0);
    pare_graph_free(g);
}

static void what_others_look_at_is_not_folded(void **state)
{
    struct pare_graph *g = pare_graph_new("two users");
    struct pare_value *x = net_conv(g, image(g, 2, 5, 5), "conv", 2, 3, 3, 1, 1, 1), *y;
    struct pare_error err = {0};

    (void)state;
    y = net_batchnorm(g, x, "bn", 3);
    net_finish(g, net_add(g, x, y, "add"));
    check_same_function(g, 1);
    pare_graph_free(g);

    g = pare_graph_new("output");
    x = net_conv(g, image(g, 2, 5, 5), "conv", 2, 3, 3, 1, 1, 1);
    y = net_batchnorm(g, x, "bn", 3);
    pare_graph_output(g, y);
    pare_graph_output(g, x);
    assert_ok(pare_graph_finish(g, &err), &err);
    check_same_function(g, 1);
    pare_graph_free(g);

    g = pare_graph_new("no layer before");
    net_finish(g, net_batchnorm(g, image(g, 2, 5, 5), "bn", 2));
    check_same_function(g, 1);
    pare_graph_free(g);
}

static void a_weight_of_two_layers_is_copied_before(void **state)
{
    struct pare_graph *g = pare_graph_new("shared");
    struct pare_value *x = net_conv(g, image(g, 3, 5, 5), "conv1", 3, 3, 3, 1, 1, 1), *y;
    struct pare_node *second;

    (void)state;
    y = net_op(g, x, PARE_OP_RELU, "relu");
    y = net_conv(g, y, "conv2", 3, 3, 3, 1, 1, 1);
    second = y->producer;
    second->inputs[1] = x->producer->inputs[1];
    second->inputs[2] = x->producer->inputs[2];
    net_finish(g, net_batchnorm(g, y, "bn", 3));
    check_same_function(g, 0);
    assert_ptr_not_equal(second->inputs[1], g->nodes[0]->inputs[1]);
    pare_graph_free(g);
}

static void other_graphs_keep_their_weights(void **state)
{
    struct pare_graph *g = pare_graph_new("original"), *copy;
    struct pare_value *w;
    float before[2 * 2 * 9];

    (void)state;
    net_finish(g,
               net_batchnorm(g, net_conv(g, image(g, 2, 5, 5), "conv", 2, 2, 3, 1, 1, 1), "bn", 2));
    w = pare_graph_find_value(g, "conv.weight");
    memcpy(before, w->data->data, sizeof before);
    copy = pare_graph_copy(g);
    fold(copy);
    assert_memory_equal(before, w->data->data, sizeof before);
    pare_graph_free(copy);
    pare_graph_free(g);
}

static void pruned_weights_stay_zero_and_integers_unfolded(void **state)
{
    struct pare_graph *g = pare_graph_new("codings");
    struct pare_value *x = net_conv(g, image(g, 2, 5, 5), "conv", 2, 3, 3, 1, 1, 1), *w;
    float scale = 1;

    (void)state;
    net_finish(g, net_batchnorm(g, x, "bn", 3));
    pare_tensor_f32(pare_graph_find_value(g, "bn.scale")->data)[1] = -0.7f; /* would make -0 */
    w = pare_graph_find_value(g, "conv.weight");
    for (int i = 0; i < 54; i += 2)
        pare_tensor_f32(w->data)[i] = 0;
    w->coding.bits = 8;
    w->coding.is_symmetric = true;
    w->coding.n_scales = 1;
    w->coding.scales = &scale;
    check_same_function(g, 1);
    w->coding = (struct pare_coding){.bits = 32, .axis = -1, .is_sparse = true};
    check_same_function(g, 0);
    w = pare_graph_find_value(g, "conv.weight");
    assert_true(w->coding.is_sparse);
    for (int i = 0; i < 54; i++) {
        float value = pare_tensor_f32(w->data)[i];
        assert_true(i % 2 ? value != 0 : value == 0 && !signbit(value));
    }
    pare_graph_free(g);
}

static void a_variance_that_cannot_be_is_an_error(void **state)
{
    struct pare_graph *g = pare_graph_new("variance");
    struct pare_error err = {0};

    (void)state;
    net_finish(g,
               net_batchnorm(g, net_conv(g, image(g, 2, 5, 5), "conv", 2, 3, 3, 1, 1, 1), "bn", 3));
    pare_tensor_f32(pare_graph_find_value(g, "bn.var")->data)[1] = -1;
    assert_int_equal(pare_graph_fold_batchnorm(g, &err), PARE_ENUMERIC);
    assert_non_null(strstr(err.text, "'bn'"));
    pare_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_pytorchs_fusion),
        cmocka_unit_test(networks_of_the_zoo_compute_the_same),
        cmocka_unit_test(a_missing_bias_is_added_and_named),
        cmocka_unit_test(a_gemm_with_its_weight_the_other_way_round_folds_too),
        cmocka_unit_test(what_others_look_at_is_not_folded),
        cmocka_unit_test(a_weight_of_two_layers_is_copied_before),
        cmocka_unit_test(other_graphs_keep_their_weights),
        cmocka_unit_test(pruned_weights_stay_zero_and_integers_unfolded),
        cmocka_unit_test(a_variance_that_cannot_be_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
