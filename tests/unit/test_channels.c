#include "../../harness/base/arena.h"

#include <math.h>
#include <stdio.h>
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

static struct pare_graph *zoo(const char *name)
{
    struct pare_graph *g = NULL;
    struct pare_error err = {0};

    assert_ok(pare_zoo_build(&g, name, NULL, 0, 1, &err), &err);
    net_randomize(g, 11);
    return g;
}

static struct pare_channel_groups find(const struct pare_graph *g)
{
    struct pare_channel_groups groups;
    struct pare_error err = {0};

    assert_ok(pare_channel_groups_find(&groups, g, &err), &err);
    return groups;
}

/* The group in which the node has the role. */
static const struct pare_channel_group *group_of(const struct pare_channel_groups *groups,
                                                 const char *node, int role)
{
    for (int i = 0; i < groups->n_groups; i++) {
        for (int k = 0; k < groups->groups[i].n_members; k++) {
            const struct pare_channel_member *member = &groups->groups[i].members[k];

            if (strcmp(member->node->name, node) == 0 && (int)member->role == role)
                return &groups->groups[i];
        }
    }
    fail_msg("no group has %s in role %d", node, role);
    return NULL;
}

/* ---- Which channels go together ---- */

static void lenet5_has_the_groups_of_its_layers(void **state)
{
    struct pare_graph *g = zoo("lenet5");
    struct pare_channel_groups groups = find(g);
    const struct pare_channel_group *group;

    (void)state;
    assert_int_equal(groups.n_groups, 5); /* input, conv1, conv2, fc1, output */
    group = group_of(&groups, "conv1", PARE_MEMBER_OUT);
    assert_int_equal(group->n_channels, 20);
    assert_int_equal(group->n_members, 2);
    assert_false(group->is_fixed);
    assert_ptr_equal(group, group_of(&groups, "conv2", PARE_MEMBER_IN));
    group = group_of(&groups, "conv2", PARE_MEMBER_OUT);
    assert_ptr_equal(group, group_of(&groups, "fc1", PARE_MEMBER_IN));
    assert_int_equal(group->n_channels, 50);
    assert_int_equal(group->members[1].block, 16); /* 4 x 4 behind the Flatten */
    assert_true(group_of(&groups, "conv1", PARE_MEMBER_IN)->is_fixed);
    assert_true(group_of(&groups, "fc2", PARE_MEMBER_OUT)->is_fixed);
    assert_int_equal(group_of(&groups, "fc2", PARE_MEMBER_OUT)->n_channels, 10);
    pare_channel_groups_clear(&groups);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

static void residual_adds_couple_their_branches(void **state)
{
    struct pare_graph *g = zoo("resnet8");
    struct pare_channel_groups groups = find(g);
    const struct pare_channel_group *group = group_of(&groups, "conv0", PARE_MEMBER_OUT);

    (void)state;
    assert_ptr_equal(group, group_of(&groups, "s1_conv2", PARE_MEMBER_OUT));
    assert_ptr_equal(group, group_of(&groups, "s2_conv1", PARE_MEMBER_IN));
    assert_ptr_equal(group, group_of(&groups, "s2_shortcut", PARE_MEMBER_IN));
    assert_ptr_equal(group, group_of(&groups, "conv0.bn", PARE_MEMBER_NORM));
    assert_ptr_not_equal(group, group_of(&groups, "s1_conv1", PARE_MEMBER_OUT));
    assert_ptr_equal(group_of(&groups, "s3_conv2", PARE_MEMBER_OUT),
                     group_of(&groups, "fc", PARE_MEMBER_IN));
    /* Input, three stacks with their first convolution apart, output. */
    assert_int_equal(groups.n_groups, 1 + 3 + 3 + 1);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

static void depthwise_convolutions_couple_both_sides(void **state)
{
    struct pare_graph *g = zoo("ds-cnn");
    struct pare_channel_groups groups = find(g);
    const struct pare_channel_group *group = group_of(&groups, "conv0", PARE_MEMBER_OUT);

    (void)state;
    assert_ptr_equal(group, group_of(&groups, "dw1", PARE_MEMBER_DEPTHWISE));
    assert_ptr_equal(group, group_of(&groups, "pw1", PARE_MEMBER_IN));
    assert_int_equal(group->n_members, 5); /* with two batch norms */
    assert_false(group->is_fixed);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

static void what_cannot_be_cut_is_fixed(void **state)
{
    struct pare_graph *g = pare_graph_new("fixed");
    struct pare_value *x = net_conv(g, image(g, 4, 4, 4), "first", 4, 6, 1, 1, 0, 1), *w;
    struct pare_channel_groups groups;

    (void)state;
    x = net_conv(g, x, "grouped", 6, 6, 1, 1, 0, 2);
    x = net_conv(g, x, "second", 6, 5, 1, 1, 0, 1);
    x = net_conv(g, x, "third", 5, 5, 1, 1, 0, 1);
    w = x->producer->inputs[1];
    x = net_conv(g, x, "fourth", 5, 5, 1, 1, 0, 1);
    x->producer->inputs[1] = w; /* two layers, one weight */
    x = net_conv(g, x, "fifth", 5, 3, 1, 1, 0, 1);
    x = net_op(g, x, PARE_OP_GLOBAL_AVGPOOL, "gap");
    x = net_op(g, x, PARE_OP_FLATTEN, "flat");
    x = net_op(g, x, PARE_OP_SOFTMAX, "softmax");
    net_finish(g, net_gemm(g, x, "fc", 3, 2));
    groups = find(g);
    assert_true(group_of(&groups, "first", PARE_MEMBER_IN)->is_fixed);
    assert_true(group_of(&groups, "first", PARE_MEMBER_OUT)->is_fixed);
    assert_true(group_of(&groups, "second", PARE_MEMBER_IN)->is_fixed);
    assert_true(group_of(&groups, "third", PARE_MEMBER_OUT)->is_fixed);
    assert_true(group_of(&groups, "fourth", PARE_MEMBER_OUT)->is_fixed);
    assert_true(group_of(&groups, "fifth", PARE_MEMBER_OUT)->is_fixed); /* Softmax */
    assert_true(group_of(&groups, "fc", PARE_MEMBER_OUT)->is_fixed);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

/* A residual around a depthwise multiplier, and features added to a flattened map. */
static void unequal_channels_are_never_coupled(void **state)
{
    struct pare_graph *g = pare_graph_new("unequal");
    struct pare_value *x = net_conv(g, image(g, 2, 2, 2), "conv", 2, 3, 1, 1, 0, 1), *map;
    struct pare_channel_groups groups;

    (void)state;
    map = net_op(g, x, PARE_OP_FLATTEN, "flat"); /* 3 channels of 4 */
    x = net_gemm(g, map, "fc1", 12, 12);         /* 12 channels */
    x = net_add(g, x, map, "add");
    net_finish(g, net_gemm(g, x, "fc2", 12, 2));
    groups = find(g);
    assert_true(group_of(&groups, "conv", PARE_MEMBER_OUT)->is_fixed);
    assert_true(group_of(&groups, "fc1", PARE_MEMBER_OUT)->is_fixed);
    assert_int_equal(group_of(&groups, "conv", PARE_MEMBER_OUT)->n_channels, 3);
    assert_int_equal(group_of(&groups, "fc1", PARE_MEMBER_OUT)->n_channels, 12);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

static struct pare_value *two(struct pare_graph *g, enum pare_op op, struct pare_value *a,
                              struct pare_value *b)
{
    struct pare_value *inputs[] = {a, b};
    return pare_graph_node(g, op, NULL, inputs, 2)->outputs[0];
}

/* ResNet's option A pads channels: the stream it stands on is not cut, blocks are inside. */
static void padded_shortcuts_fix_their_stream_alone(void **state)
{
    static const int64_t starts[] = {0, 0}, ends[] = {INT64_MAX, INT64_MAX}, axes[] = {2, 3},
                         steps[] = {2, 2}, pads[] = {0, 2, 0, 0, 0, 2, 0, 0};
    struct pare_graph *g = pare_graph_new("option A");
    struct pare_value *x = net_conv(g, image(g, 3, 8, 8), "first", 3, 4, 3, 1, 1, 1), *y;
    struct pare_channel_groups groups;
    struct pare_node *slice, *pad;

    (void)state;
    y = net_op(g, net_conv(g, x, "inner", 4, 5, 3, 2, 1, 1), PARE_OP_RELU, NULL);
    y = net_conv(g, y, "outer", 5, 8, 3, 1, 1, 1);
    slice = pare_graph_node(g, PARE_OP_SLICE, "slice", &x, 1);
    pare_node_set_ints(g, slice, "starts", starts, 2);
    pare_node_set_ints(g, slice, "ends", ends, 2);
    pare_node_set_ints(g, slice, "axes", axes, 2);
    pare_node_set_ints(g, slice, "steps", steps, 2);
    pad = pare_graph_node(g, PARE_OP_PAD, "pad", slice->outputs, 1);
    pare_node_set_ints(g, pad, "pads", pads, 8);
    x = two(g, PARE_OP_ADD, y, pad->outputs[0]);
    x = net_conv(g, x, "last", 8, 6, 3, 1, 1, 1);
    x = net_op(g, net_op(g, x, PARE_OP_GLOBAL_AVGPOOL, NULL), PARE_OP_FLATTEN, NULL);
    net_finish(g, net_gemm(g, x, "fc", 6, 2));
    groups = find(g);
    assert_true(group_of(&groups, "first", PARE_MEMBER_OUT)->is_fixed);
    assert_true(group_of(&groups, "outer", PARE_MEMBER_OUT)->is_fixed);
    assert_ptr_equal(group_of(&groups, "first", PARE_MEMBER_OUT),
                     group_of(&groups, "inner", PARE_MEMBER_IN));
    assert_ptr_equal(group_of(&groups, "outer", PARE_MEMBER_OUT),
                     group_of(&groups, "last", PARE_MEMBER_IN));
    assert_false(group_of(&groups, "inner", PARE_MEMBER_OUT)->is_fixed);
    assert_false(group_of(&groups, "last", PARE_MEMBER_OUT)->is_fixed);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

/* A gate per channel is cut with what it gates; a constant per channel, or parts of the channels,
 * cannot be. */
static void gates_go_with_their_channels(void **state)
{
    static const int64_t pixels[] = {2, 3}, parts[] = {2, 4};
    struct pare_graph *g = pare_graph_new("gate");
    struct pare_value *x = net_conv(g, image(g, 3, 4, 4), "conv", 3, 6, 3, 1, 1, 1), *gate;
    struct pare_channel_groups groups;
    struct pare_node *mean, *wide, *split;

    (void)state;
    mean = pare_graph_node(g, PARE_OP_REDUCE_MEAN, "mean", &x, 1);
    pare_node_set_ints(g, mean, "axes", pixels, 2);
    pare_node_set_int(g, mean, "keepdims", 0);
    gate = net_op(g, net_gemm(g, mean->outputs[0], "down", 6, 3), PARE_OP_RELU, NULL);
    gate = net_op(g, net_gemm(g, gate, "up", 3, 6), PARE_OP_SIGMOID, NULL);
    wide = pare_graph_node(g, PARE_OP_UNSQUEEZE, "wide", &gate, 1);
    pare_node_set_ints(g, wide, "axes", pixels, 2);
    x = two(g, PARE_OP_MUL, x, wide->outputs[0]);
    x = two(g, PARE_OP_DIV, x, net_weight(g, "scalar", 0));
    x = net_conv(g, x, "second", 6, 7, 3, 1, 1, 1);
    x = two(g, PARE_OP_PRELU, x, net_weight(g, "slope", 3, (int64_t)7, (int64_t)1, (int64_t)1));
    x = net_conv(g, x, "third", 7, 6, 1, 1, 0, 1);
    split = pare_graph_node(g, PARE_OP_SPLIT, "split", &x, 1);
    pare_graph_add_output(g, split);
    pare_node_set_int(g, split, "axis", 1);
    pare_node_set_ints(g, split, "split", parts, 2);
    x = net_conv(g, split->outputs[1], "fourth", 4, 2, 1, 1, 0, 1);
    pare_graph_output(g, net_conv(g, split->outputs[0], "fifth", 2, 2, 1, 1, 0, 1));
    net_finish(g, x);
    groups = find(g);
    assert_false(group_of(&groups, "conv", PARE_MEMBER_OUT)->is_fixed);
    assert_ptr_equal(group_of(&groups, "conv", PARE_MEMBER_OUT),
                     group_of(&groups, "up", PARE_MEMBER_OUT));
    assert_ptr_equal(group_of(&groups, "conv", PARE_MEMBER_OUT),
                     group_of(&groups, "down", PARE_MEMBER_IN));
    assert_ptr_equal(group_of(&groups, "conv", PARE_MEMBER_OUT),
                     group_of(&groups, "second", PARE_MEMBER_IN));
    assert_false(group_of(&groups, "down", PARE_MEMBER_OUT)->is_fixed);
    assert_true(group_of(&groups, "second", PARE_MEMBER_OUT)->is_fixed); /* a slope per channel */
    assert_true(group_of(&groups, "third", PARE_MEMBER_OUT)->is_fixed);  /* Split */
    assert_true(group_of(&groups, "fourth", PARE_MEMBER_IN)->is_fixed);
    assert_true(group_of(&groups, "fifth", PARE_MEMBER_IN)->is_fixed);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

/* What looks across channels, or moves them, holds them; a network of a fixed batch is not cut. */
static void operators_that_mix_channels_fix_them(void **state)
{
    static const enum pare_op ops[] = {PARE_OP_LRN,    PARE_OP_TRANSPOSE, PARE_OP_RESHAPE,
                                       PARE_OP_CONCAT, PARE_OP_SOFTMAX,   PARE_OP_SQRT};
    static const int64_t perm[] = {0, 2, 1, 3}, shape[] = {-1, 4, 16, 1};

    (void)state;
    for (int i = 0; i < 7; i++) {
        struct pare_graph *g = pare_graph_new("mixed");
        struct pare_value *x = net_conv(g, image(g, 3, 4, 4), "conv", 3, 4, 3, 1, 1, 1);
        struct pare_node *node;
        struct pare_channel_groups groups;

        if (i == 6)
            g->inputs[0]->shape.dims[0] = 2;
        node = pare_graph_node(g, ops[i < 6 ? i : 5], "mixes", &x, 1);
        if (node->op == PARE_OP_LRN)
            pare_node_set_int(g, node, "size", 3);
        if (node->op == PARE_OP_TRANSPOSE)
            pare_node_set_ints(g, node, "perm", perm, 4);
        if (node->op == PARE_OP_RESHAPE)
            pare_node_set_ints(g, node, "shape", shape, 4);
        if (node->op == PARE_OP_CONCAT || node->op == PARE_OP_SOFTMAX)
            pare_node_set_int(g, node, "axis", 1);
        net_finish(g, net_conv(g, node->outputs[0], "next", 4, 2, 1, 1, 0, 1));
        groups = find(g);
        if (i == 6) {
            assert_int_equal(groups.n_groups, 0); /* no layer has a part in any */
        } else {
            assert_int_equal(group_of(&groups, "conv", PARE_MEMBER_OUT)->is_fixed, i != 5);
            assert_int_equal(group_of(&groups, "next", PARE_MEMBER_IN)->is_fixed, i != 5);
        }
        pare_channel_groups_clear(&groups);
        pare_graph_free(g);
    }
}

/* ---- Cutting ---- */

static void cut(struct pare_graph *g, const struct pare_channel_group *group, const uint8_t *keep)
{
    struct pare_error err = {0};
    assert_ok(pare_channel_group_cut(g, group, keep, &err), &err);
}

static void finish(struct pare_graph *g)
{
    struct pare_error err = {0};
    assert_ok(pare_graph_finish(g, &err), &err);
}

static void cutting_nothing_changes_nothing(void **state)
{
    struct pare_graph *g = zoo("resnet8-half"), *copy = pare_graph_copy(g);
    struct pare_channel_groups groups = find(copy);
    uint8_t keep[1024];

    (void)state;
    memset(keep, 1, sizeof keep);
    for (int i = 0; i < groups.n_groups; i++)
        cut(copy, &groups.groups[i], keep); /* fixed ones too */
    finish(copy);
    assert_int_equal(copy->n_values, g->n_values);
    pare_each_weight(w, g)
        assert_ptr_equal(pare_graph_find_value(copy, w->name)->data, w->data);
    pare_channel_groups_clear(&groups);
    pare_graph_free(copy);
    pare_graph_free(g);
}

/* A third of the channels, from all over. */
static void choose(uint8_t *keep, int64_t n, int which)
{
    for (int64_t c = 0; c < n; c++)
        keep[c] = (c * 7 + which) % 3 != 0;
    keep[n / 2] = 1;
}

/* Makes the channels produce zeros: rows and biases of what makes them, shift and scale of what
 * follows (the last batch norm decides). */
static void silence(const struct pare_channel_group *group, const uint8_t *keep)
{
    struct pare_error err = {0};

    for (int k = 0; k < group->n_members; k++) {
        const struct pare_channel_member *member = &group->members[k];
        int first = member->role == PARE_MEMBER_IN ? 3 : 1;

        for (int i = first; i < 3 && i < member->node->n_inputs; i++) {
            struct pare_value *w = member->node->inputs[i];
            int64_t inner = pare_tensor_elems(w->data) / group->n_channels;

            assert_ok(pare_value_own_data(w, &err), &err);
            for (int64_t c = 0; c < group->n_channels; c++) {
                for (int64_t j = 0; j < inner && !keep[c]; j++)
                    pare_tensor_f32(w->data)[c * inner + j] = 0;
            }
        }
    }
}

static void cutting_silent_channels_leaves_the_outputs(void **state)
{
    static const char *const names[] = {"resnet8-half", "ds-cnn-half",   "mobilenetv1-0.25",
                                        "lenet5-half",  "lenet-300-100", "fc-autoencoder"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct pare_graph *g = zoo(names[i]);
        struct pare_channel_groups groups = find(g);
        int64_t macs = pare_graph_macs(g), params = pare_graph_params(g);
        float *in = net_random(3, 2 * net_n_in(g)), *before, *after;
        uint8_t keep[1024];
        int n_cut = 0;

        for (int k = 0; k < groups.n_groups; k++) {
            choose(keep, groups.groups[k].n_channels, k);
            if (!groups.groups[k].is_fixed)
                silence(&groups.groups[k], keep);
        }
        before = net_output(g, in, 2);
        for (int64_t k = 0; k < 2 * net_n_out(g); k++) /* not silent altogether */
            assert_true(fabs(before[k]) > 1e-6);
        for (int k = 0; k < groups.n_groups; k++) {
            choose(keep, groups.groups[k].n_channels, k);
            if (groups.groups[k].is_fixed)
                continue;
            cut(g, &groups.groups[k], keep); /* the others' groups stay valid */
            n_cut++;
        }
        finish(g);
        assert_true(n_cut > 0);
        assert_true(pare_graph_macs(g) < macs * 2 / 3);
        assert_true(pare_graph_params(g) < params * 4 / 5);
        after = net_output(g, in, 2);
        /* Sums of doubles in another grouping: exact zeros are left out. */
        assert_close(after, before, 2 * net_n_out(g), 1e-6, 1e-9);
        pare_channel_groups_clear(&groups);
        groups = find(g); /* it is a sound network again */
        pare_channel_groups_clear(&groups);
        pare_graph_free(g);
        free(in);
        free(before);
        free(after);
    }
}

static void physical_removal_gives_pytorchs_vector(void **state)
{
    struct pare_safetensors *file = vector_open("channel_removal");
    struct pare_tensor *x = vector_tensor(file, "in.x"), *y = vector_tensor(file, "out.y");
    static const char *const in_names[] = {"in.gamma", "in.beta", "in.mean", "in.var"};
    static const char *const names[] = {"W1", "b1", "gamma", "beta", "mean", "var", "W2"};
    struct pare_graph *g = pare_graph_new("vector");
    struct pare_value *inputs[5] = {image(g, 3, 8, 8)};
    struct pare_channel_groups groups;
    int32_t kept[4];
    uint8_t keep[6] = {0};
    float *output;

    (void)state;
    inputs[1] = pare_graph_weight(g, "W1", vector_tensor(file, "in.W1"));
    inputs[2] = pare_graph_weight(g, "b1", vector_tensor(file, "in.b1"));
    inputs[0] = pare_graph_node(g, PARE_OP_CONV, "conv1", inputs, 3)->outputs[0];
    for (int i = 0; i < 4; i++)
        inputs[1 + i] = pare_graph_weight(g, in_names[i] + 3, vector_tensor(file, in_names[i]));
    inputs[0] = pare_graph_node(g, PARE_OP_BATCHNORM, "bn", inputs, 5)->outputs[0];
    inputs[0] = net_op(g, inputs[0], PARE_OP_RELU, "relu");
    inputs[1] = pare_graph_weight(g, "W2", vector_tensor(file, "in.W2"));
    inputs[2] = pare_graph_weight(g, "b2", vector_tensor(file, "in.b2"));
    net_finish(g, pare_graph_node(g, PARE_OP_CONV, "conv2", inputs, 3)->outputs[0]);

    memcpy(kept, pare_safetensors_find(file, "in.keep")->data, sizeof kept);
    for (int i = 0; i < 4; i++)
        keep[kept[i]] = 1;
    groups = find(g);
    cut(g, group_of(&groups, "conv1", PARE_MEMBER_OUT), keep);
    finish(g);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct pare_value *w = pare_graph_find_value(g, names[i]);
        const struct pare_safetensors_entry *expected;
        char name[16];

        snprintf(name, sizeof name, "out.%s", names[i]);
        expected = pare_safetensors_find(file, name);
        assert_int_equal(w->data->n_bytes, expected->n_bytes);
        assert_memory_equal(w->data->data, expected->data, expected->n_bytes);
    }
    output = net_output(g, pare_tensor_f32(x), 2);
    assert_close(output, pare_tensor_f32(y), pare_tensor_elems(y), 2e-5, 5e-6); /* its rule */
    free(output);
    pare_channel_groups_clear(&groups);
    pare_tensor_unref(x);
    pare_tensor_unref(y);
    pare_graph_free(g);
    pare_safetensors_close(file);
}

static void a_depthwise_cut_changes_its_group(void **state)
{
    struct pare_graph *g = zoo("ds-cnn");
    struct pare_channel_groups groups = find(g);
    uint8_t keep[64] = {0};

    (void)state;
    keep[3] = keep[60] = 1;
    cut(g, group_of(&groups, "conv0", PARE_MEMBER_OUT), keep);
    finish(g);
    assert_int_equal(pare_node_int(pare_graph_find_node(g, "dw1"), "group", 0), 2);
    assert_int_equal(pare_graph_find_value(g, "dw1.weight")->shape.dims[0], 2);
    assert_int_equal(pare_graph_find_value(g, "pw1.weight")->shape.dims[1], 2);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

static void a_weight_the_other_way_round_is_cut_too(void **state)
{
    struct pare_shape shape = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)3);
    struct pare_graph *g = pare_graph_new("transposed");
    struct pare_value *inputs[3] = {pare_graph_input(g, "x", &shape)};
    struct pare_channel_groups groups;
    const struct pare_channel_group *group;
    float *in = net_random(2, 6), *before, *after;
    uint8_t keep[4] = {1, 0, 1, 0};

    (void)state;
    inputs[1] = net_weight(g, "w1", 2, (int64_t)3, (int64_t)4);
    inputs[2] = net_weight(g, "b1", 1, (int64_t)4);
    inputs[0] = pare_graph_node(g, PARE_OP_GEMM, "fc1", inputs, 3)->outputs[0];
    inputs[1] = net_weight(g, "w2", 2, (int64_t)4, (int64_t)2);
    net_finish(g, pare_graph_node(g, PARE_OP_GEMM, "fc2", inputs, 2)->outputs[0]);
    for (int i = 0; i < 4; i++) /* rows 1 and 3 of w2 see nothing */
        pare_tensor_f32(inputs[1]->data)[i < 2 ? 2 + i : 4 + i] = 0;
    before = net_output(g, in, 2);
    groups = find(g);
    group = group_of(&groups, "fc1", PARE_MEMBER_OUT);
    assert_ptr_equal(group, group_of(&groups, "fc2", PARE_MEMBER_IN));
    cut(g, group, keep);
    finish(g);
    assert_int_equal(pare_graph_find_value(g, "w1")->shape.dims[1], 2);
    assert_int_equal(pare_graph_find_value(g, "w2")->shape.dims[0], 2);
    after = net_output(g, in, 2);
    assert_close(after, before, 4, 1e-6, 1e-9);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
    free(in);
    free(before);
    free(after);
}

static void scales_of_rows_are_cut_with_their_rows(void **state)
{
    struct pare_graph *g = zoo("lenet5");
    struct pare_value *w = pare_graph_find_value(g, "conv1.weight");
    struct pare_value *next = pare_graph_find_value(g, "conv2.weight");
    struct pare_channel_groups groups = find(g);
    uint8_t keep[20];

    (void)state;
    w->coding = (struct pare_coding){.bits = 4, .axis = 0, .n_scales = 20, .is_sparse = true};
    w->coding.scales = PARE_ARENA_NEW(g->arena, float, 20);
    w->coding.zeros = PARE_ARENA_NEW(g->arena, int32_t, 20);
    next->coding = (struct pare_coding){.bits = 8, .is_symmetric = true, .axis = 0, .n_scales = 50};
    next->coding.scales = PARE_ARENA_NEW(g->arena, float, 50);
    for (int i = 0; i < 20; i++) {
        w->coding.scales[i] = (float)(i + 1);
        w->coding.zeros[i] = i % 16;
        keep[i] = i % 5 == 2;
    }
    next->coding.scales[49] = 7;
    cut(g, group_of(&groups, "conv1", PARE_MEMBER_OUT), keep);
    finish(g);
    assert_int_equal(w->coding.bits, 4);
    assert_true(w->coding.is_sparse);
    assert_int_equal(w->coding.n_scales, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(w->coding.scales[i] == (float)(5 * i + 3));
        assert_int_equal(w->coding.zeros[i], (5 * i + 2) % 16);
    }
    assert_int_equal(next->coding.n_scales, 50); /* columns went, rows stayed */
    assert_true(next->coding.scales[49] == 7);
    assert_int_equal(next->shape.dims[1], 4);
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

static void a_copy_is_cut_without_the_original(void **state)
{
    struct pare_graph *g = zoo("lenet5"), *copy = pare_graph_copy(g);
    struct pare_channel_groups groups = find(copy);
    uint8_t keep[20] = {1};

    (void)state;
    cut(copy, group_of(&groups, "conv1", PARE_MEMBER_OUT), keep);
    finish(copy);
    assert_int_equal(pare_graph_find_value(g, "conv1.weight")->shape.dims[0], 20);
    assert_int_equal(pare_graph_find_value(copy, "conv1.weight")->shape.dims[0], 1);
    assert_int_equal(pare_graph_macs(g), 2293000);
    pare_channel_groups_clear(&groups);
    pare_graph_free(copy);
    pare_graph_free(g);
}

static void impossible_cuts_are_refused(void **state)
{
    struct pare_graph *g = zoo("lenet5");
    struct pare_channel_groups groups = find(g);
    const struct pare_channel_group *group = group_of(&groups, "conv1", PARE_MEMBER_OUT);
    uint8_t none[20] = {0}, some[20] = {1, 1};
    struct pare_error err = {0};

    (void)state;
    assert_int_equal(pare_channel_group_cut(g, group, none, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "at least one"));
    assert_int_equal(
        pare_channel_group_cut(g, group_of(&groups, "fc2", PARE_MEMBER_OUT), some, &err),
        PARE_EINVAL);
    assert_non_null(strstr(err.text, "cannot be cut"));
    cut(g, group, some);
    assert_int_equal(pare_channel_group_cut(g, group, some, &err), PARE_EINVAL); /* twice */
    assert_non_null(strstr(err.text, "cut before"));
    pare_channel_groups_clear(&groups);
    pare_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lenet5_has_the_groups_of_its_layers),
        cmocka_unit_test(residual_adds_couple_their_branches),
        cmocka_unit_test(depthwise_convolutions_couple_both_sides),
        cmocka_unit_test(what_cannot_be_cut_is_fixed),
        cmocka_unit_test(unequal_channels_are_never_coupled),
        cmocka_unit_test(padded_shortcuts_fix_their_stream_alone),
        cmocka_unit_test(gates_go_with_their_channels),
        cmocka_unit_test(operators_that_mix_channels_fix_them),
        cmocka_unit_test(cutting_nothing_changes_nothing),
        cmocka_unit_test(cutting_silent_channels_leaves_the_outputs),
        cmocka_unit_test(physical_removal_gives_pytorchs_vector),
        cmocka_unit_test(a_depthwise_cut_changes_its_group),
        cmocka_unit_test(a_weight_the_other_way_round_is_cut_too),
        cmocka_unit_test(scales_of_rows_are_cut_with_their_rows),
        cmocka_unit_test(a_copy_is_cut_without_the_original),
        cmocka_unit_test(impossible_cuts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
