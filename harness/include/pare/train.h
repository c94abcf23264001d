/* Training: one trainer, to which methods attach.
 *
 * A step is: fetch batch -> weights() of every attachment writes the effective weights -> forward ->
 * loss terms -> backward -> gradients() -> optimizer on the masters -> after_step().
 * Arrays of activations are channels LAST: 4-D values are [n, H, W, C].  Conv weights inside the
 * trainer are [M, R, S, C/group], Gemm weights [out, in]; the output channel is outermost in both,
 * rows = n_rows.  The columns of a Gemm that reads a flattened image stand in H, W, C order, and go
 * back to the graph's C, H, W when training ends.
 * All numbers depend on (graph, recipe, data, seed) alone, not on threads. */
#ifndef PARE_TRAIN_H
#define PARE_TRAIN_H

#include <pare/context.h>
#include <pare/option.h>

enum pare_optimizer { PARE_SGD, PARE_ADAM, PARE_ADAMW };
enum pare_schedule { PARE_SCHEDULE_CONSTANT, PARE_SCHEDULE_STEP, PARE_SCHEDULE_COSINE };
enum pare_loss { PARE_LOSS_CROSS_ENTROPY, PARE_LOSS_MSE };

struct pare_recipe {
    double epochs; /* may be a fraction */
    int batch;
    int optimizer; /* enum pare_optimizer */
    double lr, momentum, weight_decay, beta1, beta2, epsilon;
    bool nesterov;
    int schedule;                   /* enum pare_schedule */
    double warmup;                  /* epochs of linear warm-up */
    double step_every, step_factor; /* step schedule: every so many epochs, times */
    double label_smoothing;
    double clip_norm; /* 0: off */
    int loss;         /* enum pare_loss */
    struct pare_augment augment;
    int patience; /* early stop: epochs without a better validation accuracy; 0: off */
    /* Return the weights of the best validation epoch; not where an attachment moves weights by a
     * schedule of its own (weights() or after_step()), which an earlier epoch would undo. */
    bool keep_best;
};

/* The recipe's defaults and option rows (epochs, batch, optimizer, lr, ...), shared by `train:`,
 * train.finetune and every attaching method.  Rows' offsets are into struct pare_recipe. */
extern const struct pare_option pare_recipe_options[];
void pare_recipe_defaults(struct pare_recipe *recipe);

struct pare_trainer;

/* One trainable tensor of the running training. */
struct pare_param {
    struct pare_value *value; /* of the graph being trained */
    struct pare_node *node;   /* its first user */
    float *master;            /* what the optimizer moves */
    float *weight;            /* what forward uses; == master unless parametrized */
    float *grad;              /* of weight after backward; of master after gradients() */
    int64_t n, n_rows;        /* n_rows: output channels (1 for vectors) */
    bool is_matrix;           /* Conv or Gemm weight; false: bias, norm */
};

/* What a loss term sees. */
struct pare_train_batch {
    int64_t n;
    const int64_t *indices; /* positions in the training split */
    const float *input;     /* [n, ...] after augmentation */
    const int32_t *labels;
    bool is_augmented; /* input differs from the stored sample */
};

struct pare_attachment {
    const char *name;
    void *state;
    /* Once, after planning. */
    pare_status (*start)(void *state, struct pare_trainer *trainer, struct pare_error *err);
    /* Before forward: for every param that this attachment announced by
     * pare_trainer_parametrize(), writes p->weight, which holds the master or what the attachment
     * before left (so that several compose). */
    void (*weights)(void *state, struct pare_trainer *trainer, struct pare_param *p);
    /* After backward, in reverse order of attachment: turns d/d weight into d/d master, in place;
     * also the place to look at gradients (movement, Taylor): called for every param. */
    void (*gradients)(void *state, struct pare_trainer *trainer, struct pare_param *p);
    /* Adds its term's gradient to d_output [n, out] and returns the term's value, mean over batch. */
    pare_status (*loss)(void *state, struct pare_trainer *trainer,
                        const struct pare_train_batch *batch, const float *output, float *d_output,
                        double *value, struct pare_error *err);
    void (*after_step)(void *state, struct pare_trainer *trainer);
    /* After the last step, masters already written to the graph: leave codings, fold, ... */
    pare_status (*finish)(void *state, struct pare_trainer *trainer, struct pare_graph *graph,
                          struct pare_error *err);
    void (*free)(void *state);
};

/* Takes `state` (freed with the trainer, also on failure). */
pare_status pare_trainer_attach(struct pare_trainer *trainer,
                                const struct pare_attachment *attachment, struct pare_error *err);
/* From start(): this param's weight will differ from its master; weights()/gradients() are called. */
void pare_trainer_parametrize(struct pare_trainer *trainer, struct pare_param *p);
/* Weight of the hard-label loss, 1 unless set (distillation: 1 - alpha). */
void pare_trainer_set_label_weight(struct pare_trainer *trainer, double weight);

int pare_trainer_n_params(const struct pare_trainer *trainer);
struct pare_param *pare_trainer_param(struct pare_trainer *trainer, int i);
int64_t pare_trainer_step(const struct pare_trainer *trainer);    /* 0-based, current */
int64_t pare_trainer_n_steps(const struct pare_trainer *trainer); /* of the whole run */
int64_t pare_trainer_steps_per_epoch(const struct pare_trainer *trainer);
const struct pare_context *pare_trainer_context(const struct pare_trainer *trainer);
int pare_trainer_n_outputs(const struct pare_trainer *trainer); /* width of the trained output */

/* ---- Running ---- */
/* Trains `graph` in place.  The output trained is graph->outputs[0]; a final Softmax is looked
 * through, so that the loss sees logits.  Weights whose coding is sparse keep their zeros.
 * Quantized graphs are refused.  Errors: PARE_ENUMERIC with step and layer. */
pare_status pare_trainer_new(struct pare_trainer **out, const struct pare_context *ctx,
                             const struct pare_recipe *recipe, struct pare_graph *graph,
                             struct pare_error *err);
pare_status pare_trainer_run(struct pare_trainer *trainer, struct pare_error *err);
void pare_trainer_free(struct pare_trainer *trainer);

struct pare_train_result {
    double train_loss;   /* mean over the last epoch */
    double val_accuracy; /* 0..1; NAN without labels */
    double best_epoch, epochs_run;
    double samples_per_s;
};
void pare_trainer_result(const struct pare_trainer *trainer, struct pare_train_result *out);

/* ---- Looking: evaluation-mode forward passes in f32 over any graph ---- */
struct pare_forward; /* planned once for a maximal batch */
pare_status pare_forward_new(struct pare_forward **out, const struct pare_graph *graph,
                             int64_t max_batch, int n_threads, struct pare_error *err);
/* input channels last; the result stays valid until the next call. */
pare_status pare_forward_run(struct pare_forward *forward, const float *input, int64_t n,
                             struct pare_error *err);
/* Any activation of the last run, channels last: [n, elems of the value]. */
const float *pare_forward_value(const struct pare_forward *forward, const struct pare_value *value);
/* Output 0; with a final Softmax the logits before it. */
const float *pare_forward_logits(const struct pare_forward *forward);
void pare_forward_free(struct pare_forward *forward);

#endif
