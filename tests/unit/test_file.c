#include "../support/check.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static int n_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void what_is_written_is_read_and_mapped(void **state)
{
    char *dir = check_make_dir(), *path = pare_path_join(dir, "data");
    struct pare_error err = {0};
    struct pare_file file;
    char *text;
    size_t n;

    (void)state;
    assert_ok(pare_file_write(path, "old", 3, &err), &err);
    assert_ok(pare_file_write(path, "a\0b", 3, &err), &err);
    assert_ok(pare_file_read(&text, &n, path, 3, &err), &err);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "a\0b\0", 4);
    free(text);
    assert_int_equal(pare_file_read(&text, &n, path, 2, &err), PARE_EFORMAT);
    assert_ok(pare_file_map(&file, path, &err), &err);
    assert_int_equal(file.n_bytes, 3);
    assert_memory_equal(file.data, "a\0b", 3);
    pare_file_unmap(&file);
    assert_null(file.data);
    assert_int_equal(n_entries(dir), 1); /* no temporary is left */
    free(path);
    check_remove_dir(dir);
}

static void an_empty_file_maps_to_nothing(void **state)
{
    char *dir = check_make_dir(), *path = pare_path_join(dir, "empty");
    struct pare_error err = {0};
    struct pare_file file;

    (void)state;
    assert_ok(pare_file_write(path, NULL, 0, &err), &err);
    assert_ok(pare_file_map(&file, path, &err), &err);
    assert_null(file.data);
    assert_int_equal(file.n_bytes, 0);
    pare_file_unmap(&file);
    free(path);
    check_remove_dir(dir);
}

static void refusals_name_the_path_and_the_reason(void **state)
{
    char *dir = check_make_dir(), *path = pare_path_join(dir, "no/such");
    struct pare_error err = {0};
    struct pare_file file;

    (void)state;
    assert_int_equal(pare_file_map(&file, path, &err), PARE_EIO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(pare_file_write(path, "x", 1, &err), PARE_EIO);
    assert_non_null(strstr(err.text, "does not exist"));
    assert_int_equal(pare_file_map(&file, dir, &err), PARE_EIO);
    assert_non_null(strstr(err.text, "is a folder"));
    free(path);
    check_remove_dir(dir);
}

/* A limit on file sizes stands in for a disk that cannot take it all. */
static void a_write_that_fails_leaves_the_old_content_and_no_debris(void **state)
{
    char *dir = check_make_dir(), *path = pare_path_join(dir, "data");
    struct pare_error err = {0};
    static char large[1 << 20];
    struct rlimit old, small;
    char *text;
    size_t n;

    (void)state;
    assert_ok(pare_file_write(path, "kept", 4, &err), &err);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 1 << 16;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(pare_file_write(path, large, sizeof large, &err), PARE_EIO);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(n_entries(dir), 1);
    assert_ok(pare_file_read(&text, &n, path, 100, &err), &err);
    assert_string_equal(text, "kept");
    free(text);
    free(path);
    check_remove_dir(dir);
}

static void a_full_disk_is_named_with_its_folder(void **state)
{
    struct pare_error err = {0};

    (void)state;
    /* /dev/full answers every write with "no space"; the temporary's name leads there. */
    char *dir = check_make_dir(), *path = pare_path_join(dir, "data"), *temporary = NULL;

    assert_true(asprintf(&temporary, "%s.tmp.%ld", path, (long)getpid()) > 0);
    assert_int_equal(symlink("/dev/full", temporary), 0);
    assert_int_equal(pare_file_write(path, "x", 1, &err), PARE_EIO);
    assert_non_null(strstr(err.text, "is full"));
    assert_non_null(strstr(err.text, dir));
    assert_int_equal(n_entries(dir), 0);
    free(temporary);
    free(path);
    check_remove_dir(dir);
}

static void a_killed_writer_never_leaves_half_a_file(void **state)
{
    char *dir = check_make_dir(), *path = pare_path_join(dir, "data");
    enum { N = 1 << 18 };
    static char block[2][N];
    struct pare_error err = {0};

    (void)state;
    memset(block[0], 'a', N);
    memset(block[1], 'b', N);
    assert_ok(pare_file_write(path, block[0], N, &err), &err);
    for (int trial = 0; trial < 5; trial++) {
        pid_t child = fork();
        char *text;
        size_t n;

        if (child == 0)
            for (int i = 0;; i++)
                pare_file_write(path, block[i & 1], N, NULL);
        usleep(3000 + 1000 * (useconds_t)trial);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        assert_ok(pare_file_read(&text, &n, path, N, &err), &err);
        assert_int_equal(n, N);
        assert_true(memcmp(text, block[0], N) == 0 || memcmp(text, block[1], N) == 0);
        free(text);
    }
    free(path);
    check_remove_dir(dir);
}

static void folders_are_made_with_their_parents(void **state)
{
    char *dir = check_make_dir(), *deep = pare_path_join(dir, "a/b//c/");
    struct pare_error err = {0};
    char *file;

    (void)state;
    assert_ok(pare_dir_make(deep, &err), &err);
    assert_ok(pare_dir_make(deep, &err), &err); /* again is fine */
    assert_true(pare_file_exists(deep));
    file = pare_path_join(deep, "file");
    assert_ok(pare_file_write(file, "x", 1, &err), &err);
    free(deep);
    deep = pare_path_join(file, "below");
    assert_int_equal(pare_dir_make(deep, &err), PARE_EIO);
    assert_int_equal(pare_dir_make(file, &err), PARE_EIO);
    assert_non_null(strstr(err.text, "a file has this name"));
    free(file);
    free(deep);
    check_remove_dir(dir);
}

static void home_and_variables_are_expanded(void **state)
{
    static const char *const cases[][2] = {
        {"~/data", "/home/me/data"},
        {"~", "/home/me"},
        {"a~/b", "a~/b"},
        {"~other/x", "~other/x"},
        {"$PARE_X/d", "value/d"},
        {"${PARE_X}y", "valuey"},
        {"$PARE_UNSET/d", "$PARE_UNSET/d"},
        {"a$", "a$"},
        {"${PARE_X", "${PARE_X"},
        {"", ""},
    };

    (void)state;
    setenv("HOME", "/home/me", 1);
    setenv("PARE_X", "value", 1);
    unsetenv("PARE_UNSET");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = pare_path_expand(cases[i][0]);

        assert_string_equal(path, cases[i][1]);
        free(path);
    }
}

static void joining_puts_one_slash(void **state)
{
    char *a = pare_path_join("dir", "x"), *b = pare_path_join("dir/", "x");

    (void)state;
    assert_string_equal(a, "dir/x");
    assert_string_equal(b, "dir/x");
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_and_mapped),
        cmocka_unit_test(an_empty_file_maps_to_nothing),
        cmocka_unit_test(refusals_name_the_path_and_the_reason),
        cmocka_unit_test(a_write_that_fails_leaves_the_old_content_and_no_debris),
        cmocka_unit_test(a_full_disk_is_named_with_its_folder),
        cmocka_unit_test(a_killed_writer_never_leaves_half_a_file),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(home_and_variables_are_expanded),
        cmocka_unit_test(joining_puts_one_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
