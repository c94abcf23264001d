/* "MODEL" on a command line: a network of the zoo, or a file. */
#ifndef PARE_CLI_NETWORK_H
#define PARE_CLI_NETWORK_H

#include <pare/graph.h>

/* A name with '/' or '.safetensors', or one that exists as a file, is a file; everything else is
 * looked up in the zoo, built for `sample` and n_classes (NULL, 0: its natural ones). */
pare_status pare_network_open(struct pare_graph **out, const char *model,
                              const struct pare_shape *sample, int n_classes,
                              struct pare_error *err);
/* Bytes of the file, or of the file that the network would make. */
pare_status pare_network_bytes(int64_t *out, const struct pare_graph *graph, const char *model,
                               struct pare_error *err);

#endif
