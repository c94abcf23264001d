#include "cli/args.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/print.h"

enum { HELP_COLUMN = 26, FIRST_LONG = 256, HELP = FIRST_LONG + PARE_ARG_MAX };

static int n_rows(const struct pare_arg *rows)
{
    int n = 0;

    while (rows && rows[n].name)
        n++;
    return n;
}

int pare_usage_error(const struct pare_command *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "pare %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry 'pare %s --help'.\n", command->name);
    return PARE_EXIT_USAGE;
}

static void print_option(const struct pare_arg *row)
{
    struct pare_text left = {0}, right = {0};

    if (row->letter)
        pare_text_printf(&left, "-%c, --%s", row->letter, row->name);
    else
        pare_text_printf(&left, "    --%s", row->name);
    if (row->value)
        pare_text_printf(&left, " %s", row->value);
    pare_text_add(&right, row->help);
    for (int i = 0; row->choices && row->choices[i]; i++)
        pare_text_printf(&right, "%s%s", i ? ", " : ": ", row->choices[i]);
    pare_print_pair(left.s, right.s, HELP_COLUMN);
    pare_text_clear(&left);
    pare_text_clear(&right);
}

void pare_command_help(const struct pare_command *command)
{
    static const struct pare_arg help = {"help", 'h', NULL, "show this text", NULL};

    printf("Usage: pare %s%s%s\n", command->name, *command->usage ? " " : "", command->usage);
    pare_print_wrapped(command->summary, 0);
    if (command->details) {
        putchar('\n');
        pare_print_paragraphs(command->details);
    }
    printf("\nOptions:\n");
    for (int i = 0; i < n_rows(command->options); i++)
        print_option(&command->options[i]);
    print_option(&help);
}

/* The option that getopt did not understand, and the nearest one that exists. */
static int unknown_option(const struct pare_command *command, const char *word)
{
    const char *names[PARE_ARG_MAX + 1];
    char name[64];
    int n = 0;
    const char *nearest;

    if (word[0] != '-' || word[1] != '-')
        return pare_usage_error(command, "unknown option '-%c'", optopt ? optopt : '?');
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (int i = 0; i < n_rows(command->options); i++)
        names[n++] = command->options[i].name;
    names[n++] = "help";
    nearest = pare_text_nearest(name, names, n);
    if (nearest)
        return pare_usage_error(command, "unknown option '--%s'; did you mean '--%s'?", name,
                                nearest);
    return pare_usage_error(command, "unknown option '--%s'", name);
}

static int wrong_use(const struct pare_command *command, int answer, const char *word)
{
    const struct pare_arg *row = NULL;

    if (optopt >= FIRST_LONG && optopt < FIRST_LONG + n_rows(command->options))
        row = &command->options[optopt - FIRST_LONG];
    for (int i = 0; !row && optopt > 0 && i < n_rows(command->options); i++)
        if (command->options[i].letter == optopt)
            row = &command->options[i];
    if (answer == ':' && row)
        return pare_usage_error(command, "option '--%s' needs a value: --%s %s", row->name,
                                row->name, row->value);
    if (row && optopt >= FIRST_LONG)
        return pare_usage_error(command, "option '--%s' takes no value", row->name);
    return unknown_option(command, word);
}

static bool is_choice(const struct pare_arg *row, const char *value)
{
    if (!row->choices)
        return true;
    for (int i = 0; row->choices[i]; i++)
        if (strcmp(row->choices[i], value) == 0)
            return true;
    return false;
}

static int wrong_choice(const struct pare_command *command, const struct pare_arg *row,
                        const char *value)
{
    struct pare_text list = {0};
    int n = 0, code;
    const char *nearest;

    for (; row->choices[n]; n++)
        pare_text_printf(&list, "%s%s", n ? ", " : "", row->choices[n]);
    nearest = pare_text_nearest(value, row->choices, n);
    code = pare_usage_error(command, "--%s: '%s' is not one of %s%s%s%s", row->name, value, list.s,
                            nearest ? "; did you mean '" : "", nearest ? nearest : "",
                            nearest ? "'?" : "");
    pare_text_clear(&list);
    return code;
}

static int check_operands(const struct pare_args *args)
{
    const struct pare_command *command = args->command;

    if (args->n_operands < command->min_operands)
        return pare_usage_error(command, "something is missing: pare %s %s", command->name,
                                command->usage);
    if (args->n_operands > command->max_operands)
        return pare_usage_error(command, "'%s' is one too many: pare %s %s",
                                args->operands[command->max_operands], command->name,
                                command->usage);
    return PARE_EXIT_DONE;
}

bool pare_args_parse(struct pare_args *args, const struct pare_command *command, int argc,
                     char **argv, int *code)
{
    struct option longs[PARE_ARG_MAX + 2] = {{0}};
    char shorts[3 * PARE_ARG_MAX + 4] = ":h";
    int n = n_rows(command->options), answer;

    memset(args, 0, sizeof *args);
    args->command = command;
    for (int i = 0; i < n; i++) {
        const struct pare_arg *row = &command->options[i];

        longs[i] = (struct option){row->name, row->value ? required_argument : no_argument, NULL,
                                   FIRST_LONG + i};
        if (row->letter)
            sprintf(shorts + strlen(shorts), "%c%s", row->letter, row->value ? ":" : "");
    }
    longs[n] = (struct option){"help", no_argument, NULL, HELP};
    optind = 0; /* GNU: start afresh */
    opterr = 0;
    while (optopt = 0, (answer = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct pare_arg *row = NULL;

        if (answer == HELP || answer == 'h') {
            pare_command_help(command);
            *code = PARE_EXIT_DONE;
            return false;
        }
        if (answer == '?' || answer == ':') {
            *code = wrong_use(command, answer, argv[optind - 1]);
            return false;
        }
        for (int i = 0; i < n; i++)
            if (answer == FIRST_LONG + i || answer == command->options[i].letter)
                row = &command->options[i];
        if (row->value && !is_choice(row, optarg)) {
            *code = wrong_choice(command, row, optarg);
            return false;
        }
        if (args->n_given == PARE_ARG_MAX) {
            *code = pare_usage_error(command, "more than %d options", PARE_ARG_MAX);
            return false;
        }
        args->given[args->n_given].row = row;
        args->given[args->n_given++].value = row->value ? optarg : "";
    }
    args->n_operands = argc - optind;
    args->operands = argv + optind;
    *code = check_operands(args);
    return *code == PARE_EXIT_DONE;
}

bool pare_arg_given(const struct pare_args *args, const char *name)
{
    return pare_arg_get(args, name, NULL) != NULL;
}

const char *pare_arg_get(const struct pare_args *args, const char *name, const char *def)
{
    for (int i = args->n_given - 1; i >= 0; i--)
        if (strcmp(args->given[i].row->name, name) == 0)
            return args->given[i].value;
    return def;
}

int pare_arg_all(const struct pare_args *args, const char *name, const char **values)
{
    int n = 0;

    for (int i = 0; i < args->n_given; i++)
        if (strcmp(args->given[i].row->name, name) == 0)
            values[n++] = args->given[i].value;
    return n;
}

bool pare_arg_int(const struct pare_args *args, const char *name, int64_t min, int64_t max,
                  int64_t *out)
{
    const char *text = pare_arg_get(args, name, NULL);
    char *end;
    long long value;

    if (!text)
        return true;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < min || value > max) {
        pare_usage_error(args->command, "--%s: '%s' is not a whole number in [%lld, %lld]", name,
                         text, (long long)min, (long long)max);
        return false;
    }
    *out = value;
    return true;
}
