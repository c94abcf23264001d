#include "../support/check.h"

#include <string.h>

#include <pare/tensor.h>

static void a_new_tensor_is_zero_and_aligned(void **state)
{
    struct pare_shape shape = pare_shape_of(4, (int64_t)3, (int64_t)5, (int64_t)7, (int64_t)2);
    struct pare_error err = {0};
    struct pare_tensor *t;

    (void)state;
    assert_ok(pare_tensor_new(&t, PARE_F32, &shape, &err), &err);
    assert_int_equal((uintptr_t)t->data % 64, 0);
    assert_int_equal(t->n_bytes, 3 * 5 * 7 * 2 * 4);
    assert_int_equal(pare_tensor_elems(t), 210);
    for (int i = 0; i < 210; i++)
        assert_true(pare_tensor_f32(t)[i] == 0);
    pare_tensor_unref(t);
}

static void copies_are_apart_and_references_are_shared(void **state)
{
    struct pare_shape shape = pare_shape_of(1, (int64_t)4);
    struct pare_error err = {0};
    struct pare_tensor *a, *b, *c;

    (void)state;
    assert_ok(pare_tensor_new(&a, PARE_F32, &shape, &err), &err);
    pare_tensor_f32(a)[1] = 2;
    assert_ok(pare_tensor_copy(&b, a, &err), &err);
    c = pare_tensor_ref(a);
    pare_tensor_f32(c)[1] = 3;
    assert_true(pare_tensor_f32(a)[1] == 3);
    assert_true(pare_tensor_f32(b)[1] == 2);
    pare_tensor_unref(a);
    assert_true(pare_tensor_f32(c)[1] == 3); /* still alive */
    pare_tensor_unref(c);
    pare_tensor_unref(b);
    pare_tensor_unref(NULL);
}

static void sizes_that_overflow_are_refused(void **state)
{
    struct pare_shape huge = pare_shape_of(3, (int64_t)1 << 30, (int64_t)1 << 30, (int64_t)1 << 30);
    struct pare_shape large = pare_shape_of(2, (int64_t)1 << 31, (int64_t)1 << 31);
    struct pare_shape negative = pare_shape_of(2, (int64_t)3, (int64_t)-2);
    struct pare_shape batch = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)3);
    struct pare_error err = {0};
    struct pare_tensor *t;

    (void)state;
    assert_int_equal(pare_shape_elems(&huge), -1);
    assert_int_equal(pare_shape_elems(&negative), -1);
    assert_int_equal(pare_shape_elems(&batch), 3);
    assert_int_equal(pare_tensor_new(&t, PARE_F32, &huge, &err), PARE_EINVAL);
    assert_int_equal(pare_tensor_new(&t, PARE_F32, &large, &err), PARE_ENOMEM);
    assert_non_null(strstr(err.text, "2147483648"));
    assert_int_equal(pare_tensor_new(&t, PARE_F32, &negative, &err), PARE_EINVAL);
    assert_int_equal(pare_tensor_new(&t, PARE_F32, &batch, &err), PARE_EINVAL);
}

static void a_tensor_may_be_empty_or_a_scalar(void **state)
{
    struct pare_shape empty = pare_shape_of(2, (int64_t)0, (int64_t)5);
    struct pare_shape scalar = pare_shape_of(0);
    struct pare_error err = {0};
    struct pare_tensor *t;

    (void)state;
    assert_ok(pare_tensor_new(&t, PARE_S64, &empty, &err), &err);
    assert_int_equal(t->n_bytes, 0);
    assert_non_null(t->data);
    pare_tensor_unref(t);
    assert_ok(pare_tensor_new(&t, PARE_S64, &scalar, &err), &err);
    assert_int_equal(t->n_bytes, 8);
    pare_tensor_unref(t);
}

static void shapes_are_written_with_the_batch_as_n(void **state)
{
    struct pare_shape shape = pare_shape_of(3, (int64_t)PARE_DIM_BATCH, (int64_t)20, (int64_t)24);
    struct pare_shape scalar = pare_shape_of(0);
    char text[64], tiny[6];

    (void)state;
    assert_string_equal(pare_shape_text(&shape, text, sizeof text), "[N, 20, 24]");
    assert_string_equal(pare_shape_text(&scalar, text, sizeof text), "[]");
    assert_string_equal(pare_shape_text(&shape, tiny, sizeof tiny), "[N, 2");
    assert_false(pare_shape_equal(&shape, &scalar));
    assert_true(pare_shape_equal(&shape, &shape));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_tensor_is_zero_and_aligned),
        cmocka_unit_test(copies_are_apart_and_references_are_shared),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_tensor_may_be_empty_or_a_scalar),
        cmocka_unit_test(shapes_are_written_with_the_batch_as_n),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
