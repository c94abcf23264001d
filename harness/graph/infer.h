/* Shape inference and the check of a whole graph. */
#ifndef PARE_GRAPH_INFER_H
#define PARE_GRAPH_INFER_H

#include <pare/graph.h>
/* Fills the shapes of all activations from inputs and weights; refuses cycles, mismatched shapes,
 * wrong numbers of inputs, overflowing sizes, with the node's name. */
pare_status pare_graph_infer(struct pare_graph *graph, struct pare_error *err);
#endif
