#include "pipeline/tree.h"

#include <stdlib.h>
#include <string.h>

#include "option/schema.h"

struct pare_tree {
    struct pare_arena *arena;
    int n, capacity;
    struct pare_tree_node *nodes;
    int n_offered, offered_capacity;
    int *offered; /* pending nodes whose parent is done; some may not be needed any more */
};

static int new_node(struct pare_tree *tree, int parent)
{
    struct pare_tree_node *node;

    if (tree->n == tree->capacity) {
        tree->capacity = tree->capacity ? 2 * tree->capacity : 64;
        tree->nodes = pare_xrealloc(tree->nodes, (size_t)tree->capacity * sizeof *tree->nodes);
    }
    node = &tree->nodes[tree->n];
    *node = (struct pare_tree_node){.parent = parent,
                                    .first_child = -1,
                                    .next_sibling = -1,
                                    .macs = -1,
                                    .params = -1};
    if (parent >= 0) {
        node->depth = tree->nodes[parent].depth + 1;
        node->next_sibling = tree->nodes[parent].first_child;
        tree->nodes[parent].first_child = tree->n;
    }
    return tree->n++;
}

static void offer(struct pare_tree *tree, int node)
{
    struct pare_tree_node *n = &tree->nodes[node];

    if (n->is_offered || n->state != PARE_NODE_PENDING)
        return;
    if (tree->n_offered == tree->offered_capacity) {
        tree->offered_capacity = tree->offered_capacity ? 2 * tree->offered_capacity : 64;
        tree->offered =
            pare_xrealloc(tree->offered, (size_t)tree->offered_capacity * sizeof *tree->offered);
    }
    tree->offered[tree->n_offered++] = node;
    n->is_offered = true;
}

struct pare_tree *pare_tree_new(const char *baseline_label)
{
    struct pare_tree *tree = pare_xcalloc(1, sizeof *tree);
    int root;

    tree->arena = pare_arena_new();
    root = new_node(tree, -1);
    tree->nodes[root].canonical = "";
    tree->nodes[root].label = pare_arena_strdup(tree->arena, baseline_label);
    tree->nodes[root].n_live = 1; /* always needed: everything is compared with it */
    offer(tree, root);
    return tree;
}

void pare_tree_free(struct pare_tree *tree)
{
    if (!tree)
        return;
    pare_arena_free(tree->arena);
    free(tree->nodes);
    free(tree->offered);
    free(tree);
}

int pare_tree_n(const struct pare_tree *tree)
{
    return tree->n;
}

struct pare_tree_node *pare_tree_get(struct pare_tree *tree, int node)
{
    return &tree->nodes[node];
}

static const char *const *copy_texts(struct pare_arena *arena, const char *const *texts, int n)
{
    const char **out = PARE_ARENA_NEW(arena, const char *, n ? n : 1);

    for (int i = 0; i < n; i++)
        out[i] = pare_arena_strdup(arena, texts[i]);
    return out;
}

static struct pare_task copy_task(struct pare_arena *arena, const struct pare_task *task)
{
    struct pare_task_member *members =
        PARE_ARENA_NEW(arena, struct pare_task_member, task->n_members);

    for (int m = 0; m < task->n_members; m++) {
        const struct pare_task_member *from = &task->members[m];

        members[m] = *from;
        members[m].stage = pare_arena_strdup(arena, from->stage);
        members[m].names = copy_texts(arena, from->names, from->n_options);
        members[m].values = copy_texts(arena, from->values, from->n_options);
    }
    return (struct pare_task){task->n_members, members, task->is_joint};
}

/* Methods with all their options, and what is given to the recipe: siblings that differ in neither
 * are the same stage, whatever the sweep calls it. */
static pare_status identify(struct pare_text *out, const struct pare_task *task,
                            struct pare_error *err)
{
    struct pare_recipe defaults;
    pare_status st = pare_task_canonical(task, out, err);

    pare_recipe_defaults(&defaults);
    if (!st)
        st = pare_task_recipe(&defaults, task, err); /* a contradiction shows here */
    for (int m = 0; !st && m < task->n_members; m++) {
        const struct pare_task_member *member = &task->members[m];

        for (int i = 0; i < member->n_options; i++)
            if (!pare_option_find(member->method->options, member->names[i]))
                pare_text_printf(out, "|%s=%s", member->names[i], member->values[i]);
    }
    return st;
}

pare_status pare_tree_add(int *out, struct pare_tree *tree, int parent,
                          const struct pare_task *task, int64_t trial, struct pare_error *err)
{
    struct pare_text canonical = {0}, label = {0};
    struct pare_tree_node *node;
    int child;
    pare_status st = identify(&canonical, task, err);

    if (st)
        goto done;
    for (child = tree->nodes[parent].first_child; child >= 0;
         child = tree->nodes[child].next_sibling)
        if (strcmp(tree->nodes[child].canonical, canonical.s) == 0)
            break;
    if (child < 0) {
        child = new_node(tree, parent);
        node = &tree->nodes[child];
        node->task = copy_task(tree->arena, task);
        node->canonical = pare_arena_strdup(tree->arena, canonical.s);
        pare_task_label(task, &label);
        node->label = pare_arena_strdup(tree->arena, label.s);
        node->first_trial = trial;
    }
    tree->nodes[child].n_live++;
    if (tree->nodes[parent].state == PARE_NODE_DONE)
        offer(tree, child);
    *out = child;
done:
    pare_text_clear(&canonical);
    pare_text_clear(&label);
    return st;
}

void pare_tree_release(struct pare_tree *tree, int leaf)
{
    for (int n = leaf; n > 0; n = tree->nodes[n].parent)
        tree->nodes[n].n_live--;
}

static bool goes_before(const struct pare_tree_node *a, const struct pare_tree_node *b)
{
    if (a->first_trial != b->first_trial)
        return a->first_trial < b->first_trial;
    return a->depth > b->depth;
}

int pare_tree_take(struct pare_tree *tree)
{
    int best = -1;

    for (int i = 0; i < tree->n_offered; i++) {
        const struct pare_tree_node *node = &tree->nodes[tree->offered[i]];

        if (node->n_live > 0 && (best < 0 || goes_before(node, &tree->nodes[tree->offered[best]])))
            best = i;
    }
    if (best >= 0) {
        int node = tree->offered[best];

        tree->offered[best] = tree->offered[--tree->n_offered];
        tree->nodes[node].is_offered = false;
        tree->nodes[node].state = PARE_NODE_RUNNING;
        return node;
    }
    return -1;
}

int pare_tree_n_runnable(struct pare_tree *tree)
{
    int n = 0;

    for (int i = 0; i < tree->n_offered; i++)
        n += tree->nodes[tree->offered[i]].n_live > 0;
    return n;
}

void pare_tree_put_back(struct pare_tree *tree, int node)
{
    tree->nodes[node].state = PARE_NODE_PENDING;
    offer(tree, node);
}

void pare_tree_done(struct pare_tree *tree, int node)
{
    tree->nodes[node].state = PARE_NODE_DONE;
    for (int c = tree->nodes[node].first_child; c >= 0; c = tree->nodes[c].next_sibling)
        offer(tree, c);
}

void pare_tree_fail(struct pare_tree *tree, int node, pare_status status, const char *reason)
{
    tree->nodes[node].state = PARE_NODE_FAILED;
    tree->nodes[node].status = status;
    tree->nodes[node].reason = pare_arena_strdup(tree->arena, reason);
}

int pare_tree_failed_on(struct pare_tree *tree, int leaf)
{
    for (int n = leaf; n >= 0; n = tree->nodes[n].parent)
        if (tree->nodes[n].state == PARE_NODE_FAILED)
            return n;
    return -1;
}
