#include "../support/check.h"

#include <stdatomic.h>
#include <string.h>

#include "base/pool.h"

struct work {
    struct pare_pool *pool;
    atomic_int n_calls, n_wrong;
    int seen[16];
    long long sums[16];
};

static void mark(void *arg, int thread, int n_threads)
{
    struct work *w = arg;

    atomic_fetch_add(&w->n_calls, 1);
    if (thread < 0 || thread >= n_threads)
        atomic_fetch_add(&w->n_wrong, 1);
    else
        w->seen[thread]++;
}

static void every_thread_runs_once_and_run_waits_for_all(void **state)
{
    (void)state;
    for (int n = 1; n <= 5; n++) { /* more than there are cores, too */
        struct work w = {.pool = pare_pool_new(n)};

        assert_int_equal(pare_pool_n_threads(w.pool), n);
        for (int i = 1; i <= 300; i++) {
            pare_pool_run(w.pool, mark, &w);
            assert_int_equal(w.n_calls, i * n);
            for (int t = 0; t < n; t++)
                assert_int_equal(w.seen[t], i);
        }
        assert_int_equal(w.n_wrong, 0);
        pare_pool_free(w.pool);
    }
}

/* After each barrier every thread must see what all have written before it. */
static void climb(void *arg, int thread, int n_threads)
{
    struct work *w = arg;

    for (int round = 1; round <= 200; round++) {
        w->seen[thread] = round;
        pare_pool_barrier(w->pool);
        for (int t = 0; t < n_threads; t++)
            if (w->seen[t] != round)
                atomic_fetch_add(&w->n_wrong, 1);
        pare_pool_barrier(w->pool);
    }
}

static void a_barrier_holds_everyone(void **state)
{
    (void)state;
    for (int n = 1; n <= 4; n++) {
        struct work w = {.pool = pare_pool_new(n)};

        for (int i = 0; i < 5; i++)
            pare_pool_run(w.pool, climb, &w);
        assert_int_equal(w.n_wrong, 0);
        pare_pool_free(w.pool);
    }
}

static void add_slice(void *arg, int thread, int n_threads)
{
    struct work *w = arg;

    w->sums[thread] = 0;
    for (long long i = thread; i < 10000; i += n_threads)
        w->sums[thread] += i;
}

static void plain_stores_are_seen_after_run(void **state)
{
    struct work w = {.pool = pare_pool_new(3)};

    (void)state;
    for (int i = 0; i < 200; i++) {
        memset(w.sums, 0, sizeof w.sums);
        pare_pool_run(w.pool, add_slice, &w);
        assert_int_equal(w.sums[0] + w.sums[1] + w.sums[2], 10000LL * 9999 / 2);
    }
    pare_pool_free(w.pool);
}

static void a_pool_that_never_ran_can_be_freed(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        pare_pool_free(pare_pool_new(1 + i % 4));
    pare_pool_free(NULL);
    assert_true(pare_cpu_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_runs_once_and_run_waits_for_all),
        cmocka_unit_test(a_barrier_holds_everyone),
        cmocka_unit_test(plain_stores_are_seen_after_run),
        cmocka_unit_test(a_pool_that_never_ran_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
