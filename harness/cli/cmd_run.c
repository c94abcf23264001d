/* pare run: run a sweep, or go on where it stopped.  pare worker: what it starts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/run_summary.h"
#include "cli/sweep_args.h"
#include "sweep/run.h"
#include "sweep/worker.h"

static const struct pare_arg options[] = {
    {"results", 'r', "DIR", "where everything goes; else results/NAME", NULL},
    {"trials", 'n', "N", "at most so many trials: short for --set search.trials=N", NULL},
    {"workers", 'w', "N", "processes that compress at once; else one per core", NULL},
    PARE_SWEEP_ARGS,
    {"retry-failed", 0, NULL, "run trials again that failed, crashed, or ran out of time or memory",
     NULL},
    {"restart", 0, NULL,
     "drop the tables of an earlier run; stages that did not change come from the cache", NULL},
    {"quiet", 'q', NULL, "no progress line, no summary", NULL},
    PARE_ARG_END,
};

/* The command line as it was, for the manifest; malloc'ed. */
static char *command_line(int argc, char **argv)
{
    struct pare_text text = {0};

    pare_text_add(&text, "pare");
    for (int i = 0; i < argc; i++)
        pare_text_printf(&text, " %s", argv[i]);
    return pare_text_take(&text);
}

static void print_counts(const struct pare_run_result *result)
{
    fprintf(stderr,
            "%" PRId64 " trials: %" PRId64 " ok, %" PRId64 " infeasible, %" PRId64 " failed",
            result->n_trials, result->n_ok, result->n_infeasible, result->n_failed);
    if (result->n_pending)
        fprintf(stderr, ", %" PRId64 " not finished", result->n_pending);
    fprintf(stderr, "; stages: %" PRId64 " run, %" PRId64 " from the cache\n", result->n_stages_run,
            result->n_stages_reused);
}

/* Whatever the run left, and the exit code. */
static int conclude(const struct pare_run_result *result, bool is_quiet, pare_status st,
                    struct pare_error *err)
{
    bool shows_front = result->n_ok > 0 && !is_quiet && (st == PARE_OK || st == PARE_ETIMEOUT);
    bool has_best = result->n_ok > 0;
    int code = PARE_EXIT_DONE;

    if (result->n_trials > 0)
        print_counts(result);
    if (shows_front) {
        struct pare_error no_summary = {0};
        pare_status shown = pare_run_summary(result->folder, &has_best, &no_summary);

        if (shown)
            code = pare_command_fail(&pare_cmd_run, shown, &no_summary);
    }
    if (st)
        code = pare_command_fail(&pare_cmd_run, st, err);
    else if (!code && !has_best)
        code = PARE_EXIT_INFEASIBLE;
    return code;
}

static int run(int argc, char **argv)
{
    struct pare_args args;
    struct pare_loaded_sweep loaded;
    struct pare_run_options run_options = {0};
    struct pare_run_result result = {0};
    struct pare_error err = {0};
    int64_t n_trials = 0, n_workers = 0;
    pare_status st;
    int code;

    char *line = command_line(argc, argv);

    if (!pare_args_parse(&args, &pare_cmd_run, argc, argv, &code))
        goto done;
    code = PARE_EXIT_USAGE;
    if (!pare_arg_int(&args, "trials", 1, 1000000000, &n_trials) ||
        !pare_arg_int(&args, "workers", 1, 1024, &n_workers))
        goto done;
    code = pare_sweep_args_load(&loaded, &args, args.operands[0]);
    if (code)
        goto done;
    if (n_trials)
        loaded.sweep->n_trials = n_trials;
    run_options = (struct pare_run_options){
        .folder = pare_arg_get(&args, "results", NULL),
        .command_line = line,
        .n_workers = (int)n_workers,
        .retry_failed = pare_arg_given(&args, "retry-failed"),
        .restart = pare_arg_given(&args, "restart"),
        .is_quiet = pare_arg_given(&args, "quiet"),
    };
    st = pare_sweep_run(&result, loaded.sweep, loaded.registry, &run_options, &err);
    code = conclude(&result, run_options.is_quiet, st, &err);
    free(result.folder);
    pare_sweep_args_free(&loaded);
done:
    free(line);
    return code;
}

const struct pare_command pare_cmd_run = {
    .name = "run",
    .summary = "run a sweep, or go on where it stopped; Ctrl-C once stops cleanly",
    .usage = "[OPTION...] SWEEP",
    .details = "Everything finished is in the results folder, so the same command goes on after\n"
               "an interruption, a crash or with more trials, and repeats nothing.\n"
               "Exit code: 0 done, 2 the sweep cannot run, 3 nothing within the constraints or\n"
               "the budget, 4 search.timeout has passed, 130 interrupted.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};

static int worker(int argc, char **argv)
{
    struct pare_args args;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_worker, argc, argv, &code))
        return code;
    return pare_sweep_worker();
}

const struct pare_command pare_cmd_worker = {
    .name = "worker",
    .summary = "what `pare run` starts to compress and to measure",
    .usage = "",
    .is_hidden = true,
    .run = worker,
};
