/* The trainer's own state, shared by the run (trainer.c) and the step (step.c). */
#ifndef PARE_TRAIN_TRAINER_IMPL_H
#define PARE_TRAIN_TRAINER_IMPL_H

#include <pare/train.h>

#include "train/net.h"

#define PARE_MAX_ATTACHMENTS 16

/* Beside what methods see of a parameter. */
struct pare_param_state {
    struct pare_slot *slot;
    float *m, *v;       /* the optimizer's */
    float *mask;        /* 0 where a sparse weight stays zero; NULL: dense */
    unsigned announced; /* bit i: attachment i parametrizes it */
};

struct pare_trainer {
    const struct pare_context *ctx;
    struct pare_recipe recipe;
    struct pare_graph *graph;
    struct pare_net *net;
    int n_params;
    struct pare_param *params;
    struct pare_param_state *states;
    int n_attachments;
    struct pare_attachment attachments[PARE_MAX_ATTACHMENTS];
    int starting; /* the attachment whose start() runs, else the last one */
    double label_weight;
    pare_status failed; /* of a call that returns nothing */
    struct pare_error failure;
    int64_t batch, n_steps, steps_per_epoch, step;
    int64_t *order; /* of the training split, shuffled every epoch */
    int32_t *labels;
    float *best_numbers; /* snapshot of the best epoch */
    double *task_norms;
    double shard_loss[PARE_MAX_SHARDS];
    int64_t shard_hits[PARE_MAX_SHARDS];
    struct pare_train_result result;
};

/* One step on the samples at `indices` of the training split; *loss is the sum of all its terms. */
pare_status pare_trainer_step_run(struct pare_trainer *trainer, const int64_t *indices,
                                  double *loss, struct pare_error *err);
/* Accuracy on the validation split, or without labels the negative mean squared error: larger is
 * better.  NAN when there is no validation split. */
double pare_trainer_validate(struct pare_trainer *trainer);

#endif
