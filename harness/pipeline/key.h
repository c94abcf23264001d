/* Keys of stages: same key, same bytes.
 *
 * A key is a digest of everything that a stage's artifact depends on.  It does not contain the
 * number of threads or workers, names that the sweep gives to stages, or paths. */
#ifndef PARE_PIPELINE_KEY_H
#define PARE_PIPELINE_KEY_H

#include "base/hash.h"
#include "pipeline/task.h"

/* Raise when the trainer, the graph passes or the file format change what stages produce. */
#define PARE_ENGINE_REVISION 2

/* What all stages of a run have in common. */
struct pare_key_scope {
    const char *data_digest;
    const char *numeric_mode; /* instruction set and libraries: they round differently */
    uint64_t seed;            /* of the sweep */
    double fidelity;
    const struct pare_recipe *train; /* the sweep's recipe */
};

/* `source`: "zoo lenet5", or "file " and the digest of a model that is taken as it is. */
struct pare_digest pare_key_baseline(const struct pare_key_scope *scope, const char *source);
/* `baseline_digest` and `parent_digest` are of artifacts.  Wrong options are PARE_EINVAL. */
pare_status pare_key_stage(struct pare_digest *out, const struct pare_key_scope *scope,
                           const char *baseline_digest, const char *parent_digest,
                           const struct pare_task *task, struct pare_error *err);
/* The seed of the stage's random numbers: trials that share the stage share it. */
uint64_t pare_key_seed(const char *key);

#endif
