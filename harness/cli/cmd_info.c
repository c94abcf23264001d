/* What there is: methods, hardware models and devices, help, version. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/args.h"
#include "cli/methods_test.h"
#include "cli/print.h"
#include "io/data_open.h"
#include "measure/machine.h"
#include "option/schema.h"
#include "plugin/registry.h"
#include "search/samplers.h"

enum { NAME_COLUMN = 22 };

static const struct pare_arg output_options[] = {
    {"output", 'o', "FORMAT", "how to print", PARE_CHOICES("text", "json")},
    PARE_ARG_END,
};

static bool wants_json(const struct pare_args *args)
{
    return *pare_arg_get(args, "output", "text") == 'j';
}

static void json_text(struct pare_text *out, const char *key, const char *value, bool is_first)
{
    pare_text_printf(out, "%s\"%s\": ", is_first ? "{" : ", ", key);
    pare_text_json_string(out, value);
}

static void print_rows(const char *title, const struct pare_option *rows)
{
    struct pare_text text = {0};

    pare_options_help(rows, PARE_COLUMNS, &text);
    printf("\n%s\n%s", title, text.s ? text.s : "  none\n");
    pare_text_clear(&text);
}

/* ---- Methods ---- */

static const char *state_words(unsigned states, struct pare_text *text)
{
    static const struct {
        unsigned state;
        const char *words;
    } names[] = {
        {PARE_STATE_SPARSE, "weights held at zero"}, {PARE_STATE_NARROWED, "removed channels"},
        {PARE_STATE_FACTORED, "factored layers"},    {PARE_STATE_QUANTIZED, "integer weights"},
        {PARE_STATE_STUDENT, "a student"},
    };

    pare_text_clear(text);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (states & names[i].state)
            pare_text_printf(text, "%s%s", text->s ? ", " : "", names[i].words);
    return text->s ? text->s : "nothing";
}

static const char *need_words(unsigned needs, struct pare_text *text)
{
    pare_text_clear(text);
    if (needs & PARE_NEEDS_CALIBRATION)
        pare_text_add(text, "calibration data");
    if (needs & PARE_NEEDS_TRAINING)
        pare_text_printf(text, "%straining", text->s ? ", " : "");
    if (needs & PARE_NEEDS_TEACHER)
        pare_text_printf(text, "%sa teacher", text->s ? ", " : "");
    return text->s ? text->s : "nothing but the network";
}

static const char *way_words(const struct pare_method *method)
{
    if (!method->apply)
        return "trains; can be joint";
    return method->attach ? "changes the network once; in a joint group, while it trains"
                          : "changes the network once";
}

static void method_help(const struct pare_method *method)
{
    struct pare_text text = {0};

    printf("%s (revision %d)\n", method->name, method->revision);
    pare_print_wrapped(method->summary, 0);
    putchar('\n');
    pare_print_pair("source", method->source, 12);
    pare_print_pair("works", way_words(method), 12);
    pare_print_pair("needs", need_words(method->needs, &text), 12);
    pare_print_pair("refuses", state_words(method->refuses, &text), 12);
    pare_print_pair("leaves", state_words(method->leaves, &text), 12);
    print_rows("options", method->options);
    if (!method->apply)
        printf("\nand the options of training: 'pare help train'\n");
    else if (method->attach)
        printf("\nin a joint group also the options of training: 'pare help train'\n");
    pare_text_clear(&text);
}

static void methods_json(const struct pare_registry *registry)
{
    struct pare_text out = {0}, words = {0};

    for (int i = 0; i < pare_registry_n_methods(registry); i++) {
        const struct pare_method *m = pare_registry_method_at(registry, i);

        pare_text_add(&out, i ? ",\n " : "[");
        json_text(&out, "name", m->name, true);
        json_text(&out, "summary", m->summary, false);
        json_text(&out, "source", m->source, false);
        json_text(&out, "needs", need_words(m->needs, &words), false);
        json_text(&out, "refuses", state_words(m->refuses, &words), false);
        json_text(&out, "leaves", state_words(m->leaves, &words), false);
        pare_text_printf(&out, ", \"revision\": %d, \"joint\": %s}", m->revision,
                         m->attach ? "true" : "false");
    }
    pare_text_add(&out, out.s ? "]" : "[]");
    puts(out.s);
    pare_text_clear(&out);
    pare_text_clear(&words);
}

static int unknown_method(const struct pare_command *command, const struct pare_registry *registry,
                          const char *word)
{
    int n = pare_registry_n_methods(registry);
    const char **names = pare_xcalloc((size_t)n + 1, sizeof *names), *nearest;

    for (int i = 0; i < n; i++)
        names[i] = pare_registry_method_at(registry, i)->name;
    nearest = pare_text_nearest(word, names, n);
    free(names);
    if (nearest)
        return pare_usage_error(command, "there is no method '%s'; did you mean '%s'?", word,
                                nearest);
    return pare_usage_error(command, "there is no method '%s'; 'pare methods' lists them", word);
}

static int run_methods(int argc, char **argv)
{
    struct pare_args args;
    struct pare_registry *registry = NULL;
    struct pare_error err = {0};
    const struct pare_method *method;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_methods, argc, argv, &code))
        return code;
    if (args.n_operands == 2) {
        if (strcmp(args.operands[0], "test") == 0)
            return pare_methods_test(args.operands[1]);
        return pare_usage_error(&pare_cmd_methods, "'%s': only 'test FILE.so' takes two words",
                                args.operands[0]);
    }
    st = pare_registry_open(&registry, &err);
    if (st)
        return pare_command_fail(&pare_cmd_methods, st, &err);
    if (args.n_operands) {
        method = pare_registry_method(registry, args.operands[0]);
        if (method)
            method_help(method);
        else
            code = unknown_method(&pare_cmd_methods, registry, args.operands[0]);
    } else if (wants_json(&args)) {
        methods_json(registry);
    } else {
        for (int i = 0; i < pare_registry_n_methods(registry); i++) {
            method = pare_registry_method_at(registry, i);
            pare_print_pair(method->name, method->summary, NAME_COLUMN);
        }
    }
    pare_registry_close(registry);
    return code;
}

const struct pare_command pare_cmd_methods = {
    .name = "methods",
    .summary = "compression methods and their options",
    .usage = "[OPTION...] [METHOD | test FILE.so]",
    .details = "`pare methods test ./mine.so` runs the conformance suite on a plugin.",
    .options = output_options,
    .max_operands = 2,
    .run = run_methods,
};

/* ---- Hardware ---- */

static void device_values(const struct pare_device *device)
{
    printf("%s: %s\nmodel %s: %s\nsource: %s\n\n", device->id, device->part, device->model->name,
           device->model->summary, device->model->source);
    for (const struct pare_option *row = device->model->options; row->name; row++) {
        struct pare_text value = {0}, line = {0};

        pare_option_text(row, device->options, &value);
        pare_text_printf(&line, "%s%s%s  %s", value.s ? value.s : "-", row->unit ? " " : "",
                         row->unit ? row->unit : "", row->help ? row->help : "");
        pare_print_pair(row->name, line.s, 30);
        pare_text_clear(&value);
        pare_text_clear(&line);
    }
}

static int list_devices(const struct pare_registry *registry, bool is_json)
{
    struct pare_text out = {0};
    char **names;
    int n = pare_device_names(&names), code = PARE_EXIT_DONE;

    for (int i = 0; i < n; i++) {
        struct pare_device device;
        struct pare_error err = {0};
        pare_status st = pare_device_open(&device, registry, names[i], &err);

        if (st) {
            code = pare_command_fail(&pare_cmd_hw, st, &err);
        } else {
            if (is_json) {
                json_text(&out, "name", names[i], true);
                json_text(&out, "part", device.part, false);
                json_text(&out, "model", device.model->name, false);
                pare_text_add(&out, i + 1 < n ? "},\n " : "}");
            } else {
                pare_text_printf(&out, "%s (%s)", device.part, device.model->name);
                pare_print_pair(names[i], out.s, NAME_COLUMN);
                pare_text_clear(&out);
            }
            pare_device_close(&device);
        }
        free(names[i]);
    }
    free(names);
    if (is_json)
        printf("[%s]\n", out.s ? out.s : "");
    pare_text_clear(&out);
    return code;
}

static int run_hw(int argc, char **argv)
{
    struct pare_args args;
    struct pare_registry *registry = NULL;
    struct pare_device device;
    struct pare_error err = {0};
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_hw, argc, argv, &code))
        return code;
    st = pare_registry_open(&registry, &err);
    if (st)
        return pare_command_fail(&pare_cmd_hw, st, &err);
    if (args.n_operands) {
        st = pare_device_open(&device, registry, args.operands[0], &err);
        if (st) {
            code = pare_command_fail(&pare_cmd_hw, st, &err);
        } else {
            device_values(&device);
            pare_device_close(&device);
        }
    } else {
        code = list_devices(registry, wants_json(&args));
    }
    pare_registry_close(registry);
    return code;
}

const struct pare_command pare_cmd_hw = {
    .name = "hw",
    .summary = "modeled devices and their numbers",
    .usage = "[OPTION...] [DEVICE]",
    .details = "Device files are found beside the program and in PARE_HWMODEL_PATH.",
    .options = output_options,
    .max_operands = 1,
    .run = run_hw,
};

/* ---- Help and version ---- */

static void overview(void)
{
    printf("Usage: pare COMMAND [OPTION...] [ARGUMENT...]\n"
           "Finds out how far a network can be pared down, and what each cut costs.\n\n");
    for (int i = 0; pare_commands[i]; i++)
        if (!pare_commands[i]->is_hidden)
            pare_print_pair(pare_commands[i]->name, pare_commands[i]->summary, 12);
    printf("\n'pare COMMAND --help' tells more; 'pare help TOPIC' about a method, a sampler,\n"
           "or one of the sections train and data of a sweep file.\n\n"
           "Exit codes: 0 done, 1 confirmed regression, 2 usage or configuration, 3 nothing\n"
           "feasible, 4 limit reached with part of the work done, 5 measurement unstable,\n"
           "130 interrupted.\n");
}

static int topic_help(const char *topic)
{
    const struct pare_command *command = pare_command_find(topic);
    const struct pare_sampler *sampler = pare_sampler_find(topic);
    struct pare_registry *registry = NULL;
    struct pare_error err = {0};
    const struct pare_method *method;
    int code = PARE_EXIT_DONE;
    pare_status st;

    if (strcmp(topic, "train") == 0) {
        printf(
            "train: how the baseline trains, and every training stage unless it says otherwise\n");
        print_rows("options", pare_recipe_options);
        return code;
    }
    if (strcmp(topic, "data") == 0) {
        pare_command_help(command);
        print_rows("in a sweep: data: {name: digits, ...}", pare_data_options);
        return code;
    }
    if (command) {
        pare_command_help(command);
        return code;
    }
    if (sampler) {
        printf("%s: %s\n", sampler->name, sampler->summary);
        if (*sampler->source)
            printf("source: %s\n", sampler->source);
        print_rows("options", sampler->options);
        return code;
    }
    st = pare_registry_open(&registry, &err);
    if (st)
        return pare_command_fail(&pare_cmd_help, st, &err);
    method = pare_registry_method(registry, topic);
    if (method)
        method_help(method);
    else
        code = unknown_method(&pare_cmd_help, registry, topic);
    pare_registry_close(registry);
    return code;
}

static int run_help(int argc, char **argv)
{
    struct pare_args args;
    int code;

    if (strcmp(argv[0], "help") != 0) { /* pare --help */
        overview();
        return PARE_EXIT_DONE;
    }
    if (!pare_args_parse(&args, &pare_cmd_help, argc, argv, &code))
        return code;
    if (args.n_operands)
        return topic_help(args.operands[0]);
    overview();
    return PARE_EXIT_DONE;
}

const struct pare_command pare_cmd_help = {
    .name = "help",
    .summary = "this list; help about a command, a method, a section",
    .usage = "[TOPIC]",
    .max_operands = 1,
    .run = run_help,
};

static int run_version(int argc, char **argv)
{
    struct pare_args args;
    struct pare_text machine = {0};
    int code;

    if (strcmp(argv[0], "version") == 0 &&
        !pare_args_parse(&args, &pare_cmd_version, argc, argv, &code))
        return code;
    printf("pare, plugin interface %d\n", PARE_ABI);
    pare_machine_json(&machine);
    puts(machine.s);
    pare_text_clear(&machine);
    return PARE_EXIT_DONE;
}

const struct pare_command pare_cmd_version = {
    .name = "version",
    .summary = "commit, compiler, libraries, machine",
    .usage = "",
    .run = run_version,
};
