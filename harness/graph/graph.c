/* A graph's life: made, copied, built, freed. */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "graph/graph_impl.h"
#include "graph/op.h"

struct pare_graph *pare_graph_new(const char *name)
{
    struct pare_graph_impl *impl = pare_xcalloc(1, sizeof *impl);

    impl->graph.arena = pare_arena_new();
    impl->graph.name = pare_arena_strdup(impl->graph.arena, name ? name : "graph");
    return &impl->graph;
}

void pare_graph_free(struct pare_graph *graph)
{
    if (!graph)
        return;
    for (int i = 0; i < graph->n_values; i++)
        pare_tensor_unref(graph->values[i]->data);
    pare_names_clear(&pare_graph_impl(graph)->node_names);
    pare_names_clear(&pare_graph_impl(graph)->value_names);
    pare_arena_free(graph->arena);
    free(graph);
}

/* Room for one more pointer.  What is outgrown stays in the arena: at most as much again. */
static void *grow(struct pare_graph *graph, void *items, int n, int *capacity)
{
    void *larger;

    if (n < *capacity)
        return items;
    *capacity = *capacity ? 2 * *capacity : 16;
    larger = pare_arena_alloc(graph->arena, (size_t)*capacity * sizeof(void *));
    if (n)
        memcpy(larger, items, (size_t)n * sizeof(void *));
    return larger;
}

static struct pare_value *add_value(struct pare_graph *graph, const char *name)
{
    struct pare_value *value = PARE_ARENA_NEW(graph->arena, struct pare_value, 1);

    graph->values = grow(graph, graph->values, graph->n_values, &graph->values_capacity);
    value->id = graph->n_values;
    value->name = name;
    value->coding.bits = 32;
    value->coding.axis = -1;
    graph->values[graph->n_values++] = value;
    return value;
}

/* The name itself, or with _2, _3, ... until it is free; lives in the arena and is taken then. */
static const char *unique_name(struct pare_graph *graph, struct pare_names *names, const char *name)
{
    const char *candidate = pare_arena_strdup(graph->arena, name);

    for (int i = 2; !pare_names_add(names, candidate); i++)
        candidate = pare_arena_printf(graph->arena, "%s_%d", name, i);
    return candidate;
}

struct pare_value *pare_graph_input(struct pare_graph *graph, const char *name,
                                    const struct pare_shape *shape)
{
    struct pare_names *names = &pare_graph_impl(graph)->value_names;
    struct pare_value *value = add_value(graph, unique_name(graph, names, name ? name : "input"));
    struct pare_value **inputs =
        PARE_ARENA_NEW(graph->arena, struct pare_value *, graph->n_inputs + 1);

    value->shape = *shape;
    if (graph->n_inputs)
        memcpy(inputs, graph->inputs, (size_t)graph->n_inputs * sizeof *inputs);
    inputs[graph->n_inputs++] = value;
    graph->inputs = inputs;
    return value;
}

struct pare_value *pare_graph_weight(struct pare_graph *graph, const char *name,
                                     struct pare_tensor *data)
{
    struct pare_names *names = &pare_graph_impl(graph)->value_names;
    struct pare_value *value = add_value(graph, unique_name(graph, names, name ? name : "weight"));

    value->shape = data->shape;
    value->dtype = data->dtype;
    value->data = data;
    return value;
}

struct pare_node *pare_graph_node(struct pare_graph *graph, enum pare_op op, const char *name,
                                  struct pare_value *const *inputs, int n_inputs)
{
    struct pare_graph_impl *impl = pare_graph_impl(graph);
    struct pare_node *node = PARE_ARENA_NEW(graph->arena, struct pare_node, 1);

    if (!name) {
        char *word = pare_arena_strdup(graph->arena, pare_op_name(op));

        for (char *c = word; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        name = word;
    }
    graph->nodes = grow(graph, graph->nodes, graph->n_nodes, &graph->nodes_capacity);
    node->index = graph->n_nodes;
    node->name = unique_name(graph, &impl->node_names, name);
    node->op = op;
    node->n_inputs = n_inputs;
    node->inputs = PARE_ARENA_NEW(graph->arena, struct pare_value *, n_inputs);
    if (n_inputs)
        memcpy(node->inputs, inputs, (size_t)n_inputs * sizeof *inputs);
    node->n_outputs = 1;
    node->outputs = PARE_ARENA_NEW(graph->arena, struct pare_value *, 1);
    node->outputs[0] = add_value(graph, unique_name(graph, &impl->value_names, node->name));
    node->outputs[0]->producer = node;
    graph->nodes[graph->n_nodes++] = node;
    return node;
}

struct pare_value *pare_graph_add_output(struct pare_graph *graph, struct pare_node *node)
{
    struct pare_names *names = &pare_graph_impl(graph)->value_names;
    struct pare_value **outputs =
        PARE_ARENA_NEW(graph->arena, struct pare_value *, node->n_outputs + 1);

    memcpy(outputs, node->outputs, (size_t)node->n_outputs * sizeof *outputs);
    node->outputs = outputs;
    outputs[node->n_outputs] = add_value(graph, unique_name(graph, names, node->name));
    outputs[node->n_outputs]->producer = node;
    return outputs[node->n_outputs++];
}

void pare_graph_output(struct pare_graph *graph, struct pare_value *value)
{
    graph->outputs = grow(graph, graph->outputs, graph->n_outputs, &graph->io_capacity);
    graph->outputs[graph->n_outputs++] = value;
}

static struct pare_attr *copy_attrs(struct pare_arena *arena, const struct pare_attr *list)
{
    struct pare_attr *first = NULL, **end = &first;

    for (; list; list = list->next) {
        struct pare_attr *attr = PARE_ARENA_NEW(arena, struct pare_attr, 1);

        *attr = *list;
        attr->name = pare_arena_strdup(arena, list->name);
        attr->s = pare_arena_strdup(arena, list->s);
        attr->next = NULL;
        if (list->n_ints) {
            int64_t *ints = PARE_ARENA_NEW(arena, int64_t, list->n_ints);

            memcpy(ints, list->ints, (size_t)list->n_ints * sizeof *ints);
            attr->ints = ints;
        }
        if (list->n_floats) {
            double *floats = PARE_ARENA_NEW(arena, double, list->n_floats);

            memcpy(floats, list->floats, (size_t)list->n_floats * sizeof *floats);
            attr->floats = floats;
        }
        *end = attr;
        end = &attr->next;
    }
    return first;
}

static void copy_coding(struct pare_arena *arena, struct pare_coding *coding)
{
    size_t n = (size_t)coding->n_scales;

    if (coding->scales) {
        float *scales = PARE_ARENA_NEW(arena, float, n);

        memcpy(scales, coding->scales, n * sizeof *scales);
        coding->scales = scales;
    }
    if (coding->zeros) {
        int32_t *zeros = PARE_ARENA_NEW(arena, int32_t, n);

        memcpy(zeros, coding->zeros, n * sizeof *zeros);
        coding->zeros = zeros;
    }
}

static void copy_pointers(struct pare_arena *arena, struct pare_value ***out,
                          struct pare_value *const *list, int n, struct pare_value *const *values)
{
    *out = PARE_ARENA_NEW(arena, struct pare_value *, n);
    for (int i = 0; i < n; i++)
        (*out)[i] = list[i] ? values[list[i]->id] : NULL;
}

struct pare_graph *pare_graph_copy(const struct pare_graph *graph)
{
    struct pare_graph *copy = pare_graph_new(graph->name);
    struct pare_arena *arena = copy->arena;

    for (int i = 0; i < graph->n_values; i++) {
        const struct pare_value *from = graph->values[i];
        struct pare_value *value = add_value(copy, pare_arena_strdup(arena, from->name));

        assert(from->id == i);
        value->shape = from->shape;
        value->dtype = from->dtype;
        value->data = from->data ? pare_tensor_ref(from->data) : NULL;
        value->coding = from->coding;
        value->quant = from->quant;
        copy_coding(arena, &value->coding);
        pare_names_add(&pare_graph_impl(copy)->value_names, value->name);
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct pare_node *from = graph->nodes[i];
        struct pare_node *node = PARE_ARENA_NEW(arena, struct pare_node, 1);

        *node = *from;
        node->name = pare_arena_strdup(arena, from->name);
        node->attrs = copy_attrs(arena, from->attrs);
        copy_pointers(arena, &node->inputs, from->inputs, from->n_inputs, copy->values);
        copy_pointers(arena, &node->outputs, from->outputs, from->n_outputs, copy->values);
        for (int k = 0; k < node->n_outputs; k++)
            node->outputs[k]->producer = node;
        copy->nodes = grow(copy, copy->nodes, copy->n_nodes, &copy->nodes_capacity);
        copy->nodes[copy->n_nodes++] = node;
        pare_names_add(&pare_graph_impl(copy)->node_names, node->name);
    }
    copy_pointers(arena, &copy->inputs, graph->inputs, graph->n_inputs, copy->values);
    copy_pointers(arena, &copy->outputs, graph->outputs, graph->n_outputs, copy->values);
    copy->n_inputs = graph->n_inputs;
    copy->n_outputs = copy->io_capacity = graph->n_outputs;
    copy->meta = copy_attrs(arena, graph->meta);
    return copy;
}

pare_status pare_value_own_data(struct pare_value *value, struct pare_error *err)
{
    struct pare_tensor *copy;
    pare_status st;

    if (value->data->n_refs == 1)
        return PARE_OK;
    st = pare_tensor_copy(&copy, value->data, err);
    if (st) {
        pare_error_prefix(err, "weight '%s'", value->name);
        return st;
    }
    pare_tensor_unref(value->data);
    value->data = copy;
    return PARE_OK;
}

void pare_value_set_data(struct pare_value *value, struct pare_tensor *data)
{
    pare_tensor_unref(value->data);
    value->data = data;
    value->shape = data->shape;
    value->dtype = data->dtype;
    value->coding = (struct pare_coding){.bits = 32, .axis = -1};
}

struct pare_value *pare_graph_find_value(const struct pare_graph *graph, const char *name)
{
    for (int i = 0; i < graph->n_values; i++) {
        if (strcmp(graph->values[i]->name, name) == 0)
            return graph->values[i];
    }
    return NULL;
}

struct pare_node *pare_graph_find_node(const struct pare_graph *graph, const char *name)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        if (strcmp(graph->nodes[i]->name, name) == 0)
            return graph->nodes[i];
    }
    return NULL;
}
