#include "../support/check.h"

#include <string.h>

#include "base/arena.h"

static void pieces_are_zero_aligned_and_do_not_overlap(void **state)
{
    enum { N = 3000 };
    struct pare_arena *arena = pare_arena_new();
    static unsigned char *pieces[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        size_t n = (size_t)(i * 37 % 400);

        pieces[i] = pare_arena_alloc(arena, n);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(pieces[i][k], 0);
        if (n)
            memset(pieces[i], i & 255, n);
    }
    for (int i = 0; i < N; i++)
        for (size_t k = 0; k < (size_t)(i * 37 % 400); k++)
            assert_int_equal(pieces[i][k], i & 255);
    pare_arena_free(arena);
}

static void a_large_piece_leaves_the_open_block_in_use(void **state)
{
    struct pare_arena *arena = pare_arena_new();
    char *before = pare_arena_strdup(arena, "before");
    char *large = pare_arena_alloc(arena, 10 << 20);
    char *after = pare_arena_printf(arena, "%s%d", "after", 7);

    (void)state;
    large[0] = large[(10 << 20) - 1] = 1;
    assert_string_equal(before, "before");
    assert_string_equal(after, "after7");
    pare_arena_free(arena);
}

static void null_text_gives_null(void **state)
{
    struct pare_arena *arena = pare_arena_new();

    (void)state;
    assert_null(pare_arena_strdup(arena, NULL));
    assert_non_null(pare_arena_alloc(arena, 0));
    pare_arena_free(arena);
    pare_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zero_aligned_and_do_not_overlap),
        cmocka_unit_test(a_large_piece_leaves_the_open_block_in_use),
        cmocka_unit_test(null_text_gives_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
