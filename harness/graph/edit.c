/* Changes of a graph that stands: moving, removing, rewiring, and the tidying up afterwards. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "graph/graph_impl.h"
#include "graph/infer.h"

static void renumber_nodes(struct pare_graph *graph)
{
    for (int i = 0; i < graph->n_nodes; i++)
        graph->nodes[i]->index = i;
}

void pare_graph_move_before(struct pare_graph *graph, struct pare_node *node,
                            struct pare_node *before)
{
    int to = before->index;

    assert(graph->nodes[graph->n_nodes - 1] == node);
    if (node == before)
        return;
    memmove(graph->nodes + to + 1, graph->nodes + to,
            (size_t)(graph->n_nodes - 1 - to) * sizeof(struct pare_node *));
    graph->nodes[to] = node;
    renumber_nodes(graph);
}

void pare_graph_remove(struct pare_graph *graph, struct pare_node *node)
{
    for (int k = 0; k < node->n_outputs; k++) {
        assert(pare_value_n_users(graph, node->outputs[k]) == 0);
        node->outputs[k]->producer = NULL;
    }
    memmove(graph->nodes + node->index, graph->nodes + node->index + 1,
            (size_t)(graph->n_nodes - 1 - node->index) * sizeof(struct pare_node *));
    graph->n_nodes--;
    renumber_nodes(graph);
}

void pare_graph_replace_uses(struct pare_graph *graph, struct pare_value *from,
                             struct pare_value *to)
{
    pare_each_node(node, graph) {
        if (node == to->producer)
            continue; /* it may have been put behind `from`: rewired, it would feed itself */
        for (int k = 0; k < node->n_inputs; k++) {
            if (node->inputs[k] == from)
                node->inputs[k] = to;
        }
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i] == from)
            graph->outputs[i] = to;
    }
}

static bool uses(const struct pare_node *node, const struct pare_value *value)
{
    for (int k = 0; k < node->n_inputs; k++) {
        if (node->inputs[k] == value)
            return true;
    }
    return false;
}

int pare_value_n_users(const struct pare_graph *graph, const struct pare_value *value)
{
    int n = 0;

    for (int i = 0; i < graph->n_nodes; i++)
        n += uses(graph->nodes[i], value);
    return n;
}

struct pare_node *pare_value_user(const struct pare_graph *graph, const struct pare_value *value,
                                  int k)
{
    for (int i = 0; i < graph->n_nodes; i++) {
        if (uses(graph->nodes[i], value) && k-- == 0)
            return graph->nodes[i];
    }
    return NULL;
}

pare_status pare_graph_index_names(struct pare_graph *graph, struct pare_error *err)
{
    struct pare_graph_impl *impl = pare_graph_impl(graph);

    pare_names_clear(&impl->node_names);
    pare_names_clear(&impl->value_names);
    for (int i = 0; i < graph->n_nodes; i++) {
        if (!pare_names_add(&impl->node_names, graph->nodes[i]->name))
            return pare_fail(err, PARE_EINVAL, "two nodes are named '%s'", graph->nodes[i]->name);
    }
    for (int i = 0; i < graph->n_values; i++) {
        if (!pare_names_add(&impl->value_names, graph->values[i]->name))
            return pare_fail(err, PARE_EINVAL, "two values are named '%s'", graph->values[i]->name);
    }
    return PARE_OK;
}

/* Brings the nodes into topological order, as near to the present one as that goes: each node
 * follows at its place, after those of its inputs' producers that do not stand yet (a depth-first
 * walk with its own stack, for graphs may be deep). */
static pare_status sort_nodes(struct pare_graph *graph, struct pare_error *err)
{
    enum { WAITING, OPEN, DONE };
    int n = graph->n_nodes, n_sorted = 0;
    struct pare_arena *scratch = pare_arena_new();
    unsigned char *state = PARE_ARENA_NEW(scratch, unsigned char, n);
    struct pare_node **sorted = PARE_ARENA_NEW(scratch, struct pare_node *, n);
    struct pare_node **stack = PARE_ARENA_NEW(scratch, struct pare_node *, n);
    int *next = PARE_ARENA_NEW(scratch, int, n); /* the input to look at next, of each open node */
    pare_status st = PARE_OK;

    renumber_nodes(graph);
    for (int i = 0; i < n && !st; i++) {
        int depth = 0;

        if (state[i] != WAITING)
            continue;
        stack[depth++] = graph->nodes[i];
        state[i] = OPEN;
        while (depth && !st) {
            struct pare_node *node = stack[depth - 1];
            struct pare_node *producer;

            if (next[node->index] == node->n_inputs) {
                state[node->index] = DONE;
                sorted[n_sorted++] = node;
                depth--;
                continue;
            }
            producer =
                node->inputs[next[node->index]] ? node->inputs[next[node->index]]->producer : NULL;
            next[node->index]++;
            if (!producer || state[producer->index] == DONE)
                continue;
            if (state[producer->index] == OPEN) {
                st = pare_fail(err, PARE_EINVAL, "the graph has a cycle through node '%s'",
                               producer->name);
                break;
            }
            state[producer->index] = OPEN;
            stack[depth++] = producer;
        }
    }
    if (!st && n) {
        memcpy(graph->nodes, sorted, (size_t)n * sizeof *sorted);
        renumber_nodes(graph);
    }
    pare_arena_free(scratch);
    return st;
}

/* Takes out nodes whose outputs nobody uses, then values that nobody uses. */
static void drop_unused(struct pare_graph *graph)
{
    struct pare_arena *scratch = pare_arena_new();
    unsigned char *used;
    int n_nodes = 0, n_values = 0;

    for (int i = 0; i < graph->n_values; i++)
        graph->values[i]->id = i;
    used = PARE_ARENA_NEW(scratch, unsigned char, graph->n_values);
    for (int i = 0; i < graph->n_inputs; i++)
        used[graph->inputs[i]->id] = 1;
    for (int i = 0; i < graph->n_outputs; i++)
        used[graph->outputs[i]->id] = 1;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        struct pare_node *node = graph->nodes[i];
        bool is_used = false;

        for (int k = 0; k < node->n_outputs; k++)
            is_used = is_used || used[node->outputs[k]->id];
        if (!is_used) {
            graph->nodes[i] = NULL;
            continue;
        }
        for (int k = 0; k < node->n_outputs; k++)
            used[node->outputs[k]->id] = 1;
        for (int k = 0; k < node->n_inputs; k++) {
            if (node->inputs[k])
                used[node->inputs[k]->id] = 1;
        }
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i])
            graph->nodes[n_nodes++] = graph->nodes[i];
    }
    graph->n_nodes = n_nodes;
    for (int i = 0; i < graph->n_values; i++) {
        struct pare_value *value = graph->values[i];

        if (used[i]) {
            value->id = n_values;
            graph->values[n_values++] = value;
        } else {
            pare_tensor_unref(value->data);
            value->data = NULL;
            value->producer = NULL;
        }
    }
    graph->n_values = n_values;
    renumber_nodes(graph);
    pare_arena_free(scratch);
}

pare_status pare_graph_finish(struct pare_graph *graph, struct pare_error *err)
{
    pare_status st = sort_nodes(graph, err);

    if (st)
        return st;
    drop_unused(graph);
    st = pare_graph_index_names(graph, err);
    if (st)
        return st;
    return pare_graph_infer(graph, err);
}
