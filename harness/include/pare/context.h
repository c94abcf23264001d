/* What a method may use while it works.  Everything is lent. */
#ifndef PARE_CONTEXT_H
#define PARE_CONTEXT_H

#include <pare/data.h>
#include <pare/graph.h>
#include <pare/rng.h>

struct pare_recipe;

struct pare_context {
    uint64_t seed;
    struct pare_rng *rng;              /* seeded from the stage's key */
    const struct pare_data *data;      /* NULL when the sweep has none */
    const struct pare_graph *baseline; /* the trained network that the sweep starts from */
    const struct pare_recipe *recipe;  /* the training recipe of this stage */
    int n_threads;                     /* results must not depend on it */
    double fidelity;                   /* (0, 1]: fraction of the full effort */
    void (*log)(void *log_state, const char *text); /* one line, without newline; never NULL */
    void *log_state;
    volatile int *stop; /* non-zero: return PARE_ESTOPPED soon; may be NULL */
};

#endif
