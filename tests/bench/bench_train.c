/* Training speed: samples per second of whole steps (fetch, forward, loss, backward, SGD with
 * momentum) for the networks and batches that the peer is timed with.
 *
 *   bench_train [SECONDS] [THREADS] [NETWORK]     one line each, tab-separated:
 *   train  NETWORK  BATCH  THREADS  SAMPLES_PER_S  GFLOP_PER_S   (6 FLOP per multiply-accumulate) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/train.h>
#include <pare/zoo.h>

#include "base/file.h"
#include "base/pool.h"
#include "io/data_open.h"

#define CIFAR_RECORD (1 + 3 * 32 * 32)
#define N_IMAGES     2048
#define STRETCHES    3 /* the best counts, as for the peer */

static void say_nothing(void *state, const char *text)
{
    (void)state, (void)text;
}

static void check(pare_status st, const struct pare_error *err)
{
    if (!st)
        return;
    fprintf(stderr, "bench_train: %s\n", err->text);
    exit(1);
}

/* 32 x 32 colour images of noise, in the format of CIFAR-10: their content does not change the
 * time. */
static void write_noise(const char *dir)
{
    static const char *const names[] = {"data_batch_1.bin", "test_batch.bin"};
    unsigned char *bytes = malloc((size_t)N_IMAGES * CIFAR_RECORD);
    struct pare_error err = {0};
    struct pare_rng rng;

    pare_rng_init(&rng, 1, 1);
    for (size_t i = 0; i < (size_t)N_IMAGES * CIFAR_RECORD; i++)
        bytes[i] =
            (unsigned char)(i % CIFAR_RECORD ? pare_rng_u32(&rng) >> 24 : pare_rng_below(&rng, 10));
    for (int i = 0; i < 2; i++) {
        char *path = pare_path_join(dir, names[i]);

        check(pare_file_write(path, bytes, (size_t)N_IMAGES * CIFAR_RECORD, &err), &err);
        free(path);
    }
    free(bytes);
}

static struct pare_data *open_data(const char *name, const char *dir)
{
    struct pare_data_spec spec;
    struct pare_error err = {0};
    struct pare_data *data;

    pare_data_spec_defaults(&spec);
    spec.name = name;
    spec.cache_dir = dir;
    spec.limit_train = 4096;
    spec.limit_test = 64;
    if (strcmp(name, "cifar-10") == 0)
        spec.path = dir;
    check(pare_data_open(&data, &spec, &err), &err);
    return data;
}

static double samples_per_s(const struct pare_graph *network, const struct pare_data *data,
                            int batch, int n_threads, int64_t n_steps)
{
    struct pare_graph *graph = pare_graph_copy(network);
    struct pare_recipe recipe;
    struct pare_rng rng;
    struct pare_context ctx = {.seed = 1,
                               .rng = &rng,
                               .data = data,
                               .recipe = &recipe,
                               .n_threads = n_threads,
                               .fidelity = 1,
                               .log = say_nothing};
    struct pare_trainer *trainer;
    struct pare_train_result result;
    struct pare_error err = {0};

    pare_rng_init(&rng, 1, 1);
    pare_recipe_defaults(&recipe);
    recipe.batch = batch;
    recipe.optimizer = PARE_SGD;
    recipe.schedule = PARE_SCHEDULE_CONSTANT;
    recipe.lr = 1e-3;
    recipe.weight_decay = 0;
    recipe.epochs = (double)n_steps / (double)(pare_data_n(data, PARE_TRAIN) / batch);
    check(pare_trainer_new(&trainer, &ctx, &recipe, graph, &err), &err);
    check(pare_trainer_run(trainer, &err), &err);
    pare_trainer_result(trainer, &result);
    pare_trainer_free(trainer);
    pare_graph_free(graph);
    return result.samples_per_s;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *network, *data;
        int batch;
    } cases[] = {{"lenet-300-100", "digits", 128},
                 {"lenet5", "digits", 64},
                 {"resnet8", "cifar-10", 64}};
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    int n_threads = argc > 2 ? atoi(argv[2]) : pare_cpu_count();
    char dir[] = "/tmp/pare-bench-XXXXXX", command[64];

    if (!mkdtemp(dir)) {
        perror(dir);
        return 1;
    }
    write_noise(dir);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pare_data *data;
        struct pare_graph *graph;
        struct pare_shape shape;
        struct pare_error err = {0};
        double speed;
        int64_t n_steps;

        if (argc > 3 && strcmp(argv[3], cases[i].network) != 0)
            continue;
        data = open_data(cases[i].data, dir);
        shape = pare_data_sample_shape(data);
        check(pare_zoo_build(&graph, cases[i].network, &shape, 10, 1, &err), &err);
        speed = samples_per_s(graph, data, cases[i].batch, n_threads, 10); /* warms up */
        n_steps = (int64_t)(seconds / STRETCHES * speed / cases[i].batch) + 10;
        for (int k = 0; k < STRETCHES; k++) {
            double s = samples_per_s(graph, data, cases[i].batch, n_threads, n_steps);

            speed = s > speed ? s : speed;
        }
        printf("train\t%s\t%d\t%d\t%.0f\t%.1f\n", cases[i].network, cases[i].batch, n_threads,
               speed, 6e-9 * (double)pare_graph_macs(graph) * speed);
        pare_graph_free(graph);
        pare_data_close(data);
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
