/* The latency protocol: candidates and the baseline interleaved in randomised blocks, pinned, while
 * nothing else of ours runs, until the intervals are narrow or the point is marked unstable. */
#ifndef PARE_MEASURE_LATENCY_H
#define PARE_MEASURE_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include <pare/status.h>

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
    bool differs;               /* from subject 0: see PARE_LATENCY_MIN_EFFECT */
    bool is_stable;
    char cause[128]; /* "" or why unstable */
    int64_t n_samples;
    double *samples_s; /* malloc'ed: seconds per run, one per block sample */
};

/* `differs` is said when the paired ratio is off 1 by at least this much and its interval at 99.9 %
 * keeps 1 out, on at least 20 effectively independent blocks.  Less than this, two copies of one
 * artifact differ too, by where their weights lie in memory. */
#define PARE_LATENCY_MIN_EFFECT 0.01

void pare_latency_defaults(struct pare_latency_options *options);
/* results[n]; free with pare_latency_clear(). */
pare_status pare_latency_measure(const struct pare_latency_subject *subjects, int n,
                                 const struct pare_latency_options *options,
                                 struct pare_latency_result *results, struct pare_error *err);
/* The same for anything that can be called. */
struct pare_latency_call {
    void (*run)(void *arg);
    void *arg;
};
pare_status pare_latency_measure_calls(const struct pare_latency_call *calls, int n,
                                       const struct pare_latency_options *options,
                                       struct pare_latency_result *results, struct pare_error *err);

/* The protocol alone, over a source of samples: the real clock, or a simulation. */
struct pare_latency_sample {
    double seconds;      /* per run */
    double spent_s;      /* what taking it cost, warm-up included */
    bool is_interrupted; /* the thread was taken off its core meanwhile */
};
struct pare_latency_source {
    struct pare_latency_sample (*take)(void *state, int subject);
    void *state;
};
pare_status pare_latency_protocol(const struct pare_latency_source *source, int n,
                                  const struct pare_latency_options *options,
                                  struct pare_latency_result *results, struct pare_error *err);
void pare_latency_clear(struct pare_latency_result *results, int n);
#endif
