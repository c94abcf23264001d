#include "../../harness/io/json.h"

#include <stdlib.h>
#include <string.h>

#include "../support/check.h"

static struct pare_json *parse(const char *text)
{
    struct pare_json *root = NULL;
    struct pare_error err = {0};

    assert_ok(pare_json_parse(&root, text, strlen(text), &err), &err);
    return root;
}

static void every_kind_reads_back(void **state)
{
    struct pare_json *root = parse(
        "{\"i\":-7,\"r\":0.5,\"e\":1e3,\"s\":\"a\\u00e9\",\"t\":true,\"n\":null,\"a\":[1,2]}");
    bool flag = false;
    int64_t whole = 0;
    double number = 0;

    (void)state;
    assert_int_equal(pare_json_kind(root), PARE_JSON_OBJECT);
    assert_int_equal(pare_json_n(root), 7);
    assert_true(pare_json_int(pare_json_get(root, "i"), &whole));
    assert_int_equal(whole, -7);
    assert_true(pare_json_number(pare_json_get(root, "i"), &number));
    assert_true(number == -7);
    assert_true(pare_json_number(pare_json_get(root, "r"), &number));
    assert_true(number == 0.5);
    assert_int_equal(pare_json_kind(pare_json_get(root, "e")), PARE_JSON_REAL);
    assert_string_equal(pare_json_string(pare_json_get(root, "s")), "a\xc3\xa9");
    assert_true(pare_json_bool(pare_json_get(root, "t"), &flag));
    assert_true(flag);
    assert_int_equal(pare_json_kind(pare_json_get(root, "n")), PARE_JSON_NULL);
    assert_int_equal(pare_json_n(pare_json_get(root, "a")), 2);
    assert_int_equal(pare_json_get_int(root, "i", 1), -7);
    pare_json_free(root);
    pare_json_free(NULL);
}

static void what_is_not_there_gives_the_default(void **state)
{
    struct pare_json *root = parse("{\"s\":\"x\",\"i\":3,\"r\":2.5}");
    int64_t whole = 11;

    (void)state;
    assert_null(pare_json_get(root, "absent"));
    assert_null(pare_json_at(root, 0)); /* no array */
    assert_null(pare_json_at(pare_json_get(root, "s"), -1));
    assert_int_equal(pare_json_kind(NULL), PARE_JSON_NONE);
    assert_int_equal(pare_json_n(NULL), 0);
    assert_null(pare_json_get(pare_json_get(root, "i"), "key"));
    assert_false(pare_json_int(pare_json_get(root, "r"), &whole)); /* 2.5 is no integer */
    assert_int_equal(whole, 11);
    assert_null(pare_json_string(pare_json_get(root, "i")));
    assert_int_equal(pare_json_get_int(root, "s", 5), 5);
    assert_true(pare_json_get_number(root, "absent", 0.25) == 0.25);
    assert_true(pare_json_get_bool(root, "i", true));
    assert_string_equal(pare_json_get_string(root, "i", "def"), "def");
    assert_null(pare_json_first(NULL));
    pare_json_free(root);
}

static void members_come_in_the_order_of_the_text(void **state)
{
    struct pare_json *root = parse("{\"z\":0,\"a\":1,\"m\":2,\"b\":3}");
    char keys[8] = "";
    int64_t next = 0;

    (void)state;
    for (void *it = pare_json_first(root); it; it = pare_json_next(root, it)) {
        int64_t value = -1;

        strcat(keys, pare_json_key(it));
        assert_true(pare_json_int(pare_json_value(it), &value));
        assert_int_equal(value, next++);
    }
    assert_string_equal(keys, "zamb");
    pare_json_free(root);
}

static void faults_are_named_with_their_place(void **state)
{
    static const char *const rows[][2] = {
        {"", "JSON, line 1"},
        {"{\"a\":1,\n \"b\":}", "line 2"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"[1,2", "JSON"},
        {"[1] x", "end of file expected"},
        {"[99999999999999999999]", "big"},
        {"[1e999]", "overflow"},
        {"\"\\u0000\"", "u0000"},
        {"\"\xff\"", "decode byte 0xff"},
        {"nul", "JSON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pare_json *root = NULL;
        struct pare_error err = {0};

        assert_int_equal(pare_json_parse(&root, rows[i][0], strlen(rows[i][0]), &err),
                         PARE_EFORMAT);
        if (!strstr(err.text, rows[i][1]))
            fail_msg("\"%s\" does not say \"%s\"", err.text, rows[i][1]);
    }
}

static void deep_and_large_texts_are_refused(void **state)
{
    enum { N = 100000 };
    struct pare_json *root = NULL;
    struct pare_error err = {0};
    char *deep = malloc(N);

    (void)state;
    memset(deep, '[', N);
    assert_int_equal(pare_json_parse(&root, deep, N, &err), PARE_EFORMAT);
    assert_int_equal(pare_json_parse(&root, deep, PARE_JSON_MAX_BYTES + 1, &err), PARE_EFORMAT);
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_reads_back),
        cmocka_unit_test(what_is_not_there_gives_the_default),
        cmocka_unit_test(members_come_in_the_order_of_the_text),
        cmocka_unit_test(faults_are_named_with_their_place),
        cmocka_unit_test(deep_and_large_texts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
