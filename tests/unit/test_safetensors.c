#include "../../harness/io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "../support/check.h"

/* A file of a given header and n_data bytes behind it. */
static unsigned char *make(const char *header, size_t n_data, size_t *n_bytes)
{
    uint64_t n = strlen(header);
    unsigned char *bytes = calloc(1, 8 + n + n_data + 1);

    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < n_data; i++)
        bytes[8 + n + i] = (unsigned char)i;
    *n_bytes = 8 + n + n_data;
    return bytes;
}

static pare_status parse(const char *header, size_t n_data, struct pare_error *err)
{
    struct pare_safetensors *file = NULL;
    size_t n_bytes;
    unsigned char *bytes = make(header, n_data, &n_bytes);
    pare_status st = pare_safetensors_parse(&file, bytes, n_bytes, err);

    pare_safetensors_close(file);
    free(bytes);
    return st;
}

static void what_is_written_reads_back(void **state)
{
    static const float f32[6] = {1, -2, 3.5f, 0, 1e-30f, -0.0f};
    static const int8_t s8[3] = {-1, 2, 127};
    static const double f64[2] = {0.1, -1e300};
    const struct pare_safetensors_entry entries[] = {
        {"weights", PARE_F32, pare_shape_of(2, (int64_t)2, (int64_t)3), (const void *)f32, 24},
        {"empty", PARE_S64, pare_shape_of(2, (int64_t)0, (int64_t)7), NULL, 0},
        {"doubles", PARE_F64, pare_shape_of(1, (int64_t)2), (const void *)f64, 16},
        {"codes \"q\"", PARE_S8, pare_shape_of(1, (int64_t)3), (const void *)s8, 3},
        {"scalar", PARE_U8, pare_shape_of(0), (const void *)s8, 1},
    };
    static const char *const keys[] = {"pare.version", "note"};
    static const char *const values[] = {"1", "a \"quoted\"\nline"};
    struct pare_safetensors *file = NULL;
    const struct pare_safetensors_entry *entry;
    struct pare_tensor *tensor;
    unsigned char *bytes, *again;
    size_t n_bytes, n_again;
    uint64_t n_header;
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_safetensors_write(&bytes, &n_bytes, entries, 5, keys, values, 2, &err), &err);
    memcpy(&n_header, bytes, 8);
    assert_int_equal(n_header % 8, 0); /* the data is aligned */
    assert_int_equal(n_bytes, 8 + n_header + 24 + 16 + 3 + 1);
    assert_ok(pare_safetensors_parse(&file, bytes, n_bytes, &err), &err);
    assert_int_equal(pare_safetensors_n(file), 5);
    assert_string_equal(pare_safetensors_meta(file, "note"), values[1]);
    assert_null(pare_safetensors_meta(file, "absent"));
    assert_null(pare_safetensors_find(file, "absent"));
    for (int i = 0; i < 5; i++) {
        entry = pare_safetensors_find(file, entries[i].name);
        assert_non_null(entry);
        assert_int_equal(entry->dtype, entries[i].dtype);
        assert_true(pare_shape_equal(&entry->shape, &entries[i].shape));
        assert_int_equal(entry->n_bytes, entries[i].n_bytes);
        if (entry->n_bytes)
            assert_memory_equal(entry->data, entries[i].data, entry->n_bytes);
    }
    assert_ok(pare_safetensors_tensor(&tensor, pare_safetensors_find(file, "weights"), &err), &err);
    assert_memory_equal(tensor->data, f32, 24);
    pare_tensor_unref(tensor);
    assert_int_equal(
        pare_safetensors_tensor(&tensor, pare_safetensors_find(file, "codes \"q\""), &err),
        PARE_EINVAL);
    assert_ok(pare_safetensors_tensor(&tensor, pare_safetensors_find(file, "doubles"), &err), &err);
    assert_true(pare_tensor_f32(tensor)[0] == 0.1f);
    pare_tensor_unref(tensor);
    assert_ok(pare_safetensors_write(&again, &n_again, entries, 5, keys, values, 2, &err), &err);
    assert_int_equal(n_again, n_bytes);
    assert_memory_equal(again, bytes, n_bytes);
    pare_safetensors_close(file);
    free(bytes);
    free(again);
}

static void files_of_others_are_read(void **state)
{
    struct pare_safetensors *file = NULL;
    struct pare_error err = {0};

    (void)state;
    assert_ok(
        pare_safetensors_open(&file, check_test_data("vectors/conv_bn_fold.safetensors"), &err),
        &err);
    assert_string_equal(pare_safetensors_meta(file, "op"), "conv_bn_fold");
    assert_int_equal(pare_safetensors_find(file, "in.w")->shape.dims[0], 5);
    pare_safetensors_close(file);
    assert_int_equal(pare_safetensors_open(&file, "/nowhere/x.safetensors", &err), PARE_EIO);
}

#define T(REST) "{\"t\":{\"dtype\":\"F32\"," REST "}}"

static void damaged_headers_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *header;
        size_t n_data;
        const char *message;
    } rows[] = {
        {"[]", 0, "does not begin with '{'"},
        {" {}", 0, "does not begin with '{'"},
        {"{\"t\":1", 0, "header: JSON"},
        {"{\"t\":5}", 0, "dtype is missing"},
        {"{\"t\":{}}", 0, "dtype is missing"},
        {"{\"t\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "'F31'"},
        {"{\"t\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "'BF16'"},
        {"{\"t\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is missing"},
        {T("\"data_offsets\":[0,4]"), 4, "shape is not a list"},
        {T("\"shape\":4,\"data_offsets\":[0,4]"), 4, "shape is not a list"},
        {T("\"shape\":[-1],\"data_offsets\":[0,4]"), 4, "not a whole number"},
        {T("\"shape\":[1.0],\"data_offsets\":[0,4]"), 4, "not a whole number"},
        {T("\"shape\":[\"1\"],\"data_offsets\":[0,4]"), 4, "not a whole number"},
        {T("\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4, "at most 8"},
        {T("\"shape\":[1]"), 4, "data_offsets is not a pair"},
        {T("\"shape\":[1],\"data_offsets\":[0]"), 4, "data_offsets is not a pair"},
        {T("\"shape\":[1],\"data_offsets\":[0,4,8]"), 4, "data_offsets is not a pair"},
        {T("\"shape\":[1],\"data_offsets\":[4,0]"), 4, "outside"},
        {T("\"shape\":[1],\"data_offsets\":[-4,0]"), 4, "outside"},
        {T("\"shape\":[1],\"data_offsets\":[0,8]"), 4, "outside"},
        {T("\"shape\":[2],\"data_offsets\":[0,4]"), 4, "do not make 4 bytes"},
        {T("\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]"), 4, "do not make"},
        {T("\"shape\":[4611686018427387905],\"data_offsets\":[0,4]"), 4, "do not make"},
        {T("\"shape\":[4294967296,4294967296,0],\"data_offsets\":[0,4]"), 4, "do not make"},
        {T("\"shape\":[1],\"data_offsets\":[0,4]"), 8, "behind the last tensor"},
        {T("\"shape\":[1],\"data_offsets\":[4,8]"), 8, "leaves a hole"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
         7, "overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
         4, "overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         2, "duplicate"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "'a' is not a text"},
        {"{}", 1, "behind the last tensor"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pare_error err = {0};
        pare_status st = parse(rows[i].header, rows[i].n_data, &err);

        if (st != PARE_EFORMAT)
            fail_msg("%s: status %s", rows[i].header, pare_status_name(st));
        if (!strstr(err.text, rows[i].message))
            fail_msg("%s: \"%s\" does not say \"%s\"", rows[i].header, err.text, rows[i].message);
    }
}

static void sound_headers_of_any_form_are_read(void **state)
{
    struct pare_error err = {0};

    (void)state;
    assert_ok(parse("{}", 0, &err), &err);
    assert_ok(parse("{\"__metadata__\":{}}", 0, &err), &err);
    assert_ok(parse(T("\"shape\":[],\"data_offsets\":[0,4]"), 4, &err), &err);
    assert_ok(parse(T("\"data_offsets\":[0,4],\"shape\":[1,1]") "      ", 4, &err), &err);
    /* Not in the order of the data, with an empty one between. */
    assert_ok(parse("{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]},"
                    "\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[2,2]},"
                    "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
                    6, &err),
              &err);
}

static void lengths_that_lie_are_refused(void **state)
{
    static const uint64_t lengths[] = {
        0, 1, 3, 1000, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    struct pare_error err = {0};
    size_t n_bytes;
    unsigned char *bytes = make("{}", 0, &n_bytes);
    struct pare_safetensors *file;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(bytes, &lengths[i], 8);
        assert_int_equal(pare_safetensors_parse(&file, bytes, n_bytes, &err), PARE_EFORMAT);
    }
    for (size_t n = 0; n < 10; n++)
        assert_int_equal(pare_safetensors_parse(&file, bytes, n, &err), PARE_EFORMAT);
    free(bytes);
}

/* Every prefix, and many files with a byte changed: an answer, never a crash; under the sanitizer
 * the copy of exact size shows every read too far. */
static void damaged_files_are_answered(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\"},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
        "\"b\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[16,24]}}";
    size_t n_bytes;
    unsigned char *bytes = make(header, 24, &n_bytes);
    struct pare_rng rng;
    int n_read = 0;

    (void)state;
    pare_rng_init(&rng, 4, 4);
    for (size_t n = 0; n <= n_bytes; n++) {
        unsigned char *copy = malloc(n ? n : 1);
        struct pare_safetensors *file = NULL;
        struct pare_error err = {0};
        pare_status st;

        memcpy(copy, bytes, n);
        st = pare_safetensors_parse(&file, copy, n, &err);
        assert_int_equal(st, n == n_bytes ? PARE_OK : PARE_EFORMAT);
        pare_safetensors_close(file);
        free(copy);
    }
    for (int i = 0; i < 20000; i++) {
        unsigned char *copy = malloc(n_bytes);
        struct pare_safetensors *file = NULL;
        struct pare_error err = {0};
        pare_status st;

        memcpy(copy, bytes, n_bytes);
        copy[pare_rng_below(&rng, (int64_t)n_bytes)] = (unsigned char)pare_rng_u32(&rng);
        st = pare_safetensors_parse(&file, copy, n_bytes, &err);
        assert_true(st == PARE_OK || (st == PARE_EFORMAT && err.text[0]));
        n_read += st == PARE_OK;
        pare_safetensors_close(file);
        free(copy);
    }
    assert_true(n_read > 0 && n_read < 20000);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(files_of_others_are_read),
        cmocka_unit_test(damaged_headers_are_refused_with_the_reason),
        cmocka_unit_test(sound_headers_of_any_form_are_read),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(damaged_files_are_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
