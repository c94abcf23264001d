/* The table of a search strategy.  It knows numbers only: points of a space of dimensions, and the
 * objective values it is told.  It never sees a network. */
#ifndef PARE_SAMPLER_H
#define PARE_SAMPLER_H

#include <pare/option.h>
#include <pare/rng.h>
#include <pare/status.h>

/* Dimension d takes the integer values 0 .. n_values[d]-1 (every searched domain is finite or is
 * discretised finely; ordered dimensions are in increasing order). */
struct pare_sampler_space {
    int n_dims;
    const int64_t *n_values;
    const bool *is_ordered;
};

struct pare_sampler {
    int abi, revision;
    const char *name, *summary, *source;
    const struct pare_option *options;
    size_t options_bytes;
    pare_status (*open)(void **state, const void *options, const struct pare_sampler_space *space,
                        int n_objectives, uint64_t seed, struct pare_error *err);
    /* Writes point[0..n_dims-1]; false when there are no more points.  The k-th answer depends on
     * seed, k and what was told for points before it. */
    bool (*ask)(void *state, int64_t *point);
    /* objectives are to be minimised; NULL: the point was infeasible or failed. */
    void (*tell)(void *state, const int64_t *point, const double *objectives);
    void (*close)(void *state);
};

#endif
