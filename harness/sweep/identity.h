/* Is a results folder still about the same sweep?
 *
 * What decides which trials there are and what their artifacts hold makes the identity: model, data,
 * recipe, stages with their methods' revisions, pipelines, constraints, sampler and seed, and how this
 * machine calculates.  More trials, other limits of time, objectives, metrics or budgets only continue. */
#ifndef PARE_SWEEP_IDENTITY_H
#define PARE_SWEEP_IDENTITY_H

#include "store/store.h"
#include "sweep/file.h"

/* The first run of a folder writes it; later ones compare.  A difference is PARE_EINVAL: the message
 * names the parts that differ and the ways out.  `source`, `data_digest`, `numeric_mode`: as in
 * pipeline/key.h. */
pare_status pare_identity_check(struct pare_store *store, const struct pare_sweep *sweep,
                                const char *source, const char *data_digest,
                                const char *numeric_mode, struct pare_error *err);
/* Instruction set and library versions of this machine; malloc'ed. */
char *pare_identity_numeric_mode(void);

#endif
