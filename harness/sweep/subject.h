/* What a sweep is about: its data and the untrained network, opened and fitted to each other.
 * Everything that can only be seen in the files themselves comes out here. */
#ifndef PARE_SWEEP_SUBJECT_H
#define PARE_SWEEP_SUBJECT_H

#include "sweep/file.h"

struct pare_subject {
    struct pare_data *data;
    struct pare_graph *graph;
};
/* *section (may be NULL) is the part of the sweep that a failure is about: "data", "train", "model",
 * "objectives" or "stages". */
pare_status pare_subject_open(struct pare_subject *out, const struct pare_sweep *sweep,
                              const char **section, struct pare_error *err);
void pare_subject_close(struct pare_subject *subject);

#endif
