#include "measure/evaluate.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/pool.h"
#include "infer/plan.h"

#define BATCH 64 /* whole bytes of correctness bits, so that no two threads share one */

/* A split is cut into batches of fixed size; threads only decide who runs which, so the numbers do
 * not depend on how many there are. */
struct evaluation_run {
    const struct pare_data *data;
    struct pare_data_test *test; /* NULL: the validation split */
    struct pare_plan **plans;    /* one per thread */
    int64_t n, n_inputs, n_outputs;
    int n_classes;      /* 0: the output is compared with the input */
    uint8_t *bits;      /* correctness */
    double *errors;     /* per batch: sum of squared differences */
    int64_t *bad;       /* per batch: the first sample with an output that is no number, or -1 */
    atomic_llong next;  /* batch to take */
    atomic_bool failed; /* a thread had no memory */
};

static int64_t largest(const float *values, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

static bool all_finite(const float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static double squared_distance(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sum;
}

static void fetch(const struct evaluation_run *run, int64_t first, int64_t n, float *input,
                  int32_t *labels)
{
    int64_t indices[BATCH];

    if (run->test) {
        pare_data_test_fetch(run->test, first, n, input, labels);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        indices[i] = first + i;
    pare_data_fetch(run->data, PARE_VALIDATION, indices, n, NULL, NULL, input, labels);
}

static void run_batch(struct evaluation_run *run, struct pare_plan *plan, int64_t batch,
                      float *input, float *output)
{
    int64_t first = batch * BATCH, n = run->n - first < BATCH ? run->n - first : BATCH;
    int32_t labels[BATCH];

    fetch(run, first, n, input, run->n_classes ? labels : NULL);
    pare_plan_run(plan, input, n, output);
    run->bad[batch] = -1;
    for (int64_t i = 0; i < n; i++) {
        const float *y = output + i * run->n_outputs;
        int64_t sample = first + i;

        if (run->bad[batch] < 0 && !all_finite(y, run->n_outputs))
            run->bad[batch] = sample;
        if (!run->n_classes)
            run->errors[batch] += squared_distance(y, input + i * run->n_inputs, run->n_outputs);
        else if (largest(y, run->n_outputs) == labels[i])
            run->bits[sample / 8] |= (uint8_t)(1 << sample % 8);
    }
}

static void run_thread(void *arg, int thread, int n_threads)
{
    struct evaluation_run *run = arg;
    float *input = calloc((size_t)(BATCH * run->n_inputs), sizeof *input);
    float *output = calloc((size_t)(BATCH * run->n_outputs), sizeof *output);
    int64_t batch;

    (void)n_threads;
    if (!input || !output)
        atomic_store(&run->failed, true);
    else
        while ((batch = atomic_fetch_add(&run->next, 1)) * BATCH < run->n)
            run_batch(run, run->plans[thread], batch, input, output);
    free(input);
    free(output);
}

/* The network must answer what the data asks. */
static pare_status check_shapes(const struct evaluation_run *run, const struct pare_graph *graph,
                                struct pare_error *err)
{
    int64_t n_expected = run->n_classes ? run->n_classes : run->n_inputs;

    if (graph->n_inputs != 1 || graph->n_outputs < 1)
        return pare_fail(err, PARE_EINVAL,
                         "the network has %d inputs and %d outputs; one input and "
                         "one output are needed to evaluate it",
                         graph->n_inputs, graph->n_outputs);
    if (!pare_graph_is_batched(graph))
        return pare_fail(err, PARE_EINVAL, PARE_NOT_BATCHED);
    if (pare_shape_elems(&graph->inputs[0]->shape) != run->n_inputs)
        return pare_fail(err, PARE_EINVAL,
                         "the network takes %lld numbers per sample, data '%s' has %lld",
                         (long long)pare_shape_elems(&graph->inputs[0]->shape),
                         pare_data_name(run->data), (long long)run->n_inputs);
    if (run->n_outputs != n_expected)
        return pare_fail(
            err, PARE_EINVAL, "the network gives %lld numbers, data '%s' asks for %lld %s",
            (long long)run->n_outputs, pare_data_name(run->data), (long long)n_expected,
            run->n_classes ? "classes" : "(it has no labels: the input again)");
    if (run->n <= 0)
        return pare_fail(err, PARE_EINVAL, "data '%s' has no samples in this split",
                         pare_data_name(run->data));
    return PARE_OK;
}

/* Adds up in the order of the batches. */
static pare_status reduce(struct pare_evaluation *out, struct evaluation_run *run,
                          struct pare_error *err)
{
    int64_t n_batches = (run->n + BATCH - 1) / BATCH;
    double sum = 0;

    for (int64_t b = 0; b < n_batches; b++) {
        if (run->bad[b] >= 0)
            return pare_fail(err, PARE_ENUMERIC,
                             "the network's output for sample %lld is not a finite number",
                             (long long)run->bad[b]);
        sum += run->errors[b];
    }
    *out = (struct pare_evaluation){.n = run->n, .accuracy = NAN, .mse = NAN};
    if (!run->n_classes) {
        out->mse = sum / ((double)run->n * (double)run->n_outputs);
        return PARE_OK;
    }
    for (int64_t i = 0; i < run->n; i++)
        out->n_correct += run->bits[i / 8] >> (i % 8) & 1;
    out->accuracy = (double)out->n_correct / (double)run->n;
    out->bits = run->bits;
    run->bits = NULL;
    return PARE_OK;
}

static pare_status evaluate(struct pare_evaluation *out, const struct pare_graph *graph,
                            struct evaluation_run *run, int n_threads, struct pare_error *err)
{
    const struct pare_plan_options options = {.kernels = PARE_KERNELS_DEFAULT,
                                              .max_batch = BATCH,
                                              .n_threads = 1};
    struct pare_shape sample = pare_data_sample_shape(run->data);
    struct pare_pool *pool = NULL;
    int64_t n_batches = (run->n + BATCH - 1) / BATCH;
    pare_status st;

    *out = (struct pare_evaluation){.accuracy = NAN, .mse = NAN};
    run->n_classes = pare_data_n_classes(run->data);
    run->n_inputs = pare_shape_elems(&sample);
    run->n_outputs = graph->n_outputs ? pare_shape_elems(&graph->outputs[0]->shape) : 0;
    st = check_shapes(run, graph, err);
    if (st)
        return st;

    if (n_threads > n_batches)
        n_threads = (int)n_batches;
    pool = pare_pool_new(n_threads);
    n_threads = pare_pool_n_threads(pool);
    run->plans = pare_xcalloc((size_t)n_threads, sizeof *run->plans);
    run->bits = pare_xcalloc((size_t)(run->n + 7) / 8, 1);
    run->errors = pare_xcalloc((size_t)n_batches, sizeof *run->errors);
    run->bad = pare_xcalloc((size_t)n_batches, sizeof *run->bad);
    for (int i = 0; i < n_threads && !st; i++)
        st = pare_plan_new(&run->plans[i], graph, &options, err);
    if (!st) {
        pare_pool_run(pool, run_thread, run);
        st = atomic_load(&run->failed)
                 ? pare_fail(err, PARE_ENOMEM, "no memory for a batch of %d samples", BATCH)
                 : reduce(out, run, err);
    }
    for (int i = 0; i < n_threads; i++)
        pare_plan_free(run->plans[i]);
    pare_pool_free(pool);
    free(run->plans);
    free(run->bits);
    free(run->errors);
    free(run->bad);
    return st;
}

pare_status pare_evaluate(struct pare_evaluation *out, const struct pare_graph *graph,
                          const struct pare_data *data, int n_threads, struct pare_error *err)
{
    struct evaluation_run run = {.data = data, .n = pare_data_n(data, PARE_VALIDATION)};

    return evaluate(out, graph, &run, n_threads, err);
}

pare_status pare_evaluate_test(struct pare_evaluation *out, const struct pare_graph *graph,
                               struct pare_data_test *test, const struct pare_data *data,
                               int n_threads, struct pare_error *err)
{
    struct evaluation_run run = {.data = data, .test = test, .n = pare_data_test_n(test)};

    return evaluate(out, graph, &run, n_threads, err);
}

void pare_evaluation_clear(struct pare_evaluation *evaluation)
{
    free(evaluation->bits);
    *evaluation = (struct pare_evaluation){.accuracy = NAN, .mse = NAN};
}
