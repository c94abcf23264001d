/* What the parts of the trial loop share.  Private to sweep/. */
#ifndef PARE_SWEEP_ENGINE_H
#define PARE_SWEEP_ENGINE_H

#include "pipeline/cache.h"
#include "pipeline/key.h"
#include "pipeline/tree.h"
#include "pipeline/worker_pool.h"
#include "store/store.h"
#include "sweep/metrics.h"
#include "sweep/run.h"

enum trial_phase {
    TRIAL_IN_STAGES, /* on its way down the tree */
    TRIAL_IN_EVALUATION,
    TRIAL_OVER,
};

struct trial {
    int64_t id;                 /* 0: the baseline */
    struct pare_config *config; /* NULL: the baseline */
    int64_t *point;             /* as the sampler gave it */
    int n_steps, *path;         /* nodes of the tree; empty until it is planted */
    int n_structural;           /* steps after which MACs and parameters no longer change */
    enum trial_phase phase;
    bool is_rebuild;    /* evaluated in an earlier run, its artifact is damaged */
    const char *status; /* the store's word: "ok", "infeasible", ... */
    char *reason;
    struct pare_digest key, artifact; /* "" unless there is an artifact */
    struct pare_metrics metrics;
    uint8_t *bits; /* validation */
    int64_t n_bits;
};

/* One artifact that is executed once for all trials that share its bytes. */
struct evaluation {
    struct pare_digest artifact, key;
    enum { EVALUATION_WAITS, EVALUATION_RUNS, EVALUATION_DONE } state;
    struct pare_metrics metrics;
    uint8_t *bits;
    int64_t n_bits;
};

struct job {
    enum { JOB_STAGE, JOB_PROBE, JOB_EVALUATE } kind;
    int index; /* of the node or the evaluation */
};

struct engine {
    const struct pare_sweep *sweep;
    const struct pare_registry *registry;
    const struct pare_run_options *options;
    char *folder;
    int lock_fd, exclusive_fd, signal_fd;
    struct pare_store *store;
    int64_t run_id;
    struct pare_data *data;
    char *numeric_mode, *source; /* of the keys */
    struct pare_key_scope scope;
    char *hello;
    struct pare_worker_pool *pool;
    struct job *jobs; /* one per worker */
    struct pare_tree *tree;

    void *sampler;
    bool is_exhausted;          /* the sampler has no more points */
    int64_t n_trials, capacity; /* of trials; [0] is the baseline */
    struct trial *trials;
    int64_t n_counted; /* trials that count against search.trials */
    int n_evaluations, evaluations_capacity;
    struct evaluation *evaluations;

    double begin_s, deadline_s; /* of compression; INFINITY: none */
    double end_s;               /* of everything; INFINITY: none */
    bool is_timed_out;
    double held_s; /* waited for measurements of other sweeps */
    int n_interrupts;
    int64_t n_stages_run, n_stages_reused;
    int64_t n_over_before; /* trials that were over when this run began */
};

/* ---- engine.c: what everyone needs ---- */
/* Takes pending signals; true when the user wants to stop. */
bool engine_interrupted(struct engine *e);
/* Waits for the end of a job.  false: nothing ended; look at interruptions and the clock. */
bool engine_wait(struct engine *e, struct pare_worker_event *event);
/* Sends one job to an idle worker. */
pare_status engine_send(struct engine *e, int worker, struct job job, const char *what,
                        const char *body, double timeout_s, struct pare_error *err);
/* Writes a trial's row, metrics and bits, in a transaction of the caller's ... */
pare_status engine_put_trial(struct engine *e, const struct trial *t, struct pare_error *err);
/* ... or in one of its own. */
pare_status engine_save_trial(struct engine *e, const struct trial *t, struct pare_error *err);
/* Commits, or undoes when `status` is a failure; returns the first failure. */
pare_status engine_close_transaction(struct engine *e, pare_status status, struct pare_error *err);
/* Sets how a trial ended, and keeps a copy of the reason. */
void engine_set_end(struct trial *t, const char *status, const char *reason);
/* The same, saved. */
pare_status engine_end_trial(struct engine *e, struct trial *t, const char *status,
                             const char *reason, struct pare_error *err);
/* The store's word for a failed stage. */
const char *engine_trial_status(pare_status status);
/* The first constraint that is violated, or NULL.  `cheap`: only those over options, MACs and
 * parameters. */
const struct pare_constraint *engine_violated(const struct engine *e, const struct trial *t,
                                              const struct pare_metrics *metrics, bool cheap);
/* "ok", or "infeasible" with a malloc'ed reason. */
const char *engine_verdict(const struct engine *e, const struct trial *t, char **reason);
bool engine_is_ok(const struct trial *t);
/* Latencies and counters of this machine: they are taken apart from everything else. */
bool engine_is_timed(const struct pare_sweep *sweep, const struct pare_metric_ref *metric);
bool engine_is_counter(const char *metric_name);

/* ---- ask.c ---- */
pare_status engine_open_sampler(struct engine *e, struct pare_error *err);
void engine_close_sampler(struct engine *e);
/* Trial 0. */
pare_status engine_add_baseline(struct engine *e, struct pare_error *err);
/* Asks for at most n more trials that count; the new ones are rows of the store afterwards. */
pare_status engine_ask(struct engine *e, int64_t n, struct pare_error *err);
/* Tells the results of trials from..to-1 in order. */
void engine_tell(struct engine *e, int64_t from, int64_t to);
/* Values to be minimised, in the order of the objectives; false when one is missing. */
bool engine_objectives(const struct engine *e, const struct trial *t, double *out);

/* ---- compress.c ---- */
/* Runs the trials' stages and evaluates what comes out, until all are over, the time is up or the
 * user stops. */
pare_status engine_compress(struct engine *e, struct pare_error *err);

/* ---- evaluate.c ---- */
/* The trial's artifact is there: evaluate it, or share an evaluation. */
pare_status engine_want_evaluation(struct engine *e, struct trial *t, struct pare_error *err);
/* The next that waits, or -1. */
int engine_waiting_evaluation(const struct engine *e);
int engine_n_waiting_evaluations(const struct engine *e);
pare_status engine_send_evaluation(struct engine *e, int worker, int index, int n_threads,
                                   struct pare_error *err);
pare_status engine_evaluated(struct engine *e, int index, const struct pare_worker_event *event,
                             struct pare_error *err);

/* ---- latency.c ---- */
/* Measures what was not measured yet, on every host target that is asked for. */
pare_status engine_measure(struct engine *e, struct pare_error *err);

/* ---- test.c ---- */
/* The test split, once for each trial on the front (ties too) and the baseline. */
pare_status engine_test(struct engine *e, struct pare_error *err);

/* ---- progress.c ---- */
void engine_progress(struct engine *e, const char *doing);
/* Meta data and manifest. */
pare_status engine_describe(struct engine *e, struct pare_error *err);

#endif
