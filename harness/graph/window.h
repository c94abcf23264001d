/* Sliding windows: a convolution or pool with everything resolved and checked. */
#ifndef PARE_GRAPH_WINDOW_H
#define PARE_GRAPH_WINDOW_H

#include <pare/graph.h>

#include "kernel/nd_window.h"

#define PARE_MAX_ELEMS  ((int64_t)1 << 31) /* of one value, of one sample */
#define PARE_MAX_WINDOW ((int64_t)1 << 16) /* strides, dilations, pads */

/* For Conv, ConvTranspose, MaxPool, AveragePool: fills everything from the attributes, the input's
 * shape and the weight's; computes `out`.  PARE_EINVAL when a number is out of range or the window
 * does not fit. */
pare_status pare_window_resolve(struct pare_nd_window *out, const struct pare_node *node,
                                struct pare_error *err);

#endif
