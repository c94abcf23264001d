/* train.finetune: go on training the network as it is.
 *
 * The whole method is the recipe of its stage (epochs, lr, ...): it attaches nothing. Weights that
 * were pruned stay zero, because the trainer keeps the zeros of sparse weights. */
#include <pare/method.h>

struct options {
    int unused_;
};

static const struct pare_option schema[] = {PARE_OPT_END};

static pare_status attach(const struct pare_context *ctx, const void *options,
                          const struct pare_graph *teacher, struct pare_trainer *trainer,
                          struct pare_error *err)
{
    (void)ctx, (void)options, (void)teacher, (void)trainer, (void)err;
    return PARE_OK;
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "train.finetune",
    .summary = "train the network as it is; pruned weights stay zero",
    .source = "Han et al., NeurIPS 2015, sec. 3.3 (retraining after pruning)",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .needs = PARE_NEEDS_TRAINING,
    .refuses = PARE_STATE_QUANTIZED,
    .attach = attach,
};
