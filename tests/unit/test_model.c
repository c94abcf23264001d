#include "../../harness/io/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>

#include <pare/quantize.h>
#include <pare/rng.h>
#include <pare/zoo.h>

#include "../../harness/base/arena.h"
#include "../../harness/base/file.h"
#include "../../harness/io/safetensors.h"
#include "../support/check.h"
#include "../support/nets.h"

/* ---- Networks in every coding ---- */

/* Puts a weight on a grid of its own making: codes lowest .. highest less `margin`, zero point as
 * given (INT32_MIN: symmetric); a fraction of its elements becomes zero. */
static void code(struct pare_graph *g, const char *name, int bits, int axis, int32_t zero,
                 double sparsity)
{
    struct pare_value *value = pare_graph_find_value(g, name);
    struct pare_coding *coding = &value->coding;
    int64_t n = pare_tensor_elems(value->data);
    float *w = pare_tensor_f32(value->data);
    bool is_symmetric = zero == INT32_MIN;
    int half = 1 << (bits - 1);
    int low = is_symmetric ? 1 - half : zero < 0 ? -half - zero : -zero, high;
    struct pare_rng rng;

    high = is_symmetric ? half - 1 : low + 2 * half - 1;
    pare_rng_init(&rng, 9, (uint64_t)bits);
    coding->bits = bits;
    coding->axis = axis;
    coding->is_symmetric = is_symmetric;
    coding->is_sparse = sparsity > 0;
    coding->n_scales = axis ? 1 : value->shape.dims[0];
    coding->scales = PARE_ARENA_NEW(g->arena, float, coding->n_scales);
    if (!is_symmetric)
        coding->zeros = PARE_ARENA_NEW(g->arena, int32_t, coding->n_scales);
    for (int64_t i = 0; i < coding->n_scales; i++) {
        coding->scales[i] = (float)(0.01 + pare_rng_uniform(&rng));
        if (!is_symmetric)
            coding->zeros[i] = zero;
    }
    for (int64_t i = 0; i < n; i++) {
        float scale = coding->scales[i / (n / coding->n_scales)];
        double steps = rint(pare_rng_normal(&rng) * half / 3);

        steps = steps < low ? low : steps > high ? high : steps;
        if (pare_rng_uniform(&rng) < sparsity)
            steps = 0;
        w[i] = (float)(int)steps * scale; /* (float)(code - zero) * scale */
    }
    w[0] = (float)low * coding->scales[0]; /* the whole range is used */
    w[1] = (float)high * coding->scales[0];
}

static struct pare_graph *two_layers(const char *name)
{
    struct pare_shape shape =
        pare_shape_of(4, (int64_t)PARE_DIM_BATCH, (int64_t)1, (int64_t)6, (int64_t)6);
    struct pare_graph *g = pare_graph_new(name);
    struct pare_value *x = pare_graph_input(g, "input", &shape);

    x = net_conv(g, x, "conv1", 1, 3, 3, 1, 0, 1);
    x = net_op(g, x, PARE_OP_RELU, "conv1.relu");
    x = net_op(g, x, PARE_OP_FLATTEN, "flatten");
    net_finish(g, net_gemm(g, x, "fc1", 48, 12));
    pare_graph_set_meta(g, "zoo", name);
    pare_graph_set_meta(g, "output", "logits");
    return g;
}

static struct pare_graph *plain(void)
{
    return two_layers("plain");
}

static struct pare_graph *int8_rows(void)
{
    struct pare_graph *g = two_layers("int8");

    code(g, "conv1.weight", 8, 0, INT32_MIN, 0);
    code(g, "fc1.weight", 8, 0, INT32_MIN, 0);
    return g;
}

static struct pare_graph *int4_unsigned_sparse(void)
{
    struct pare_graph *g = two_layers("int4");

    code(g, "conv1.weight", 4, -1, 7, 0);
    code(g, "fc1.weight", 4, 0, 5, 0.8);
    return g;
}

static struct pare_graph *int3_signed(void)
{
    struct pare_graph *g = two_layers("int3");

    code(g, "conv1.weight", 3, 0, -1, 0);
    code(g, "fc1.weight", 7, -1, -3, 0.5);
    return g;
}

static struct pare_graph *int2(void)
{
    struct pare_graph *g = two_layers("int2");

    code(g, "conv1.weight", 2, 0, INT32_MIN, 0);
    code(g, "fc1.weight", 2, -1, INT32_MIN, 0.6);
    return g;
}

static struct pare_graph *f32_sparse(void)
{
    struct pare_graph *g = two_layers("sparse");
    struct pare_value *w = pare_graph_find_value(g, "fc1.weight");

    for (int64_t i = 0; i < pare_tensor_elems(w->data); i++) {
        if (i % 10)
            pare_tensor_f32(w->data)[i] = 0;
    }
    pare_tensor_f32(w->data)[1] = -0.0f; /* a zero with a sign is kept too */
    w->coding.is_sparse = true;
    w = pare_graph_find_value(g, "conv1.weight"); /* all gone */
    memset(w->data->data, 0, w->data->n_bytes);
    w->coding.is_sparse = true;
    return g;
}

static struct pare_graph *quantized(void)
{
    struct pare_graph *g = int8_rows();

    g->inputs[0]->quant = (struct pare_quant){8, false, 1 / 255.0f, 0};
    pare_graph_find_value(g, "conv1.relu")->quant = (struct pare_quant){8, true, 0.1f, -128};
    g->outputs[0]->quant = (struct pare_quant){4, true, 1e-7f, 7};
    return g;
}

/* Every operator and kind of attribute, absent inputs, an output with a name of its own. */
static struct pare_graph *every_operator(void)
{
    static const int64_t kernel[2] = {2, 3}, pads[4] = {1, 0, 0, 2}, strides[2] = {1, 2};
    static const enum pare_op ops[] = {PARE_OP_RELU,       PARE_OP_CLIP, PARE_OP_LEAKY_RELU,
                                       PARE_OP_SIGMOID,    PARE_OP_TANH, PARE_OP_HARD_SIGMOID,
                                       PARE_OP_HARD_SWISH, PARE_OP_GELU, PARE_OP_IDENTITY};
    struct pare_shape shape =
        pare_shape_of(4, (int64_t)PARE_DIM_BATCH, (int64_t)2, (int64_t)9, (int64_t)8);
    struct pare_graph *g = pare_graph_new("every operator \"quoted\"");
    struct pare_value *x = pare_graph_input(g, "in\xc3\xa9", &shape), *y;
    struct pare_node *node;
    struct pare_error err = {0};

    y = net_conv(g, x, "dw", 2, 2, 3, 1, 1, 2);
    y->producer->inputs[2] = NULL; /* no bias */
    y = net_batchnorm(g, y, "bn", 2);
    pare_node_set_float(g, y->producer, "epsilon", 1e-3);
    pare_node_set_float(g, y->producer, "momentum", 0.9); /* the default is not written */
    y = net_add(g, y, x, "add");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        y = net_op(g, y, ops[i], NULL);
    node = pare_graph_find_node(g, "clip");
    pare_node_set_float(g, node, "min", 0);
    pare_node_set_float(g, node, "max", 6);
    pare_node_set_string(g, node, "note.text", "a\nb");
    node->outputs[0]->name = "clipped";
    node = pare_graph_node(g, PARE_OP_MAXPOOL, "max", &y, 1);
    pare_node_set_ints(g, node, "kernel_shape", kernel, 2);
    pare_node_set_ints(g, node, "strides", strides, 2);
    node = pare_graph_node(g, PARE_OP_AVGPOOL, "avg", node->outputs, 1);
    pare_node_set_ints(g, node, "kernel_shape", kernel, 2);
    pare_node_set_ints(g, node, "pads", pads, 4);
    pare_node_set_int(g, node, "count_include_pad", 1);
    y = net_op(g, node->outputs[0], PARE_OP_GLOBAL_AVGPOOL, "gap");
    y = net_op(g, y, PARE_OP_FLATTEN, "flat");
    y = net_gemm(g, y, "fc", 2, 3);
    pare_graph_output(g, net_op(g, y, PARE_OP_SOFTMAX, "softmax"));
    pare_graph_output(g, y);
    assert_ok(pare_graph_finish(g, &err), &err);
    return g;
}

static struct pare_value *constant(struct pare_graph *g, const char *name, enum pare_dtype dtype,
                                   int64_t n, const void *content)
{
    struct pare_shape shape = pare_shape_of(n > 1 ? 1 : 0, n);
    struct pare_tensor *data;
    struct pare_error err = {0};

    assert_ok(pare_tensor_new(&data, dtype, &shape, &err), &err);
    memcpy(data->data, content, data->n_bytes);
    return pare_graph_weight(g, name, data);
}

/* Lists of reals, several outputs, constants that are no numbers. */
static struct pare_graph *imported(void)
{
    static const int64_t parts[3] = {2, 1, 3}, indices[2] = {-1, 0};
    static const uint8_t chooses[2] = {1, 0};
    static const int8_t zeros[2] = {-3, 127};
    static const double scales[4] = {1, 1, 2, 1.5};
    static const float line[2] = {0.25f, 0.5f};
    struct pare_shape shape =
        pare_shape_of(4, (int64_t)PARE_DIM_BATCH, (int64_t)6, (int64_t)3, (int64_t)2);
    struct pare_graph *g = pare_graph_new("imported");
    struct pare_value *x = pare_graph_input(g, "x", &shape), *inputs[3];
    struct pare_node *split = pare_graph_node(g, PARE_OP_SPLIT, "split", &x, 1), *node;
    struct pare_error err = {0};

    pare_graph_add_output(g, split);
    pare_graph_add_output(g, split)->name = "third part";
    pare_node_set_int(g, split, "axis", 1);
    pare_node_set_ints(g, split, "split", parts, 3);
    node = pare_graph_node(g, PARE_OP_RESIZE, "resize", &split->outputs[2], 1);
    pare_node_set_floats(g, node, "scales", scales, 4);
    inputs[0] = node->outputs[0]; /* [N, 3, 6, 3] */
    inputs[1] = constant(g, "indices", PARE_S64, 2, indices);
    node = pare_graph_node(g, PARE_OP_GATHER, "gather", inputs, 2);
    pare_node_set_int(g, node, "axis", 3);
    inputs[1] = node->outputs[0];
    inputs[0] = constant(g, "chooses", PARE_BOOL, 2, chooses);
    inputs[2] = constant(g, "zero", PARE_F32, 1, line);
    inputs[0] = pare_graph_node(g, PARE_OP_WHERE, "where", inputs, 3)->outputs[0];
    inputs[1] = constant(g, "line", PARE_F32, 2, line);
    inputs[2] = constant(g, "zeros", PARE_S8, 2, zeros);
    node = pare_graph_node(g, PARE_OP_QUANTIZE_LINEAR, "quantize", inputs, 3);
    pare_node_set_int(g, node, "axis", 3);
    inputs[0] = node->outputs[0];
    node = pare_graph_node(g, PARE_OP_DEQUANTIZE_LINEAR, "dequantize", inputs, 3);
    pare_node_set_int(g, node, "axis", 3);
    pare_graph_output(g, node->outputs[0]);
    pare_graph_output(g, split->outputs[0]);
    assert_ok(pare_graph_finish(g, &err), &err);
    return g;
}

static const struct {
    const char *name;
    struct pare_graph *(*build)(void);
} cases[] = {
    {"plain", plain},
    {"int8", int8_rows},
    {"int4", int4_unsigned_sparse},
    {"int3", int3_signed},
    {"int2", int2},
    {"sparse", f32_sparse},
    {"quantized", quantized},
    {"every_operator", every_operator},
    {"imported", imported},
};
enum { N_CASES = sizeof cases / sizeof *cases };

struct bytes {
    unsigned char *data;
    size_t n;
};

static struct bytes write_model(const struct pare_graph *g)
{
    struct bytes bytes = {0};
    struct pare_error err = {0};

    assert_ok(pare_model_write(g, &bytes.data, &bytes.n, &err), &err);
    return bytes;
}

static struct pare_graph *parse(struct bytes bytes)
{
    struct pare_graph *g = NULL;
    struct pare_error err = {0};

    assert_ok(pare_model_parse(&g, bytes.data, bytes.n, &err), &err);
    return g;
}

/* ---- What is saved is what is loaded ---- */

static void check_coding(const struct pare_coding *a, const struct pare_coding *b)
{
    assert_int_equal(a->bits, b->bits);
    assert_int_equal(a->is_sparse, b->is_sparse);
    assert_int_equal(a->n_scales, b->n_scales);
    if (a->bits == 32)
        return;
    assert_int_equal(a->is_symmetric, b->is_symmetric);
    assert_int_equal(a->axis, b->axis);
    assert_memory_equal(a->scales, b->scales, (size_t)a->n_scales * sizeof *a->scales);
    assert_int_equal(a->zeros == NULL, b->zeros == NULL);
    if (a->zeros)
        assert_memory_equal(a->zeros, b->zeros, (size_t)a->n_scales * sizeof *a->zeros);
}

static void check_same_graph(const struct pare_graph *a, const struct pare_graph *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->n_nodes, b->n_nodes);
    assert_int_equal(a->n_values, b->n_values);
    assert_int_equal(a->n_outputs, b->n_outputs);
    for (int i = 0; i < a->n_values; i++) {
        const struct pare_value *x = a->values[i], *y = pare_graph_find_value(b, x->name);

        assert_non_null(y);
        assert_true(pare_shape_equal(&x->shape, &y->shape));
        assert_int_equal(x->data == NULL, y->data == NULL);
        if (x->data) {
            check_coding(&x->coding, &y->coding);
            assert_memory_equal(x->data->data, y->data->data, x->data->n_bytes);
            continue;
        }
        assert_int_equal(x->quant.bits, y->quant.bits);
        assert_int_equal(x->quant.is_signed, y->quant.is_signed);
        assert_int_equal(x->quant.zero, y->quant.zero);
        assert_true(x->quant.scale == y->quant.scale);
    }
    for (int i = 0; i < a->n_nodes; i++) {
        const struct pare_node *x = a->nodes[i], *y = b->nodes[i];

        assert_string_equal(x->name, y->name);
        assert_int_equal(x->op, y->op);
        assert_int_equal(x->n_inputs, y->n_inputs);
        for (int k = 0; k < x->n_inputs; k++) {
            assert_int_equal(x->inputs[k] == NULL, y->inputs[k] == NULL);
            if (x->inputs[k])
                assert_string_equal(x->inputs[k]->name, y->inputs[k]->name);
        }
        assert_string_equal(x->outputs[0]->name, y->outputs[0]->name);
        assert_int_equal(pare_node_macs(x), pare_node_macs(y));
    }
    for (int i = 0; i < a->n_outputs; i++)
        assert_string_equal(a->outputs[i]->name, b->outputs[i]->name);
    assert_string_equal(pare_graph_meta(a, "zoo", "-"), pare_graph_meta(b, "zoo", "-"));
    assert_string_equal(pare_graph_meta(a, "output", "-"), pare_graph_meta(b, "output", "-"));
}

static void loading_gives_back_what_was_saved(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct pare_graph *g = cases[i].build(), *loaded;
        struct bytes first = write_model(g), second;
        float *in = net_random(5, 2 * net_n_in(g)), *before, *after;

        loaded = parse(first);
        check_same_graph(g, loaded);
        before = net_output(g, in, 2); /* attributes that matter are there, defaults are defaults */
        after = net_output(loaded, in, 2);
        assert_memory_equal(before, after, (size_t)(2 * net_n_out(g)) * sizeof *before);
        second = write_model(loaded);
        assert_int_equal(first.n, second.n);
        assert_memory_equal(first.data, second.data, first.n);
        free(in);
        free(before);
        free(after);
        free(first.data);
        free(second.data);
        pare_graph_free(g);
        pare_graph_free(loaded);
    }
}

/* Fixed batches, other types, no dimensions. */
static void inputs_of_any_shape_and_type_come_back(void **state)
{
    static const enum pare_dtype types[] = {PARE_F32, PARE_S64, PARE_BOOL, PARE_U8, PARE_F32};
    struct pare_shape shapes[] = {pare_shape_of(2, (int64_t)3, (int64_t)4),
                                  pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)4),
                                  pare_shape_of(0), pare_shape_of(2, (int64_t)0, (int64_t)5),
                                  pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)4)};
    struct pare_graph *g = pare_graph_new("inputs"), *loaded;
    struct pare_error err = {0};
    struct bytes first, second;

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct pare_value *x = pare_graph_input(g, NULL, &shapes[i]);

        x->dtype = types[i];
        pare_graph_output(g, net_op(g, x, PARE_OP_IDENTITY, NULL));
    }
    assert_ok(pare_graph_finish(g, &err), &err);
    first = write_model(g);
    loaded = parse(first);
    check_same_graph(g, loaded);
    for (int i = 0; i < 5; i++)
        assert_int_equal(loaded->inputs[i]->dtype, types[i]);
    second = write_model(loaded);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.data, second.data, first.n);
    free(first.data);
    free(second.data);
    pare_graph_free(g);
    pare_graph_free(loaded);
}

/* The quantizer's own grids, to the bit. */
static void quantized_weights_come_back_to_the_bit(void **state)
{
    (void)state;
    for (int bits = 2; bits <= 8; bits++) {
        for (int axis = -1; axis <= 0; axis++) {
            struct pare_graph *g = NULL, *loaded;
            struct pare_error err = {0};
            struct bytes bytes;

            assert_ok(pare_zoo_build(&g, "lenet5-half", NULL, 0, (uint64_t)bits, &err), &err);
            pare_each_weight(w, g) {
                if (w->shape.n_dims > 1)
                    assert_ok(pare_quantize_weight(g, w, bits, axis, false, &err), &err);
            }
            bytes = write_model(g);
            loaded = parse(bytes);
            check_same_graph(g, loaded);
            free(bytes.data);
            pare_graph_free(g);
            pare_graph_free(loaded);
        }
    }
}

static void files_hold_the_bytes_that_are_reported(void **state)
{
    char *dir = check_make_dir(), *path = pare_path_join(dir, "net.safetensors");

    (void)state;
    for (int i = 0; i < pare_zoo_n(); i++) {
        struct pare_graph *g, *loaded;
        struct pare_error err = {0};
        struct pare_file file = {0};
        int64_t n_bytes = 0, n_weights = 0;

        assert_ok(pare_zoo_build(&g, pare_zoo_get(i)->name, NULL, 0, 1, &err), &err);
        assert_ok(pare_model_save(g, path, &n_bytes, &err), &err);
        assert_ok(pare_file_map(&file, path, &err), &err);
        assert_int_equal(file.n_bytes, n_bytes);
        pare_file_unmap(&file);
        assert_ok(pare_model_load(&loaded, path, &err), &err);
        check_same_graph(g, loaded);
        pare_each_weight(w, g)
            n_weights += (int64_t)w->data->n_bytes;
        /* The graph and the names cost less than 110 bytes a node and weight. */
        assert_true(n_bytes < n_weights + 110 * (g->n_nodes + g->n_values));
        pare_graph_free(g);
        pare_graph_free(loaded);
    }
    free(path);
    check_remove_dir(dir);
}

static void plain_weights_are_open_to_any_reader(void **state)
{
    struct pare_graph *g = plain();
    struct bytes bytes = write_model(g);
    const struct pare_value *w = pare_graph_find_value(g, "fc1.weight");
    const struct pare_safetensors_entry *entry;
    struct pare_safetensors *file = NULL;
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_safetensors_parse(&file, bytes.data, bytes.n, &err), &err);
    assert_int_equal(pare_safetensors_n(file), 4);
    entry = pare_safetensors_find(file, "fc1.weight");
    assert_int_equal(entry->dtype, PARE_F32);
    assert_true(pare_shape_equal(&entry->shape, &w->shape));
    assert_memory_equal(entry->data, w->data->data, entry->n_bytes);
    assert_int_equal((size_t)(entry->data - bytes.data) % 4, 0);
    pare_safetensors_close(file);
    free(bytes.data);
    pare_graph_free(g);
}

/* Stored bytes of a weight. */
static size_t stored(const struct pare_graph *g, const char *name)
{
    struct bytes bytes = write_model(g);
    struct pare_safetensors *file = NULL;
    struct pare_error err = {0};
    size_t n;

    assert_ok(pare_safetensors_parse(&file, bytes.data, bytes.n, &err), &err);
    n = pare_safetensors_find(file, name)->n_bytes;
    pare_safetensors_close(file);
    free(bytes.data);
    return n;
}

static void weights_take_the_bytes_of_their_coding(void **state)
{
    struct pare_graph *g;
    struct pare_error err = {0};
    struct pare_value *w;

    (void)state;
    assert_ok(pare_zoo_build(&g, "lenet-300-100", NULL, 0, 1, &err), &err);
    assert_int_equal(stored(g, "fc1.weight"), 4 * 235200);
    for (int bits = 2; bits <= 8; bits++) {
        code(g, "fc1.weight", bits, 0, INT32_MIN, 0);
        /* Packed densely, a scale a row; never more. */
        assert_true(stored(g, "fc1.weight") <= (size_t)(235200 * bits / 8 + 4 * 300));
    }
    /* 95 % zero: a bitmap of entropy 0.286 bits an element and a twentieth of the codes, 4 bits. */
    code(g, "fc1.weight", 4, 0, INT32_MIN, 0.95);
    assert_true(stored(g, "fc1.weight") < 235200 / 8 * 0.60 + 4 * 300);
    code(g, "fc1.weight", 8, -1, INT32_MIN, 0);
    w = pare_graph_find_value(g, "fc1.weight");
    memset(w->data->data, 0, w->data->n_bytes);
    assert_true(stored(g, "fc1.weight") < 1000); /* deflated */
    w->coding = (struct pare_coding){.bits = 32, .axis = -1};
    assert_true(stored(g, "fc1.weight") < 5000); /* zeros without a coding deflate too */
    pare_graph_free(g);
}

/* ---- What cannot be saved ---- */

static void check_refused(struct pare_graph *g, const char *message)
{
    struct bytes bytes = {0};
    struct pare_error err = {0};
    pare_status st = pare_model_write(g, &bytes.data, &bytes.n, &err);

    if (st != PARE_EINVAL)
        fail_msg("status %s, not a word of \"%s\"", pare_status_name(st), message);
    if (!strstr(err.text, message))
        fail_msg("\"%s\" does not say \"%s\"", err.text, message);
    pare_graph_free(g);
}

static void masters_beside_their_grid_are_refused(void **state)
{
    struct pare_graph *g = int8_rows();
    struct pare_value *w = pare_graph_find_value(g, "fc1.weight");

    (void)state;
    pare_tensor_f32(w->data)[50] += w->coding.scales[1] * 0.01f; /* a hundredth of a step */
    check_refused(g, "weight 'fc1.weight': element 50");
    g = int8_rows();
    w = pare_graph_find_value(g, "fc1.weight");
    pare_tensor_f32(w->data)[50] = 128 * w->coding.scales[1];
    check_refused(g, "do not fit into 8 bits, symmetric");
    g = int8_rows();
    pare_tensor_f32(pare_graph_find_value(g, "fc1.weight")->data)[7] = NAN;
    check_refused(g, "element 7");
    g = int8_rows();
    pare_tensor_f32(pare_graph_find_value(g, "fc1.weight")->data)[7] = INFINITY;
    check_refused(g, "element 7");
    g = int3_signed();
    pare_graph_find_value(g, "conv1.weight")->coding.zeros[0] = 6;
    check_refused(g, "do not fit into 3 bits, asymmetric");
}

static void codings_that_contradict_themselves_are_refused(void **state)
{
    struct pare_graph *g = int8_rows();

    (void)state;
    pare_graph_find_value(g, "fc1.weight")->coding.bits = 9;
    check_refused(g, "coded in 9 bits");
    g = int8_rows();
    pare_graph_find_value(g, "fc1.weight")->coding.n_scales = 3;
    check_refused(g, "3 scales, needs 12");
    g = int8_rows();
    pare_graph_find_value(g, "fc1.weight")->coding.axis = 1;
    check_refused(g, "axis 1");
    g = int8_rows();
    pare_graph_find_value(g, "fc1.weight")->coding.scales[2] = 0;
    check_refused(g, "scale 2 is 0");
    g = int8_rows();
    pare_graph_find_value(g, "fc1.weight")->coding.scales[2] = NAN;
    check_refused(g, "scale 2");
    g = int8_rows();
    pare_graph_find_value(g, "fc1.weight")->coding.is_symmetric = false;
    check_refused(g, "zero points");
    g = int4_unsigned_sparse();
    pare_graph_find_value(g, "fc1.weight")->coding.zeros[0] = INT32_MAX;
    check_refused(g, "zero point 0");
    g = quantized();
    g->inputs[0]->quant.scale = -1;
    check_refused(g, "value 'input'");
    g = quantized();
    g->inputs[0]->quant.zero = 256;
    check_refused(g, "value 'input'");
    g = plain();
    g->nodes[1]->name = "a\nb";
    check_refused(g, "control characters");
    g = plain();
    g->nodes[1]->name = "flatten";
    check_refused(g, "two nodes are named 'flatten'");
    g = plain();
    g->n_outputs = 0;
    check_refused(g, "needs an input and an output");
}

/* ---- What cannot be loaded ---- */

/* Replaces the first occurrence of `from` in the graph's text and corrects the header's length. */
static struct bytes edit(struct bytes bytes, const char *from, const char *to)
{
    uint64_t n_header, n_from = strlen(from), n_to = strlen(to);
    unsigned char *at = memmem(bytes.data, bytes.n, from, n_from);
    struct bytes out;

    if (!at)
        fail_msg("the file has no %s", from);
    out.n = bytes.n + n_to - n_from;
    out.data = malloc(out.n);
    memcpy(out.data, bytes.data, (size_t)(at - bytes.data));
    memcpy(out.data + (at - bytes.data), to, n_to);
    memcpy(out.data + (at - bytes.data) + n_to, at + n_from,
           bytes.n - (size_t)(at - bytes.data) - n_from);
    memcpy(&n_header, out.data, 8);
    n_header += n_to - n_from;
    memcpy(out.data, &n_header, 8);
    return out;
}

static void hostile_graphs_are_refused_with_the_reason(void **state)
{
    /* The file is that of plain(): values 0 input, 1-4 weights, 5-8 outputs of the nodes. */
    static const char *const rows[][3] = {
        {"pare.version\":\"1", "pare.version\":\"2", "version '2'"},
        {"pare.graph", "pare.grape", "no pare.graph"},
        {"{\\\"name", "{{\\\"name", "pare.graph: JSON"},
        {"\\\"name\\\":\\\"plain\\\"", "\\\"name\\\":7", "the graph has no name"},
        {"\\\"name\\\":\\\"plain\\\"", "\\\"name\\\":\\\"\\\"", "the graph has no name"},
        {"\\\"meta\\\":{", "\\\"meta\\\":{\\\"x\\\":1,", "\"meta\" has an entry"},
        {"\\\"in\\\":[[", "\\\"on\\\":[[", "\"in\" is not a list"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",1,0,6]", "not a positive number"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",1,-6,6]", "not a positive number"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",1,6.5,6]", "not a positive number"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",1,99999999999,6]", "not a positive number"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",1,2147483647,2147483647]", "too large"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",1,1,1,1,1,1,1,1,6]", "more than 8"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\"]", "dimension more"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",\\\"F32\\\",[2,1,6.5]]", "is no number"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",\\\"F31\\\",[2,1]]", "is not [name, type"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",\\\"F32\\\",[2,-2,6]]", "negative dimension"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",\\\"BOOL\\\",[-1,1,6,6]]", "is BOOL"},
        {"[\\\"input\\\",1,6,6]", "[1,6,6]", "an input has no name"},
        {"[\\\"input\\\",1,6,6]", "[\\\"input\\\",1,6,6],[\\\"input\\\",1]", "used twice"},
        {"[\\\"input\\\",1,6,6]", "[\\\"conv1.weight\\\",1,6,6]", "used twice"},
        {"\\\"w\\\":[0,", "\\\"w\\\":[", "describes 3 tensors"},
        {"\\\"w\\\":[0,", "\\\"w\\\":[[[3,1,3,3],8,0],", "stream is U8"},
        {"\\\"w\\\":[0,", "\\\"w\\\":[[3,1,3,3],", "is not [[dims...], bits, flags]"},
        {"\\\"Relu\\\"", "\\\"Rely\\\"", "operator 'Rely' is not known"},
        {"\\\"Relu\\\"", "7", "operator '' is not known"},
        {"\\\"Relu\\\"", "\\\"Add\\\"", "1 inputs, needs 2"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[6]", "no value that stands before it"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[8]", "no value that stands before it"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[-2]", "no value that stands before it"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[-1]", "input 0 is missing"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[1]", "activation"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",5", "is not [name, operator"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],[]", "is not [name, operator"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],{\\\"a\\\":1}", "'a' is not known"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],{\\\"a\\\":{}}", "no known kind"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],{\\\"a\\\":[1,\\\"x\\\"]}", "no list of integers"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],{\\\"a\\\":[1,1.5]}", "no list of integers"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],{},[\\\"r\\\",\\\"s\\\"]", "2 outputs"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],{},[]", "its output has no name"},
        {"\\\"Relu\\\",[5]", "\\\"Relu\\\",[5],{},\\\"conv1\\\"", "two values are named 'conv1'"},
        {"\\\"conv1.relu\\\"", "\\\"conv1\\\"", "used twice"},
        {"\\\"Conv\\\",[0,1,2]", "\\\"Conv\\\",[0,2,1]", "dimensions"},
        {"\\\"Conv\\\",[0,1,2]", "\\\"Conv\\\",[0,1]", "nothing uses"},
        {"\\\"Conv\\\",[0,1,2]", "\\\"Conv\\\",[0,1,2],{\\\"group\\\":3}", "group 3"},
        {"\\\"Conv\\\",[0,1,2]", "\\\"Conv\\\",[0,1,2],{\\\"pads\\\":[-1,0,0,0]}", "pads: -1"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[]", "needs an input and an output"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[9]", "output 0 is no activation"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[1]", "output 0 is no activation"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[0]", "not made by any node"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[7]", "nothing uses"},
        {"\\\"out\\\":[8]", "\\\"out\\\":8", "\"out\" is not a list"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[1,8,1,1,0]]", "no activation"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[5,9,1,1,0]]", "bits or sign"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[5,8,2,1,0]]", "bits or sign"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[5,8,1,0,0]]", "scale or zero"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[5,8,1,1e300,0]]", "scale or zero"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[5,8,1,1,128]]", "scale or zero"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[5,8,1,1,0],[5,8,1,1,0]]", "twice"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":[[5,8,1]]", "is not [value"},
        {"\\\"out\\\":[8]", "\\\"out\\\":[8],\\\"q\\\":7", "\"q\" is not a list"},
    };
    struct pare_graph *g = plain();
    struct bytes sound = write_model(g);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes bytes = edit(sound, rows[i][0], rows[i][1]);
        struct pare_graph *loaded = NULL;
        struct pare_error err = {0};
        pare_status st = pare_model_parse(&loaded, bytes.data, bytes.n, &err);

        if (st != PARE_EFORMAT || err.status != PARE_EFORMAT)
            fail_msg("%s: status %s", rows[i][1], pare_status_name(st));
        if (!strstr(err.text, rows[i][2]))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i][1], err.text, rows[i][2]);
        free(bytes.data);
    }
    free(sound.data);
    pare_graph_free(g);
}

static void hostile_streams_are_refused_with_the_reason(void **state)
{
    static const struct {
        struct pare_graph *(*build)(void);
        const char *from, *to, *message;
    } rows[] = {
        {int8_rows, "[12,48],8,", "[12,49],8,", "tensor 'fc1.weight'"},
        {int8_rows, "[12,48],8,", "[12,47],8,", "tensor 'fc1.weight'"},
        {int8_rows, "[12,48],8,", "[12,48],7,", "tensor 'fc1.weight'"},
        {int8_rows, "[12,48],8,", "[12,48],9,", "coded in 9 bits"},
        {int8_rows, "[12,48],8,", "[12,48],-8,", "is not [[dims"},
        {int8_rows, "[12,48],8,", "[12,0],8,", "not a positive number"},
        {int8_rows, "[12,48],8,", "[],8,", "scales per row of a number"},
        {int8_rows, "[12,48],8,", "[60000,60000],8,", "its shape is empty or too large"},
        {int8_rows, "[12,48],8,", "[1000,1000],8,", "too few"},
        {int8_rows, "[12,48],8,", "[30000,30000],8,", "too many for this file"},
        {int8_rows, "[3,1,3,3],8,2", "[3,1,3,3],8,64", "is not [[dims"},
        {int8_rows, "[3,1,3,3],8,2", "[3,1,3,3],8,14", "both signed and unsigned"},
        {int8_rows, "[3,1,3,3],8,2", "[3,1,3,3],32,2", "32 bits with scales"},
        {int8_rows, "[3,1,3,3],8,2", "[3,1,3,3],8,18", "tensor 'conv1.weight'"},
        {int8_rows, "[3,1,3,3],8,2", "[3,1,3,3],8,6", "too few"},
        {int8_rows, "[3,1,3,3],8,2", "[3,1,3,3],8,0", "bytes too many"},
        {int8_rows, "[[3,1,3,3],8,2]", "0", "is U8, which it does not take"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pare_graph *g = rows[i].build(), *loaded = NULL;
        struct bytes sound = write_model(g), bytes = edit(sound, rows[i].from, rows[i].to);
        struct pare_error err = {0};
        pare_status st = pare_model_parse(&loaded, bytes.data, bytes.n, &err);

        if (st != PARE_EFORMAT)
            fail_msg("%s: status %s", rows[i].to, pare_status_name(st));
        if (!strstr(err.text, rows[i].message))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].to, err.text, rows[i].message);
        free(sound.data);
        free(bytes.data);
        pare_graph_free(g);
    }
}

/* Every prefix, and thousands of files with a byte changed, of every coding: an answer in good
 * time, and what is accepted is a sound network that can be saved and loaded again. */
static void damaged_files_are_answered(void **state)
{
    struct pare_rng rng;
    int n_accepted = 0, n_refused = 0;

    (void)state;
    pare_rng_init(&rng, 1, 1);
    for (int i = 0; i < N_CASES; i++) {
        struct pare_graph *g = cases[i].build(), *loaded;
        struct bytes bytes = write_model(g);

        pare_graph_free(g);
        for (size_t n = 0; n < bytes.n; n++) {
            unsigned char *copy = malloc(n ? n : 1); /* of exact size: the sanitizer watches */
            struct pare_error err = {0};

            memcpy(copy, bytes.data, n);
            loaded = NULL;
            assert_int_equal(pare_model_parse(&loaded, copy, n, &err), PARE_EFORMAT);
            assert_true(err.text[0]);
            free(copy);
        }
        for (int k = 0; k < 2000; k++) {
            unsigned char *copy = malloc(bytes.n);
            struct pare_error err = {0};
            pare_status st;

            memcpy(copy, bytes.data, bytes.n);
            copy[pare_rng_below(&rng, (int64_t)bytes.n)] ^=
                (unsigned char)(1 + pare_rng_below(&rng, 255));
            loaded = NULL;
            st = pare_model_parse(&loaded, copy, bytes.n, &err);
            if (st == PARE_OK) {
                struct bytes again = write_model(loaded);
                struct pare_graph *twice = parse(again);

                check_same_graph(loaded, twice);
                free(again.data);
                pare_graph_free(twice);
                pare_graph_free(loaded);
                n_accepted++;
            } else {
                assert_int_equal(st, PARE_EFORMAT);
                assert_true(err.text[0]);
                n_refused++;
            }
            free(copy);
        }
        free(bytes.data);
    }
    assert_true(n_accepted > 1000 && n_refused > 1000); /* weights may change, structure not */
}

static void other_safetensors_files_are_not_networks(void **state)
{
    struct pare_graph *g = NULL;
    struct pare_error err = {0};

    (void)state;
    assert_int_equal(pare_model_load(&g, check_test_data("vectors/conv_bn_fold.safetensors"), &err),
                     PARE_EFORMAT);
    assert_non_null(strstr(err.text, "conv_bn_fold.safetensors: it holds tensors, but no network"));
    assert_int_equal(pare_model_load(&g, "/nowhere/net.safetensors", &err), PARE_EIO);
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
    struct pare_graph *g = plain();
    struct pare_error err = {0};
    int64_t n_bytes = -1;

    (void)state;
    assert_int_equal(pare_model_save(g, "/nowhere/net.safetensors", &n_bytes, &err), PARE_EIO);
    assert_int_equal(n_bytes, -1);
    pare_graph_free(g);
}

/* ---- The fuzzer's corpus ---- */

static const char *corpus_path(const char *name)
{
    static char path[4200];
    const char *top = getenv("PARE_TOP");

    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/model%s%s", top ? top : ".", name ? "/" : "",
             name ? name : "");
    return path;
}

/* With PARE_MAKE_CORPUS set, writes the cases there; else answers what is there. */
static void a_flipped_bit_in_a_weight_is_noticed(void **state)
{
    struct pare_error err = {0};
    struct pare_graph *g = NULL, *back = NULL;
    char *folder = check_make_dir(), *path = pare_path_join(folder, "net.safetensors");
    char *bytes = NULL;
    size_t n = 0;

    (void)state;
    assert_ok(pare_zoo_build(&g, "mlp", NULL, 0, 1, &err), &err);
    assert_ok(pare_model_save(g, path, NULL, &err), &err);
    assert_ok(pare_file_read(&bytes, &n, path, 1 << 24, &err), &err);
    bytes[n - 100] ^= 1; /* the low bit of a weight: a sound file of another network */
    assert_ok(pare_file_write(path, bytes, n, &err), &err);
    assert_int_equal(pare_model_load(&back, path, &err), PARE_EFORMAT);
    assert_non_null(strstr(err.text, "digest"));
    bytes[n - 100] ^= 1;
    assert_ok(pare_file_write(path, bytes, n, &err), &err);
    assert_ok(pare_model_load(&back, path, &err), &err);
    pare_graph_free(back);
    pare_graph_free(g);
    free(bytes);
    free(path);
    check_remove_dir(folder);
}

static void the_corpus_is_answered(void **state)
{
    DIR *dir;
    int n = 0;

    (void)state;
    for (int i = 0; i < N_CASES && getenv("PARE_MAKE_CORPUS"); i++) {
        struct pare_graph *g = cases[i].build();
        struct bytes bytes = write_model(g);
        struct pare_error err = {0};
        char name[64];

        snprintf(name, sizeof name, "%s.safetensors", cases[i].name);
        assert_ok(pare_file_write(corpus_path(name), bytes.data, bytes.n, &err), &err);
        snprintf(name, sizeof name, "%s-cut.safetensors", cases[i].name);
        assert_ok(pare_file_write(corpus_path(name), bytes.data, bytes.n * 2 / 3, &err), &err);
        free(bytes.data);
        pare_graph_free(g);
    }
    dir = opendir(corpus_path(NULL));
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct pare_graph *g = NULL;
        struct pare_error err = {0};
        pare_status st;

        if (entry->d_name[0] == '.')
            continue;
        st = pare_model_load(&g, corpus_path(entry->d_name), &err);
        if (st != (strstr(entry->d_name, "-cut") ? PARE_EFORMAT : PARE_OK))
            fail_msg("%s: %s %s", entry->d_name, pare_status_name(st), err.text);
        pare_graph_free(g);
        n++;
    }
    closedir(dir);
    assert_true(n >= 2 * N_CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_gives_back_what_was_saved),
        cmocka_unit_test(inputs_of_any_shape_and_type_come_back),
        cmocka_unit_test(quantized_weights_come_back_to_the_bit),
        cmocka_unit_test(files_hold_the_bytes_that_are_reported),
        cmocka_unit_test(plain_weights_are_open_to_any_reader),
        cmocka_unit_test(weights_take_the_bytes_of_their_coding),
        cmocka_unit_test(masters_beside_their_grid_are_refused),
        cmocka_unit_test(codings_that_contradict_themselves_are_refused),
        cmocka_unit_test(hostile_graphs_are_refused_with_the_reason),
        cmocka_unit_test(hostile_streams_are_refused_with_the_reason),
        cmocka_unit_test(damaged_files_are_answered),
        cmocka_unit_test(other_safetensors_files_are_not_networks),
        cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
        cmocka_unit_test(a_flipped_bit_in_a_weight_is_noticed),
        cmocka_unit_test(the_corpus_is_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
