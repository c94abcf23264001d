/* Attributes of nodes, and the graph's own (meta): lists in order of first setting, so that a saved
 * graph has one form. */
#include <string.h>

#include <pare/graph.h>

#include "base/arena.h"

static struct pare_attr *find(struct pare_attr *list, const char *name)
{
    while (list && strcmp(list->name, name) != 0)
        list = list->next;
    return list;
}

static struct pare_attr *find_or_add(struct pare_graph *graph, struct pare_attr **list,
                                     const char *name)
{
    struct pare_attr *attr = find(*list, name);

    if (attr)
        return attr;
    while (*list)
        list = &(*list)->next;
    *list = PARE_ARENA_NEW(graph->arena, struct pare_attr, 1);
    (*list)->name = pare_arena_strdup(graph->arena, name);
    return *list;
}

const struct pare_attr *pare_node_attr(const struct pare_node *node, const char *name)
{
    return find(node->attrs, name);
}

int64_t pare_node_int(const struct pare_node *node, const char *name, int64_t def)
{
    const struct pare_attr *attr = find(node->attrs, name);
    return attr && attr->kind == PARE_ATTR_INT ? attr->i : def;
}

double pare_node_float(const struct pare_node *node, const char *name, double def)
{
    const struct pare_attr *attr = find(node->attrs, name);

    if (attr && attr->kind == PARE_ATTR_FLOAT)
        return attr->f;
    return attr && attr->kind == PARE_ATTR_INT ? (double)attr->i : def;
}

void pare_node_ints(const struct pare_node *node, const char *name, int64_t *out, int n,
                    int64_t def)
{
    const struct pare_attr *attr = find(node->attrs, name);
    int n_given = attr && attr->kind == PARE_ATTR_INTS ? attr->n_ints : 0;

    for (int i = 0; i < n; i++)
        out[i] = i < n_given ? attr->ints[i] : def;
}

void pare_node_floats(const struct pare_node *node, const char *name, double *out, int n,
                      double def)
{
    const struct pare_attr *attr = find(node->attrs, name);
    int n_given = attr && attr->kind == PARE_ATTR_FLOATS ? attr->n_floats : 0;

    for (int i = 0; i < n; i++)
        out[i] = i < n_given ? attr->floats[i] : def;
}

const char *pare_node_string(const struct pare_node *node, const char *name, const char *def)
{
    const struct pare_attr *attr = find(node->attrs, name);
    return attr && attr->kind == PARE_ATTR_STRING ? attr->s : def;
}

void pare_node_set_int(struct pare_graph *graph, struct pare_node *node, const char *name,
                       int64_t value)
{
    struct pare_attr *attr = find_or_add(graph, &node->attrs, name);

    attr->kind = PARE_ATTR_INT;
    attr->i = value;
}

void pare_node_set_float(struct pare_graph *graph, struct pare_node *node, const char *name,
                         double value)
{
    struct pare_attr *attr = find_or_add(graph, &node->attrs, name);

    attr->kind = PARE_ATTR_FLOAT;
    attr->f = value;
}

void pare_node_set_ints(struct pare_graph *graph, struct pare_node *node, const char *name,
                        const int64_t *values, int n)
{
    struct pare_attr *attr = find_or_add(graph, &node->attrs, name);
    int64_t *copy = PARE_ARENA_NEW(graph->arena, int64_t, n);

    if (n)
        memcpy(copy, values, (size_t)n * sizeof *copy);
    attr->kind = PARE_ATTR_INTS;
    attr->n_ints = n;
    attr->ints = copy;
}

void pare_node_set_floats(struct pare_graph *graph, struct pare_node *node, const char *name,
                          const double *values, int n)
{
    struct pare_attr *attr = find_or_add(graph, &node->attrs, name);
    double *copy = PARE_ARENA_NEW(graph->arena, double, n);

    if (n)
        memcpy(copy, values, (size_t)n * sizeof *copy);
    attr->kind = PARE_ATTR_FLOATS;
    attr->n_floats = n;
    attr->floats = copy;
}

void pare_node_set_string(struct pare_graph *graph, struct pare_node *node, const char *name,
                          const char *value)
{
    struct pare_attr *attr = find_or_add(graph, &node->attrs, name);

    attr->kind = PARE_ATTR_STRING;
    attr->s = pare_arena_strdup(graph->arena, value);
}

void pare_graph_set_meta(struct pare_graph *graph, const char *key, const char *value)
{
    struct pare_attr *attr = find_or_add(graph, &graph->meta, key);

    attr->kind = PARE_ATTR_STRING;
    attr->s = pare_arena_strdup(graph->arena, value);
}

const char *pare_graph_meta(const struct pare_graph *graph, const char *key, const char *def)
{
    const struct pare_attr *attr = find(graph->meta, key);
    return attr ? attr->s : def;
}
