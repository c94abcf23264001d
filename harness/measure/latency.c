/* The real source of samples: calls timed by the monotonic clock on one pinned core. */
#include "measure/latency.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/arena.h"
#include "base/clock.h"

#define MIN_RUN_S  200e-6 /* some thousand times the clock's own cost */
#define MAX_RUN_S  20e-3
#define WARM_UP_S  20e-3 /* until the core has left its sleepy frequency */
#define SLOW_RUN_S 0.1   /* so long a call is not worth a second one to warm the caches */

struct timed_calls {
    const struct pare_latency_call *calls;
    int64_t *n_runs;      /* per sample */
    bool *needs_warm_run; /* other subjects have been through the caches */
};

static int64_t involuntary_switches(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static double time_runs(const struct pare_latency_call *call, int64_t n)
{
    double start = pare_clock_s();

    for (int64_t i = 0; i < n; i++)
        call->run(call->arg);
    return pare_clock_s() - start;
}

static struct pare_latency_sample take_sample(void *state, int subject)
{
    const struct timed_calls *t = state;
    const struct pare_latency_call *call = &t->calls[subject];
    double start = pare_clock_s(), seconds;
    int64_t before;

    if (t->needs_warm_run[subject])
        call->run(call->arg);
    before = involuntary_switches();
    seconds = time_runs(call, t->n_runs[subject]);
    return (struct pare_latency_sample){
        .seconds = seconds / (double)t->n_runs[subject],
        .is_interrupted = involuntary_switches() != before,
        .spent_s = pare_clock_s() - start,
    };
}

/* Warms up and finds how many runs make one sample.  A sample of a fast subject is made longer
 * beside a slow one, so that both need about as many blocks. */
static void calibrate(struct timed_calls *t, int n)
{
    double slowest = 0, run_s;

    for (int i = 0; i < n; i++) {
        double once = time_runs(&t->calls[i], 1), spent = once;

        while (spent < WARM_UP_S) {
            once = time_runs(&t->calls[i], 1);
            spent += once + 1e-9; /* a clock that stands still must not hold us */
        }
        slowest = fmax(slowest, once);
    }
    run_s = fmin(fmax(slowest / 4, MIN_RUN_S), MAX_RUN_S);
    for (int i = 0; i < n; i++) {
        double seconds;

        t->n_runs[i] = 1;
        while ((seconds = time_runs(&t->calls[i], t->n_runs[i])) < run_s &&
               t->n_runs[i] < INT64_C(1) << 40)
            t->n_runs[i] *= 2;
        t->needs_warm_run[i] = seconds / (double)t->n_runs[i] < SLOW_RUN_S;
    }
}

/* Binds the thread to one core; the set it had before goes to *old. */
static pare_status pin(int cpu, cpu_set_t *old, struct pare_error *err)
{
    cpu_set_t one;

    if (sched_getaffinity(0, sizeof *old, old) != 0)
        return pare_fail(err, PARE_EUNSUPPORTED, "cannot ask for the thread's cores: %s",
                         strerror(errno));
    if (cpu < 0)
        cpu = sched_getcpu(); /* where the system put us is as idle as any */
    if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, old))
        return pare_fail(err, PARE_EINVAL, "core %d is not among those this process may use", cpu);
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        return pare_fail(err, PARE_EUNSUPPORTED, "cannot pin the thread to core %d: %s", cpu,
                         strerror(errno));
    return PARE_OK;
}

pare_status pare_latency_measure_calls(const struct pare_latency_call *calls, int n,
                                       const struct pare_latency_options *options,
                                       struct pare_latency_result *results, struct pare_error *err)
{
    struct timed_calls timed = {
        .calls = calls,
        .n_runs = pare_xcalloc((size_t)n, sizeof *timed.n_runs),
        .needs_warm_run = pare_xcalloc((size_t)n, sizeof *timed.needs_warm_run),
    };
    struct pare_latency_source source = {take_sample, &timed};
    cpu_set_t old;
    pare_status st;

    for (int i = 0; i < n; i++) /* so that they may be cleared whatever happens */
        results[i] = (struct pare_latency_result){0};
    st = pin(options->cpu, &old, err);
    if (!st) {
        calibrate(&timed, n);
        st = pare_latency_protocol(&source, n, options, results, err);
        sched_setaffinity(0, sizeof old, &old);
    }
    free(timed.n_runs);
    free(timed.needs_warm_run);
    return st;
}

struct plan_run {
    struct pare_plan *plan;
    const float *input;
    float *output;
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

pare_status pare_latency_measure(const struct pare_latency_subject *subjects, int n,
                                 const struct pare_latency_options *options,
                                 struct pare_latency_result *results, struct pare_error *err)
{
    struct plan_run *runs = pare_xcalloc((size_t)n, sizeof *runs);
    struct pare_latency_call *calls = pare_xcalloc((size_t)n, sizeof *calls);
    pare_status st = PARE_OK;

    for (int i = 0; i < n; i++)
        results[i] = (struct pare_latency_result){0};
    for (int i = 0; i < n && !st; i++) {
        runs[i] = (struct plan_run){.plan = subjects[i].plan, .input = subjects[i].input};
        runs[i].output = calloc(output_room(subjects[i].plan), sizeof(float));
        calls[i] = (struct pare_latency_call){run_plan, &runs[i]};
        if (!runs[i].output)
            st = pare_fail(err, PARE_ENOMEM, "no memory for the output of a measured network");
    }
    if (!st)
        st = pare_latency_measure_calls(calls, n, options, results, err);
    for (int i = 0; i < n; i++)
        free(runs[i].output);
    free(runs);
    free(calls);
    return st;
}
