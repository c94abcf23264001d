/* quant.ptq: integers after training, without training.
 *
 * Batch norm is folded; Conv and Gemm weights get symmetric integers, activations 8-bit ranges from
 * calibration on unaugmented training samples.  Activations that a following Relu, Clip or folded
 * norm consumes directly need no range: the executor fuses them.  Operators that only move values
 * (MaxPool, Flatten, Identity) pass their input's range on, so that they work on integers as they
 * are.  What leaves the network, or enters a Softmax, stays f32. */
#include <stdlib.h>
#include <string.h>

#include <pare/method.h>
#include <pare/quantize.h>
#include <pare/select.h>

enum scheme { W8A8, W4A8 };
enum granularity { PER_TENSOR, PER_CHANNEL };
struct options {
    int scheme;      /* enum scheme */
    int granularity; /* enum granularity */
    int calibrator;  /* enum pare_calibrator */
    double percentile;
    int samples;
    bool symmetric;
    struct pare_strings ignore;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, scheme, .choices = PARE_CHOICES("W8A8", "W4A8"), .def = W8A8,
             .help = "bits of weights and activations"),
    PARE_OPT(struct options, granularity, .choices = PARE_CHOICES("per_tensor", "per_channel"),
             .def = PER_CHANNEL, .help = "weights: one scale, or one per output channel"),
    PARE_OPT(struct options, calibrator, .choices = PARE_CHOICES("minmax", "percentile", "mse"),
             .def = PARE_CALIBRATE_MINMAX,
             .help = "how ranges are chosen: all that was seen, a percentile, or the least "
                     "squared error (weights too)"),
    PARE_OPT(struct options, percentile, .def = 99.99, .min = 50, .max = 100, .unit = "%",
             .help = "share of values inside the range, for calibrator percentile"),
    PARE_OPT(struct options, samples, .def = 512, .min = 1, .max = 1000000,
             .help = "training samples used for calibration"),
    PARE_OPT(struct options, symmetric, .def = false,
             .help = "activations signed around zero, instead of unsigned with a zero point"),
    PARE_OPT(struct options, ignore, .help = "names of nodes that stay in f32"),
    PARE_OPT_END,
};

enum { BATCH = 64 };

static bool is_matrix_op(enum pare_op op)
{
    return op == PARE_OP_CONV || op == PARE_OP_GEMM;
}

/* Operators that the executor fuses into the Conv, Gemm or Add before them. */
static bool is_fused_activation(enum pare_op op)
{
    return op == PARE_OP_RELU || op == PARE_OP_CLIP;
}

/* Operators whose output takes the very values of their input. */
static bool is_mover(enum pare_op op)
{
    return op == PARE_OP_MAXPOOL || op == PARE_OP_FLATTEN || op == PARE_OP_IDENTITY;
}

/* Fused away: its one user is an activation behind an operator that takes it in. */
static bool is_inner(const struct pare_graph *graph, const struct pare_value *value)
{
    const struct pare_node *producer = value->producer;

    if (!producer || pare_value_n_users(graph, value) != 1)
        return false;
    const struct pare_node *user = pare_value_user(graph, value, 0);
    return (is_matrix_op(producer->op) || producer->op == PARE_OP_ADD) &&
           is_fused_activation(user->op);
}

static bool is_output(const struct pare_graph *graph, const struct pare_value *value)
{
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == value)
            return true;
    return false;
}

/* Does any integer layer consume the value, directly or behind movers, fused activations, pools and
 * adds?  Ranges where only f32 flows would cost accuracy for nothing. */
static bool feeds_integers(const struct options *o, const struct pare_graph *graph,
                           const struct pare_value *value)
{
    for (int k = 0; k < pare_value_n_users(graph, value); k++) {
        const struct pare_node *user = pare_value_user(graph, value, k);
        if (is_matrix_op(user->op)) {
            if (user->inputs[0] == value && !pare_select_has(&o->ignore, user))
                return true;
        } else if (is_mover(user->op) || is_fused_activation(user->op) || user->op == PARE_OP_ADD ||
                   user->op == PARE_OP_AVGPOOL || user->op == PARE_OP_GLOBAL_AVGPOOL) {
            if (feeds_integers(o, graph, user->outputs[0]))
                return true;
        }
    }
    return false;
}

/* Values that get a range of their own from calibration. */
static bool is_observed(const struct options *o, const struct pare_graph *graph,
                        const struct pare_value *value)
{
    if (value->data || is_output(graph, value) || is_inner(graph, value))
        return false;
    if (value->producer && is_mover(value->producer->op))
        return false;
    return feeds_integers(o, graph, value);
}

/* One pass of the calibration samples; `see` is one of the observer's two passes. */
static pare_status pass(const struct pare_context *ctx, const struct options *o,
                        const struct pare_graph *graph, struct pare_forward *forward,
                        const int64_t *order, float *input, struct pare_observer **observers,
                        void (*see)(struct pare_observer *, const float *, int64_t),
                        struct pare_error *err)
{
    int64_t n = pare_data_n(ctx->data, PARE_TRAIN);

    n = o->samples < n ? o->samples : n;
    for (int64_t first = 0; first < n; first += BATCH) {
        int64_t n_here = n - first < BATCH ? n - first : BATCH;
        pare_data_fetch(ctx->data, PARE_TRAIN, order + first, n_here, NULL, NULL, input, NULL);
        pare_status st = pare_forward_run(forward, input, n_here, err);
        if (st)
            return st;
        for (int v = 0; v < graph->n_values; v++)
            if (observers[v])
                see(observers[v], pare_forward_value(forward, graph->values[v]),
                    n_here * pare_shape_elems(&graph->values[v]->shape));
        if (ctx->stop && *ctx->stop)
            return pare_fail(err, PARE_ESTOPPED, "stopped during calibration");
    }
    return PARE_OK;
}

static pare_status calibrate(const struct pare_context *ctx, const struct options *o,
                             struct pare_graph *graph, struct pare_error *err)
{
    int64_t n_train = pare_data_n(ctx->data, PARE_TRAIN);
    struct pare_shape shape = pare_data_sample_shape(ctx->data);
    struct pare_observer **observers = calloc((size_t)graph->n_values + 1, sizeof(*observers));
    int64_t *order = malloc(sizeof *order * (size_t)(n_train + 1));
    float *input = malloc(sizeof(float) * (size_t)(BATCH * pare_shape_elems(&shape)));
    struct pare_forward *forward = NULL;
    bool is_no_memory = !observers || !order || !input;
    pare_status st;

    for (int v = 0; !is_no_memory && v < graph->n_values; v++)
        if (is_observed(o, graph, graph->values[v])) {
            observers[v] = calloc(1, sizeof *observers[v]);
            is_no_memory = !observers[v];
        }
    if (is_no_memory) {
        st = pare_fail(err, PARE_ENOMEM, "no memory to calibrate %d values", graph->n_values);
        goto done;
    }
    for (int64_t i = 0; i < n_train; i++)
        order[i] = i;
    pare_rng_shuffle(ctx->rng, order, n_train);
    st = pare_forward_new(&forward, graph, BATCH, ctx->n_threads, err);
    if (!st)
        st = pass(ctx, o, graph, forward, order, input, observers, pare_observer_range, err);
    if (!st && o->calibrator != PARE_CALIBRATE_MINMAX)
        st = pass(ctx, o, graph, forward, order, input, observers, pare_observer_count, err);
    if (st)
        goto done;
    for (int v = 0; v < graph->n_values; v++) {
        if (!observers[v])
            continue;
        const struct pare_observer *seen = observers[v];
        if (!(seen->high - seen->low < 3e38f)) {
            st = pare_fail(err, PARE_ENUMERIC, "value '%s' is not finite during calibration",
                           graph->values[v]->name);
            goto done;
        }
        graph->values[v]->quant =
            pare_observer_quant(seen, 8, o->symmetric, o->calibrator, o->percentile);
    }
    /* Nodes stand in topological order, so a chain of movers passes the range on in one walk. */
    pare_each_node(node, graph) {
        if (is_mover(node->op) && node->inputs[0]->quant.bits &&
            !is_output(graph, node->outputs[0]))
            node->outputs[0]->quant = node->inputs[0]->quant;
    }
done:
    pare_forward_free(forward);
    for (int v = 0; observers && v < graph->n_values; v++)
        free(observers[v]);
    free(observers);
    free(order);
    free(input);
    return st;
}

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    const struct options *o = options;
    int n_layers = 0;
    pare_status st;

    if (!ctx->data)
        return pare_fail(err, PARE_EINVAL, "needs data to calibrate; add a `data:` section");
    st = pare_select_check(&o->ignore, graph, err);
    if (!st)
        st = pare_graph_fold_batchnorm(graph, err);
    /* Ranges are those of the float network: weights are rounded afterwards. */
    if (!st)
        st = calibrate(ctx, o, graph, err);
    for (int i = 0; !st && i < graph->n_nodes; i++) {
        struct pare_node *node = graph->nodes[i];
        if (!is_matrix_op(node->op) || pare_select_has(&o->ignore, node) || !node->inputs[1]->data)
            continue;
        bool has_rows = node->op == PARE_OP_CONV || pare_node_int(node, "transB", 0);
        st = pare_quantize_weight(graph, node->inputs[1], o->scheme == W4A8 ? 4 : 8,
                                  o->granularity == PER_CHANNEL && has_rows ? 0 : -1,
                                  o->calibrator == PARE_CALIBRATE_MSE, err);
        n_layers++;
    }
    if (!st && n_layers == 0)
        return pare_fail(err, PARE_EINFEASIBLE, "the network has no Conv or Gemm to quantize");
    return st ? st : pare_graph_finish(graph, err);
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "quant.ptq",
    .summary = "integer weights and activations after training, by calibration",
    .source = "Jacob et al., CVPR 2018; Wu et al. 2020, sec. 3 to 5",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .needs = PARE_NEEDS_CALIBRATION,
    .refuses = PARE_STATE_QUANTIZED,
    .leaves = PARE_STATE_QUANTIZED,
    .apply = apply,
};
