#include "../support/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"

static void digests_are_those_of_xxh3_128(void **state)
{
    struct pare_digest digest = pare_hash_bytes("", 0);

    (void)state;
    /* The published value of XXH3_128bits of nothing, seed 0. */
    assert_string_equal(digest.hex, "99aa06d3014798d86001c324468d497f");
    assert_true(pare_digest_u64(&digest) == UINT64_C(0x99aa06d3014798d8));
}

static void pieces_hash_like_the_whole(void **state)
{
    char data[5000];
    struct pare_hash *hash = pare_hash_new();
    struct pare_digest pieces, whole;

    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31);
    for (size_t i = 0; i < sizeof data; i += 100)
        pare_hash_add(hash, data + i, 100);
    pieces = pare_hash_finish(hash);
    whole = pare_hash_bytes(data, sizeof data);
    assert_string_equal(pieces.hex, whole.hex);
}

static void texts_are_kept_apart(void **state)
{
    struct pare_hash *one = pare_hash_new(), *two = pare_hash_new();
    struct pare_digest a, b;

    (void)state;
    pare_hash_add_text(one, "ab");
    pare_hash_add_text(one, "c");
    pare_hash_add_text(two, "a");
    pare_hash_add_text(two, "bc");
    a = pare_hash_finish(one);
    b = pare_hash_finish(two);
    assert_string_not_equal(a.hex, b.hex);
}

static void a_file_hashes_like_its_bytes(void **state)
{
    char *dir = check_make_dir(), *path = pare_path_join(dir, "x");
    struct pare_error err = {0};
    struct pare_digest file, bytes = pare_hash_bytes("hello", 5);

    (void)state;
    assert_ok(pare_file_write(path, "hello", 5, &err), &err);
    assert_ok(pare_hash_file(&file, path, &err), &err);
    assert_string_equal(file.hex, bytes.hex);
    free(path);
    path = pare_path_join(dir, "missing");
    assert_int_equal(pare_hash_file(&file, path, &err), PARE_EIO);
    assert_non_null(strstr(err.text, "missing"));
    free(path);
    check_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_xxh3_128),
        cmocka_unit_test(pieces_hash_like_the_whole),
        cmocka_unit_test(texts_are_kept_apart),
        cmocka_unit_test(a_file_hashes_like_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
