/* A table of methods that do nothing, with the contracts of the real ones: for tests and fuzzing of
 * everything that only reads descriptors. */
#ifndef PARE_TESTS_FAKE_METHODS_H
#define PARE_TESTS_FAKE_METHODS_H

#include <string.h>

#include <pare/method.h>

struct fake_options {
    double sparsity, energy, alpha, temperature;
    int scope, scheme, bits, rank;
    bool warm;
    const char *student;
    struct pare_strings ignore;
};

static const struct pare_option fake_student_options[] = {
    PARE_OPT(struct fake_options, student, .help = "network to train"),
    PARE_OPT(struct fake_options, temperature, .def = 4, .min = 0.1, .max = 100, .help = "softens"),
    PARE_OPT(struct fake_options, alpha, .def = 0.7, .min = 0, .max = 1, .help = "weight"),
    PARE_OPT_END,
};
static const struct pare_option fake_prune_options[] = {
    PARE_OPT(struct fake_options, sparsity, .def = 0.5, .min = 0, .max = 0.99, .help = "fraction"),
    PARE_OPT(struct fake_options, scope, .choices = PARE_CHOICES("layer", "global"),
             .help = "where"),
    PARE_OPT(struct fake_options, ignore, .help = "layers left alone"),
    PARE_OPT_END,
};
static const struct pare_option fake_movement_options[] = {
    PARE_OPT(struct fake_options, sparsity, .def = 0.5, .min = 0, .max = 0.99, .help = "fraction"),
    PARE_OPT(struct fake_options, warm, .def = 1, .help = "rise slowly"),
    PARE_OPT_END,
};
static const struct pare_option fake_svd_options[] = {
    PARE_OPT(struct fake_options, energy, .def = 0.9, .min = 0, .max = 1, .help = "kept"),
    PARE_OPT(struct fake_options, rank, .min = 0, .max = 1000, .help = "of both factors"),
    PARE_OPT_END,
};
static const struct pare_option fake_quant_options[] = {
    PARE_OPT(struct fake_options, scheme, .choices = PARE_CHOICES("W8A8", "W4A8"), .help = "bits"),
    PARE_OPT(struct fake_options, bits, .def = 8, .min = 2, .max = 8, .help = "of weights",
             .required = true),
    PARE_OPT_END,
};
static const struct pare_option fake_no_options[] = {PARE_OPT_END};

static inline pare_status fake_apply(const struct pare_context *ctx, const void *options,
                                     struct pare_graph *graph, struct pare_error *err)
{
    (void)ctx, (void)options, (void)graph, (void)err;
    return PARE_OK;
}

static inline pare_status fake_prepare(const struct pare_context *ctx, const void *options,
                                       struct pare_graph **graph, struct pare_error *err)
{
    (void)ctx, (void)options, (void)graph, (void)err;
    return PARE_OK;
}

static inline pare_status fake_attach(const struct pare_context *ctx, const void *options,
                                      const struct pare_graph *teacher,
                                      struct pare_trainer *trainer, struct pare_error *err)
{
    (void)ctx, (void)options, (void)teacher, (void)trainer, (void)err;
    return PARE_OK;
}

#define FAKE_METHOD(NAME, OPTIONS, ...)                                                     \
    {                                                                                       \
        .abi = PARE_ABI, .revision = 1, .name = NAME, .summary = "for tests", .source = "", \
        .options = OPTIONS, .options_bytes = sizeof(struct fake_options),                   \
        .refuses = PARE_STATE_QUANTIZED, __VA_ARGS__                                        \
    }

static const struct pare_method fake_methods[] = {
    FAKE_METHOD("distill.fake", fake_student_options, .leaves = PARE_STATE_STUDENT,
                .clears = PARE_STATE_SPARSE | PARE_STATE_NARROWED | PARE_STATE_FACTORED,
                .prepare = fake_prepare, .attach = fake_attach),
    FAKE_METHOD("prune.channels", fake_prune_options, .leaves = PARE_STATE_NARROWED,
                .apply = fake_apply),
    FAKE_METHOD("prune.magnitude", fake_prune_options, .leaves = PARE_STATE_SPARSE,
                .apply = fake_apply, .attach = fake_attach),
    FAKE_METHOD("prune.movement", fake_movement_options, .leaves = PARE_STATE_SPARSE,
                .attach = fake_attach),
    FAKE_METHOD("lowrank.svd", fake_svd_options, .leaves = PARE_STATE_FACTORED,
                .clears = PARE_STATE_SPARSE, .apply = fake_apply),
    FAKE_METHOD("quant.ptq", fake_quant_options, .leaves = PARE_STATE_QUANTIZED,
                .apply = fake_apply),
    FAKE_METHOD("train.finetune", fake_no_options, .attach = fake_attach),
};
enum { N_FAKE_METHODS = sizeof fake_methods / sizeof fake_methods[0] };

static inline const struct pare_method *fake_find(void *state, const char *name)
{
    (void)state;
    for (int i = 0; i < N_FAKE_METHODS; i++)
        if (strcmp(fake_methods[i].name, name) == 0)
            return &fake_methods[i];
    return NULL;
}

static inline int fake_names(const char **names)
{
    for (int i = 0; i < N_FAKE_METHODS; i++)
        names[i] = fake_methods[i].name;
    return N_FAKE_METHODS;
}

#endif
