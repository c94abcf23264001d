/* pare data: the data sets that pare knows, and how to get them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/args.h"
#include "cli/print.h"
#include "io/data_open.h"
#include "io/download.h"

enum { NAME_COLUMN = 18 };

static const struct pare_arg options[] = {
    {"dir", 'd', "DIR",
     "get: where to put the files (default: $PARE_DATA/NAME, else "
     "~/.local/share/pare/NAME); list: where to look",
     NULL},
    {"url", 'u', "URL", "get: another folder on the net in place of the official addresses", NULL},
    {"timeout", 't', "SECONDS", "get: to connect, and without progress (default 30)", NULL},
    {"output", 'o', "FORMAT", "list: how to print", PARE_CHOICES("text", "json")},
    PARE_ARG_END,
};

/* Are the files of a set in place? */
static bool is_here(const struct pare_data_entry *entry, const char *dir)
{
    struct pare_data_spec spec;

    pare_data_spec_defaults(&spec);
    spec.name = entry->name;
    spec.path = dir;
    return pare_data_check(&spec, NULL) == PARE_OK;
}

static const char *standing(const struct pare_data_entry *entry, const char *dir)
{
    if (entry->is_embedded)
        return "built in";
    if (is_here(entry, dir))
        return "here";
    return entry->has_download ? "can be downloaded" : "put files in place by hand";
}

static int list(const struct pare_args *args)
{
    bool is_json = *pare_arg_get(args, "output", "text") == 'j';
    const char *dir = pare_arg_get(args, "dir", NULL);
    struct pare_text out = {0};

    for (int i = 0; i < pare_data_n_entries(); i++) {
        const struct pare_data_entry *entry = pare_data_entry(i);

        if (!is_json) {
            pare_text_printf(&out, "%s; %s", entry->summary, standing(entry, dir));
            pare_print_pair(entry->name, out.s, NAME_COLUMN);
            pare_text_clear(&out);
            continue;
        }
        pare_text_add(&out, i ? ",\n {\"name\": " : "[{\"name\": ");
        pare_text_json_string(&out, entry->name);
        pare_text_add(&out, ", \"summary\": ");
        pare_text_json_string(&out, entry->summary);
        pare_text_add(&out, ", \"origin\": ");
        pare_text_json_string(&out, entry->origin);
        pare_text_printf(&out, ", \"shape\": \"%s\", \"classes\": %d, \"standing\": \"%s\"}",
                         entry->shape, entry->n_classes, standing(entry, dir));
    }
    if (is_json)
        printf("%s]\n", out.s ? out.s : "[");
    pare_text_clear(&out);
    return PARE_EXIT_DONE;
}

static void show_progress(void *state, const char *file, double n_done, double n_total)
{
    char done[32], total[32];

    (void)state;
    if (n_total > 0)
        pare_progress("%s: %s of %s", file, pare_text_bytes(n_done, done, sizeof done),
                      pare_text_bytes(n_total, total, sizeof total));
    else
        pare_progress("%s: %s", file, pare_text_bytes(n_done, done, sizeof done));
}

static int unknown_set(const char *name)
{
    const char *names[64], *nearest;
    int n = 0;

    for (; n < pare_data_n_entries() && n < 64; n++)
        names[n] = pare_data_entry(n)->name;
    nearest = pare_text_nearest(name, names, n);
    if (nearest)
        return pare_usage_error(&pare_cmd_data, "there is no data set '%s'; did you mean '%s'?",
                                name, nearest);
    return pare_usage_error(&pare_cmd_data, "there is no data set '%s'; 'pare data' lists them",
                            name);
}

static int get(const struct pare_args *args, const char *name)
{
    struct pare_download_options wanted = {.dir = pare_arg_get(args, "dir", NULL),
                                           .url_base = pare_arg_get(args, "url", NULL),
                                           .progress = show_progress};
    const struct pare_data_entry *entry = NULL;
    struct pare_error err = {0};
    int64_t timeout_s = 0;
    char *folder = NULL;
    pare_status st;

    if (!pare_arg_int(args, "timeout", 1, 86400, &timeout_s))
        return PARE_EXIT_USAGE;
    wanted.timeout_s = (double)timeout_s;
    for (int i = 0; i < pare_data_n_entries(); i++)
        if (strcmp(pare_data_entry(i)->name, name) == 0)
            entry = pare_data_entry(i);
    if (!entry)
        return unknown_set(name);
    if (entry->is_embedded) {
        printf("%s is built in: write data: {name: %s}\n", name, name);
        return PARE_EXIT_DONE;
    }
    if (!entry->has_download) { /* what to put where */
        struct pare_data_spec spec;

        pare_data_spec_defaults(&spec);
        spec.name = name;
        spec.path = wanted.dir;
        st = pare_data_check(&spec, &err);
        if (st)
            return pare_command_fail(&pare_cmd_data, st, &err);
        printf("%s is here\n", name);
        return PARE_EXIT_DONE;
    }
    st = pare_data_get(name, &wanted, &folder, &err);
    pare_progress_end();
    if (st)
        return pare_command_fail(&pare_cmd_data, st, &err);
    printf("%s\n", folder);
    free(folder);
    return PARE_EXIT_DONE;
}

static int run(int argc, char **argv)
{
    static const char *const verbs[] = {"list", "get"};
    struct pare_args args;
    const char *verb, *nearest;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_data, argc, argv, &code))
        return code;
    verb = args.n_operands ? args.operands[0] : "list";
    if (strcmp(verb, "list") == 0 && args.n_operands <= 1)
        return list(&args);
    if (strcmp(verb, "get") == 0) {
        if (args.n_operands == 2)
            return get(&args, args.operands[1]);
        return pare_usage_error(&pare_cmd_data, "get: which data set? 'pare data' lists them");
    }
    nearest = pare_text_nearest(verb, verbs, 2);
    return pare_usage_error(&pare_cmd_data, "'%s' is neither list nor get%s%s%s", verb,
                            nearest ? "; did you mean '" : "", nearest ? nearest : "",
                            nearest ? "'?" : "");
}

const struct pare_command pare_cmd_data = {
    .name = "data",
    .summary = "data sets: what is known, and getting them",
    .usage = "[OPTION...] [list | get NAME]",
    .details = "get downloads the files of a set from its official address, checks them, and\n"
               "prints the folder. By hand: put the files into that folder, or name another one\n"
               "with data.path in the sweep.",
    .options = options,
    .max_operands = 2,
    .run = run,
};
