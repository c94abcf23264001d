/* The conformance suite of methods, behind `pare methods test ./mine.so`: what every method owes its
 * users, whoever wrote it.
 *
 *   table          loads, is sound, prints help; defaults lie inside their limits and survive being
 *                  written and read
 *   apply          with all options at their defaults it works on a small convolutional network
 *   attach         likewise, in a short training run
 *   graph          what it leaves is a sound network
 *   file           ... that comes back from a file as it went in
 *   repeatable     the same seed gives the same bytes, with one thread or two
 *   keeps others   baseline and teacher are left alone
 *   contract       what it does to the network (sparse, narrower, split, integer, another one) is what
 *                  it declares in `leaves`
 *
 * A method that crashes takes the process with it: run the suite in one of its own. */
#ifndef PARE_PLUGIN_CONFORMANCE_H
#define PARE_PLUGIN_CONFORMANCE_H

#include <pare/method.h>

enum pare_conformance_result { PARE_CHECK_PASSED, PARE_CHECK_FAILED, PARE_CHECK_SKIPPED };

/* What the suite borrows from rooms that this one does not see: io/model.h's
 * pare_model_write and pare_model_parse, and a data set of [1, 28, 28] images (a few hundred
 * training samples are plenty). */
struct pare_conformance_host {
    pare_status (*write)(const struct pare_graph *graph, unsigned char **out, size_t *n_bytes,
                         struct pare_error *err);
    pare_status (*parse)(struct pare_graph **out, const void *data, size_t n_bytes,
                         struct pare_error *err);
    const struct pare_data *data;
    /* One call per check; text is "" or the cause. */
    void (*report)(void *state, const char *check, enum pare_conformance_result result,
                   const char *text);
    void *state;
};

/* The number of checks that failed. */
int pare_conformance_run(const struct pare_method *method,
                         const struct pare_conformance_host *host);

#endif
