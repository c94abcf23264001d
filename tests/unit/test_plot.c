#include "report_store.h"

#include <dirent.h>
#include <unistd.h>

#include "base/file.h"
#include "report/axis.h"
#include "report/plot.h"
#include "report/summary.h"

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

static void need_gnuplot(void)
{
    if (system("command -v gnuplot >/dev/null 2>&1") != 0) {
        print_message("SKIPPED: gnuplot is not installed\n");
        skip();
    }
}

static char *read_text(const char *path)
{
    struct pare_error err = {0};
    char *text;
    size_t n;

    assert_ok(pare_file_read(&text, &n, path, 1 << 24, &err), &err);
    return text;
}

static int files_in(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;

    for (struct dirent *entry; d && (entry = readdir(d));)
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static char *script_of(const char *dir, const char *x, const char *y)
{
    struct pare_dataset *data = load(dir);
    struct pare_error err = {0};
    struct pare_text out = {0};

    assert_ok(pare_plot_script(&out, data, pare_dataset_metric(data, x),
                               pare_dataset_metric(data, y), &err),
              &err);
    pare_dataset_free(data);
    return pare_text_take(&out);
}

static int count(const char *text, const char *word)
{
    int n = 0;

    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

/* ---- what gnuplot draws ---- */

static void every_picture_is_written_as_svg_and_png(void **state)
{
    char *plots = pare_path_join(*state, "plots"), *svg, *path;
    static const unsigned char signature[] = "\x89PNG\r\n\x1a\n";
    struct pare_text paths = {0};
    struct pare_error err = {0};
    struct pare_dataset *data;

    need_gnuplot();
    made_sweep(*state, 150);
    data = load(*state);
    assert_ok(pare_summary_plots(&paths, data, plots, &err), &err);
    /* two objectives that are costs and the latency of another target */
    assert_int_equal(count(paths.s, ".svg\n"), 3);
    assert_int_equal(count(paths.s, ".png\n"), 3);
    assert_int_equal(files_in(plots), 6); /* and nothing half written */

    path = pare_path_join(plots, "accuracy-vs-latency_ms-host.svg");
    svg = read_text(path);
    assert_non_null(strstr(svg, "kd > prune > tune > quant"));
    assert_non_null(strstr(svg, "validation accuracy (%)"));
    assert_non_null(strstr(svg, "latency on host (µs)"));
    assert_non_null(strstr(svg, "latency on host ≤ 50 µs"));
    assert_non_null(strstr(svg, "accuracy drop ≤ 1 %"));
    assert_non_null(strstr(svg, "★"));
    assert_non_null(strstr(svg, "</svg>"));
    free(svg);
    free(path);
    path = pare_path_join(plots, "accuracy-vs-size_bytes.png");
    svg = read_text(path);
    assert_memory_equal(svg, signature, 8);
    free(svg);
    free(path);
    pare_text_clear(&paths);
    pare_dataset_free(data);
    free(plots);
}

static void the_same_store_gives_the_same_picture(void **state)
{
    char *a, *b;

    made_sweep(*state, 60);
    a = script_of(*state, "latency_ms@host", "accuracy");
    b = script_of(*state, "latency_ms@host", "accuracy");
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void one_point_few_points_and_missing_values_are_drawn(void **state)
{
    struct pare_store *store = made_store(*state, MADE_OBJECTIVES, MADE_BUDGET);
    char *path = pare_path_join(*state, "one.svg"), *script;
    const char *paths[] = {path};
    struct pare_error err = {0};
    struct pare_dataset *data;

    need_gnuplot();
    for (int n = 1; n <= 3; n++) {
        int id = n - 1;

        made_trial(store, id, id ? "chain" : "", "{}");
        made_metric(store, id, "accuracy", id == 2 ? NAN : 0.9, 0, "1");
        made_metric(store, id, "size_bytes", 1000 - id, 0, "B");
        data = load(*state);
        assert_ok(pare_plot_front(data, pare_dataset_metric(data, "size_bytes"),
                                  pare_dataset_metric(data, "accuracy"), paths, 1, &err),
                  &err);
        assert_true(pare_file_exists(path));
        pare_dataset_free(data);
        unlink(path);
    }
    pare_store_close(store);
    script = script_of(*state, "size_bytes", "accuracy");
    assert_non_null(strstr(script, "'2 trials, ")); /* the third has no accuracy */
    assert_null(strstr(script, "nan"));
    free(script);
    free(path);
}

static void nothing_to_draw_is_told(void **state)
{
    struct pare_store *store = made_store(*state, MADE_OBJECTIVES, NULL);
    char *path = pare_path_join(*state, "none.svg"), *plots = pare_path_join(*state, "plots");
    const char *paths[] = {path};
    struct pare_text written = {0};
    struct pare_error err = {0};
    struct pare_dataset *data;

    made_trial(store, 0, "", "{}");
    made_metric(store, 0, "accuracy", NAN, 0, "1");
    made_metric(store, 0, "size_bytes", 1, 0, "B");
    pare_store_close(store);
    data = load(*state);
    assert_int_equal(pare_plot_front(data, 1, 0, paths, 1, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "no trial has both"));
    assert_ok(pare_summary_plots(&written, data, plots, &err), &err);
    assert_null(written.s);
    assert_false(pare_file_exists(path));
    pare_dataset_free(data);
    free(path);
    free(plots);
}

static void hostile_names_stay_text(void **state)
{
    static const char *const chain =
        "a'; system('touch pwned'); b \"`touch pwned`\" _x^2 {/Bold} \n@ \\n >";
    struct pare_store *store = made_store(*state, NULL, NULL);
    char *path = pare_path_join(*state, "it's \"100%\" hostile.svg"), *svg;
    char *pwned = pare_path_join(*state, "pwned");
    const char *paths[] = {path};
    struct pare_error err = {0};
    struct pare_dataset *data;

    need_gnuplot();
    assert_ok(pare_store_set(store, "name", chain, &err), &err);
    for (int id = 0; id < 2; id++) {
        made_trial(store, id, id ? chain : "", "{}");
        made_metric(store, id, "accuracy", 0.9 - 0.1 * id, 0.01, "1");
        made_metric(store, id, "x'y", 3 - id, 0, "'");
    }
    pare_store_close(store);
    data = load(*state);
    assert_int_equal(chdir(*state), 0);
    assert_ok(pare_plot_front(data, pare_dataset_metric(data, "x'y"),
                              pare_dataset_metric(data, "accuracy"), paths, 1, &err),
              &err);
    assert_int_equal(chdir("/"), 0);
    assert_false(pare_file_exists(pwned));
    svg = read_text(path);
    assert_non_null(strstr(svg, "_x^2 {/Bold}"));
    free(svg);
    pare_dataset_free(data);
    free(path);
    free(pwned);
}

static void very_long_names_are_cut_and_go_below(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    char chain[300], *script;

    memset(chain, 'x', sizeof chain - 1);
    chain[sizeof chain - 1] = '\0';
    for (int id = 0; id < 2; id++) {
        made_trial(store, id, id ? chain : "", "{}");
        made_metric(store, id, "accuracy", 0.9, 0.01, "1");
        made_metric(store, id, "macs", 3 - id, 0, "1");
    }
    pare_store_close(store);
    script = script_of(*state, "macs", "accuracy");
    assert_non_null(strstr(script, "set key outside below"));
    assert_non_null(strstr(script, "xxx…'"));
    assert_null(strstr(script, chain));
    free(script);
}

/* ---- what the picture says ---- */

static void pipelines_differ_by_colour_and_shape(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    char chain[32], seen[14][64], *script, *at;
    int n = 0;

    made_trial(store, 0, "", "{}");
    made_metric(store, 0, "accuracy", 0.9, 0, "1");
    made_metric(store, 0, "macs", 100, 0, "1");
    for (int id = 1; id <= 14; id++) {
        snprintf(chain, sizeof chain, "p%d", id);
        made_trial(store, id, chain, "{}");
        made_metric(store, id, "accuracy", 0.9 - 0.01 * id, 0, "1");
        made_metric(store, id, "macs", 100 - id, 0, "1");
    }
    pare_store_close(store);
    script = script_of(*state, "macs", "accuracy");
    at = strstr(script, "keyentry");
    while (at && n < 14) {
        size_t length = (size_t)(strstr(at, " title") - at);

        assert_true(length < sizeof seen[n]);
        memcpy(seen[n], at, length);
        seen[n][length] = '\0';
        for (int k = 0; k < n; k++)
            assert_string_not_equal(seen[n], seen[k]);
        n++;
        at = strstr(at + 8, "keyentry");
    }
    assert_int_equal(n, 14);
    free(script);
}

static void modeled_values_have_hollow_markers(void **state)
{
    char *measured, *modeled;

    made_sweep(*state, 60);
    measured = script_of(*state, "latency_ms@host", "accuracy");
    modeled = script_of(*state, "latency_ms@m7", "accuracy");
    assert_non_null(strstr(measured, "keyentry with points pt 7 "));
    assert_null(strstr(measured, "keyentry with points pt 6 ps 1.15"));
    assert_non_null(strstr(modeled, "keyentry with points pt 6 ps 1.15"));
    free(measured);
    free(modeled);
}

static void the_step_goes_along_the_cost_first(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    char *script;

    for (int id = 0; id < 3; id++) {
        made_trial(store, id, id ? "c" : "", "{}");
        made_metric(store, id, "accuracy", 0.9 - 0.1 * id, 0, "1");
        made_metric(store, id, "macs", 30 - 10 * id, 0, "1");
        made_metric(store, id, "sparsity", 0.1 * id, 0, "1");
    }
    pare_store_close(store);
    script = script_of(*state, "macs", "accuracy");
    assert_non_null(strstr(script, "plot $front using 1:2 with steps "));
    /* by x: the cheapest first */
    assert_non_null(strstr(script, "$front << EOD\n10 70 "));
    free(script);
    script = script_of(*state, "sparsity", "accuracy");
    assert_non_null(strstr(script, "plot $front using 1:2 with fsteps "));
    free(script);
}

/* ---- axes ---- */

static struct pare_axis fit(const char *dir, const double *values, int n, double limit,
                            bool may_cut)
{
    struct pare_store *store = made_store(dir, NULL, NULL);
    struct pare_dataset *data;
    struct pare_rows rows, none = {0};
    struct pare_axis axis;

    for (int id = 0; id < n; id++) {
        made_trial(store, id, "c", "{}");
        made_metric(store, id, "macs", values[id], 0, "x");
    }
    pare_store_close(store);
    data = load(dir);
    pare_rows_init(&rows, data, false);
    pare_axis_fit(&axis, data, 0, &rows, &none, limit, may_cut);
    axis.scale.unit = ""; /* it was lent by the data set */
    pare_rows_clear(&rows);
    pare_dataset_free(data);
    return axis;
}

static void an_axis_is_logarithmic_beyond_a_factor_of_eight(void **state)
{
    struct pare_axis axis = fit(*state, (double[]){1, 3, 8}, 3, NAN, false);
    struct pare_text ticks = {0};

    assert_false(axis.is_log);
    assert_true(axis.low >= 0 && axis.low < 1 && axis.high > 8 && axis.high < 9);
    axis = fit(*state, (double[]){1, 3, 900}, 3, NAN, false);
    assert_true(axis.is_log);
    assert_true(axis.low > 0.5 && axis.low < 1 && axis.high > 900 && axis.high < 1800);
    pare_axis_ticks(&ticks, &axis);
    assert_string_equal(ticks.s, "(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)");
    pare_text_clear(&ticks);
    axis = fit(*state, (double[]){0, 3, 900}, 3, NAN, false); /* no logarithm of 0 */
    assert_false(axis.is_log);
}

static void a_limit_widens_the_axis_within_reason(void **state)
{
    struct pare_axis axis = fit(*state, (double[]){10, 12, 14}, 3, 16, false);

    assert_true(axis.high > 16);
    axis = fit(*state, (double[]){10, 12, 14}, 3, 200, false);
    assert_true(axis.high < 20);
}

static void stray_values_are_counted_and_left_below(void **state)
{
    double values[40];
    struct pare_axis axis;

    for (int i = 0; i < 40; i++)
        values[i] = 90 + 0.1 * i;
    values[7] = values[23] = 10;
    axis = fit(*state, values, 40, NAN, true);
    assert_int_equal(axis.n_below, 2);
    assert_true(axis.low > 85 && axis.low < 90);
    axis = fit(*state, values, 40, NAN, false);
    assert_int_equal(axis.n_below, 0);
    assert_true(axis.low < 10);
}

/* ---- without gnuplot ---- */

static void a_missing_gnuplot_is_told_with_its_package(void **state)
{
    char *path = pare_xstrdup(getenv("PATH")), *plots = pare_path_join(*state, "plots");
    struct pare_text out = {0}, paths = {0};
    struct pare_error err = {0};
    struct pare_dataset *data;
    pare_status drawn, summed;
    bool has_best = false;

    made_sweep(*state, 60);
    data = load(*state);
    setenv("PATH", "/nonexistent", 1);
    drawn = pare_summary_plots(&paths, data, plots, &err);
    summed = pare_summary(&out, *state, 80, false, &has_best, NULL);
    setenv("PATH", path, 1);
    assert_int_equal(drawn, PARE_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "gnuplot-nox"));
    assert_int_equal(files_in(plots), 0);
    /* the sweep's end is not spoilt */
    assert_int_equal(summed, PARE_OK);
    assert_true(has_best);
    assert_non_null(strstr(out.s, "gnuplot-nox"));
    assert_non_null(strstr(out.s, "best: trial"));
    pare_text_clear(&out);
    pare_text_clear(&paths);
    pare_dataset_free(data);
    free(path);
    free(plots);
}

static void a_summary_shows_front_best_and_plots(void **state)
{
    struct pare_text out = {0};
    struct pare_error err = {0};

    need_gnuplot();
    made_sweep(*state, 60);
    assert_ok(pare_summary(&out, *state, 80, false, NULL, &err), &err);
    assert_non_null(strstr(out.s, "pipeline"));
    assert_non_null(strstr(out.s, "runner-up"));
    assert_non_null(strstr(out.s, "/plots/accuracy-vs-size_bytes.png\n"));
    assert_non_null(strstr(out.s, ".safetensors\n"));
    pare_text_clear(&out);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(every_picture_is_written_as_svg_and_png),
        TEST(the_same_store_gives_the_same_picture),
        TEST(one_point_few_points_and_missing_values_are_drawn),
        TEST(nothing_to_draw_is_told),
        TEST(hostile_names_stay_text),
        TEST(very_long_names_are_cut_and_go_below),
        TEST(pipelines_differ_by_colour_and_shape),
        TEST(modeled_values_have_hollow_markers),
        TEST(the_step_goes_along_the_cost_first),
        TEST(an_axis_is_logarithmic_beyond_a_factor_of_eight),
        TEST(a_limit_widens_the_axis_within_reason),
        TEST(stray_values_are_counted_and_left_below),
        TEST(a_missing_gnuplot_is_told_with_its_package),
        TEST(a_summary_shows_front_best_and_plots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
