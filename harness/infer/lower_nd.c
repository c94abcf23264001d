/* Generic steps: any operator of any rank on row-major arrays.
 *
 * Where an operator's images lie with the channels last already, and its dimensions can be
 * renumbered, it stays in that order.  Those that only move numbers move integers too. */
#include <math.h>
#include <string.h>

#include "graph/resolve.h"
#include "graph/window.h"
#include "infer/lowering.h"
#include "infer/nd.h"

/* How one node is lowered. */
struct plan {
    const struct pare_node *node;
    bool is_last;     /* arrays have the channels last */
    bool reads_last;  /* the input has: a transposition reads it as it lies */
    bool is_integers; /* of the grid of its inputs, moved */
    struct nd *nd;
};

/* Where dimension d of an image lies when the channels are last, and which lies at place d. */
static const int memory_of[] = {0, 3, 1, 2}, at_place[] = {0, 2, 3, 1};

static int place_of(const struct plan *p, int d)
{
    return p->is_last ? memory_of[d] : d;
}

static bool is_binary(enum pare_op op)
{
    switch (op) {
    case PARE_OP_ADD:
    case PARE_OP_SUB:
    case PARE_OP_MUL:
    case PARE_OP_DIV:
    case PARE_OP_POW:
    case PARE_OP_MIN:
    case PARE_OP_MAX:
    case PARE_OP_PRELU: return true;
    default: return false;
    }
}

static bool is_mover(enum pare_op op)
{
    return op == PARE_OP_SLICE || op == PARE_OP_PAD || op == PARE_OP_CONCAT || op == PARE_OP_SPLIT;
}

static bool is_unary(enum pare_op op)
{
    switch (op) {
    case PARE_OP_ELU:
    case PARE_OP_ERF:
    case PARE_OP_SQRT:
    case PARE_OP_EXP:
    case PARE_OP_LOG:
    case PARE_OP_NEG:
    case PARE_OP_ABS: return true;
    default: return false;
    }
}

/* Operators whose dimensions can be renumbered. */
static bool takes_channels_last(const struct pare_node *node)
{
    switch (node->op) {
    case PARE_OP_REDUCE_MEAN:
    case PARE_OP_REDUCE_SUM:
    case PARE_OP_REDUCE_MAX: { /* what is left is in the order of ONNX, or of an image */
        bool is_axis[PARE_MAX_DIMS] = {false};
        return node->outputs[0]->shape.n_dims == 4 ||
               (!pare_resolve_axes(is_axis, node, &node->inputs[0]->shape, NULL) &&
                (is_axis[1] || (is_axis[2] && is_axis[3])));
    }
    case PARE_OP_RESIZE:
    case PARE_OP_SOFTMAX:
    case PARE_OP_LOG_SOFTMAX:
    case PARE_OP_LRN: return true;
    default: return is_binary(node->op) || is_mover(node->op);
    }
}

/* All its activations are images, or the same for all pixels and channels, and one lies so. */
static bool is_best_channels_last(const struct lowering *l, const struct pare_node *node)
{
    bool any = false;

    if (!takes_channels_last(node))
        return false;
    for (int k = 0; k < node->n_inputs; k++) {
        const struct pare_value *x = node->inputs[k];

        if (!x)
            continue;
        if (x->dtype != PARE_F32 || x->shape.n_dims > 4 || (!x->data && x->shape.n_dims != 4))
            return false;
        if (!x->data)
            any = any || is_channels_last(l, x);
    }
    return any;
}

/* ---- Operands ---- */

/* A constant as an array of four dimensions, the channels last. */
static pare_status turn(struct lowering *l, struct nd_operand *out, struct pare_tensor *constant)
{
    static const int perm[] = {0, 2, 3, 1};
    struct pare_shape image = pare_shape_of(4, (int64_t)1, (int64_t)1, (int64_t)1, (int64_t)1);
    int n = constant->shape.n_dims;

    for (int d = 0; d < n; d++)
        image.dims[4 - n + d] = constant->shape.dims[d];
    out->shape = pare_shape_of(4, image.dims[0], image.dims[2], image.dims[3], image.dims[1]);
    if (image.dims[1] == 1 || image.dims[2] * image.dims[3] == 1) {
        out->constant = pare_tensor_ref(constant); /* both orders are one */
        return PARE_OK;
    }
    pare_status st = pare_tensor_new(&out->constant, constant->dtype, &out->shape, l->err);
    if (!st)
        pare_nd_transpose(out->constant->data, constant->data, &image, perm,
                          pare_dtype_bytes(constant->dtype));
    return st;
}

static pare_status add_operand(struct lowering *l, struct plan *p, const struct pare_value *x)
{
    struct nd_operand *out = &p->nd->in[p->nd->n_in++];

    *out = (struct nd_operand){.buffer = -1};
    if (!x)
        return PARE_OK;
    if (x->data && p->is_last)
        return turn(l, out, x->data);
    if (x->data) {
        out->constant = pare_tensor_ref(x->data);
        out->shape = x->shape;
        return PARE_OK;
    }
    out->buffer = p->is_integers                ? known_of(l, x)->buffer
                  : p->is_last || p->reads_last ? as_f32(l, x)
                                                : as_plain(l, x);
    out->shape = buffer_at(l, out->buffer)->shape;
    return PARE_OK;
}

/* Numbers of one grid that are only moved: all inputs lie on it, in the order that is wanted. */
static bool moves_integers(const struct lowering *l, const struct plan *p)
{
    const struct pare_node *node = p->node;
    const struct buffer *first;

    if (!is_mover(node->op) || node->inputs[0]->data)
        return false;
    first = buffer_at(l, known_of(l, node->inputs[0])->buffer);
    if (node->op == PARE_OP_PAD) {
        const char *mode = pare_node_string(node, "mode", "constant");
        if (strcmp(mode, "constant") == 0 && pare_node_float(node, "value", 0) != 0)
            return false; /* its value need not lie on the grid */
    }
    for (int k = 0; k < node->n_inputs; k++) {
        const struct buffer *x;

        if (node->inputs[k]->data)
            return false;
        x = buffer_at(l, known_of(l, node->inputs[k])->buffer);
        bool is_in_place = p->is_last ? !x->is_plain : x->is_plain || x->shape.n_dims == 2;
        if (!x->is_quantized || x->is_flat || !is_in_place || x->scale != first->scale ||
            x->range.zero != first->range.zero || x->range.low != first->range.low ||
            x->range.high != first->range.high)
            return false;
    }
    return true;
}

/* ---- Attributes, renumbered ---- */

static void turn_list(const struct plan *p, int64_t *list)
{
    int64_t given[PARE_MAX_DIMS];

    memcpy(given, list, sizeof given);
    for (int d = 0; d < 4 && p->is_last; d++)
        list[place_of(p, d)] = given[d];
}

static void turn_reals(const struct plan *p, double *list)
{
    double given[PARE_MAX_DIMS];

    memcpy(given, list, sizeof given);
    for (int d = 0; d < 4 && p->is_last; d++)
        list[place_of(p, d)] = given[d];
}

static pare_status set_axis(struct lowering *l, struct plan *p, int64_t def)
{
    const struct pare_node *node = p->node;
    int axis = 0;
    pare_status st =
        pare_resolve_axis(&axis, pare_node_int(node, "axis", def), &node->inputs[0]->shape, l->err);

    p->nd->axis = st ? 0 : place_of(p, axis);
    return st;
}

static pare_status set_slice(struct lowering *l, struct plan *p)
{
    struct pare_nd_slice *s = &p->nd->slice;
    pare_status st = pare_resolve_slice(s, p->node, l->err);

    if (!st) {
        turn_list(p, s->in);
        turn_list(p, s->out);
        turn_list(p, s->start);
        turn_list(p, s->step);
    }
    return st;
}

static pare_status set_pad(struct lowering *l, struct plan *p)
{
    struct pare_nd_pad *s = &p->nd->pad;
    double value = pare_node_float(p->node, "value", 0);
    enum pare_dtype dtype = p->node->inputs[0]->dtype, real = PARE_F64;
    pare_status st = pare_resolve_pad(s, p->node, l->err);

    if (st)
        return st;
    turn_list(p, s->in);
    turn_list(p, s->out);
    turn_list(p, s->before);
    if (p->is_integers && buffer_at(l, p->nd->in[0].buffer)->is_u8)
        p->nd->fill.u8 = (uint8_t)buffer_at(l, p->nd->in[0].buffer)->range.zero;
    else
        pare_nd_cast(&p->nd->fill, dtype, &value, real, 1);
    return PARE_OK;
}

static pare_status set_resize(struct lowering *l, struct plan *p)
{
    struct pare_nd_resize *r = &p->nd->resize;
    pare_status st = pare_resolve_resize(r, p->node, l->err);

    if (st)
        return st;
    if (r->in[0] == PARE_DIM_BATCH)
        r->in[0] = r->out[0] = 1; /* sample by sample */
    turn_list(p, r->in);
    turn_list(p, r->out);
    turn_reals(p, r->scale);
    turn_reals(p, r->roi_begin);
    turn_reals(p, r->roi_end);
    return PARE_OK;
}

static pare_status set_reduction(struct lowering *l, struct plan *p)
{
    bool is_axis[PARE_MAX_DIMS] = {false};
    const struct pare_shape *x = &p->node->inputs[0]->shape;
    pare_status st = pare_resolve_axes(is_axis, p->node, x, l->err);

    for (int d = 0; d < x->n_dims; d++)
        p->nd->is_axis[place_of(p, d)] = is_axis[d];
    return st;
}

/* Means and maxima over all pixels, where the fast pools do not take the shape. */
static pare_status set_global_pool(struct plan *p)
{
    for (int d = 2; d < p->node->inputs[0]->shape.n_dims; d++)
        p->nd->is_axis[d] = true;
    p->nd->op = p->node->op == PARE_OP_GLOBAL_MAXPOOL ? PARE_OP_REDUCE_MAX : PARE_OP_REDUCE_MEAN;
    return PARE_OK;
}

static pare_status set_norm(struct lowering *l, struct plan *p)
{
    int64_t C = p->node->inputs[0]->shape.dims[1];
    double *factor = PARE_ARENA_NEW(l->program->arena, double, 2 * C);

    norm_factors(p->node, C, factor, factor + C);
    p->nd->scale = PARE_ARENA_NEW(l->program->arena, float, C);
    p->nd->shift = PARE_ARENA_NEW(l->program->arena, float, C);
    for (int64_t c = 0; c < C; c++) {
        p->nd->scale[c] = (float)factor[c];
        p->nd->shift[c] = (float)factor[C + c];
    }
    p->nd->axis = 1;
    return PARE_OK;
}

static pare_status set_perm(struct lowering *l, struct plan *p)
{
    pare_status st = pare_resolve_perm(p->nd->perm, p->node, l->err);

    for (int d = 0; !st && p->reads_last && d < 4; d++)
        p->nd->perm[d] = memory_of[p->nd->perm[d]];
    return st;
}

static pare_status set_lrn(struct plan *p)
{
    p->nd->axis = place_of(p, 1);
    p->nd->size = pare_node_int(p->node, "size", 1);
    p->nd->alpha = pare_node_float(p->node, "alpha", 1e-4);
    p->nd->beta = pare_node_float(p->node, "beta", 0.75);
    p->nd->bias = pare_node_float(p->node, "bias", 1);
    return PARE_OK;
}

static pare_status set_attributes(struct lowering *l, struct plan *p)
{
    const struct pare_node *node = p->node;

    p->nd->alpha = pare_node_float(node, "alpha", 1);
    p->nd->epsilon = pare_node_float(node, "epsilon", 1e-5);
    switch (node->op) {
    case PARE_OP_FLATTEN:
    case PARE_OP_RESHAPE:
    case PARE_OP_SQUEEZE:
    case PARE_OP_UNSQUEEZE: p->nd->op = PARE_OP_IDENTITY; return PARE_OK;
    case PARE_OP_SOFTMAX:
    case PARE_OP_LOG_SOFTMAX:
    case PARE_OP_LAYER_NORM: return set_axis(l, p, -1);
    case PARE_OP_CONCAT:
    case PARE_OP_SPLIT:
    case PARE_OP_GATHER: return set_axis(l, p, 0);
    case PARE_OP_QUANTIZE_LINEAR:
    case PARE_OP_DEQUANTIZE_LINEAR:
        return pare_shape_elems(&node->inputs[1]->shape) > 1 ? set_axis(l, p, 1) : PARE_OK;
    case PARE_OP_REDUCE_MEAN:
    case PARE_OP_REDUCE_SUM:
    case PARE_OP_REDUCE_MAX: return set_reduction(l, p);
    case PARE_OP_TRANSPOSE: return set_perm(l, p);
    case PARE_OP_SLICE: return set_slice(l, p);
    case PARE_OP_PAD: return set_pad(l, p);
    case PARE_OP_RESIZE: return set_resize(l, p);
    case PARE_OP_LRN: return set_lrn(p);
    case PARE_OP_BATCHNORM: return set_norm(l, p);
    case PARE_OP_GLOBAL_AVGPOOL:
    case PARE_OP_GLOBAL_MAXPOOL: return set_global_pool(p);
    case PARE_OP_CONV:
    case PARE_OP_CONV_TRANSPOSE:
    case PARE_OP_MAXPOOL:
    case PARE_OP_AVGPOOL: return pare_window_resolve(&p->nd->window, node, l->err);
    default: return PARE_OK;
    }
}

static size_t work_bytes(const struct nd *nd)
{
    switch (nd->op) {
    case PARE_OP_CONV: return pare_nd_window_work_bytes(&nd->window, false);
    case PARE_OP_CONV_TRANSPOSE: return pare_nd_window_work_bytes(&nd->window, true);
    case PARE_OP_RESIZE: return pare_nd_resize_work_bytes(&nd->resize);
    default: return 0;
    }
}

/* ---- The step ---- */

/* A buffer for output k: of numbers that are moved, on their grid. */
static int add_output(struct lowering *l, const struct plan *p, int k)
{
    const struct pare_value *out = p->node->outputs[k];
    struct buffer y = p->is_last ? describe(l, out) : describe_plain(l, out);

    if (p->is_integers) {
        const struct buffer *x = buffer_at(l, p->nd->in[0].buffer);
        y.is_u8 = x->is_u8;
        y.dtype = x->dtype;
        y.is_quantized = true;
        y.scale = x->scale;
        y.range = x->range;
    }
    return add_buffer(l, &y);
}

/* The first two activations, for reports and for working in place. */
static void set_first(struct step *step)
{
    const struct nd *nd = step->nd;

    step->x = step->x2 = -1;
    for (int k = 0; k < nd->n_in; k++) {
        if (nd->in[k].buffer < 0)
            continue;
        if (step->x < 0)
            step->x = nd->in[k].buffer;
        else if (step->x2 < 0)
            step->x2 = nd->in[k].buffer;
    }
}

/* Both orders of an image are plain arrays, so that many transpositions only rename one. */
static bool lower_renaming(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *x_value = node->inputs[0], *out = node->outputs[0];
    int perm[PARE_MAX_DIMS] = {0}, n = x_value->shape.n_dims, at;
    bool to_plain = true, to_last = n == 4;

    if (x_value->data || x_value->dtype != PARE_F32 || pare_resolve_perm(perm, node, NULL))
        return false;
    at = known_of(l, x_value)->buffer;
    const struct buffer *x = buffer_at(l, at);
    bool is_image = n == 4 && !x->is_plain;
    for (int d = 0; d < n; d++) {
        to_plain = to_plain && (is_image ? memory_of[perm[d]] : perm[d]) == d;
        to_last = to_last && (is_image ? memory_of[perm[at_place[d]]] : perm[at_place[d]]) == d;
    }
    if ((!to_plain && !to_last) || x->is_flat || (x->is_u8 && n == 4 && !to_last))
        return false;
    struct buffer y = to_last ? describe(l, out) : describe_plain(l, out);
    y.is_u8 = x->is_u8;
    y.dtype = x->dtype;
    y.is_quantized = x->is_quantized;
    y.scale = x->scale;
    y.range = x->range;
    settle_moved(l, out, add_view(l, &y, at));
    return true;
}

/* One number after the other, in whatever order they lie. */
static void lower_unary(struct lowering *l, const struct pare_node *node, struct nd *nd)
{
    const struct pare_value *x_value = node->inputs[0], *out = node->outputs[0];
    int x = known_of(l, x_value)->buffer;

    if (!buffer_at(l, x)->is_plain || buffer_at(l, x)->is_u8)
        x = as_f32(l, x_value);
    struct buffer y = *buffer_at(l, x);
    y.value = name_of(l, out);
    y.is_quantized = false;
    nd->in[0] = (struct nd_operand){.buffer = x, .shape = y.shape};
    nd->n_in = 1;
    nd->alpha = pare_node_float(node, "alpha", 1);
    nd->out[0] = add_buffer(l, &y);
    add_step(l, STEP_ND, node, pare_op_name(node->op), x, nd->out[0])->nd = nd;
    settle(l, out, nd->out[0]);
}

/* A chosen plan as a step. */
static pare_status lower_plan(struct lowering *l, struct plan *p)
{
    const struct pare_node *node = p->node;
    /* The statistics of a batch norm become its attributes. */
    int n_in = node->op == PARE_OP_BATCHNORM ? 1 : node->n_inputs;
    pare_status st = PARE_OK;

    for (int k = 0; k < n_in && !st; k++)
        st = add_operand(l, p, node->inputs[k]);
    if (!st)
        st = set_attributes(l, p);
    if (st) {
        nd_clear(p->nd);
        return st;
    }
    for (int k = 0; k < node->n_outputs; k++)
        p->nd->out[k] = add_output(l, p, k);
    struct step *step = add_step(l, STEP_ND, node, pare_op_name(node->op), -1, p->nd->out[0]);
    step->nd = p->nd;
    step->macs = pare_node_macs(node);
    step->work_bytes =
        l->program->is_portable && node->op != PARE_OP_RESIZE ? 0 : work_bytes(p->nd);
    set_first(step);
    for (int k = 0; k < node->n_outputs; k++) {
        if (p->is_integers)
            settle_moved(l, node->outputs[k], p->nd->out[k]);
        else
            settle(l, node->outputs[k], p->nd->out[k]);
    }
    return PARE_OK;
}

pare_status lower_nd(struct lowering *l, const struct pare_node *node)
{
    struct pare_arena *arena = l->program->arena;
    const struct pare_value *x = node->inputs[0];
    struct plan p = {.node = node};

    if (node->op == PARE_OP_TRANSPOSE && lower_renaming(l, node))
        return PARE_OK;
    p.nd = PARE_ARENA_NEW(arena, struct nd, 1);
    p.nd->op = node->op;
    p.nd->n_out = node->n_outputs;
    p.nd->in = PARE_ARENA_NEW(arena, struct nd_operand, node->n_inputs);
    p.nd->out = PARE_ARENA_NEW(arena, int, node->n_outputs);
    if (is_unary(node->op) && !x->data) {
        lower_unary(l, node, p.nd);
        return PARE_OK;
    }
    p.is_last = is_best_channels_last(l, node);
    p.reads_last = node->op == PARE_OP_TRANSPOSE && !x->data && x->shape.n_dims == 4 &&
                   x->dtype == PARE_F32 && is_channels_last(l, x);
    p.is_integers = moves_integers(l, &p);
    return lower_plan(l, &p);
}
