/* The commands of pare: one descriptor each, collected by main.c in the order of its table.
 *
 * A command reads its own command line with args.h, writes data to stdout and talk to stderr, and
 * returns the exit code of the program. */
#ifndef PARE_CLI_COMMAND_H
#define PARE_CLI_COMMAND_H

#include <stdbool.h>

#include <pare/status.h>

enum pare_exit {
    PARE_EXIT_DONE = 0,
    PARE_EXIT_REGRESSION = 1, /* confirmed */
    PARE_EXIT_USAGE = 2,      /* usage or configuration: something that the user can mend */
    PARE_EXIT_INFEASIBLE = 3, /* nothing fulfils the constraints or the budget */
    PARE_EXIT_PARTIAL = 4,    /* a budget of time or trials is used up, part of the work is done */
    PARE_EXIT_UNSTABLE = 5,   /* a measurement did not settle */
    PARE_EXIT_INTERRUPTED = 130,
};

struct pare_arg; /* args.h */

struct pare_command {
    const char *name;    /* "check" */
    const char *summary; /* one line for `pare help` */
    const char *usage;   /* what follows "pare NAME" in the usage line: "[OPTION...] SWEEP" */
    const char *details; /* paragraphs for `--help`, wrapped there; may be NULL */
    const struct pare_arg *options; /* ends with PARE_ARG_END; NULL: only --help */
    int min_operands, max_operands;
    bool is_hidden;                    /* not listed: for the program itself */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

/* cmd_check.c, cmd_plan.c */
extern const struct pare_command pare_cmd_check, pare_cmd_plan;
/* cmd_info.c: what there is.  cmd_data.c.  cmd_model.c: one network. */
extern const struct pare_command pare_cmd_methods, pare_cmd_hw, pare_cmd_data, pare_cmd_help,
    pare_cmd_version;
extern const struct pare_command pare_cmd_inspect, pare_cmd_eval;
/* cmd_run.c */
extern const struct pare_command pare_cmd_run, pare_cmd_worker, pare_cmd_status, pare_cmd_show;
/* cmd_report.c */
extern const struct pare_command pare_cmd_pareto, pare_cmd_table, pare_cmd_best, pare_cmd_compare;
/* cmd_bench.c */
extern const struct pare_command pare_cmd_bench;

/* All of them, NULL at the end (main.c). */
extern const struct pare_command *const pare_commands[];
const struct pare_command *pare_command_find(const char *name); /* or NULL */

/* The exit code that stands for a status. */
int pare_exit_of(pare_status status);
/* Prints "pare NAME: <message>" to stderr and returns the exit code. */
int pare_command_fail(const struct pare_command *command, pare_status status,
                      const struct pare_error *err);

#endif
