/* One stage, in this process: a network in, another network out.
 *
 * The result depends on (input, baseline, task, recipe, data, seed, fidelity) alone.  Weights that
 * are not finite afterwards are PARE_ENUMERIC, with the method and the weight. */
#ifndef PARE_PIPELINE_STAGE_H
#define PARE_PIPELINE_STAGE_H

#include <pare/context.h>

#include "pipeline/task.h"

struct pare_stage_env {
    const struct pare_graph *baseline; /* trained; NULL while the baseline itself is made */
    const struct pare_recipe *train;   /* the sweep's recipe */
    const struct pare_data *data;
    uint64_t seed;
    double fidelity;
    int n_threads;
    void (*log)(void *log_state, const char *text); /* may be NULL */
    void *log_state;
    volatile int *stop; /* may be NULL */
};

/* *out is new; `input` stays as it is. */
pare_status pare_stage_run(struct pare_graph **out, const struct pare_graph *input,
                           const struct pare_task *task, const struct pare_stage_env *env,
                           struct pare_error *err);
/* The network that the task's training would start from, with nothing trained: its MACs and
 * parameters are those of the result. */
pare_status pare_stage_prepare(struct pare_graph **out, const struct pare_graph *input,
                               const struct pare_task *task, const struct pare_stage_env *env,
                               struct pare_error *err);
/* The baseline: a zoo network built for the data and trained by the recipe ... */
pare_status pare_baseline_train(struct pare_graph **out, const char *zoo,
                                const struct pare_stage_env *env, struct pare_error *err);
/* ... or a model file, taken as it is; it must fit the data. */
pare_status pare_baseline_load(struct pare_graph **out, const char *path,
                               const struct pare_stage_env *env, struct pare_error *err);

#endif
