/* Constraints and budgets: small expressions over options and metrics.
 *
 *   size_bytes <= 96 KiB
 *   macs <= 0.5 * baseline.macs
 *   not (quant.scheme == W4A8 and quant.granularity == per_tensor)
 *
 * Values are numbers (with KiB, MiB, KB, ms, us, k, M suffixes) or words.  An expression whose option does not exist in a config
 * holds (the constraint is about that option).
 *
 * Grammar, loosest first: or; and; not; one comparison (<= < >= > == !=); + -; * /; unary minus.
 * `stage.option` is an option, every other name (also `baseline.NAME` and NAME@TARGET) a metric;
 * beside == and != an undotted name opposite an option, or whatever stands opposite `stage.method`, is
 * a word.  'quoted' is always a word.  Names may hold '-' ("lenet5-half"), so a minus after a name
 * needs a space before it.  Times come out in ms, energies in mJ, sizes in bytes, 1 % is 0.01. */
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

/* More about the i-th name, for messages. */
struct pare_constraint_use {
    const char *name;
    bool is_option;         /* else a metric */
    bool is_number;         /* ordered or calculated with: text would make no sense */
    const char *word;       /* what == or != compares it with, or NULL */
    struct pare_yaml place; /* of the name */
    struct pare_yaml word_place;
};
/* false: there is no i-th name. */
bool pare_constraint_use(const struct pare_constraint *constraint, int i,
                         struct pare_constraint_use *out);

/* "96 KiB", "2 ms", "1 %", "0.5k" as the value of a metric, in the metric's own unit.  NULL, or what is
 * wrong with it. */
const char *pare_quantity_read(const char *text, const char *metric, double *value);

#endif
