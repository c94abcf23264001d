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
    /* Stop when (high-low)/value of p50 is below, as far as more blocks can narrow it, or that of the
     * ratio while p50 is within 15 %: the machine wobbles, but all alike.  Default 0.02. */
    double target_rel_width;
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

/* `differs` is said when the paired ratio is off 1 by at least the minimal effect and its interval
 * keeps 1 out, on at least 20 effectively independent blocks.  The interval has two parts: the
 * blocks' own noise (at 99.9 %) and, where a subject was measured in several copies, what the copies
 * differ by (at 99.5 %).  Two copies of one artifact do differ, by where their weights lie in memory:
 * some per cent for networks that just fill a cache.  One copy cannot know by how much, so its
 * minimal effect is larger. */
#define PARE_LATENCY_MIN_EFFECT          0.01
#define PARE_LATENCY_MIN_EFFECT_ONE_COPY 0.05
#define PARE_LATENCY_MAX_COPIES          16

void pare_latency_defaults(struct pare_latency_options *options);
/* results[n]; free with pare_latency_clear(). */
pare_status pare_latency_measure(const struct pare_latency_subject *subjects, int n,
                                 const struct pare_latency_options *options,
                                 struct pare_latency_result *results, struct pare_error *err);
/* The same for networks, each compiled n_copies times (tuned kernels), so that chance in
 * memory layout and in the choice of kernels is part of the interval; 5 is a good number.  Large
 * networks, which such chance does not touch, get fewer. */
struct pare_latency_graph {
    const struct pare_graph *graph;
    const float *input; /* one sample */
    int n_threads;      /* of its plans; 0: one */
};
pare_status pare_latency_measure_graphs(const struct pare_latency_graph *subjects, int n,
                                        int n_copies, const struct pare_latency_options *options,
                                        struct pare_latency_result *results,
                                        struct pare_error *err);

/* The same for anything that can be called. */
struct pare_latency_call {
    void (*run)(void *arg);
    void *arg;
};
pare_status pare_latency_measure_calls(const struct pare_latency_call *calls, int n,
                                       const struct pare_latency_options *options,
                                       struct pare_latency_result *results, struct pare_error *err);

/* The same where each subject has n arguments that mean the same work. */
struct pare_latency_copies {
    void (*run)(void *arg);
    void *const *args;
    int n; /* 1 .. PARE_LATENCY_MAX_COPIES */
};
pare_status pare_latency_measure_copies(const struct pare_latency_copies *subjects, int n,
                                        const struct pare_latency_options *options,
                                        struct pare_latency_result *results,
                                        struct pare_error *err);

/* The protocol alone, over a source of samples: the real clock, or a simulation.  Every block takes
 * each subject's copy at random. */
struct pare_latency_sample {
    double seconds;      /* per run */
    double spent_s;      /* what taking it cost, warm-up included */
    bool is_interrupted; /* the thread was taken off its core meanwhile */
};
struct pare_latency_source {
    struct pare_latency_sample (*take)(void *state, int subject, int copy);
    void *state;
    const int *n_copies; /* of each subject; NULL: one */
};
pare_status pare_latency_protocol(const struct pare_latency_source *source, int n,
                                  const struct pare_latency_options *options,
                                  struct pare_latency_result *results, struct pare_error *err);
void pare_latency_clear(struct pare_latency_result *results, int n);
#endif
