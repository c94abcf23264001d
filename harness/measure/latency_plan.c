/* Networks as subjects of the latency protocol. */
#include "measure/latency.h"

#include <stdlib.h>

#include "base/arena.h"

/* Copies of a network together may hold so many bytes of weights. */
#define MAX_COPIES_BYTES (INT64_C(256) << 20)

struct plan_run {
    struct pare_plan *plan;
    const float *input;
    float *output;
    bool owns_plan;
};

/* Runs that mean the same network. */
struct plan_copies {
    struct plan_run runs[PARE_LATENCY_MAX_COPIES];
    void *args[PARE_LATENCY_MAX_COPIES]; /* pointers to the runs */
    int n;
};

static void run_plan(void *arg)
{
    struct plan_run *run = arg;

    pare_plan_run(run->plan, run->input, 1, run->output);
}

/* Floats that hold one output: no layer has more elements than bytes, and one of them makes it. */
static size_t output_room(const struct pare_plan *plan)
{
    int64_t room = 4096;

    for (int i = 0; i < pare_plan_n_layers(plan); i++) {
        struct pare_plan_layer layer = pare_plan_layer(plan, i);

        room = layer.output_bytes > room ? layer.output_bytes : room;
        room = layer.input_bytes > room ? layer.input_bytes : room;
    }
    return (size_t)room;
}

static pare_status add_run(struct plan_copies *copies, struct pare_plan *plan, const float *input,
                           bool owns_plan, struct pare_error *err)
{
    struct plan_run *run = &copies->runs[copies->n];

    *run = (struct plan_run){.plan = plan, .input = input, .owns_plan = owns_plan};
    copies->args[copies->n++] = run;
    run->output = calloc(output_room(plan), sizeof *run->output);
    if (!run->output)
        return pare_fail(err, PARE_ENOMEM, "no memory for the output of a measured network");
    return PARE_OK;
}

static pare_status add_compiled(struct plan_copies *copies,
                                const struct pare_latency_graph *subject, struct pare_error *err)
{
    const struct pare_plan_options options = {.kernels = PARE_KERNELS_TUNED,
                                              .max_batch = 1,
                                              .n_threads = 1};
    struct pare_plan *plan;
    pare_status st = pare_plan_new(&plan, subject->graph, &options, err);

    return st ? st : add_run(copies, plan, subject->input, true, err);
}

static pare_status measure(struct plan_copies *copies, int n,
                           const struct pare_latency_options *options,
                           struct pare_latency_result *results, struct pare_error *err)
{
    struct pare_latency_copies *calls = pare_xcalloc((size_t)n, sizeof *calls);
    pare_status st;

    for (int i = 0; i < n; i++)
        calls[i] = (struct pare_latency_copies){run_plan, copies[i].args, copies[i].n};
    st = pare_latency_measure_copies(calls, n, options, results, err);
    free(calls);
    return st;
}

static void free_copies(struct plan_copies *copies, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < copies[i].n; k++) {
            if (copies[i].runs[k].owns_plan)
                pare_plan_free(copies[i].runs[k].plan);
            free(copies[i].runs[k].output);
        }
    free(copies);
}

pare_status pare_latency_measure(const struct pare_latency_subject *subjects, int n,
                                 const struct pare_latency_options *options,
                                 struct pare_latency_result *results, struct pare_error *err)
{
    struct plan_copies *copies = pare_xcalloc((size_t)n, sizeof *copies);
    pare_status st = PARE_OK;

    for (int i = 0; i < n; i++)
        results[i] = (struct pare_latency_result){0};
    for (int i = 0; i < n && !st; i++)
        st = add_run(&copies[i], subjects[i].plan, subjects[i].input, false, err);
    if (!st)
        st = measure(copies, n, options, results, err);
    free_copies(copies, n);
    return st;
}

pare_status pare_latency_measure_graphs(const struct pare_latency_graph *subjects, int n,
                                        int n_copies, const struct pare_latency_options *options,
                                        struct pare_latency_result *results, struct pare_error *err)
{
    struct plan_copies *copies = pare_xcalloc((size_t)n, sizeof *copies);
    pare_status st = PARE_OK;

    n_copies = n_copies < 1                         ? 1
               : n_copies > PARE_LATENCY_MAX_COPIES ? PARE_LATENCY_MAX_COPIES
                                                    : n_copies;
    for (int i = 0; i < n; i++)
        results[i] = (struct pare_latency_result){0};
    /* Round by round, so that copies of one network do not lie side by side. */
    for (int k = 0; k < n_copies; k++)
        for (int i = 0; i < n && !st; i++)
            if (k == 0 ||
                (k + 1) * pare_plan_weight_bytes(copies[i].runs[0].plan) <= MAX_COPIES_BYTES)
                st = add_compiled(&copies[i], &subjects[i], err);
    if (!st)
        st = measure(copies, n, options, results, err);
    free_copies(copies, n);
    return st;
}
