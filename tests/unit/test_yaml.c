#include "../support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "option/yaml.h"

static struct pare_yaml_doc *parse(const char *text)
{
    struct pare_error err = {0};
    struct pare_yaml_doc *doc;

    assert_ok(pare_yaml_parse(&doc, text, strlen(text), "a.yaml", &err), &err);
    return doc;
}

/* The message must begin with `place` and hold `what`. */
static void refused(const char *text, size_t n, const char *place, const char *what)
{
    struct pare_error err = {0};
    struct pare_yaml_doc *doc;

    assert_int_equal(pare_yaml_parse(&doc, text, n, "a.yaml", &err), PARE_EFORMAT);
    if (strncmp(err.text, place, strlen(place)) != 0 || !strstr(err.text, what)) {
        print_error("'%s' does not say '%s' ... '%s'\n", err.text, place, what);
        fail();
    }
}

static void the_tree_remembers_every_place(void **state)
{
    struct pare_yaml_doc *doc = parse("version: 1\n"
                                      "# a comment\n"
                                      "stages:\n"
                                      "  prune: {method: prune.channels, sparsity: [0.5, .75]}\n"
                                      "  tune:\n"
                                      "    - 'quoted'\n"
                                      "    - ~\n");
    const struct pare_yaml *root = pare_yaml_root(doc), *stages = pare_yaml_get(root, "stages");
    const struct pare_yaml *prune = pare_yaml_get(stages, "prune");
    const struct pare_yaml *sparsity = pare_yaml_get(prune, "sparsity");
    const struct pare_yaml *tune = pare_yaml_get(stages, "tune");
    double value;

    (void)state;
    assert_string_equal(pare_yaml_path(doc), "a.yaml");
    assert_int_equal(root->kind, PARE_YAML_MAP);
    assert_int_equal(root->n, 2);
    assert_int_equal(stages->line, 4);
    assert_int_equal(stages->column, 3);
    assert_string_equal(pare_yaml_get(prune, "method")->text, "prune.channels");
    assert_int_equal(sparsity->kind, PARE_YAML_LIST);
    assert_int_equal(sparsity->items[1]->line, 4);
    assert_int_equal(sparsity->items[1]->column, 51);
    assert_true(pare_yaml_to_f64(sparsity->items[1], &value) && value == 0.75);
    assert_true(tune->items[0]->is_quoted);
    assert_int_equal(tune->items[1]->kind, PARE_YAML_NULL);
    assert_null(pare_yaml_get(root, "absent"));
    assert_null(pare_yaml_get(tune, "not a map"));
    pare_yaml_free(doc);
    pare_yaml_free(NULL);
}

static void scalars_become_numbers_only_when_they_are(void **state)
{
    struct pare_yaml_doc *doc =
        parse("[3, 3.0, 3.5, 1e-3, .5, -2, +7, '1', inf, .nan, 0x10, 1e999, "
              "9007199254740993, 99999999999999999999, yes, OFF, maybe, 1 2]");
    const struct pare_yaml *list = pare_yaml_root(doc);
    static const double expected[] = {3, 3, 3.5, 1e-3, .5, -2, 7};
    int64_t whole;
    double value;
    bool flag;

    (void)state;
    for (int i = 0; i < 7; i++)
        assert_true(pare_yaml_to_f64(list->items[i], &value) && value == expected[i]);
    for (int i = 7; i < 12; i++)
        assert_false(pare_yaml_to_f64(list->items[i], &value));
    assert_true(pare_yaml_to_i64(list->items[0], &whole) && whole == 3);
    assert_true(pare_yaml_to_i64(list->items[1], &whole) && whole == 3);
    assert_false(pare_yaml_to_i64(list->items[2], &whole));
    assert_true(pare_yaml_to_i64(list->items[12], &whole) && whole == 9007199254740993);
    assert_false(pare_yaml_to_i64(list->items[13], &whole));
    assert_true(pare_yaml_to_bool(list->items[14], &flag) && flag);
    assert_true(pare_yaml_to_bool(list->items[15], &flag) && !flag);
    assert_false(pare_yaml_to_bool(list->items[16], &flag));
    assert_false(pare_yaml_to_f64(list->items[17], &value));
    assert_false(pare_yaml_to_f64(NULL, &value));
    pare_yaml_free(doc);
}

static void what_is_not_supported_is_refused_with_its_place(void **state)
{
    static const char *const cases[][3] = {
        {"a: 1\nb: 2\na: 3\n", "a.yaml:3:1:", "'a' is given twice (first in line 1)"},
        {"a: &x 1\nb: *x\n", "a.yaml:1:4:", "anchors"},
        {"b:\n  - *x\n", "a.yaml:2:5:", "aliases"},
        {"a: &x {b: 1}\n", "a.yaml:1:4:", "anchors"},
        {"a: !!int 3\n", "a.yaml:1:4:", "tags"},
        {"a: !x [1]\n", "a.yaml:1:4:", "tags"},
        {"? [a, b]\n: 1\n", "a.yaml:1:3:", "a key must be a plain word"},
        {"a: 1\n---\nb: 2\n", "a.yaml:2:1:", "a second document"},
        {"a: \"x\\0y\"\n", "a.yaml:1:4:", "NUL"},
        {"", "a.yaml:", "is empty"},
        {"# nothing\n", "a.yaml:", "is empty"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(cases[i][0], strlen(cases[i][0]), cases[i][1], cases[i][2]);
}

static void slips_of_syntax_are_placed_and_explained(void **state)
{
    static const char *const cases[][3] = {
        {"a:\n\tb: 1\n", "a.yaml:2:1:", "tab"},
        {"a: {b: 1\n", "a.yaml:2:1:", "expected ',' or '}'"},
        {"a: b: c\n", "a.yaml:1:5:", "needs quotes"},
        {"a: @b\n", "a.yaml:1:4:", "needs quotes"},
        {"a: 'open\n", "a.yaml:2:1:", "quoted scalar"},
        {"a:\n  b: 1\n c: 2\n", "a.yaml:3:2:", "expected"},
        {"ok: 1\nbad: \xff\n", "a.yaml:2:6:", "UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(cases[i][0], strlen(cases[i][0]), cases[i][1], cases[i][2]);
}

static void deep_and_large_files_are_refused(void **state)
{
    struct pare_text text = {0};
    struct pare_yaml_doc *doc;

    (void)state;
    for (int i = 0; i < 64; i++)
        pare_text_add(&text, "[");
    pare_text_add(&text, "1");
    for (int i = 0; i < 64; i++)
        pare_text_add(&text, "]");
    doc = parse(text.s); /* 64 levels are allowed */
    pare_yaml_free(doc);
    pare_text_clear(&text);
    for (int i = 0; i < 100000; i++)
        pare_text_add(&text, "[");
    refused(text.s, text.n, "a.yaml:1:65:", "64 levels");
    while (text.n <= 1 << 20)
        pare_text_add(&text, "# xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    refused(text.s, text.n, "a.yaml:", "at most 1 MiB");
    pare_text_clear(&text);
}

static void a_map_of_very_many_keys_is_read_at_once(void **state)
{
    struct pare_text text = {0};
    struct pare_yaml_doc *doc;

    (void)state;
    for (int i = 0; i < 60000; i++)
        pare_text_printf(&text, "k%d: %d\n", i, i);
    doc = parse(text.s);
    assert_int_equal(pare_yaml_root(doc)->n, 60000);
    pare_yaml_free(doc);
    pare_text_add(&text, "k3: 1\n");
    refused(text.s, text.n, "a.yaml:60001:1:", "'k3' is given twice (first in line 4)");
    pare_text_clear(&text);
}

static void problems_come_sorted_and_once(void **state)
{
    struct pare_yaml late = {.line = 9, .column = 2}, early = {.line = 2, .column = 5};
    struct pare_problems problems = {0};
    char *text;

    (void)state;
    text = pare_problems_text(&problems, "a.yaml");
    assert_string_equal(text, "");
    free(text);
    pare_problem_add(&problems, &late, "second");
    pare_problem_add(&problems, &early, "first %d", 1);
    pare_problem_add(&problems, &late, "second");
    pare_problem_add(&problems, NULL, "of the whole file");
    text = pare_problems_text(&problems, "a.yaml");
    assert_string_equal(text,
                        "a.yaml: of the whole file\na.yaml:2:5: first 1\na.yaml:9:2: second\n");
    free(text);
    pare_problems_clear(&problems);
    assert_int_equal(problems.n, 0);
}

static void a_missing_file_is_named(void **state)
{
    struct pare_error err = {0};
    struct pare_yaml_doc *doc;

    (void)state;
    assert_int_equal(pare_yaml_load(&doc, "no/such.yaml", &err), PARE_EIO);
    assert_non_null(strstr(err.text, "no/such.yaml: cannot open"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tree_remembers_every_place),
        cmocka_unit_test(scalars_become_numbers_only_when_they_are),
        cmocka_unit_test(what_is_not_supported_is_refused_with_its_place),
        cmocka_unit_test(slips_of_syntax_are_placed_and_explained),
        cmocka_unit_test(deep_and_large_files_are_refused),
        cmocka_unit_test(a_map_of_very_many_keys_is_read_at_once),
        cmocka_unit_test(problems_come_sorted_and_once),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
