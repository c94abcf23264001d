/* Attributes of the N-D operators resolved against the shapes of their inputs: what inference, the
 * executor and the trainer all need, computed once and checked.
 *
 * A symbolic batch (dims[0] = PARE_DIM_BATCH) takes part as one extent that stays first and whole;
 * whatever would cut, move, mix or multiply it is PARE_EUNSUPPORTED. */
#ifndef PARE_GRAPH_RESOLVE_H
#define PARE_GRAPH_RESOLVE_H

#include <pare/graph.h>

#include "kernel/nd_move.h"
#include "kernel/nd_resize.h"

bool pare_shape_has_batch(const struct pare_shape *shape);
/* -n .. n-1 to 0 .. n-1.  The batch is refused. */
pare_status pare_resolve_axis(int *out, int64_t axis, const struct pare_shape *x,
                              struct pare_error *err);
/* Both shapes against each other, as numpy. */
pare_status pare_resolve_broadcast(struct pare_shape *out, const struct pare_shape *a,
                                   const struct pare_shape *b, struct pare_error *err);
/* is_axis[d] for attribute `axes`; where that is absent every dimension is one. */
pare_status pare_resolve_axes(bool *is_axis, const struct pare_node *node,
                              const struct pare_shape *x, struct pare_error *err);
/* Of Reshape, Flatten, Squeeze, Unsqueeze, Expand: the result's shape. */
pare_status pare_resolve_reshape(struct pare_shape *out, const struct pare_node *node,
                                 struct pare_error *err);
pare_status pare_resolve_perm(int *perm, const struct pare_node *node, struct pare_error *err);
/* in[0] and out[0] are PARE_DIM_BATCH for a symbolic batch; starts 0 and steps 1 there. */
pare_status pare_resolve_slice(struct pare_nd_slice *out, const struct pare_node *node,
                               struct pare_error *err);
pare_status pare_resolve_pad(struct pare_nd_pad *out, const struct pare_node *node,
                             struct pare_error *err);
pare_status pare_resolve_resize(struct pare_nd_resize *out, const struct pare_node *node,
                                struct pare_error *err);
/* The type that Cast gives, by ONNX's number. */
bool pare_dtype_from_onnx(enum pare_dtype *out, int64_t number);

#endif
