#include "../support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option/schema.h"

struct options {
    double sparsity, lr;
    int criterion, bits;
    int64_t steps;
    bool nesterov;
    const char *path;
    struct pare_strings ignore;
};

static const struct pare_option table[] = {
    PARE_OPT(struct options, sparsity, .def = 0.5, .min = 0, .max = 0.99, .unit = "1",
             .help = "fraction of weights set to zero"),
    PARE_OPT(struct options, lr, .def = 0.001, .min = 0, .max = INFINITY, .help = "learning rate"),
    PARE_OPT(struct options, criterion, .choices = PARE_CHOICES("l1", "l2", "taylor"), .def = 2,
             .help = "what makes a weight small"),
    PARE_OPT(struct options, bits, .def = 8, .min = 2, .max = 8, .unit = "bits"),
    PARE_OPT(struct options, steps, .def = 100, .help = "how many"),
    PARE_OPT(struct options, nesterov, .def = 1,
             .help = "look ahead before the step is taken, as Nesterov does, which is a text so "
                     "long that it must be broken into lines"),
    PARE_OPT(struct options, path, .def_text = "~/data", .help = "where it is"),
    PARE_OPT(struct options, ignore, .help = "layers to leave alone"),
    PARE_OPT_END,
};

/* Reads a map over the defaults; returns the problems' text (free it). */
static char *read_text(struct options *o, struct pare_arena *arena, const char *yaml)
{
    struct pare_problems problems = {0};
    struct pare_error err = {0};
    struct pare_yaml_doc *doc;
    char *text;

    pare_options_defaults(table, o);
    assert_ok(pare_yaml_parse(&doc, yaml, strlen(yaml), "a.yaml", &err), &err);
    pare_options_read(table, o, pare_yaml_root(doc), PARE_CHOICES("method"), arena, &problems);
    text = pare_problems_text(&problems, "a.yaml");
    pare_problems_clear(&problems);
    pare_yaml_free(doc);
    return text;
}

static void defaults_stand_where_nothing_is_given(void **state)
{
    struct options o;

    (void)state;
    memset(&o, 0xAA, sizeof o);
    pare_options_defaults(table, &o);
    assert_true(o.sparsity == 0.5 && o.criterion == 2 && o.bits == 8 && o.steps == 100);
    assert_true(o.nesterov);
    assert_string_equal(o.path, "~/data");
    assert_int_equal(o.ignore.n, 0);
}

static void every_type_is_read_from_a_map(void **state)
{
    struct pare_arena *arena = pare_arena_new();
    struct options o;
    char *problems = read_text(&o, arena,
                               "{method: x, sparsity: 0.75, lr: 1e-2, criterion: l1, bits: 4.0, "
                               "steps: 9007199254740993, nesterov: no, path: \"a b\", "
                               "ignore: [fc2, 'a, b', \"q\\\"\"]}");

    (void)state;
    assert_string_equal(problems, "");
    free(problems);
    assert_true(o.sparsity == 0.75 && o.lr == 0.01 && o.criterion == 0 && o.bits == 4);
    assert_true(o.steps == 9007199254740993 && !o.nesterov);
    assert_string_equal(o.path, "a b");
    assert_int_equal(o.ignore.n, 3);
    assert_string_equal(o.ignore.items[0], "fc2");
    assert_string_equal(o.ignore.items[1], "a, b");
    assert_string_equal(o.ignore.items[2], "q\"");
    problems = read_text(&o, arena, "{ignore: fc1}"); /* one name is a list of one */
    assert_string_equal(problems, "");
    assert_int_equal(o.ignore.n, 1);
    free(problems);
    pare_arena_free(arena);
}

static void every_mistake_names_the_place_and_the_remedy(void **state)
{
    static const char *const cases[][2] = {
        {"sparsity: 1.2", "a.yaml:1:11: sparsity: 1.2 is outside [0, 0.99]\n"},
        {"sparsity: much", "a.yaml:1:11: sparsity: 'much' is not a number ([0, 0.99])\n"},
        {"sparsity: '0.5'",
         "a.yaml:1:11: sparsity: \"0.5\" is a text, not a number: write it without quotes ([0, "
         "0.99])\n"},
        {"lr: -1", "a.yaml:1:5: lr: -1 must be at least 0\n"},
        {"critereon: l1", "a.yaml:1:1: critereon: unknown option; did you mean 'criterion'? "
                          "(options: sparsity, lr, criterion, bits, steps, nesterov, path, "
                          "ignore)\n"},
        {"zzz: 1", "a.yaml:1:1: zzz: unknown option (options: sparsity, lr, criterion, bits, "
                   "steps, nesterov, path, ignore)\n"},
        {"criterion: tailor",
         "a.yaml:1:12: criterion: 'tailor' is not one of l1, l2, taylor; did you mean "
         "'taylor'?\n"},
        {"bits: 4.5", "a.yaml:1:7: bits: '4.5' is not a whole number ([2, 8])\n"},
        {"bits: 16", "a.yaml:1:7: bits: 16 is outside [2, 8]\n"},
        {"bits: [2, 4]", "a.yaml:1:7: bits: is a list; it needs one whole number, [2, 8]\n"},
        {"bits: 99999999999", "a.yaml:1:7: bits: 99999999999 is too large\n"},
        {"nesterov: perhaps", "a.yaml:1:11: nesterov: 'perhaps' is neither true nor false\n"},
        {"criterion:", "a.yaml:1:11: criterion: has no value; it needs one of l1, l2, taylor\n"},
        {"path: {a: 1}", "a.yaml:1:7: path: is a map; it needs one text\n"},
        {"ignore: [[a]]", "a.yaml:1:9: ignore: needs a list of names, as in [a, b]\n"},
        {"[1]", "a.yaml:1:1: a map of options is needed here, as in {name: value}\n"},
    };
    struct pare_arena *arena = pare_arena_new();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options o;
        char *problems = read_text(&o, arena, cases[i][0]);

        assert_string_equal(problems, cases[i][1]);
        free(problems);
    }
    pare_arena_free(arena);
}

static void all_mistakes_are_found_in_one_go(void **state)
{
    struct pare_arena *arena = pare_arena_new();
    struct options o;
    char *problems = read_text(&o, arena, "sparsity: 2\nbits: 99\nlr: 0.5\nfoo: 1\n");
    int n = 0;

    (void)state;
    for (const char *p = problems; *p; p++)
        n += *p == '\n';
    assert_int_equal(n, 3);
    assert_true(o.lr == 0.5); /* the right one is taken */
    free(problems);
    pare_arena_free(arena);
}

static void a_required_option_must_be_given(void **state)
{
    static const struct pare_option needy[] = {
        PARE_OPT(struct options, path, .required = true, .help = "the model file"),
        PARE_OPT_END,
    };
    struct pare_arena *arena = pare_arena_new();
    struct pare_problems problems = {0};
    struct options o = {0};

    (void)state;
    pare_options_read(needy, &o, NULL, NULL, arena, &problems);
    assert_int_equal(problems.n, 1);
    assert_string_equal(problems.items[0].text, "path: is missing (the model file)");
    pare_problems_clear(&problems);
    pare_arena_free(arena);
}

static void canonical_texts_read_back_to_the_same_value(void **state)
{
    static const double numbers[] = {0, 0.1, 1.0 / 3, 0.99, 0.30000000000000004 - 0.2, 1e-12};
    struct pare_arena *arena = pare_arena_new();
    const struct pare_option *row = pare_option_find(table, "sparsity");
    struct pare_error err = {0};
    struct options o, back;

    (void)state;
    pare_options_defaults(table, &o);
    pare_options_defaults(table, &back);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct pare_text text = {0};

        o.sparsity = numbers[i];
        pare_option_text(row, &o, &text);
        assert_ok(pare_option_set(row, &back, text.s, arena, &err), &err);
        assert_true(back.sparsity == o.sparsity);
        pare_text_clear(&text);
    }
    o.ignore = (struct pare_strings){4, PARE_CHOICES("fc2", "a, b", "", "\\\"]")};
    o.path = NULL;
    o.nesterov = false;
    o.criterion = 1;
    for (row = table; row->name; row++) {
        struct pare_text text = {0};

        pare_option_text(row, &o, &text);
        assert_ok(pare_option_set(row, &back, text.s ? text.s : "", arena, &err), &err);
        pare_text_clear(&text);
    }
    assert_null(back.path);
    assert_false(back.nesterov);
    assert_int_equal(back.criterion, 1);
    assert_int_equal(back.ignore.n, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(back.ignore.items[i], o.ignore.items[i]);
    pare_arena_free(arena);
}

static void setting_nonsense_is_an_error(void **state)
{
    static const char *const cases[][2] = {
        {"sparsity", "1.5"}, {"sparsity", "x"}, {"criterion", "l9"}, {"bits", "2.5"},
        {"nesterov", "?"},   {"ignore", "a"},   {"ignore", "[a"},    {"ignore", "[\"a]"},
        {"ignore", "[a]b"},  {"bits", ""},      {"sparsity", "nan"},
    };
    struct pare_arena *arena = pare_arena_new();
    struct options o;

    (void)state;
    pare_options_defaults(table, &o);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct pare_option *row = pare_option_find(table, cases[i][0]);
        struct pare_error err = {0};

        assert_int_equal(pare_option_set(row, &o, cases[i][1], arena, &err), PARE_EINVAL);
        assert_int_equal(strncmp(err.text, cases[i][0], strlen(cases[i][0])), 0);
    }
    pare_arena_free(arena);
}

static void spelling_does_not_change_the_canonical_text(void **state)
{
    struct pare_arena *arena = pare_arena_new();
    struct pare_text a = {0}, b = {0}, c = {0};
    struct options o;

    (void)state;
    free(read_text(&o, arena, "{sparsity: 0.50, bits: 4.0, nesterov: yes, path: 'a;b'}"));
    pare_options_canonical(table, &o, &a);
    free(read_text(&o, arena, "{path: a;b, nesterov: on, bits: 4, sparsity: 5.0e-1}"));
    pare_options_canonical(table, &o, &b);
    assert_string_equal(a.s, b.s);
    assert_string_equal(a.s, "sparsity=0.5;lr=0.001;criterion=taylor;bits=4;steps=100;"
                             "nesterov=true;path=\"a;b\";ignore=[];");
    o.steps = 101;
    pare_options_canonical(table, &o, &c);
    assert_string_not_equal(a.s, c.s);
    pare_text_clear(&a);
    pare_text_clear(&b);
    pare_text_clear(&c);
    pare_arena_free(arena);
}

static void help_shows_every_option_within_the_columns(void **state)
{
    struct pare_text help = {0};

    (void)state;
    pare_options_help(table, 80, &help);
    for (const struct pare_option *row = table; row->name; row++)
        assert_non_null(strstr(help.s, row->name));
    assert_non_null(strstr(help.s, "  sparsity   number [0, 0.99]; default 0.5\n"));
    assert_non_null(strstr(help.s, "  criterion  l1, l2, taylor; default taylor\n"));
    assert_non_null(strstr(help.s, "  bits       whole number [2, 8] bits; default 8\n"));
    for (const char *line = help.s; *line; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") <= 80);
    pare_text_clear(&help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_stand_where_nothing_is_given),
        cmocka_unit_test(every_type_is_read_from_a_map),
        cmocka_unit_test(every_mistake_names_the_place_and_the_remedy),
        cmocka_unit_test(all_mistakes_are_found_in_one_go),
        cmocka_unit_test(a_required_option_must_be_given),
        cmocka_unit_test(canonical_texts_read_back_to_the_same_value),
        cmocka_unit_test(setting_nonsense_is_an_error),
        cmocka_unit_test(spelling_does_not_change_the_canonical_text),
        cmocka_unit_test(help_shows_every_option_within_the_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
