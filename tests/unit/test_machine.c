#include "../support/check.h"

#include <string.h>

#include "io/json.h"
#include "measure/machine.h"

static void the_manifest_is_json_without_paths(void **state)
{
    static const char *const keys[] = {"cpu",        "cores",     "isa",      "caches",
                                       "memory_gib", "os",        "kernel",   "virtual",
                                       "compiler",   "libraries", "governor", "pare_commit"};
    struct pare_text text = {0};
    struct pare_error err = {0};
    struct pare_json *json;

    (void)state;
    pare_machine_json(&text);
    assert_ok(pare_json_parse(&json, text.s, text.n, &err), &err);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_not_equal(pare_json_kind(pare_json_get(json, keys[i])), PARE_JSON_NONE);
    pare_json_free(json);
    assert_null(strstr(text.s, "/home"));
    assert_null(strstr(text.s, "/usr"));
    assert_null(strstr(text.s, "/lib"));
    pare_text_clear(&text);
}

static void the_manifest_and_digest_do_not_change(void **state)
{
    struct pare_text a = {0}, b = {0};
    char x[40], y[40];

    (void)state;
    pare_machine_json(&a);
    pare_machine_json(&b);
    assert_string_equal(a.s, b.s);
    assert_string_equal(pare_machine_digest(x, sizeof x), pare_machine_digest(y, sizeof y));
    assert_int_equal(strlen(x), 32);
    pare_text_clear(&a);
    pare_text_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manifest_is_json_without_paths),
        cmocka_unit_test(the_manifest_and_digest_do_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
