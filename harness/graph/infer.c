#include "graph/infer.h"

#include <math.h>
#include <string.h>

#include "graph/infer_nd.h"
#include "graph/op.h"
#include "graph/resolve.h"
#include "graph/window.h"

static pare_status check_elems(const struct pare_shape *shape, bool may_be_empty,
                               struct pare_error *err)
{
    int64_t n = pare_shape_elems(shape);
    char text[160];

    for (int i = 0; i < shape->n_dims; i++) {
        if (shape->dims[i] < (may_be_empty ? 0 : 1) &&
            !(i == 0 && shape->dims[i] == PARE_DIM_BATCH))
            return pare_fail(err, PARE_EINVAL, "shape %s has an empty or negative dimension",
                             pare_shape_text(shape, text, sizeof text));
    }
    if (n < 0 || n > PARE_MAX_ELEMS)
        return pare_fail(err, PARE_EINVAL, "shape %s is too large",
                         pare_shape_text(shape, text, sizeof text));
    return PARE_OK;
}

static pare_status check_attr(const struct pare_node *node, const struct pare_attr *attr,
                              struct pare_error *err)
{
    const struct pare_op_attr *row = pare_op_attr(node->op, attr->name);

    if (!row) {
        if (strchr(attr->name, '.'))
            return PARE_OK; /* a note of some method: "name.space" never is an ONNX attribute */
        return pare_fail(err, PARE_EINVAL, "attribute '%s' is not known", attr->name);
    }
    if (attr->kind != row->kind && !(attr->kind == PARE_ATTR_INT && row->kind == PARE_ATTR_FLOAT))
        return pare_fail(err, PARE_EINVAL, "attribute '%s' is of the wrong kind", attr->name);
    bool is_finite = attr->kind != PARE_ATTR_FLOAT || isfinite(attr->f);
    for (int i = 0; attr->kind == PARE_ATTR_FLOATS && i < attr->n_floats; i++)
        is_finite = is_finite && isfinite(attr->floats[i]);
    if (!is_finite)
        return pare_fail(err, PARE_EINVAL, "attribute '%s' is not a finite number", attr->name);
    if (row->is_fixed && !pare_attr_is_default(attr, row))
        return pare_fail(err, PARE_EUNSUPPORTED, "attribute '%s': only ONNX's default is supported",
                         attr->name);
    return PARE_OK;
}

static pare_status check_vector(const struct pare_value *weight, int64_t n, const char *role,
                                struct pare_error *err)
{
    char text[160];

    if (weight->shape.n_dims != 1 || weight->shape.dims[0] != n)
        return pare_fail(err, PARE_EINVAL, "%s '%s' has shape %s, needs [%lld]", role, weight->name,
                         pare_shape_text(&weight->shape, text, sizeof text), (long long)n);
    return PARE_OK;
}

static bool is_input(const struct pare_graph *graph, const struct pare_value *value)
{
    for (int i = 0; i < graph->n_inputs; i++) {
        if (graph->inputs[i] == value)
            return true;
    }
    return false;
}

/* One input that is there: made before, of the right kind and type. */
static pare_status check_input(const struct pare_graph *graph, const struct pare_node *node, int k,
                               struct pare_error *err)
{
    const struct pare_op_info *info = pare_op_info(node->op);
    const struct pare_value *x = node->inputs[k];
    unsigned types = info->types ? info->types : PARE_TYPE(F32);
    bool is_weight = x->data != NULL, wants_weight = k >= info->n_weights_from;

    if (x->id < 0 || x->id >= graph->n_values || graph->values[x->id] != x)
        return pare_fail(err, PARE_EINVAL, "input %d, '%s', is no value of this graph", k, x->name);
    if (is_weight != wants_weight && (wants_weight || !info->is_free))
        return pare_fail(err, PARE_EUNSUPPORTED, "input %d, '%s', must be %s", k, x->name,
                         is_weight ? "an activation, not a weight" : "a constant weight");
    if (!x->data && !x->producer && !is_input(graph, x))
        return pare_fail(err, PARE_EINVAL, "nothing makes its input '%s'", x->name);
    if (x->producer &&
        (x->producer->index >= node->index || graph->nodes[x->producer->index] != x->producer))
        return pare_fail(err, PARE_EINVAL,
                         "input '%s' comes from node '%s', which stands later: a cycle", x->name,
                         x->producer->name);
    if (!(types >> x->dtype & 1))
        return pare_fail(err, PARE_EUNSUPPORTED, "input %d, '%s', is %s, which it does not take", k,
                         x->name, pare_dtype_name(x->dtype));
    if (!info->has_mixed_types && x->dtype != node->inputs[0]->dtype)
        return pare_fail(err, PARE_EINVAL, "inputs '%s' and '%s' are %s and %s",
                         node->inputs[0]->name, x->name, pare_dtype_name(node->inputs[0]->dtype),
                         pare_dtype_name(x->dtype));
    return check_elems(&x->shape, info->takes_empty, err);
}

/* Number, presence, kind and order of the inputs; attributes. */
static pare_status check_node(const struct pare_graph *graph, const struct pare_node *node,
                              struct pare_error *err)
{
    const struct pare_op_info *info = pare_op_info(node->op);
    int n_attrs = 0;

    if (node->n_inputs < info->min_inputs || node->n_inputs > info->max_inputs)
        return pare_fail(err, PARE_EINVAL, "%d inputs, needs %d to %d", node->n_inputs,
                         info->min_inputs, info->max_inputs);
    if (node->n_outputs < 1 || node->n_outputs > (info->max_outputs ? info->max_outputs : 1))
        return pare_fail(err, PARE_EUNSUPPORTED, "%d outputs, has at most %d", node->n_outputs,
                         info->max_outputs ? info->max_outputs : 1);
    for (int k = 0; k < node->n_inputs; k++) {
        pare_status st = PARE_OK;

        if (node->inputs[k])
            st = check_input(graph, node, k, err);
        else if (k < info->min_inputs || node->op == PARE_OP_CONCAT)
            st = pare_fail(err, PARE_EINVAL, "input %d is missing", k);
        if (st)
            return st;
    }
    for (const struct pare_attr *attr = node->attrs; attr; attr = attr->next) {
        pare_status st = check_attr(node, attr, err);
        if (st)
            return st;
        if (++n_attrs > 64)
            return pare_fail(err, PARE_EINVAL, "more than 64 attributes");
    }
    return PARE_OK;
}

static pare_status infer_window(struct pare_node *node, struct pare_shape *y,
                                struct pare_error *err)
{
    struct pare_nd_window w;
    pare_status st = pare_window_resolve(&w, node, err);

    if (st)
        return st;
    if (node->n_outputs > 1 && pare_shape_has_batch(y))
        return pare_fail(err, PARE_EUNSUPPORTED,
                         "indices of maxima count through the batch: only "
                         "with a fixed batch");
    y->dims[1] = w.M;
    for (int d = 0; d < w.n; d++)
        y->dims[2 + d] = w.out[d];
    if (node->n_inputs > 2 && node->inputs[2])
        st = check_vector(node->inputs[2], w.M, "bias", err);
    return st;
}

static pare_status infer_gemm(struct pare_node *node, struct pare_shape *y, struct pare_error *err)
{
    const struct pare_shape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;
    int64_t trans_b = pare_node_int(node, "transB", 0), n, k;

    if (trans_b != 0 && trans_b != 1)
        return pare_fail(err, PARE_EINVAL, "transB is %lld, needs 0 or 1", (long long)trans_b);
    if (a->n_dims != 2)
        return pare_fail(err, PARE_EINVAL,
                         "the input has %d dimensions, needs 2 (put a Flatten "
                         "before)",
                         a->n_dims);
    if (b->n_dims != 2)
        return pare_fail(err, PARE_EINVAL, "the weight has %d dimensions, needs 2", b->n_dims);
    n = b->dims[trans_b ? 0 : 1];
    k = b->dims[trans_b ? 1 : 0];
    if (a->dims[1] != k)
        return pare_fail(err, PARE_EINVAL, "%lld features come in, the weight takes %lld",
                         (long long)a->dims[1], (long long)k);
    *y = pare_shape_of(2, a->dims[0], n);
    if (node->n_inputs > 2 && node->inputs[2])
        return check_vector(node->inputs[2], n, "bias", err);
    return PARE_OK;
}

static pare_status infer_batchnorm(struct pare_node *node, struct pare_shape *y,
                                   struct pare_error *err)
{
    static const char *const roles[] = {"scale", "bias", "mean", "var"};
    const struct pare_shape *x = &node->inputs[0]->shape;
    double momentum = pare_node_float(node, "momentum", 0.9);

    if (x->n_dims < 2)
        return pare_fail(err, PARE_EINVAL, "the input has no channels");
    for (int k = 1; k < 5; k++) {
        pare_status st = check_vector(node->inputs[k], x->dims[1], roles[k - 1], err);
        if (st)
            return st;
    }
    if (pare_node_float(node, "epsilon", 1e-5) < 0 || momentum < 0 || momentum > 1)
        return pare_fail(err, PARE_EINVAL, "epsilon must be 0 or more, momentum in [0, 1]");
    *y = *x;
    return PARE_OK;
}

static pare_status infer_global_pool(struct pare_node *node, struct pare_shape *y,
                                     struct pare_error *err)
{
    if (y->n_dims < 3 || (y->n_dims != 4 && pare_shape_has_batch(&node->inputs[0]->shape)))
        return pare_fail(err, PARE_EINVAL, "the input has %d dimensions, needs 4 (N C H W)",
                         y->n_dims);
    for (int d = 2; d < y->n_dims; d++)
        y->dims[d] = 1;
    return PARE_OK;
}

static pare_status infer_node(struct pare_node *node, struct pare_error *err)
{
    struct pare_shape y = node->inputs[0]->shape;
    pare_status st = PARE_OK;

    node->outputs[0]->dtype = node->inputs[0]->dtype;
    switch (node->op) {
    case PARE_OP_CONV:
    case PARE_OP_CONV_TRANSPOSE:
    case PARE_OP_MAXPOOL:
    case PARE_OP_AVGPOOL: st = infer_window(node, &y, err); break;
    case PARE_OP_GLOBAL_AVGPOOL:
    case PARE_OP_GLOBAL_MAXPOOL: st = infer_global_pool(node, &y, err); break;
    case PARE_OP_GEMM: st = infer_gemm(node, &y, err); break;
    case PARE_OP_BATCHNORM: st = infer_batchnorm(node, &y, err); break;
    case PARE_OP_CLIP:
        if (pare_node_float(node, "min", -INFINITY) > pare_node_float(node, "max", INFINITY))
            st = pare_fail(err, PARE_EINVAL, "min is above max");
        break;
    default: st = pare_infer_nd(node, err); y = node->outputs[0]->shape;
    }
    if (st)
        return st;
    node->outputs[0]->shape = y;
    if (node->op == PARE_OP_MAXPOOL && node->n_outputs > 1) {
        node->outputs[1]->shape = y;
        node->outputs[1]->dtype = PARE_S64;
    }
    for (int k = 0; k < node->n_outputs && !st; k++)
        st = check_elems(&node->outputs[k]->shape, pare_op_info(node->op)->takes_empty, err);
    return st;
}

static pare_status check_graph_input(const struct pare_value *x, struct pare_error *err)
{
    pare_status st;

    if (x->data || x->producer)
        return pare_fail(err, PARE_EINVAL, "is a weight, or made by a node");
    if (x->shape.n_dims < 0 || x->shape.n_dims > PARE_MAX_DIMS)
        return pare_fail(err, PARE_EINVAL, "has more than %d dimensions", PARE_MAX_DIMS);
    st = check_elems(&x->shape, !pare_shape_has_batch(&x->shape), err);
    if (!st && pare_shape_has_batch(&x->shape) && x->shape.n_dims < 2)
        st = pare_fail(err, PARE_EINVAL, "needs a batch dimension and at least one dimension more");
    return st;
}

pare_status pare_graph_infer(struct pare_graph *graph, struct pare_error *err)
{
    pare_status st;

    if (graph->n_inputs < 1 || graph->n_outputs < 1)
        return pare_fail(err, PARE_EINVAL, "a graph needs an input and an output");
    for (int i = 0; i < graph->n_inputs; i++) {
        const struct pare_value *x = graph->inputs[i];

        st = check_graph_input(x, err);
        if (st) {
            pare_error_prefix(err, "input '%s'", x->name);
            return st;
        }
    }
    for (int i = 0; i < graph->n_values; i++) {
        const struct pare_value *value = graph->values[i];

        if (!value->data)
            continue;
        st = check_elems(&value->shape, false, err);
        if (!st && pare_shape_has_batch(&value->shape))
            st = pare_fail(err, PARE_EINVAL, "a weight has no batch dimension");
        if (!st && (!pare_shape_equal(&value->shape, &value->data->shape) ||
                    value->dtype != value->data->dtype))
            st = pare_fail(err, PARE_EINVAL, "its shape or type is not that of its data");
        if (st) {
            pare_error_prefix(err, "weight '%s'", value->name);
            return st;
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        struct pare_node *node = graph->nodes[i];

        st = check_node(graph, node, err);
        if (!st)
            st = infer_node(node, err);
        if (st) {
            pare_error_prefix(err, "node '%s' (%s)", node->name, pare_op_name(node->op));
            return st;
        }
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        if (!graph->outputs[i]->producer)
            return pare_fail(err, PARE_EINVAL, "output '%s' is not made by any node",
                             graph->outputs[i]->name);
    }
    return PARE_OK;
}
