/* The graph as this room sees it: with the sets of names that are taken. */
#ifndef PARE_GRAPH_GRAPH_IMPL_H
#define PARE_GRAPH_GRAPH_IMPL_H

#include <pare/graph.h>

#include "graph/names.h"

/* Every graph is made by pare_graph_new(), so each one is a whole of these. */
struct pare_graph_impl {
    struct pare_graph graph;
    struct pare_names node_names, value_names; /* apart: a node and its output share a name */
};

static inline struct pare_graph_impl *pare_graph_impl(struct pare_graph *graph)
{
    return (struct pare_graph_impl *)graph;
}

/* Reads the names anew: after values or nodes are gone, or renamed by hand.  PARE_EINVAL when two
 * are the same. */
pare_status pare_graph_index_names(struct pare_graph *graph, struct pare_error *err);

#endif
