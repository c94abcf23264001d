/* The latency protocol: candidates and the baseline interleaved in randomised blocks, pinned, while
 * nothing else of ours runs, until the intervals are narrow or the point is marked unstable. */
#ifndef PARE_MEASURE_LATENCY_H
#define PARE_MEASURE_LATENCY_H

#include "infer/plan.h"
#include "measure/stats.h"

struct pare_latency_subject {
    struct pare_plan *plan;
    const float *input; /* one sample */
};
struct pare_latency_options {
    double target_rel_width;  /* stop when (high-low)/value of p50 is below; default 0.02 */
    double max_s_per_subject; /* give up after; default 3 s */
    uint64_t seed;
    int cpu; /* pin to this one; -1: choose */
    volatile int *stop;
};
struct pare_latency_result {
    struct pare_interval p50_ms, p95_ms;
    struct pare_interval ratio; /* to subject 0 (the baseline), paired by block; > 1: slower */
    bool differs;               /* from subject 0, at 95 % per pair after the blocks' own noise */
    bool is_stable;
    char cause[128]; /* "" or why unstable */
    int64_t n_samples;
    double *samples_s; /* malloc'ed: seconds per run, one per block sample */
};
void pare_latency_defaults(struct pare_latency_options *options);
/* results[n]; free with pare_latency_clear(). */
pare_status pare_latency_measure(const struct pare_latency_subject *subjects, int n,
                                 const struct pare_latency_options *options,
                                 struct pare_latency_result *results, struct pare_error *err);
void pare_latency_clear(struct pare_latency_result *results, int n);
#endif
