/* The program as a person meets it: help, slips, plans, networks. */
#include "../support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/text.h"

static char *folder; /* of this run */

/* Runs "pare ARGUMENTS" with its output in a pipe's stead; the exit code, stdout and stderr (free
 * both). */
static int run(char **out, char **said, const char *arguments)
{
    const char *program = getenv("PARE");
    char *out_path = pare_path_join(folder, "out"), *err_path = pare_path_join(folder, "err");
    struct pare_text command = {0};
    struct pare_error err;
    size_t n_bytes;
    int status;

    pare_text_printf(&command, "XDG_CACHE_HOME='%s' '%s' %s >'%s' 2>'%s'", folder,
                     program ? program : "build/release/pare", arguments, out_path, err_path);
    status = system(command.s);
    assert_ok(pare_file_read(out, &n_bytes, out_path, 1 << 24, &err), &err);
    assert_ok(pare_file_read(said, &n_bytes, err_path, 1 << 24, &err), &err);
    pare_text_clear(&command);
    free(out_path);
    free(err_path);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The command must end with `code`; its stdout (free it).  Fragments must be in stdout, or with a
 * code above 0 in stderr. */
static char *expect(const char *arguments, int code, const char *const *fragments)
{
    char *out, *said;
    int got = run(&out, &said, arguments);

    if (got != code)
        fail_msg("pare %s: exit code %d, expected %d:\n%s%s", arguments, got, code, out, said);
    for (; *fragments; fragments++)
        if (!strstr(code ? said : out, *fragments))
            fail_msg("pare %s: '%s' is not in:\n%s", arguments, *fragments, code ? said : out);
    free(said);
    return out;
}
#define EXPECT(ARGUMENTS, CODE, ...) \
    free(expect(ARGUMENTS, CODE, (const char *const[]){__VA_ARGS__, NULL}))

static const char *const commands[] = {"check",   "plan", "run",     "status", "show",    "pareto",
                                       "table",   "best", "compare", "bench",  "inspect", "eval",
                                       "methods", "hw",   "data",    "help",   "version"};

static void every_command_has_help_that_fits_a_terminal(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char arguments[64], usage[64], *out;

        snprintf(arguments, sizeof arguments, "%s --help", commands[i]);
        snprintf(usage, sizeof usage, "Usage: pare %s", commands[i]);
        out = expect(arguments, 0, (const char *const[]){usage, "--help", NULL});
        assert_null(strchr(out, '\033'));
        for (const char *line = out; *line; line += strcspn(line, "\n") + 1)
            if (strcspn(line, "\n") > 80)
                fail_msg("pare %s: wider than 80 columns: %.*s", arguments,
                         (int)strcspn(line, "\n"), line);
        free(out);
        snprintf(arguments, sizeof arguments, "help %s", commands[i]);
        EXPECT(arguments, 0, usage);
    }
}

static void the_overview_lists_every_command(void **state)
{
    char *out = expect("--help", 0, (const char *const[]){"Usage: pare COMMAND", NULL});

    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char line[32];

        snprintf(line, sizeof line, "\n  %s ", commands[i]);
        assert_non_null(strstr(out, line));
    }
    assert_null(strstr(out, "worker")); /* for the program itself */
    free(out);
}

static void slips_are_answered_with_what_was_meant(void **state)
{
    (void)state;
    EXPECT("", 2, "Usage: pare COMMAND");
    EXPECT("chekc x", 2, "unknown command 'chekc'; did you mean 'check'?");
    EXPECT("plan --ouput json x", 2, "unknown option '--ouput'; did you mean '--output'?");
    EXPECT("plan --output xml x", 2, "'xml' is not one of text, json");
    EXPECT("plan --output", 2, "option '--output' needs a value");
    EXPECT("check --quiet=yes x", 2, "option '--quiet' takes no value");
    EXPECT("check -Z x", 2, "unknown option '-Z'");
    EXPECT("check", 2, "something is missing", "Try 'pare check --help'");
    EXPECT("check a b", 2, "'b' is one too many");
    EXPECT("inspect lenet55", 2, "did you mean 'lenet5'?");
    EXPECT("methods prune.magnitud", 2, "did you mean 'prune.magnitude'?");
    EXPECT("data get minst", 2, "did you mean 'mnist'?");
    EXPECT("eval lenet5", 2, "--data is missing");
    EXPECT("eval lenet5 --data digit", 2, "digits");
    EXPECT("hw stm32f764", 2, "stm32f746");
}

static void what_there_is_can_be_listed(void **state)
{
    (void)state;
    EXPECT("methods", 0, "distill.logits", "prune.magnitude", "prune.channels", "quant.ptq",
           "lowrank.svd", "train.finetune");
    EXPECT("methods prune.magnitude", 0, "sparsity", "Han et al.");
    EXPECT("help prune.channels", 0, "round_to", "removed channels");
    EXPECT("help train", 0, "epochs", "schedule");
    EXPECT("help sobol", 0, "Joe and Kuo");
    EXPECT("methods --output=json", 0, "[{\"name\": \"");
    EXPECT("hw", 0, "stm32f746");
    EXPECT("hw -o json", 0, "\"name\": \"stm32f746\"");
    EXPECT("data", 0, "digits", "fashion-mnist");
    EXPECT("data list -o json", 0, "\"name\": \"digits\"");
    EXPECT("version", 0, "\"cpu\"", "\"pare_commit\"");
}

static void networks_are_inspected_to_the_digit(void **state)
{
    (void)state;
    EXPECT("inspect lenet5", 0, "2293000", "431080", "[N, 20, 24, 24]");
    EXPECT("inspect -o json lenet-300-100", 0, "\"params\": 266610", "\"op\": \"Gemm\"");
}

static void an_untrained_network_is_evaluated_with_its_interval(void **state)
{
    char *out = expect("eval lenet5 --data digits --split validation -o json", 0,
                       (const char *const[]){"\"n\": 1000", "\"split\": \"validation\"", NULL});
    double accuracy, low, high;

    (void)state;
    assert_int_equal(sscanf(strstr(out, "\"accuracy\""),
                            "\"accuracy\": %lf, \"accuracy_low\": %lf, \"accuracy_high\": %lf",
                            &accuracy, &low, &high),
                     3);
    assert_true(0 <= low && low < accuracy && accuracy < high && high < 0.6);
    free(out);
}

static void a_plan_counts_shared_stages_once(void **state)
{
    static const char sweep[] =
        "version: 1\n"
        "model: {zoo: lenet5}\n"
        "data: {name: digits}\n"
        "train: {epochs: 2, batch: 64}\n"
        "stages:\n"
        "  kd: {method: distill.logits, student: [lenet5-half, lenet5-quarter]}\n"
        "  prune: {method: prune.channels, sparsity: [0.1, 0.2, 0.3, 0.4, 0.5]}\n"
        "  quant: {method: quant.ptq, granularity: [per_tensor, per_channel],\n"
        "          calibrator: [minmax, percentile, mse]}\n"
        "pipelines: [[kd, prune, quant]]\n"
        "objectives: {accuracy: max, size_bytes: min}\n"
        "search: {sampler: grid}\n";
    char *path = pare_path_join(folder, "sweep.yaml"), arguments[4200];
    struct pare_error err;

    (void)state;
    assert_ok(pare_file_write(path, sweep, sizeof sweep - 1, &err), &err);
    snprintf(arguments, sizeof arguments, "plan '%s' -o json", path);
    EXPECT(arguments, 0, "\"points\": 60", "\"stages_by_depth\": [2, 10, 60]", "\"stages\": 72",
           "\"stages_without_sharing\": 180", "\"estimated_time_s\": ");
    snprintf(arguments, sizeof arguments, "plan '%s'", path);
    EXPECT(arguments, 0, "72 (2 + 10 + 60 by depth), 180 without sharing", "estimates");
    snprintf(arguments, sizeof arguments, "check '%s'", path);
    EXPECT(arguments, 0, "valid");
    snprintf(arguments, sizeof arguments, "plan '%s' --set constraints='[prune.sparsity > 0.9]'",
             path);
    EXPECT(arguments, 3, "no point fulfils the constraints");
    free(path);
}

static int make_folder(void **state)
{
    (void)state;
    folder = check_make_dir();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    check_remove_dir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_has_help_that_fits_a_terminal),
        cmocka_unit_test(the_overview_lists_every_command),
        cmocka_unit_test(slips_are_answered_with_what_was_meant),
        cmocka_unit_test(what_there_is_can_be_listed),
        cmocka_unit_test(networks_are_inspected_to_the_digit),
        cmocka_unit_test(an_untrained_network_is_evaluated_with_its_interval),
        cmocka_unit_test(a_plan_counts_shared_stages_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
