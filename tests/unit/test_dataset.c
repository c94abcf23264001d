#include "report_store.h"

#include "report/dataset.h"
#include "report/filter.h"
#include "report/format.h"

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

static void a_sweep_is_loaded_with_its_goals_limits_and_pipelines(void **state)
{
    struct pare_dataset *data;
    const struct pare_trial *trial;

    made_sweep(*state, 40);
    data = load(*state);
    assert_string_equal(data->name, "made-up");
    assert_int_equal(data->n, 40);
    assert_int_equal(data->n_pipelines, 4);
    assert_int_equal(data->n_goals, 3);
    assert_string_equal(data->goals[0].name, "accuracy");
    assert_true(data->goals[0].maximize);
    assert_false(data->goals[2].maximize);
    assert_int_equal(data->n_limits, 3);
    assert_true(data->limits[2].limit == 131072);
    assert_int_equal(data->limits[2].metric, pare_dataset_metric(data, "size_bytes"));
    assert_ptr_equal(data->baseline, pare_dataset_trial(data, 0));
    assert_int_equal(data->baseline->i_pipeline, -1);

    trial = pare_dataset_trial(data, 5);
    assert_int_equal(trial->id, 5);
    assert_string_equal(trial->pipeline, "kd > prune > tune > quant");
    assert_string_equal(pare_trial_option(trial, "tune.epochs"), "3");
    assert_null(pare_trial_option(trial, "tune.lr"));
    assert_true(trial->values[pare_dataset_metric(data, "accuracy")].provenance == PARE_MEASURED);
    assert_true(trial->values[pare_dataset_metric(data, "macs")].provenance == PARE_COUNTED);
    assert_true(trial->values[pare_dataset_metric(data, "energy_mj@m7")].provenance ==
                PARE_MODELED);
    assert_true(trial->values[pare_dataset_metric(data, "PAPI_TOT_INS@host")].provenance ==
                PARE_UNAVAILABLE);
    assert_false(pare_dataset_trial(data, 28)->is_ok);
    assert_true(pare_dataset_trial(data, 28)->values[0].provenance == PARE_ABSENT);
    assert_null(pare_dataset_trial(data, 40));
    pare_dataset_free(data);
}

static void a_missing_drop_is_derived_from_paired_bits(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    struct pare_error err = {0};
    struct pare_dataset *data;
    uint8_t base[13], mine[13];
    int drop;

    memset(base, 0xff, sizeof base);
    memset(mine, 0xff, sizeof mine);
    mine[0] = 0x3f; /* two lost of 100 */
    for (int id = 0; id < 3; id++)
        made_trial(store, id, "c", "{}");
    made_metric(store, 0, "accuracy", 1.0, 0.01, "1");
    made_metric(store, 1, "accuracy", 0.98, 0.01, "1");
    assert_ok(pare_store_put_bits(store, 0, "validation", base, 100, &err), &err);
    assert_ok(pare_store_put_bits(store, 1, "validation", mine, 100, &err), &err);
    pare_store_close(store);

    data = load(*state);
    drop = pare_dataset_metric(data, "accuracy_drop");
    assert_true(drop >= 0);
    assert_true(fabs(data->trials[1].values[drop].value - 0.02) < 1e-12);
    assert_true(data->trials[1].values[drop].low < 0.02);
    assert_true(data->trials[1].values[drop].high > 0.02);
    assert_true(data->trials[0].values[drop].value == 0);
    assert_true(isnan(data->trials[0].values[drop].low));
    assert_true(data->trials[2].values[drop].provenance == PARE_ABSENT);
    assert_false(pare_dataset_maximizes(data, "accuracy_drop"));
    assert_true(pare_dataset_maximizes(data, "accuracy_test"));
    assert_false(pare_dataset_maximizes(data, "latency_ms@host"));
    pare_dataset_free(data);
}

static void damaged_meta_data_is_a_clear_error(void **state)
{
    struct pare_store *store = made_store(*state, "[{\"metric\": ", NULL);
    struct pare_dataset *data = NULL;
    struct pare_error err = {0};

    pare_store_close(store);
    assert_int_equal(pare_dataset_load(&data, *state, &err), PARE_EFORMAT);
    assert_non_null(strstr(err.text, "objectives"));
    store = made_store(*state, "{}", NULL);
    pare_store_close(store);
    assert_int_equal(pare_dataset_load(&data, *state, &err), PARE_EFORMAT);
    store = made_store(*state, "[]", "[{\"metric\": \"macs\"}]");
    pare_store_close(store);
    assert_int_equal(pare_dataset_load(&data, *state, &err), PARE_EFORMAT);
    assert_non_null(strstr(err.text, "macs"));
}

static void a_store_without_trials_is_an_empty_table(void **state)
{
    struct pare_dataset *data;

    pare_store_close(made_store(*state, MADE_OBJECTIVES, MADE_BUDGET));
    data = load(*state);
    assert_int_equal(data->n, 0);
    assert_null(data->baseline);
    assert_int_equal(data->goals[0].metric, -1);
    pare_dataset_free(data);
}

static int64_t count_where(const struct pare_dataset *data, const char *expression)
{
    struct pare_error err = {0};
    struct pare_rows rows;
    int64_t n;

    pare_rows_init(&rows, data, true);
    assert_ok(pare_rows_where(&rows, data, expression, &err), &err);
    n = rows.n;
    pare_rows_clear(&rows);
    return n;
}

static void expressions_choose_trials(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    struct pare_dataset *data;

    made_trial(store, 0, "", "{}");
    made_trial(store, 1, "a > b", "{\"quant.scheme\": \"W8A8\", \"prune.sparsity\": 0.5}");
    made_trial(store, 2, "b", "{\"quant.scheme\": \"W4A8\"}");
    made_trial_status(store, 3, "b", "{\"prune.sparsity\": 0.25}", "failed", "why");
    made_metric(store, 0, "size_bytes", 1 << 20, 0, "B");
    made_metric(store, 1, "size_bytes", 65536, 0, "B");
    made_metric(store, 2, "size_bytes", 65537, 0, "B");
    pare_store_close(store);
    data = load(*state);
    assert_int_equal(count_where(data, "size_bytes <= 64 KiB"), 1);
    assert_int_equal(count_where(data, "size_bytes < 0.5 * baseline.size_bytes"), 2);
    assert_int_equal(count_where(data, "quant.scheme == W8A8"), 1);
    /* trials without the stage do not have that scheme */
    assert_int_equal(count_where(data, "quant.scheme == W8A8 or quant.scheme == W4A8"), 2);
    assert_int_equal(count_where(data, "prune.sparsity >= 0.3"), 1);
    assert_int_equal(count_where(data, "quant.scheme == W4A8 or prune.sparsity < 0.3"), 2);
    assert_int_equal(count_where(data, "trial.status == failed"), 1);
    assert_int_equal(count_where(data, "trial.id >= 2"), 2);
    assert_int_equal(count_where(data, "trial.pipeline == 'a > b'"), 1);
    pare_dataset_free(data);
}

static void mistakes_in_expressions_name_the_remedy(void **state)
{
    static const char *const wrong[][2] = {
        {"size_byte <= 3", "size_bytes"}, {"quant.schema == W8A8", "quant.scheme"},
        {"size_bytes <=", "character"},   {"size_bytes = 3", "=="},
        {"size_bytes <= 3 ms", "ms"},
    };
    struct pare_store *store = made_store(*state, NULL, NULL);
    struct pare_dataset *data;

    made_trial(store, 1, "a", "{\"quant.scheme\": \"W8A8\"}");
    made_metric(store, 1, "size_bytes", 1, 0, "B");
    pare_store_close(store);
    data = load(*state);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pare_error err = {0};
        struct pare_rows rows;

        pare_rows_init(&rows, data, true);
        assert_int_equal(pare_rows_where(&rows, data, wrong[i][0], &err), PARE_EINVAL);
        if (!strstr(err.text, wrong[i][1]))
            fail_msg("'%s' does not say '%s'", err.text, wrong[i][1]);
        pare_rows_clear(&rows);
    }
    pare_dataset_free(data);
}

static void sorting_puts_the_best_first_and_the_unavailable_last(void **state)
{
    static const struct {
        const char *by;
        int64_t ids[4];
    } cases[] = {{"accuracy", {2, 0, 3, 1}},
                 {"accuracy:asc", {0, 3, 2, 1}},
                 {"accuracy:desc", {2, 0, 3, 1}},
                 {"id", {0, 1, 2, 3}},
                 {"id:desc", {3, 2, 1, 0}}};
    struct pare_store *store = made_store(*state, NULL, NULL);
    static const double values[] = {0.5, NAN, 0.9, 0.5};
    struct pare_dataset *data;
    struct pare_error err = {0};
    struct pare_rows rows;

    for (int id = 0; id < 4; id++) {
        made_trial(store, id, "a", "{}");
        made_metric_full(store, id, "accuracy", values[id], NAN, NAN, "1", "measured", "");
    }
    pare_store_close(store);
    data = load(*state);
    pare_rows_init(&rows, data, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(pare_rows_sort(&rows, data, cases[i].by, &err), &err);
        for (int k = 0; k < 4; k++)
            assert_int_equal(rows.trials[k]->id, cases[i].ids[k]);
    }
    assert_int_equal(pare_rows_sort(&rows, data, "acuracy", &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "did you mean 'accuracy'"));
    assert_int_equal(pare_rows_sort(&rows, data, "accuracy:up", &err), PARE_EINVAL);
    pare_rows_clear(&rows);
    pare_dataset_free(data);
}

static void numbers_show_the_digits_that_their_interval_supports(void **state)
{
    static const struct {
        const char *metric, *unit;
        double value, low, high;
        enum pare_provenance provenance;
        const char *text;
    } cases[] = {
        {"accuracy", "1", 0.91267, 0.9073, 0.9176, PARE_MEASURED, "91.3 ±0.6 %"},
        {"accuracy", "1", 0.91267, 0.91160, 0.91374, PARE_MEASURED, "91.27 ±0.11 %"},
        {"latency_ms@host", "ms", 0.0209, 0.0207, 0.0211, PARE_MEASURED, "20.9 ±0.2 µs"},
        {"latency_ms@host", "ms", 1234.5, 1200, 1260, PARE_MEASURED, "1.23 ±0.04 s"},
        {"latency_ms@m7", "ms", 12.3456, NAN, NAN, PARE_MODELED, "~12.35 ms"},
        {"size_bytes", "B", 65536, NAN, NAN, PARE_COUNTED, "64 KiB"},
        {"size_bytes", "B", 1000, NAN, NAN, PARE_COUNTED, "1000 B"},
        {"size_bytes", "B", 3 << 20, NAN, NAN, PARE_COUNTED, "3 MiB"},
        {"macs", "1", 2293000, NAN, NAN, PARE_COUNTED, "2.293 M"},
        {"accuracy_drop", "1", 0, NAN, NAN, PARE_COUNTED, "0 %"},
        {"accuracy", "1", NAN, NAN, NAN, PARE_UNAVAILABLE, "-"},
        {"energy_mj@m7", "mJ", 0.5, 0.4, 0.7, PARE_MODELED, "~500 ±200 µJ"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pare_value value = {cases[i].value, cases[i].low, cases[i].high, cases[i].provenance,
                                   ""};
        struct pare_text out = {0};

        pare_value_quantity(&out, cases[i].metric, cases[i].unit, &value);
        assert_string_equal(out.s, cases[i].text);
        pare_text_clear(&out);
    }
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(a_sweep_is_loaded_with_its_goals_limits_and_pipelines),
        TEST(a_missing_drop_is_derived_from_paired_bits),
        TEST(damaged_meta_data_is_a_clear_error),
        TEST(a_store_without_trials_is_an_empty_table),
        TEST(expressions_choose_trials),
        TEST(mistakes_in_expressions_name_the_remedy),
        TEST(sorting_puts_the_best_first_and_the_unavailable_last),
        TEST(numbers_show_the_digits_that_their_interval_supports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
