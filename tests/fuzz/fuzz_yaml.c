/* The YAML reader on any bytes: it must answer with a tree or a message that names a place, and the
 * option tables must take whatever tree comes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "option/schema.h"
#include "option/yaml.h"

struct options {
    double number;
    int whole, choice;
    bool flag;
    const char *text;
    struct pare_strings list;
};

static const struct pare_option table[] = {
    PARE_OPT(struct options, number, .def = 0.5, .min = 0, .max = 1),
    PARE_OPT(struct options, whole, .def = 3, .min = 1, .max = 8),
    PARE_OPT(struct options, choice, .choices = PARE_CHOICES("one", "two"), .def = 0),
    PARE_OPT(struct options, flag, .def = 0),
    PARE_OPT(struct options, text),
    PARE_OPT(struct options, list),
    PARE_OPT_END,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* What was read must be canonical: setting it again gives the same text. */
static void check_round_trip(const struct options *options, struct pare_arena *arena)
{
    struct options again;
    struct pare_text a = {0}, b = {0};

    pare_options_defaults(table, &again);
    for (const struct pare_option *row = table; row->name; row++) {
        struct pare_text value = {0};

        pare_option_text(row, options, &value);
        if (pare_option_set(row, &again, value.s ? value.s : "", arena, NULL))
            abort();
        pare_text_clear(&value);
    }
    pare_options_canonical(table, options, &a);
    pare_options_canonical(table, &again, &b);
    if (strcmp(a.s, b.s) != 0)
        abort();
    pare_text_clear(&a);
    pare_text_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct pare_problems problems = {0};
    struct pare_arena *arena = NULL;
    struct pare_error err = {0};
    struct pare_yaml_doc *doc;
    struct options options;
    char *text;

    if (pare_yaml_parse(&doc, (const char *)data, n_bytes, "fuzz.yaml", &err)) {
        if (strncmp(err.text, "fuzz.yaml:", 10) != 0)
            abort();
        return 0;
    }
    arena = pare_arena_new();
    pare_options_defaults(table, &options);
    pare_options_read(table, &options, pare_yaml_root(doc), NULL, arena, &problems);
    text = pare_problems_text(&problems, "fuzz.yaml");
    free(text);
    check_round_trip(&options, arena);
    pare_problems_clear(&problems);
    pare_arena_free(arena);
    pare_yaml_free(doc);
    return 0;
}
