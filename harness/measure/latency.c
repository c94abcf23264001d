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

#define MIN_RUN_S    200e-6 /* some thousand times the clock's own cost */
#define MAX_RUN_S    5e-3   /* of fast subjects beside slow ones */
#define WARM_UP_S    20e-3  /* until the core has left its sleepy frequency */
#define MAX_ATTEMPTS 4
#define SLOW_RUN_S   0.1 /* so long a call is not worth a second one to warm the caches */

struct timed_calls {
    const struct pare_latency_copies *calls;
    int64_t *n_runs;      /* per sample */
    bool *needs_warm_run; /* other subjects have been through the caches */
};

static int64_t involuntary_switches(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static double time_runs(const struct pare_latency_copies *call, int copy, int64_t n)
{
    void *arg = call->args[copy];
    double start = pare_clock_s();

    for (int64_t i = 0; i < n; i++)
        call->run(arg);
    return pare_clock_s() - start;
}

/* A sample during which another thread took the core says little about the subject: it is taken
 * anew, some times at most, and the sample remembers. */
static struct pare_latency_sample take_sample(void *state, int subject, int copy)
{
    const struct timed_calls *t = state;
    const struct pare_latency_copies *call = &t->calls[subject];
    struct pare_latency_sample sample = {0};
    double start = pare_clock_s();

    for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        int64_t before;

        if (t->needs_warm_run[subject])
            call->run(call->args[copy]);
        before = involuntary_switches();
        sample.seconds = time_runs(call, copy, t->n_runs[subject]) / (double)t->n_runs[subject];
        if (involuntary_switches() == before)
            break;
        sample.is_interrupted = true;
    }
    sample.spent_s = pare_clock_s() - start;
    return sample;
}

/* Seconds of one run, the best of some tries of at least MIN_RUN_S each. */
static double estimate_run(const struct pare_latency_copies *call)
{
    double best = INFINITY;
    int64_t n = 1;

    for (int attempt = 0; attempt < 5; attempt++) {
        double seconds = time_runs(call, 0, n);

        while (seconds < MIN_RUN_S && n < INT64_C(1) << 40) {
            n *= 2;
            seconds = time_runs(call, 0, n);
        }
        best = fmin(best, seconds / (double)n);
        if (seconds > SLOW_RUN_S)
            break;
    }
    return best;
}

/* Warms up and finds how many runs make one sample.  All samples last about as long, so that the
 * machine disturbs all subjects alike and all need about as many blocks. */
static void calibrate(struct timed_calls *t, int n)
{
    double *run_s = pare_xcalloc((size_t)n, sizeof *run_s), slowest = 0, sample_s;

    for (int i = 0; i < n; i++) {
        double start = pare_clock_s();

        for (int copy = 1; copy < t->calls[i].n; copy++)
            time_runs(&t->calls[i], copy, 1);
        do
            time_runs(&t->calls[i], 0, 1);
        while (pare_clock_s() - start < WARM_UP_S);
        run_s[i] = fmax(estimate_run(&t->calls[i]), 1e-10);
        slowest = fmax(slowest, run_s[i]);
    }
    sample_s = fmin(fmax(slowest, MIN_RUN_S), MAX_RUN_S);
    for (int i = 0; i < n; i++) {
        t->n_runs[i] = (int64_t)ceil(sample_s / run_s[i]);
        t->needs_warm_run[i] = run_s[i] < SLOW_RUN_S;
    }
    free(run_s);
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

pare_status pare_latency_measure_copies(const struct pare_latency_copies *subjects, int n,
                                        const struct pare_latency_options *options,
                                        struct pare_latency_result *results, struct pare_error *err)
{
    struct timed_calls timed = {
        .calls = subjects,
        .n_runs = pare_xcalloc((size_t)n, sizeof *timed.n_runs),
        .needs_warm_run = pare_xcalloc((size_t)n, sizeof *timed.needs_warm_run),
    };
    int *n_copies = pare_xcalloc((size_t)n, sizeof *n_copies);
    struct pare_latency_source source = {take_sample, &timed, n_copies};
    cpu_set_t old;
    pare_status st;

    for (int i = 0; i < n; i++) {
        results[i] = (struct pare_latency_result){0}; /* may be cleared whatever happens */
        n_copies[i] = subjects[i].n;
    }
    st = pin(options->cpu, &old, err);
    if (!st) {
        calibrate(&timed, n);
        st = pare_latency_protocol(&source, n, options, results, err);
        sched_setaffinity(0, sizeof old, &old);
    }
    free(n_copies);
    free(timed.n_runs);
    free(timed.needs_warm_run);
    return st;
}

pare_status pare_latency_measure_calls(const struct pare_latency_call *calls, int n,
                                       const struct pare_latency_options *options,
                                       struct pare_latency_result *results, struct pare_error *err)
{
    struct pare_latency_copies *subjects = pare_xcalloc((size_t)n, sizeof *subjects);
    pare_status st;

    for (int i = 0; i < n; i++)
        subjects[i] = (struct pare_latency_copies){calls[i].run, &calls[i].arg, 1};
    st = pare_latency_measure_copies(subjects, n, options, results, err);
    free(subjects);
    return st;
}
