#include "../../harness/base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "../../harness/graph/infer.h"
#include "../support/check.h"
#include "../support/nets.h"

/* input [N, 3, 8, 8] -> conv [4] -> bn -> relu -> conv2 [2] */
static struct pare_graph *small(void)
{
    struct pare_shape shape =
        pare_shape_of(4, (int64_t)PARE_DIM_BATCH, (int64_t)3, (int64_t)8, (int64_t)8);
    struct pare_graph *g = pare_graph_new("small");
    struct pare_value *x = pare_graph_input(g, "x", &shape);

    x = net_conv(g, x, "conv1", 3, 4, 3, 1, 1, 1);
    x = net_batchnorm(g, x, "bn1", 4);
    x = net_op(g, x, PARE_OP_RELU, "relu1");
    x = net_conv(g, x, "conv2", 4, 2, 3, 2, 0, 1);
    net_finish(g, x);
    return g;
}

/* Whatever was done to it, these hold. */
static void check_sound(const struct pare_graph *g)
{
    for (int i = 0; i < g->n_values; i++)
        assert_int_equal(g->values[i]->id, i);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct pare_node *node = g->nodes[i];

        assert_int_equal(node->index, i);
        assert_ptr_equal(node->outputs[0]->producer, node);
        assert_ptr_equal(g->values[node->outputs[0]->id], node->outputs[0]);
        for (int k = 0; k < node->n_inputs; k++) {
            if (!node->inputs[k])
                continue;
            assert_ptr_equal(g->values[node->inputs[k]->id], node->inputs[k]);
            if (node->inputs[k]->producer)
                assert_true(node->inputs[k]->producer->index < i);
        }
    }
}

static void a_graph_is_built_with_inferred_shapes(void **state)
{
    struct pare_graph *g = small();
    struct pare_shape y =
        pare_shape_of(4, (int64_t)PARE_DIM_BATCH, (int64_t)2, (int64_t)3, (int64_t)3);

    (void)state;
    check_sound(g);
    assert_int_equal(g->n_nodes, 4);
    assert_int_equal(g->n_values, 1 + 2 + 4 + 2 + 4);
    assert_true(pare_shape_equal(&g->outputs[0]->shape, &y));
    assert_string_equal(pare_graph_find_node(g, "relu1")->outputs[0]->name, "relu1");
    assert_null(pare_graph_find_node(g, "relu2"));
    assert_null(pare_graph_find_value(g, "y"));
    pare_graph_free(g);
    pare_graph_free(NULL);
}

static void names_are_made_unique(void **state)
{
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)4);
    struct pare_graph *g = pare_graph_new(NULL);
    struct pare_value *x = pare_graph_input(g, NULL, &shape);
    struct pare_node *a = pare_graph_node(g, PARE_OP_RELU, NULL, &x, 1);
    struct pare_node *b = pare_graph_node(g, PARE_OP_RELU, NULL, a->outputs, 1);
    struct pare_node *c = pare_graph_node(g, PARE_OP_TANH, "relu", b->outputs, 1);

    (void)state;
    assert_string_equal(x->name, "input");
    assert_string_equal(a->name, "relu");
    assert_string_equal(b->name, "relu_2");
    assert_string_equal(c->name, "relu_3");
    assert_string_not_equal(a->outputs[0]->name, b->outputs[0]->name);
    pare_graph_free(g);
}

static void a_copy_is_equal_and_independent(void **state)
{
    struct pare_graph *g = small(), *copy;
    struct pare_value *w, *w_copy;
    struct pare_error err = {0};
    float *in = net_random(1, 2 * net_n_in(g)), *before = net_output(g, in, 2), *after;
    float scales[4] = {1, 2, 3, 4};

    (void)state;
    w = pare_graph_find_value(g, "conv1.weight");
    w->coding = (struct pare_coding){.bits = 8, .is_symmetric = true, .axis = 0, .n_scales = 4};
    w->coding.scales = scales;
    pare_graph_set_meta(g, "zoo", "small");
    copy = pare_graph_copy(g);
    check_sound(copy);
    assert_string_equal(pare_graph_meta(copy, "zoo", ""), "small");
    w_copy = pare_graph_find_value(copy, "conv1.weight");
    assert_ptr_equal(w_copy->data, w->data); /* shared until written to */
    assert_ptr_not_equal(w_copy->coding.scales, scales);
    assert_memory_equal(w_copy->coding.scales, scales, sizeof scales);
    assert_ok(pare_value_own_data(w_copy, &err), &err);
    assert_ptr_not_equal(w_copy->data, w->data);
    pare_tensor_f32(w_copy->data)[0] += 1;
    pare_node_set_int(copy, pare_graph_find_node(copy, "conv1"), "group", 7);
    pare_graph_set_meta(copy, "zoo", "other");
    assert_int_equal(pare_node_int(pare_graph_find_node(g, "conv1"), "group", 0), 1);
    assert_string_equal(pare_graph_meta(g, "zoo", ""), "small");
    after = net_output(g, in, 2);
    assert_memory_equal(before, after, (size_t)(2 * net_n_out(g)) * sizeof *before);
    pare_graph_free(g); /* the copy stands alone */
    pare_node_set_int(copy, pare_graph_find_node(copy, "conv1"), "group", 1);
    assert_ok(pare_graph_finish(copy, &err), &err);
    pare_graph_free(copy);
    free(in);
    free(before);
    free(after);
}

static void own_data_copies_only_what_is_shared(void **state)
{
    struct pare_graph *g = small();
    struct pare_value *w = pare_graph_find_value(g, "conv1.weight");
    struct pare_tensor *data = w->data;
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_value_own_data(w, &err), &err);
    assert_ptr_equal(w->data, data);
    pare_graph_free(g);
}

static void set_data_returns_to_dense_f32(void **state)
{
    struct pare_graph *g = small();
    struct pare_value *w = pare_graph_find_value(g, "conv1.bias");
    struct pare_shape shape = pare_shape_of(1, (int64_t)5);
    struct pare_tensor *data;
    struct pare_error err = {0};

    (void)state;
    w->coding.bits = 4;
    w->coding.is_sparse = true;
    assert_ok(pare_tensor_new(&data, PARE_F32, &shape, &err), &err);
    pare_value_set_data(w, data);
    assert_int_equal(w->coding.bits, 32);
    assert_int_equal(w->coding.axis, -1);
    assert_false(w->coding.is_sparse);
    assert_int_equal(w->shape.dims[0], 5);
    pare_graph_free(g);
}

static void a_node_is_put_between_two_others(void **state)
{
    struct pare_graph *g = small();
    struct pare_node *conv = pare_graph_find_node(g, "conv1"), *tanh;
    struct pare_node *bn = pare_graph_find_node(g, "bn1");
    struct pare_error err = {0};

    (void)state;
    tanh = pare_graph_node(g, PARE_OP_TANH, "tanh", conv->outputs, 1);
    pare_graph_move_before(g, tanh, bn);
    pare_graph_replace_uses(g, conv->outputs[0], tanh->outputs[0]);
    assert_ok(pare_graph_finish(g, &err), &err);
    check_sound(g);
    assert_int_equal(tanh->index, 1);
    assert_ptr_equal(tanh->inputs[0], conv->outputs[0]); /* it does not feed itself */
    assert_ptr_equal(bn->inputs[0], tanh->outputs[0]);
    assert_int_equal(pare_value_n_users(g, conv->outputs[0]), 1);
    assert_ptr_equal(pare_value_user(g, conv->outputs[0], 0), tanh);
    assert_null(pare_value_user(g, conv->outputs[0], 1));
    pare_graph_free(g);
}

static void finish_sorts_nodes_that_were_only_appended(void **state)
{
    struct pare_graph *g = small();
    struct pare_node *conv = pare_graph_find_node(g, "conv1"), *tanh;
    struct pare_error err = {0};

    (void)state;
    tanh = pare_graph_node(g, PARE_OP_TANH, "tanh", conv->outputs, 1);
    pare_graph_replace_uses(g, conv->outputs[0], tanh->outputs[0]);
    assert_int_equal(pare_graph_infer(g, &err), PARE_EINVAL); /* not yet in order */
    assert_ok(pare_graph_finish(g, &err), &err);
    check_sound(g);
    assert_int_equal(tanh->index, 1);
    pare_graph_free(g);
}

static void a_removed_node_takes_its_weights_along(void **state)
{
    struct pare_graph *g = small();
    struct pare_node *conv = pare_graph_find_node(g, "conv1");
    struct pare_node *bn = pare_graph_find_node(g, "bn1");
    struct pare_error err = {0};
    int n_values = g->n_values;

    (void)state;
    pare_graph_replace_uses(g, bn->outputs[0], conv->outputs[0]);
    pare_graph_remove(g, bn);
    assert_ok(pare_graph_finish(g, &err), &err);
    check_sound(g);
    assert_int_equal(g->n_nodes, 3);
    assert_int_equal(g->n_values, n_values - 5);
    assert_null(pare_graph_find_value(g, "bn1.scale"));
    /* Its names are free again. */
    assert_string_equal(pare_graph_node(g, PARE_OP_RELU, "bn1", conv->outputs, 1)->name, "bn1");
    pare_graph_free(g);
}

static void finish_drops_what_nothing_uses(void **state)
{
    struct pare_graph *g = small();
    struct pare_node *conv = pare_graph_find_node(g, "conv1"), *a;
    struct pare_error err = {0};
    int n_values = g->n_values;

    (void)state;
    a = pare_graph_node(g, PARE_OP_RELU, "dead1", conv->outputs, 1);
    pare_graph_node(g, PARE_OP_RELU, "dead2", a->outputs, 1);
    net_weight(g, "spare", 1, (int64_t)3);
    assert_ok(pare_graph_finish(g, &err), &err);
    check_sound(g);
    assert_int_equal(g->n_nodes, 4);
    assert_int_equal(g->n_values, n_values);
    pare_graph_free(g);
}

static void a_cycle_is_refused_with_a_name(void **state)
{
    struct pare_graph *g = small();
    struct pare_node *relu = pare_graph_find_node(g, "relu1");
    struct pare_node *bn = pare_graph_find_node(g, "bn1");
    struct pare_error err = {0};

    (void)state;
    bn->inputs[0] = relu->outputs[0];
    assert_int_equal(pare_graph_finish(g, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "cycle"));
    assert_int_equal(pare_graph_infer(g, &err), PARE_EINVAL);
    pare_graph_free(g);
}

static void names_set_by_hand_must_differ(void **state)
{
    struct pare_graph *g = small();
    struct pare_error err = {0};

    (void)state;
    g->nodes[0]->name = "relu1";
    assert_int_equal(pare_graph_finish(g, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "relu1"));
    pare_graph_free(g);
}

static void attributes_read_back_and_default(void **state)
{
    struct pare_graph *g = small();
    struct pare_node *node = pare_graph_find_node(g, "relu1");
    int64_t ints[3] = {7, 8, 9}, out[4];

    (void)state;
    assert_int_equal(pare_node_int(node, "i", -3), -3);
    assert_true(pare_node_float(node, "f", 0.5) == 0.5);
    assert_string_equal(pare_node_string(node, "s", "def"), "def");
    pare_node_ints(node, "n", out, 2, 1);
    assert_int_equal(out[1], 1);
    pare_node_set_int(g, node, "i", 4);
    pare_node_set_float(g, node, "f", 0.25);
    pare_node_set_string(g, node, "s", "text");
    pare_node_set_ints(g, node, "n", ints, 3);
    assert_int_equal(pare_node_int(node, "i", -3), 4);
    assert_true(pare_node_float(node, "i", 0) == 4); /* a whole number is a number */
    assert_true(pare_node_float(node, "f", 0.5) == 0.25);
    assert_string_equal(pare_node_string(node, "s", "def"), "text");
    pare_node_ints(node, "n", out, 4, -1);
    assert_int_equal(out[2], 9);
    assert_int_equal(out[3], -1); /* shorter than asked for */
    pare_node_set_int(g, node, "i", 5);
    assert_int_equal(pare_node_int(node, "i", 0), 5);
    pare_graph_free(g);
}

static void operator_names_are_those_of_onnx_both_ways(void **state)
{
    enum pare_op op;

    (void)state;
    for (int i = 0; i < PARE_N_OPS; i++) {
        assert_true(pare_op_from_name(&op, pare_op_name((enum pare_op)i)));
        assert_int_equal(op, i);
    }
    assert_string_equal(pare_op_name(PARE_OP_BATCHNORM), "BatchNormalization");
    assert_false(pare_op_from_name(&op, "Convolution"));
}

static void macs_and_params_are_counted(void **state)
{
    struct pare_graph *g = small();

    (void)state;
    /* conv1: 4 x 8 x 8 outputs of 3 x 3 x 3; conv2: 2 x 3 x 3 outputs of 4 x 3 x 3. */
    assert_int_equal(pare_graph_macs(g), 4 * 64 * 27 + 2 * 9 * 36);
    /* Statistics of batch norm are not learned. */
    assert_int_equal(pare_graph_params(g), 4 * 27 + 4 + 4 + 4 + 2 * 36 + 2);
    assert_true(pare_value_is_statistic(g, pare_graph_find_value(g, "bn1.var")));
    assert_false(pare_value_is_statistic(g, pare_graph_find_value(g, "bn1.scale")));
    pare_graph_free(g);
}

/* Deep enough to overflow a recursive walk, wide enough to show a quadratic one. */
static void a_long_chain_is_finished_at_once(void **state)
{
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)4);
    struct pare_graph *g = pare_graph_new("chain");
    struct pare_value *x = pare_graph_input(g, "x", &shape);
    char name[32];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "r%d", i);
        x = net_op(g, x, PARE_OP_RELU, name);
    }
    net_finish(g, x);
    assert_int_equal(g->n_nodes, 100000);
    pare_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_is_built_with_inferred_shapes),
        cmocka_unit_test(names_are_made_unique),
        cmocka_unit_test(a_copy_is_equal_and_independent),
        cmocka_unit_test(own_data_copies_only_what_is_shared),
        cmocka_unit_test(set_data_returns_to_dense_f32),
        cmocka_unit_test(a_node_is_put_between_two_others),
        cmocka_unit_test(finish_sorts_nodes_that_were_only_appended),
        cmocka_unit_test(a_removed_node_takes_its_weights_along),
        cmocka_unit_test(finish_drops_what_nothing_uses),
        cmocka_unit_test(a_cycle_is_refused_with_a_name),
        cmocka_unit_test(names_set_by_hand_must_differ),
        cmocka_unit_test(attributes_read_back_and_default),
        cmocka_unit_test(operator_names_are_those_of_onnx_both_ways),
        cmocka_unit_test(macs_and_params_are_counted),
        cmocka_unit_test(a_long_chain_is_finished_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
