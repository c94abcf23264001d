#include "pipeline/stage.h"

#include <math.h>
#include <string.h>

#include <pare/zoo.h>

#include "io/model.h"

static void no_log(void *state, const char *text)
{
    (void)state, (void)text;
}

static struct pare_context context_of(const struct pare_stage_env *env, struct pare_rng *rng,
                                      const struct pare_recipe *recipe)
{
    pare_rng_init(rng, env->seed, 0);
    return (struct pare_context){
        .seed = env->seed,
        .rng = rng,
        .data = env->data,
        .baseline = env->baseline,
        .recipe = recipe,
        .n_threads = env->n_threads,
        .fidelity = env->fidelity,
        .log = env->log ? env->log : no_log,
        .log_state = env->log_state,
        .stop = env->stop,
    };
}

static pare_status check_finite(const struct pare_graph *graph, struct pare_error *err)
{
    pare_each_weight(w, graph) {
        const float *x = pare_tensor_f32(w->data);
        int64_t n = pare_tensor_elems(w->data);

        if (w->data->dtype != PARE_F32)
            continue;
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(x[i]))
                return pare_fail(err, PARE_ENUMERIC, "weight '%s' is %s at element %lld", w->name,
                                 isnan(x[i]) ? "NaN" : "infinite", (long long)i);
    }
    return PARE_OK;
}

/* Shapes, checks and the line of the metadata that says how the network came about. */
static pare_status seal(struct pare_graph *graph, const struct pare_task *task,
                        const char *pipeline, struct pare_error *err)
{
    struct pare_text text = {0};
    pare_status st = pare_graph_finish(graph, err);

    if (!st)
        st = check_finite(graph, err);
    if (!st) {
        pare_text_add(&text, pipeline);
        if (task) {
            pare_text_add(&text, " > ");
            pare_task_methods(task, &text);
        }
        pare_graph_set_meta(graph, "pipeline", text.s);
    }
    pare_text_clear(&text);
    return st;
}

static pare_status prepare_all(struct pare_graph **graph, const struct pare_task *task,
                               void *const *options, const struct pare_context *ctx,
                               struct pare_error *err)
{
    for (int m = 0; m < task->n_members; m++) {
        const struct pare_method *method = task->members[m].method;
        pare_status st = method->prepare ? method->prepare(ctx, options[m], graph, err) : PARE_OK;

        if (st) {
            pare_error_prefix(err, "%s", method->name);
            return st;
        }
    }
    return PARE_OK;
}

static void log_result(const struct pare_trainer *trainer, const struct pare_context *ctx)
{
    struct pare_train_result result;
    struct pare_text line = {0};

    pare_trainer_result(trainer, &result);
    pare_text_printf(&line, "trained %.3g epochs: loss %.4g", result.epochs_run, result.train_loss);
    if (!isnan(result.val_accuracy))
        pare_text_printf(&line, ", validation accuracy %.4f", result.val_accuracy);
    ctx->log(ctx->log_state, line.s);
    pare_text_clear(&line);
}

/* Trains *graph with everything attached.  `teacher` is the network before prepare(). */
static pare_status train(struct pare_graph *graph, const struct pare_graph *teacher,
                         const struct pare_task *task, void *const *options,
                         const struct pare_context *ctx, struct pare_error *err)
{
    struct pare_trainer *trainer = NULL;
    pare_status st = pare_trainer_new(&trainer, ctx, ctx->recipe, graph, err);

    for (int m = 0; !st && task && m < task->n_members; m++) {
        const struct pare_method *method = task->members[m].method;

        if (!method->attach)
            continue;
        st = method->attach(ctx, options[m], teacher, trainer, err);
        if (st)
            pare_error_prefix(err, "%s", method->name);
    }
    if (!st)
        st = pare_trainer_run(trainer, err);
    if (!st)
        log_result(trainer, ctx);
    pare_trainer_free(trainer);
    return st;
}

static pare_status resolve(void ***options, struct pare_recipe *recipe,
                           const struct pare_task *task, const struct pare_stage_env *env,
                           struct pare_arena *arena, struct pare_error *err)
{
    pare_status st;

    *recipe = *env->train;
    *options = PARE_ARENA_NEW(arena, void *, task->n_members);
    st = pare_task_recipe(recipe, task, err);
    for (int m = 0; !st && m < task->n_members; m++)
        st = pare_task_options(&(*options)[m], &task->members[m], arena, err);
    return st;
}

pare_status pare_stage_run(struct pare_graph **out, const struct pare_graph *input,
                           const struct pare_task *task, const struct pare_stage_env *env,
                           struct pare_error *err)
{
    struct pare_arena *arena = pare_arena_new();
    struct pare_graph *graph = pare_graph_copy(input);
    const struct pare_method *first = task->members[0].method;
    struct pare_recipe recipe;
    struct pare_context ctx;
    struct pare_rng rng;
    void **options = NULL;
    pare_status st = resolve(&options, &recipe, task, env, arena, err);

    if (st)
        goto done;
    ctx = context_of(env, &rng, &recipe);
    if (pare_task_trains(task)) {
        st = prepare_all(&graph, task, options, &ctx, err);
        if (!st)
            st = train(graph, input, task, options, &ctx, err);
    } else {
        st = first->apply(&ctx, options[0], graph, err);
        if (st)
            pare_error_prefix(err, "%s", first->name);
    }
    if (st)
        goto done;
    st = seal(graph, task, pare_graph_meta(input, "pipeline", "baseline"), err);
    if (st) {
        pare_error_prefix(err, "%s", first->name);
        goto done;
    }
    *out = graph;
    graph = NULL;
done:
    pare_graph_free(graph);
    pare_arena_free(arena);
    return st;
}

pare_status pare_stage_prepare(struct pare_graph **out, const struct pare_graph *input,
                               const struct pare_task *task, const struct pare_stage_env *env,
                               struct pare_error *err)
{
    struct pare_arena *arena = pare_arena_new();
    struct pare_graph *graph = pare_graph_copy(input);
    struct pare_recipe recipe;
    struct pare_context ctx;
    struct pare_rng rng;
    void **options = NULL;
    pare_status st = resolve(&options, &recipe, task, env, arena, err);

    if (!st && pare_task_trains(task)) {
        ctx = context_of(env, &rng, &recipe);
        st = prepare_all(&graph, task, options, &ctx, err);
    }
    if (!st)
        st = pare_graph_finish(graph, err);
    if (!st) {
        *out = graph;
        graph = NULL;
    }
    pare_graph_free(graph);
    pare_arena_free(arena);
    return st;
}

pare_status pare_baseline_train(struct pare_graph **out, const char *zoo,
                                const struct pare_stage_env *env, struct pare_error *err)
{
    struct pare_shape sample = pare_data_sample_shape(env->data);
    struct pare_graph *graph = NULL;
    struct pare_context ctx;
    struct pare_rng rng;
    pare_status st =
        pare_zoo_build(&graph, zoo, &sample, pare_data_n_classes(env->data), env->seed, err);

    if (st)
        goto done;
    ctx = context_of(env, &rng, env->train);
    st = train(graph, NULL, NULL, NULL, &ctx, err);
    if (!st)
        st = seal(graph, NULL, "baseline", err);
    if (st)
        goto done;
    *out = graph;
    graph = NULL;
done:
    pare_graph_free(graph);
    if (st)
        pare_error_prefix(err, "baseline %s", zoo);
    return st;
}

static pare_status check_fits(const struct pare_graph *graph, const struct pare_data *data,
                              struct pare_error *err)
{
    struct pare_shape sample = pare_data_sample_shape(data), input;
    char want[96], have[96];

    if (graph->n_inputs != 1 || graph->n_outputs < 1)
        return pare_fail(err, PARE_EINVAL, "the model has %d inputs and %d outputs; it needs one",
                         graph->n_inputs, graph->n_outputs);
    input = graph->inputs[0]->shape;
    if (input.n_dims > 0 && input.dims[0] == PARE_DIM_BATCH) {
        input.n_dims--;
        memmove(input.dims, input.dims + 1, (size_t)input.n_dims * sizeof input.dims[0]);
    }
    if (pare_shape_equal(&input, &sample))
        return PARE_OK;
    return pare_fail(err, PARE_EINVAL, "the model takes samples of shape %s, %s has %s",
                     pare_shape_text(&input, want, sizeof want), pare_data_name(data),
                     pare_shape_text(&sample, have, sizeof have));
}

pare_status pare_baseline_load(struct pare_graph **out, const char *path,
                               const struct pare_stage_env *env, struct pare_error *err)
{
    struct pare_graph *graph = NULL;
    pare_status st = pare_model_load(&graph, path, err);

    if (st)
        return st;
    st = check_fits(graph, env->data, err);
    if (!st)
        st = seal(graph, NULL, "baseline", err);
    if (st) {
        pare_error_prefix(err, "%s", path);
        pare_graph_free(graph);
        return st;
    }
    *out = graph;
    return PARE_OK;
}
