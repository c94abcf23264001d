#include <pare/zoo.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "base/arena.h"
#include "base/text.h"
#include "graph/infer.h"

/* A network under construction: `x` is the last value.  The first failure stays in `st`, and all
 * that follows does nothing. */
struct build {
    struct pare_graph *graph;
    struct pare_value *x;
    double width;
    uint64_t seed;
    int n_classes;
    pare_status st;
    struct pare_error *err;
};

/* ---- Pieces ---- */

/* Hidden channels under the width factor: at least one. */
static int64_t scaled(const struct build *b, int64_t n)
{
    double exact = floor((double)n * b->width + 0.5);
    return exact < 1 ? 1 : (int64_t)exact;
}

/* Each tensor draws from a stream of its own, named by the tensor (FNV-1a): what one layer gets
 * does not depend on the layers before it. */
static uint64_t stream_of(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

/* "layer.suffix" in the graph's arena. */
static const char *part(struct build *b, const char *layer, const char *suffix)
{
    return pare_arena_printf(b->graph->arena, "%s.%s", layer, suffix);
}

static struct pare_tensor *new_tensor(struct build *b, const struct pare_shape *shape)
{
    struct pare_tensor *data = NULL;

    if (!b->st)
        b->st = pare_tensor_new(&data, PARE_F32, shape, b->err);
    return data;
}

/* Normal with standard deviation sqrt(gain / fan_in): gain 2 (He) before a Relu, 1 elsewhere. */
static struct pare_value *normal(struct build *b, const char *name, const struct pare_shape *shape,
                                 double gain)
{
    struct pare_tensor *data = new_tensor(b, shape);
    struct pare_rng rng;
    int64_t n;
    double deviation;

    if (!data)
        return NULL;
    n = pare_tensor_elems(data);
    deviation = sqrt(gain * (double)shape->dims[0] / (double)n);
    pare_rng_init(&rng, b->seed, stream_of(name));
    for (int64_t i = 0; i < n; i++)
        pare_tensor_f32(data)[i] = (float)(deviation * pare_rng_normal(&rng));
    return pare_graph_weight(b->graph, name, data);
}

static struct pare_value *vector(struct build *b, const char *name, int64_t n, float fill)
{
    struct pare_shape shape = pare_shape_of(1, n);
    struct pare_tensor *data = new_tensor(b, &shape);

    if (!data)
        return NULL;
    for (int64_t i = 0; i < n; i++)
        pare_tensor_f32(data)[i] = fill;
    return pare_graph_weight(b->graph, name, data);
}

static struct pare_node *append(struct build *b, enum pare_op op, const char *name,
                                struct pare_value **inputs, int n_inputs)
{
    struct pare_node *node;

    if (b->st)
        return NULL;
    node = pare_graph_node(b->graph, op, name, inputs, n_inputs);
    b->x = node->outputs[0];
    return node;
}

/* Shapes are wanted while building: the extents of a value decide weights and pads. */
static void infer(struct build *b)
{
    if (b->st)
        return;
    pare_graph_output(b->graph, b->x);
    b->st = pare_graph_infer(b->graph, b->err);
    b->graph->n_outputs--;
}

static void simple(struct build *b, enum pare_op op, const char *name)
{
    append(b, op, name, &b->x, 1);
    infer(b);
}

static void relu(struct build *b, const char *layer)
{
    simple(b, PARE_OP_RELU, part(b, layer, "relu"));
}

static void flatten(struct build *b)
{
    if (!b->st && b->x->shape.n_dims > 2)
        simple(b, PARE_OP_FLATTEN, "flatten");
}

struct conv {
    int64_t M, R, S, stride;
    bool same;        /* TensorFlow's padding: the odd pixel at bottom and right */
    bool depthwise;   /* M is the input's */
    bool has_bias;    /* a batch norm behind it makes one pointless */
    bool before_relu; /* for the initialisation */
};

static void conv(struct build *b, const char *name, struct conv c)
{
    struct pare_value *inputs[3] = {b->x};
    int64_t kernel[2] = {c.R, c.S}, strides[2] = {c.stride, c.stride}, pads[4] = {0}, channels;
    struct pare_shape shape;
    struct pare_node *node;

    if (b->st)
        return;
    channels = b->x->shape.dims[1];
    if (c.depthwise)
        c.M = channels;
    shape = pare_shape_of(4, c.M, c.depthwise ? (int64_t)1 : channels, c.R, c.S);
    inputs[1] = normal(b, part(b, name, "weight"), &shape, c.before_relu ? 2 : 1);
    if (c.has_bias)
        inputs[2] = vector(b, part(b, name, "bias"), c.M, 0);
    node = append(b, PARE_OP_CONV, name, inputs, c.has_bias ? 3 : 2);
    if (!node)
        return;
    for (int d = 0; d < 2 && c.same; d++) {
        int64_t extent = inputs[0]->shape.dims[2 + d];
        int64_t n = (extent + c.stride - 1) / c.stride;
        int64_t total = (n - 1) * c.stride + kernel[d] - extent;

        if (total > 0) {
            pads[d] = total / 2;
            pads[2 + d] = total - total / 2;
        }
    }
    pare_node_set_ints(b->graph, node, "kernel_shape", kernel, 2);
    pare_node_set_ints(b->graph, node, "strides", strides, 2);
    pare_node_set_ints(b->graph, node, "pads", pads, 4);
    if (c.depthwise)
        pare_node_set_int(b->graph, node, "group", channels);
    infer(b);
}

static void gemm(struct build *b, const char *name, int64_t n, bool has_bias, bool before_relu)
{
    struct pare_value *inputs[3] = {b->x};
    struct pare_shape shape;
    struct pare_node *node;

    if (b->st)
        return;
    shape = pare_shape_of(2, n, b->x->shape.dims[1]);
    inputs[1] = normal(b, part(b, name, "weight"), &shape, before_relu ? 2 : 1);
    if (has_bias)
        inputs[2] = vector(b, part(b, name, "bias"), n, 0);
    node = append(b, PARE_OP_GEMM, name, inputs, has_bias ? 3 : 2);
    if (!node)
        return;
    pare_node_set_int(b->graph, node, "transB", 1);
    infer(b);
}

/* With Keras's epsilon, as in the reference networks. */
static void batchnorm(struct build *b, const char *layer)
{
    struct pare_value *inputs[5] = {b->x};
    struct pare_node *node;
    int64_t n;

    if (b->st)
        return;
    n = b->x->shape.dims[1];
    inputs[1] = vector(b, part(b, layer, "bn.scale"), n, 1);
    inputs[2] = vector(b, part(b, layer, "bn.bias"), n, 0);
    inputs[3] = vector(b, part(b, layer, "bn.mean"), n, 0);
    inputs[4] = vector(b, part(b, layer, "bn.var"), n, 1);
    node = append(b, PARE_OP_BATCHNORM, part(b, layer, "bn"), inputs, 5);
    if (!node)
        return;
    pare_node_set_float(b->graph, node, "epsilon", 1e-3);
    infer(b);
}

static void conv_bn(struct build *b, const char *name, struct conv c)
{
    conv(b, name, c);
    batchnorm(b, name);
}

static void conv_bn_relu(struct build *b, const char *name, struct conv c)
{
    c.before_relu = true;
    conv_bn(b, name, c);
    relu(b, name);
}

/* Windows side by side. */
static void pool(struct build *b, enum pare_op op, const char *name, int64_t R, int64_t S)
{
    int64_t kernel[2] = {R, S};
    struct pare_node *node = append(b, op, name, &b->x, 1);

    if (!node)
        return;
    pare_node_set_ints(b->graph, node, "kernel_shape", kernel, 2);
    pare_node_set_ints(b->graph, node, "strides", kernel, 2);
    infer(b);
}

/* Depthwise 3x3, then pointwise. */
static void separable(struct build *b, int i, int64_t M, int64_t stride)
{
    conv_bn_relu(b, pare_arena_printf(b->graph->arena, "dw%d", i),
                 (struct conv){.R = 3, .S = 3, .stride = stride, .same = true, .depthwise = true});
    conv_bn_relu(b, pare_arena_printf(b->graph->arena, "pw%d", i),
                 (struct conv){.M = scaled(b, M), .R = 1, .S = 1, .stride = 1});
}

/* ---- Networks ---- */

static void linear(struct build *b)
{
    flatten(b);
    gemm(b, "fc1", b->n_classes, true, false);
}

static void mlp(struct build *b)
{
    flatten(b);
    gemm(b, "fc1", scaled(b, 32), true, true);
    relu(b, "fc1");
    gemm(b, "fc2", b->n_classes, true, false);
}

static void lenet_300_100(struct build *b)
{
    flatten(b);
    gemm(b, "fc1", scaled(b, 300), true, true);
    relu(b, "fc1");
    gemm(b, "fc2", scaled(b, 100), true, true);
    relu(b, "fc2");
    gemm(b, "fc3", b->n_classes, true, false);
}

/* Caffe's: no activation behind the convolutions but the maximum of the pools. */
static void lenet5(struct build *b)
{
    conv(b, "conv1",
         (struct conv){.M = scaled(b, 20), .R = 5, .S = 5, .stride = 1, .has_bias = true});
    pool(b, PARE_OP_MAXPOOL, "pool1", 2, 2);
    conv(b, "conv2",
         (struct conv){.M = scaled(b, 50), .R = 5, .S = 5, .stride = 1, .has_bias = true});
    pool(b, PARE_OP_MAXPOOL, "pool2", 2, 2);
    flatten(b);
    gemm(b, "fc1", scaled(b, 500), true, true);
    relu(b, "fc1");
    gemm(b, "fc2", b->n_classes, true, false);
}

static void residual(struct build *b, const char *stack, int64_t M, int64_t stride)
{
    struct conv first = {.M = M, .R = 3, .S = 3, .stride = stride, .same = true};
    struct conv second = {.M = M, .R = 3, .S = 3, .stride = 1, .same = true};
    struct conv shortcut =
        {.M = M, .R = 1, .S = 1, .stride = stride, .same = true, .has_bias = true};
    struct pare_arena *arena = b->graph->arena;
    struct pare_value *x = b->x, *inputs[2];

    conv_bn_relu(b, pare_arena_printf(arena, "%s_conv1", stack), first);
    conv_bn(b, pare_arena_printf(arena, "%s_conv2", stack), second);
    inputs[0] = b->x;
    b->x = x;
    if (stride != 1)
        conv(b, pare_arena_printf(arena, "%s_shortcut", stack), shortcut);
    inputs[1] = b->x;
    append(b, PARE_OP_ADD, pare_arena_printf(arena, "%s_add", stack), inputs, 2);
    infer(b);
    relu(b, stack);
}

static void resnet8(struct build *b)
{
    conv_bn_relu(b, "conv0",
                 (struct conv){.M = scaled(b, 16), .R = 3, .S = 3, .stride = 1, .same = true});
    residual(b, "s1", scaled(b, 16), 1);
    residual(b, "s2", scaled(b, 32), 2);
    residual(b, "s3", scaled(b, 64), 2);
    simple(b, PARE_OP_GLOBAL_AVGPOOL, "avgpool");
    flatten(b);
    gemm(b, "fc", b->n_classes, true, false);
}

static void ds_cnn(struct build *b)
{
    int64_t H = b->x->shape.dims[2], W = b->x->shape.dims[3];

    conv_bn_relu(b, "conv0",
                 (struct conv){.M = scaled(b, 64), .R = 10, .S = 4, .stride = 2, .same = true});
    for (int i = 1; i <= 4; i++)
        separable(b, i, 64, 1);
    /* As upstream: half of the input, rounded down, though the map is half of it rounded up. */
    pool(b, PARE_OP_AVGPOOL, "avgpool", H / 2 ? H / 2 : 1, W / 2 ? W / 2 : 1);
    flatten(b);
    gemm(b, "fc", b->n_classes, true, false);
}

static void mobilenetv1_025(struct build *b)
{
    static const struct {
        int M, stride;
    } blocks[] = {{16, 1},  {32, 2},  {32, 1},  {64, 2},  {64, 1},  {128, 2}, {128, 1},
                  {128, 1}, {128, 1}, {128, 1}, {128, 1}, {256, 2}, {256, 1}};

    conv_bn_relu(b, "conv0",
                 (struct conv){.M = scaled(b, 8), .R = 3, .S = 3, .stride = 2, .same = true});
    for (int i = 0; i < (int)(sizeof blocks / sizeof *blocks); i++)
        separable(b, i + 1, blocks[i].M, blocks[i].stride);
    simple(b, PARE_OP_GLOBAL_AVGPOOL, "avgpool");
    flatten(b);
    gemm(b, "fc", b->n_classes, true, false);
}

static void fc_autoencoder(struct build *b)
{
    static const int hidden[] = {128, 128, 128, 128, 8, 128, 128, 128, 128};
    int64_t n;

    flatten(b);
    n = b->st ? 0 : b->x->shape.dims[1];
    for (int i = 0; i < 9; i++) {
        const char *name = pare_arena_printf(b->graph->arena, "fc%d", i + 1);

        gemm(b, name, scaled(b, hidden[i]), false, true);
        batchnorm(b, name);
        relu(b, name);
    }
    gemm(b, "fc10", n, true, false);
}

static const struct network {
    struct pare_zoo_entry entry;
    bool needs_image; /* [C, H, W]; vectors do not do */
    void (*build)(struct build *b);
} networks[] = {
    {{"lenet-300-100",
      "784-300-100-10, fully connected",
      "LeCun et al., Proc. IEEE 86(11), 1998",
      {3, {1, 28, 28}},
      10},
     false,
     lenet_300_100},
    {{"lenet5",
      "20 and 50 kernels of 5x5, 500, 10: the variant of Caffe and of the pruning papers",
      "LeCun et al., Proc. IEEE 86(11), 1998; Caffe examples/mnist",
      {3, {1, 28, 28}},
      10},
     true,
     lenet5},
    {{"resnet8",
      "MLPerf Tiny image classification: three residual stacks of 16, 32, 64",
      "Banbury et al., MLPerf Tiny Benchmark, NeurIPS 2021",
      {3, {3, 32, 32}},
      10},
     true,
     resnet8},
    {{"ds-cnn",
      "MLPerf Tiny keyword spotting: four separable blocks of 64",
      "Zhang et al., Hello Edge, 2017; Banbury et al., NeurIPS 2021",
      {3, {1, 49, 10}},
      12},
     true,
     ds_cnn},
    {{"mobilenetv1-0.25",
      "MLPerf Tiny visual wake words: 13 separable blocks, 8 to 256",
      "Howard et al., MobileNets, 2017; Banbury et al., NeurIPS 2021",
      {3, {3, 96, 96}},
      2},
     true,
     mobilenetv1_025},
    {{"fc-autoencoder",
      "MLPerf Tiny anomaly detection: 640-128x4-8-128x4-640",
      "Banbury et al., MLPerf Tiny Benchmark, NeurIPS 2021",
      {1, {640}},
      0},
     false,
     fc_autoencoder},
    {{"mlp", "784-32-10, for tests", "", {3, {1, 28, 28}}, 10}, false, mlp},
    {{"linear", "one layer, for tests: softmax regression", "", {3, {1, 28, 28}}, 10},
     false,
     linear},
};
enum { N_NETWORKS = sizeof networks / sizeof *networks };

int pare_zoo_n(void)
{
    return N_NETWORKS;
}

const struct pare_zoo_entry *pare_zoo_get(int i)
{
    return &networks[i].entry;
}

/* "-half", "-quarter", "-x0.3" or nothing. */
static bool parse_width(const char *suffix, double *width)
{
    char *end;

    *width = 1;
    if (!*suffix)
        return true;
    if (strcmp(suffix, "-half") == 0)
        *width = 0.5;
    else if (strcmp(suffix, "-quarter") == 0)
        *width = 0.25;
    else if (strncmp(suffix, "-x", 2) == 0 &&
             strspn(suffix + 2, "0123456789.") == strlen(suffix + 2)) {
        *width = strtod(suffix + 2, &end);
        return end != suffix + 2 && !*end && *width > 0 && *width <= 16;
    } else {
        return false;
    }
    return true;
}

static pare_status find(const struct network **out, double *width, const char *name,
                        struct pare_error *err)
{
    const char *names[3 * N_NETWORKS], *nearest;
    struct pare_arena *arena;
    pare_status st;

    for (int i = 0; i < N_NETWORKS; i++) {
        size_t n = strlen(networks[i].entry.name);

        if (strncmp(name, networks[i].entry.name, n) == 0 && parse_width(name + n, width)) {
            *out = &networks[i];
            return PARE_OK;
        }
    }
    arena = pare_arena_new();
    for (int i = 0; i < N_NETWORKS; i++) {
        names[3 * i] = networks[i].entry.name;
        names[3 * i + 1] = pare_arena_printf(arena, "%s-half", networks[i].entry.name);
        names[3 * i + 2] = pare_arena_printf(arena, "%s-quarter", networks[i].entry.name);
    }
    nearest = pare_text_nearest(name, names, 3 * N_NETWORKS);
    if (nearest)
        st = pare_fail(err, PARE_EINVAL, "no network is named '%s'; did you mean '%s'?", name,
                       nearest);
    else
        st =
            pare_fail(err, PARE_EINVAL,
                      "no network is named '%s'; known are lenet-300-100, lenet5, resnet8, ds-cnn, "
                      "mobilenetv1-0.25, fc-autoencoder, mlp, linear, each with -half, -quarter "
                      "or a width factor up to 16, such as -x0.3",
                      name);
    pare_arena_free(arena);
    return st;
}

pare_status pare_zoo_check(const char *name, struct pare_error *err)
{
    const struct network *network;
    double width;

    return find(&network, &width, name, err);
}

pare_status pare_zoo_build(struct pare_graph **out, const char *name,
                           const struct pare_shape *input, int n_classes, uint64_t seed,
                           struct pare_error *err)
{
    struct build b = {.seed = seed, .err = err};
    const struct network *network;
    struct pare_shape shape = {.n_dims = 1, .dims = {PARE_DIM_BATCH}};
    char text[160];

    b.st = find(&network, &b.width, name, err);
    if (b.st)
        return b.st;
    b.n_classes = n_classes ? n_classes : network->entry.n_classes;
    if (!input)
        input = &network->entry.input;
    if (network->needs_image ? input->n_dims != 3 : (input->n_dims < 1 || input->n_dims > 3))
        return pare_fail(err, PARE_EINVAL, "%s: the input is %s, needs %s", name,
                         pare_shape_text(input, text, sizeof text),
                         network->needs_image ? "[channels, height, width]" : "1 to 3 dimensions");
    if (b.n_classes < 0)
        return pare_fail(err, PARE_EINVAL, "%s: %d classes", name, b.n_classes);
    for (int i = 0; i < input->n_dims; i++) {
        if (input->dims[i] < 1)
            return pare_fail(err, PARE_EINVAL, "%s: the input %s is empty", name,
                             pare_shape_text(input, text, sizeof text));
        shape.dims[shape.n_dims++] = input->dims[i];
    }
    b.graph = pare_graph_new(name);
    b.x = pare_graph_input(b.graph, "input", &shape);
    pare_graph_set_meta(b.graph, "zoo", name);
    pare_graph_set_meta(b.graph, "output", network->entry.n_classes ? "logits" : "reconstruction");
    network->build(&b);
    if (!b.st) {
        pare_graph_output(b.graph, b.x);
        b.st = pare_graph_finish(b.graph, err);
    }
    if (b.st) {
        pare_error_prefix(err, "%s on input %s", name, pare_shape_text(input, text, sizeof text));
        pare_graph_free(b.graph);
        return b.st;
    }
    *out = b.graph;
    return PARE_OK;
}
