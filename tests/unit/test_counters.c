#include "../support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "measure/counters.h"

enum { N_PAGES = 100, PAGE_BYTES = 4096 };

/* Every call touches this many fresh pages, so the truth is known. */
static void touch_pages(void *arg)
{
    char *pages = mmap(NULL, N_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        return;
    madvise(pages, N_PAGES * PAGE_BYTES, MADV_NOHUGEPAGE);
    for (int i = 0; i < N_PAGES; i++)
        pages[i * PAGE_BYTES] = 1;
    munmap(pages, N_PAGES * PAGE_BYTES);
    ++*(int *)arg;
}

static void a_value_is_believed_only_with_its_cause_empty(void **state)
{
    struct pare_counter counters[] = {
        {.event = "PAPI_TOT_INS"},          {.event = "PAPI_L1_DCM"},
        {.event = "PAPI_FP_OPS"},           {.event = "perf::PAGE-FAULTS"},
        {.event = "perf::CPU-MIGRATIONS"},  {.event = "perf::TASK-CLOCK"},
        {.event = "perf::CONTEXT-SWITCHES"}};
    int n = (int)(sizeof counters / sizeof counters[0]), n_calls = 0;

    (void)state;
    pare_counters_read(counters, n, touch_pages, &n_calls, 10);
    for (int i = 0; i < n; i++) {
        if (isnan(counters[i].value))
            assert_true(strlen(counters[i].cause) > 10);
        else
            assert_string_equal(counters[i].cause, "");
        print_message("%s: %g %s\n", counters[i].event, counters[i].value, counters[i].cause);
    }
    assert_true(n_calls >= 10);
}

static void instructions_are_never_zero(void **state)
{
    struct pare_counter counter = {.event = "PAPI_TOT_INS"};
    int n_calls = 0;

    (void)state;
    pare_counters_read(&counter, 1, touch_pages, &n_calls, 3);
    assert_true(isnan(counter.value) || counter.value > N_PAGES);
}

static void page_faults_are_counted_per_call(void **state)
{
    struct pare_counter counter = {.event = "perf::PAGE-FAULTS"};
    int n_calls = 0;

    (void)state;
    pare_counters_read(&counter, 1, touch_pages, &n_calls, 20);
    if (isnan(counter.value)) {
        print_message("SKIPPED: %s\n", counter.cause);
        skip();
    }
    /* Faults of the program's own first touches come on top, some per run at most. */
    assert_true(counter.value >= N_PAGES && counter.value < 1.5 * N_PAGES);
}

static void unknown_names_are_refused(void **state)
{
    struct pare_counter counter = {.event = "PAPI_COFFEE"};
    char long_name[2000];
    int n_calls = 0;

    (void)state;
    pare_counters_read(&counter, 1, touch_pages, &n_calls, 1);
    assert_true(isnan(counter.value));
    assert_non_null(strstr(counter.cause, "no event of this name"));
    assert_false(pare_counter_name_is_valid("PAPI_COFFEE"));
    assert_false(pare_counter_name_is_valid(""));
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_false(pare_counter_name_is_valid(long_name));
    assert_true(pare_counter_name_is_valid("PAPI_TOT_INS")); /* a name, counted here or not */
}

static void nothing_run_is_nothing_counted(void **state)
{
    struct pare_counter counter = {.event = "perf::PAGE-FAULTS"};

    (void)state;
    pare_counters_read(&counter, 1, touch_pages, NULL, 0);
    assert_true(isnan(counter.value));
    assert_string_equal(counter.cause, "nothing was run");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_believed_only_with_its_cause_empty),
        cmocka_unit_test(instructions_are_never_zero),
        cmocka_unit_test(page_faults_are_counted_per_call),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(nothing_run_is_nothing_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
