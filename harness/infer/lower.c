/* From nodes to steps: what runs on integers, what is fused, what is free.
 *
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

#include <pare/quantize.h>

#include "infer/program.h"
#include "kernel/pool.h"

/* What is known about one value of the graph. */
struct known {
    int buffer;  /* canonical: quantized where the value is; -1: not computed yet */
    int f32;     /* dequantized copy, or the same, or -1 */
    int n_users; /* inputs of nodes, and graph outputs */
    bool is_output;
    struct pare_node *user; /* the last one */
};

struct lowering {
    struct program *program;
    const struct pare_graph *graph;
    struct known *known; /* by value id */
    bool *is_fused;      /* by node index: taken in by an earlier step */
    struct pare_error *err;
};

static struct buffer *buffer_at(const struct lowering *l, int i)
{
    return &l->program->buffers[i];
}

static int add_buffer(struct lowering *l, const struct buffer *like)
{
    struct program *program = l->program;

    if (program->n_buffers == program->buffers_capacity) {
        program->buffers_capacity = program->buffers_capacity ? 2 * program->buffers_capacity : 16;
        program->buffers = pare_xrealloc(program->buffers, (size_t)program->buffers_capacity *
                                                               sizeof *program->buffers);
    }
    program->buffers[program->n_buffers] = *like;
    program->buffers[program->n_buffers].storage = program->n_buffers;
    program->buffers[program->n_buffers].place = PLACE_ARENA;
    return program->n_buffers++;
}

static struct step *add_step(struct lowering *l, enum step_kind kind, const struct pare_node *node,
                             const char *op, int x, int y)
{
    struct program *program = l->program;
    struct step *step;

    if (program->n_steps == program->steps_capacity) {
        program->steps_capacity = program->steps_capacity ? 2 * program->steps_capacity : 16;
        program->steps =
            pare_xrealloc(program->steps, (size_t)program->steps_capacity * sizeof *program->steps);
    }
    step = &program->steps[program->n_steps++];
    *step = (struct step){
        .kind = kind,
        .name = pare_arena_strdup(program->arena, node ? node->name : buffer_at(l, x)->value),
        .op = pare_arena_strdup(program->arena, op),
        .x = x,
        .x2 = -1,
        .y = y,
        .low = -INFINITY,
        .high = INFINITY,
        .range = buffer_at(l, y)->range};
    return step;
}

/* The graph may be gone when the plan runs. */
static const char *name_of(const struct lowering *l, const struct pare_value *value)
{
    return pare_arena_strdup(l->program->arena, value->name);
}

/* ---- Shapes and grids ---- */

/* A buffer for `value`, f32 and not quantized, its memory in the order of `value`'s shape. */
static pare_status describe(struct lowering *l, struct buffer *out, const struct pare_value *value)
{
    const struct pare_shape *shape = &value->shape;

    *out = (struct buffer){.value = name_of(l, value), .C = 1, .H = 1, .W = 1};
    if (shape->n_dims > 0 && shape->dims[0] != PARE_DIM_BATCH && shape->dims[0] != 1)
        return pare_fail(l->err, PARE_EUNSUPPORTED,
                         "value '%s' has a fixed batch of %lld; a symbolic one can run",
                         value->name, (long long)shape->dims[0]);
    if (shape->n_dims == 2) {
        out->C = shape->dims[1];
    } else if (shape->n_dims == 4) {
        out->C = shape->dims[1];
        out->H = shape->dims[2];
        out->W = shape->dims[3];
    } else {
        return pare_fail(l->err, PARE_EUNSUPPORTED,
                         "value '%s' has %d dimensions; [N, K] and [N, C, H, W] can run",
                         value->name, shape->n_dims);
    }
    out->n_elems = out->C * out->H * out->W;
    return PARE_OK;
}

/* The grid of a quantized value, shifted to u8. */
static void set_grid(const struct lowering *l, struct buffer *buffer,
                     const struct pare_quant *quant)
{
    int32_t shift = quant->is_signed ? 128 : 0;

    buffer->is_quantized = true;
    buffer->is_u8 = !l->program->options.simulate;
    buffer->scale = quant->scale;
    buffer->range = (struct pare_u8_range){.zero = quant->zero + shift,
                                           .low = pare_quant_min(quant) + shift,
                                           .high = pare_quant_max(quant) + shift};
}

static bool has_grid(const struct pare_value *value)
{
    return value->quant.bits > 0;
}

static pare_status check_grid(struct lowering *l, const struct pare_value *value)
{
    const struct pare_quant *quant = &value->quant;

    if (has_grid(value) &&
        (quant->bits < 2 || quant->bits > 8 || !(quant->scale > 0) || !isfinite(quant->scale) ||
         quant->zero < pare_quant_min(quant) || quant->zero > pare_quant_max(quant)))
        return pare_fail(l->err, PARE_EUNSUPPORTED,
                         "value '%s': quantization to %d bits, scale %g, zero point %d cannot run",
                         value->name, quant->bits, (double)quant->scale, (int)quant->zero);
    return PARE_OK;
}

static bool is_same_grid(const struct buffer *buffer, const struct pare_value *value)
{
    int32_t shift = value->quant.is_signed ? 128 : 0;

    return buffer->is_quantized && buffer->scale == value->quant.scale &&
           buffer->range.zero == value->quant.zero + shift &&
           buffer->range.low == pare_quant_min(&value->quant) + shift &&
           buffer->range.high == pare_quant_max(&value->quant) + shift;
}

/* A clamp of reals to low..high as bounds of the grid: rounding is monotone, so the order of
 * clamping and rounding is free. */
static struct pare_u8_range narrow(const struct buffer *grid, float low, float high)
{
    struct pare_u8_range range = grid->range;
    uint8_t q_low, q_high;

    pare_quantize_u8_ref(&q_low, &low, 1, grid->scale, grid->range);
    pare_quantize_u8_ref(&q_high, &high, 1, grid->scale, grid->range);
    range.low = q_low;
    range.high = q_high < q_low ? q_low : q_high;
    return range;
}

/* ---- Values ---- */

static struct known *known_of(const struct lowering *l, const struct pare_value *value)
{
    return &l->known[value->id];
}

/* The value as f32: itself, or a copy made now. */
static int as_f32(struct lowering *l, const struct pare_value *value)
{
    struct known *known = known_of(l, value);

    if (known->f32 < 0) {
        struct buffer real = *buffer_at(l, known->buffer);
        real.is_u8 = real.is_quantized = false;
        known->f32 = add_buffer(l, &real);
        add_step(l, STEP_DEQUANTIZE, value->producer, "DequantizeLinear", known->buffer,
                 known->f32);
    }
    return known->f32;
}

static void set_known(struct lowering *l, const struct pare_value *value, int buffer)
{
    known_of(l, value)->buffer = buffer;
    known_of(l, value)->f32 = buffer_at(l, buffer)->is_u8 ? -1 : buffer;
}

/* `value` has been computed as f32; it goes onto its grid if it has one. */
static void settle(struct lowering *l, const struct pare_value *value, int buffer)
{
    if (!has_grid(value)) {
        set_known(l, value, buffer);
        return;
    }
    struct buffer grid = *buffer_at(l, buffer);
    grid.value = name_of(l, value);
    set_grid(l, &grid, &value->quant);
    int y = add_buffer(l, &grid);
    add_step(l, grid.is_u8 ? STEP_QUANTIZE : STEP_FAKE_QUANTIZE, value->producer, "QuantizeLinear",
             buffer, y);
    set_known(l, value, y);
}

/* A u8 table of `activation` between two grids. */
static void add_lookup(struct lowering *l, const struct pare_node *node, const char *op, int x,
                       int y, const struct pare_activation *activation)
{
    struct step *step = add_step(l, STEP_LOOKUP, node, op, x, y);
    const struct buffer *from = buffer_at(l, x), *to = buffer_at(l, y);

    step->table = pare_arena_alloc(l->program->arena, 256);
    for (int q = 0; q < 256; q++) {
        float real = from->scale * (float)(q - from->range.zero);
        if (activation)
            real = pare_activate_ref(activation, real);
        pare_quantize_u8_ref(&step->table[q], &real, 1, to->scale, to->range);
    }
}

/* `value` takes the numbers of `buffer`, which are those of another value, moved: no rounding unless
 * it has a grid of its own.  The view (C, H, W) is the buffer's. */
static void settle_moved(struct lowering *l, const struct pare_value *value, int buffer)
{
    if (!buffer_at(l, buffer)->is_quantized) {
        settle(l, value, buffer);
        return;
    }
    if (!has_grid(value) || is_same_grid(buffer_at(l, buffer), value)) {
        set_known(l, value, buffer);
        return;
    }
    struct buffer grid = *buffer_at(l, buffer);
    grid.value = name_of(l, value);
    set_grid(l, &grid, &value->quant);
    int y = add_buffer(l, &grid);
    if (grid.is_u8)
        add_lookup(l, value->producer, "QuantizeLinear", buffer, y, NULL);
    else
        add_step(l, STEP_FAKE_QUANTIZE, value->producer, "QuantizeLinear", buffer, y);
    set_known(l, value, y);
}

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
    struct buffer y;
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
        st = describe(l, &y, chain.out);
    if (!st)
        st = check_grid(l, chain.out);
    if (st)
        return st;
    struct buffer *input = buffer_at(l, known_of(l, x_value)->buffer);
    bool is_integer = input->is_quantized && weights_are_integers(node, s.M) && !simulate;
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

static pare_status lower_add(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *a = node->inputs[0], *b = node->inputs[1];
    struct buffer y;
    struct step *step;

    if (!b || known_of(l, b)->buffer < 0)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "an operand that is constant");
    if (!pare_shape_equal(&a->shape, &b->shape))
        return pare_fail(l->err, PARE_EUNSUPPORTED, "operands of two shapes");
    struct chain chain = follow(l, node, false);
    pare_status st = describe(l, &y, chain.out);
    if (!st)
        st = check_grid(l, chain.out);
    if (st)
        return st;
    const struct buffer *pa = buffer_at(l, known_of(l, a)->buffer);
    const struct buffer *pb = buffer_at(l, known_of(l, b)->buffer);
    if (pa->is_flat != pb->is_flat && pa->H * pa->W > 1)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "a flattened and a plain operand");
    y.is_flat = pa->is_flat;
    y.C = pa->C;
    y.H = pa->H;
    y.W = pa->W;
    if (pa->is_u8 && pb->is_u8 && has_grid(chain.out)) {
        set_grid(l, &y, &chain.out->quant);
        int at = add_buffer(l, &y);
        step = add_step(l, STEP_ADD, node, chain.op, known_of(l, a)->buffer, at);
        step->x2 = known_of(l, b)->buffer;
        step->range = narrow(&y, chain.low, chain.high);
        set_known(l, chain.out, at);
        return PARE_OK;
    }
    int xa = as_f32(l, a), xb = as_f32(l, b);
    int at = add_buffer(l, &y);
    step = add_step(l, STEP_ADD, node, chain.op, xa, at);
    step->x2 = xb;
    step->low = chain.low;
    step->high = chain.high;
    settle(l, chain.out, at);
    return PARE_OK;
}

static pare_status lower_pool(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *x_value = node->inputs[0], *out = node->outputs[0];
    const struct buffer *x = buffer_at(l, known_of(l, x_value)->buffer);
    bool is_max = node->op == PARE_OP_MAXPOOL;
    if (x_value->shape.n_dims != 4)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "an input that is not [N, C, H, W]");
    struct pare_conv2d s = node->op == PARE_OP_GLOBAL_AVGPOOL ? pare_pool_global(x->C, x->H, x->W)
                                                              : pare_node_conv2d(node);
    bool is_u8 = x->is_u8 && (is_max || has_grid(out));
    struct buffer y;
    pare_status st = describe(l, &y, out);

    if (!st && x->is_flat)
        st = pare_fail(l->err, PARE_EUNSUPPORTED, "a flattened input");
    if (st)
        return st;
    /* The largest of some numbers on a grid is on it: it moves them. */
    if (is_u8 && is_max) {
        y.is_u8 = y.is_quantized = true;
        y.scale = x->scale;
        y.range = x->range;
    } else if (is_u8) {
        set_grid(l, &y, &out->quant);
    } else if (is_max && x->is_quantized) {
        y.is_quantized = true; /* simulated */
        y.scale = x->scale;
        y.range = x->range;
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
    struct chain chain = follow(l, node, false);
    int64_t C = node->inputs[0]->shape.dims[1];
    pare_status st = check_norm(l, node, C);
    struct buffer y;

    if (!st)
        st = describe(l, &y, chain.out);
    if (!st && buffer_at(l, known_of(l, node->inputs[0])->buffer)->is_flat)
        st = pare_fail(l->err, PARE_EUNSUPPORTED, "a flattened input");
    if (st)
        return st;
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

/* The order that the network's user sees, where memory has another. */
static int in_graph_order(struct lowering *l, int x, const struct pare_node *node)
{
    struct buffer y = *buffer_at(l, x);

    if (!y.is_flat || y.C == 1 || y.H * y.W == 1)
        return x;
    y.is_flat = y.is_quantized = false;
    y.C = y.n_elems;
    y.H = y.W = 1;
    int at = add_buffer(l, &y);
    add_step(l, STEP_CHANNELS_FIRST, node, "Transpose", x, at);
    return at;
}

static pare_status lower_softmax(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *out = node->outputs[0];
    struct buffer y;
    pare_status st = describe(l, &y, out);

    if (st)
        return st;
    int64_t axis = pare_node_int(node, "axis", -1);
    if (out->shape.n_dims != 2 || (axis != -1 && axis != 1))
        return pare_fail(l->err, PARE_EUNSUPPORTED, "anything but the last axis of [N, K]");
    int x = in_graph_order(l, as_f32(l, node->inputs[0]), node), at = add_buffer(l, &y);
    add_step(l, STEP_SOFTMAX, node, pare_op_name(node->op), x, at);
    settle(l, out, at);
    return PARE_OK;
}

static pare_status lower_view(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *out = node->outputs[0];
    if (node->op == PARE_OP_FLATTEN && pare_node_int(node, "axis", 1) != 1)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "another axis than 1");
    int x = known_of(l, node->inputs[0])->buffer;
    struct buffer *from = buffer_at(l, x);

    if (node->op == PARE_OP_FLATTEN && from->H * from->W > 1 && !from->is_flat) {
        struct buffer view = *from;
        int storage = from->storage;
        view.value = name_of(l, out);
        view.is_flat = true;
        x = add_buffer(l, &view);
        buffer_at(l, x)->storage = storage;
        buffer_at(l, x)->place = view.place;
    }
    settle_moved(l, out, x);
    return PARE_OK;
}

static pare_status lower_node(struct lowering *l, const struct pare_node *node)
{
    struct pare_activation activation;

    if (node->n_inputs < 1 || !node->inputs[0] || known_of(l, node->inputs[0])->buffer < 0)
        return pare_fail(l->err, PARE_EUNSUPPORTED, "an input that is not an activation");
    pare_status st = check_grid(l, node->outputs[0]);
    if (st)
        return st;
    switch (node->op) {
    case PARE_OP_CONV:
    case PARE_OP_GEMM: return lower_matrix(l, node);
    case PARE_OP_ADD: return lower_add(l, node);
    case PARE_OP_MAXPOOL:
    case PARE_OP_AVGPOOL:
    case PARE_OP_GLOBAL_AVGPOOL: return lower_pool(l, node);
    case PARE_OP_BATCHNORM: return lower_norm(l, node);
    case PARE_OP_SOFTMAX: return lower_softmax(l, node);
    case PARE_OP_FLATTEN:
    case PARE_OP_IDENTITY: return lower_view(l, node);
    default: break;
    }
    if (activation_of(&activation, node))
        return lower_activation(l, node, &activation);
    return pare_fail(l->err, PARE_EUNSUPPORTED, "the operator %s", pare_op_name(node->op));
}

/* The last step writes where the caller wants the result. */
static void lower_output(struct lowering *l)
{
    const struct pare_value *out = l->graph->outputs[0];
    int x = in_graph_order(l, as_f32(l, out), out->producer);
    int storage = buffer_at(l, x)->storage;

    if (buffer_at(l, storage)->place == PLACE_INPUT) {
        struct buffer copy = *buffer_at(l, x);
        int y = add_buffer(l, &copy);
        add_step(l, STEP_ACTIVATE, out->producer, "Identity", x, y)->activation =
            (struct pare_activation){.op = PARE_OP_CLIP, .low = -INFINITY, .high = INFINITY};
        storage = y;
    }
    buffer_at(l, storage)->place = PLACE_OUTPUT;
    l->program->output_elems = buffer_at(l, storage)->n_elems;
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

static pare_status lower_input(struct lowering *l)
{
    const struct pare_value *in = l->graph->inputs[0];
    struct buffer x;
    pare_status st = describe(l, &x, in);

    if (!st)
        st = check_grid(l, in);
    if (st)
        return st;
    int at = add_buffer(l, &x);
    buffer_at(l, at)->place = PLACE_INPUT;
    l->program->input_elems = x.n_elems;
    settle(l, in, at);
    return PARE_OK;
}

pare_status program_lower(struct program *program, const struct pare_graph *graph,
                          struct pare_error *err)
{
    struct lowering l = {.program = program, .graph = graph, .err = err};
    pare_status st;

    if (graph->n_inputs != 1 || graph->n_outputs < 1 || !graph->n_nodes)
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "the network has %d inputs, %d outputs and %d nodes; one input can run",
                         graph->n_inputs, graph->n_outputs, graph->n_nodes);
    l.known = PARE_ARENA_NEW(program->arena, struct known, graph->n_values);
    l.is_fused = PARE_ARENA_NEW(program->arena, bool, graph->n_nodes);
    for (int i = 0; i < graph->n_values; i++)
        l.known[i].buffer = l.known[i].f32 = -1;
    count_users(&l);
    st = lower_input(&l);
    for (int i = 0; !st && i < graph->n_nodes; i++) {
        if (l.is_fused[i])
            continue;
        st = lower_node(&l, graph->nodes[i]);
        if (st)
            pare_error_prefix(err, "node '%s' (%s)", graph->nodes[i]->name,
                              pare_op_name(graph->nodes[i]->op));
    }
    if (!st)
        lower_output(&l);
    return st;
}
