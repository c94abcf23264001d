#include "infer/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"
#include "infer/nd.h"
#include "infer/program.h"
#include "infer/trace.h"
#include "kernel/onednn.h"

struct pare_plan {
    struct program program;
    char *arena; /* one part per thread */
    struct pare_pool *pool;
};

static pare_status check_options(const struct pare_plan_options *options, struct pare_error *err)
{
    if (options->max_batch < 1 || options->max_batch > 1 << 20)
        return pare_fail(err, PARE_EINVAL, "plan: max_batch %lld is outside 1..1048576",
                         (long long)options->max_batch);
    if (options->n_threads < 1 || options->n_threads > 1024)
        return pare_fail(err, PARE_EINVAL, "plan: n_threads %d is outside 1..1024",
                         options->n_threads);
    return PARE_OK;
}

pare_status pare_plan_new(struct pare_plan **out, const struct pare_graph *graph,
                          const struct pare_plan_options *options, struct pare_error *err)
{
    struct pare_plan *plan = pare_xcalloc(1, sizeof *plan);
    struct program *program = &plan->program;
    pare_status st;

    program->arena = pare_arena_new();
    program->options = *options;
    program->isa = pare_isa_best();
    program->is_portable = options->kernels == PARE_KERNELS_PORTABLE || options->simulate;
    st = check_options(options, err);
    if (!st)
        st = program_lower(program, graph, err);
    for (int i = 0; !st && i < program->n_steps; i++) {
        if (program->steps[i].kind != STEP_CONV)
            continue;
        st = step_choose_kernel(program, &program->steps[i], err);
        if (st)
            pare_error_prefix(err, "node '%s'", program->steps[i].name);
    }
    if (st)
        goto done;
    program_layout(program);
    size_t n_bytes = program->arena_bytes * (size_t)options->n_threads;
    plan->arena = aligned_alloc(64, n_bytes + 64);
    if (!plan->arena) {
        st = pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes of activations", n_bytes);
        goto done;
    }
    /* Pages are there before the first run is timed. */
    memset(plan->arena, 0, n_bytes + 64);
    plan->pool = pare_pool_new(options->n_threads);
    *out = plan;
    plan = NULL;
done:
    pare_plan_free(plan);
    return st;
}

void pare_plan_free(struct pare_plan *plan)
{
    if (!plan)
        return;
    pare_pool_free(plan->pool);
    for (int i = 0; i < plan->program.n_steps; i++) {
        struct step *step = &plan->program.steps[i];
        weights_clear(&step->weights);
        nd_clear(step->nd);
        if (step->kernel.free)
            step->kernel.free(step->kernel.state);
    }
    pare_arena_free(plan->program.arena);
    free(plan->program.steps);
    free(plan->program.buffers);
    free(plan->arena);
    free(plan);
}

struct share {
    struct pare_plan *plan;
    const void *const *inputs;
    void *const *outputs;
    int64_t n;
};

/* Runs samples [first, end), block by block; seconds may be NULL. */
static void run_range(const struct share *share, int64_t first, int64_t end, int thread,
                      double *seconds)
{
    const struct program *program = &share->plan->program;
    struct step_memory memory = {.arena =
                                     share->plan->arena + (size_t)thread * program->arena_bytes,
                                 .inputs = share->inputs,
                                 .outputs = share->outputs,
                                 .thread = thread};

    pare_onednn_one_thread();
    for (int64_t at = first; at < end; at += program->block) {
        memory.n = end - at < program->block ? end - at : program->block;
        memory.first = at;
        if (!seconds) {
            for (int i = 0; i < program->n_steps; i++)
                step_run(program, &program->steps[i], &memory);
            continue;
        }
        double before = pare_clock_s();
        for (int i = 0; i < program->n_steps; i++) {
            step_run(program, &program->steps[i], &memory);
            double after = pare_clock_s();
            seconds[i] += after - before;
            before = after;
        }
    }
}

static void run_share(void *arg, int thread, int n_threads)
{
    const struct share *share = arg;

    run_range(share, share->n * thread / n_threads, share->n * (thread + 1) / n_threads, thread,
              NULL);
}

void pare_plan_run_many(struct pare_plan *plan, const void *const *inputs, int64_t n,
                        void *const *outputs)
{
    const struct program *program = &plan->program;
    struct share share = {plan, inputs, outputs, program->is_batched ? n : 1};

    if (share.n == 1 || program->options.n_threads == 1 || program->is_serial)
        run_range(&share, 0, share.n, 0, NULL);
    else
        pare_pool_run(plan->pool, run_share, &share);
}

void pare_plan_run(struct pare_plan *plan, const float *input, int64_t n, float *output)
{
    const void *inputs[] = {input};
    void *outputs[] = {output};

    pare_plan_run_many(plan, inputs, n, outputs);
}

void pare_plan_profile(struct pare_plan *plan, const float *input, int64_t n, float *output,
                       double *seconds)
{
    const void *inputs[] = {input};
    void *outputs[] = {output};
    struct share share = {plan, inputs, outputs, plan->program.is_batched ? n : 1};

    run_range(&share, 0, share.n, 0, seconds);
}

void pare_plan_trace(struct pare_plan *plan, const float *input, int64_t n, float *output,
                     void (*see)(void *arg, const struct pare_trace *trace), void *arg)
{
    const struct program *program = &plan->program;
    const void *inputs[] = {input};
    void *outputs[] = {output};
    int64_t n_samples = program->is_batched ? n : 1;

    pare_onednn_one_thread();
    for (int64_t k = 0; k < n_samples * program->n_steps; k++) {
        int64_t sample = k / program->n_steps;
        const struct step *step = &program->steps[k % program->n_steps];
        const struct buffer *y = &program->buffers[step->y];
        struct step_memory memory = {.arena = plan->arena,
                                     .inputs = inputs,
                                     .outputs = outputs,
                                     .first = sample,
                                     .n = 1};
        step_run(program, step, &memory);
        struct pare_trace trace = {.sample = sample,
                                   .value = y->value,
                                   .data = buffer_data(program, step->y, &memory),
                                   .n_elems = y->n_elems,
                                   .is_u8 = y->is_u8,
                                   .is_quantized = y->is_quantized,
                                   .scale = y->scale,
                                   .zero = y->range.zero};
        if (y->is_u8 || y->dtype == PARE_F32)
            see(arg, &trace);
    }
}

int64_t pare_plan_arena_bytes(const struct pare_plan *plan)
{
    return (int64_t)plan->program.arena_bytes * plan->program.options.n_threads;
}

int64_t pare_plan_weight_bytes(const struct pare_plan *plan)
{
    int64_t n_bytes = 0;

    for (int i = 0; i < plan->program.n_steps; i++)
        n_bytes += pare_plan_layer(plan, i).weight_bytes;
    return n_bytes;
}

int pare_plan_n_layers(const struct pare_plan *plan)
{
    return plan->program.n_steps;
}

/* Of a buffer, or of none. */
static int64_t bytes_of(const struct program *program, int buffer)
{
    if (buffer < 0)
        return 0;
    return program->buffers[buffer].n_elems *
           (int64_t)pare_dtype_bytes(program->buffers[buffer].dtype);
}

struct pare_plan_layer pare_plan_layer(const struct pare_plan *plan, int i)
{
    const struct program *program = &plan->program;
    const struct step *step = &program->steps[i];
    const struct buffer *y = &program->buffers[step->y];
    struct pare_plan_layer layer = {.name = step->name,
                                    .op = step->op,
                                    .kernel = step_kernel_name(program, step),
                                    .macs = step->macs,
                                    .weight_bytes = (int64_t)step->kernel.weight_bytes,
                                    .input_bytes =
                                        bytes_of(program, step->x) + bytes_of(program, step->x2),
                                    .output_bytes = bytes_of(program, step->y)};

    if (step->kind == STEP_ND)
        nd_count_bytes(program, step, &layer);
    if (step->kind == STEP_AFFINE)
        layer.weight_bytes = 2 * y->C * (int64_t)sizeof(float);
    if (step->kind == STEP_LOOKUP)
        layer.weight_bytes = 256;
    return layer;
}
