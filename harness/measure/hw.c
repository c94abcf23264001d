#include "measure/hw.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* Where a value lives: Flatten, Reshape and the like give another name to the same bytes, and of a
 * fused chain only the last value exists. */
struct storage {
    const struct pare_value *root; /* the value whose bytes these are */
    int64_t n_bytes;
    int first_use; /* kernel that writes it; 0 for graph inputs */
    int last_use;  /* kernel that reads it last; n_kernels for graph outputs */
};

struct lowering {
    const struct pare_graph *graph;
    struct pare_hw_lowered *out;
    struct pare_hw_kernel *kernels;
    int n_kernels;
    int *n_users;                     /* by value id: inputs of nodes and graph outputs */
    int *storage_of;                  /* by value id: id of the root, or -1 */
    struct storage *storage;          /* by root's id */
    const struct pare_value **result; /* by kernel */
    bool *is_fused;                   /* by node index */
};

/* ---- Bytes ---- */

static int activation_bits(const struct pare_value *value)
{
    return value->quant.bits ? value->quant.bits : 32;
}

/* Integers lie in whole bytes when they are worked on. */
static int64_t activation_bytes(const struct pare_value *value)
{
    int bits = activation_bits(value);

    return pare_shape_elems(&value->shape) *
           (bits > 8 ? (int64_t)pare_dtype_bytes(value->dtype) : 1);
}

static int64_t count_nonzero(const struct pare_tensor *tensor)
{
    const float *w = pare_tensor_f32(tensor);
    int64_t n = pare_tensor_elems(tensor), n_nonzero = 0;

    if (tensor->dtype != PARE_F32)
        return n;
    for (int64_t i = 0; i < n; i++)
        n_nonzero += w[i] != 0;
    return n_nonzero;
}

/* Values, scales and zero points, and for sparse weights one bit per element that says whether its
 * value is stored. */
static int64_t weight_bytes(const struct pare_value *value, int64_t n_nonzero)
{
    const struct pare_coding *coding = &value->coding;
    int64_t n = pare_tensor_elems(value->data), n_stored = coding->is_sparse ? n_nonzero : n;
    int64_t bytes = (n_stored * (coding->bits ? coding->bits : 32) + 7) / 8;

    if (coding->is_sparse)
        bytes += (n + 7) / 8;
    if (coding->bits && coding->bits < 32)
        bytes += coding->n_scales * (int64_t)sizeof(float) +
                 (coding->zeros ? coding->n_scales * (int64_t)sizeof(int32_t) : 0);
    return bytes;
}

/* ---- Fusion: as the executor does it ---- */

static bool is_view(const struct pare_node *node)
{
    return node->op == PARE_OP_FLATTEN || node->op == PARE_OP_IDENTITY ||
           node->op == PARE_OP_RESHAPE || node->op == PARE_OP_SQUEEZE ||
           node->op == PARE_OP_UNSQUEEZE;
}

/* The last value of the chain that `node` takes in: a batch norm behind Conv or Gemm, then Relu and
 * Clip, as long as nothing else reads the value between. */
static const struct pare_value *follow(struct lowering *l, const struct pare_node *node)
{
    const struct pare_value *value = node->outputs[0];
    bool takes_norm = node->op == PARE_OP_CONV || node->op == PARE_OP_GEMM;
    const struct pare_node *next;

    while (l->n_users[value->id] == 1 && (next = pare_value_user(l->graph, value, 0))) {
        if (next->op == PARE_OP_BATCHNORM && takes_norm && next->inputs[0] == value)
            takes_norm = false;
        else if (next->op == PARE_OP_RELU || next->op == PARE_OP_CLIP)
            takes_norm = false;
        else
            break;
        l->is_fused[next->index] = true;
        value = next->outputs[0];
    }
    return value;
}

/* ---- One kernel ---- */

static bool is_matrix(const struct pare_node *node)
{
    return node->op == PARE_OP_CONV || node->op == PARE_OP_GEMM || node->op == PARE_OP_MATMUL ||
           node->op == PARE_OP_CONV_TRANSPOSE;
}

/* The GEMM view: m positions, n output channels, and what each output sums up. */
static void describe_shape(struct pare_hw_kernel *kernel, const struct pare_node *node)
{
    const struct pare_shape *y = &node->outputs[0]->shape, *w = &node->inputs[1]->shape;
    const int64_t n_outputs = pare_shape_elems(y), group = pare_node_int(node, "group", 1);

    kernel->kind = PARE_HW_GEMM;
    if (n_outputs == 0)
        return;
    kernel->macs = pare_node_macs(node);
    kernel->n = y->dims[node->op == PARE_OP_MATMUL ? y->n_dims - 1 : 1];
    kernel->m = n_outputs / kernel->n;
    kernel->k = kernel->macs / n_outputs;
    switch (node->op) {
    case PARE_OP_CONV:
        kernel->channels = w->dims[1];
        kernel->kind = group > 1 && kernel->channels == 1 ? PARE_HW_DEPTHWISE : PARE_HW_CONV;
        break;
    case PARE_OP_CONV_TRANSPOSE:
        kernel->channels = w->dims[0] / group;
        kernel->kind = PARE_HW_CONV;
        break;
    default: kernel->channels = kernel->k;
    }
}

static void describe_weight(struct pare_hw_kernel *kernel, const struct pare_value *weight)
{
    const int64_t n = pare_tensor_elems(weight->data), n_nonzero = count_nonzero(weight->data);

    kernel->density = n ? (double)n_nonzero / (double)n : 1;
    kernel->weight_bits = weight->coding.bits ? weight->coding.bits : 32;
    kernel->weight_bytes += weight_bytes(weight, n_nonzero);
}

static void describe_input(struct pare_hw_kernel *kernel, const struct pare_node *node, int i)
{
    const struct pare_value *input = node->inputs[i];

    if (input->data && is_matrix(node) && i == 1) {
        describe_weight(kernel, input);
    } else if (input->data) { /* a bias, a norm left alone, a constant */
        kernel->weight_bytes +=
            pare_tensor_elems(input->data) * (int64_t)pare_dtype_bytes(input->data->dtype);
    } else {
        int bits = activation_bits(input);

        kernel->input_bytes += activation_bytes(input);
        if (bits > kernel->activation_bits)
            kernel->activation_bits = bits;
        if (is_matrix(node) && i == 1)
            kernel->weight_bits = bits;
    }
}

static void add_kernel(struct lowering *l, const struct pare_node *node)
{
    struct pare_hw_kernel *kernel = &l->kernels[l->n_kernels];
    const struct pare_value *result = follow(l, node);
    const struct pare_node *second = pare_value_user(l->graph, node->outputs[0], 0);

    *kernel = (struct pare_hw_kernel){
        .name = pare_arena_strdup(l->out->arena, node->name),
        .kind = node->op == PARE_OP_MAXPOOL || node->op == PARE_OP_AVGPOOL ||
                        node->op == PARE_OP_GLOBAL_AVGPOOL
                    ? PARE_HW_POOL
                    : PARE_HW_ELEMENTWISE,
        .density = 1,
        .weight_bits = 32,
        .activation_bits = 8,
        .output_bytes = activation_bytes(result),
    };
    for (int i = 1; i < node->n_outputs; i++)
        kernel->output_bytes += node->outputs[i] ? activation_bytes(node->outputs[i]) : 0;
    if (is_matrix(node))
        describe_shape(kernel, node);
    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i])
            describe_input(kernel, node, i);
    if (is_matrix(node) && (node->n_inputs < 3 || !node->inputs[2]) && second &&
        second->op == PARE_OP_BATCHNORM && l->is_fused[second->index])
        kernel->weight_bytes += kernel->n * 4; /* folding leaves a bias */
    l->result[l->n_kernels] = result;
    l->n_kernels++;
}

/* ---- Lifetimes ---- */

static void add_storage(struct lowering *l, const struct pare_value *value, int kernel)
{
    l->storage_of[value->id] = value->id;
    l->storage[value->id] = (struct storage){.root = value,
                                             .n_bytes = activation_bytes(value),
                                             .first_use = kernel,
                                             .last_use = kernel};
}

static void use_storage(struct lowering *l, const struct pare_value *value, int kernel)
{
    if (!value || value->data || l->storage_of[value->id] < 0)
        return;
    l->storage[l->storage_of[value->id]].last_use = kernel;
}

/* Views share the storage of what they look at; a fused chain's inner values have none. */
static void find_storage(struct lowering *l)
{
    const struct pare_graph *graph = l->graph;
    int kernel = 0;

    for (int i = 0; i < graph->n_values; i++)
        l->storage_of[i] = -1;
    for (int i = 0; i < graph->n_inputs; i++)
        add_storage(l, graph->inputs[i], 0);
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct pare_node *node = graph->nodes[i];

        if (is_view(node)) {
            l->storage_of[node->outputs[0]->id] = l->storage_of[node->inputs[0]->id];
        } else if (!l->is_fused[i]) {
            for (int k = 0; k < node->n_inputs; k++)
                use_storage(l, node->inputs[k], kernel);
            add_storage(l, l->result[kernel], kernel);
            for (int k = 1; k < node->n_outputs; k++)
                if (node->outputs[k])
                    add_storage(l, node->outputs[k], kernel);
            kernel++;
        }
    }
    for (int i = 0; i < graph->n_outputs; i++)
        use_storage(l, graph->outputs[i], l->n_kernels);
}

/* The most bytes that live at the same time, when kernels run in order and nothing is done in
 * place. */
static int64_t peak_bytes(const struct lowering *l)
{
    int64_t peak = 0;

    for (int kernel = 0; kernel < l->n_kernels; kernel++) {
        int64_t live = 0;

        for (int id = 0; id < l->graph->n_values; id++) {
            const struct storage *storage = &l->storage[id];

            if (storage->root && storage->first_use <= kernel && kernel <= storage->last_use)
                live += storage->n_bytes;
        }
        if (live > peak)
            peak = live;
    }
    return peak;
}

/* ---- The whole ---- */

static void count_users(struct lowering *l)
{
    const struct pare_graph *graph = l->graph;

    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i]->n_inputs; k++)
            if (graph->nodes[i]->inputs[k])
                l->n_users[graph->nodes[i]->inputs[k]->id]++;
    for (int i = 0; i < graph->n_outputs; i++)
        l->n_users[graph->outputs[i]->id] += 2; /* it must exist: no fusing across */
}

pare_status pare_hw_lower(struct pare_hw_lowered *out, const struct pare_graph *graph,
                          struct pare_error *err)
{
    struct pare_arena *arena = pare_arena_new();
    struct lowering l = {
        .graph = graph,
        .out = out,
        .kernels = PARE_ARENA_NEW(arena, struct pare_hw_kernel, graph->n_nodes + 1),
        .n_users = PARE_ARENA_NEW(arena, int, graph->n_values + 1),
        .storage_of = PARE_ARENA_NEW(arena, int, graph->n_values + 1),
        .storage = PARE_ARENA_NEW(arena, struct storage, graph->n_values + 1),
        .result = PARE_ARENA_NEW(arena, const struct pare_value *, graph->n_nodes + 1),
        .is_fused = PARE_ARENA_NEW(arena, bool, graph->n_nodes + 1),
    };
    struct pare_hw_network *network = &out->network;

    *out = (struct pare_hw_lowered){.arena = arena};
    for (int i = 0; i < graph->n_values; i++)
        if (pare_shape_elems(&graph->values[i]->shape) < 0) {
            pare_hw_lowered_clear(out);
            return pare_fail(err, PARE_EINVAL, "value '%s' has no known shape",
                             graph->values[i]->name);
        }
    count_users(&l);
    for (int i = 0; i < graph->n_nodes; i++)
        if (!l.is_fused[i] && !is_view(graph->nodes[i]))
            add_kernel(&l, graph->nodes[i]);
    find_storage(&l);
    network->n_kernels = l.n_kernels;
    network->kernels = l.kernels;
    network->peak_activation_bytes = peak_bytes(&l);
    for (int i = 0; i < l.n_kernels; i++)
        network->weight_bytes += l.kernels[i].weight_bytes;
    return PARE_OK;
}

void pare_hw_lowered_clear(struct pare_hw_lowered *lowered)
{
    pare_arena_free(lowered->arena);
    *lowered = (struct pare_hw_lowered){0};
}

pare_status pare_hw_estimate(struct pare_hw_result *out, const struct pare_device *device,
                             const struct pare_graph *graph, struct pare_error *err)
{
    struct pare_hw_lowered lowered;
    pare_status st;

    *out = (struct pare_hw_result){0};
    st = pare_hw_lower(&lowered, graph, err);
    if (st)
        return st;
    st = device->model->estimate(device->options, &lowered.network, out, NULL, err);
    pare_hw_lowered_clear(&lowered);
    if (st)
        pare_error_prefix(err, "device '%s'", device->id);
    return st;
}
