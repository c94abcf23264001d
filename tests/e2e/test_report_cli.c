/* The reporting commands, by the real program on made-up results: what they find, what they print,
 * how they end. */
#include "../unit/report_store.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "io/json.h"

enum { DONE = 0, REGRESSION = 1, USAGE = 2, INFEASIBLE = 3 };

static char program[4096];

static int find_program(void **state)
{
    const char *given = getenv("PARE");

    (void)state;
    if (!realpath(given ? given : "build/release/pare", program) || access(program, X_OK) != 0) {
        print_error("no program %s: run `make` first\n", given ? given : "build/release/pare");
        return -1;
    }
    unsetenv("COLUMNS");
    return 0;
}

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

/* What the program printed, stdout and stderr apart; the texts live until the next call. */
struct answer {
    int code;
    char *out, *err;
};

static struct answer last;

static int forget(void **state)
{
    (void)state;
    free(last.out);
    free(last.err);
    return 0;
}

static struct answer *run(const char *dir, const char *arguments)
{
    char *out = pare_path_join(dir, ".out"), *err = pare_path_join(dir, ".err");
    struct pare_text command = {0};
    struct pare_error error = {0};
    int status;
    size_t n;

    forget(NULL);
    pare_text_printf(&command, "cd '%s' && '%s' %s >.out 2>.err </dev/null", dir, program,
                     arguments);
    status = system(command.s);
    pare_text_clear(&command);
    assert_true(WIFEXITED(status));
    last.code = WEXITSTATUS(status);
    assert_ok(pare_file_read(&last.out, &n, out, 1 << 24, &error), &error);
    assert_ok(pare_file_read(&last.err, &n, err, 1 << 24, &error), &error);
    free(out);
    free(err);
    return &last;
}

static void assert_answer(const struct answer *a, int code, const char *out, const char *err)
{
    if (a->code != code)
        fail_msg("exit code %d, not %d: %s%s", a->code, code, a->out, a->err);
    if (out && !strstr(a->out, out))
        fail_msg("no '%s' in: %s", out, a->out);
    if (err && !strstr(a->err, err))
        fail_msg("no '%s' in: %s", err, a->err);
}

/* results/NAME in the folder. */
static char *results(const char *dir, const char *name, int64_t n)
{
    struct pare_text path = {0};

    pare_text_printf(&path, "%s/results/%s", dir, name);
    made_sweep(path.s, n);
    return pare_text_take(&path);
}

static void results_are_found_by_folder_name_sweep_or_alone(void **state)
{
    char *one = results(*state, "one", 20), *two;
    char *sweep = pare_path_join(*state, "sweep.yaml");
    static const char text[] = "version: 1\nname: two\n";

    assert_answer(run(*state, "best"), DONE, "best: trial", NULL); /* the only one */
    assert_answer(run(*state, "best results/one"), DONE, "best: trial", NULL);
    assert_answer(run(*state, "best results/one/"), DONE, "best: trial", NULL);
    assert_answer(run(*state, "best one"), DONE, "best: trial", NULL);
    assert_answer(run(*state, "best --results results/one"), DONE, "best: trial", NULL);
    assert_ok(pare_file_write(sweep, text, sizeof text - 1, NULL), NULL);
    assert_answer(run(*state, "best sweep.yaml"), USAGE, NULL, "pare run sweep.yaml");
    two = results(*state, "two", 20);
    assert_answer(run(*state, "best sweep.yaml"), DONE, "results/two/artifacts/", NULL);
    assert_answer(run(*state, "best sweep.yaml --results results/one"), DONE,
                  "results/one/artifacts/", NULL);
    assert_answer(run(*state, "best"), USAGE, NULL, "which results? results/one, results/two");
    assert_answer(run(*state, "best three"), USAGE, NULL, "results/three");
    assert_answer(run(*state, "table ."), USAGE, NULL, "no pare.sqlite");
    free(sweep);
    free(one);
    free(two);
}

static void without_results_the_way_to_them_is_told(void **state)
{
    static const char *const commands[] = {"pareto", "table", "best", "status", "show 1"};

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        assert_answer(run(*state, commands[i]), USAGE, NULL, "pare run SWEEP");
}

static void best_ends_with_3_when_nothing_is_within_the_budget(void **state)
{
    char *folder = results(*state, "one", 30);
    struct pare_store *store = NULL;
    struct pare_json *json;
    struct pare_error err = {0};

    assert_answer(run(*state, "best"), DONE, "margin", NULL);
    assert_ok(pare_store_open(&store, folder, false, &err), &err);
    assert_ok(pare_store_set(store, "budget",
                             "[{\"metric\": \"size_bytes\", \"limit\": 10, \"at_least\": false}]",
                             &err),
              &err);
    pare_store_close(store);
    assert_answer(run(*state, "best"), INFEASIBLE, "nothing is within the budget; nearest: trial",
                  NULL);
    assert_answer(run(*state, "best -o json"), INFEASIBLE, "\"feasible\": false", NULL);
    assert_ok(pare_json_parse(&json, last.out, strlen(last.out), &err), &err);
    assert_int_equal(pare_json_kind(json), PARE_JSON_ARRAY);
    pare_json_free(json);
    free(folder);
}

static void tables_go_to_stdout_in_every_format(void **state)
{
    char *folder = results(*state, "one", 40);
    struct pare_error err = {0};
    struct pare_json *json;
    int64_t n_front;

    for (int i = 0; i < 2; i++) {
        const char *command = i ? "pareto" : "table";
        static const char *const formats[][2] = {{"table", "accuracy"},
                                                 {"md", "| ---: |"},
                                                 {"csv", "trial,pipeline,status,"},
                                                 {"latex", "\\begin{tabular}"},
                                                 {"json", "\"size_bytes\": "}};

        for (size_t k = 0; k < 5; k++) {
            char arguments[64];

            snprintf(arguments, sizeof arguments, "%s -o %s", command, formats[k][0]);
            assert_answer(run(*state, arguments), DONE, formats[k][1], NULL);
            assert_string_equal(last.err, "");
        }
        assert_ok(pare_json_parse(&json, last.out, strlen(last.out), &err), &err);
        if (i)
            n_front = pare_json_n(json);
        else
            assert_int_equal(pare_json_n(json), 39); /* trial 28 failed */
        pare_json_free(json);
    }
    assert_true(n_front > 3 && n_front < 39);
    assert_answer(run(*state, "table --all -o csv"), DONE, "\n28,prune > tune > quant,failed,",
                  NULL);
    assert_answer(run(*state, "table -m macs --sort macs -w 'trial.id < 3'"), DONE, "macs", NULL);
    assert_answer(run(*state, "pareto --objective macs:min --objective accuracy:max"), DONE, "macs",
                  NULL);
    free(folder);
}

static void mistakes_are_answered_with_2_and_the_remedy(void **state)
{
    static const char *const wrong[][2] = {
        {"table -m acuracy", "did you mean 'accuracy'"},
        {"table --where 'size_byte < 3'", "size_bytes"},
        {"table --where 'quant.schem == W8A8'", "quant.scheme"},
        {"table --where 'size_bytes <'", "character"},
        {"table --sort latency", "latency_ms@host"},
        {"table -o xml", "latex"},
        {"pareto --objective accuracy", "METRIC:max"},
        {"pareto --axes accuracy", "comma"},
        {"show", "TRIAL"},
        {"show twelve", "number"},
        {"show 999", "no trial 999"},
        {"compare one", "B"},
        {"compare one:1 one", "both sides"},
        {"compare one two", "results/two"},
        {"compare one one --threshold x", "fraction"},
    };
    char *folder = results(*state, "one", 20);

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_answer(run(*state, wrong[i][0]), USAGE, NULL, wrong[i][1]);
        assert_string_equal(last.out, "");
    }
    free(folder);
}

static void status_groups_failures_by_reason(void **state)
{
    char *folder = results(*state, "one", 60);
    struct pare_store *store = NULL;
    struct pare_stage_row stage = {.key = "k",
                                   .label = "prune:prune.channels",
                                   .status = "ok",
                                   .wall_s = 3.5,
                                   .artifact_digest = "d"};
    struct pare_error err = {0};
    int64_t run_id;

    assert_ok(pare_store_open(&store, folder, false, &err), &err);
    assert_ok(pare_store_put_stage(store, &stage, &err), &err);
    assert_ok(pare_store_run_begin(store, "{}", &run_id, &err), &err);
    made_trial_status(store, 60, "c", "{}", "pending", "");
    pare_store_close(store);
    assert_answer(run(*state, "status"), DONE, "61: 58 done, 0 infeasible, 2 failed, 1 pending",
                  NULL);
    assert_non_null(strstr(last.out, "     2  failed     28  prune.channels: no channel is left"));
    assert_non_null(strstr(last.out, "ended without notice"));
    assert_answer(run(*state, "status -o json"), DONE, "\"failed\": 2", NULL);
    free(folder);
}

static void show_has_options_metrics_stages_and_layers(void **state)
{
    char *folder = results(*state, "one", 20);
    struct pare_store *store = NULL;
    struct pare_trial_row trial;
    struct pare_error err = {0};
    struct pare_json *json;
    const struct pare_json *row;
    struct pare_stage_row stages[] = {{.key = "k0",
                                       .parent_key = "",
                                       .label = "baseline of lenet5",
                                       .status = "ok",
                                       .wall_s = 12,
                                       .log = "epoch 1"},
                                      {.key = "k1",
                                       .parent_key = "k0",
                                       .label = "prune:l1",
                                       .status = "ok",
                                       .wall_s = 1,
                                       .log = "cut 3 channels"}};
    struct pare_layer_row layer = {.trial = 5,
                                   .index = 0,
                                   .name = "conv1",
                                   .op = "Conv",
                                   .kernel = "onednn",
                                   .macs = 12345,
                                   .weight_bytes = 600,
                                   .time_us = 3.25};

    assert_ok(pare_store_open(&store, folder, false, &err), &err);
    for (int i = 0; i < 2; i++)
        assert_ok(pare_store_put_stage(store, &stages[i], &err), &err);
    assert_ok(pare_store_put_layer(store, &layer, &err), &err);
    assert_true(pare_store_get_trial(store, 5, &trial));
    trial.stage_key = "k1";
    assert_ok(pare_store_put_trial(store, &trial, &err), &err);
    pare_store_close(store);

    assert_answer(run(*state, "show 5"), DONE, "prune.sparsity", NULL);
    assert_true(strstr(last.out, "baseline of lenet5") < strstr(last.out, "prune:l1"));
    assert_non_null(strstr(last.out, "no PMU in this virtual machine"));
    assert_non_null(strstr(last.out, "conv1"));
    assert_null(strstr(last.out, "cut 3 channels"));
    assert_answer(run(*state, "show one 5 --log"), DONE, "cut 3 channels", NULL);
    assert_answer(run(*state, "show one:5 -o json"), DONE, NULL, NULL);
    assert_ok(pare_json_parse(&json, last.out, strlen(last.out), &err), &err);
    row = pare_json_at(json, 0);
    assert_int_equal(pare_json_n(pare_json_get(row, "stages")), 2);
    assert_int_equal(pare_json_n(pare_json_get(row, "layers")), 1);
    assert_string_equal(
        pare_json_get_string(pare_json_get(pare_json_get(row, "metrics"), "PAPI_TOT_INS@host"),
                             "provenance", ""),
        "unavailable");
    pare_json_free(json);
    free(folder);
}

static void compare_ends_with_1_on_a_confirmed_regression_if_asked_to(void **state)
{
    char *one = results(*state, "one", 20), *two = results(*state, "two", 20);
    struct pare_store *store = NULL;
    struct pare_error err = {0};

    assert_answer(run(*state, "compare one two --fail-on-regression"), DONE, "20 trials compared",
                  NULL);
    assert_ok(pare_store_open(&store, two, false, &err), &err);
    made_metric(store, 3, "size_bytes", 1e7, 0, "B");
    pare_store_close(store);
    assert_answer(run(*state, "compare one two"), DONE, "worse", NULL);
    assert_answer(run(*state, "compare one two --fail-on-regression"), REGRESSION, "size_bytes",
                  NULL);
    assert_answer(run(*state, "compare two one --fail-on-regression"), DONE, "better", NULL);
    assert_answer(run(*state, "compare one two --fail-on-regression -m accuracy"), DONE, NULL,
                  NULL);
    assert_answer(run(*state, "compare one:1 two:1"), DONE, "1 trial compared", NULL);
    free(one);
    free(two);
}

static void plots_are_written_where_they_should(void **state)
{
    char *folder = results(*state, "one", 40);
    char *plot = pare_path_join(folder, "plots/accuracy-vs-latency_ms-host.svg");
    char *axes = pare_path_join(*state, "here/size_bytes-vs-macs.png");

    if (system("command -v gnuplot >/dev/null 2>&1") != 0) {
        print_message("SKIPPED: gnuplot is not installed\n");
        skip();
    }
    assert_answer(run(*state, "pareto --plot"), DONE, "accuracy", "latency_ms-host.svg\n");
    assert_true(pare_file_exists(plot));
    assert_answer(run(*state, "pareto --axes macs,size_bytes --plot-dir here"), DONE, NULL,
                  "here/size_bytes-vs-macs.png");
    assert_true(pare_file_exists(axes));
    assert_answer(run(*state, "pareto --axes macs,nothing"), USAGE, NULL, "nothing");
    free(folder);
    free(plot);
    free(axes);
}

static void a_damaged_store_is_answered_clearly(void **state)
{
    char *folder = results(*state, "one", 40), *path = pare_path_join(folder, "pare.sqlite");

    assert_int_equal(truncate(path, 5000), 0);
    assert_answer(run(*state, "pareto"), USAGE, NULL, "damaged");
    assert_answer(run(*state, "status"), USAGE, NULL, "run the sweep again");
    free(folder);
    free(path);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(results_are_found_by_folder_name_sweep_or_alone),
        TEST(without_results_the_way_to_them_is_told),
        TEST(best_ends_with_3_when_nothing_is_within_the_budget),
        TEST(tables_go_to_stdout_in_every_format),
        TEST(mistakes_are_answered_with_2_and_the_remedy),
        TEST(status_groups_failures_by_reason),
        TEST(show_has_options_metrics_stages_and_layers),
        TEST(compare_ends_with_1_on_a_confirmed_regression_if_asked_to),
        TEST(plots_are_written_where_they_should),
        TEST(a_damaged_store_is_answered_clearly),
    };

    return cmocka_run_group_tests(tests, find_program, forget);
}
