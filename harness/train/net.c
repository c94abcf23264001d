#include "train/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define OVERREAD  128 /* what vector loads may touch behind the last number */

static size_t real_bytes(const struct pare_net *net)
{
    return (size_t)net->config.real_bits / 8;
}

/* ---- Buffers ---- */

pare_status pare_net_buffer(struct pare_net *net, void **out, int64_t n, size_t item_bytes,
                            struct pare_error *err)
{
    size_t n_bytes;

    *out = NULL;
    if (n < 0 || __builtin_mul_overflow((size_t)(n > 0 ? n : 1), item_bytes, &n_bytes) ||
        __builtin_add_overflow(n_bytes, (size_t)(ALIGNMENT + OVERREAD), &n_bytes))
        return pare_fail(err, PARE_ENOMEM, "a buffer of %lld numbers is too large", (long long)n);
    n_bytes = n_bytes / ALIGNMENT * ALIGNMENT;
    *out = aligned_alloc(ALIGNMENT, n_bytes);
    if (!*out)
        return pare_fail(err, PARE_ENOMEM, "no memory for a buffer of %zu bytes", n_bytes);
    memset(*out, 0, n_bytes);
    if (net->n_buffers == net->buffers_capacity) {
        net->buffers_capacity = 2 * net->buffers_capacity + 16;
        net->buffers =
            pare_xrealloc(net->buffers, (size_t)net->buffers_capacity * sizeof *net->buffers);
    }
    net->buffers[net->n_buffers++] = *out;
    return PARE_OK;
}

/* max_batch * n, or -1. */
static int64_t times_batch(const struct pare_net *net, int64_t n)
{
    int64_t total;

    return n < 0 || __builtin_mul_overflow(n, net->config.max_batch, &total) ? -1 : total;
}

/* ---- Which part of the graph ---- */

/* The value that the loss is computed from: a final Softmax and no-ops are looked through. */
static const struct pare_value *logits_value(const struct pare_graph *graph)
{
    const struct pare_value *value = graph->outputs[0];

    while (value->producer &&
           (value->producer->op == PARE_OP_SOFTMAX || value->producer->op == PARE_OP_IDENTITY))
        value = value->producer->inputs[0];
    return value;
}

static void mark_needed(const struct pare_value *value, bool *is_needed)
{
    const struct pare_node *node = value ? value->producer : NULL;

    if (!node || is_needed[node->index])
        return;
    is_needed[node->index] = true;
    for (int i = 0; i < node->n_inputs; i++)
        mark_needed(node->inputs[i], is_needed);
}

/* How many of the needed nodes read the value. */
static int n_readers(const struct pare_net *net, const bool *is_needed,
                     const struct pare_value *value)
{
    int n = 0;

    for (int i = 0; i < net->graph->n_nodes; i++)
        if (is_needed[i])
            for (int k = 0; k < net->graph->nodes[i]->n_inputs; k++)
                n += net->graph->nodes[i]->inputs[k] == value;
    return n;
}

/* ---- Values ---- */

static pare_status slab_new(struct pare_net *net, const struct pare_value *value,
                            struct pare_error *err)
{
    struct pare_slab *slab;
    const struct pare_shape *shape = &value->shape;

    if (net->slab_of[value->id])
        return PARE_OK;
    slab = PARE_ARENA_NEW(net->arena, struct pare_slab, 1);
    slab->value = value;
    slab->elems = pare_shape_elems(shape);
    if (slab->elems < 1 || shape->n_dims < 2 || shape->dims[0] != PARE_DIM_BATCH)
        return pare_fail(err, PARE_EINVAL, "value '%s' has no shape [N, ...] to work with",
                         value->name);
    slab->channels = shape->n_dims == 4 ? shape->dims[1] : shape->dims[shape->n_dims - 1];
    slab->pixels = slab->elems / slab->channels;
    net->slab_of[value->id] = slab;
    return PARE_OK;
}

/* ---- Weights ---- */

/* Elements in the net's order: four extents, and the stride of each in the graph's array. */
struct order {
    int64_t n[4], stride[4];
};

static struct order slot_order(const struct pare_slot *slot)
{
    const int64_t *d = slot->value->shape.dims;
    int64_t P = slot->pixels, columns;

    if (slot->is_matrix && slot->node->op == PARE_OP_CONV)
        return (struct order){{d[0], d[2], d[3], d[1]}, {d[1] * d[2] * d[3], d[3], 1, d[2] * d[3]}};
    if (!slot->is_matrix)
        return (struct order){{slot->n, 1, 1, 1}, {1, 0, 0, 0}};
    columns = slot->n / slot->n_rows;
    if (pare_node_int(slot->node, "transB", 0))
        return (struct order){{slot->n_rows, P, columns / P, 1}, {columns, 1, P, 0}};
    return (struct order){{slot->n_rows, P, columns / P, 1},
                          {1, slot->n_rows, P * slot->n_rows, 0}};
}

void pare_slot_load(const struct pare_net *net, const struct pare_slot *slot)
{
    const float *from = pare_tensor_f32(slot->value->data);
    struct order o = slot_order(slot);
    int64_t at = 0;

    for (int64_t a = 0; a < o.n[0]; a++)
        for (int64_t b = 0; b < o.n[1]; b++)
            for (int64_t c = 0; c < o.n[2]; c++)
                for (int64_t d = 0; d < o.n[3]; d++, at++) {
                    float v =
                        from[a * o.stride[0] + b * o.stride[1] + c * o.stride[2] + d * o.stride[3]];

                    if (net->config.real_bits == 64)
                        ((double *)slot->w)[at] = (double)v;
                    else
                        ((float *)slot->w)[at] = v;
                }
}

void pare_slot_store(const struct pare_net *net, const struct pare_slot *slot, const void *numbers,
                     float *out)
{
    struct order o = slot_order(slot);
    int64_t at = 0;

    for (int64_t a = 0; a < o.n[0]; a++)
        for (int64_t b = 0; b < o.n[1]; b++)
            for (int64_t c = 0; c < o.n[2]; c++)
                for (int64_t d = 0; d < o.n[3]; d++, at++)
                    out[a * o.stride[0] + b * o.stride[1] + c * o.stride[2] + d * o.stride[3]] =
                        net->config.real_bits == 64 ? (float)((const double *)numbers)[at]
                                                    : ((const float *)numbers)[at];
}

static pare_status slot_new(struct pare_net *net, struct pare_layer *layer, int i,
                            struct pare_value *value, struct pare_error *err)
{
    struct pare_slot *slot;
    bool is_whole = layer->op == PARE_OP_GEMM || layer->op == PARE_OP_BATCHNORM;
    pare_status st;

    if (!value)
        return PARE_OK;
    if (!value->data || value->data->dtype != PARE_F32)
        return pare_fail(err, PARE_EUNSUPPORTED, "'%s': input '%s' must be an f32 weight",
                         layer->node->name, value->name);
    for (int k = 0; k < net->n_slots; k++)
        if (net->slots[k].value == value) {
            if (net->config.learns)
                return pare_fail(err, PARE_EUNSUPPORTED,
                                 "'%s' and '%s' share the weight '%s'; give each its own copy "
                                 "before training",
                                 net->slots[k].node->name, layer->node->name, value->name);
            layer->w[i] = &net->slots[k];
            return PARE_OK;
        }
    slot = &net->slots[net->n_slots++];
    *slot = (struct pare_slot){.value = value, .node = layer->node, .n_rows = 1, .pixels = 1};
    slot->n = pare_tensor_elems(value->data);
    slot->is_matrix = i == 0 && layer->op != PARE_OP_BATCHNORM;
    slot->is_statistic = layer->op == PARE_OP_BATCHNORM && i >= 2;
    if (slot->is_matrix)
        slot->n_rows = layer->op == PARE_OP_CONV ? layer->conv.M : layer->y->elems;
    layer->w[i] = slot;
    st = pare_net_buffer(net, &slot->w, slot->n, real_bytes(net), err);
    if (!st && net->config.learns && !slot->is_statistic)
        st = pare_net_buffer(net, &slot->g, slot->n, real_bytes(net), err);
    if (!st && net->config.learns && !is_whole)
        st = pare_net_buffer(net, &slot->parts, slot->n * PARE_MAX_SHARDS, real_bytes(net), err);
    return st;
}

/* ---- Layers ---- */

static void layer_parameters(struct pare_layer *layer)
{
    const struct pare_node *node = layer->node;

    switch (layer->op) {
    case PARE_OP_BATCHNORM:
        layer->p[0] = pare_node_float(node, "epsilon", 1e-5);
        layer->p[1] = pare_node_float(node, "momentum", 0.9);
        break;
    case PARE_OP_CLIP:
        layer->p[0] = pare_node_float(node, "min", -INFINITY);
        layer->p[1] = pare_node_float(node, "max", INFINITY);
        break;
    case PARE_OP_LEAKY_RELU: layer->p[0] = pare_node_float(node, "alpha", 0.01); break;
    case PARE_OP_HARD_SIGMOID:
        layer->p[0] = pare_node_float(node, "alpha", 0.2);
        layer->p[1] = pare_node_float(node, "beta", 0.5);
        break;
    case PARE_OP_HARD_SWISH:
        layer->p[0] = 1.0 / 6;
        layer->p[1] = 0.5;
        break;
    default: break;
    }
}

/* The graph's own check has seen shapes and inputs; here only what this room cannot do. */
static pare_status layer_check(const struct pare_layer *layer, struct pare_error *err)
{
    const struct pare_node *node = layer->node;
    const struct pare_value *bias = node->n_inputs > 2 ? node->inputs[2] : NULL;

    if (!pare_op_impls_f32[layer->op].forward)
        return pare_fail(err, PARE_EUNSUPPORTED, "'%s': training does not know the operator %s",
                         node->name, pare_op_name(layer->op));
    if (layer->op == PARE_OP_GEMM &&
        (pare_node_int(node, "transA", 0) || node->inputs[0]->shape.n_dims != 2 ||
         (bias && bias->data && pare_tensor_elems(bias->data) != layer->y->elems)))
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "'%s': training knows Gemm of [N, in] with one bias per output only",
                         node->name);
    if (layer->op == PARE_OP_SOFTMAX && node->inputs[0]->shape.n_dims != 2)
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "'%s': training knows Softmax of [N, classes] only", node->name);
    if (layer->op == PARE_OP_ADD &&
        !pare_shape_equal(&node->inputs[0]->shape, &node->inputs[1]->shape))
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "'%s': training adds values of one shape only, it does not stretch them",
                         node->name);
    if (layer->op == PARE_OP_BATCHNORM && node->inputs[0]->shape.n_dims != 2 &&
        node->inputs[0]->shape.n_dims != 4)
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "'%s': training knows BatchNormalization of [N, C] and [N, C, H, W]",
                         node->name);
    if ((layer->op == PARE_OP_CONV || layer->op == PARE_OP_MAXPOOL ||
         layer->op == PARE_OP_AVGPOOL || layer->op == PARE_OP_GLOBAL_AVGPOOL) &&
        node->inputs[0]->shape.n_dims != 4)
        return pare_fail(err, PARE_EUNSUPPORTED, "'%s': %s needs an input [N, C, H, W]", node->name,
                         pare_op_name(layer->op));
    if (layer->op == PARE_OP_MAXPOOL || layer->op == PARE_OP_AVGPOOL) {
        int64_t dilations[2];

        pare_node_ints(node, "dilations", dilations, 2, 1);
        if (pare_node_int(node, "ceil_mode", 0) || dilations[0] != 1 || dilations[1] != 1 ||
            node->n_outputs != 1)
            return pare_fail(err, PARE_EUNSUPPORTED,
                             "'%s': training knows pools without ceil_mode, dilations and indices",
                             node->name);
    }
    return PARE_OK;
}

/* One buffer for both: a value that only this node reads and the node does not change. */
static bool shares_buffer(const struct pare_net *net, const struct pare_node *node, int n_users)
{
    const struct pare_value *x = node->inputs[0];
    const struct pare_node *user = pare_value_user(net->graph, node->outputs[0], 0);

    if (n_users != 1)
        return false;
    if (node->op == PARE_OP_IDENTITY)
        return true;
    if (node->op != PARE_OP_FLATTEN)
        return false;
    if (x->shape.n_dims != 4 || x->shape.dims[2] * x->shape.dims[3] == 1)
        return true;
    /* Elements in the channels-last order: right when one Gemm, with columns to match, reads them. */
    return !net->config.keeps_all && user && user->op == PARE_OP_GEMM &&
           pare_value_n_users(net->graph, node->outputs[0]) == 1 &&
           user->inputs[0] == node->outputs[0];
}

/* The layer into whose pass this Relu or Clip can go, or NULL. */
static struct pare_layer *fusable(const struct pare_net *net, const struct pare_node *node,
                                  int n_users)
{
    struct pare_layer *last;

    if (net->config.keeps_all || (node->op != PARE_OP_RELU && node->op != PARE_OP_CLIP) ||
        n_users != 1)
        return NULL;
    for (int i = net->n_layers - 1; i >= 0; i--) {
        last = &net->layers[i];
        if (last->y == net->slab_of[node->inputs[0]->id])
            return last->act == PARE_OP_IDENTITY &&
                           (last->op == PARE_OP_CONV || last->op == PARE_OP_GEMM ||
                            last->op == PARE_OP_BATCHNORM || last->op == PARE_OP_ADD)
                       ? last
                       : NULL;
    }
    return NULL;
}

static pare_status layer_new(struct pare_net *net, struct pare_node *node, const bool *is_needed,
                             struct pare_error *err)
{
    int n_users = n_readers(net, is_needed, node->inputs[0]);
    struct pare_layer *layer = fusable(net, node, n_users);
    bool is_sum = node->op == PARE_OP_ADD;
    pare_status st;

    if (layer) {
        struct pare_layer clip = {.node = node, .op = node->op};

        st = slab_new(net, node->outputs[0], err);
        if (st)
            return st;
        layer_parameters(&clip);
        layer->act = node->op;
        memcpy(layer->act_p, clip.p, sizeof clip.p);
        net->slab_of[node->inputs[0]->id] = NULL; /* never stored */
        layer->y = net->slab_of[node->outputs[0]->id];
        return PARE_OK;
    }
    if (shares_buffer(net, node, n_users)) {
        struct pare_slab *slab = net->slab_of[node->inputs[0]->id];

        /* The reader sees the buffer in the shape of what it was made from. */
        net->slab_of[node->outputs[0]->id] = slab;
        return PARE_OK;
    }
    st = slab_new(net, node->outputs[0], err);
    if (st)
        return st;
    layer = &net->layers[net->n_layers++];
    *layer = (struct pare_layer){.node = node, .op = node->op, .act = PARE_OP_IDENTITY};
    layer->y = net->slab_of[node->outputs[0]->id];
    for (int i = 0; i < 1 + is_sum; i++) {
        layer->x[i] = node->inputs[i] ? net->slab_of[node->inputs[i]->id] : NULL;
        if (!layer->x[i])
            return pare_fail(err, PARE_EUNSUPPORTED, "'%s': input %d is not an activation",
                             node->name, i);
    }
    st = layer_check(layer, err);
    if (st)
        return st;
    if (node->op == PARE_OP_CONV || node->op == PARE_OP_MAXPOOL || node->op == PARE_OP_AVGPOOL)
        layer->conv = pare_node_conv2d(node);
    layer_parameters(layer);
    return PARE_OK;
}

static pare_status layer_buffers(struct pare_net *net, struct pare_layer *layer,
                                 struct pare_error *err)
{
    int n_weights = layer->op == PARE_OP_BATCHNORM                           ? 4
                    : layer->op == PARE_OP_CONV || layer->op == PARE_OP_GEMM ? 2
                                                                             : 0;
    pare_status st = PARE_OK;

    for (int i = 0; i < n_weights && !st; i++)
        st = slot_new(net, layer, i,
                      i + 1 < layer->node->n_inputs ? layer->node->inputs[i + 1] : NULL, err);
    if (!st && layer->op == PARE_OP_GEMM && layer->x[0]->value != layer->node->inputs[0])
        layer->w[0]->pixels = layer->x[0]->pixels;
    if (!st && layer->op == PARE_OP_MAXPOOL)
        st = pare_net_buffer(net, &layer->saved, times_batch(net, layer->y->elems), real_bytes(net),
                             err);
    if (!st && layer->op == PARE_OP_BATCHNORM) {
        void *sums;

        layer->n_sums = 2 * layer->y->channels;
        st = pare_net_buffer(net, &sums, layer->n_sums * PARE_MAX_SHARDS, sizeof(double), err);
        layer->sums = sums;
        if (!st)
            st = pare_net_buffer(net, &layer->saved, 2 * layer->y->channels, real_bytes(net), err);
    }
    for (int i = 0; i < n_weights && !st; i++)
        if (layer->w[i])
            pare_slot_load(net, layer->w[i]);
    if (!st && pare_net_impl(net, layer->op)->copies) {
        int64_t turned, flipped;

        pare_net_impl(net, layer->op)->copies(layer, &turned, &flipped);
        st = pare_net_buffer(net, &layer->turned, turned, real_bytes(net), err);
        if (!st && net->config.learns && flipped)
            st = pare_net_buffer(net, &layer->flipped, flipped, real_bytes(net), err);
    }
    return st;
}

/* Gradient buffers for everything that a learned weight (or the input, when asked) stands behind,
 * and who adds instead of writing: walking backward, the first writer of a gradient writes. */
static pare_status plan_gradients(struct pare_net *net, struct pare_error *err)
{
    bool *is_written = PARE_ARENA_NEW(net->arena, bool, net->graph->n_values);
    pare_status st = PARE_OK;

    if (net->config.input_gradient)
        st = pare_net_buffer(net, &net->input->g, times_batch(net, net->input->elems),
                             real_bytes(net), err);
    for (int i = 0; i < net->n_layers && !st; i++) {
        struct pare_layer *layer = &net->layers[i];

        if (!layer->y->g && (layer->w[0] || layer->x[0]->g || (layer->x[1] && layer->x[1]->g)))
            st = pare_net_buffer(net, &layer->y->g, times_batch(net, layer->y->elems),
                                 real_bytes(net), err);
    }
    for (int i = net->n_layers - 1; i >= 0 && !st; i--)
        for (int k = 0; k < 2; k++) {
            struct pare_slab *x = net->layers[i].x[k];

            if (!x || !x->g)
                continue;
            net->layers[i].adds[k] = is_written[x->value->id];
            is_written[x->value->id] = true;
        }
    return st;
}

/* ---- Order of work ---- */

static void add_step(struct pare_net_step *steps, int *n, struct pare_layer *layer,
                     void (*run)(const struct pare_layer *, const struct pare_span *),
                     bool needs_all)
{
    steps[(*n)++] = (struct pare_net_step){layer, run, needs_all};
}

static void plan_steps(struct pare_net *net)
{
    int capacity = 2 * net->n_layers + 1;

    net->learn = PARE_ARENA_NEW(net->arena, struct pare_net_step, capacity);
    net->eval = PARE_ARENA_NEW(net->arena, struct pare_net_step, capacity);
    net->backward = PARE_ARENA_NEW(net->arena, struct pare_net_step, capacity);
    for (int i = 0; i < net->n_layers; i++) {
        struct pare_layer *layer = &net->layers[i];
        const struct pare_op_impl *impl = pare_net_impl(net, layer->op);

        add_step(net->eval, &net->n_eval, layer, impl->forward, false);
        if (impl->statistics) {
            add_step(net->learn, &net->n_learn, layer, impl->statistics, false);
            add_step(net->learn, &net->n_learn, layer, impl->apply, true);
        } else {
            add_step(net->learn, &net->n_learn, layer, impl->forward, false);
        }
    }
    for (int i = net->n_layers - 1; i >= 0 && net->config.learns; i--) {
        struct pare_layer *layer = &net->layers[i];
        const struct pare_op_impl *impl = pare_net_impl(net, layer->op);

        if (!layer->y->g)
            continue;
        if (impl->backward_sums)
            add_step(net->backward, &net->n_backward, layer, impl->backward_sums, false);
        add_step(net->backward, &net->n_backward, layer, impl->backward,
                 impl->backward_sums != NULL);
        /* The statistics that one shard left for all are read at once. */
        if (impl->backward_sums)
            net->backward[0].needs_all = true;
    }
}

/* Rows of a Gemm that one task takes: some, so that threads can share a layer; whole blocks of the
 * turned copy. */
#define TASK_ROWS 80

static void add_task(struct pare_net *net, struct pare_net_task task)
{
    net->tasks[net->n_tasks++] = task;
}

static void plan_tasks(struct pare_net *net)
{
    int capacity = net->n_slots;

    for (int i = 0; i < net->n_slots; i++)
        capacity += (int)(net->slots[i].n_rows / TASK_ROWS);
    net->tasks = PARE_ARENA_NEW(net->arena, struct pare_net_task, capacity + 1);
    for (int i = 0; i < net->n_layers; i++) {
        struct pare_layer *layer = &net->layers[i];
        struct pare_slot *w = layer->w[0];

        if (pare_net_impl(net, layer->op)->weight_rows) {
            int64_t columns = w->n / w->n_rows;

            for (int64_t r0 = 0; r0 < w->n_rows; r0 += TASK_ROWS) {
                int64_t r1 = r0 + TASK_ROWS < w->n_rows ? r0 + TASK_ROWS : w->n_rows;

                add_task(net,
                         (struct pare_net_task){.layer = layer,
                                                .row0 = r0,
                                                .row1 = r1,
                                                .slot = {w, layer->w[1]},
                                                .begin = {r0 * columns, r0},
                                                .end = {r1 * columns, r1},
                                                .cost = (double)(2 * net->config.max_batch + 60) *
                                                        (double)((r1 - r0) * columns)});
            }
            continue;
        }
        for (int k = 0; k < 4; k++)
            if (layer->w[k] && layer->w[k]->g)
                add_task(net, (struct pare_net_task){.layer = layer->w[k]->is_matrix ? layer : NULL,
                                                     .row1 = layer->w[k]->n_rows,
                                                     .slot = {layer->w[k]},
                                                     .end = {layer->w[k]->n},
                                                     .cost = 80.0 * (double)layer->w[k]->n});
    }
}

/* Longest first, each to the thread with the least to do. */
static void share_tasks(struct pare_net *net)
{
    int n_threads = pare_pool_n_threads(net->pool);
    double *load = PARE_ARENA_NEW(net->arena, double, n_threads);

    for (int i = 0; i < net->n_tasks; i++)
        net->tasks[i].thread = -1;
    for (int i = 0; i < net->n_tasks; i++) {
        struct pare_net_task *longest = NULL;
        int least = 0;

        for (int k = 0; k < net->n_tasks; k++)
            if (net->tasks[k].thread < 0 && (!longest || net->tasks[k].cost > longest->cost))
                longest = &net->tasks[k];
        for (int t = 1; t < n_threads; t++)
            if (load[t] < load[least])
                least = t;
        longest->thread = least;
        load[least] += longest->cost;
    }
}

static pare_status plan_scratch(struct pare_net *net, struct pare_error *err)
{
    int n_threads = pare_pool_n_threads(net->pool);
    int64_t n = 0;
    pare_status st = PARE_OK;

    for (int i = 0; i < net->n_layers; i++) {
        const struct pare_op_impl *impl = pare_net_impl(net, net->layers[i].op);
        int64_t need = impl->scratch ? impl->scratch(&net->layers[i]) : 0;

        n = need > n ? need : n;
    }
    net->scratch = PARE_ARENA_NEW(net->arena, void *, n_threads);
    for (int t = 0; t < n_threads && !st; t++)
        st = pare_net_buffer(net, &net->scratch[t], n, real_bytes(net), err);
    return st;
}

static pare_status plan(struct pare_net *net, struct pare_error *err)
{
    struct pare_graph *graph = net->graph;
    bool *is_needed;
    pare_status st;

    if (graph->n_inputs != 1 || graph->n_outputs < 1)
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "a network of %d inputs and %d outputs: one input is needed",
                         graph->n_inputs, graph->n_outputs);
    if (!pare_graph_is_batched(graph))
        return pare_fail(err, PARE_EUNSUPPORTED, PARE_NOT_BATCHED);
    is_needed = PARE_ARENA_NEW(net->arena, bool, graph->n_nodes + 1);
    net->slab_of = PARE_ARENA_NEW(net->arena, struct pare_slab *, graph->n_values + 1);
    net->layers = PARE_ARENA_NEW(net->arena, struct pare_layer, graph->n_nodes + 1);
    net->slots = PARE_ARENA_NEW(net->arena, struct pare_slot, graph->n_values + 1);
    mark_needed(logits_value(graph), is_needed);
    for (int i = 0; i < graph->n_nodes && net->config.keeps_all; i++)
        is_needed[i] = true;
    st = slab_new(net, graph->inputs[0], err);
    if (st)
        return st;
    net->input = net->slab_of[graph->inputs[0]->id];
    for (int i = 0; i < graph->n_nodes && !st; i++)
        if (is_needed[i])
            st = layer_new(net, graph->nodes[i], is_needed, err);
    net->logits = net->slab_of[logits_value(graph)->id];
    if (!st && (!net->logits || net->logits == net->input))
        st = pare_fail(err, PARE_EUNSUPPORTED, "the network computes nothing");
    for (int i = 0; i < net->n_layers && !st; i++)
        st = layer_buffers(net, &net->layers[i], err);
    if (!st)
        st = pare_net_buffer(net, &net->input->a, times_batch(net, net->input->elems),
                             real_bytes(net), err);
    for (int i = 0; i < net->n_layers && !st; i++)
        st = pare_net_buffer(net, &net->layers[i].y->a, times_batch(net, net->layers[i].y->elems),
                             real_bytes(net), err);
    if (!st && net->config.learns)
        st = plan_gradients(net, err);
    if (st)
        return st;
    plan_steps(net);
    if (net->config.learns)
        plan_tasks(net);
    share_tasks(net);
    st = plan_scratch(net, err);
    if (!st)
        pare_net_prepare(net);
    return st;
}

pare_status pare_net_new(struct pare_net **out, struct pare_graph *graph,
                         const struct pare_net_config *config, struct pare_error *err)
{
    struct pare_net *net;
    pare_status st;

    *out = NULL;
    if (config->max_batch < 1)
        return pare_fail(err, PARE_EINVAL, "a batch of %lld samples", (long long)config->max_batch);
    net = pare_xcalloc(1, sizeof *net);
    net->config = *config;
    net->graph = graph;
    net->arena = pare_arena_new();
    net->pool = pare_pool_new(config->n_threads);
    st = plan(net, err);
    if (st) {
        pare_net_free(net);
        return st;
    }
    *out = net;
    return PARE_OK;
}

void pare_net_free(struct pare_net *net)
{
    if (!net)
        return;
    pare_pool_free(net->pool);
    for (int i = 0; i < net->n_buffers; i++)
        free(net->buffers[i]);
    free(net->buffers);
    pare_arena_free(net->arena);
    free(net);
}
