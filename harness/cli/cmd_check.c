/* pare check: is the sweep valid, do its data and its model open and fit? */
#include <stdio.h>

#include "cli/sweep_args.h"
#include "sweep/subject.h"

static const struct pare_arg options[] = {
    PARE_SWEEP_ARGS,
    {"quiet", 'q', NULL, "say nothing when all is well", NULL},
    PARE_ARG_END,
};

/* A mistake in the files themselves is told at the section that names them. */
static void print_place(const struct pare_sweep *sweep, const char *section, const char *text)
{
    const struct pare_yaml *node = pare_yaml_get(pare_yaml_root(sweep->doc), section);

    if (!node) /* stages: in the short form */
        node = pare_yaml_root(sweep->doc);
    fprintf(stderr, "%s:%d:%d: %s\n", sweep->path, node->line, node->column, text);
}

static int run(int argc, char **argv)
{
    struct pare_args args;
    struct pare_loaded_sweep loaded;
    struct pare_subject subject;
    struct pare_error err = {0};
    const char *section;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_check, argc, argv, &code))
        return code;
    code = pare_sweep_args_load(&loaded, &args, args.operands[0]);
    if (code)
        return code;
    st = pare_subject_open(&subject, loaded.sweep, &section, &err);
    if (st) {
        print_place(loaded.sweep, section, err.text);
        code = pare_exit_of(st);
    } else if (!pare_arg_given(&args, "quiet")) {
        printf("%s: valid: %d stages in %d pipelines, %d metrics, %d targets\n", args.operands[0],
               loaded.sweep->space->n_stages, loaded.sweep->space->n_chains,
               loaded.sweep->n_metrics, loaded.sweep->n_targets);
    }
    if (!st)
        pare_subject_close(&subject);
    pare_sweep_args_free(&loaded);
    return code;
}

const struct pare_command pare_cmd_check = {
    .name = "check",
    .summary = "is a sweep file valid: types, ranges, orders, data, model",
    .usage = "[OPTION...] SWEEP",
    .details = "Reads the whole file and reports every mistake at once, each with line, column,\n"
               "what is allowed and the nearest name. Paths in the file are relative to the\n"
               "current folder. Exit code 0: valid; 2: not.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
