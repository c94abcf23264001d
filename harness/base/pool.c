#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef PARE_HAVE_DNNL
#include <omp.h>
#endif

#include "base/arena.h"
#include "base/clock.h"

/* Longer than the serial code between two parallel loops of a training step, shorter than anyone
 * notices; waking a sleeping thread costs about as much on a virtual machine. */
#define SPIN_S 20e-6

/* A counter that threads wait on until it changes. */
struct gate {
    _Alignas(64) atomic_uint value;
    atomic_int n_sleepers;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

struct pare_pool {
    int n_threads;
    bool may_spin; /* there is a core for every thread */
    atomic_bool must_end;
    void (*fn)(void *arg, int thread, int n_threads);
    void *arg;
    pthread_t *threads;
    struct gate start, done, barrier;
    _Alignas(64) atomic_int n_running; /* helpers that have not returned from fn yet */
    atomic_int n_arrived;              /* threads at the barrier */
};

struct helper {
    struct pare_pool *pool;
    int thread;
};

static void gate_init(struct gate *gate)
{
    atomic_init(&gate->value, 0);
    atomic_init(&gate->n_sleepers, 0);
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

static void gate_clear(struct gate *gate)
{
    pthread_mutex_destroy(&gate->lock);
    pthread_cond_destroy(&gate->changed);
}

/* Wakes all who wait.  The increment and the look at n_sleepers, and in gate_wait() the
 * announcement and the look at the value, are sequentially consistent: one side sees the other. */
static void gate_open(struct gate *gate)
{
    atomic_fetch_add(&gate->value, 1);
    if (atomic_load(&gate->n_sleepers) == 0)
        return;
    pthread_mutex_lock(&gate->lock);
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Returns when the value is no longer `old`. */
static void gate_wait(struct gate *gate, unsigned old, bool may_spin)
{
    if (may_spin) {
        double end = pare_clock_s() + SPIN_S;

        do {
            for (int i = 0; i < 16; i++) {
                if (atomic_load_explicit(&gate->value, memory_order_acquire) != old)
                    return;
                relax();
            }
        } while (pare_clock_s() < end);
    }
    pthread_mutex_lock(&gate->lock);
    atomic_fetch_add(&gate->n_sleepers, 1);
    while (atomic_load(&gate->value) == old)
        pthread_cond_wait(&gate->changed, &gate->lock);
    atomic_fetch_sub(&gate->n_sleepers, 1);
    pthread_mutex_unlock(&gate->lock);
}

/* Libraries that bring OpenMP must not start a team inside each of our threads. */
static void limit_openmp(void)
{
#ifdef PARE_HAVE_DNNL
    omp_set_num_threads(1);
#endif
}

static void *helper_main(void *arg)
{
    struct helper me = *(struct helper *)arg;
    struct pare_pool *pool = me.pool;
    unsigned seen = 0; /* the value that the gate was made with: no start can be missed */

    free(arg);
    limit_openmp();
    for (;;) {
        gate_wait(&pool->start, seen, pool->may_spin);
        seen++;
        if (atomic_load(&pool->must_end))
            return NULL;
        pool->fn(pool->arg, me.thread, pool->n_threads);
        if (atomic_fetch_sub(&pool->n_running, 1) == 1)
            gate_open(&pool->done);
    }
}

struct pare_pool *pare_pool_new(int n_threads)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    struct pare_pool *pool = NULL;
    sigset_t all, old;
    int n = 1;

    if (posix_memalign((void **)&pool, 64, sizeof *pool) != 0) {
        fputs("pare: out of memory\n", stderr);
        abort();
    }
    *pool = (struct pare_pool){.n_threads = 1};
    limit_openmp();
    if (n_threads <= 1)
        return pool;
    pool->may_spin = pare_cpu_count() >= n_threads;
    pool->threads = pare_xcalloc((size_t)n_threads, sizeof *pool->threads);
    gate_init(&pool->start);
    gate_init(&pool->done);
    gate_init(&pool->barrier);
    /* Signals are the main thread's business, but for the faults of the thread itself. */
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (n < n_threads) {
        struct helper *helper = pare_xcalloc(1, sizeof *helper);

        *helper = (struct helper){pool, n};
        if (pthread_create(&pool->threads[n], NULL, helper_main, helper) != 0) {
            free(helper); /* a limit of the system: a smaller team computes the same */
            break;
        }
        n++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pool->n_threads = n; /* the helpers read it only after the first start */
    return pool;
}

void pare_pool_free(struct pare_pool *pool)
{
    if (!pool)
        return;
    if (pool->threads) {
        atomic_store(&pool->must_end, true);
        gate_open(&pool->start);
        for (int i = 1; i < pool->n_threads; i++)
            pthread_join(pool->threads[i], NULL);
        gate_clear(&pool->start);
        gate_clear(&pool->done);
        gate_clear(&pool->barrier);
        free(pool->threads);
    }
    free(pool);
}

int pare_pool_n_threads(const struct pare_pool *pool)
{
    return pool ? pool->n_threads : 1;
}

void pare_pool_run(struct pare_pool *pool, void (*fn)(void *arg, int thread, int n_threads),
                   void *arg)
{
    unsigned done;

    if (!pool || pool->n_threads == 1) {
        fn(arg, 0, 1);
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    atomic_store(&pool->n_running, pool->n_threads - 1);
    done = atomic_load(&pool->done.value);
    gate_open(&pool->start);
    fn(arg, 0, pool->n_threads);
    gate_wait(&pool->done, done, pool->may_spin);
}

void pare_pool_barrier(struct pare_pool *pool)
{
    unsigned before;

    if (!pool || pool->n_threads == 1)
        return;
    before = atomic_load(&pool->barrier.value);
    if (atomic_fetch_add(&pool->n_arrived, 1) == pool->n_threads - 1) {
        atomic_store(&pool->n_arrived, 0);
        gate_open(&pool->barrier);
    } else {
        gate_wait(&pool->barrier, before, pool->may_spin);
    }
}

/* What a container allows, from its cgroup (version 2); 0: no limit. */
static double cgroup_cores(void)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    double quota, period, cores = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0)
        cores = quota / period;
    fclose(file);
    return cores;
}

int pare_cpu_count(void)
{
    double limit = cgroup_cores();
    cpu_set_t set;
    int n = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    if (limit > 0 && limit < n)
        n = limit < 1 ? 1 : (int)limit;
    return n < 1 ? 1 : n;
}
