#include "../support/check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void a_text_grows_and_stays_terminated(void **state)
{
    struct pare_text text = {0};
    char *taken;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        pare_text_printf(&text, "%d,", i % 10);
        assert_int_equal(strlen(text.s), text.n);
        assert_true(text.n < text.capacity);
    }
    assert_int_equal(text.n, 2000);
    assert_string_equal(text.s + 1996, "8,9,");
    taken = pare_text_take(&text);
    assert_int_equal(strlen(taken), 2000);
    assert_null(text.s);
    free(taken);
    taken = pare_text_take(&text);
    assert_string_equal(taken, "");
    free(taken);
}

static void json_strings_escape_what_json_forbids(void **state)
{
    struct pare_text text = {0};

    (void)state;
    pare_text_json_string(&text, "a\"b\\c\n\t\x01\x7f");
    assert_string_equal(text.s, "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\"");
    pare_text_clear(&text);
    pare_text_json_string(&text, "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"); /* valid UTF-8 stays */
    assert_string_equal(text.s, "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
    pare_text_clear(&text);
    pare_text_json_string(&text, "x\xff\xc3|\xe0\x80\x80|\xed\xa0\x80|\xc3"); /* broken UTF-8 */
    assert_string_equal(text.s,
                        "\"x\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\ufffd\"");
    pare_text_clear(&text);
}

static void json_numbers_read_back_and_are_short(void **state)
{
    static const double values[] = {0,       0.1,  1.0 / 3,  1e-300,    5e-324, DBL_MAX,
                                    -2.5e17, 1e15, 123456.7, 0.1 + 0.2, M_PI,   0x1p-1074};
    struct pare_text text = {0};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        pare_text_json_number(&text, values[i]);
        assert_true(strtod(text.s, NULL) == values[i]);
        pare_text_clear(&text);
    }
    pare_text_json_number(&text, 0.1);
    pare_text_add(&text, " ");
    pare_text_json_number(&text, NAN);
    pare_text_add(&text, " ");
    pare_text_json_number(&text, -INFINITY);
    assert_string_equal(text.s, "0.1 null null");
    pare_text_clear(&text);
}

static void distance_counts_slips_of_the_pen(void **state)
{
    (void)state;
    assert_int_equal(pare_text_distance("", ""), 0);
    assert_int_equal(pare_text_distance("abc", ""), 3);
    assert_int_equal(pare_text_distance("", "abc"), 3);
    assert_int_equal(pare_text_distance("critereon", "criterion"), 1);
    assert_int_equal(pare_text_distance("sclae", "scale"), 1); /* a swap is one slip */
    assert_int_equal(pare_text_distance("kitten", "sitting"), 3);
}

static void the_nearest_name_is_found_only_when_it_is_near(void **state)
{
    static const char *const names[] = {"criterion", "sparsity", "scope", "round_to",
                                        "prune.magnitude"};

    (void)state;
    assert_string_equal(pare_text_nearest("critereon", names, 5), "criterion");
    assert_string_equal(pare_text_nearest("Round-To", names, 5), "round_to");
    assert_string_equal(pare_text_nearest("spars", names, 5), "sparsity");
    assert_string_equal(pare_text_nearest("magnitude", names, 5), "prune.magnitude");
    assert_null(pare_text_nearest("temperature", names, 5));
    assert_null(pare_text_nearest("", names, 5));
    assert_null(pare_text_nearest("x", names, 0));
}

static void sizes_are_read_with_their_units(void **state)
{
    double bytes;

    (void)state;
    assert_true(pare_text_to_bytes("64 KiB", &bytes) && bytes == 65536);
    assert_true(pare_text_to_bytes("1.5MiB", &bytes) && bytes == 1572864);
    assert_true(pare_text_to_bytes("300", &bytes) && bytes == 300);
    assert_true(pare_text_to_bytes(" 2 kB ", &bytes) && bytes == 2000);
    assert_false(pare_text_to_bytes("-1 KiB", &bytes));
    assert_false(pare_text_to_bytes("inf", &bytes));
    assert_false(pare_text_to_bytes("0x10", &bytes));
    assert_false(pare_text_to_bytes("64 KIB!", &bytes));
    assert_false(pare_text_to_bytes("", &bytes));
    assert_false(pare_text_to_bytes("KiB", &bytes));
}

static void durations_are_read_with_their_units(void **state)
{
    double s;

    (void)state;
    assert_true(pare_text_to_seconds("300", &s) && s == 300);
    assert_true(pare_text_to_seconds("90s", &s) && s == 90);
    assert_true(pare_text_to_seconds("15 min", &s) && s == 900);
    assert_true(pare_text_to_seconds("2h", &s) && s == 7200);
    assert_true(pare_text_to_seconds("250ms", &s) && s == 0.25);
    assert_false(pare_text_to_seconds("2 weeks", &s));
    assert_false(pare_text_to_seconds("soon", &s));
}

static void sizes_and_durations_are_written_for_people(void **state)
{
    char b[32];

    (void)state;
    assert_string_equal(pare_text_bytes(65536, b, sizeof b), "64.0 KiB");
    assert_string_equal(pare_text_bytes(512, b, sizeof b), "512 B");
    assert_string_equal(pare_text_bytes(0x1p20 * 1.5, b, sizeof b), "1.5 MiB");
    assert_string_equal(pare_text_seconds(3725, b, sizeof b), "1 h 02 min");
    assert_string_equal(pare_text_seconds(12.34, b, sizeof b), "12.3 s");
    assert_string_equal(pare_text_seconds(59.97, b, sizeof b), "1 min 00 s");
    assert_string_equal(pare_text_seconds(3599.8, b, sizeof b), "1 h 00 min");
    assert_string_equal(pare_text_seconds(0.0125, b, sizeof b), "12.5 ms");
    assert_string_equal(pare_text_seconds(NAN, b, sizeof b), "?");
}

static void an_error_keeps_its_message_and_gains_its_place(void **state)
{
    struct pare_error err = {0};

    (void)state;
    pare_error_prefix(&err, "nothing");
    assert_string_equal(err.text, "");
    assert_int_equal(pare_fail(&err, PARE_EFORMAT, "tensor '%s' is cut", "w"), PARE_EFORMAT);
    pare_error_prefix(&err, "%s", "a.bin");
    pare_error_prefix(&err, "%s", "a.bin"); /* said once */
    assert_string_equal(err.text, "a.bin: tensor 'w' is cut");
    pare_fail(&err, PARE_EINVAL, "again: %s", err.text); /* its own text as argument */
    assert_string_equal(err.text, "again: a.bin: tensor 'w' is cut");
    assert_int_equal(pare_fail(NULL, PARE_EIO, "x"), PARE_EIO);
    for (int i = 0; i < 500; i++)
        pare_error_prefix(&err, "a rather long place number %d", i);
    assert_true(strlen(err.text) < sizeof err.text);
    assert_int_equal(err.status, PARE_EINVAL);
    assert_string_equal(pare_status_name(PARE_ECRASH), "crash");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_grows_and_stays_terminated),
        cmocka_unit_test(json_strings_escape_what_json_forbids),
        cmocka_unit_test(json_numbers_read_back_and_are_short),
        cmocka_unit_test(distance_counts_slips_of_the_pen),
        cmocka_unit_test(the_nearest_name_is_found_only_when_it_is_near),
        cmocka_unit_test(sizes_are_read_with_their_units),
        cmocka_unit_test(durations_are_read_with_their_units),
        cmocka_unit_test(sizes_and_durations_are_written_for_people),
        cmocka_unit_test(an_error_keeps_its_message_and_gains_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
