/* What a sweep will do and cost, before it runs.
 *
 * Points and stages are counted: the sampler is asked for its trials, which needs no result because
 * the samplers that are there ignore what they are told.  Time, memory and disk are estimates: the
 * network is trained for a few steps here and now, the rest are formulas over MACs and parameters. */
#ifndef PARE_SWEEP_ESTIMATE_H
#define PARE_SWEEP_ESTIMATE_H

#include "sweep/subject.h"

enum { PARE_ESTIMATE_LEVELS = 64 };

struct pare_estimate {
    int64_t n_points; /* of the whole space; INT64_MAX: more than can be counted */
    int64_t n_legal;  /* of these, constraints over options hold; others need the network */
    bool legal_is_sampled;
    int n_open_constraints; /* those that need the network */
    int64_t n_trials;       /* what the sampler gives, at most search.trials */
    int64_t n_counted;      /* of them, looked at one by one: everything below is about these */

    /* The stage tree of the trials: equal beginnings are one stage. */
    int n_levels;
    int64_t stages[PARE_ESTIMATE_LEVELS]; /* unique stages at depth 1, 2, ... */
    int64_t n_stages, n_unshared;         /* all; what it would be without sharing */

    double samples_per_s; /* of the baseline's training on this machine, one thread */
    int n_workers;
    /* Seconds of one worker; measuring is exclusive. */
    double baseline_s, training_s, other_s, evaluation_s, measuring_s;
    double total_s; /* with all workers */
    double worker_bytes, memory_bytes, disk_bytes;
};

/* Fails where the baseline's training would. */
pare_status pare_estimate(struct pare_estimate *out, const struct pare_sweep *sweep,
                          const struct pare_subject *subject, struct pare_error *err);
/* Do the constraints over options alone hold? */
bool pare_config_is_legal(const struct pare_sweep *sweep, const struct pare_config *config);

#endif
