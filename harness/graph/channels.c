/* Which channels go together: union-find over the activations. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "graph/window.h"

/* The channels of one activation: dimension 1, in blocks.  Behind Flatten a channel is `block`
 * neighbouring features. */
struct span {
    int parent;
    int64_t block;
    bool is_fixed; /* of roots */
};

struct finder {
    const struct pare_graph *graph;
    struct pare_arena *scratch;
    struct span *spans; /* by value id */
    int *n_uses;        /* of weights, by value id */
    int n_members;      /* over all groups */
    struct found {
        struct pare_channel_member member;
        int value; /* whose group it joins */
    } * found;
};

static int root(struct finder *f, int id)
{
    while (f->spans[id].parent != id) {
        f->spans[id].parent = f->spans[f->spans[id].parent].parent;
        id = f->spans[id].parent;
    }
    return id;
}

static void fix(struct finder *f, const struct pare_value *value)
{
    f->spans[root(f, value->id)].is_fixed = true;
}

static int64_t n_channels(const struct finder *f, const struct pare_value *value)
{
    return value->shape.dims[1] / f->spans[value->id].block;
}

/* The lower id stays root, so that groups come in the order of the graph. */
static void unite(struct finder *f, const struct pare_value *a, const struct pare_value *b)
{
    int ra = root(f, a->id), rb = root(f, b->id);
    int low = ra < rb ? ra : rb, high = ra < rb ? rb : ra;

    if (n_channels(f, a) != n_channels(f, b)) {
        /* An Add of flattened maps and plain features: their channels do not match. */
        fix(f, a);
        fix(f, b);
        return;
    }
    f->spans[low].is_fixed |= f->spans[high].is_fixed;
    f->spans[high].parent = low;
}

static void join(struct finder *f, struct pare_node *node, int role, const struct pare_value *value,
                 int64_t block)
{
    struct found *found = &f->found[f->n_members++];

    found->member.node = node;
    found->member.role = role;
    found->member.block = block;
    found->value = value->id;
}

static bool shares_weights(const struct finder *f, const struct pare_node *node)
{
    for (int k = 0; k < node->n_inputs; k++) {
        if (node->inputs[k] && node->inputs[k]->data && f->n_uses[node->inputs[k]->id] > 1)
            return true;
    }
    return false;
}

static void visit_conv(struct finder *f, struct pare_node *node)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[0];
    struct pare_conv2d c = pare_node_conv2d(node);

    if (c.group == 1) {
        join(f, node, PARE_MEMBER_IN, x, 1);
        join(f, node, PARE_MEMBER_OUT, y, 1);
    } else if (c.group == c.C && c.M == c.C) {
        unite(f, x, y);
        join(f, node, PARE_MEMBER_DEPTHWISE, y, 1);
    } else {
        fix(f, x); /* groups of several channels would have to stay equally large */
        fix(f, y);
    }
}

static void visit(struct finder *f, struct pare_node *node)
{
    const struct pare_value *x = node->inputs[0], *y = node->outputs[0];

    f->spans[y->id].block = f->spans[x->id].block;
    switch (node->op) {
    case PARE_OP_CONV:
        f->spans[y->id].block = 1;
        visit_conv(f, node);
        break;
    case PARE_OP_GEMM:
        f->spans[y->id].block = 1;
        join(f, node, PARE_MEMBER_IN, x, f->spans[x->id].block);
        join(f, node, PARE_MEMBER_OUT, y, 1);
        break;
    case PARE_OP_BATCHNORM:
        unite(f, x, y);
        join(f, node, PARE_MEMBER_NORM, y, f->spans[y->id].block);
        break;
    case PARE_OP_ADD:
        unite(f, x, y);
        unite(f, node->inputs[1], y);
        break;
    case PARE_OP_FLATTEN:
        f->spans[y->id].block *= y->shape.dims[1] / x->shape.dims[1];
        unite(f, x, y);
        break;
    case PARE_OP_SOFTMAX:
        unite(f, x, y);
        fix(f, y); /* probabilities of fewer classes are other probabilities */
        break;
    default: unite(f, x, y); break;
    }
    if (shares_weights(f, node)) {
        fix(f, x);
        fix(f, y);
    }
}

static void collect(struct pare_channel_groups *out, struct finder *f)
{
    int n_values = f->graph->n_values, n_groups = 0;
    int *count = PARE_ARENA_NEW(f->scratch, int, n_values);
    int *group_of = PARE_ARENA_NEW(f->scratch, int, n_values);

    for (int i = 0; i < f->n_members; i++)
        count[root(f, f->found[i].value)]++;
    for (int id = 0; id < n_values; id++)
        n_groups += count[id] > 0;
    out->n_groups = 0;
    out->groups = PARE_ARENA_NEW(out->arena, struct pare_channel_group, n_groups);
    for (int id = 0; id < n_values; id++) {
        struct pare_channel_group *group;

        if (!count[id])
            continue;
        group_of[id] = out->n_groups;
        group = &out->groups[out->n_groups++];
        group->n_channels = n_channels(f, f->graph->values[id]);
        group->is_fixed = f->spans[id].is_fixed;
        group->members = PARE_ARENA_NEW(out->arena, struct pare_channel_member, count[id]);
    }
    for (int i = 0; i < f->n_members; i++) {
        struct pare_channel_group *group = &out->groups[group_of[root(f, f->found[i].value)]];
        group->members[group->n_members++] = f->found[i].member;
    }
}

pare_status pare_channel_groups_find(struct pare_channel_groups *out,
                                     const struct pare_graph *graph, struct pare_error *err)
{
    struct finder f = {.graph = graph, .scratch = pare_arena_new()};
    pare_status st = PARE_OK;

    f.spans = PARE_ARENA_NEW(f.scratch, struct span, graph->n_values);
    f.n_uses = PARE_ARENA_NEW(f.scratch, int, graph->n_values);
    f.found = PARE_ARENA_NEW(f.scratch, struct found, 2 * (size_t)graph->n_nodes);
    for (int id = 0; id < graph->n_values; id++) {
        f.spans[id].parent = id;
        f.spans[id].block = 1;
        if (!graph->values[id]->data && graph->values[id]->shape.n_dims < 2) {
            st = pare_fail(err, PARE_EINVAL, "value '%s' has no shape: the graph is not finished",
                           graph->values[id]->name);
            goto done;
        }
    }
    pare_each_node(node, graph) {
        for (int k = 0; k < node->n_inputs; k++) {
            if (node->inputs[k] && node->inputs[k]->data)
                f.n_uses[node->inputs[k]->id]++;
        }
    }
    for (int i = 0; i < graph->n_inputs; i++)
        fix(&f, graph->inputs[i]);
    pare_each_node(node, graph)
        visit(&f, node);
    for (int i = 0; i < graph->n_outputs; i++)
        fix(&f, graph->outputs[i]);
    memset(out, 0, sizeof *out);
    out->arena = pare_arena_new();
    collect(out, &f);
done:
    pare_arena_free(f.scratch);
    return st;
}

void pare_channel_groups_clear(struct pare_channel_groups *groups)
{
    if (groups->arena)
        pare_arena_free(groups->arena);
    memset(groups, 0, sizeof *groups);
}
