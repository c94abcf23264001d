#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "graph/op.h"
#include "graph/resolve.h"
#include "io/model.h"
#include "io/model_limits.h"
#include "io/safetensors.h"
#include "io/weight_stream.h"

/* A weight on its way into the file. */
struct stored {
    const struct pare_value *value;
    struct pare_stream stream;
};

struct writer {
    struct pare_graph *graph; /* a finished copy */
    struct pare_arena *scratch;
    struct stored *weights; /* plain ones first */
    int n_weights;
    int64_t *ids; /* number in the file, by value id */
    struct pare_text text;
    struct pare_error *err;
};

/* ---- The graph's text ---- */

/* The fewest digits that read back to the same float. */
static void add_float(struct pare_text *text, float value)
{
    char buffer[40];

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(buffer, sizeof buffer, "%.*g", digits, (double)value);
        if (strtof(buffer, NULL) == value)
            break;
    }
    pare_text_add(text, buffer);
}

/* A real stays one when it is read: 6 is written 6.0. */
static void add_real(struct pare_text *text, double value)
{
    size_t begin = text->n;

    pare_text_json_number(text, value);
    if (!strpbrk(text->s + begin, ".e"))
        pare_text_add(text, ".0");
}

static void add_attr_value(struct pare_text *text, const struct pare_attr *attr)
{
    switch (attr->kind) {
    case PARE_ATTR_INT: pare_text_printf(text, "%" PRId64, attr->i); break;
    case PARE_ATTR_FLOAT: add_real(text, attr->f); break;
    case PARE_ATTR_STRING: pare_text_json_string(text, attr->s); break;
    case PARE_ATTR_INTS:
        for (int i = 0; i < attr->n_ints; i++)
            pare_text_printf(text, "%s%" PRId64, i ? "," : "[", attr->ints[i]);
        pare_text_add(text, attr->n_ints ? "]" : "[]");
        break;
    case PARE_ATTR_FLOATS:
        for (int i = 0; i < attr->n_floats; i++) {
            pare_text_add(text, i ? "," : "[");
            add_real(text, attr->floats[i]);
        }
        pare_text_add(text, attr->n_floats ? "]" : "[]");
        break;
    }
}

/* ONNX's default, or for a convolution the extents of its weight. */
static bool says_nothing(const struct pare_node *node, const struct pare_attr *attr)
{
    const struct pare_op_attr *row = pare_op_attr(node->op, attr->name);

    if (node->op == PARE_OP_CONV && strcmp(attr->name, "kernel_shape") == 0)
        return true; /* infer has seen that it equals the weight's */
    return row && pare_attr_is_default(attr, row);
}

/* Opens with "{" before the first; gives whether there was any. */
static bool add_attrs(struct writer *w, const struct pare_node *node, const struct pare_attr *attrs)
{
    bool any = false;

    for (const struct pare_attr *attr = attrs; attr; attr = attr->next) {
        if (node && says_nothing(node, attr))
            continue;
        pare_text_add(&w->text, any ? "," : "{");
        pare_text_json_string(&w->text, attr->name);
        pare_text_add(&w->text, ":");
        add_attr_value(&w->text, attr);
        any = true;
    }
    if (any)
        pare_text_add(&w->text, "}");
    return any;
}

/* One name, or a list where there are several outputs. */
static void add_output_names(struct pare_text *text, const struct pare_node *node)
{
    for (int k = 0; k < node->n_outputs; k++) {
        if (node->n_outputs > 1)
            pare_text_add(text, k ? "," : "[");
        pare_text_json_string(text, node->outputs[k]->name);
    }
    pare_text_add(text, node->n_outputs > 1 ? "]" : "");
}

static void add_node(struct writer *w, const struct pare_node *node)
{
    bool is_renamed = node->n_outputs > 1 || strcmp(node->outputs[0]->name, node->name) != 0;
    size_t end;

    pare_text_add(&w->text, "[");
    pare_text_json_string(&w->text, node->name);
    pare_text_printf(&w->text, ",\"%s\",[", pare_op_name(node->op));
    for (int k = 0; k < node->n_inputs; k++)
        pare_text_printf(&w->text, "%s%" PRId64, k ? "," : "",
                         node->inputs[k] ? w->ids[node->inputs[k]->id] : -1);
    pare_text_add(&w->text, "]");
    end = w->text.n;
    pare_text_add(&w->text, ",");
    if (!add_attrs(w, node, node->attrs)) {
        if (is_renamed)
            pare_text_add(&w->text, "{}");
        else
            w->text.s[w->text.n = end] = '\0'; /* not even the comma */
    }
    if (is_renamed) {
        pare_text_add(&w->text, ",");
        add_output_names(&w->text, node);
    }
    pare_text_add(&w->text, "]");
}

static void add_weight(struct pare_text *text, const struct stored *weight)
{
    const struct pare_shape *shape = &weight->value->shape;

    if (!weight->stream.bytes) {
        pare_text_add(text, "0");
        return;
    }
    pare_text_add(text, "[[");
    for (int d = 0; d < shape->n_dims; d++)
        pare_text_printf(text, "%s%" PRId64, d ? "," : "", shape->dims[d]);
    pare_text_printf(text, "],%d,%d]", weight->stream.bits, weight->stream.flags);
}

static void add_input(struct pare_text *text, const struct pare_value *input)
{
    pare_text_add(text, "[");
    pare_text_json_string(text, input->name);
    if (input->dtype != PARE_F32 || !pare_shape_has_batch(&input->shape)) {
        pare_text_printf(text, ",\"%s\",[", pare_dtype_name(input->dtype));
        for (int d = 0; d < input->shape.n_dims; d++)
            pare_text_printf(text, "%s%" PRId64, d ? "," : "", input->shape.dims[d]);
        pare_text_add(text, "]]");
        return;
    }
    for (int d = 1; d < input->shape.n_dims; d++)
        pare_text_printf(text, ",%" PRId64, input->shape.dims[d]);
    pare_text_add(text, "]");
}

static void add_quants(struct writer *w)
{
    bool any = false;

    for (int id = 0; id < w->graph->n_values; id++) {
        const struct pare_value *value = w->graph->values[id];

        if (value->data || value->quant.bits == 0)
            continue;
        pare_text_printf(&w->text, "%s[%" PRId64 ",%d,%d,", any ? "," : ",\"q\":[", w->ids[id],
                         value->quant.bits, value->quant.is_signed);
        add_float(&w->text, value->quant.scale);
        pare_text_printf(&w->text, ",%" PRId32 "]", value->quant.zero);
        any = true;
    }
    if (any)
        pare_text_add(&w->text, "]");
}

static void add_graph(struct writer *w)
{
    const struct pare_graph *graph = w->graph;

    pare_text_add(&w->text, "{\"name\":");
    pare_text_json_string(&w->text, graph->name);
    pare_text_add(&w->text, ",\"meta\":");
    if (!add_attrs(w, NULL, graph->meta))
        pare_text_add(&w->text, "{}");
    pare_text_add(&w->text, ",\"in\":[");
    for (int i = 0; i < graph->n_inputs; i++) {
        pare_text_add(&w->text, i ? "," : "");
        add_input(&w->text, graph->inputs[i]);
    }
    pare_text_add(&w->text, "],\"w\":[");
    for (int i = 0; i < w->n_weights; i++) {
        pare_text_add(&w->text, i ? "," : "");
        add_weight(&w->text, &w->weights[i]);
    }
    pare_text_add(&w->text, "],\"nodes\":[");
    for (int i = 0; i < graph->n_nodes; i++) {
        pare_text_add(&w->text, i ? "," : "");
        add_node(w, graph->nodes[i]);
    }
    pare_text_add(&w->text, "],\"out\":[");
    for (int i = 0; i < graph->n_outputs; i++)
        pare_text_printf(&w->text, "%s%" PRId64, i ? "," : "", w->ids[graph->outputs[i]->id]);
    pare_text_add(&w->text, "]");
    add_quants(w);
    pare_text_add(&w->text, "}");
}

/* ---- What the loader would refuse is not written ---- */

static pare_status check_name(const char *kind, const char *name, struct pare_error *err)
{
    if (!pare_model_name_ok(name))
        return pare_fail(err, PARE_EINVAL,
                         "the name of %s is empty, longer than 255 bytes or has control characters",
                         kind);
    return PARE_OK;
}

static pare_status check_quant(const struct pare_value *value, struct pare_error *err)
{
    const struct pare_quant *q = &value->quant;
    int low = q->is_signed ? -(1 << (q->bits - 1)) : 0;

    if (value->data || q->bits == 0)
        return PARE_OK;
    if (q->bits < 2 || q->bits > 8 || !(q->scale > 0) || !isfinite(q->scale) || q->zero < low ||
        q->zero > low + (1 << q->bits) - 1)
        return pare_fail(err, PARE_EINVAL,
                         "value '%s': quantized in %d bits with scale %g and zero point %d, which "
                         "cannot be",
                         value->name, q->bits, (double)q->scale, q->zero);
    return PARE_OK;
}

static pare_status check_graph(const struct writer *w)
{
    const struct pare_graph *graph = w->graph;
    pare_status st = check_name("the graph", graph->name, w->err);

    if (!st && (graph->n_nodes > PARE_MODEL_MAX_NODES || graph->n_inputs > PARE_MODEL_MAX_IO ||
                graph->n_outputs > PARE_MODEL_MAX_IO))
        st = pare_fail(w->err, PARE_EINVAL, "too many nodes, inputs or outputs");
    for (int i = 0; i < graph->n_nodes && !st; i++)
        st = check_name("a node", graph->nodes[i]->name, w->err);
    for (int i = 0; i < graph->n_values && !st; i++) {
        st = check_name("a value", graph->values[i]->name, w->err);
        if (!st)
            st = check_quant(graph->values[i], w->err);
    }
    for (const struct pare_attr *attr = graph->meta; attr && !st; attr = attr->next)
        st = check_name("a meta entry", attr->name, w->err);
    return st;
}

/* ---- The whole ---- */

/* Indices, conditions, zero points: stored as they are. */
static pare_status check_constant(const struct pare_value *value, struct pare_error *err)
{
    if (value->coding.bits != 32 || value->coding.is_sparse)
        return pare_fail(err, PARE_EINVAL, "is %s, but coded as numbers would be",
                         pare_dtype_name(value->dtype));
    return PARE_OK;
}

enum { N_RANKS = 4 };

static int rank_of(const struct stored *weight)
{
    if (weight->stream.bytes)
        return 3;
    switch (pare_dtype_bytes(weight->value->dtype)) {
    case 8: return 0;
    case 4: return 1;
    default: return 2;
    }
}

static pare_status encode_weights(struct writer *w)
{
    struct pare_graph *graph = w->graph;
    struct stored *all = PARE_ARENA_NEW(w->scratch, struct stored, graph->n_values);
    int n = 0;

    /* The streams are w's from the start, so that they are freed whatever happens. */
    w->weights = PARE_ARENA_NEW(w->scratch, struct stored, graph->n_values);
    pare_each_weight(value, graph) {
        struct stored *weight = &all[n++];
        pare_status st;

        weight->value = value;
        st = value->dtype == PARE_F32 ? pare_stream_encode(&weight->stream, value, w->err)
                                      : check_constant(value, w->err);
        if (st) {
            pare_error_prefix(w->err, "weight '%s'", value->name);
            for (int i = 0; i < n; i++)
                free(all[i].stream.bytes);
            return st;
        }
    }
    /* Longer elements first: all are aligned.  F32 comes before S32. */
    for (int rank = 0; rank < N_RANKS; rank++) {
        for (int i = 0; i < n; i++) {
            if (rank_of(&all[i]) == rank)
                w->weights[w->n_weights++] = all[i];
        }
    }
    return PARE_OK;
}

static void number_values(struct writer *w)
{
    const struct pare_graph *graph = w->graph;
    int64_t n = 0;

    w->ids = PARE_ARENA_NEW(w->scratch, int64_t, graph->n_values);
    for (int i = 0; i < graph->n_inputs; i++)
        w->ids[graph->inputs[i]->id] = n++;
    for (int i = 0; i < w->n_weights; i++)
        w->ids[w->weights[i].value->id] = n++;
    for (int i = 0; i < graph->n_nodes; i++) {
        for (int k = 0; k < graph->nodes[i]->n_outputs; k++)
            w->ids[graph->nodes[i]->outputs[k]->id] = n++;
    }
}

static pare_status write_file(struct writer *w, unsigned char **out, size_t *n_bytes)
{
    static const char *const keys[] = {"pare.version", "pare.digest", "pare.graph"};
    struct pare_hash *hash = pare_hash_new();
    struct pare_digest digest;
    const char *values[] = {PARE_MODEL_VERSION, digest.hex, w->text.s};
    struct pare_safetensors_entry *entries =
        PARE_ARENA_NEW(w->scratch, struct pare_safetensors_entry, w->n_weights);
    int64_t n_elems = 0;
    pare_status st;

    for (int i = 0; i < w->n_weights; i++) {
        const struct stored *weight = &w->weights[i];
        struct pare_safetensors_entry *entry = &entries[i];

        n_elems += pare_tensor_elems(weight->value->data);
        entry->name = weight->value->name;
        entry->dtype = weight->stream.bytes ? PARE_U8 : weight->value->dtype;
        entry->shape = weight->stream.bytes ? pare_shape_of(1, (int64_t)weight->stream.n_bytes)
                                            : weight->value->shape;
        entry->data = weight->stream.bytes ? weight->stream.bytes
                                           : (const unsigned char *)weight->value->data->data;
        entry->n_bytes =
            weight->stream.bytes ? weight->stream.n_bytes : weight->value->data->n_bytes;
        pare_hash_add(hash, entry->data, entry->n_bytes);
    }
    pare_hash_add_text(hash, w->text.s);
    digest = pare_hash_finish(hash);
    st = pare_safetensors_write(out, n_bytes, entries, w->n_weights, keys, values, 3, w->err);
    if (!st && n_elems > pare_model_max_elems(*n_bytes)) {
        st = pare_fail(w->err, PARE_EINVAL,
                       "%lld weights, nearly all zero, in a file of %zu bytes: remove layers "
                       "instead",
                       (long long)n_elems, *n_bytes);
        free(*out);
    }
    return st;
}

pare_status pare_model_write(const struct pare_graph *graph, unsigned char **out, size_t *n_bytes,
                             struct pare_error *err)
{
    struct writer w = {.graph = pare_graph_copy(graph), .scratch = pare_arena_new(), .err = err};
    pare_status st;

    st = pare_graph_finish(w.graph, err);
    if (!st)
        st = check_graph(&w);
    if (!st)
        st = encode_weights(&w);
    if (!st) {
        number_values(&w);
        add_graph(&w);
        st = write_file(&w, out, n_bytes);
    }
    for (int i = 0; i < w.n_weights; i++)
        free(w.weights[i].stream.bytes);
    pare_text_clear(&w.text);
    pare_arena_free(w.scratch);
    pare_graph_free(w.graph);
    return st;
}

pare_status pare_model_save(const struct pare_graph *graph, const char *path, int64_t *n_bytes,
                            struct pare_error *err)
{
    unsigned char *bytes = NULL;
    size_t n = 0;
    pare_status st;

    st = pare_model_write(graph, &bytes, &n, err);
    if (st) {
        pare_error_prefix(err, "%s", path);
        return st;
    }
    st = pare_file_write(path, bytes, n, err);
    free(bytes);
    if (!st && n_bytes)
        *n_bytes = (int64_t)n;
    return st;
}
