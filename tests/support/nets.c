#include "nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "../../harness/io/safetensors.h"
#include "check.h"
#include "ref_run.h"

static uint64_t stream_of(const char *name)
{
    uint64_t h = 5381;

    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

static void fill(float *data, int64_t n, uint64_t seed, const char *name, int is_positive)
{
    struct pare_rng rng;

    pare_rng_init(&rng, seed, stream_of(name));
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(is_positive ? 0.5 + pare_rng_uniform(&rng) : pare_rng_normal(&rng));
}

static struct pare_value *weight(struct pare_graph *g, const char *name, struct pare_shape shape,
                                 int is_positive)
{
    struct pare_tensor *data;
    struct pare_error err = {0};

    assert_ok(pare_tensor_new(&data, PARE_F32, &shape, &err), &err);
    fill(pare_tensor_f32(data), pare_tensor_elems(data), 1, name, is_positive);
    return pare_graph_weight(g, name, data);
}

struct pare_value *net_weight(struct pare_graph *g, const char *name, int n_dims, ...)
{
    struct pare_shape shape = {.n_dims = n_dims};
    va_list args;

    va_start(args, n_dims);
    for (int i = 0; i < n_dims; i++)
        shape.dims[i] = va_arg(args, int64_t);
    va_end(args);
    return weight(g, name, shape, 0);
}

struct pare_value *net_positive(struct pare_graph *g, const char *name, int64_t n)
{
    return weight(g, name, pare_shape_of(1, n), 1);
}

static const char *part(char *buffer, size_t n, const char *name, const char *suffix)
{
    snprintf(buffer, n, "%s.%s", name, suffix);
    return buffer;
}

struct pare_value *net_conv(struct pare_graph *g, struct pare_value *x, const char *name, int64_t C,
                            int64_t M, int64_t R, int64_t stride, int64_t pad, int64_t group)
{
    int64_t strides[2] = {stride, stride}, pads[4] = {pad, pad, pad, pad};
    struct pare_value *inputs[3] = {x};
    struct pare_node *node;
    char text[80];

    inputs[1] = net_weight(g, part(text, sizeof text, name, "weight"), 4, M, C / group, R, R);
    inputs[2] = net_weight(g, part(text, sizeof text, name, "bias"), 1, M);
    node = pare_graph_node(g, PARE_OP_CONV, name, inputs, 3);
    pare_node_set_ints(g, node, "strides", strides, 2);
    pare_node_set_ints(g, node, "pads", pads, 4);
    pare_node_set_int(g, node, "group", group);
    return node->outputs[0];
}

struct pare_value *net_gemm(struct pare_graph *g, struct pare_value *x, const char *name, int64_t K,
                            int64_t N)
{
    struct pare_value *inputs[3] = {x};
    struct pare_node *node;
    char text[80];

    inputs[1] = net_weight(g, part(text, sizeof text, name, "weight"), 2, N, K);
    inputs[2] = net_weight(g, part(text, sizeof text, name, "bias"), 1, N);
    node = pare_graph_node(g, PARE_OP_GEMM, name, inputs, 3);
    pare_node_set_int(g, node, "transB", 1);
    return node->outputs[0];
}

struct pare_value *net_batchnorm(struct pare_graph *g, struct pare_value *x, const char *name,
                                 int64_t C)
{
    struct pare_value *inputs[5] = {x};
    char text[80];

    inputs[1] = net_weight(g, part(text, sizeof text, name, "scale"), 1, C);
    inputs[2] = net_weight(g, part(text, sizeof text, name, "bias"), 1, C);
    inputs[3] = net_weight(g, part(text, sizeof text, name, "mean"), 1, C);
    inputs[4] = net_positive(g, part(text, sizeof text, name, "var"), C);
    return pare_graph_node(g, PARE_OP_BATCHNORM, name, inputs, 5)->outputs[0];
}

struct pare_value *net_op(struct pare_graph *g, struct pare_value *x, enum pare_op op,
                          const char *name)
{
    return pare_graph_node(g, op, name, &x, 1)->outputs[0];
}

struct pare_value *net_add(struct pare_graph *g, struct pare_value *a, struct pare_value *b,
                           const char *name)
{
    struct pare_value *inputs[2] = {a, b};

    return pare_graph_node(g, PARE_OP_ADD, name, inputs, 2)->outputs[0];
}

void net_finish(struct pare_graph *g, struct pare_value *x)
{
    struct pare_error err = {0};

    pare_graph_output(g, x);
    assert_ok(pare_graph_finish(g, &err), &err);
}

void net_randomize(struct pare_graph *g, uint64_t seed)
{
    struct pare_error err = {0};

    pare_each_weight(value, g) {
        int is_vector = value->shape.n_dims == 1;
        double scale = 1;

        assert_ok(pare_value_own_data(value, &err), &err);
        if (!is_vector) /* keeps deep networks' values near 1 */
            scale = (double)pare_tensor_elems(value->data) / (double)value->shape.dims[0];
        fill(pare_tensor_f32(value->data), pare_tensor_elems(value->data), seed, value->name,
             is_vector);
        for (int64_t i = 0; i < pare_tensor_elems(value->data) && !is_vector; i++)
            pare_tensor_f32(value->data)[i] /= (float)(scale > 4 ? scale / 4 : 1);
    }
}

float *net_random(uint64_t seed, int64_t n)
{
    float *data = malloc((size_t)n * sizeof *data);

    assert_non_null(data);
    fill(data, n, seed, "input", 0);
    return data;
}

int64_t net_n_in(const struct pare_graph *g)
{
    return pare_shape_elems(&g->inputs[0]->shape);
}

int64_t net_n_out(const struct pare_graph *g)
{
    return pare_shape_elems(&g->outputs[0]->shape);
}

float *net_output(const struct pare_graph *g, const float *input, int64_t n)
{
    float *output = malloc((size_t)(n * net_n_out(g)) * sizeof *output);

    assert_non_null(output);
    ref_run(g, input, n, output);
    return output;
}

struct pare_safetensors *vector_open(const char *name)
{
    struct pare_safetensors *file = NULL;
    struct pare_error err = {0};
    char path[128];

    snprintf(path, sizeof path, "vectors/%s.safetensors", name);
    assert_ok(pare_safetensors_open(&file, check_test_data(path), &err), &err);
    return file;
}

struct pare_tensor *vector_tensor(const struct pare_safetensors *file, const char *name)
{
    const struct pare_safetensors_entry *entry = pare_safetensors_find(file, name);
    struct pare_tensor *tensor = NULL;
    struct pare_error err = {0};

    if (!entry)
        fail_msg("there is no tensor %s", name);
    assert_ok(pare_safetensors_tensor(&tensor, entry, &err), &err);
    return tensor;
}
