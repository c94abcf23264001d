/* Constraints and budgets: small expressions over options and metrics.
 *
 *   size_bytes <= 96 KiB
 *   macs <= 0.5 * baseline.macs
 *   not (quant.scheme == W4A8 and quant.granularity == per_tensor)
 *
 * Values are numbers (with KiB, MiB, KB, ms, us, k, M suffixes) or words.  An expression whose option does not exist in a config
 * holds (the constraint is about that option). */
#ifndef PARE_SPACE_CONSTRAINT_H
#define PARE_SPACE_CONSTRAINT_H

#include <stdbool.h>

#include "option/yaml.h"

struct pare_constraint;
enum pare_truth { PARE_FALSE, PARE_TRUE, PARE_UNKNOWN }; /* unknown: a metric is not there yet */

struct pare_constraint_env {
    void *state;
    /* Text of an option ("quant.scheme"), or NULL when there is none. */
    const char *(*option)(void *state, const char *name);
    /* Value of a metric ("size_bytes", "latency_ms@host", "baseline.macs"); false: unknown. */
    bool (*metric)(void *state, const char *name, double *value);
};

/* `where` gives line and column to problems; returns NULL after adding one. */
struct pare_constraint *pare_constraint_parse(const struct pare_yaml *where,
                                              struct pare_problems *problems);
/* Names used, for checking against stages and metrics; i-th or NULL. */
const char *pare_constraint_name(const struct pare_constraint *constraint, int i);
bool pare_constraint_is_cheap(
    const struct pare_constraint *constraint); /* options, macs, params only */
enum pare_truth pare_constraint_eval(const struct pare_constraint *constraint,
                                     const struct pare_constraint_env *env);
const char *pare_constraint_text(const struct pare_constraint *constraint);
void pare_constraint_free(struct pare_constraint *constraint);

#endif
