#include "report_store.h"

#include "report/best.h"
#include "report/dataset.h"
#include "report/front.h"

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

static struct pare_dataset *load(const char *dir)
{
    struct pare_dataset *data = NULL;
    struct pare_error err = {0};

    assert_ok(pare_dataset_load(&data, dir, &err), &err);
    return data;
}

/* accuracy, half-width, latency, half-width, size */
struct point {
    double accuracy, half, latency, latency_half, size;
};

static struct pare_dataset *made(const char *dir, const char *budget, const struct point *points,
                                 int n)
{
    struct pare_store *store = made_store(dir, MADE_OBJECTIVES, budget);

    for (int id = 0; id < n; id++) {
        const struct point *p = &points[id];

        made_trial(store, id, id ? "chain" : "", "{}");
        if (isnan(p->accuracy))
            made_metric_full(store, id, "accuracy", NAN, NAN, NAN, "1", "unavailable", "why");
        else
            made_metric(store, id, "accuracy", p->accuracy, p->half, "1");
        made_metric(store, id, "accuracy_drop", points[0].accuracy - p->accuracy, p->half, "1");
        made_metric(store, id, "latency_ms@host", p->latency, p->latency_half, "ms");
        made_metric(store, id, "size_bytes", p->size, 0, "B");
    }
    pare_store_close(store);
    return load(dir);
}

static void the_front_has_ties_where_intervals_overlap(void **state)
{
    static const struct point points[] = {
        {0.95, 0.005, 1.0, 0.01, 1000},   /* 0: front */
        {0.90, 0.005, 0.5, 0.01, 500},    /* 1: front */
        {0.89, 0.005, 0.6, 0.01, 600},    /* 2: dominated by 1, clearly */
        {0.899, 0.005, 0.505, 0.01, 500}, /* 3: a tie with 1: nothing is clearly worse */
        {0.899, 0.005, 0.505, 0.01, 501}, /* 4: dominated: one byte more is clear */
        {0.90, 0.005, 0.5, 0.01, 500},    /* 5: the same as 1 */
        {NAN, 0, 0.1, 0.01, 100},         /* 6: cannot be compared */
    };
    struct pare_dataset *data = made(*state, NULL, points, 7);
    struct pare_standing standing[7];
    struct pare_rows rows;

    pare_rows_init(&rows, data, false);
    pare_front_rank(&rows, data->goals, data->n_goals, standing);
    assert_int_equal(standing[0].rank, PARE_RANK_FRONT);
    assert_int_equal(standing[1].rank, PARE_RANK_FRONT);
    assert_int_equal(standing[1].by, -1);
    assert_int_equal(standing[2].rank, PARE_RANK_DOMINATED);
    assert_int_equal(standing[2].by, 1);
    assert_int_equal(standing[3].rank, PARE_RANK_TIE);
    assert_int_equal(standing[3].by, 1);
    assert_int_equal(standing[4].rank, PARE_RANK_DOMINATED);
    assert_int_equal(standing[5].rank, PARE_RANK_TIE);
    assert_int_equal(standing[5].by, 1);
    assert_int_equal(standing[6].rank, PARE_RANK_OFF);
    pare_rows_clear(&rows);
    pare_dataset_free(data);
}

/* Against the definition, on values without intervals. */
static void the_front_is_what_nobody_dominates(void **state)
{
    enum { N = 80 };
    struct point points[N];
    struct pare_standing standing[N];
    struct pare_dataset *data;
    struct pare_rows rows;
    uint64_t seed = 3;
    int n_front = 0;

    for (int i = 0; i < N; i++) { /* few distinct values, so that many are equal; costs pay off */
        double latency = floor(9 * made_random(&seed)), size = floor(9 * made_random(&seed));
        double accuracy = floor((latency + size) / 2 + 4 * made_random(&seed));

        points[i] = (struct point){accuracy, 0, latency, 0, size};
    }
    data = made(*state, NULL, points, N);
    pare_rows_init(&rows, data, false);
    pare_front_rank(&rows, data->goals, data->n_goals, standing);
    for (int i = 0; i < N; i++) {
        bool dominated = false, copy = false;

        for (int k = 0; k < N; k++) {
            const struct point *a = &points[k], *b = &points[i];
            bool no_worse =
                a->accuracy >= b->accuracy && a->latency <= b->latency && a->size <= b->size;
            bool same =
                a->accuracy == b->accuracy && a->latency == b->latency && a->size == b->size;

            dominated = dominated || (no_worse && !same);
            copy = copy || (same && k < i);
        }
        assert_int_equal(standing[i].rank, dominated ? PARE_RANK_DOMINATED
                                           : copy    ? PARE_RANK_TIE
                                                     : PARE_RANK_FRONT);
        n_front += !dominated;
    }
    assert_true(n_front > 2 && n_front < N);
    pare_rows_clear(&rows);
    pare_dataset_free(data);
}

static struct pare_best best_of(const struct pare_dataset *data)
{
    struct pare_best best;
    struct pare_error err = {0};

    assert_ok(pare_best_find(&best, data, &err), &err);
    return best;
}

static void an_accuracy_that_cannot_be_told_from_the_best_gives_way_to_latency(void **state)
{
    static const struct point points[] = {
        {0.950, 0.005, 1.00, 0.01, 400000},    /* over the budget */
        {0.945, 0.005, 0.040, 0.0005, 100000}, /* the most accurate that is feasible */
        {0.942, 0.005, 0.030, 0.0005, 100000}, /* inside its interval, and faster */
        {0.942, 0.005, 0.0302, 0.0005, 90000}, /* as fast as can be told, and smaller */
        {0.941, 0.005, 0.020, 0.0005, 200000}, /* too big */
        {0.930, 0.005, 0.010, 0.0005, 50000},  /* loses too much */
    };
    struct pare_dataset *data = made(*state, MADE_BUDGET, points, 6);
    struct pare_best best = best_of(data);

    assert_int_equal(best.trial->id, 3);
    assert_int_equal(best.n_feasible, 3);
    assert_int_equal(best.runner_up->id, 2);
    assert_true(fabs(best.margins[2].slack - (131072 - 90000)) < 1e-9);
    assert_true(fabs(best.margins[2].fraction - (131072 - 90000) / 131072.0) < 1e-12);
    assert_true(best.margins[2].is_sure);
    assert_false(best.margins[0].is_sure); /* 0.008 +- 0.005 against 0.01 */
    /* Without the size limit trial 4 would win by its latency; without the drop's, nothing. */
    assert_int_equal(best.binding, 2);
    assert_int_equal(best.without_binding->id, 4);
    assert_int_equal(best.tightest, 0);
    pare_best_clear(&best);
    pare_dataset_free(data);
}

static bool is_feasible(const struct pare_trial *trial, const struct pare_dataset *data)
{
    bool feasible = trial->is_ok;

    for (int k = 0; k < data->n_limits; k++)
        feasible = feasible && pare_margin_of(trial, &data->limits[k]).slack >= 0;
    return feasible;
}

static void nobody_as_accurate_as_the_best_is_clearly_faster(void **state)
{
    const struct pare_value *top = NULL, *chosen;
    struct pare_dataset *data;
    struct pare_best best;
    int accuracy, latency, n_rivals = 0;

    made_sweep(*state, 150);
    data = load(*state);
    accuracy = pare_dataset_metric(data, "accuracy");
    latency = pare_dataset_metric(data, "latency_ms@host");
    best = best_of(data);
    assert_true(is_feasible(best.trial, data));
    chosen = &best.trial->values[latency];
    for (int64_t i = 0; i < data->n; i++) {
        const struct pare_value *v = &data->trials[i].values[accuracy];

        if (is_feasible(&data->trials[i], data) && (!top || v->value > top->value))
            top = v;
    }
    assert_true(best.trial->values[accuracy].value >= top->low);
    for (int64_t i = 0; i < data->n; i++) {
        const struct pare_trial *t = &data->trials[i];

        if (!is_feasible(t, data) || t->values[accuracy].value < top->low)
            continue;
        n_rivals++;
        assert_false(pare_value_clearly_better(&t->values[latency], chosen, false));
    }
    assert_true(n_rivals > 5);
    pare_best_clear(&best);
    pare_dataset_free(data);
}

static void without_a_feasible_trial_the_nearest_miss_is_named(void **state)
{
    static const struct point points[] = {
        {0.95, 0.005, 1.0, 0.01, 1000000},    /* 19 times too slow */
        {0.93, 0.005, 0.04, 0.001, 100000},   /* twice the drop */
        {0.945, 0.005, 0.055, 0.001, 140000}, /* 10 % too slow, 7 % too big */
        {NAN, 0, 0.05, 0.001, 132000},
    };
    struct pare_dataset *data = made(*state, MADE_BUDGET, points, 4);
    struct pare_best best = best_of(data);
    struct pare_text out = {0};

    assert_null(best.trial);
    assert_int_equal(best.n_feasible, 0);
    assert_int_equal(best.nearest->id, 2);
    assert_true(best.margins[1].slack < 0);
    pare_best_print(&out, &best, data, false);
    assert_non_null(strstr(out.s, "nothing is within the budget; nearest: trial 2"));
    assert_non_null(strstr(out.s, "over by 10 %"));
    pare_text_clear(&out);
    pare_best_clear(&best);
    pare_dataset_free(data);
}

static void an_unavailable_budget_metric_is_not_within_the_budget(void **state)
{
    struct pare_store *store =
        made_store(*state, MADE_OBJECTIVES,
                   "[{\"metric\": \"energy_mj@host\", \"limit\": 5, \"at_least\": false}]");
    struct pare_dataset *data;
    struct pare_best best;

    made_trial(store, 0, "", "{}");
    made_metric(store, 0, "accuracy", 0.9, 0.01, "1");
    made_metric(store, 0, "latency_ms@host", 1, 0.01, "ms");
    made_metric(store, 0, "size_bytes", 10, 0, "B");
    made_metric_full(store, 0, "energy_mj@host", NAN, NAN, NAN, "mJ", "unavailable", "no RAPL");
    pare_store_close(store);
    data = load(*state);
    best = best_of(data);
    assert_null(best.trial);
    pare_best_clear(&best);
    pare_dataset_free(data);
}

static void a_sweep_without_objectives_has_no_best(void **state)
{
    struct pare_best best;
    struct pare_dataset *data;
    struct pare_error err = {0};

    pare_store_close(made_store(*state, "[]", "[]"));
    data = load(*state);
    assert_int_equal(pare_best_find(&best, data, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "objectives"));
    pare_dataset_free(data);
}

static void the_verdict_reads_well(void **state)
{
    static const struct point points[] = {
        {0.950, 0.005, 1.00, 0.01, 400000},
        {0.945, 0.005, 0.040, 0.0005, 65536},
    };
    struct pare_dataset *data = made(*state, MADE_BUDGET, points, 2);
    struct pare_best best = best_of(data);
    struct pare_text out = {0};

    pare_best_print(&out, &best, data, false);
    assert_non_null(strstr(out.s, "best: trial 1 of 1 feasible\n"));
    assert_non_null(strstr(out.s, "accuracy 94.5 ±0.5 %, latency_ms@host 40.0 ±0.5 µs, "
                                  "size_bytes 64 KiB"));
    assert_non_null(strstr(out.s, "size_bytes <= 128 KiB"));
    assert_non_null(strstr(out.s, "margin 50 %"));
    assert_non_null(strstr(out.s, "/artifacts/1.safetensors\n"));
    assert_null(strstr(out.s, "\033"));
    assert_null(strstr(out.s, "runner-up"));
    pare_text_clear(&out);
    pare_best_clear(&best);
    pare_dataset_free(data);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(the_front_has_ties_where_intervals_overlap),
        TEST(the_front_is_what_nobody_dominates),
        TEST(an_accuracy_that_cannot_be_told_from_the_best_gives_way_to_latency),
        TEST(nobody_as_accurate_as_the_best_is_clearly_faster),
        TEST(without_a_feasible_trial_the_nearest_miss_is_named),
        TEST(an_unavailable_budget_metric_is_not_within_the_budget),
        TEST(a_sweep_without_objectives_has_no_best),
        TEST(the_verdict_reads_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
