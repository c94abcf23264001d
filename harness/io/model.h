/* Networks as .safetensors files: the header's __metadata__ holds the graph, the tensors are stored
 * as their coding says (f32, packed integers with scales, bitmap and non-zeros), optionally deflated
 * where that is smaller. */
#ifndef PARE_IO_MODEL_H
#define PARE_IO_MODEL_H

#include <pare/graph.h>

/* Written whole or not at all; the same graph gives the same bytes.  n_bytes (may be NULL): file
 * size. */
pare_status pare_model_save(const struct pare_graph *graph, const char *path, int64_t *n_bytes,
                            struct pare_error *err);
/* A damaged or hostile file is PARE_EFORMAT with one clear message. */
pare_status pare_model_load(struct pare_graph **out, const char *path, struct pare_error *err);
/* From memory, for fuzzing. */
pare_status pare_model_parse(struct pare_graph **out, const void *data, size_t n_bytes,
                             struct pare_error *err);
#endif
