/* CIFAR-10, binary version: records of one label byte and 3 x 32 x 32 pixels, planes of red, green
 * and blue, no header. */
#include <stdio.h>
#include <stdlib.h>

#include "io/data_bytes.h"
#include "io/data_source.h"

#define SIDE        32
#define PLANE       (SIDE * SIDE)
#define RECORD      (1 + 3 * PLANE)
#define MAX_BYTES   ((size_t)1 << 30)
#define MAX_BATCHES 5

static bool find_in(struct pare_data_files *files, const char *dir)
{
    bool has_test;

    for (int i = 1; i <= MAX_BATCHES; i++) {
        char name[32];

        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        files->n_train += pare_data_files_add(files, dir, name);
    }
    has_test = pare_data_files_add(files, dir, "test_batch.bin");
    return files->n_train > 0 && has_test;
}

/* However many of the five batches are there; also in the folder that the official archive makes. */
bool pare_cifar_find(struct pare_data_files *files, const char *dir)
{
    char *inner = pare_path_join(dir, "cifar-10-batches-bin");
    bool found = false;

    if (pare_file_exists(inner))
        found = find_in(files, inner);
    free(inner);
    if (found)
        return true;
    pare_data_files_clear(files);
    return find_in(files, dir);
}

/* Planes to pixels. */
static void copy_record(unsigned char *out, const unsigned char *planes)
{
    for (int i = 0; i < PLANE; i++)
        for (int c = 0; c < 3; c++)
            out[3 * i + c] = planes[c * PLANE + i];
}

static pare_status copy_batch(struct pare_decoded *out, int64_t first, const char *path,
                              const struct pare_data_bytes *bytes, struct pare_error *err)
{
    unsigned char *samples = out->samples;

    for (size_t i = 0; i < bytes->n / RECORD; i++) {
        const unsigned char *record = bytes->data + i * RECORD;
        size_t at = (size_t)first + i;

        if (record[0] > 9)
            return pare_fail(err, PARE_EFORMAT,
                             "%s: label %d of record %zu is out of range: expected 0..9", path,
                             record[0], i);
        out->labels[at] = record[0];
        copy_record(samples + at * 3 * PLANE, record + 1);
    }
    return PARE_OK;
}

pare_status pare_cifar_decode(struct pare_decoded *out, const struct pare_data_files *files,
                              const struct pare_data_spec *spec, struct pare_error *err)
{
    struct pare_data_bytes bytes[PARE_DATA_MAX_FILES] = {0};
    struct pare_decoded_header like = {.type = PARE_SAMPLE_U8,
                                       .n_dims = 3,
                                       .c = 3,
                                       .h = SIDE,
                                       .w = SIDE,
                                       .n_classes = 10,
                                       .raw_scale = 1};
    int64_t at = 0;
    pare_status st = PARE_OK;

    (void)spec;
    for (int i = 0; i < files->n; i++) {
        st = pare_data_bytes_open(&bytes[i], files->paths[i], MAX_BYTES, err);
        if (st)
            goto done;
        if (bytes[i].n == 0 || bytes[i].n % RECORD != 0) {
            st = pare_fail(err, PARE_EFORMAT,
                           "%s: %zu bytes are not a whole number of CIFAR-10 records of %d bytes: "
                           "the file is truncated or has trailing bytes",
                           files->paths[i], bytes[i].n, RECORD);
            goto done;
        }
        *(i < files->n_train ? &like.n_train : &like.n_test) += (int64_t)(bytes[i].n / RECORD);
    }
    st = pare_decoded_new(out, &like, err);
    for (int i = 0; !st && i < files->n; i++) {
        st = copy_batch(out, at, files->paths[i], &bytes[i], err);
        at += (int64_t)(bytes[i].n / RECORD);
    }
done:
    for (int i = 0; i < files->n; i++)
        pare_data_bytes_close(&bytes[i]);
    return st;
}
