/* Asking a modeled machine: an artifact lowered to executed kernels, then the model's estimate. */
#ifndef PARE_MEASURE_HW_H
#define PARE_MEASURE_HW_H

#include <pare/graph.h>
#include <pare/hwmodel.h>

#include "plugin/registry.h"

struct pare_hw_lowered {
    struct pare_hw_network network;
    struct pare_arena *arena;
};
/* Fusion as the executor fuses; bytes as the coding stores them. */
pare_status pare_hw_lower(struct pare_hw_lowered *out, const struct pare_graph *graph,
                          struct pare_error *err);
void pare_hw_lowered_clear(struct pare_hw_lowered *lowered);
pare_status pare_hw_estimate(struct pare_hw_result *out, const struct pare_device *device,
                             const struct pare_graph *graph, struct pare_error *err);
#endif
