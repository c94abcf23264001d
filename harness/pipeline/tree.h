/* The stage tree: trials are paths from the baseline (node 0) to a leaf; equal prefixes are one
 * node, run once.
 *
 * A node may run when its parent is done and some trial still needs it.  The tree knows nothing of
 * processes or files: who runs a node says how it ended. */
#ifndef PARE_PIPELINE_TREE_H
#define PARE_PIPELINE_TREE_H

#include "base/hash.h"
#include "pipeline/task.h"

enum pare_node_state { PARE_NODE_PENDING, PARE_NODE_RUNNING, PARE_NODE_DONE, PARE_NODE_FAILED };

struct pare_tree_node {
    int parent; /* -1: the baseline */
    int depth;
    int first_child, next_sibling; /* -1: none */
    struct pare_task task;         /* of no members: the baseline */
    const char *canonical;         /* what equal nodes have in common, among siblings */
    const char *label;
    enum pare_node_state state;
    int64_t first_trial; /* the first that asked for it: earlier ones go first */
    int64_t n_live;      /* trials that still need it */
    bool is_offered;     /* stands in the list of runnable nodes */
    /* For the one who runs it. */
    struct pare_digest key;      /* "" until the parent is done */
    struct pare_digest artifact; /* when done */
    int64_t macs, params;        /* when done; -1 else */
    pare_status status;          /* when failed */
    const char *reason;
};

struct pare_tree;
struct pare_tree *pare_tree_new(const char *baseline_label);
void pare_tree_free(struct pare_tree *tree);
int pare_tree_n(const struct pare_tree *tree);
/* Valid until the next pare_tree_add(). */
struct pare_tree_node *pare_tree_get(struct pare_tree *tree, int node);

/* The child of `parent` that does `task`: the one there is, or a new one (everything is copied).  The
 * trial counts as one that needs it. */
pare_status pare_tree_add(int *out, struct pare_tree *tree, int parent,
                          const struct pare_task *task, int64_t trial, struct pare_error *err);
/* One trial fewer needs the leaf and the path to it. */
void pare_tree_release(struct pare_tree *tree, int leaf);

/* The runnable node of the earliest trial (of these the deepest), now running; -1: none. */
int pare_tree_take(struct pare_tree *tree);
int pare_tree_n_runnable(struct pare_tree *tree);
/* A running node goes back: it will be taken again. */
void pare_tree_put_back(struct pare_tree *tree, int node);
void pare_tree_done(struct pare_tree *tree, int node);
void pare_tree_fail(struct pare_tree *tree, int node, pare_status status, const char *reason);
/* The node on the path to `leaf` that failed, or -1. */
int pare_tree_failed_on(struct pare_tree *tree, int leaf);

#endif
