/* A command line, read by a table of GNU long options.
 *
 *   static const struct pare_arg options[] = {
 *       {"output", 'o', "FORMAT", "text or json", PARE_CHOICES("text", "json")},
 *       {"quiet", 'q', NULL, "say less", NULL},
 *       PARE_ARG_END,
 *   };
 *
 *   static int run(int argc, char **argv)
 *   {
 *       struct pare_args args;
 *       int code;
 *       if (!pare_args_parse(&args, &pare_cmd_check, argc, argv, &code))
 *           return code;
 *       ... args.operands[0], pare_arg_get(&args, "output", "text"), pare_arg_given(&args, "quiet")
 *
 * --help and --version need no row.  Options may stand after operands; "--" ends them. */
#ifndef PARE_CLI_ARGS_H
#define PARE_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <pare/option.h>

#include "cli/command.h"

#define PARE_ARG_MAX 64 /* options given on one command line */

struct pare_arg {
    const char *name;           /* "output"; NULL ends the table */
    char letter;                /* 'o', or 0 */
    const char *value;          /* what the help calls it: "FORMAT"; NULL: a flag */
    const char *help;           /* one sentence, wrapped by the help */
    const char *const *choices; /* NULL: any text */
};
#define PARE_ARG_END              \
    {                             \
        NULL, 0, NULL, NULL, NULL \
    }

struct pare_args {
    const struct pare_command *command;
    int n_given;
    struct {
        const struct pare_arg *row;
        const char *value; /* "" for a flag */
    } given[PARE_ARG_MAX]; /* in the order of the command line */
    int n_operands;
    char **operands; /* points into argv */
};

/* false: leave with *code; help was printed, or the mistake was explained on stderr. */
bool pare_args_parse(struct pare_args *args, const struct pare_command *command, int argc,
                     char **argv, int *code);
bool pare_arg_given(const struct pare_args *args, const char *name);
/* The last value given, or `def`. */
const char *pare_arg_get(const struct pare_args *args, const char *name, const char *def);
/* Every value of an option that may be repeated, in order, into values[PARE_ARG_MAX]; the count. */
int pare_arg_all(const struct pare_args *args, const char *name, const char **values);
/* The value as a whole number in [min, max]; false after saying what is wrong (exit code 2). `out`
 * is left alone when the option was not given. */
bool pare_arg_int(const struct pare_args *args, const char *name, int64_t min, int64_t max,
                  int64_t *out);

/* "Usage: pare NAME ...", options and details to stdout. */
void pare_command_help(const struct pare_command *command);
/* "pare NAME: ..." and "Try 'pare NAME --help'." to stderr; returns PARE_EXIT_USAGE. */
int pare_usage_error(const struct pare_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
