/* Operators of any rank, one at a time, against the formulas of tests/support/ref_nd.c over random
 * shapes: the kernels, the attributes that graph/ resolves, and the generic step that runs them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/graph.h>
#include <pare/rng.h>

#include "../support/check.h"
#include "../support/nets.h"
#include "../support/run_net.h"

enum { N_CASES = 60 };

struct test {
    struct pare_rng rng;
    struct pare_graph *g;
    char name[64];
    int i;
};

static int64_t pick(struct test *t, int64_t low, int64_t high)
{
    return low + pare_rng_below(&t->rng, high - low + 1);
}

static void begin(struct test *t, const char *name, int i)
{
    pare_rng_init(&t->rng, (uint64_t)i, 1234);
    snprintf(t->name, sizeof t->name, "%s, case %d", name, i);
    t->i = i;
    t->g = pare_graph_new(t->name);
}

/* Small extents; one dimension in eight is 1. */
static struct pare_shape random_shape(struct test *t, int min_dims, int max_dims)
{
    struct pare_shape shape = {.n_dims = (int)pick(t, min_dims, max_dims)};

    for (int d = 0; d < shape.n_dims; d++)
        shape.dims[d] = pick(t, 0, 7) ? pick(t, 2, 5) : 1;
    return shape;
}

static struct pare_value *input(struct test *t, const struct pare_shape *shape,
                                enum pare_dtype dtype)
{
    struct pare_value *x = pare_graph_input(t->g, NULL, shape);

    x->dtype = dtype;
    return x;
}

static struct pare_value *weight(struct test *t, const struct pare_shape *shape)
{
    struct pare_tensor *data;
    struct pare_error err = {0};

    assert_ok(pare_tensor_new(&data, PARE_F32, shape, &err), &err);
    for (int64_t i = 0; i < pare_tensor_elems(data); i++)
        pare_tensor_f32(data)[i] = (float)pare_rng_normal(&t->rng);
    return pare_graph_weight(t->g, NULL, data);
}

static struct pare_node *add(struct test *t, enum pare_op op, struct pare_value *const *inputs,
                             int n)
{
    return pare_graph_node(t->g, op, NULL, inputs, n);
}

static void set_ints(struct test *t, struct pare_node *node, const char *name,
                     const int64_t *values, int n)
{
    pare_node_set_ints(t->g, node, name, values, n);
}

/* All outputs of the node are the network's; runs it and frees it. */
static void run(struct test *t, struct pare_node *node, struct run_net how)
{
    struct pare_error err = {0};

    for (int k = 0; k < node->n_outputs; k++)
        pare_graph_output(t->g, node->outputs[k]);
    if (pare_graph_finish(t->g, &err))
        fail_msg("%s: %s", t->name, err.text);
    how.seed = (uint64_t)t->i;
    check_net(t->g, &how);
    pare_graph_free(t->g);
}

/* ---- Elements ---- */

/* A shape that broadcasts into `full`: leading dimensions dropped, others made 1. */
static struct pare_shape shrink(struct test *t, const struct pare_shape *full)
{
    struct pare_shape shape = {.n_dims = full->n_dims ? (int)pick(t, 0, full->n_dims) : 0};

    for (int d = 0; d < shape.n_dims; d++)
        shape.dims[d] = pick(t, 0, 2) ? full->dims[full->n_dims - shape.n_dims + d] : 1;
    return shape;
}

static void binary_operators_broadcast_both_ways(void **state)
{
    static const enum pare_op ops[] = {PARE_OP_ADD, PARE_OP_SUB, PARE_OP_MUL, PARE_OP_DIV,
                                       PARE_OP_MIN, PARE_OP_MAX, PARE_OP_POW, PARE_OP_PRELU};
    (void)state;
    for (int i = 0; i < 4 * N_CASES; i++) {
        struct test t;
        begin(&t, "binary", i);
        enum pare_op op = ops[i % 8];
        struct pare_shape full = random_shape(&t, 0, 6);
        struct pare_shape a = op == PARE_OP_PRELU || i % 3 ? full : shrink(&t, &full);
        struct pare_shape b = i % 3 == 1 && op != PARE_OP_PRELU ? full : shrink(&t, &full);
        struct pare_value *inputs[2] = {input(&t, &a, PARE_F32)};
        inputs[1] = i % 5 ? input(&t, &b, PARE_F32) : weight(&t, &b);
        if (op == PARE_OP_POW && i % 5 == 0) { /* a negative base wants whole exponents */
            for (int64_t k = 0; k < pare_tensor_elems(inputs[1]->data); k++)
                pare_tensor_f32(inputs[1]->data)[k] = (float)pick(&t, 0, 3);
        }
        run(&t, add(&t, op, inputs, 2),
            (struct run_net){.is_positive = op == PARE_OP_DIV || op == PARE_OP_POW});
    }
}

static void other_types_wrap_and_divide_towards_zero(void **state)
{
    static const enum pare_op ops[] = {PARE_OP_ADD, PARE_OP_SUB, PARE_OP_MUL,
                                       PARE_OP_DIV, PARE_OP_MIN, PARE_OP_MAX};
    static const enum pare_dtype types[] = {PARE_S8, PARE_U8, PARE_S32, PARE_S64, PARE_F64};
    (void)state;
    for (int i = 0; i < 60; i++) {
        struct test t;
        begin(&t, "integers", i);
        struct pare_shape full = random_shape(&t, 1, 4), b = shrink(&t, &full);
        struct pare_value *inputs[2] = {input(&t, &full, types[i % 5])};
        inputs[1] = input(&t, &b, types[i % 5]);
        run(&t, add(&t, ops[i / 5 % 6], inputs, 2), (struct run_net){.limit = 1 << 20});
    }
}

static void unary_operators_follow_their_formulas(void **state)
{
    static const enum pare_op ops[] = {
        PARE_OP_ELU,  PARE_OP_ERF,        PARE_OP_SQRT, PARE_OP_EXP,       PARE_OP_LOG,
        PARE_OP_NEG,  PARE_OP_ABS,        PARE_OP_RELU, PARE_OP_SIGMOID,   PARE_OP_TANH,
        PARE_OP_GELU, PARE_OP_HARD_SWISH, PARE_OP_CLIP, PARE_OP_LEAKY_RELU};
    (void)state;
    for (int i = 0; i < 42; i++) {
        struct test t;
        begin(&t, "unary", i);
        enum pare_op op = ops[i % 14];
        struct pare_shape shape = random_shape(&t, 0, 5);
        struct pare_value *x = input(&t, &shape, PARE_F32);
        struct pare_node *node = add(&t, op, &x, 1);
        if (op == PARE_OP_ELU && i > 14)
            pare_node_set_float(t.g, node, "alpha", 0.7);
        if (op == PARE_OP_CLIP)
            pare_node_set_float(t.g, node, "max", 0.5);
        run(&t, node, (struct run_net){.is_positive = op == PARE_OP_SQRT || op == PARE_OP_LOG});
    }
}

static void where_takes_three_shapes(void **state)
{
    static const enum pare_dtype types[] = {PARE_F32, PARE_S64, PARE_U8};
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "where", i);
        struct pare_shape full = random_shape(&t, 0, 5);
        struct pare_shape c = i % 2 ? full : shrink(&t, &full), b = shrink(&t, &full);
        struct pare_value *inputs[3] = {input(&t, &c, PARE_BOOL)};
        inputs[1] = input(&t, &full, types[i % 3]);
        inputs[2] = input(&t, &b, types[i % 3]);
        run(&t, add(&t, PARE_OP_WHERE, inputs, 3), (struct run_net){0});
    }
}

static void casts_truncate_wrap_and_compare_with_zero(void **state)
{
    static const struct {
        enum pare_dtype dtype;
        int64_t number;
    } types[] = {{PARE_F32, 1}, {PARE_U8, 2},   {PARE_S8, 3},  {PARE_S32, 6},
                 {PARE_S64, 7}, {PARE_BOOL, 9}, {PARE_F64, 11}};
    (void)state;
    for (int i = 0; i < 49; i++) {
        struct test t;
        begin(&t, "cast", i);
        bool is_to_u8 = types[i / 7].dtype == PARE_U8; /* what is negative has no u8 */
        struct pare_shape shape = random_shape(&t, 0, 4);
        struct pare_value *x = input(&t, &shape, types[i % 7].dtype);
        struct pare_node *node = add(&t, PARE_OP_CAST, &x, 1);
        if (is_to_u8 && types[i % 7].dtype == PARE_F64) {
            pare_graph_free(t.g);
            continue;
        }
        pare_node_set_int(t.g, node, "to", types[i / 7].number);
        run(&t, node, (struct run_net){.limit = 1000, .is_positive = is_to_u8});
    }
}

/* ---- Movement ---- */

static enum pare_dtype any_type(int i)
{
    static const enum pare_dtype types[] = {PARE_F32, PARE_S64, PARE_S8, PARE_F32, PARE_BOOL};
    return types[i % 5];
}

static void transpositions_of_any_rank(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "transpose", i);
        struct pare_shape shape = random_shape(&t, 0, 6);
        struct pare_value *x = input(&t, &shape, any_type(i));
        struct pare_node *node = add(&t, PARE_OP_TRANSPOSE, &x, 1);
        int64_t perm[8];
        for (int d = 0; d < shape.n_dims; d++)
            perm[d] = d;
        for (int d = shape.n_dims - 1; d > 0; d--) {
            int k = (int)pick(&t, 0, d);
            int64_t other = perm[k];
            perm[k] = perm[d];
            perm[d] = other;
        }
        if (i % 6)
            set_ints(&t, node, "perm", perm, shape.n_dims);
        run(&t, node, (struct run_net){0});
    }
}

/* Starts and ends beyond the edges, negative ones, steps both ways, nothing left. */
static void slices_take_what_python_takes(void **state)
{
    (void)state;
    for (int i = 0; i < 6 * N_CASES; i++) {
        struct test t;
        begin(&t, "slice", i);
        struct pare_shape shape = random_shape(&t, 1, 5);
        struct pare_value *x = input(&t, &shape, any_type(i));
        struct pare_node *node = add(&t, PARE_OP_SLICE, &x, 1);
        int64_t starts[8], ends[8], axes[8], steps[8];
        int n = 0;
        for (int d = 0; d < shape.n_dims; d++) {
            if (pick(&t, 0, 2) == 0)
                continue;
            axes[n] = i % 2 ? d : d - shape.n_dims;
            steps[n] = pick(&t, 1, 3) * (pick(&t, 0, 1) ? 1 : -1);
            starts[n] = pick(&t, -7, 7);
            ends[n] = pick(&t, -7, 7);
            if (pick(&t, 0, 3) == 0) {
                starts[n] = steps[n] > 0 ? 0 : INT64_MAX;
                ends[n] = steps[n] > 0 ? INT64_MAX : INT64_MIN;
            }
            n++;
        }
        set_ints(&t, node, "starts", starts, n);
        set_ints(&t, node, "ends", ends, n);
        set_ints(&t, node, "axes", axes, n);
        if (i % 4)
            set_ints(&t, node, "steps", steps, n);
        run(&t, node, (struct run_net){0});
    }
}

static void pads_fill_repeat_reflect_wrap_and_crop(void **state)
{
    static const char *const modes[] = {"constant", "edge", "reflect", "wrap"};
    (void)state;
    for (int i = 0; i < 2 * N_CASES; i++) {
        struct test t;
        begin(&t, "pad", i);
        struct pare_shape shape = random_shape(&t, 1, 5);
        struct pare_value *x = input(&t, &shape, any_type(i / 4));
        struct pare_node *node = add(&t, PARE_OP_PAD, &x, 1);
        int64_t pads[16];
        for (int d = 0; d < shape.n_dims; d++) {
            pads[d] = pick(&t, -1, 6);
            pads[shape.n_dims + d] = pick(&t, shape.dims[d] + pads[d] > 0 ? -1 : 0, 6);
        }
        set_ints(&t, node, "pads", pads, 2 * shape.n_dims);
        pare_node_set_string(t.g, node, "mode", modes[i % 4]);
        if (x->dtype == PARE_F32 || x->dtype == PARE_S64)
            pare_node_set_float(t.g, node, "value", 3);
        run(&t, node, (struct run_net){0});
    }
}

static void concatenations_and_splits_along_any_axis(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "concat", i);
        struct pare_shape shape = random_shape(&t, 1, 5);
        int axis = (int)pick(&t, 0, shape.n_dims - 1), n = (int)pick(&t, 1, 4);
        struct pare_value *inputs[4];
        int64_t parts[4], sum = 0;
        for (int k = 0; k < n; k++) {
            sum += parts[k] = shape.dims[axis] = pick(&t, 0, 4);
            inputs[k] = k == 1 && any_type(i) == PARE_F32 && parts[k]
                            ? weight(&t, &shape)
                            : input(&t, &shape, any_type(i));
        }
        struct pare_node *node = add(&t, PARE_OP_CONCAT, inputs, n);
        pare_node_set_int(t.g, node, "axis", i % 2 ? axis : axis - shape.n_dims);
        run(&t, node, (struct run_net){0});

        begin(&t, "split", i);
        shape.dims[axis] = sum;
        inputs[0] = input(&t, &shape, any_type(i));
        node = add(&t, PARE_OP_SPLIT, inputs, 1);
        for (int k = 1; k < n; k++)
            pare_graph_add_output(t.g, node);
        pare_node_set_int(t.g, node, "axis", i % 2 ? axis : axis - shape.n_dims);
        set_ints(&t, node, "split", parts, n);
        run(&t, node, (struct run_net){0});
    }
}

static void gathers_by_given_and_by_computed_indices(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "gather", i);
        struct pare_shape shape = random_shape(&t, 1, 4), by = random_shape(&t, 0, 3);
        int axis = (int)pick(&t, 0, shape.n_dims - 1);
        struct pare_value *inputs[2] = {i % 3 ? input(&t, &shape, any_type(i))
                                              : weight(&t, &shape)};
        if (i % 2) {
            inputs[1] = input(&t, &by, i % 4 == 1 ? PARE_S64 : PARE_S32);
        } else {
            struct pare_tensor *data;
            struct pare_error err = {0};
            assert_ok(pare_tensor_new(&data, PARE_S64, &by, &err), &err);
            for (int64_t k = 0; k < pare_tensor_elems(data); k++)
                ((int64_t *)data->data)[k] = pick(&t, -shape.dims[axis], shape.dims[axis] - 1);
            inputs[1] = pare_graph_weight(t.g, NULL, data);
            input(&t, &shape, PARE_F32); /* a network has one */
        }
        struct pare_node *node = add(&t, PARE_OP_GATHER, inputs, 2);
        if (axis)
            pare_node_set_int(t.g, node, "axis", i % 5 ? axis : axis - shape.n_dims);
        run(&t, node, (struct run_net){.limit = shape.dims[axis]});
    }
}

static void shapes_change_and_elements_stay(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "reshape", i);
        struct pare_shape shape =
            pare_shape_of(4, (int64_t)2, (int64_t)1, pick(&t, 1, 4) * 3, (int64_t)4);
        struct pare_value *x = input(&t, &shape, any_type(i));
        static const int64_t reshaped[] = {0, 4, -1}, squeezed[] = {1}, unsqueezed[] = {-1, 0, 2};
        const int64_t expanded[] = {3, 1, 4, 1, 4};
        struct pare_node *node;
        switch (i % 5) {
        case 0:
            node = add(&t, PARE_OP_RESHAPE, &x, 1);
            set_ints(&t, node, "shape", reshaped, 3);
            break;
        case 1:
            node = add(&t, PARE_OP_SQUEEZE, &x, 1);
            if (i % 2)
                set_ints(&t, node, "axes", squeezed, 1);
            break;
        case 2:
            node = add(&t, PARE_OP_UNSQUEEZE, &x, 1);
            set_ints(&t, node, "axes", unsqueezed, 3);
            break;
        case 3:
            node = add(&t, PARE_OP_EXPAND, &x, 1);
            set_ints(&t, node, "shape", expanded, 5);
            x->shape.dims[0] = 4;
            x->shape.dims[3] = 1;
            break;
        default:
            node = add(&t, PARE_OP_FLATTEN, &x, 1);
            pare_node_set_int(t.g, node, "axis", pick(&t, -4, 4));
        }
        run(&t, node, (struct run_net){0});
    }
}

/* ---- Sums ---- */

static void reductions_over_any_axes(void **state)
{
    static const enum pare_op ops[] = {PARE_OP_REDUCE_MEAN, PARE_OP_REDUCE_SUM, PARE_OP_REDUCE_MAX};
    (void)state;
    for (int i = 0; i < 2 * N_CASES; i++) {
        struct test t;
        begin(&t, "reduce", i);
        struct pare_shape shape = random_shape(&t, 0, 5);
        struct pare_value *x = input(&t, &shape, PARE_F32);
        struct pare_node *node = add(&t, ops[i % 3], &x, 1);
        int64_t axes[8];
        int n = 0;
        for (int d = 0; d < shape.n_dims; d++)
            if (pick(&t, 0, 1))
                axes[n++] = i % 2 ? d : d - shape.n_dims;
        if (i % 7)
            set_ints(&t, node, "axes", axes, n);
        pare_node_set_int(t.g, node, "keepdims", i / 2 % 2);
        run(&t, node, (struct run_net){0});
    }
}

static void softmax_along_any_axis(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "softmax", i);
        struct pare_shape shape = random_shape(&t, 1, 5);
        struct pare_value *x = input(&t, &shape, PARE_F32);
        struct pare_node *node = add(&t, i % 2 ? PARE_OP_SOFTMAX : PARE_OP_LOG_SOFTMAX, &x, 1);
        pare_node_set_int(t.g, node, "axis", pick(&t, -shape.n_dims, shape.n_dims - 1));
        run(&t, node, (struct run_net){0});
    }
}

static void products_broadcast_their_leading_dimensions(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * N_CASES; i++) {
        struct test t;
        begin(&t, "matmul", i);
        struct pare_shape outer = random_shape(&t, 0, 3), a = shrink(&t, &outer), b = outer;
        int64_t k = pick(&t, 1, 9);
        a.dims[a.n_dims++] = pick(&t, 1, 8);
        a.dims[a.n_dims++] = k;
        b.dims[b.n_dims++] = k;
        b.dims[b.n_dims++] = pick(&t, 1, 8);
        if (i % 8 == 0)
            a = pare_shape_of(1, k);
        if (i % 8 == 1)
            b = pare_shape_of(1, k);
        if (i % 8 == 2)
            b = pare_shape_of(2, k, pick(&t, 1, 40));
        struct pare_value *inputs[2] = {input(&t, &a, PARE_F32)};
        inputs[1] = i % 3 ? input(&t, &b, PARE_F32) : weight(&t, &b);
        run(&t, add(&t, PARE_OP_MATMUL, inputs, 2), (struct run_net){.atol = 1e-5});
    }
}

static void layer_norms_give_their_statistics_too(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "layer norm", i);
        struct pare_shape shape = random_shape(&t, 1, 5), rest = {0};
        int axis = (int)pick(&t, 0, shape.n_dims - 1);
        for (int d = axis; d < shape.n_dims; d++)
            rest.dims[rest.n_dims++] = shape.dims[d];
        struct pare_value *inputs[3] = {input(&t, &shape, PARE_F32)};
        inputs[1] = i % 2 ? weight(&t, &rest) : input(&t, &rest, PARE_F32);
        inputs[2] = weight(&t, &rest);
        struct pare_node *node = add(&t, PARE_OP_LAYER_NORM, inputs, i % 3 ? 3 : 2);
        pare_node_set_int(t.g, node, "axis", i % 2 ? axis : axis - shape.n_dims);
        pare_node_set_float(t.g, node, "epsilon", i % 2 ? 1e-5 : 0.1);
        for (int k = 0; k < i % 3; k++)
            pare_graph_add_output(t.g, node);
        /* One element has no variance: its 1/std is 316 times its rounding. */
        run(&t, node, (struct run_net){.rtol = 1e-4, .atol = 1e-5});
    }
}

static void local_response_norms_look_at_neighbouring_channels(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct test t;
        begin(&t, "lrn", i);
        struct pare_shape shape = random_shape(&t, 2, 5);
        struct pare_value *x = input(&t, &shape, PARE_F32);
        struct pare_node *node = add(&t, PARE_OP_LRN, &x, 1);
        pare_node_set_int(t.g, node, "size", 1 + i % 6);
        if (i % 2) {
            pare_node_set_float(t.g, node, "alpha", 0.3);
            pare_node_set_float(t.g, node, "beta", 0.5);
            pare_node_set_float(t.g, node, "bias", 2);
        }
        run(&t, node, (struct run_net){0});
    }
}

/* ---- Windows ---- */

struct window {
    int n;
    int64_t kernel[3], strides[3], dilations[3], pads[6];
};

static struct window random_window(struct test *t, struct pare_shape *x, bool is_pool)
{
    struct window w = {.n = x->n_dims - 2};

    for (int d = 0; d < w.n; d++) {
        w.kernel[d] = pick(t, 1, 3);
        w.strides[d] = pick(t, 1, 3);
        w.dilations[d] = pick(t, 1, 2);
        int64_t span = w.dilations[d] * (w.kernel[d] - 1) + 1;
        w.pads[d] = pick(t, 0, is_pool ? span - 1 : 3);
        w.pads[w.n + d] = pick(t, 0, is_pool ? span - 1 : 3);
        x->dims[2 + d] = span + pick(t, 0, 5);
    }
    return w;
}

static void set_window(struct test *t, struct pare_node *node, const struct window *w)
{
    set_ints(t, node, "kernel_shape", w->kernel, w->n);
    set_ints(t, node, "strides", w->strides, w->n);
    set_ints(t, node, "dilations", w->dilations, w->n);
    set_ints(t, node, "pads", w->pads, 2 * w->n);
}

static struct pare_shape image_shape(struct test *t, int64_t C)
{
    int n = (int)pick(t, 1, 3);
    return pare_shape_of(2 + n, pick(t, 1, 2), C, (int64_t)1, (int64_t)1, (int64_t)1);
}

static void convolutions_of_one_to_three_dimensions(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * N_CASES; i++) {
        struct test t;
        begin(&t, i % 2 ? "conv" : "conv transpose", i);
        int64_t group = pick(&t, 1, 3), in = pick(&t, 1, 3), out = pick(&t, 1, 3);
        struct pare_shape x = image_shape(&t, group * in), kernel;
        struct window w = random_window(&t, &x, false);
        if (i % 2)
            kernel = pare_shape_of(2, group * out, in);
        else
            kernel = pare_shape_of(2, group * in, out);
        for (int d = 0; d < w.n; d++)
            kernel.dims[kernel.n_dims++] = w.kernel[d];
        struct pare_shape bias = pare_shape_of(1, group * out);
        struct pare_value *inputs[3] = {input(&t, &x, PARE_F32), weight(&t, &kernel),
                                        weight(&t, &bias)};
        struct pare_node *node =
            add(&t, i % 2 ? PARE_OP_CONV : PARE_OP_CONV_TRANSPOSE, inputs, i % 3 ? 3 : 2);
        if (i % 2 == 0) { /* something must be left, and more than one output per stride */
            int64_t more[3];
            for (int d = 0; d < w.n; d++) {
                int64_t room =
                    w.strides[d] * (x.dims[2 + d] - 1) + w.dilations[d] * (w.kernel[d] - 1);
                w.pads[d] = pick(&t, 0, room < 2 ? room : 2);
                w.pads[w.n + d] = pick(&t, 0, room - w.pads[d] < 2 ? room - w.pads[d] : 2);
                more[d] = pick(&t, 0,
                               (w.strides[d] > w.dilations[d] ? w.strides[d] : w.dilations[d]) - 1);
            }
            set_ints(&t, node, "output_padding", more, w.n);
        }
        set_window(&t, node, &w);
        pare_node_set_int(t.g, node, "group", group);
        run(&t, node, (struct run_net){.atol = 1e-5});
    }
}

static void pools_of_one_to_three_dimensions(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * N_CASES; i++) {
        struct test t;
        begin(&t, "pool", i);
        struct pare_shape x = image_shape(&t, pick(&t, 1, 3));
        struct window w = random_window(&t, &x, true);
        struct pare_value *value = input(&t, &x, PARE_F32);
        struct pare_node *node = add(&t, i % 2 ? PARE_OP_MAXPOOL : PARE_OP_AVGPOOL, &value, 1);
        if (i % 2 == 0) { /* with gaps, a window could lie wholly beside the input */
            for (int d = 0; d < w.n; d++)
                w.dilations[d] = w.pads[d] || w.pads[w.n + d] ? 1 : w.dilations[d];
            for (int d = 0; d < w.n; d++)
                for (int e = 0; e < 2; e++)
                    if (w.pads[e * w.n + d] >= w.kernel[d])
                        w.pads[e * w.n + d] = w.kernel[d] - 1;
            pare_node_set_int(t.g, node, "count_include_pad", i / 2 % 2);
        }
        if (i % 8 == 1)
            pare_graph_add_output(t.g, node); /* where the maxima stand */
        pare_node_set_int(t.g, node, "ceil_mode", i / 4 % 2);
        set_window(&t, node, &w);
        run(&t, node, (struct run_net){0});
    }
}

static void global_pools_norms_and_products_of_any_batch(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct test t;
        begin(&t, "core", i);
        int64_t C = pick(&t, 1, 4);
        struct pare_shape x = image_shape(&t, C), line = pare_shape_of(1, C), pair;
        struct pare_value *inputs[5];
        struct pare_node *node;
        x.dims[0] = pick(&t, 1, 3);
        for (int d = 2; d < x.n_dims; d++)
            x.dims[d] = pick(&t, 1, 4);
        if (i % 4 == 3)
            x = pare_shape_of(2, pick(&t, 1, 3), C);
        inputs[0] = input(&t, &x, PARE_F32);
        if (i % 4 == 0 || i % 4 == 1) {
            node = add(&t, i % 4 ? PARE_OP_GLOBAL_MAXPOOL : PARE_OP_GLOBAL_AVGPOOL, inputs, 1);
        } else if (i % 4 == 2) {
            for (int k = 1; k < 4; k++)
                inputs[k] = weight(&t, &line);
            inputs[4] = net_positive(t.g, "var", C);
            node = add(&t, PARE_OP_BATCHNORM, inputs, 5);
        } else {
            pair = pare_shape_of(2, (int64_t)6, C);
            inputs[1] = weight(&t, &pair);
            node = add(&t, PARE_OP_GEMM, inputs, 2);
            pare_node_set_int(t.g, node, "transB", 1);
        }
        run(&t, node, (struct run_net){.atol = 1e-5});
    }
}

/* ---- Resize, quantization ---- */

static void resizing_follows_every_mode(void **state)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const coordinates[] = {
        "half_pixel",         "pytorch_half_pixel",   "align_corners",       "asymmetric",
        "tf_crop_and_resize", "half_pixel_symmetric", "tf_half_pixel_for_nn"};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil"};
    (void)state;
    for (int i = 0; i < 168; i++) {
        struct test t;
        begin(&t, "resize", i);
        struct pare_shape shape = random_shape(&t, 1, 4);
        struct pare_value *x = input(&t, &shape, PARE_F32);
        struct pare_node *node = add(&t, PARE_OP_RESIZE, &x, 1);
        double scales[8], roi[16];
        int64_t sizes[8];
        for (int d = 0; d < shape.n_dims; d++) {
            /* Quarters and thirds: ties of "nearest", and none. */
            static const double choices[] = {1, 2, 0.5, 1.5, 3, 0.75, 4.0 / 3};
            scales[d] = choices[pick(&t, 0, 6)];
            if (shape.dims[d] * scales[d] < 1)
                scales[d] = 1;
            sizes[d] = pick(&t, 1, 9);
            roi[d] = 0.25 * (double)pick(&t, -1, 2);
            roi[shape.n_dims + d] = 0.25 * (double)pick(&t, 3, 5);
        }
        if (i % 2)
            pare_node_set_floats(t.g, node, "scales", scales, shape.n_dims);
        else
            set_ints(&t, node, "sizes", sizes, shape.n_dims);
        pare_node_set_floats(t.g, node, "roi", roi, 2 * shape.n_dims);
        pare_node_set_string(t.g, node, "mode", modes[i % 3]);
        pare_node_set_string(t.g, node, "coordinate_transformation_mode", coordinates[i % 7]);
        pare_node_set_string(t.g, node, "nearest_mode", nearest[i % 4]);
        pare_node_set_float(t.g, node, "extrapolation_value", 2.5);
        if (i % 3 == 2) {
            pare_node_set_int(t.g, node, "exclude_outside", i / 3 % 2);
            pare_node_set_float(t.g, node, "cubic_coeff_a", i / 6 % 2 ? -0.5 : -0.75);
        }
        run(&t, node, (struct run_net){0});
    }
}

static void quantizing_and_back_per_tensor_and_per_axis(void **state)
{
    static const enum pare_dtype types[] = {PARE_U8, PARE_S8, PARE_S32};
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct test t;
        begin(&t, "quantize", i);
        bool is_back = i % 2;
        enum pare_dtype dtype = types[i / 2 % (is_back ? 3 : 2)];
        struct pare_shape shape = random_shape(&t, 1, 5), line = {0};
        struct pare_error err = {0};
        struct pare_tensor *zero;
        int axis = (int)pick(&t, 0, shape.n_dims - 1);
        struct pare_value *inputs[3] = {input(&t, &shape, is_back ? dtype : PARE_F32)};
        if (i % 3)
            line = pare_shape_of(1, shape.dims[axis]);
        inputs[1] = weight(&t, &line);
        for (int64_t k = 0; k < pare_tensor_elems(inputs[1]->data); k++)
            pare_tensor_f32(inputs[1]->data)[k] = (float)pick(&t, 1, 9) / 128;
        assert_ok(pare_tensor_new(&zero, dtype, &line, &err), &err);
        for (int64_t k = 0; k < pare_tensor_elems(zero) && dtype != PARE_S32; k++)
            ((uint8_t *)zero->data)[k] = (uint8_t)pick(&t, 0, 255);
        inputs[2] = pare_graph_weight(t.g, NULL, zero);
        struct pare_node *node =
            add(&t, is_back ? PARE_OP_DEQUANTIZE_LINEAR : PARE_OP_QUANTIZE_LINEAR, inputs,
                i % 5 || dtype == PARE_S8 ? 3 : 2);
        if (i % 3)
            pare_node_set_int(t.g, node, "axis", i % 4 ? axis : axis - shape.n_dims);
        run(&t, node, (struct run_net){0});
    }
}

static void views_of_constants_are_copied(void **state)
{
    struct test t;
    struct pare_shape shape = pare_shape_of(2, (int64_t)2, (int64_t)3);
    static const int64_t flat[] = {6};

    (void)state;
    begin(&t, "constant", 0);
    struct pare_value *w = weight(&t, &shape);
    struct pare_node *node = add(&t, PARE_OP_RESHAPE, &w, 1);
    input(&t, &shape, PARE_F32);
    set_ints(&t, node, "shape", flat, 1);
    run(&t, node, (struct run_net){0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_operators_broadcast_both_ways),
        cmocka_unit_test(other_types_wrap_and_divide_towards_zero),
        cmocka_unit_test(unary_operators_follow_their_formulas),
        cmocka_unit_test(where_takes_three_shapes),
        cmocka_unit_test(casts_truncate_wrap_and_compare_with_zero),
        cmocka_unit_test(transpositions_of_any_rank),
        cmocka_unit_test(slices_take_what_python_takes),
        cmocka_unit_test(pads_fill_repeat_reflect_wrap_and_crop),
        cmocka_unit_test(concatenations_and_splits_along_any_axis),
        cmocka_unit_test(gathers_by_given_and_by_computed_indices),
        cmocka_unit_test(shapes_change_and_elements_stay),
        cmocka_unit_test(reductions_over_any_axes),
        cmocka_unit_test(softmax_along_any_axis),
        cmocka_unit_test(products_broadcast_their_leading_dimensions),
        cmocka_unit_test(layer_norms_give_their_statistics_too),
        cmocka_unit_test(local_response_norms_look_at_neighbouring_channels),
        cmocka_unit_test(convolutions_of_one_to_three_dimensions),
        cmocka_unit_test(pools_of_one_to_three_dimensions),
        cmocka_unit_test(global_pools_norms_and_products_of_any_batch),
        cmocka_unit_test(resizing_follows_every_mode),
        cmocka_unit_test(quantizing_and_back_per_tensor_and_per_axis),
        cmocka_unit_test(views_of_constants_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
