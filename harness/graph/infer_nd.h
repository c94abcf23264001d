/* Shapes and types of what imported networks bring: every operator of any rank. */
#ifndef PARE_GRAPH_INFER_ND_H
#define PARE_GRAPH_INFER_ND_H

#include <pare/graph.h>

/* Sets shape and type of every output.  Inputs have passed the checks of the operator table. */
pare_status pare_infer_nd(struct pare_node *node, struct pare_error *err);

#endif
