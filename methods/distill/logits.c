/* distill.logits: learn from a teacher's softened outputs.
 *
 * loss = alpha T^2 KL(softmax(teacher / T) || softmax(student / T)) + (1 - alpha) CE(student, label);
 * the divergence is summed over classes and averaged over the batch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/loss.h>
#include <pare/method.h>
#include <pare/zoo.h>

enum teacher { AUTO, INPUT, BASELINE };
struct options {
    const char *student;
    int teacher; /* enum teacher */
    double temperature, alpha;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, student,
             .help = "zoo network to train (e.g. lenet5-half); not given: the network itself, "
                     "which goes on from its weights"),
    PARE_OPT(
        struct options, teacher, .choices = PARE_CHOICES("auto", "input", "baseline"), .def = AUTO,
        .help = "the network that enters the stage, or the sweep's baseline; auto: what enters "
                "for a student, the baseline for the network itself"),
    PARE_OPT(struct options, temperature, .def = 4, .min = 0.1, .max = 100,
             .help = "softens both outputs"),
    PARE_OPT(struct options, alpha, .def = 0.7, .min = 0, .max = 1,
             .help = "weight of the teacher's term; the labels get the rest"),
    PARE_OPT_END,
};

static pare_status prepare(const struct pare_context *ctx, const void *options,
                           struct pare_graph **graph, struct pare_error *err)
{
    const struct options *o = options;
    struct pare_graph *student = NULL;
    struct pare_shape input = (*graph)->inputs[0]->shape;
    pare_status st;

    if (!o->student)
        return PARE_OK;
    /* Without the batch. */
    memmove(&input.dims[0], &input.dims[1], sizeof(int64_t) * (size_t)(input.n_dims - 1));
    input.n_dims--;
    st = pare_zoo_build(&student, o->student, &input, (int)(*graph)->outputs[0]->shape.dims[1],
                        pare_rng_u64(ctx->rng), err);
    if (st)
        return st;
    pare_graph_free(*graph);
    *graph = student;
    return PARE_OK;
}

struct distillation {
    double temperature, alpha;
    int64_t n_classes;
    struct pare_forward *teacher;
    float *logits; /* [n_train, n_classes], when the samples never change; else NULL */
    float *rows;   /* [max_batch, n_classes]: the rows of logits that a batch needs */
    int64_t max_batch;
};

static void free_distillation(void *state)
{
    struct distillation *d = state;

    pare_forward_free(d->teacher);
    free(d->logits);
    free(d->rows);
    free(d);
}

/* Without augmentation the teacher answers every sample the same in every epoch: ask once. */
static pare_status ask_teacher_once(struct distillation *d, const struct pare_context *ctx,
                                    struct pare_error *err)
{
    int64_t n = pare_data_n(ctx->data, PARE_TRAIN);
    struct pare_shape shape = pare_data_sample_shape(ctx->data);
    int64_t *indices = malloc(sizeof(int64_t) * (size_t)d->max_batch);
    float *input = malloc(sizeof(float) * (size_t)(d->max_batch * pare_shape_elems(&shape)));
    pare_status st = PARE_OK;

    d->logits = malloc(sizeof(float) * (size_t)(n * d->n_classes));
    d->rows = malloc(sizeof(float) * (size_t)(d->max_batch * d->n_classes));
    if (!indices || !input || !d->logits || !d->rows)
        st = pare_fail(err, PARE_ENOMEM, "no memory for the teacher's %lld outputs", (long long)n);
    for (int64_t first = 0; !st && first < n; first += d->max_batch) {
        int64_t n_here = n - first < d->max_batch ? n - first : d->max_batch;
        for (int64_t i = 0; i < n_here; i++)
            indices[i] = first + i;
        pare_data_fetch(ctx->data, PARE_TRAIN, indices, n_here, NULL, NULL, input, NULL);
        st = pare_forward_run(d->teacher, input, n_here, err);
        if (!st)
            memcpy(d->logits + first * d->n_classes, pare_forward_logits(d->teacher),
                   sizeof(float) * (size_t)(n_here * d->n_classes));
        if (!st && ctx->stop && *ctx->stop)
            st = pare_fail(err, PARE_ESTOPPED, "stopped while the teacher was asked");
    }
    free(indices);
    free(input);
    return st;
}

static pare_status start(void *state, struct pare_trainer *trainer, struct pare_error *err)
{
    struct distillation *d = state;
    const struct pare_context *ctx = pare_trainer_context(trainer);
    const struct pare_augment *augment = &ctx->recipe->augment;

    if (pare_trainer_n_outputs(trainer) != d->n_classes)
        return pare_fail(err, PARE_EINFEASIBLE, "the teacher has %lld outputs, the student %d",
                         (long long)d->n_classes, pare_trainer_n_outputs(trainer));
    pare_trainer_set_label_weight(trainer, 1 - d->alpha);
    if (augment->shift || augment->flip || augment->crop_padding)
        return PARE_OK;
    return ask_teacher_once(d, ctx, err);
}

static pare_status loss(void *state, struct pare_trainer *trainer,
                        const struct pare_train_batch *batch, const float *output, float *d_output,
                        double *value, struct pare_error *err)
{
    struct distillation *d = state;
    const float *teacher = d->rows;

    (void)trainer;
    if (d->logits) {
        for (int64_t i = 0; i < batch->n; i++)
            memcpy(d->rows + i * d->n_classes, d->logits + batch->indices[i] * d->n_classes,
                   sizeof(float) * (size_t)d->n_classes);
    } else {
        pare_status st = pare_forward_run(d->teacher, batch->input, batch->n, err);
        if (st)
            return st;
        teacher = pare_forward_logits(d->teacher);
    }
    *value = pare_kl_distill(output, teacher, batch->n, d->n_classes, d->temperature, d->alpha,
                             d_output);
    return PARE_OK;
}

static pare_status attach(const struct pare_context *ctx, const void *options,
                          const struct pare_graph *teacher, struct pare_trainer *trainer,
                          struct pare_error *err)
{
    const struct options *o = options;
    struct distillation *d = calloc(1, sizeof *d);
    pare_status st;

    if (!d)
        return pare_fail(err, PARE_ENOMEM, "no memory for distillation");
    d->temperature = o->temperature;
    d->alpha = o->alpha;
    if (o->teacher == BASELINE || (o->teacher == AUTO && !o->student))
        teacher = ctx->baseline;
    d->n_classes = teacher->outputs[0]->shape.dims[1];
    d->max_batch = ctx->recipe->batch;
    st = pare_forward_new(&d->teacher, teacher, d->max_batch, ctx->n_threads, err);
    if (st) {
        pare_error_prefix(err, "teacher");
        free_distillation(d);
        return st;
    }
    return pare_trainer_attach(trainer,
                               &(struct pare_attachment){.name = "distill.logits",
                                                         .state = d,
                                                         .start = start,
                                                         .loss = loss,
                                                         .free = free_distillation},
                               err);
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 2,
    .name = "distill.logits",
    .summary = "learn from a teacher's softened outputs",
    .source = "Hinton, Vinyals, Dean 2015, sec. 2",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .needs = PARE_NEEDS_TRAINING | PARE_NEEDS_TEACHER,
    .refuses = PARE_STATE_QUANTIZED,
    .leaves = PARE_STATE_STUDENT,
    .clears = PARE_STATE_SPARSE | PARE_STATE_NARROWED | PARE_STATE_FACTORED,
    .prepare = prepare,
    .attach = attach,
};
