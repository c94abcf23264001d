/* Where values live while a graph is lowered: buffers, their order, their grids. */
#include <math.h>
#include <string.h>

#include <pare/quantize.h>

#include "graph/resolve.h"
#include "infer/lowering.h"

int add_buffer(struct lowering *l, const struct buffer *like)
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

int add_view(struct lowering *l, const struct buffer *like, int x)
{
    struct buffer view = *like;
    int at = add_buffer(l, &view);

    buffer_at(l, at)->storage = buffer_at(l, x)->storage;
    return at;
}

struct step *add_step(struct lowering *l, enum step_kind kind, const struct pare_node *node,
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
        .name = pare_arena_strdup(program->arena, node ? node->name : buffer_at(l, y)->value),
        .op = pare_arena_strdup(program->arena, op),
        .x = x,
        .x2 = -1,
        .y = y,
        .low = -INFINITY,
        .high = INFINITY,
        .range = buffer_at(l, y)->range};
    return step;
}

const char *name_of(const struct lowering *l, const struct pare_value *value)
{
    return pare_arena_strdup(l->program->arena, value->name);
}

struct buffer describe_plain(const struct lowering *l, const struct pare_value *value)
{
    const struct pare_shape *shape = &value->shape;
    struct buffer b = {.value = name_of(l, value),
                       .dtype = value->dtype,
                       .shape = *shape,
                       .is_plain = shape->n_dims != 2,
                       .is_shared = !pare_shape_has_batch(shape),
                       .n_elems = pare_shape_elems(shape),
                       .rows = 1,
                       .H = 1,
                       .W = 1};

    if (b.is_shared && shape->n_dims > 0)
        b.rows = shape->dims[0];
    b.C = b.rows ? b.n_elems / b.rows : 0;
    return b;
}

struct buffer describe(const struct lowering *l, const struct pare_value *value)
{
    struct buffer b = describe_plain(l, value);
    const int64_t *dims = value->shape.dims;

    if (value->shape.n_dims == 4) {
        b.is_plain = false;
        b.C = dims[1];
        b.H = dims[2];
        b.W = dims[3];
        b.shape = pare_shape_of(4, dims[0], b.H, b.W, b.C);
    }
    return b;
}

bool is_in_order(const struct buffer *buffer)
{
    return buffer->is_plain || buffer->C == 1 || buffer->H * buffer->W == 1;
}

/* ---- Grids ---- */

void set_grid(const struct lowering *l, struct buffer *buffer, const struct pare_quant *quant)
{
    int32_t shift = quant->is_signed ? 128 : 0;

    buffer->is_quantized = true;
    buffer->is_u8 = !l->program->options.simulate;
    buffer->dtype = buffer->is_u8 ? PARE_U8 : PARE_F32;
    buffer->scale = quant->scale;
    buffer->range = (struct pare_u8_range){.zero = quant->zero + shift,
                                           .low = pare_quant_min(quant) + shift,
                                           .high = pare_quant_max(quant) + shift};
}

pare_status check_grid(struct lowering *l, const struct pare_value *value)
{
    const struct pare_quant *quant = &value->quant;

    if (has_grid(value) && (quant->bits < 2 || quant->bits > 8 || !(quant->scale > 0) ||
                            !isfinite(quant->scale) || quant->zero < pare_quant_min(quant) ||
                            quant->zero > pare_quant_max(quant) || value->dtype != PARE_F32))
        return pare_fail(l->err, PARE_EUNSUPPORTED,
                         "value '%s': quantization to %d bits, scale %g, zero point %d cannot run",
                         value->name, quant->bits, (double)quant->scale, (int)quant->zero);
    return PARE_OK;
}

bool is_same_grid(const struct buffer *buffer, const struct pare_value *value)
{
    int32_t shift = value->quant.is_signed ? 128 : 0;

    return buffer->is_quantized && buffer->scale == value->quant.scale &&
           buffer->range.zero == value->quant.zero + shift &&
           buffer->range.low == pare_quant_min(&value->quant) + shift &&
           buffer->range.high == pare_quant_max(&value->quant) + shift;
}

/* Rounding is monotone, so the order of clamping and rounding is free. */
struct pare_u8_range narrow(const struct buffer *grid, float low, float high)
{
    struct pare_u8_range range = grid->range;
    uint8_t q_low, q_high;

    pare_quantize_u8_ref(&q_low, &low, 1, grid->scale, grid->range);
    pare_quantize_u8_ref(&q_high, &high, 1, grid->scale, grid->range);
    range.low = q_low;
    range.high = q_high < q_low ? q_low : q_high;
    return range;
}

void add_lookup(struct lowering *l, const struct pare_node *node, const char *op, int x, int y,
                const struct pare_activation *activation)
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

/* ---- Values ---- */

bool is_channels_last(const struct lowering *l, const struct pare_value *value)
{
    const struct buffer *buffer = buffer_at(l, known_of(l, value)->buffer);

    return !buffer->is_plain && !buffer->is_flat;
}

void set_known(struct lowering *l, const struct pare_value *value, int buffer)
{
    const struct buffer *b = buffer_at(l, buffer);
    struct known *known = known_of(l, value);

    known->buffer = buffer;
    known->f32 = b->is_u8 || b->is_plain || b->dtype != PARE_F32 ? -1 : buffer;
    known->plain =
        b->is_u8 || !(b->is_plain || (b->shape.n_dims == 2 && !b->is_flat)) ? -1 : buffer;
}

/* The canonical buffer, dequantized, in its own order. */
static int dequantized(struct lowering *l, const struct pare_value *value)
{
    struct known *known = known_of(l, value);
    struct buffer real = *buffer_at(l, known->buffer);

    if (!real.is_u8)
        return known->buffer;
    if (known->f32 >= 0)
        return known->f32;
    real.is_u8 = real.is_quantized = false;
    real.dtype = PARE_F32;
    int at = add_buffer(l, &real);
    add_step(l, STEP_DEQUANTIZE, value->producer, "DequantizeLinear", known->buffer, at);
    return at;
}

/* Buffer x in the order of `y`: a view where both orders are one. */
static int reordered(struct lowering *l, const struct pare_value *value, const struct buffer *y,
                     int x, enum step_kind kind)
{
    if (is_in_order(buffer_at(l, x)) && is_in_order(y))
        return add_view(l, y, x);
    int at = add_buffer(l, y);
    add_step(l, kind, value->producer, "Transpose", x, at);
    return at;
}

int as_f32(struct lowering *l, const struct pare_value *value)
{
    struct known *known = known_of(l, value);

    if (known->f32 >= 0)
        return known->f32;
    int x = dequantized(l, value);
    if (buffer_at(l, x)->is_plain) {
        struct buffer y = describe(l, value);
        y.is_quantized = buffer_at(l, x)->is_quantized; /* simulated */
        y.scale = buffer_at(l, x)->scale;
        y.range = buffer_at(l, x)->range;
        x = reordered(l, value, &y, x, STEP_CHANNELS_LAST);
    }
    return known->f32 = x;
}

int as_plain(struct lowering *l, const struct pare_value *value)
{
    struct known *known = known_of(l, value);

    if (known->plain >= 0)
        return known->plain;
    int x = dequantized(l, value);
    if (!buffer_at(l, x)->is_plain) {
        struct buffer y = describe_plain(l, value);
        known->f32 = x;
        if (value->shape.n_dims != 2 || buffer_at(l, x)->is_flat)
            x = reordered(l, value, &y, x, STEP_CHANNELS_FIRST);
    }
    return known->plain = x;
}

void settle(struct lowering *l, const struct pare_value *value, int buffer)
{
    if (!has_grid(value)) {
        set_known(l, value, buffer);
        return;
    }
    /* Integers of an image are held channels last: what takes them wants them so. */
    if (buffer_at(l, buffer)->is_plain && value->shape.n_dims == 4) {
        struct buffer y = describe(l, value);
        buffer = reordered(l, value, &y, buffer, STEP_CHANNELS_LAST);
    }
    struct buffer grid = *buffer_at(l, buffer);
    grid.value = name_of(l, value);
    set_grid(l, &grid, &value->quant);
    int y = add_buffer(l, &grid);
    add_step(l, grid.is_u8 ? STEP_QUANTIZE : STEP_FAKE_QUANTIZE, value->producer, "QuantizeLinear",
             buffer, y);
    set_known(l, value, y);
}

void settle_moved(struct lowering *l, const struct pare_value *value, int buffer)
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
