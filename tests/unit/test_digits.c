#include "../support/check.h"

#include <time.h>

#include "base/hash.h"
#include "io/digits.h"

#define PIXELS (PARE_DIGITS_SIDE * PARE_DIGITS_SIDE)

static void same_seed_and_index_give_the_same_bytes(void **state)
{
    uint8_t a[PIXELS], b[PIXELS];

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        int label = pare_digits_draw(a, 7, i);

        assert_int_equal(pare_digits_draw(b, 7, i), label);
        assert_memory_equal(a, b, PIXELS);
    }
}

/* The bytes themselves: a compiler or machine that draws otherwise would make results that cannot
 * be compared with those of others. */
static void drawings_are_those_of_every_other_machine(void **state)
{
    uint8_t pixels[PIXELS];
    struct pare_hash *hash = pare_hash_new();
    struct pare_digest digest;

    (void)state;
    for (uint64_t i = 0; i < 500; i++) {
        uint8_t label = (uint8_t)pare_digits_draw(pixels, 1, i);

        pare_hash_add(hash, &label, 1);
        pare_hash_add(hash, pixels, PIXELS);
    }
    digest = pare_hash_finish(hash);
    assert_string_equal(digest.hex, "d9bbdf877672895b254153163999c3c4");
}

static void other_seeds_and_indices_give_other_images(void **state)
{
    uint8_t a[PIXELS], b[PIXELS];

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        pare_digits_draw(a, 7, i);
        pare_digits_draw(b, 7, i + 1);
        assert_memory_not_equal(a, b, PIXELS);
        pare_digits_draw(b, 8, i);
        assert_memory_not_equal(a, b, PIXELS);
    }
}

static void classes_are_about_equally_frequent(void **state)
{
    uint8_t pixels[PIXELS];
    int counts[PARE_DIGITS_CLASSES] = {0};

    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        int label = pare_digits_draw(pixels, 3, i);

        assert_in_range(label, 0, PARE_DIGITS_CLASSES - 1);
        counts[label]++;
    }
    for (int c = 0; c < PARE_DIGITS_CLASSES; c++) /* 500 with deviation 21 */
        assert_in_range(counts[c], 400, 600);
}

static void every_image_has_ink_and_paper(void **state)
{
    uint8_t pixels[PIXELS];

    (void)state;
    for (uint64_t i = 0; i < 2000; i++) {
        int n_ink = 0, n_paper = 0;

        pare_digits_draw(pixels, 5, i);
        for (int k = 0; k < PIXELS; k++) {
            n_ink += pixels[k] > 90;
            n_paper += pixels[k] < 60;
        }
        assert_in_range(n_ink, 8, PIXELS / 2);
        assert_in_range(n_paper, PIXELS / 2, PIXELS);
    }
}

static void a_whole_data_set_is_drawn_within_two_seconds(void **state)
{
    uint8_t pixels[PIXELS];
    clock_t start = clock(); /* of the processor: others may be using it too */

    (void)state;
    for (uint64_t i = 0; i < 1200; i++)
        pare_digits_draw(pixels, 9, i);
    assert_true(10.0 * (double)(clock() - start) / CLOCKS_PER_SEC < 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_and_index_give_the_same_bytes),
        cmocka_unit_test(drawings_are_those_of_every_other_machine),
        cmocka_unit_test(other_seeds_and_indices_give_other_images),
        cmocka_unit_test(classes_are_about_equally_frequent),
        cmocka_unit_test(every_image_has_ink_and_paper),
        cmocka_unit_test(a_whole_data_set_is_drawn_within_two_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
