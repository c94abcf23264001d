#include "../support/check.h"

#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "../fuzz/fuzz_idx.c"
#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "io/data_bytes.h"
#include "io/data_csv.h"
#include "io/data_idx.h"
#include "io/data_source.h"
#include "io/data_test.h"
#include "option/schema.h"

static char *dir; /* of this program: data files and the decoded copies */

static int make_dir(void **state)
{
    (void)state;
    dir = check_make_dir();
    setenv("XDG_CACHE_HOME", dir, 1);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    check_remove_dir(dir);
    return 0;
}

/* ---- Small helpers ---- */

/* Of this process: other work on the machine does not count. */
static double processor_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static struct pare_data_spec spec_of(const char *name, const char *path)
{
    struct pare_data_spec spec;

    pare_data_spec_defaults(&spec);
    spec.name = name;
    spec.path = path;
    return spec;
}

static struct pare_data *open_data(const struct pare_data_spec *spec)
{
    struct pare_data *data = NULL;
    struct pare_error err = {0};

    assert_ok(pare_data_open(&data, spec, &err), &err);
    return data;
}

/* A new folder below the program's. */
static char *folder(const char *name)
{
    char *path = pare_path_join(dir, name);

    mkdir(path, 0777);
    return path;
}

static void write_file(const char *folder_path, const char *name, const void *data, size_t n)
{
    struct pare_error err = {0};
    char *path = pare_path_join(folder_path, name);

    assert_ok(pare_file_write(path, data, n, &err), &err);
    free(path);
}

static void write_gzip(const char *folder_path, const char *name, const void *data, size_t n)
{
    char *path = pare_path_join(folder_path, name);
    gzFile file = gzopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, (unsigned)n), n);
    gzclose(file);
    free(path);
}

/* The call failed with this status, and the message has all the words. */
static void check_message(pare_status st, pare_status expected, const struct pare_error *err,
                          const char *const *words)
{
    assert_int_equal(st, expected);
    for (int i = 0; words[i]; i++)
        if (!strstr(err->text, words[i]))
            fail_msg("'%s' is missing in: %s", words[i], err->text);
}

static void check_open_fails(const struct pare_data_spec *spec, pare_status expected,
                             const char *const *words)
{
    struct pare_data *data = NULL;
    struct pare_error err = {0};
    pare_status st = pare_data_open(&data, spec, &err);

    check_message(st, expected, &err, words);
    assert_null(data);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define IDX_N_TRAIN 50
#define IDX_N_TEST  20
#define IDX_SIDE    5

static size_t idx_images(unsigned char *out, int n, int first)
{
    const unsigned char header[] = {0, 0, 8, 3,        0, 0, 0, (unsigned char)n,
                                    0, 0, 0, IDX_SIDE, 0, 0, 0, IDX_SIDE};

    memcpy(out, header, sizeof header);
    for (int i = 0; i < n * IDX_SIDE * IDX_SIDE; i++)
        out[16 + i] = (unsigned char)((first * 31 + i * 7) % 256);
    return (size_t)(16 + n * IDX_SIDE * IDX_SIDE);
}

static size_t idx_labels(unsigned char *out, int n)
{
    const unsigned char header[] = {0, 0, 8, 1, 0, 0, 0, (unsigned char)n};

    memcpy(out, header, sizeof header);
    for (int i = 0; i < n; i++)
        out[8 + i] = (unsigned char)(i % 10);
    return (size_t)(8 + n);
}

/* A folder with four good IDX files, which a test may then spoil. */
static char *idx_folder(const char *name)
{
    unsigned char buffer[4096];
    char *path = folder(name);

    write_file(path, "train-images-idx3-ubyte", buffer, idx_images(buffer, IDX_N_TRAIN, 0));
    write_gzip(path, "train-labels-idx1-ubyte.gz", buffer, idx_labels(buffer, IDX_N_TRAIN));
    write_gzip(path, "t10k-images-idx3-ubyte.gz", buffer, idx_images(buffer, IDX_N_TEST, 9));
    write_file(path, "t10k-labels-idx1-ubyte", buffer, idx_labels(buffer, IDX_N_TEST));
    return path;
}

/* ---- Digits: the embedded set ---- */

static void digits_open_without_any_file(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *data = open_data(&spec);
    struct pare_shape shape = pare_data_sample_shape(data);

    (void)state;
    assert_string_equal(pare_data_name(data), "digits");
    assert_int_equal(pare_data_n(data, PARE_TRAIN), 9000);
    assert_int_equal(pare_data_n(data, PARE_VALIDATION), 1000);
    assert_int_equal(pare_data_n_classes(data), 10);
    assert_int_equal(shape.n_dims, 3);
    assert_int_equal(shape.dims[0], 1);
    assert_int_equal(shape.dims[1], 28);
    assert_int_equal(shape.dims[2], 28);
    pare_data_close(data);
}

static void a_second_open_maps_the_decoded_file_at_once(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    double start;

    (void)state;
    pare_data_close(open_data(&spec));
    start = processor_s();
    pare_data_close(open_data(&spec));
    assert_true(processor_s() - start < 0.2);
}

static void standard_normalisation_gives_mean_zero_and_deviation_one(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *data = open_data(&spec);
    int64_t n = pare_data_n(data, PARE_TRAIN);
    float *x = malloc(784 * sizeof *x);
    double sum = 0, square = 0;

    (void)state;
    for (int64_t i = 0; i < n; i++) {
        pare_data_fetch(data, PARE_TRAIN, &i, 1, NULL, NULL, x, NULL);
        for (int k = 0; k < 784; k++) {
            sum += x[k];
            square += (double)x[k] * x[k];
        }
    }
    assert_true(fabs(sum / (double)(n * 784)) < 1e-5);
    assert_true(fabs(square / (double)(n * 784) - 1) < 1e-5);
    free(x);
    pare_data_close(data);
}

static void unit_and_raw_are_the_pixels(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *standard = open_data(&spec), *unit, *raw;
    float a[784], b[784], c[784];
    const float *scale, *offset;
    int64_t i = 17;

    (void)state;
    spec.normalize = "unit";
    unit = open_data(&spec);
    spec.normalize = "raw";
    raw = open_data(&spec);
    pare_data_fetch(standard, PARE_TRAIN, &i, 1, NULL, NULL, a, NULL);
    pare_data_fetch(unit, PARE_TRAIN, &i, 1, NULL, NULL, b, NULL);
    pare_data_fetch(raw, PARE_TRAIN, &i, 1, NULL, NULL, c, NULL);
    pare_data_normalization(standard, &scale, &offset);
    for (int k = 0; k < 784; k++) {
        assert_true(c[k] >= 0 && c[k] <= 255 && c[k] == floorf(c[k]));
        assert_true(fabsf(b[k] - c[k] / 255) < 1e-6f);
        assert_true(fabsf(a[k] - (scale[0] * c[k] + offset[0])) < 1e-5f);
    }
    assert_string_not_equal(pare_data_digest(standard), pare_data_digest(raw));
    pare_data_close(standard);
    pare_data_close(unit);
    pare_data_close(raw);
}

static void fetching_is_fast_enough_for_training(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *data = open_data(&spec);
    float *x = malloc(256 * 784 * sizeof *x);
    int64_t indices[256];
    double start, best = 1e9;

    (void)state;
    for (int i = 0; i < 256; i++)
        indices[i] = (i * 7919) % 9000;
    for (int repeat = 0; repeat < 20; repeat++) {
        start = processor_s();
        for (int k = 0; k < 10; k++)
            pare_data_fetch(data, PARE_TRAIN, indices, 256, NULL, NULL, x, NULL);
        best = fmin(best, (processor_s() - start) / 10);
    }
    print_message("fetch: %.0f images/s\n", 256 / best);
#if !defined(__SANITIZE_ADDRESS__) && !defined(PARE_NO_CLONES)
    assert_true(256 / best > 300e3);
#endif
    free(x);
    pare_data_close(data);
}

/* ---- Splits ---- */

/* Raw pixels tell the synthetic samples of idx_folder() apart. */
static void the_split_is_a_partition_and_follows_the_seed(void **state)
{
    char *path = idx_folder("partition");
    struct pare_data_spec spec = spec_of("mnist", path);
    struct pare_data *a, *b, *c;
    float all[IDX_N_TRAIN][25], other[25];
    int64_t n_same = 0;

    (void)state;
    spec.normalize = "raw";
    spec.val_fraction = 0.3;
    a = open_data(&spec);
    b = open_data(&spec);
    spec.seed = 1;
    c = open_data(&spec);
    assert_int_equal(pare_data_n(a, PARE_TRAIN), 35);
    assert_int_equal(pare_data_n(a, PARE_VALIDATION), 15);
    assert_string_equal(pare_data_digest(a), pare_data_digest(b));
    assert_string_not_equal(pare_data_digest(a), pare_data_digest(c));
    for (int64_t i = 0; i < IDX_N_TRAIN; i++) {
        bool is_train = i < 35;
        int64_t at = is_train ? i : i - 35;

        pare_data_fetch(a, is_train ? PARE_TRAIN : PARE_VALIDATION, &at, 1, NULL, NULL, all[i],
                        NULL);
        for (int64_t j = 0; j < i; j++)
            assert_memory_not_equal(all[i], all[j], sizeof all[i]);
        pare_data_fetch(b, is_train ? PARE_TRAIN : PARE_VALIDATION, &at, 1, NULL, NULL, other,
                        NULL);
        assert_memory_equal(all[i], other, sizeof other);
        pare_data_fetch(c, is_train ? PARE_TRAIN : PARE_VALIDATION, &at, 1, NULL, NULL, other,
                        NULL);
        n_same += memcmp(all[i], other, sizeof other) == 0;
    }
    assert_true(n_same < 20);
    pare_data_close(a);
    pare_data_close(b);
    pare_data_close(c);
    free(path);
}

static void labels_stay_with_their_samples(void **state)
{
    char *path = idx_folder("labels");
    struct pare_data_spec spec = spec_of("mnist", path);
    struct pare_data *data;
    float x[25];
    int32_t label;

    (void)state;
    spec.normalize = "raw";
    data = open_data(&spec);
    for (int64_t i = 0; i < pare_data_n(data, PARE_TRAIN); i++) {
        int at = -1;

        pare_data_fetch(data, PARE_TRAIN, &i, 1, NULL, NULL, x, &label);
        for (int k = 0; k < IDX_N_TRAIN; k++) /* which image was it? */
            if ((int)x[0] == k * 25 * 7 % 256 && (int)x[1] == (k * 25 + 1) * 7 % 256)
                at = k;
        assert_int_equal(label, at % 10);
    }
    pare_data_close(data);
    free(path);
}

static void limits_cut_both_splits(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_error err = {0};
    struct pare_data_test *test;
    struct pare_data *data;

    (void)state;
    spec.limit_train = 1000;
    spec.limit_test = 100;
    data = open_data(&spec);
    assert_int_equal(pare_data_n(data, PARE_TRAIN), 900);
    assert_int_equal(pare_data_n(data, PARE_VALIDATION), 100);
    assert_ok(pare_data_test_open(&test, data, &err), &err);
    assert_int_equal(pare_data_test_n(test), 100);
    pare_data_test_close(test);
    pare_data_close(data);
}

static void the_test_handle_counts_its_uses(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *data = open_data(&spec);
    struct pare_data_test *test;
    struct pare_error err = {0};
    float *x = malloc(2000 * 784 * sizeof *x);
    int32_t *labels = malloc(2000 * sizeof *labels);

    (void)state;
    assert_ok(pare_data_test_open(&test, data, &err), &err);
    assert_int_equal(pare_data_test_n(test), 2000);
    assert_int_equal(pare_data_test_uses(test), 0);
    for (int64_t i = 0; i < 2000; i += 250)
        pare_data_test_fetch(test, i, 250, x, labels);
    assert_int_equal(pare_data_test_uses(test), 1);
    pare_data_test_fetch(test, 0, 1, x, NULL);
    assert_int_equal(pare_data_test_uses(test), 2);
    for (int i = 0; i < 250; i++)
        assert_in_range(labels[i], 0, 9);
    pare_data_test_close(test);
    pare_data_close(data);
    free(x);
    free(labels);
}

static void test_samples_are_those_of_the_test_files(void **state)
{
    char *path = idx_folder("testfiles");
    struct pare_data_spec spec = spec_of("mnist", path);
    struct pare_data_test *test;
    struct pare_error err = {0};
    struct pare_data *data;
    float x[IDX_N_TEST][25];
    int32_t labels[IDX_N_TEST];

    (void)state;
    spec.normalize = "raw";
    data = open_data(&spec);
    assert_ok(pare_data_test_open(&test, data, &err), &err);
    assert_int_equal(pare_data_test_n(test), IDX_N_TEST);
    pare_data_test_fetch(test, 0, IDX_N_TEST, x[0], labels);
    for (int i = 0; i < IDX_N_TEST; i++) {
        assert_int_equal(labels[i], i % 10);
        for (int k = 0; k < 25; k++)
            assert_true(x[i][k] == (9 * 31 + (i * 25 + k) * 7) % 256);
    }
    pare_data_test_close(test);
    pare_data_close(data);
    free(path);
}

/* ---- Augmentation ---- */

static void augmentation_moves_and_flips_whole_images(void **state)
{
    char *path = idx_folder("augment");
    struct pare_data_spec spec = spec_of("mnist", path);
    struct pare_augment augment = {.shift = 2, .flip = true};
    struct pare_data *data;
    struct pare_rng rng;
    float plain[25], moved[25];
    bool seen_shift[5][5] = {{0}}, seen_flip[2] = {0};
    int64_t index = 3;

    (void)state;
    spec.normalize = "raw";
    data = open_data(&spec);
    pare_data_fetch(data, PARE_TRAIN, &index, 1, NULL, NULL, plain, NULL);
    pare_rng_init(&rng, 1, 2);
    for (int repeat = 0; repeat < 600; repeat++) {
        int n_matches = 0;

        pare_data_fetch(data, PARE_TRAIN, &index, 1, &augment, &rng, moved, NULL);
        for (int dy = -2; dy <= 2; dy++)
            for (int dx = -2; dx <= 2; dx++)
                for (int flip = 0; flip < 2; flip++) {
                    bool same = true;

                    for (int k = 0; k < 25; k++) {
                        int y = k / 5 + dy, x = (flip ? 4 - k % 5 : k % 5) + dx;
                        bool inside = y >= 0 && y < 5 && x >= 0 && x < 5;

                        same &= moved[k] == (inside ? plain[5 * y + x] : 0);
                    }
                    if (same) {
                        n_matches++;
                        seen_shift[dy + 2][dx + 2] = true;
                        seen_flip[flip] = true;
                    }
                }
        assert_int_equal(n_matches, 1);
    }
    for (int k = 0; k < 25; k++)
        assert_true(seen_shift[k / 5][k % 5]);
    assert_true(seen_flip[0] && seen_flip[1]);
    pare_data_close(data);
    free(path);
}

static void augmentation_follows_the_generator_alone(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *data = open_data(&spec);
    struct pare_augment augment = {.flip = true, .crop_padding = 3};
    struct pare_rng a, b;
    int64_t indices[2] = {5, 6};
    static float one[2 * 784], two[2 * 784];

    (void)state;
    pare_rng_init(&a, 4, 4);
    b = a;
    pare_data_fetch(data, PARE_TRAIN, indices, 2, &augment, &a, one, NULL);
    pare_data_fetch(data, PARE_TRAIN, indices, 1, &augment, &b, two, NULL);
    pare_data_fetch(data, PARE_TRAIN, indices + 1, 1, &augment, &b, two + 784, NULL);
    assert_memory_equal(one, two, sizeof one);
    assert_memory_equal(&a, &b, sizeof a);
    pare_data_close(data);
}

static void augmentation_that_makes_no_sense_is_refused(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *data = open_data(&spec);
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_data_check_augment(data, &(struct pare_augment){.shift = 3}, &err), &err);
    check_message(pare_data_check_augment(data, &(struct pare_augment){.shift = 28}, &err),
                  PARE_EINVAL, &err, WORDS("out of sight", "28 x 28"));
    pare_data_close(data);
}

/* ---- The decoded file ---- */

static char *only_file(const char *folder_path)
{
    struct pare_text command = {0}, line = {0};
    char text[4096];
    FILE *pipe;

    pare_text_printf(&command, "ls '%s'/pare/mnist-*.data", folder_path);
    pipe = popen(command.s, "r");
    assert_non_null(fgets(text, sizeof text, pipe));
    pclose(pipe);
    text[strcspn(text, "\n")] = '\0';
    pare_text_add(&line, text);
    pare_text_clear(&command);
    return pare_text_take(&line);
}

static void a_damaged_decoded_file_is_noticed_and_made_anew(void **state)
{
    char *path = idx_folder("damage"), *cache = folder("damage-cache"), *file, digest[64];
    struct pare_data_spec spec = spec_of("mnist", path);
    struct pare_data *data;
    FILE *stream;
    struct stat info;

    (void)state;
    setenv("XDG_CACHE_HOME", cache, 1);
    data = open_data(&spec);
    snprintf(digest, sizeof digest, "%s", pare_data_digest(data));
    pare_data_close(data);
    file = only_file(cache);
    stat(file, &info);
    for (int damage = 0; damage < 4; damage++) {
        const long places[] = {3, 100, 300, info.st_size - 1};

        stream = fopen(file, "r+b");
        fseek(stream, places[damage], SEEK_SET);
        fputc(0x5a, stream);
        fclose(stream);
        data = open_data(&spec);
        assert_string_equal(pare_data_digest(data), digest);
        pare_data_close(data);
    }
    assert_int_equal(truncate(file, 200), 0);
    data = open_data(&spec);
    assert_string_equal(pare_data_digest(data), digest);
    pare_data_close(data);
    assert_int_equal(truncate(file, 0), 0);
    data = open_data(&spec);
    assert_string_equal(pare_data_digest(data), digest);
    pare_data_close(data);
    setenv("XDG_CACHE_HOME", dir, 1);
    free(file);
    free(cache);
    free(path);
}

static void changed_sources_are_decoded_again(void **state)
{
    char *path = idx_folder("changed");
    struct pare_data_spec spec = spec_of("mnist", path);
    struct pare_data *before = open_data(&spec), *after;
    unsigned char buffer[4096];

    (void)state;
    write_file(path, "train-images-idx3-ubyte", buffer, idx_images(buffer, IDX_N_TRAIN, 77));
    after = open_data(&spec);
    assert_string_not_equal(pare_data_digest(before), pare_data_digest(after));
    pare_data_close(before);
    pare_data_close(after);
    free(path);
}

static void many_processes_may_decode_at_once(void **state)
{
    char *path = idx_folder("race"), *cache = folder("race-cache");
    struct pare_data_spec spec = spec_of("mnist", path);
    int status;

    (void)state;
    spec.cache_dir = cache;
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            struct pare_data *data = NULL;
            struct pare_error err = {0};

            _exit(pare_data_open(&data, &spec, &err) || pare_data_n(data, PARE_TRAIN) != 45);
        }
    for (int i = 0; i < 8; i++) {
        wait(&status);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    free(path);
    free(cache);
}

static void a_cache_that_cannot_be_written_is_an_error(void **state)
{
    char *path = idx_folder("nocache"), *file;
    struct pare_data_spec spec = spec_of("mnist", path);

    (void)state;
    write_file(dir, "a-file", "x", 1);
    file = pare_path_join(dir, "a-file/cache");
    spec.cache_dir = file;
    check_open_fails(&spec, PARE_EIO, WORDS("a-file", "mnist"));
    free(file);
    free(path);
}

/* A limit on file size stands for a full disk: the write fails half way. */
static void a_write_that_fails_half_way_leaves_nothing_behind(void **state)
{
    char *path = idx_folder("half"), *cache = folder("half-cache"), *command = NULL;
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = 100000};
    int status;

    (void)state;
    spec.cache_dir = cache;
    if (fork() == 0) {
        struct pare_data *data = NULL;
        struct pare_error err = {0};

        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(pare_data_open(&data, &spec, &err) == PARE_EIO && strstr(err.text, "cache_dir") &&
                      strstr(err.text, cache)
                  ? 0
                  : 1);
    }
    wait(&status);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(asprintf(&command, "test -z \"$(ls -A '%s')\"", cache) > 0);
    assert_int_equal(system(command), 0);
    free(command);
    free(cache);
    free(path);
}

/* ---- IDX: what can be wrong ---- */

static void missing_files_are_named_with_the_remedy(void **state)
{
    char *path = folder("missing");
    struct pare_data_spec spec = spec_of("fashion-mnist", path);

    (void)state;
    check_open_fails(&spec, PARE_EIO,
                     WORDS("fashion-mnist", "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
                           path, "pare data get fashion-mnist --dir", "By hand"));
    free(path);
    path = idx_folder("missing-one");
    spec.path = path;
    {
        char *labels = pare_path_join(path, "t10k-labels-idx1-ubyte");
        unlink(labels);
        free(labels);
    }
    check_open_fails(&spec, PARE_EIO, WORDS("t10k-labels-idx1-ubyte is not in", path));
    free(path);
}

static void a_folder_of_data_sets_will_do_as_path(void **state)
{
    char *path = idx_folder("mnist");
    struct pare_data_spec spec = spec_of("mnist", dir);
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_data_check(&spec, &err), &err);
    pare_data_close(open_data(&spec));
    free(path);
}

struct idx_fault {
    const char *file;
    size_t n;                 /* bytes written */
    int at;                   /* byte to spoil, or -1 */
    unsigned char value;      /* by this */
    const char *const *words; /* of the message */
};

static void bad_idx_files_are_explained(void **state)
{
    const size_t n_images = 16 + IDX_N_TRAIN * 25, n_labels = 8 + IDX_N_TRAIN;
    const struct idx_fault faults[] = {
        {"train-images-idx3-ubyte", 7, -1, 0, WORDS("truncated", "7 bytes")},
        {"train-images-idx3-ubyte", 0, -1, 0, WORDS("truncated")},
        {"train-images-idx3-ubyte", n_images - 1, -1, 0, WORDS("truncated", "1250", "1249")},
        {"train-images-idx3-ubyte", n_images + 5, -1, 0, WORDS("5 bytes follow")},
        {"train-images-idx3-ubyte", n_images, 3, 1, WORDS("magic", "0x00000801", "0x00000803")},
        {"train-images-idx3-ubyte", n_images, 2, 13, WORDS("magic")},
        {"train-images-idx3-ubyte", n_images, 11, 0, WORDS("dimension 2", "0")},
        {"train-images-idx3-ubyte", n_images, 4, 0xff, WORDS("truncated")},
        {"train-images-idx3-ubyte", n_images - 25, 7, IDX_N_TRAIN - 1,
         WORDS("50 labels", "49 images")},
        {"train-labels-idx1-ubyte", n_labels, 20, 10, WORDS("label 10", "sample 12", "0..9")},
        {"train-labels-idx1-ubyte", n_labels, 3, 3, WORDS("magic", "0x00000801")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct idx_fault *fault = &faults[i];
        bool is_images = strstr(fault->file, "images") != NULL;
        unsigned char buffer[4096] = {0};
        char *path, *packed, name[32];
        struct pare_data_spec spec;

        snprintf(name, sizeof name, "fault-%zu", i);
        path = idx_folder(name);
        packed = pare_path_join(path, "train-labels-idx1-ubyte.gz");
        if (!is_images)
            unlink(packed);
        free(packed);
        if (is_images)
            idx_images(buffer, IDX_N_TRAIN, 0);
        else
            idx_labels(buffer, IDX_N_TRAIN);
        if (fault->at >= 0)
            buffer[fault->at] = fault->value;
        write_file(path, fault->file, buffer, fault->n);
        spec = spec_of("mnist", path);
        check_open_fails(&spec, PARE_EFORMAT, fault->words);
        check_open_fails(&spec, PARE_EFORMAT, WORDS("data 'mnist'", fault->file));
        free(path);
    }
}

static void bad_compressed_files_are_explained(void **state)
{
    char *path = idx_folder("gzip"), *file, *content;
    struct pare_data_spec spec = spec_of("mnist", path);
    struct pare_error err = {0};
    size_t n;

    (void)state;
    file = pare_path_join(path, "t10k-images-idx3-ubyte.gz");
    assert_ok(pare_file_read(&content, &n, file, 1 << 20, &err), &err);
    write_file(path, "t10k-images-idx3-ubyte.gz", content, n / 2);
    check_open_fails(&spec, PARE_EFORMAT, WORDS("gzip", "truncated", "t10k-images"));
    content[n / 2] ^= 0x55;
    write_file(path, "t10k-images-idx3-ubyte.gz", content, n);
    check_open_fails(&spec, PARE_EFORMAT, WORDS("t10k-images"));
    content[n / 2] ^= 0x55;
    content[n - 5] ^= 1; /* the checksum */
    write_file(path, "t10k-images-idx3-ubyte.gz", content, n);
    check_open_fails(&spec, PARE_EFORMAT, WORDS("gzip", "damaged"));
    free(content);
    free(file);
    free(path);
}

static void unpacking_stops_at_the_limit(void **state)
{
    char *path = folder("bomb"), *file;
    unsigned char *zeros = calloc(1, 1 << 20);
    struct pare_data_bytes bytes;
    struct pare_error err = {0};

    (void)state;
    write_gzip(path, "zeros.gz", zeros, 1 << 20);
    file = pare_path_join(path, "zeros.gz");
    check_message(pare_data_bytes_open(&bytes, file, (1 << 20) - 1, &err), PARE_EFORMAT, &err,
                  WORDS("more than 1048575 bytes", "zeros.gz"));
    assert_ok(pare_data_bytes_open(&bytes, file, 1 << 20, &err), &err);
    assert_int_equal(bytes.n, 1 << 20);
    pare_data_bytes_close(&bytes);
    free(zeros);
    free(file);
    free(path);
}

/* ---- CIFAR-10 ---- */

#define RECORD 3073

static void cifar_planes_become_pixels(void **state)
{
    char *path = folder("cifar");
    struct pare_data_spec spec = spec_of("cifar-10", path);
    unsigned char *records = calloc(4, RECORD);
    struct pare_data *data;
    float *x = malloc(3072 * sizeof *x);
    int32_t label;

    (void)state;
    for (int r = 0; r < 4; r++) {
        records[r * RECORD] = (unsigned char)(r + 1);
        for (int k = 0; k < 3072; k++)
            records[r * RECORD + 1 + k] = (unsigned char)(k / 1024 * 80 + r + k % 7);
    }
    write_file(path, "data_batch_2.bin", records, 2 * RECORD);
    write_gzip(path, "data_batch_5.bin.gz", records + 2 * RECORD, 2 * RECORD);
    write_file(path, "test_batch.bin", records, RECORD);
    spec.normalize = "raw";
    spec.val_fraction = 0;
    data = open_data(&spec);
    assert_int_equal(pare_data_n(data, PARE_TRAIN), 4);
    assert_int_equal(pare_data_n(data, PARE_VALIDATION), 0);
    assert_int_equal(pare_data_sample_shape(data).dims[0], 3);
    for (int64_t i = 0; i < 4; i++) {
        pare_data_fetch(data, PARE_TRAIN, &i, 1, NULL, NULL, x, &label);
        for (int k = 0; k < 1024; k++)
            for (int c = 0; c < 3; c++)
                assert_true(x[3 * k + c] == c * 80 + (label - 1) + (c * 1024 + k) % 7);
    }
    pare_data_close(data);

    write_file(path, "data_batch_2.bin", records, RECORD + 100);
    check_open_fails(&spec, PARE_EFORMAT, WORDS("data_batch_2.bin", "3173", "3073", "truncated"));
    records[RECORD] = 10;
    write_file(path, "data_batch_2.bin", records, 2 * RECORD);
    check_open_fails(&spec, PARE_EFORMAT, WORDS("label 10", "record 1", "0..9"));
    free(records);
    free(x);
    free(path);
}

/* ---- CSV ---- */

static void check_csv_fails(const char *text, enum pare_csv_label label, const char *const *words)
{
    struct pare_csv csv;
    struct pare_error err = {0};

    check_message(pare_csv_parse(&csv, text, strlen(text), label, &err), PARE_EFORMAT, &err, words);
}

static void csv_reads_numbers_with_or_without_a_header(void **state)
{
    static const char *const same[] = {
        "1.5,-2,0\n3e2,4,1\n",
        "a,b,label\n1.5,-2,0\n3e2,4,1\n",
        "\xef\xbb\xbf\"a, b\";b;label\r\n1.5;-2;0\r\n\r\n300;4.0;1",
        "1.5\t-2\t0\n300\t4\t1\n\n",
        " \"1.5\" , -2,\"0\"\n+300,4,1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct pare_csv csv;
        struct pare_error err = {0};

        assert_ok(pare_csv_parse(&csv, same[i], strlen(same[i]), PARE_CSV_LAST, &err), &err);
        assert_int_equal(csv.n_rows, 2);
        assert_int_equal(csv.n_columns, 2);
        assert_int_equal(csv.n_classes, 2);
        assert_true(csv.values[0] == 1.5f && csv.values[1] == -2 && csv.values[2] == 300 &&
                    csv.values[3] == 4);
        assert_int_equal(csv.labels[0], 0);
        assert_int_equal(csv.labels[1], 1);
        pare_csv_clear(&csv);
    }
}

static void csv_faults_are_named_by_line_and_column(void **state)
{
    (void)state;
    check_csv_fails("a,b\n1,2\n3,x\n", PARE_CSV_NONE, WORDS("line 3", "column 2", "'x'"));
    check_csv_fails("1,2\n3,\n", PARE_CSV_NONE, WORDS("line 2", "column 2", "''"));
    check_csv_fails("1,2\n3\n", PARE_CSV_NONE, WORDS("line 2", "1 cells; expected 2"));
    check_csv_fails("1,2\n3,4,5\n", PARE_CSV_NONE, WORDS("line 2", "more than 2"));
    check_csv_fails("1,2\n3,nan\n", PARE_CSV_NONE, WORDS("line 2", "finite"));
    check_csv_fails("1,2\n3,1e999\n", PARE_CSV_NONE, WORDS("line 2", "finite"));
    check_csv_fails("1,2\n3,0x10\n", PARE_CSV_NONE, WORDS("line 2"));
    check_csv_fails("1,2\n3,1.5\n", PARE_CSV_LAST, WORDS("line 2", "label 1.5"));
    check_csv_fails("-1,2\n", PARE_CSV_FIRST, WORDS("line 1, column 1", "label -1"));
    check_csv_fails("1e9,2\n", PARE_CSV_FIRST, WORDS("label"));
    check_csv_fails("", PARE_CSV_LAST, WORDS("columns"));
    check_csv_fails("a,b\n", PARE_CSV_LAST, WORDS("no rows"));
    check_csv_fails("1\n2\n", PARE_CSV_LAST, WORDS("1 columns", "at least one other"));
}

static void csv_becomes_a_data_set_of_vectors(void **state)
{
    char *path = folder("csv"), *file;
    struct pare_text text = {0};
    struct pare_data_spec spec;
    struct pare_data_test *test;
    struct pare_error err = {0};
    struct pare_data *data;
    double sum[2] = {0}, square[2] = {0};

    (void)state;
    for (int i = 0; i < 100; i++)
        pare_text_printf(&text, "%d,%d,%g,7\n", i % 3, i, 1000 - 0.5 * i * i);
    write_file(path, "train.csv", text.s, text.n);
    file = pare_path_join(path, "train.csv");
    spec = spec_of("csv", file);
    spec.label = "first";
    data = open_data(&spec);
    assert_int_equal(pare_data_n_classes(data), 3);
    assert_int_equal(pare_data_sample_shape(data).n_dims, 1);
    assert_int_equal(pare_data_sample_shape(data).dims[0], 3);
    assert_int_equal(pare_data_n(data, PARE_TRAIN), 72);
    assert_int_equal(pare_data_n(data, PARE_VALIDATION), 8);
    for (int64_t i = 0; i < 72; i++) {
        float x[3];

        pare_data_fetch(data, PARE_TRAIN, &i, 1, NULL, NULL, x, NULL);
        for (int c = 0; c < 2; c++) {
            sum[c] += x[c];
            square[c] += x[c] * x[c];
        }
        assert_true(x[2] == 0); /* a constant column */
    }
    for (int c = 0; c < 2; c++) {
        assert_true(fabs(sum[c] / 72) < 1e-5);
        assert_true(fabs(square[c] / 72 - 1) < 1e-5);
    }
    assert_ok(pare_data_test_open(&test, data, &err), &err);
    assert_int_equal(pare_data_test_n(test), 20);
    pare_data_test_close(test);
    check_message(pare_data_check_augment(data, &(struct pare_augment){.flip = true}, &err),
                  PARE_EINVAL, &err, WORDS("vectors"));
    pare_data_close(data);

    write_file(path, "test.csv", "0,1,2\n", 6);
    spec.path = path;
    check_open_fails(&spec, PARE_EFORMAT, WORDS("test.csv", "2 feature columns", "has 3"));
    write_file(path, "test.csv", "0,1,2,3\n1,2,3,4\n", 16);
    spec.label = "none";
    data = open_data(&spec);
    assert_int_equal(pare_data_n_classes(data), 0);
    assert_int_equal(pare_data_n(data, PARE_TRAIN), 90);
    pare_data_close(data);
    pare_text_clear(&text);
    free(file);
    free(path);
}

/* ---- Options ---- */

static void unknown_names_and_options_are_refused(void **state)
{
    struct pare_data_spec spec = spec_of("fashion-mnis", NULL);

    (void)state;
    check_open_fails(&spec, PARE_EINVAL, WORDS("fashion-mnis", "did you mean 'fashion-mnist'"));
    spec = spec_of("digits", NULL);
    spec.normalize = "zscore";
    check_open_fails(&spec, PARE_EINVAL, WORDS("normalize", "zscore", "standard, unit or raw"));
    spec = spec_of("digits", NULL);
    spec.val_fraction = 1;
    check_open_fails(&spec, PARE_EINVAL, WORDS("val_fraction", "[0, 0.9]"));
    spec = spec_of("digits", NULL);
    spec.limit_train = 1;
    spec.val_fraction = 0.9;
    check_open_fails(&spec, PARE_EINVAL, WORDS("leaves none for training"));
}

static void the_option_table_knows_every_set_and_the_defaults(void **state)
{
    const struct pare_option *row = pare_option_find(pare_data_options, "name");
    struct pare_data_spec from_table = {0}, plain;
    int n = 0;

    (void)state;
    while (row->choices[n])
        n++;
    assert_int_equal(n, pare_data_n_entries());
    for (int i = 0; i < n; i++)
        assert_string_equal(row->choices[i], pare_data_entry(i)->name);
    pare_options_defaults(pare_data_options, &from_table);
    pare_data_spec_defaults(&plain);
    assert_true(from_table.val_fraction == plain.val_fraction);
    assert_true(from_table.test_fraction == plain.test_fraction);
    assert_string_equal(from_table.normalize, plain.normalize);
    assert_string_equal(from_table.label, plain.label);
    assert_null(from_table.path);
}

/* ---- Many threads ---- */

static void *fetch_all(void *arg)
{
    const struct pare_data *data = arg;
    double *sum = calloc(1, sizeof *sum);
    float x[784];

    for (int64_t i = 0; i < 500; i++) {
        pare_data_fetch(data, PARE_TRAIN, &i, 1, NULL, NULL, x, NULL);
        for (int k = 0; k < 784; k++)
            *sum += x[k] * (double)(k + 1);
    }
    return sum;
}

static void threads_may_fetch_at_the_same_time(void **state)
{
    struct pare_data_spec spec = spec_of("digits", NULL);
    struct pare_data *data = open_data(&spec);
    double *expected = fetch_all(data);
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fetch_all, data), 0);
    for (int i = 0; i < 4; i++) {
        void *sum;

        pthread_join(threads[i], &sum);
        assert_true(*(double *)sum == *expected);
        free(sum);
    }
    free(expected);
    pare_data_close(data);
}

/* ---- The fuzzer's corpus ---- */

static void every_file_of_the_corpus_is_answered(void **state)
{
    const char *top = getenv("PARE_TOP");
    char path[4096];
    struct dirent *entry;
    int n_files = 0;
    DIR *corpus;

    (void)state;
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/idx", top ? top : ".");
    corpus = opendir(path);
    assert_non_null(corpus);
    while ((entry = readdir(corpus))) {
        struct pare_file file;
        struct pare_error err = {0};
        char *full;

        if (entry->d_name[0] == '.')
            continue;
        full = pare_path_join(path, entry->d_name);
        assert_ok(pare_file_map(&file, full, &err), &err);
        LLVMFuzzerTestOneInput(file.data, file.n_bytes);
        pare_file_unmap(&file);
        free(full);
        n_files++;
    }
    closedir(corpus);
    assert_true(n_files >= 10);
}

/* ---- The real sets, where they are ---- */

static struct pare_data *open_real(const char *name, struct pare_data_spec *spec)
{
    const char *root = check_data_dir();
    static char path[4096];

    *spec = spec_of(name, path);
    snprintf(path, sizeof path, "%s/%s", root ? root : "", name);
    if (!root || !pare_file_exists(path)) {
        print_message("SKIPPED: no folder %s\n", path);
        skip();
    }
    spec->normalize = "raw";
    return open_data(spec);
}

static void check_first_test_labels(const struct pare_data *data, const int *expected, int n)
{
    struct pare_data_test *test;
    struct pare_error err = {0};
    float *x = malloc((size_t)n * 3072 * sizeof *x);
    int32_t labels[16];

    assert_ok(pare_data_test_open(&test, data, &err), &err);
    pare_data_test_fetch(test, 0, n, x, labels);
    for (int i = 0; i < n; i++)
        assert_int_equal(labels[i], expected[i]);
    pare_data_test_close(test);
    free(x);
}

static void fashion_mnist_has_its_published_counts_and_labels(void **state)
{
    struct pare_data_spec spec;
    struct pare_data *data = open_real("fashion-mnist", &spec);
    int64_t counts[10] = {0};

    (void)state;
    assert_int_equal(pare_data_n(data, PARE_TRAIN), 54000);
    assert_int_equal(pare_data_n(data, PARE_VALIDATION), 6000);
    for (int which = 0; which < 2; which++)
        for (int64_t i = 0; i < pare_data_n(data, (enum pare_split)which); i++) {
            float x[784];
            int32_t label;

            pare_data_fetch(data, (enum pare_split)which, &i, 1, NULL, NULL, x, &label);
            counts[label]++;
        }
    for (int c = 0; c < 10; c++)
        assert_int_equal(counts[c], 6000);
    check_first_test_labels(data, (const int[]){9, 2, 1, 1, 6, 1, 4, 6, 5, 7}, 10);
    pare_data_close(data);
    spec.normalize = "standard"; /* the published mean and deviation of all 60,000: 0.286, 0.353 */
    data = open_data(&spec);
    {
        const float *scale, *offset;

        pare_data_normalization(data, &scale, &offset);
        assert_true(fabs(-offset[0] / scale[0] / 255 - 0.286) < 0.002);
        assert_true(fabs(1 / scale[0] / 255 - 0.353) < 0.002);
    }
    pare_data_close(data);
}

static void mnist_has_its_published_labels(void **state)
{
    struct pare_data_spec spec;
    struct pare_data *data = open_real("mnist", &spec);

    (void)state;
    check_first_test_labels(data, (const int[]){7, 2, 1, 0, 4, 1, 4, 9, 5, 9}, 10);
    pare_data_close(data);
}

static void cifar_10_unpacks_from_xz(void **state)
{
    struct pare_data_spec spec;
    struct pare_data *data = open_real("cifar-10", &spec);

    (void)state;
    assert_int_equal(pare_data_n(data, PARE_TRAIN) + pare_data_n(data, PARE_VALIDATION), 20000);
    check_first_test_labels(data, (const int[]){3, 8, 8, 0, 6, 6, 1, 6, 3, 1}, 10);
    pare_data_close(data);
}

static void kws01_is_dequantized(void **state)
{
    struct pare_data_spec spec;
    struct pare_data *data = open_real("kws01", &spec);
    float x[490];
    int32_t label;
    int64_t i = 0;

    (void)state;
    assert_int_equal(pare_data_n(data, PARE_TRAIN) + pare_data_n(data, PARE_VALIDATION), 800);
    assert_int_equal(pare_data_n_classes(data), 12);
    assert_int_equal(pare_data_sample_shape(data).dims[1], 49);
    assert_int_equal(pare_data_sample_shape(data).dims[2], 10);
    pare_data_fetch(data, PARE_TRAIN, &i, 1, NULL, NULL, x, &label);
    assert_in_range(label, 0, 11);
    for (int k = 0; k < 490; k++) { /* real = 0.5847029 * (q - 83) with a whole q in -128..127 */
        double q = x[k] / 0.5847029 + 83;

        assert_true(fabs(q - round(q)) < 1e-3 && q > -128.5 && q < 127.5);
    }
    pare_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_open_without_any_file),
        cmocka_unit_test(a_second_open_maps_the_decoded_file_at_once),
        cmocka_unit_test(standard_normalisation_gives_mean_zero_and_deviation_one),
        cmocka_unit_test(unit_and_raw_are_the_pixels),
        cmocka_unit_test(fetching_is_fast_enough_for_training),
        cmocka_unit_test(the_split_is_a_partition_and_follows_the_seed),
        cmocka_unit_test(labels_stay_with_their_samples),
        cmocka_unit_test(limits_cut_both_splits),
        cmocka_unit_test(the_test_handle_counts_its_uses),
        cmocka_unit_test(test_samples_are_those_of_the_test_files),
        cmocka_unit_test(augmentation_moves_and_flips_whole_images),
        cmocka_unit_test(augmentation_follows_the_generator_alone),
        cmocka_unit_test(augmentation_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_damaged_decoded_file_is_noticed_and_made_anew),
        cmocka_unit_test(changed_sources_are_decoded_again),
        cmocka_unit_test(many_processes_may_decode_at_once),
        cmocka_unit_test(a_cache_that_cannot_be_written_is_an_error),
        cmocka_unit_test(a_write_that_fails_half_way_leaves_nothing_behind),
        cmocka_unit_test(missing_files_are_named_with_the_remedy),
        cmocka_unit_test(a_folder_of_data_sets_will_do_as_path),
        cmocka_unit_test(bad_idx_files_are_explained),
        cmocka_unit_test(bad_compressed_files_are_explained),
        cmocka_unit_test(unpacking_stops_at_the_limit),
        cmocka_unit_test(cifar_planes_become_pixels),
        cmocka_unit_test(csv_reads_numbers_with_or_without_a_header),
        cmocka_unit_test(csv_faults_are_named_by_line_and_column),
        cmocka_unit_test(csv_becomes_a_data_set_of_vectors),
        cmocka_unit_test(unknown_names_and_options_are_refused),
        cmocka_unit_test(the_option_table_knows_every_set_and_the_defaults),
        cmocka_unit_test(threads_may_fetch_at_the_same_time),
        cmocka_unit_test(every_file_of_the_corpus_is_answered),
        cmocka_unit_test(fashion_mnist_has_its_published_counts_and_labels),
        cmocka_unit_test(mnist_has_its_published_labels),
        cmocka_unit_test(cifar_10_unpacks_from_xz),
        cmocka_unit_test(kws01_is_dequantized),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
