#include "io/data_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "base/arena.h"
#include "base/text.h"
#include "io/digits.h"

#define DIGITS_SEED  UINT64_C(0x9a7e)
#define DIGITS_TRAIN 10000
#define DIGITS_TEST  2000

static bool digits_find(struct pare_data_files *files, const char *dir)
{
    (void)files;
    (void)dir;
    return true;
}

static pare_status digits_decode(struct pare_decoded *out, const struct pare_data_files *files,
                                 const struct pare_data_spec *spec, struct pare_error *err)
{
    const struct pare_decoded_header like = {
        .type = PARE_SAMPLE_U8,
        .n_dims = 3,
        .n_classes = PARE_DIGITS_CLASSES,
        .c = 1,
        .h = PARE_DIGITS_SIDE,
        .w = PARE_DIGITS_SIDE,
        .n_train = DIGITS_TRAIN,
        .n_test = DIGITS_TEST,
        .raw_scale = 1,
    };
    pare_status st;

    (void)files;
    (void)spec;
    st = pare_decoded_new(out, &like, err);
    if (st)
        return st;
    for (int i = 0; i < DIGITS_TRAIN + DIGITS_TEST; i++)
        out->labels[i] =
            pare_digits_draw((uint8_t *)out->samples + i * PARE_DIGITS_SIDE * PARE_DIGITS_SIDE,
                             DIGITS_SEED, (uint64_t)i);
    return PARE_OK;
}

static const char idx_by_hand[] =
    "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
    "t10k-labels-idx1-ubyte.gz (packed or not)";

const struct pare_data_source pare_data_sources[] = {
    {
        .entry = {.name = "digits",
                  .summary = "handwritten-style digits that pare draws itself, 10,000 + 2,000",
                  .origin = "built in",
                  .shape = "28x28x1",
                  .n_classes = PARE_DIGITS_CLASSES,
                  .is_embedded = true},
        .find = digits_find,
        .decode = digits_decode,
    },
    {
        .entry = {.name = "mnist",
                  .summary = "handwritten digits, 60,000 + 10,000",
                  .origin = "LeCun, Cortes, Burges",
                  .shape = "28x28x1",
                  .n_classes = 10,
                  .has_download = true},
        .by_hand = idx_by_hand,
        .find = pare_idx_find,
        .decode = pare_idx_decode,
    },
    {
        .entry = {.name = "fashion-mnist",
                  .summary = "articles of clothing, 60,000 + 10,000",
                  .origin = "Xiao et al. 2017, zalandoresearch/fashion-mnist",
                  .shape = "28x28x1",
                  .n_classes = 10,
                  .has_download = true},
        .by_hand = idx_by_hand,
        .find = pare_idx_find,
        .decode = pare_idx_decode,
    },
    {
        .entry = {.name = "cifar-10",
                  .summary = "small colour photographs, 50,000 + 10,000",
                  .origin = "Krizhevsky 2009, binary version",
                  .shape = "32x32x3",
                  .n_classes = 10,
                  .has_download = true},
        .by_hand = "data_batch_1.bin ... data_batch_5.bin (as many as there are) and "
                   "test_batch.bin (plain, .gz or .xz)",
        .find = pare_cifar_find,
        .decode = pare_cifar_decode,
    },
    {
        .entry = {.name = "kws01",
                  .summary = "keyword spotting features of MLPerf Tiny, 1,000 split 800 + 200",
                  .origin = "eembc/energyrunner, datasets/kws01",
                  .shape = "49x10x1",
                  .n_classes = 12},
        .by_hand = "features.i8 (the .bin files one after the other) and labels.u8",
        .find = pare_kws_find,
        .decode = pare_kws_decode,
    },
    {
        .entry = {.name = "csv",
                  .summary = "numbers in columns: a file, or a folder with train.csv and test.csv",
                  .origin = "your own",
                  .shape = "columns"},
        .by_hand = "train.csv and, if you have it, test.csv; or name one file as path",
        .find = pare_csv_find,
        .decode = pare_csv_decode,
    },
    {.entry = {.name = NULL}},
};

int pare_data_n_entries(void)
{
    int n = 0;

    while (pare_data_sources[n].entry.name)
        n++;
    return n;
}

const struct pare_data_entry *pare_data_entry(int i)
{
    return &pare_data_sources[i].entry;
}

pare_status pare_data_source_find(const struct pare_data_source **out, const char *name,
                                  struct pare_error *err)
{
    const char *names[16];
    struct pare_text known = {0};
    const char *nearest;
    pare_status st;
    int n = pare_data_n_entries();

    for (int i = 0; i < n; i++)
        if (name && strcmp(pare_data_sources[i].entry.name, name) == 0) {
            *out = &pare_data_sources[i];
            return PARE_OK;
        }
    for (int i = 0; i < n; i++) {
        names[i] = pare_data_sources[i].entry.name;
        pare_text_printf(&known, "%s%s", i ? ", " : "", names[i]);
    }
    nearest = name ? pare_text_nearest(name, names, n) : NULL;
    st = pare_fail(err, PARE_EINVAL, "unknown data set '%s'%s%s%s; known: %s", name ? name : "",
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "",
                   known.s);
    pare_text_clear(&known);
    return st;
}

bool pare_data_files_add(struct pare_data_files *files, const char *dir, const char *name)
{
    static const char *const endings[] = {"", ".gz", ".xz"};
    char *path = pare_path_join(dir, name);

    for (int i = 0; i < 3; i++) {
        struct pare_text full = {0};

        pare_text_printf(&full, "%s%s", path, endings[i]);
        if (pare_file_exists(full.s)) {
            files->paths[files->n++] = pare_text_take(&full);
            free(path);
            return true;
        }
        pare_text_clear(&full);
    }
    free(path);
    snprintf(files->looked[files->n_looked++], sizeof files->looked[0], "%s", name);
    return false;
}

void pare_data_files_clear(struct pare_data_files *files)
{
    for (int i = 0; i < files->n; i++)
        free(files->paths[i]);
    *files = (struct pare_data_files){0};
}

int64_t *pare_data_fixed_order(int64_t n)
{
    int64_t *order = pare_xcalloc((size_t)n, sizeof *order);
    struct pare_rng rng;

    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    pare_rng_init(&rng, 0, 0x7e57);
    pare_rng_shuffle(&rng, order, n);
    return order;
}
