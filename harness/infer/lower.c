/* From nodes to steps: what runs on integers, what is fused, what is free.
 *
 * - What a channels-last step does not take is one generic step on an array in ONNX's order
 *   (lower_nd.c); orders change only where a value passes from one kind to the other.
 * - Identity is dropped; Flatten is a change of view: the order of channels-last memory goes into the
 *   weights of the Gemm behind it.
 * - A batch norm behind a Conv or Gemm goes into its weights, then Relu and Clip into its clamp, as
 *   long as nothing else reads the value between.  Quantization parameters of such inner values are
 *   not looked at: nobody can see them.
 * - A value with quantization parameters is u8 in memory (f32 on the grid when simulating).  An
 *   operator that cannot work on integers gets a dequantized copy, and its result is quantized. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "graph/resolve.h"
#include "infer/lowering.h"
#include "kernel/pool.h"

/* ---- Fusion ---- */

struct chain {
    const struct pare_value *out; /* the value at the end */
    const struct pare_node *norm;
    float low, high;
    char op[128];
};

static bool activation_of(struct pare_activation *out, const struct pare_node *node)
{
    *out = (struct pare_activation){.op = node->op, .low = -INFINITY, .high = INFINITY};
    switch (node->op) {
    case PARE_OP_RELU: out->low = 0; return true;
    case PARE_OP_CLIP:
        out->low = (float)pare_node_float(node, "min", -INFINITY);
        out->high = (float)pare_node_float(node, "max", INFINITY);
        return true;
    case PARE_OP_LEAKY_RELU: out->alpha = (float)pare_node_float(node, "alpha", 0.01); return true;
    case PARE_OP_HARD_SIGMOID:
        out->alpha = (float)pare_node_float(node, "alpha", 0.2);
        out->beta = (float)pare_node_float(node, "beta", 0.5);
        return true;
    case PARE_OP_HARD_SWISH:
        out->alpha = 1.0f / 6;
        out->beta = 0.5f;
        return true;
    case PARE_OP_SIGMOID:
    case PARE_OP_TANH:
    case PARE_OP_GELU: return true;
    default: return false;
    }
}

/* The nodes behind `node` that it takes in. */
static struct chain follow(struct lowering *l, const struct pare_node *node, bool takes_norm)
{
    struct chain chain = {.out = node->outputs[0], .low = -INFINITY, .high = INFINITY};
    bool is_clamped = false;

    snprintf(chain.op, sizeof chain.op, "%s", pare_op_name(node->op));
    for (;;) {
        const struct known *known = known_of(l, chain.out);
        struct pare_activation activation;
        struct pare_node *next = known->user;
        if (known->n_users != 1 || known->is_output)
            break;
        if (next->op == PARE_OP_BATCHNORM && takes_norm && !chain.norm && !is_clamped &&
            next->inputs[0] == chain.out) {
            chain.norm = next;
        } else if (next->op == PARE_OP_RELU || next->op == PARE_OP_CLIP) {
            activation_of(&activation, next);
            chain.low = fminf(fmaxf(chain.low, activation.low), activation.high);
            chain.high = fminf(fmaxf(chain.high, activation.low), activation.high);
            is_clamped = true;
        } else {
            break;
        }
        size_t n = strlen(chain.op);
        snprintf(chain.op + n, sizeof chain.op - n, "+%s", pare_op_name(next->op));
        l->is_fused[next->index] = true;
        chain.out = next->outputs[0];
    }
    return chain;
}

/* A constant of n numbers. */
static bool is_line(const struct pare_node *node, int i, int64_t n)
{
    return i < node->n_inputs && node->inputs[i] && node->inputs[i]->data &&
           node->inputs[i]->data->dtype == PARE_F32 &&
           pare_tensor_elems(node->inputs[i]->data) == n;
}

static pare_status check_norm(struct lowering *l, const struct pare_node *norm, int64_t C)
{
    double epsilon = pare_node_float(norm, "epsilon", 1e-5);

    for (int i = 1; i < 5; i++)
        if (!is_line(norm, i, C))
            return pare_fail(l->err, PARE_EUNSUPPORTED,
                             "batch norm '%s' without %lld constant statistics", norm->name,
                             (long long)C);
    for (int64_t c = 0; c < C; c++) {
        double var = (double)pare_tensor_f32(norm->inputs[4]->data)[c];
        if (!(var + epsilon > 0))
            return pare_fail(l->err, PARE_ENUMERIC, "batch norm '%s': channel %lld has variance %g",
                             norm->name, (long long)c, var);
    }
    return PARE_OK;
}

/* ---- Operators ---- */

static pare_status check_matrix(struct lowering *l, const struct pare_node *node)
{
    int n_dims = node->op == PARE_OP_CONV ? 4 : 2;
    const struct pare_value *w = node->n_inputs > 1 ? node->inputs[1] : NULL;

    if (node->inputs[0]->shape.n_dims != n_dims)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "an input of %d dimensions",
                         node->inputs[0]->shape.n_dims);
    if (!w || !w->data || w->data->dtype != PARE_F32 || w->shape.n_dims != n_dims)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "weights that are not constant");
    if (node->op == PARE_OP_GEMM &&
        (pare_node_int(node, "transA", 0) || pare_node_float(node, "alpha", 1) != 1 ||
         pare_node_float(node, "beta", 1) != 1))
        return pare_fail(l->err, PARE_EUNSUPPORTED, "transA, alpha or beta");
    return PARE_OK;
}

static struct pare_conv2d matrix_geometry(const struct pare_node *node)
{
    const struct pare_shape *w = &node->inputs[1]->shape;
    bool is_transposed = pare_node_int(node, "transB", 0);

    return (struct pare_conv2d){.C = w->dims[is_transposed ? 1 : 0],
                                .H = 1,
                                .W = 1,
                                .M = w->dims[is_transposed ? 0 : 1],
                                .P = 1,
                                .Q = 1,
                                .R = 1,
                                .S = 1,
                                .group = 1,
                                .stride_h = 1,
                                .stride_w = 1,
                                .dilation_h = 1,
                                .dilation_w = 1};
}

/* Conv and Gemm: integers when input and weights are, f32 otherwise. */
static pare_status lower_matrix(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *x_value = node->inputs[0];
    bool simulate = l->program->options.simulate;
    pare_status st = check_matrix(l, node);

    if (st)
        return st;
    struct pare_conv2d s =
        node->op == PARE_OP_CONV ? pare_node_conv2d(node) : matrix_geometry(node);
    if (node->n_inputs > 2 && node->inputs[2] && !is_line(node, 2, s.M))
        return pare_fail(l->err, PARE_EUNSUPPORTED, "a bias that is not a constant per channel");
    struct chain chain = follow(l, node, true);
    if (chain.norm)
        st = check_norm(l, chain.norm, s.M);
    if (!st)
        st = check_grid(l, chain.out);
    if (st)
        return st;
    struct buffer y = describe(l, chain.out);
    struct buffer *input = buffer_at(l, known_of(l, x_value)->buffer);
    bool is_integer =
        input->is_quantized && !input->is_plain && weights_are_integers(node, s.M) && !simulate;
    bool is_to_u8 = is_integer && has_grid(chain.out);
    if (is_to_u8)
        set_grid(l, &y, &chain.out->quant);

    int x = is_integer ? known_of(l, x_value)->buffer : as_f32(l, x_value);
    int at = add_buffer(l, &y);
    struct step *step = add_step(l, STEP_CONV, node, chain.op, x, at);
    step->s = s;
    step->low = chain.low;
    step->high = chain.high;
    if (is_to_u8)
        step->range = narrow(&y, chain.low, chain.high);
    step->macs = pare_node_macs(node);
    st = weights_make(&step->weights, node, chain.norm, &s, buffer_at(l, x), simulate,
                      is_to_u8 ? y.scale : 0, l->err);
    if (st)
        return st;
    if (is_to_u8)
        set_known(l, chain.out, at);
    else
        settle(l, chain.out, at);
    return PARE_OK;
}

/* Two activations of one shape in one order: what the fast addition takes. */
static bool is_plain_sum(const struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *a = node->inputs[0], *b = node->inputs[1];

    if (a->data || b->data || !pare_shape_equal(&a->shape, &b->shape) || a->dtype != PARE_F32)
        return false;
    const struct buffer *pa = buffer_at(l, known_of(l, a)->buffer);
    const struct buffer *pb = buffer_at(l, known_of(l, b)->buffer);
    return pa->is_plain == pb->is_plain &&
           (pa->is_flat == pb->is_flat || (is_in_order(pa) && is_in_order(pb)));
}

static pare_status lower_add(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *a = node->inputs[0], *b = node->inputs[1];
    struct step *step;

    if (!is_plain_sum(l, node))
        return lower_nd(l, node);
    struct chain chain = follow(l, node, false);
    pare_status st = check_grid(l, chain.out);
    if (st)
        return st;
    const struct buffer *pa = buffer_at(l, known_of(l, a)->buffer);
    const struct buffer *pb = buffer_at(l, known_of(l, b)->buffer);
    struct buffer y = *pa;
    y.value = name_of(l, chain.out);
    y.is_u8 = y.is_quantized = false;
    y.dtype = PARE_F32;
    if (pa->is_u8 && pb->is_u8 && has_grid(chain.out)) {
        set_grid(l, &y, &chain.out->quant);
        int at = add_buffer(l, &y);
        step = add_step(l, STEP_ADD, node, chain.op, known_of(l, a)->buffer, at);
        step->x2 = known_of(l, b)->buffer;
        step->range = narrow(&y, chain.low, chain.high);
        set_known(l, chain.out, at);
        return PARE_OK;
    }
    int xa = pa->is_plain ? as_plain(l, a) : as_f32(l, a);
    int xb = buffer_at(l, xa)->is_plain ? as_plain(l, b) : as_f32(l, b);
    int at = add_buffer(l, &y);
    step = add_step(l, STEP_ADD, node, chain.op, xa, at);
    step->x2 = xb;
    step->low = chain.low;
    step->high = chain.high;
    settle(l, chain.out, at);
    return PARE_OK;
}

/* What the channels-last pools take: not padding that counts together with windows that hang over
 * it, whose means have a divisor of their own. */
static bool is_plain_pool(const struct pare_node *node)
{
    bool is_average = node->op == PARE_OP_AVGPOOL && pare_node_int(node, "count_include_pad", 0);

    return node->inputs[0]->shape.n_dims == 4 && node->n_outputs == 1 &&
           !(is_average && pare_node_int(node, "ceil_mode", 0));
}

static pare_status lower_pool(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *x_value = node->inputs[0], *out = node->outputs[0];
    const int64_t *dims = x_value->shape.dims;
    const struct buffer *x = buffer_at(l, known_of(l, x_value)->buffer);
    bool is_global = node->op == PARE_OP_GLOBAL_AVGPOOL || node->op == PARE_OP_GLOBAL_MAXPOOL;
    bool is_max = node->op == PARE_OP_MAXPOOL || node->op == PARE_OP_GLOBAL_MAXPOOL;

    if (!is_plain_pool(node))
        return lower_nd(l, node);
    struct pare_conv2d s =
        is_global ? pare_pool_global(dims[1], dims[2], dims[3]) : pare_node_conv2d(node);
    bool is_u8 = x->is_u8 && !x->is_plain && (is_max || has_grid(out));
    struct buffer y = describe(l, out);
    /* The largest of some numbers on a grid is on it: it moves them. */
    if (is_max && x->is_quantized) {
        y.is_u8 = is_u8;
        y.dtype = is_u8 ? PARE_U8 : PARE_F32;
        y.is_quantized = is_u8 || !x->is_u8;
        y.scale = x->scale;
        y.range = x->range;
    } else if (is_u8) {
        set_grid(l, &y, &out->quant);
    }
    int from = is_u8 ? known_of(l, x_value)->buffer : as_f32(l, x_value);
    int at = add_buffer(l, &y);
    struct step *step =
        add_step(l, is_max ? STEP_MAXPOOL : STEP_AVGPOOL, node, pare_op_name(node->op), from, at);
    step->s = s;
    if (is_max)
        settle_moved(l, out, at);
    else if (is_u8)
        set_known(l, out, at);
    else
        settle(l, out, at);
    return PARE_OK;
}

static pare_status lower_activation(struct lowering *l, const struct pare_node *node,
                                    const struct pare_activation *activation)
{
    const struct pare_value *x_value = node->inputs[0], *out = node->outputs[0];
    int x = known_of(l, x_value)->buffer;
    struct buffer y = *buffer_at(l, x);

    y.value = name_of(l, out);
    /* A Relu moves numbers of a grid, zero included, onto the same grid. */
    bool keeps_grid = y.is_quantized && !has_grid(out) && node->op == PARE_OP_RELU;
    if (y.is_u8 && (has_grid(out) || keeps_grid)) {
        if (!keeps_grid)
            set_grid(l, &y, &out->quant);
        int at = add_buffer(l, &y);
        add_lookup(l, node, pare_op_name(node->op), x, at, activation);
        set_known(l, out, at);
        return PARE_OK;
    }
    if (!buffer_at(l, x)->is_plain || buffer_at(l, x)->is_u8)
        x = as_f32(l, x_value);
    if (!keeps_grid) {
        y = *buffer_at(l, x);
        y.value = name_of(l, out);
        y.is_quantized = false;
    }
    int at = add_buffer(l, &y);
    add_step(l, STEP_ACTIVATE, node, pare_op_name(node->op), x, at)->activation = *activation;
    settle(l, out, at);
    return PARE_OK;
}

static pare_status lower_norm(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *x_value = node->inputs[0];
    int64_t C = x_value->shape.dims[1];
    pare_status st = check_norm(l, node, C);

    if (st)
        return st;
    if ((x_value->shape.n_dims != 2 && x_value->shape.n_dims != 4) ||
        buffer_at(l, known_of(l, x_value)->buffer)->is_flat)
        return lower_nd(l, node);
    struct chain chain = follow(l, node, false);
    st = check_grid(l, chain.out);
    if (st)
        return st;
    struct buffer y = describe(l, chain.out);
    int x = as_f32(l, node->inputs[0]), at = add_buffer(l, &y);
    struct step *step = add_step(l, STEP_AFFINE, node, chain.op, x, at);
    double *factor = PARE_ARENA_NEW(l->program->arena, double, 2 * C);
    step->affine_scale = PARE_ARENA_NEW(l->program->arena, float, C);
    step->shift = PARE_ARENA_NEW(l->program->arena, float, C);
    norm_factors(node, C, factor, factor + C);
    for (int64_t c = 0; c < C; c++) {
        step->affine_scale[c] = (float)factor[c];
        step->shift[c] = (float)factor[C + c];
    }
    step->low = chain.low;
    step->high = chain.high;
    settle(l, chain.out, at);
    return PARE_OK;
}

static pare_status lower_softmax(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *out = node->outputs[0];
    int64_t axis = pare_node_int(node, "axis", -1);

    if (out->shape.n_dims != 2 || (axis != -1 && axis != 1))
        return lower_nd(l, node);
    struct buffer y = describe(l, out);
    int x = as_plain(l, node->inputs[0]), at = add_buffer(l, &y);
    add_step(l, STEP_SOFTMAX, node, pare_op_name(node->op), x, at);
    settle(l, out, at);
    return PARE_OK;
}

/* The features of an image as the network sees them: memory keeps its order. */
static bool is_flattening(const struct lowering *l, const struct pare_node *node)
{
    const struct pare_shape *x = &node->inputs[0]->shape, *y = &node->outputs[0]->shape;
    const struct buffer *from = buffer_at(l, known_of(l, node->inputs[0])->buffer);

    return x->n_dims == 4 && y->n_dims == 2 && x->dims[0] == y->dims[0] && !is_in_order(from);
}

/* The same elements in the same order, in another shape. */
static pare_status lower_view(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *x_value = node->inputs[0], *out = node->outputs[0];

    if (x_value->data)
        return lower_nd(l, node);
    int x = known_of(l, x_value)->buffer;
    struct buffer view = *buffer_at(l, x);

    if (node->op == PARE_OP_IDENTITY) {
        settle_moved(l, out, x);
        return PARE_OK;
    }
    if (is_flattening(l, node)) {
        view.is_flat = true;
    } else {
        /* Integers of an image are held channels last only. */
        struct buffer shaped = describe(l, out);
        bool is_both = is_in_order(&shaped);
        if (!is_in_order(&view) || (view.is_u8 && out->shape.n_dims == 4 && !is_both))
            x = as_plain(l, x_value);
        const struct buffer *from = buffer_at(l, x);
        view = is_both ? shaped : describe_plain(l, out);
        view.is_u8 = from->is_u8;
        view.dtype = from->dtype;
        view.is_quantized = from->is_quantized;
        view.scale = from->scale;
        view.range = from->range;
    }
    view.value = name_of(l, out);
    settle_moved(l, out, add_view(l, &view, x));
    return PARE_OK;
}

static pare_status lower_node(struct lowering *l, const struct pare_node *node)
{
    struct pare_activation activation;

    for (int k = 0; k < node->n_outputs; k++) {
        pare_status st = check_grid(l, node->outputs[k]);
        if (st)
            return st;
    }
    switch (node->op) {
    case PARE_OP_CONV:
        if (node->inputs[0]->shape.n_dims != 4)
            return lower_nd(l, node);
        return lower_matrix(l, node);
    case PARE_OP_GEMM: return lower_matrix(l, node);
    case PARE_OP_ADD: return lower_add(l, node);
    case PARE_OP_MAXPOOL:
    case PARE_OP_AVGPOOL:
    case PARE_OP_GLOBAL_AVGPOOL:
    case PARE_OP_GLOBAL_MAXPOOL: return lower_pool(l, node);
    case PARE_OP_BATCHNORM: return lower_norm(l, node);
    case PARE_OP_SOFTMAX: return lower_softmax(l, node);
    case PARE_OP_FLATTEN:
    case PARE_OP_RESHAPE:
    case PARE_OP_SQUEEZE:
    case PARE_OP_UNSQUEEZE:
    case PARE_OP_IDENTITY: return lower_view(l, node);
    default: break;
    }
    if (activation_of(&activation, node))
        return lower_activation(l, node, &activation);
    return lower_nd(l, node);
}

/* The last step writes where the caller wants the result. */
static pare_status lower_output(struct lowering *l, int k)
{
    const struct pare_value *out = l->graph->outputs[k];
    bool is_onnx = l->program->options.onnx_io;

    if (!is_onnx && out->dtype != PARE_F32)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "output '%s' is %s", out->name,
                         pare_dtype_name(out->dtype));
    int x = !is_onnx && out->shape.n_dims == 4 ? as_f32(l, out) : as_plain(l, out);
    int storage = buffer_at(l, x)->storage;

    /* An input, or a value that is an output already. */
    if (buffer_at(l, storage)->place != PLACE_ARENA) {
        struct buffer copy = *buffer_at(l, x);
        storage = add_buffer(l, &copy);
        add_step(l, STEP_COPY, out->producer, "Identity", x, storage);
    }
    buffer_at(l, storage)->place = PLACE_OUTPUT;
    buffer_at(l, storage)->io = k;
    return PARE_OK;
}

static void count_users(struct lowering *l)
{
    pare_each_node(node, l->graph) {
        for (int i = 0; i < node->n_inputs; i++)
            if (node->inputs[i]) {
                known_of(l, node->inputs[i])->n_users++;
                known_of(l, node->inputs[i])->user = node;
            }
    }
    for (int i = 0; i < l->graph->n_outputs; i++)
        known_of(l, l->graph->outputs[i])->is_output = true;
}

static pare_status lower_input(struct lowering *l, int k)
{
    const struct pare_value *in = l->graph->inputs[k];
    bool is_onnx = l->program->options.onnx_io;
    struct buffer x = is_onnx ? describe_plain(l, in) : describe(l, in);
    pare_status st = check_grid(l, in);

    if (!st && !is_onnx && in->dtype != PARE_F32)
        st = pare_fail(l->err, PARE_EUNSUPPORTED, "input '%s' is %s", in->name,
                       pare_dtype_name(in->dtype));
    if (st)
        return st;
    int at = add_buffer(l, &x);
    buffer_at(l, at)->place = PLACE_INPUT;
    buffer_at(l, at)->io = k;
    settle(l, in, at);
    return PARE_OK;
}

pare_status program_lower(struct program *program, const struct pare_graph *graph,
                          struct pare_error *err)
{
    struct lowering l = {.program = program, .graph = graph, .err = err};
    bool is_onnx = program->options.onnx_io;
    pare_status st = PARE_OK;

    if (graph->n_inputs < 1 || graph->n_outputs < 1 || !graph->n_nodes ||
        (graph->n_inputs > 1 && !is_onnx))
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "the network has %d inputs, %d outputs and %d nodes; one input can run",
                         graph->n_inputs, graph->n_outputs, graph->n_nodes);
    l.known = PARE_ARENA_NEW(program->arena, struct known, graph->n_values);
    l.is_fused = PARE_ARENA_NEW(program->arena, bool, graph->n_nodes);
    for (int i = 0; i < graph->n_values; i++)
        l.known[i].buffer = l.known[i].f32 = l.known[i].plain = -1;
    program->n_inputs = graph->n_inputs;
    program->n_outputs = is_onnx ? graph->n_outputs : 1;
    count_users(&l);
    for (int k = 0; !st && k < program->n_inputs; k++) {
        st = lower_input(&l, k);
        program->is_batched |= pare_shape_has_batch(&graph->inputs[k]->shape);
    }
    for (int i = 0; !st && i < graph->n_nodes; i++) {
        if (l.is_fused[i])
            continue;
        st = lower_node(&l, graph->nodes[i]);
        if (st)
            pare_error_prefix(err, "node '%s' (%s)", graph->nodes[i]->name,
                              pare_op_name(graph->nodes[i]->op));
    }
    for (int k = 0; !st && k < program->n_outputs; k++) {
        st = lower_output(&l, k);
        /* Threads would all write one that has no batch. */
        program->is_serial |= !pare_shape_has_batch(&graph->outputs[k]->shape);
    }
    return st;
}
