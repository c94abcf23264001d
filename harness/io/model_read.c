#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "graph/op.h"
#include "io/json.h"
#include "io/model.h"
#include "io/model_limits.h"
#include "io/safetensors.h"
#include "io/weight_stream.h"

struct reader {
    const struct pare_safetensors *file;
    const struct pare_json *root;
    struct pare_graph *graph;
    struct pare_value **values; /* by number in the file */
    int64_t n_values, values_capacity, n_elems, max_elems;
    struct pare_error *err;
};

static pare_status read_name(const char **out, const struct pare_json *json, const char *kind,
                             struct pare_error *err)
{
    const char *name = pare_json_string(json);

    if (!name || !pare_model_name_ok(name))
        return pare_fail(err, PARE_EFORMAT,
                         "%s has no name, or one that is empty, longer than 255 bytes or with "
                         "control characters",
                         kind);
    *out = name;
    return PARE_OK;
}

static void add_value(struct reader *r, struct pare_value *value)
{
    if (r->n_values == r->values_capacity) {
        struct pare_value **larger;

        r->values_capacity = r->values_capacity ? 2 * r->values_capacity : 64;
        larger = PARE_ARENA_NEW(r->graph->arena, struct pare_value *, (size_t)r->values_capacity);
        if (r->n_values)
            memcpy(larger, r->values, (size_t)r->n_values * sizeof *larger);
        r->values = larger;
    }
    r->values[r->n_values++] = value;
}

static bool read_dtype(enum pare_dtype *out, const char *name)
{
    for (int dtype = PARE_F32; name && dtype <= PARE_BOOL; dtype++) {
        if (strcmp(name, pare_dtype_name((enum pare_dtype)dtype)) == 0) {
            *out = (enum pare_dtype)dtype;
            return true;
        }
    }
    return false;
}

/* Extents from entry `first` on, all positive. */
static pare_status read_dims(struct pare_shape *shape, const struct pare_json *json, int64_t first,
                             struct pare_error *err)
{
    for (int64_t i = first; i < pare_json_n(json); i++) {
        int64_t extent;

        if (shape->n_dims == PARE_MAX_DIMS)
            return pare_fail(err, PARE_EFORMAT, "more than %d dimensions", PARE_MAX_DIMS);
        if (!pare_json_int(pare_json_at(json, i), &extent) || extent < 1 ||
            extent > PARE_MODEL_MAX_ELEMS)
            return pare_fail(err, PARE_EFORMAT, "dimension %lld is not a positive number",
                             (long long)(i - first));
        shape->dims[shape->n_dims++] = extent;
    }
    return PARE_OK;
}

static const struct pare_json *list(const struct reader *r, const char *key, int64_t max,
                                    pare_status *st)
{
    const struct pare_json *json = pare_json_get(r->root, key);

    if (pare_json_kind(json) != PARE_JSON_ARRAY || pare_json_n(json) > max) {
        *st = pare_fail(r->err, PARE_EFORMAT, "\"%s\" is not a list of at most %lld entries", key,
                        (long long)max);
        return NULL;
    }
    *st = PARE_OK;
    return json;
}

/* A graph that makes names unique has changed it when it was taken. */
static pare_status check_unique(const char *given, const char *wanted, struct pare_error *err)
{
    if (strcmp(given, wanted) != 0)
        return pare_fail(err, PARE_EFORMAT, "the name '%s' is used twice", wanted);
    return PARE_OK;
}

/* [name, extents...] of f32 samples, or [name, type, [extents]]. */
static pare_status read_input_shape(struct pare_shape *shape, enum pare_dtype *dtype,
                                    const struct pare_json *row, struct pare_error *err)
{
    const char *type = pare_json_string(pare_json_at(row, 1));
    const struct pare_json *dims = pare_json_at(row, 2);

    if (!type) {
        *shape = (struct pare_shape){.n_dims = 1, .dims = {PARE_DIM_BATCH}};
        return read_dims(shape, row, 1, err);
    }
    *shape = (struct pare_shape){0};
    if (!read_dtype(dtype, type) || pare_json_kind(dims) != PARE_JSON_ARRAY ||
        pare_json_n(dims) > PARE_MAX_DIMS)
        return pare_fail(err, PARE_EFORMAT, "an input is not [name, type, [extents]]");
    for (int64_t i = 0; i < pare_json_n(dims); i++) {
        int64_t extent;

        if (!pare_json_int(pare_json_at(dims, i), &extent) || extent > PARE_MODEL_MAX_ELEMS)
            return pare_fail(err, PARE_EFORMAT, "extent %lld of an input is no number",
                             (long long)i);
        shape->dims[shape->n_dims++] = extent; /* its sign is the graph's to check */
    }
    return PARE_OK;
}

static pare_status read_inputs(struct reader *r)
{
    pare_status st;
    const struct pare_json *inputs = list(r, "in", PARE_MODEL_MAX_IO, &st);

    for (int64_t i = 0; i < pare_json_n(inputs) && !st; i++) {
        const struct pare_json *row = pare_json_at(inputs, i);
        enum pare_dtype dtype = PARE_F32;
        struct pare_shape shape;
        struct pare_value *value;
        const char *name = NULL;

        st = read_name(&name, pare_json_at(row, 0), "an input", r->err);
        if (!st)
            st = read_input_shape(&shape, &dtype, row, r->err);
        if (st)
            return st;
        value = pare_graph_input(r->graph, name, &shape);
        value->dtype = dtype;
        add_value(r, value);
        st = check_unique(value->name, name, r->err);
    }
    return st;
}

static pare_status check_elems(struct reader *r, const struct pare_shape *shape)
{
    int64_t n = pare_shape_elems(shape);

    if (n < 1 || n > PARE_MODEL_MAX_ELEMS)
        return pare_fail(r->err, PARE_EFORMAT, "its shape is empty or too large");
    r->n_elems += n;
    if (r->n_elems > r->max_elems)
        return pare_fail(r->err, PARE_EFORMAT,
                         "the weights have more than %lld elements, too many for this file",
                         (long long)r->max_elems);
    return PARE_OK;
}

static pare_status read_plain(struct reader *r, struct pare_tensor **data,
                              const struct pare_safetensors_entry *entry)
{
    pare_status st;

    st = check_elems(r, &entry->shape);
    if (!st)
        st = pare_tensor_new(data, entry->dtype, &entry->shape, r->err);
    if (!st)
        memcpy((*data)->data, entry->data, entry->n_bytes);
    return st;
}

static pare_status read_stream(struct reader *r, struct pare_tensor **data,
                               struct pare_coding *coding,
                               const struct pare_safetensors_entry *entry,
                               const struct pare_json *row)
{
    struct pare_stream stream = {.bytes = (unsigned char *)entry->data, .n_bytes = entry->n_bytes};
    struct pare_shape shape = {0};
    int64_t bits, flags;
    pare_status st;

    if (pare_json_n(row) != 3 || pare_json_kind(pare_json_at(row, 0)) != PARE_JSON_ARRAY ||
        !pare_json_int(pare_json_at(row, 1), &bits) ||
        !pare_json_int(pare_json_at(row, 2), &flags) || bits < 2 || bits > 32 || flags < 0 ||
        flags > PARE_STREAM_FLAGS)
        return pare_fail(r->err, PARE_EFORMAT, "its stream is not [[dims...], bits, flags]");
    if (entry->dtype != PARE_U8 || entry->shape.n_dims != 1)
        return pare_fail(r->err, PARE_EFORMAT, "is %s, a stream is U8 of one dimension",
                         pare_dtype_name(entry->dtype));
    st = read_dims(&shape, pare_json_at(row, 0), 0, r->err);
    if (!st)
        st = check_elems(r, &shape);
    if (st)
        return st;
    stream.bits = (int)bits;
    stream.flags = (int)flags;
    return pare_stream_decode(data, coding, &shape, &stream, r->graph->arena, r->err);
}

static pare_status read_weights(struct reader *r)
{
    int64_t n = pare_safetensors_n(r->file);
    pare_status st;
    const struct pare_json *rows = list(r, "w", n, &st);

    if (!st && pare_json_n(rows) != n)
        st = pare_fail(r->err, PARE_EFORMAT, "\"w\" describes %lld tensors, the file has %lld",
                       (long long)pare_json_n(rows), (long long)n);
    for (int64_t i = 0; i < n && !st; i++) {
        const struct pare_safetensors_entry *entry = pare_safetensors_get(r->file, (int)i);
        const struct pare_json *row = pare_json_at(rows, i);
        struct pare_coding coding = {.bits = 32, .axis = -1};
        struct pare_tensor *data = NULL;
        struct pare_value *value;

        if (!pare_model_name_ok(entry->name))
            st = pare_fail(r->err, PARE_EFORMAT, "the name is too long or has control characters");
        else if (pare_json_kind(row) == PARE_JSON_ARRAY)
            st = read_stream(r, &data, &coding, entry, row);
        else
            st = read_plain(r, &data, entry);
        if (st) {
            pare_error_prefix(r->err, "tensor '%.64s'", entry->name);
            return st;
        }
        value = pare_graph_weight(r->graph, entry->name, data);
        value->coding = coding;
        add_value(r, value);
        st = check_unique(value->name, entry->name, r->err);
    }
    return st;
}

/* All integers, or all reals. */
static pare_status read_list(struct reader *r, struct pare_node *node, const char *name,
                             const struct pare_json *json)
{
    int64_t ints[PARE_OP_MAX_IO];
    double floats[PARE_OP_MAX_IO];
    int n = (int)pare_json_n(json), n_ints = 0, n_floats = 0;

    for (int i = 0; i < n; i++) {
        const struct pare_json *entry = pare_json_at(json, i);

        if (pare_json_int(entry, &ints[n_ints]))
            n_ints++;
        else if (pare_json_number(entry, &floats[n_floats]))
            n_floats++;
    }
    if (n_ints == n)
        pare_node_set_ints(r->graph, node, name, ints, n);
    else if (n_floats == n)
        pare_node_set_floats(r->graph, node, name, floats, n);
    else
        return pare_fail(r->err, PARE_EFORMAT, "attribute '%s' is no list of integers, or of reals",
                         name);
    return PARE_OK;
}

static pare_status read_attr(struct reader *r, struct pare_node *node, const char *name,
                             const struct pare_json *json)
{
    struct pare_graph *graph = r->graph;
    int64_t i;
    double f;

    if (!pare_model_name_ok(name))
        return pare_fail(r->err, PARE_EFORMAT, "an attribute has no proper name");
    if (pare_json_int(json, &i)) {
        pare_node_set_int(graph, node, name, i);
    } else if (pare_json_number(json, &f)) {
        pare_node_set_float(graph, node, name, f);
    } else if (pare_json_string(json)) {
        pare_node_set_string(graph, node, name, pare_json_string(json));
    } else if (pare_json_kind(json) == PARE_JSON_ARRAY && pare_json_n(json) <= PARE_OP_MAX_IO) {
        return read_list(r, node, name, json);
    } else {
        return pare_fail(r->err, PARE_EFORMAT, "attribute '%s' is of no known kind", name);
    }
    return PARE_OK;
}

static pare_status read_node_inputs(struct reader *r, struct pare_value **inputs,
                                    const struct pare_json *json)
{
    for (int64_t k = 0; k < pare_json_n(json); k++) {
        int64_t id;

        if (!pare_json_int(pare_json_at(json, k), &id) || id < -1 || id >= r->n_values)
            return pare_fail(r->err, PARE_EFORMAT, "input %lld is no value that stands before it",
                             (long long)k);
        inputs[k] = id < 0 ? NULL : r->values[id];
    }
    return PARE_OK;
}

static pare_status read_more_outputs(struct reader *r, struct pare_node *node,
                                     const struct pare_json *names)
{
    pare_status st = PARE_OK;

    if (pare_json_n(names) > PARE_OP_MAX_IO)
        return pare_fail(r->err, PARE_EFORMAT, "more than %d outputs", PARE_OP_MAX_IO);
    for (int64_t k = 1; k < pare_json_n(names) && !st; k++) {
        const char *name = NULL;

        st = read_name(&name, pare_json_at(names, k), "its output", r->err);
        if (st)
            break;
        add_value(r, pare_graph_add_output(r->graph, node));
        node->outputs[k]->name = pare_arena_strdup(r->graph->arena, name);
    }
    return st;
}

static pare_status read_node(struct reader *r, const struct pare_json *row)
{
    const struct pare_json *json_inputs = pare_json_at(row, 2), *attrs = pare_json_at(row, 3);
    const struct pare_json *outputs = pare_json_at(row, 4);
    const char *op_name = pare_json_string(pare_json_at(row, 1)), *name = NULL, *output = NULL;
    struct pare_value *inputs[PARE_OP_MAX_IO] = {NULL};
    struct pare_node *node;
    enum pare_op op = PARE_N_OPS;
    pare_status st;

    st = read_name(&name, pare_json_at(row, 0), "a node", r->err);
    if (st)
        return st;
    output = name;
    if (pare_json_kind(outputs) == PARE_JSON_ARRAY)
        st = read_name(&output, pare_json_at(outputs, 0), "its output", r->err);
    else if (pare_json_n(row) > 4)
        st = read_name(&output, outputs, "its output", r->err);
    if (!st && (!op_name || !pare_op_from_name(&op, op_name)))
        st = pare_fail(r->err, PARE_EFORMAT, "operator '%.64s' is not known",
                       op_name ? op_name : "");
    if (!st && (pare_json_kind(json_inputs) != PARE_JSON_ARRAY ||
                pare_json_n(json_inputs) > PARE_OP_MAX_IO ||
                (attrs && pare_json_kind(attrs) != PARE_JSON_OBJECT) || pare_json_n(attrs) > 64))
        st = pare_fail(r->err, PARE_EFORMAT, "is not [name, operator, [inputs], {attributes}]");
    if (!st)
        st = read_node_inputs(r, inputs, json_inputs);
    if (st)
        goto done;
    node = pare_graph_node(r->graph, op, name, inputs, (int)pare_json_n(json_inputs));
    add_value(r, node->outputs[0]);
    node->outputs[0]->name = pare_arena_strdup(r->graph->arena, output);
    st = check_unique(node->name, name, r->err);
    if (!st && pare_json_kind(outputs) == PARE_JSON_ARRAY)
        st = read_more_outputs(r, node, outputs);
    for (void *it = pare_json_first(attrs); it && !st; it = pare_json_next(attrs, it))
        st = read_attr(r, node, pare_json_key(it), pare_json_value(it));
done:
    if (st)
        pare_error_prefix(r->err, "node '%.64s'", name);
    return st;
}

static pare_status read_outputs(struct reader *r)
{
    pare_status st;
    const struct pare_json *outputs = list(r, "out", PARE_MODEL_MAX_IO, &st);

    for (int64_t i = 0; i < pare_json_n(outputs) && !st; i++) {
        int64_t id;

        if (!pare_json_int(pare_json_at(outputs, i), &id) || id < 0 || id >= r->n_values ||
            r->values[id]->data)
            st = pare_fail(r->err, PARE_EFORMAT, "output %lld is no activation", (long long)i);
        else
            pare_graph_output(r->graph, r->values[id]);
    }
    return st;
}

static pare_status read_quant(struct reader *r, const struct pare_json *row)
{
    int64_t id, bits, is_signed, zero, low;
    struct pare_quant *quant;
    double scale;

    if (pare_json_n(row) != 5 || !pare_json_int(pare_json_at(row, 0), &id) ||
        !pare_json_int(pare_json_at(row, 1), &bits) ||
        !pare_json_int(pare_json_at(row, 2), &is_signed) ||
        !pare_json_number(pare_json_at(row, 3), &scale) ||
        !pare_json_int(pare_json_at(row, 4), &zero))
        return pare_fail(r->err, PARE_EFORMAT, "is not [value, bits, signed, scale, zero]");
    if (id < 0 || id >= r->n_values || r->values[id]->data || r->values[id]->quant.bits)
        return pare_fail(r->err, PARE_EFORMAT, "value %lld is no activation, or given twice",
                         (long long)id);
    if (bits < 2 || bits > 8 || is_signed < 0 || is_signed > 1)
        return pare_fail(r->err, PARE_EFORMAT, "value %lld: bits or sign out of range",
                         (long long)id);
    low = is_signed ? -(1 << (bits - 1)) : 0;
    if (!((float)scale > 0) || !isfinite((float)scale) || zero < low ||
        zero > low + (1 << bits) - 1)
        return pare_fail(r->err, PARE_EFORMAT, "value %lld: scale or zero point out of range",
                         (long long)id);
    quant = &r->values[id]->quant;
    quant->bits = (int)bits;
    quant->is_signed = is_signed != 0;
    quant->scale = (float)scale;
    quant->zero = (int32_t)zero;
    return PARE_OK;
}

static pare_status read_meta(struct reader *r)
{
    const struct pare_json *meta = pare_json_get(r->root, "meta");

    if (meta && (pare_json_kind(meta) != PARE_JSON_OBJECT || pare_json_n(meta) > 64))
        return pare_fail(r->err, PARE_EFORMAT, "\"meta\" is no object of at most 64 entries");
    for (void *it = pare_json_first(meta); it; it = pare_json_next(meta, it)) {
        const char *text = pare_json_string(pare_json_value(it));

        if (!text || !pare_model_name_ok(pare_json_key(it)))
            return pare_fail(r->err, PARE_EFORMAT, "\"meta\" has an entry that is no text");
        pare_graph_set_meta(r->graph, pare_json_key(it), text);
    }
    return PARE_OK;
}

static pare_status read_nodes(struct reader *r, const struct pare_json *nodes)
{
    for (int64_t i = 0; i < pare_json_n(nodes); i++) {
        pare_status st = read_node(r, pare_json_at(nodes, i));

        if (st)
            return st;
    }
    return PARE_OK;
}

static pare_status read_quants(struct reader *r)
{
    pare_status st = PARE_OK;
    const struct pare_json *rows;

    if (!pare_json_get(r->root, "q"))
        return PARE_OK;
    rows = list(r, "q", r->n_values, &st);
    for (int64_t i = 0; i < pare_json_n(rows) && !st; i++) {
        st = read_quant(r, pare_json_at(rows, i));
        if (st)
            pare_error_prefix(r->err, "\"q\", entry %lld", (long long)i);
    }
    return st;
}

static pare_status read_graph(struct reader *r)
{
    const struct pare_json *nodes;
    const char *name = NULL;
    int n_nodes, n_values;
    pare_status st;

    if (pare_json_kind(r->root) != PARE_JSON_OBJECT)
        return pare_fail(r->err, PARE_EFORMAT, "is not an object");
    st = read_name(&name, pare_json_get(r->root, "name"), "the graph", r->err);
    if (st)
        return st;
    nodes = list(r, "nodes", PARE_MODEL_MAX_NODES, &st);
    if (st)
        return st;
    r->graph = pare_graph_new(name);
    st = read_inputs(r);
    if (!st)
        st = read_weights(r);
    if (!st)
        st = read_nodes(r, nodes);
    if (!st)
        st = read_outputs(r);
    if (!st)
        st = read_quants(r);
    if (!st)
        st = read_meta(r);
    if (st)
        return st;
    n_nodes = r->graph->n_nodes;
    n_values = r->graph->n_values;
    st = pare_graph_finish(r->graph, r->err);
    if (!st && (r->graph->n_nodes != n_nodes || r->graph->n_values != n_values))
        st = pare_fail(r->err, PARE_EFORMAT, "it has nodes or tensors that nothing uses");
    return st;
}

pare_status pare_model_parse(struct pare_graph **out, const void *data, size_t n_bytes,
                             struct pare_error *err)
{
    struct reader r = {.max_elems = pare_model_max_elems(n_bytes), .err = err};
    struct pare_safetensors *file = NULL;
    struct pare_json *root = NULL;
    const char *version, *text;
    pare_status st;

    st = pare_safetensors_parse(&file, data, n_bytes, err);
    if (st)
        return st;
    version = pare_safetensors_meta(file, "pare.version");
    text = pare_safetensors_meta(file, "pare.graph");
    if (!version || !text)
        st = pare_fail(err, PARE_EFORMAT,
                       "it holds tensors, but no network: its metadata has no pare.graph");
    else if (strcmp(version, PARE_MODEL_VERSION) != 0)
        st = pare_fail(err, PARE_EFORMAT,
                       "it is of version '%.16s', this program reads version " PARE_MODEL_VERSION,
                       version);
    if (st)
        goto done;
    st = pare_json_parse(&root, text, strlen(text), err);
    if (!st) {
        r.file = file;
        r.root = root;
        st = read_graph(&r);
    }
    if (st)
        pare_error_prefix(err, "pare.graph");
    /* The rules of a graph are those of a file here. */
    if (st == PARE_EINVAL || st == PARE_EUNSUPPORTED) {
        st = PARE_EFORMAT;
        if (err)
            err->status = st;
    }
    if (st)
        pare_graph_free(r.graph);
    else
        *out = r.graph;
done:
    pare_json_free(root);
    pare_safetensors_close(file);
    return st;
}

/* A flipped bit in a weight is a sound file of another network: only the digest tells. */
static pare_status check_digest(const struct pare_file *file, struct pare_error *err)
{
    struct pare_safetensors *container = NULL;
    pare_status st = pare_safetensors_parse(&container, file->data, file->n_bytes, err);
    const char *stored = st ? NULL : pare_safetensors_meta(container, "pare.digest");
    const char *graph = st ? NULL : pare_safetensors_meta(container, "pare.graph");

    if (stored && graph) {
        struct pare_hash *hash = pare_hash_new();
        for (int i = 0; i < pare_safetensors_n(container); i++) {
            const struct pare_safetensors_entry *entry = pare_safetensors_get(container, i);
            pare_hash_add(hash, entry->data, entry->n_bytes);
        }
        pare_hash_add_text(hash, graph);
        struct pare_digest digest = pare_hash_finish(hash);
        if (strcmp(digest.hex, stored) != 0)
            st = pare_fail(err, PARE_EFORMAT, "damaged: its content does not match its digest");
    }
    pare_safetensors_close(container);
    return st;
}

pare_status pare_model_load(struct pare_graph **out, const char *path, struct pare_error *err)
{
    struct pare_file file = {0};
    pare_status st;

    st = pare_file_map(&file, path, err);
    if (st)
        return st;
    /* First what can be said of the place; the digest knows only that something is wrong. */
    st = pare_model_parse(out, file.data, file.n_bytes, err);
    if (!st) {
        st = check_digest(&file, err);
        if (st) {
            pare_graph_free(*out);
            *out = NULL;
        }
    }
    if (st)
        pare_error_prefix(err, "%s", path);
    pare_file_unmap(&file);
    return st;
}
