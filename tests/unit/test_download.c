#include "../support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/http_server.h"
#include "base/clock.h"
#include "base/file.h"
#include "io/data_open.h"
#include "io/download.h"
#include "io/tar.h"

static char *dir;
static char *served;               /* what the server has */
static struct http_server *server; /* new for every test */

/* SHA-256 of "abc", as FIPS 180-2 has it, and of a file of 100,000 letters 'a'. */
static const struct pare_download_file small_files[] = {
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 3},
    {"many", "6d1cf22d7cc09b085dfc25ee1a1f3ae0265804c607bc2074ad253bcc82fd81ee", 100000},
    {NULL, NULL, 0},
};
static const char *const nowhere[] = {"http://127.0.0.1:1/", NULL};
static const struct pare_download_set small = {"small", nowhere, small_files, NULL};

static void put(const char *name, const void *data, size_t n)
{
    struct pare_error err = {0};
    char *path = pare_path_join(served, name);

    assert_ok(pare_file_write(path, data, n, &err), &err);
    free(path);
}

static int set_up(void **state)
{
    char many[100000];

    (void)state;
    setenv("no_proxy", "127.0.0.1", 1);
    dir = check_make_dir();
    served = check_make_dir();
    put("abc", "abc", 3);
    memset(many, 'a', sizeof many);
    put("many", many, sizeof many);
    server = http_server_start(served);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (server)
        http_server_stop(server);
    server = NULL;
    check_remove_dir(dir);
    check_remove_dir(served);
    return 0;
}

/* Of the server, with what to do to the answer: "", "/truncated", ... */
static struct pare_download_options options_of(const char *mode)
{
    static char url[128];

    snprintf(url, sizeof url, "%s%s/", http_server_url(server), mode);
    return (struct pare_download_options){.dir = dir, .url_base = url, .timeout_s = 1};
}

static int n_files(void)
{
    char command[4200], text[32] = "";
    FILE *pipe;

    snprintf(command, sizeof command, "ls -A '%s' | wc -l", dir);
    pipe = popen(command, "r");
    if (!fgets(text, sizeof text, pipe))
        text[0] = '\0';
    pclose(pipe);
    return atoi(text);
}

static void check_content(const char *name, char first, size_t n)
{
    struct pare_file file;
    struct pare_error err = {0};
    char *path = pare_path_join(dir, name);

    assert_ok(pare_file_map(&file, path, &err), &err);
    assert_int_equal(file.n_bytes, n);
    assert_int_equal(file.data[0], first);
    pare_file_unmap(&file);
    free(path);
}

static void check_fails(const char *mode, pare_status expected, const char *const *words)
{
    struct pare_download_options options = options_of(mode);
    struct pare_error err = {0};

    assert_int_equal(pare_download(&small, &options, NULL, &err), expected);
    for (int i = 0; words[i]; i++)
        if (!strstr(err.text, words[i]))
            fail_msg("'%s' is missing in: %s", words[i], err.text);
    assert_int_equal(n_files(), 0);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static double last_done;
static void note_progress(void *state, const char *file, double n_done, double n_total)
{
    (void)n_total;
    if (strcmp(file, "many") == 0)
        last_done = n_done;
    ++*(int *)state;
}

static void files_are_fetched_and_checked(void **state)
{
    struct pare_download_options options = options_of("");
    struct pare_error err = {0};
    char *folder = NULL;
    int n_calls = 0;

    (void)state;
    options.progress = note_progress;
    options.state = &n_calls;
    assert_ok(pare_download(&small, &options, &folder, &err), &err);
    assert_string_equal(folder, dir);
    check_content("abc", 'a', 3);
    check_content("many", 'a', 100000);
    assert_int_equal(n_files(), 2);
    assert_true(n_calls > 0);
    assert_true(last_done == 100000);
    free(folder);
}

static void what_is_there_is_not_fetched_again(void **state)
{
    struct pare_download_options options = options_of("");
    struct pare_error err = {0};
    char *path = pare_path_join(dir, "abc");

    (void)state;
    assert_ok(pare_download(&small, &options, NULL, &err), &err);
    assert_int_equal(http_server_n_requests(server), 2);
    assert_ok(pare_download(&small, &options, NULL, &err), &err);
    assert_int_equal(http_server_n_requests(server), 2);
    assert_ok(pare_file_write(path, "abd", 3, &err), &err); /* damaged: fetched anew */
    assert_ok(pare_download(&small, &options, NULL, &err), &err);
    assert_int_equal(http_server_n_requests(server), 3);
    check_content("abc", 'a', 3);
    free(path);
}

static void a_missing_file_is_reported_with_the_answer(void **state)
{
    (void)state;
    check_fails("/no/such", PARE_EIO,
                WORDS("data 'small'", "the server answers 404", "/no/such/abc", "By hand", dir,
                      "http://127.0.0.1:1/"));
}

static void half_a_file_is_not_kept(void **state)
{
    (void)state;
    check_fails("/truncated", PARE_EIO, WORDS("broke off after 1 of 3 bytes"));
}

static void a_changed_file_is_not_kept(void **state)
{
    (void)state;
    check_fails("/changed", PARE_EFORMAT,
                WORDS("not the published file", small_files[0].sha256, "not kept"));
}

static void a_longer_file_is_not_kept(void **state)
{
    (void)state;
    check_fails("/longer", PARE_EFORMAT, WORDS("longer than the 3 bytes"));
}

static void a_silent_server_is_given_up(void **state)
{
    double start = pare_clock_s();

    (void)state;
    check_fails("/silent", PARE_EIO, WORDS("http://127.0.0.1"));
    assert_true(pare_clock_s() - start < 10);
}

static void redirects_are_followed(void **state)
{
    struct pare_download_options options = options_of("/moved");
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_download(&small, &options, NULL, &err), &err);
    check_content("many", 'a', 100000);
}

static void without_a_net_the_way_by_hand_is_told(void **state)
{
    struct pare_download_options options = {.dir = dir, .timeout_s = 1};
    struct pare_error err = {0};

    (void)state;
    assert_int_equal(pare_download(&small, &options, NULL, &err), PARE_EIO);
    assert_non_null(strstr(err.text, "By hand: fetch abc, many from http://127.0.0.1:1/ into"));
    assert_int_equal(n_files(), 0);
}

static void other_addresses_are_tried_in_order(void **state)
{
    char url[128];
    const char *urls[] = {"http://127.0.0.1:1/", url, NULL};
    struct pare_download_set set = small;
    struct pare_download_options options = {.dir = dir, .timeout_s = 1};
    struct pare_error err = {0};

    (void)state;
    snprintf(url, sizeof url, "%s/", http_server_url(server));
    set.urls = urls;
    assert_ok(pare_download(&set, &options, NULL, &err), &err);
    check_content("abc", 'a', 3);
}

static void a_folder_that_cannot_be_made_is_reported(void **state)
{
    struct pare_download_options options = options_of("");
    struct pare_error err = {0};
    char *file = pare_path_join(served, "abc/below");

    (void)state;
    options.dir = file;
    assert_int_equal(pare_download(&small, &options, NULL, &err), PARE_EIO);
    assert_non_null(strstr(err.text, "abc"));
    free(file);
}

static void names_without_a_download_are_explained(void **state)
{
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"digits", "is built in"},
        {"kws01", "no official address"},
        {"fashion-mnits", "did you mean 'fashion-mnist'?"},
    };
    struct pare_download_options options = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct pare_error err = {0};

        assert_int_equal(pare_data_get(cases[i].name, &options, NULL, &err), PARE_EINVAL);
        assert_non_null(strstr(err.text, cases[i].message));
    }
    for (int i = 0; i < pare_data_n_entries(); i++)
        assert_int_equal(pare_download_find(pare_data_entry(i)->name) != NULL,
                         pare_data_entry(i)->has_download);
}

/* ---- Archives ---- */

static void run(const char *format, ...)
{
    char command[8192];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static char *make_archive(void)
{
    run("cd '%s' && mkdir -p inner && cp abc inner/one.bin && cp many inner/two.bin && "
        "echo other > inner/other && tar -czf set.tar.gz inner",
        served);
    return pare_path_join(served, "set.tar.gz");
}

static void wanted_members_are_unpacked_and_no_others(void **state)
{
    char *archive = make_archive();
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_tar_extract(archive, dir, WORDS("two.bin", "one.bin"), &err), &err);
    check_content("one.bin", 'a', 3);
    check_content("two.bin", 'a', 100000);
    assert_int_equal(n_files(), 2);
    free(archive);
}

static void bad_archives_are_explained(void **state)
{
    char *archive = make_archive(), *content;
    struct pare_error err = {0};
    size_t n;

    (void)state;
    assert_int_equal(pare_tar_extract(archive, dir, WORDS("three.bin"), &err), PARE_EFORMAT);
    assert_non_null(strstr(err.text, "'three.bin' is not in the archive"));
    assert_ok(pare_file_read(&content, &n, archive, 1 << 20, &err), &err);
    assert_ok(pare_file_write(archive, content, n / 2, &err), &err);
    assert_int_equal(pare_tar_extract(archive, dir, WORDS("one.bin", "two.bin"), &err),
                     PARE_EFORMAT);
    assert_non_null(strstr(err.text, "set.tar.gz"));
    content[n / 2] ^= 0x41;
    assert_ok(pare_file_write(archive, content, n, &err), &err);
    assert_int_equal(pare_tar_extract(archive, dir, WORDS("one.bin", "two.bin"), &err),
                     PARE_EFORMAT);
    memset(content, 'x', n); /* read as it is, being no gzip: no tar either */
    assert_ok(pare_file_write(archive, content, n, &err), &err);
    assert_int_equal(pare_tar_extract(archive, dir, WORDS("one.bin"), &err), PARE_EFORMAT);
    free(content);
    free(archive);
}

static void an_archive_becomes_its_members(void **state)
{
    char *archive = make_archive(), line[128] = "";
    struct pare_download_file files[] = {{"set.tar.gz", line, 0}, {NULL, NULL, 0}};
    struct pare_download_set set = {"small", nowhere, files, WORDS("one.bin", "two.bin")};
    struct pare_download_options options = options_of("");
    struct pare_error err = {0};
    struct pare_file mapped;
    char command[4200];
    FILE *pipe;
    int n;

    (void)state;
    snprintf(command, sizeof command, "sha256sum '%s'", archive);
    pipe = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, pipe));
    pclose(pipe);
    line[64] = '\0';
    assert_ok(pare_file_map(&mapped, archive, &err), &err);
    files[0].n_bytes = (int64_t)mapped.n_bytes;
    pare_file_unmap(&mapped);
    assert_ok(pare_download(&set, &options, NULL, &err), &err);
    check_content("one.bin", 'a', 3);
    check_content("two.bin", 'a', 100000);
    assert_int_equal(n_files(), 2); /* the archive itself is gone */
    n = http_server_n_requests(server);
    assert_ok(pare_download(&set, &options, NULL, &err), &err);
    assert_int_equal(http_server_n_requests(server), n);
    free(archive);
}

/* ---- A real set, by way of the local server ---- */

static void mnist_arrives_and_opens(void **state)
{
    const char *root = check_data_dir();
    char path[4096], url[128], *folder = NULL, *cache = pare_path_join(dir, "cache");
    struct pare_download_options options = {.dir = dir, .url_base = url};
    struct pare_data_spec spec;
    struct pare_data *data;
    struct pare_error err = {0};

    (void)state;
    snprintf(path, sizeof path, "%s/mnist", root ? root : "");
    if (!root || !pare_file_exists(path)) {
        free(cache);
        print_message("SKIPPED: no folder %s\n", path);
        skip();
    }
    http_server_stop(server);
    server = http_server_start(path);
    snprintf(url, sizeof url, "%s", http_server_url(server)); /* without the slash at the end */
    assert_ok(pare_data_get("mnist", &options, &folder, &err), &err);
    pare_data_spec_defaults(&spec);
    spec.name = "mnist";
    spec.path = folder;
    spec.cache_dir = cache;
    assert_ok(pare_data_open(&data, &spec, &err), &err);
    assert_int_equal(pare_data_n(data, PARE_TRAIN), 54000);
    pare_data_close(data);
    free(folder);
    free(cache);
}

#define TEST(F) cmocka_unit_test_setup_teardown(F, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_fetched_and_checked),
        TEST(what_is_there_is_not_fetched_again),
        TEST(a_missing_file_is_reported_with_the_answer),
        TEST(half_a_file_is_not_kept),
        TEST(a_changed_file_is_not_kept),
        TEST(a_longer_file_is_not_kept),
        TEST(a_silent_server_is_given_up),
        TEST(redirects_are_followed),
        TEST(without_a_net_the_way_by_hand_is_told),
        TEST(other_addresses_are_tried_in_order),
        TEST(a_folder_that_cannot_be_made_is_reported),
        TEST(names_without_a_download_are_explained),
        TEST(wanted_members_are_unpacked_and_no_others),
        TEST(bad_archives_are_explained),
        TEST(an_archive_becomes_its_members),
        TEST(mnist_arrives_and_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
