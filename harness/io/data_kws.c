/* kws01, the accuracy set of MLPerf Tiny's keyword spotting: 1,000 x 49 frames x 10 coefficients as
 * int8, real value = (q - 83) * 0.5847029, and labels as bytes. */
#include <stdlib.h>
#include <string.h>

#include "io/data_bytes.h"
#include "io/data_source.h"

#define FRAMES       49
#define COEFFICIENTS 10
#define SAMPLE       (FRAMES * COEFFICIENTS)
#define CLASSES      12
#define SCALE        0.5847029
#define ZERO_POINT   83
#define MAX_BYTES    ((size_t)1 << 28)

bool pare_kws_find(struct pare_data_files *files, const char *dir)
{
    bool has_features = pare_data_files_add(files, dir, "features.i8");

    return pare_data_files_add(files, dir, "labels.u8") && has_features;
}

static pare_status copy_samples(struct pare_decoded *out, const struct pare_data_bytes *features,
                                const struct pare_data_bytes *labels, const char *labels_path,
                                struct pare_error *err)
{
    int64_t *order = pare_data_fixed_order((int64_t)labels->n);
    unsigned char *samples = out->samples;
    pare_status st = PARE_OK;

    for (size_t i = 0; i < labels->n; i++) {
        const unsigned char *from = features->data + (size_t)order[i] * SAMPLE;
        int label = labels->data[order[i]];

        if (label >= CLASSES) {
            st = pare_fail(err, PARE_EFORMAT,
                           "%s: label %d of sample %lld is out of range: expected 0..%d",
                           labels_path, label, (long long)order[i], CLASSES - 1);
            break;
        }
        out->labels[i] = label;
        for (int k = 0; k < SAMPLE; k++)
            samples[i * SAMPLE + (size_t)k] = from[k] ^ 0x80; /* q + 128 */
    }
    free(order);
    return st;
}

pare_status pare_kws_decode(struct pare_decoded *out, const struct pare_data_files *files,
                            const struct pare_data_spec *spec, struct pare_error *err)
{
    struct pare_data_bytes features = {0}, labels = {0};
    struct pare_decoded_header like = {
        .type = PARE_SAMPLE_U8,
        .n_dims = 3,
        .c = 1,
        .h = FRAMES,
        .w = COEFFICIENTS,
        .n_classes = CLASSES,
        .background = 128 + ZERO_POINT,
        .raw_scale = SCALE,
        .raw_offset = -SCALE * (128 + ZERO_POINT),
    };
    pare_status st;

    (void)spec;
    st = pare_data_bytes_open(&features, files->paths[0], MAX_BYTES, err);
    if (!st)
        st = pare_data_bytes_open(&labels, files->paths[1], MAX_BYTES, err);
    if (st)
        goto done;
    if (labels.n < 2 || features.n != labels.n * SAMPLE) {
        st = pare_fail(
            err, PARE_EFORMAT, "%s: %zu bytes; expected %zu (%d for each of the %zu labels in %s)",
            files->paths[0], features.n, labels.n * SAMPLE, SAMPLE, labels.n, files->paths[1]);
        goto done;
    }
    like.n_test = ((int64_t)labels.n + 4) / 5;
    like.n_train = (int64_t)labels.n - like.n_test;
    st = pare_decoded_new(out, &like, err);
    if (!st)
        st = copy_samples(out, &features, &labels, files->paths[1], err);
done:
    pare_data_bytes_close(&features);
    pare_data_bytes_close(&labels);
    return st;
}
