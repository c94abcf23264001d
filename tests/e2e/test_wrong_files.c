/* Wrong sweeps, wrong data, wrong models, through the real program: exit code 2, the place, the
 * remedy.
 *
 * The sweeps stand in tests/data/wrong; their first lines say what must be answered:
 *   # expect: LINE:COLUMN: part of the message
 * Data and models are made here, each with one fault. */
#include "../support/check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <pare/zoo.h>

#include "base/file.h"
#include "base/text.h"
#include "io/model.h"

static char *folder; /* of this run */

static const char *program(void)
{
    const char *given = getenv("PARE");

    return given ? given : "build/release/pare";
}

static char *in_folder(const char *name)
{
    return pare_path_join(folder, name);
}

static void put_file(const char *name, const void *data, size_t n_bytes)
{
    char *path = in_folder(name);
    struct pare_error err;

    assert_ok(pare_file_write(path, data, n_bytes, &err), &err);
    free(path);
}

/* Runs "pare ARGUMENTS"; the exit code, and what it said on stderr (free it). */
static int run(char **said, const char *arguments)
{
    struct pare_text command = {0};
    struct pare_error err;
    char *path = in_folder("stderr");
    size_t n_bytes;
    int status;

    pare_text_printf(&command, "XDG_CACHE_HOME='%s' NO_COLOR=1 '%s' %s >/dev/null 2>'%s'", folder,
                     program(), arguments, path);
    status = system(command.s);
    assert_ok(pare_file_read(said, &n_bytes, path, 1 << 20, &err), &err);
    pare_text_clear(&command);
    free(path);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- Sweeps ---- */

/* "3:14: message" must be in one line of the answer that begins with "path:3:14: ". */
static void must_answer(const char *path, const char *said, const char *expected, size_t n)
{
    char *line = strndup(expected, n), *message = line, place[512];
    const char *at = said;

    for (int colons = 0; colons < 2; message++)
        colons += *message == ':';
    snprintf(place, sizeof place, "%s:%.*s", path, (int)(message - line), line);
    while (*message == ' ')
        message++;
    while ((at = strstr(at, place))) {
        size_t n_line = strcspn(at, "\n");
        char *answer = strndup(at, n_line);
        int found = strstr(answer, message) != NULL;

        free(answer);
        if (found) {
            free(line);
            return;
        }
        at += n_line;
    }
    fail_msg("%s: expected '%s %s' in:\n%s", path, place, message, said);
}

static int n_sweeps;

static void check_sweep(const char *path)
{
    static const char mark[] = "# expect: ";
    struct pare_error err;
    char *text, *said, *arguments, *line;
    size_t n_bytes;
    int code, n = 0;

    assert_ok(pare_file_read(&text, &n_bytes, path, 1 << 20, &err), &err);
    if (asprintf(&arguments, "check '%s'", path) < 0)
        fail();
    code = run(&said, arguments);
    if (code != 2)
        fail_msg("%s: exit code %d:\n%s", path, code, said);
    for (line = text; strncmp(line, mark, sizeof mark - 1) == 0; line += strcspn(line, "\n") + 1) {
        line += sizeof mark - 1;
        must_answer(path, said, line, strcspn(line, "\n"));
        n++;
    }
    if (n == 0)
        fail_msg("%s says nothing about what it expects", path);
    n_sweeps++;
    free(arguments);
    free(said);
    free(text);
}

static void every_wrong_sweep_is_answered_with_place_and_remedy(void **state)
{
    struct dirent **names;
    int n = scandir(check_test_data("wrong"), &names, NULL, alphasort);

    (void)state;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        if (strstr(names[i]->d_name, ".yaml")) {
            char name[300];

            snprintf(name, sizeof name, "wrong/%s", names[i]->d_name);
            check_sweep(check_test_data(name));
        }
        free(names[i]);
    }
    free(names);
    assert_true(n_sweeps >= 28);
}

static void a_sweep_that_is_not_there_is_answered(void **state)
{
    char *said;

    (void)state;
    assert_int_equal(run(&said, "check no-such-sweep.yaml"), 2);
    assert_non_null(strstr(said, "no-such-sweep.yaml"));
    free(said);
    assert_int_equal(run(&said, "chek no-such-sweep.yaml"), 2);
    assert_non_null(strstr(said, "did you mean 'check'?"));
    free(said);
    assert_int_equal(run(&said, "check --dat=x a.yaml b.yaml"), 2);
    free(said);
}

/* ---- Data and models ---- */

/* A sweep over `data` and `model`, both as YAML; `pare check` must answer 2, name the sweep's line,
 * and say every fragment. */
static void refused_all(const char *data, const char *model, int line, const char *const *fragments)
{
    char *path = in_folder("sweep.yaml"), *said, *arguments, place[512];
    struct pare_text text = {0};
    int code;

    pare_text_printf(&text,
                     "version: 1\n"
                     "model: %s\n"
                     "data: %s\n"
                     "pipeline: [{method: train.finetune, epochs: 1}]\n"
                     "objectives: {accuracy: max}\n",
                     model, data);
    put_file("sweep.yaml", text.s, text.n);
    if (asprintf(&arguments, "check '%s'", path) < 0)
        fail();
    code = run(&said, arguments);
    snprintf(place, sizeof place, "%s:%d:", path, line);
    if (code != 2 || !strstr(said, place))
        fail_msg("exit code %d, expected 2 and '%s' in:\n%s\nfor data %s, model %s", code, place,
                 said, data, model);
    for (; *fragments; fragments++)
        if (!strstr(said, *fragments))
            fail_msg("'%s' is not in:\n%s", *fragments, said);
    pare_text_clear(&text);
    free(arguments);
    free(said);
    free(path);
}
#define refused(DATA, MODEL, LINE, ...) \
    refused_all(DATA, MODEL, LINE, (const char *const[]){__VA_ARGS__, NULL})

static void be32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

enum {
    SIDE = 28,
    N_IMAGES = 20,
    IMAGES_BYTES = 16 + N_IMAGES * SIDE * SIDE,
    LABELS_BYTES = 8 + N_IMAGES
};

static unsigned char images[IMAGES_BYTES], labels[LABELS_BYTES];

/* A good MNIST-like set in `folder`, to be spoiled. */
static void put_mnist(void)
{
    memset(images, 7, sizeof images);
    be32(images, 0x00000803);
    be32(images + 4, N_IMAGES);
    be32(images + 8, SIDE);
    be32(images + 12, SIDE);
    be32(labels, 0x00000801);
    be32(labels + 4, N_IMAGES);
    for (int i = 0; i < N_IMAGES; i++)
        labels[8 + i] = (unsigned char)(i % 10);
    for (int i = 0; i < IMAGES_BYTES - 16; i++)
        images[16 + i] = (unsigned char)(i * 37 % 251);
    put_file("train-images-idx3-ubyte", images, sizeof images);
    put_file("train-labels-idx1-ubyte", labels, sizeof labels);
    put_file("t10k-images-idx3-ubyte", images, sizeof images);
    put_file("t10k-labels-idx1-ubyte", labels, sizeof labels);
}

static void wrong_data_files_are_answered(void **state)
{
    char *data = NULL, *csv = NULL, *unlabeled = NULL;
    unsigned char bad[16] = {0};

    (void)state;
    if (asprintf(&data, "{name: mnist, path: '%s'}", folder) < 0 ||
        asprintf(&csv, "{name: csv, path: '%s/a.csv'}", folder) < 0 ||
        asprintf(&unlabeled, "{name: csv, path: '%s/a.csv', label: none, val_fraction: 0.5}",
                 folder) < 0)
        fail();

    put_mnist();
    put_file("train-images-idx3-ubyte", images, sizeof images - 100);
    refused(data, "{zoo: lenet5}", 3, "train-images-idx3-ubyte");
    put_mnist();
    be32(images, 0x00000d03);
    put_file("train-images-idx3-ubyte", images, sizeof images);
    refused(data, "{zoo: lenet5}", 3, "train-images-idx3-ubyte");
    put_mnist();
    be32(labels + 4, N_IMAGES - 1);
    put_file("train-labels-idx1-ubyte", labels, sizeof labels - 1);
    refused(data, "{zoo: lenet5}", 3, "19", "20");
    put_mnist();
    labels[8] = 200;
    put_file("t10k-labels-idx1-ubyte", labels, sizeof labels);
    refused(data, "{zoo: lenet5}", 3, "200");
    put_mnist();
    be32(images + 4, 0xffffffff);
    put_file("train-images-idx3-ubyte", images, sizeof images);
    refused(data, "{zoo: lenet5}", 3, "train-images-idx3-ubyte");
    put_mnist();
    put_file("train-images-idx3-ubyte", bad, 3);
    refused(data, "{zoo: lenet5}", 3, "train-images-idx3-ubyte");

    put_file("a.csv", "1,2,0\n3,four,1\n", 15);
    refused(csv, "{zoo: mlp}", 3, "a.csv", "four");
    put_file("a.csv", "1,2,0\n3,1\n", 10);
    refused(csv, "{zoo: mlp}", 3, "a.csv");
    put_file("a.csv", "1,2\n3,4\n5,6\n7,8\n", 16);
    refused(unlabeled, "{zoo: mlp}", 5, "csv has no labels", "ask for loss");
    refused("{name: csv, path: /nonexistent/a.csv}", "{zoo: mlp}", 3, "/nonexistent/a.csv");
    free(data);
    free(csv);
    free(unlabeled);
}

static void data_and_network_must_fit(void **state)
{
    char *model = NULL, *path = in_folder("resnet.safetensors");
    struct pare_graph *graph;
    struct pare_error err;

    (void)state;
    assert_ok(pare_zoo_build(&graph, "resnet8-quarter", NULL, 0, 1, &err), &err);
    assert_ok(pare_model_save(graph, path, NULL, &err), &err);
    pare_graph_free(graph);
    if (asprintf(&model, "{pare: '%s'}", path) < 0)
        fail();
    refused("{name: digits}", model, 2, "[3, 32, 32]", "[1, 28, 28]");
    refused("{name: digits, val_fraction: 0.1, limit_train: 1}", "{zoo: lenet5}", 3,
            "raise val_fraction");
    free(model);
    free(path);
}

/* ---- Models: a good file with one fault ---- */

static char *model_bytes;
static size_t n_model_bytes;

static void make_model(void)
{
    char *path = in_folder("good.safetensors");
    struct pare_graph *graph;
    struct pare_error err;

    assert_ok(pare_zoo_build(&graph, "mlp", NULL, 0, 1, &err), &err);
    assert_ok(pare_model_save(graph, path, NULL, &err), &err);
    assert_ok(pare_file_read(&model_bytes, &n_model_bytes, path, 1 << 24, &err), &err);
    pare_graph_free(graph);
    free(path);
}

/* Replaces one text of the header by another of the same length. */
static char *patched(const char *from, const char *to)
{
    char *copy = malloc(n_model_bytes), *at;

    assert_int_equal(strlen(from), strlen(to));
    memcpy(copy, model_bytes, n_model_bytes);
    at = memmem(copy, n_model_bytes, from, strlen(from));
    if (!at)
        fail_msg("'%s' is not in the header: the format has changed, so must this test", from);
    memcpy(at, to, strlen(to));
    return copy;
}

/* Both commands that read a model must refuse it. */
static void model_refused(const char *bytes, size_t n_bytes, const char *fragment)
{
    char *path = in_folder("bad.safetensors"), *model, *arguments, *said;
    int code;

    put_file("bad.safetensors", bytes, n_bytes);
    if (asprintf(&model, "{pare: '%s'}", path) < 0 ||
        asprintf(&arguments, "inspect '%s'", path) < 0)
        fail();
    refused("{name: digits}", model, 2, "bad.safetensors", fragment, "save it again");
    code = run(&said, arguments);
    if (code != 2 || !strstr(said, "bad.safetensors") || !strstr(said, fragment))
        fail_msg("inspect: exit code %d, '%s' expected in:\n%s", code, fragment, said);
    free(said);
    free(arguments);
    free(model);
    free(path);
}

static void model_patch_refused(const char *from, const char *to, const char *fragment)
{
    char *bytes = patched(from, to);

    model_refused(bytes, n_model_bytes, fragment);
    free(bytes);
}

static void wrong_model_files_are_answered(void **state)
{
    char *bytes;

    (void)state;
    make_model();
    model_refused("this is not a network", 21, "bad.safetensors");
    model_refused("", 0, "bad.safetensors");
    model_refused(model_bytes, n_model_bytes - 1000, "bad.safetensors");
    model_refused(model_bytes, 100, "bad.safetensors");
    bytes = patched("{\"__metadata__\"", "[\"__metadata__\"");
    model_refused(bytes, n_model_bytes, "bad.safetensors");
    memset(bytes, 0xff, 8); /* a header of 2^64 bytes */
    model_refused(bytes, n_model_bytes, "header");
    free(bytes);
    /* A node that needs its own output. */
    model_patch_refused("\\\"Gemm\\\",[5,1,3]", "\\\"Gemm\\\",[6,1,3]", "fc1");
    model_patch_refused("\\\"Flatten\\\",[0]", "\\\"Fladden\\\",[0]", "Fladden");
    model_patch_refused("\"shape\":[32,784]", "\"shape\":[32,785]", "fc1.weight");
    model_patch_refused("[100352,101632]", "[100352,901632]", "fc2.weight");
    model_patch_refused("\\\"out\\\":[8]", "\\\"out\\\":[9]", "bad.safetensors");
    model_patch_refused("pare.graph", "pear.graph", "bad.safetensors");
    free(model_bytes);
}

static int make_folder(void **state)
{
    (void)state;
    folder = check_make_dir();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    check_remove_dir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wrong_sweep_is_answered_with_place_and_remedy),
        cmocka_unit_test(a_sweep_that_is_not_there_is_answered),
        cmocka_unit_test(wrong_data_files_are_answered),
        cmocka_unit_test(data_and_network_must_fit),
        cmocka_unit_test(wrong_model_files_are_answered),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
