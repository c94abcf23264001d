#include "report_store.h"

#include "base/file.h"
#include "io/json.h"
#include "report/compare.h"

static int make_dir(void **state)
{
    *state = check_make_dir();
    return 0;
}

static int remove_dir(void **state)
{
    check_remove_dir(*state);
    return 0;
}

enum { N_SAMPLES = 400, N_BITS = 10000 };

/* What a trial of a run is like. */
struct made {
    double accuracy, latency, size;
    int lost, won; /* bits against the pattern that all share */
};

/* One run on a machine, with data. */
static char *made_run(const char *dir, const char *name, const char *machine, const char *digest,
                      const struct made *trials, int n)
{
    char *folder = pare_path_join(dir, name);
    struct pare_store *store = made_store(folder, MADE_OBJECTIVES, NULL);
    struct pare_error err = {0};
    double samples[N_SAMPLES];
    uint8_t bits[(N_BITS + 7) / 8];
    uint64_t seed = 11 + (uint64_t)name[0];
    char options[64];

    if (machine)
        assert_ok(pare_store_set(store, "machine_digest", machine, &err), &err);
    assert_ok(pare_store_set(store, "data_digest", digest, &err), &err);
    assert_ok(pare_store_begin(store, &err), &err);
    for (int id = 0; id < n; id++) {
        const struct made *m = &trials[id];

        snprintf(options, sizeof options, "{\"a.n\": %d}", id);
        made_trial(store, id, id ? "chain" : "", options);
        memset(bits, 0, sizeof bits);
        for (int i = 0; i < N_BITS; i++) {
            bool right = i < 9000;

            if (i < m->lost)
                right = false;
            if (i >= 9000 && i < 9000 + m->won)
                right = true;
            bits[i / 8] |= (uint8_t)(right << (i % 8));
        }
        made_metric(store, id, "accuracy", (9000.0 - m->lost + m->won) / N_BITS, 0.006, "1");
        made_metric(store, id, "size_bytes", m->size, 0, "B");
        made_metric(store, id, "latency_ms@host", m->latency, 0.01 * m->latency, "ms");
        for (int i = 0; i < N_SAMPLES; i++)
            samples[i] = 1e-3 * m->latency * (0.97 + 0.06 * made_random(&seed));
        assert_ok(pare_store_put_samples(store, id, "latency_ms@host", samples, N_SAMPLES, &err),
                  &err);
        assert_ok(pare_store_put_bits(store, id, "validation", bits, N_BITS, &err), &err);
    }
    assert_ok(pare_store_commit(store, &err), &err);
    pare_store_close(store);
    return folder;
}

static struct pare_comparison *compare(const char *a, const char *b, int64_t trial_a,
                                       int64_t trial_b)
{
    struct pare_compare_options options;
    struct pare_comparison *c = NULL;
    struct pare_error err = {0};

    pare_compare_defaults(&options);
    options.trial_a = trial_a;
    options.trial_b = trial_b;
    assert_ok(pare_compare(&c, a, b, &options, &err), &err);
    return c;
}

static const struct pare_change *find(const struct pare_comparison *c, int64_t id,
                                      const char *metric)
{
    for (int64_t i = 0; i < c->n_changes; i++)
        if (c->changes[i].a->id == id && strcmp(c->changes[i].metric, metric) == 0)
            return &c->changes[i];
    fail_msg("no change of %s in trial %lld", metric, (long long)id);
    return NULL;
}

static void equal_runs_do_not_differ(void **state)
{
    static const struct made trials[] = {{0, 1.0, 1000, 0, 0}, {0, 0.5, 500, 20, 10}};
    char *a = made_run(*state, "a", "box", "data", trials, 2);
    char *b = made_run(*state, "b", "box", "data", trials, 2);
    struct pare_comparison *c = compare(a, b, -1, -1);

    assert_int_equal(c->n_pairs, 2);
    assert_int_equal(c->n_only_a + c->n_only_b, 0);
    assert_int_equal(c->machines, PARE_SAME_MACHINE);
    for (int64_t i = 0; i < c->n_changes; i++)
        assert_int_equal(c->changes[i].verdict, PARE_SAME);
    assert_false(c->any_worse);
    pare_compare_free(c);
    free(a);
    free(b);
}

static void each_metric_is_judged_by_its_own_test(void **state)
{
    static const struct made before[] = {{0, 1.0, 1000, 0, 0},
                                         {0, 1.0, 1000, 0, 0},
                                         {0, 1.0, 1000, 0, 0},
                                         {0, 1.0, 1000, 0, 0}};
    static const struct made after[] = {
        {0, 1.0, 1000, 0, 0},
        {0, 1.2, 1001, 60, 20}, /* slower, bigger, less accurate: 80 of 10000 differ, clearly */
        {0, 0.7, 900, 10, 60},  /* better in all */
        {0, 1.03, 1000, 12, 6}, /* nothing that counts */
    };
    char *a = made_run(*state, "a", "box", "data", before, 4);
    char *b = made_run(*state, "b", "box", "data", after, 4);
    struct pare_comparison *c = compare(a, b, -1, -1);
    const struct pare_change *change;

    assert_int_equal(find(c, 1, "accuracy")->verdict, PARE_WORSE);
    assert_int_equal(find(c, 1, "latency_ms@host")->verdict, PARE_WORSE);
    assert_int_equal(find(c, 1, "size_bytes")->verdict, PARE_WORSE);
    assert_int_equal(find(c, 2, "accuracy")->verdict, PARE_BETTER);
    assert_int_equal(find(c, 2, "latency_ms@host")->verdict, PARE_BETTER);
    assert_int_equal(find(c, 2, "size_bytes")->verdict, PARE_BETTER);
    assert_int_equal(find(c, 3, "accuracy")->verdict, PARE_SAME);
    assert_int_equal(find(c, 3, "latency_ms@host")->verdict, PARE_SAME);
    assert_int_equal(find(c, 3, "size_bytes")->verdict, PARE_SAME);
    change = find(c, 1, "latency_ms@host");
    assert_true(change->is_ratio && change->change > 1.15 && change->change < 1.25);
    assert_true(change->low < change->change && change->high > change->change);
    change = find(c, 1, "accuracy");
    assert_true(fabs(change->change - -0.004) < 1e-9);
    assert_true(change->low < change->change && change->high > change->change);
    assert_true(change->high < 0 && change->p < 0.001);
    assert_non_null(strstr(change->evidence, "60 lost, 20 won of 10000"));
    assert_true(c->any_worse);
    pare_compare_free(c);
    free(a);
    free(b);
}

static void many_pairs_do_not_make_false_alarms(void **state)
{
    enum { N = 120 };
    struct made before[N], after[N];
    struct pare_comparison *c;
    int n_suspicious = 0;
    char *a, *b;

    /* One in twenty comparisons of equals has p < 0.05 by chance: 30 against 15 is p = 0.036. */
    for (int i = 0; i < N; i++) {
        before[i] = (struct made){0, 1, 1000, 0, 0};
        after[i] = before[i];
        if (i % 20 == 3) {
            after[i].lost = 30;
            after[i].won = 15;
            n_suspicious++;
        }
    }
    after[50].lost = 80; /* and one real loss */
    a = made_run(*state, "a", "box", "data", before, N);
    b = made_run(*state, "b", "box", "data", after, N);
    c = compare(a, b, -1, -1);
    assert_true(n_suspicious == 6);
    for (int i = 0; i < N; i++)
        assert_int_equal(find(c, i, "accuracy")->verdict, i == 50 ? PARE_WORSE : PARE_SAME);
    pare_compare_free(c);
    /* alone, it is what it is */
    c = compare(a, b, 3, 3);
    assert_int_equal(find(c, 3, "accuracy")->verdict, PARE_WORSE);
    pare_compare_free(c);
    free(a);
    free(b);
}

static void times_of_different_machines_are_not_judged(void **state)
{
    static const struct made before[] = {{0, 1.0, 1000, 0, 0}}, after[] = {{0, 3.0, 1000, 0, 0}};
    char *a = made_run(*state, "a", "box", "data", before, 1);
    char *b = made_run(*state, "b", "other box", "data", after, 1);
    char *unknown = made_run(*state, "c", NULL, "data", after, 1);
    struct pare_comparison *c = compare(a, b, -1, -1);
    struct pare_text out = {0};

    assert_int_equal(c->machines, PARE_OTHER_MACHINE);
    assert_int_equal(find(c, 0, "latency_ms@host")->verdict, PARE_UNSURE);
    assert_int_equal(find(c, 0, "latency_ms@host")->apparent, PARE_WORSE);
    assert_false(c->any_worse);
    pare_compare_print(&out, c, PARE_TABLE_TEXT, 20, 80, false);
    assert_non_null(strstr(out.s, "the machines differ"));
    pare_text_clear(&out);
    pare_compare_free(c);
    c = compare(a, unknown, -1, -1);
    assert_int_equal(c->machines, PARE_UNKNOWN_MACHINE);
    assert_int_equal(find(c, 0, "latency_ms@host")->verdict, PARE_UNSURE);
    pare_compare_free(c);
    free(a);
    free(b);
    free(unknown);
}

static void other_data_are_not_paired(void **state)
{
    static const struct made before[] = {{0, 1, 1000, 0, 0}}, after[] = {{0, 1, 1000, 60, 20}};
    char *a = made_run(*state, "a", "box", "data", before, 1);
    char *b = made_run(*state, "b", "box", "other data", after, 1);
    struct pare_comparison *c = compare(a, b, -1, -1);
    const struct pare_change *change = find(c, 0, "accuracy");

    assert_true(isnan(change->p));
    assert_int_equal(change->verdict, PARE_SAME); /* 0.4 points inside +-0.6 */
    assert_non_null(strstr(change->evidence, "not paired"));
    pare_compare_free(c);
    free(a);
    free(b);
}

static void the_machine_is_also_found_in_the_identity(void **state)
{
    static const struct made trials[] = {{0, 1, 1000, 0, 0}};
    char *a = made_run(*state, "a", NULL, "data", trials, 1);
    char *b = made_run(*state, "b", NULL, "data", trials, 1);
    struct pare_error err = {0};
    struct pare_comparison *c;

    for (int i = 0; i < 2; i++) {
        struct pare_store *store = NULL;

        assert_ok(pare_store_open(&store, i ? b : a, false, &err), &err);
        assert_ok(pare_store_set(store, "identity", "{\"the machine\": \"abc\"}", &err), &err);
        pare_store_close(store);
    }
    c = compare(a, b, -1, -1);
    assert_int_equal(c->machines, PARE_SAME_MACHINE);
    pare_compare_free(c);
    free(a);
    free(b);
}

static void a_trial_that_fails_now_is_a_regression(void **state)
{
    static const struct made trials[] = {{0, 1, 1000, 0, 0},
                                         {0, 1, 1000, 0, 0},
                                         {0, 1, 1000, 0, 0}};
    char *a = made_run(*state, "a", "box", "data", trials, 3);
    char *b = made_run(*state, "b", "box", "data", trials, 2);
    struct pare_store *store = NULL;
    struct pare_error err = {0};
    struct pare_comparison *c;

    assert_ok(pare_store_open(&store, b, false, &err), &err);
    made_trial_status(store, 1, "chain", "{\"a.n\": 1}", "crash", "signal 11");
    made_trial(store, 7, "chain", "{\"a.n\": 7}");
    pare_store_close(store);
    c = compare(a, b, -1, -1);
    assert_int_equal(c->n_pairs, 2);
    assert_int_equal(c->n_only_a, 1);
    assert_int_equal(c->n_only_b, 1);
    assert_int_equal(find(c, 1, "status")->verdict, PARE_WORSE);
    assert_string_equal(find(c, 1, "status")->evidence, "ok -> crash: signal 11");
    assert_string_equal(c->metrics[0], "status");
    assert_true(c->any_worse);
    pare_compare_free(c);
    free(a);
    free(b);
}

static void two_trials_of_one_run_can_be_compared(void **state)
{
    static const struct made trials[] = {{0, 1, 1000, 0, 0}, {0, 2, 500, 0, 0}};
    char *a = made_run(*state, "a", "box", "data", trials, 2);
    struct pare_comparison *c = compare(a, a, 0, 1);
    struct pare_compare_options options;
    struct pare_error err = {0};

    assert_int_equal(c->n_pairs, 1);
    assert_int_equal(find(c, 0, "size_bytes")->verdict, PARE_BETTER);
    assert_int_equal(find(c, 0, "latency_ms@host")->verdict, PARE_WORSE);
    pare_compare_free(c);
    pare_compare_defaults(&options);
    options.trial_a = 0;
    options.trial_b = 9;
    assert_int_equal(pare_compare(&c, a, a, &options, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "no trial 9"));
    free(a);
}

static void every_format_prints_and_json_parses_back(void **state)
{
    static const struct made before[] = {{0, 1, 1000, 0, 0}, {0, 1, 1000, 0, 0}};
    static const struct made after[] = {{0, 1.3, 1100, 60, 20}, {0, 1, 1000, 0, 0}};
    char *a = made_run(*state, "a", "box", "data", before, 2);
    char *b = made_run(*state, "b", "box", "data", after, 2);
    struct pare_comparison *c = compare(a, b, -1, -1);
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct pare_json *json;
    double value;

    pare_compare_print(&out, c, PARE_TABLE_JSON, 20, 80, false);
    assert_ok(pare_json_parse(&json, out.s, out.n, &err), &err);
    assert_int_equal(pare_json_n(json), 6); /* 2 pairs of 3 metrics, "same" too */
    assert_string_equal(pare_json_get_string(pare_json_at(json, 0), "verdict", ""), "worse");
    assert_true(pare_json_number(pare_json_get(pare_json_at(json, 0), "change"), &value));
    pare_json_free(json);
    pare_text_clear(&out);

    pare_compare_print(&out, c, PARE_TABLE_CSV, 20, 80, false);
    assert_int_equal(strncmp(out.s, "metric,verdict,trial_a,", 23), 0);
    pare_text_clear(&out);

    pare_compare_print(&out, c, PARE_TABLE_TEXT, 1, 80, false);
    assert_non_null(strstr(out.s, "2 trials compared"));
    assert_non_null(strstr(out.s, "2 more: -o csv has all"));
    for (const char *line = out.s; *line; line += strcspn(line, "\n") + 1)
        if (strncmp(line, "A: ", 3) != 0 && strncmp(line, "B: ", 3) != 0)
            assert_true(strcspn(line, "\n") <= 90); /* bytes: µ and ± have two */
    pare_text_clear(&out);

    pare_compare_print(&out, c, PARE_TABLE_MD, 20, 80, false);
    assert_non_null(strstr(out.s, "| worse | 0 | 0 |"));
    pare_text_clear(&out);
    pare_compare_print(&out, c, PARE_TABLE_LATEX, 20, 80, false);
    assert_non_null(strstr(out.s, "\\toprule"));
    pare_text_clear(&out);
    pare_compare_free(c);
    free(a);
    free(b);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(equal_runs_do_not_differ),
        TEST(each_metric_is_judged_by_its_own_test),
        TEST(many_pairs_do_not_make_false_alarms),
        TEST(times_of_different_machines_are_not_judged),
        TEST(other_data_are_not_paired),
        TEST(the_machine_is_also_found_in_the_identity),
        TEST(a_trial_that_fails_now_is_a_regression),
        TEST(two_trials_of_one_run_can_be_compared),
        TEST(every_format_prints_and_json_parses_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
