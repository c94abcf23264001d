/* pare: the program.  Finds the command and lets it run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/args.h"

const struct pare_command *const pare_commands[] = {
    &pare_cmd_check,
    &pare_cmd_plan,
    &pare_cmd_run,
    &pare_cmd_status,
    &pare_cmd_show,
    &pare_cmd_pareto,
    &pare_cmd_table,
    &pare_cmd_best,
    &pare_cmd_compare,
    &pare_cmd_bench,
    &pare_cmd_eval,
    &pare_cmd_inspect,
    &pare_cmd_methods,
    &pare_cmd_hw,
    &pare_cmd_data,
    &pare_cmd_help,
    &pare_cmd_version,
    &pare_cmd_worker,
    NULL,
};

const struct pare_command *pare_command_find(const char *name)
{
    for (int i = 0; pare_commands[i]; i++)
        if (strcmp(pare_commands[i]->name, name) == 0)
            return pare_commands[i];
    return NULL;
}

int pare_exit_of(pare_status status)
{
    switch (status) {
    case PARE_OK: return PARE_EXIT_DONE;
    case PARE_EINFEASIBLE: return PARE_EXIT_INFEASIBLE;
    case PARE_ETIMEOUT: return PARE_EXIT_PARTIAL;
    case PARE_EUNSTABLE: return PARE_EXIT_UNSTABLE;
    case PARE_ESTOPPED: return PARE_EXIT_INTERRUPTED;
    default: return PARE_EXIT_USAGE;
    }
}

int pare_command_fail(const struct pare_command *command, pare_status status,
                      const struct pare_error *err)
{
    fprintf(stderr, "pare %s: %s\n", command->name,
            err->text[0] ? err->text : pare_status_name(status));
    return pare_exit_of(status);
}

static int unknown_command(const char *word)
{
    const char *names[sizeof pare_commands / sizeof pare_commands[0]];
    const char *nearest;
    int n = 0;

    for (int i = 0; pare_commands[i]; i++)
        if (!pare_commands[i]->is_hidden)
            names[n++] = pare_commands[i]->name;
    nearest = pare_text_nearest(word, names, n);
    fprintf(stderr, "pare: unknown %s '%s'", word[0] == '-' ? "option" : "command", word);
    if (nearest)
        fprintf(stderr, "; did you mean '%s'?", nearest);
    fprintf(stderr, "\nTry 'pare help'.\n");
    return PARE_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const struct pare_command *command;
    const char *word = argc > 1 ? argv[1] : NULL;
    int code;

    if (!word) {
        fprintf(stderr, "Usage: pare COMMAND [OPTION...] [ARGUMENT...]\nTry 'pare help'.\n");
        return PARE_EXIT_USAGE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    else if (strcmp(word, "--version") == 0)
        word = "version";
    command = pare_command_find(word);
    if (!command)
        return unknown_command(word);
    code = command->run(argc - 1, argv + 1);
    /* Data that did not reach its place is no success: a full disk, a closed device. */
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "pare %s: standard output: %s\n", command->name, strerror(errno));
        return code ? code : PARE_EXIT_USAGE;
    }
    return code;
}
