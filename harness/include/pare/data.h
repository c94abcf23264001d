/* Data sets as the methods see them: training and validation.  The test split has a handle of its
 * own (io/data_test.h) that the search never gets. */
#ifndef PARE_DATA_H
#define PARE_DATA_H

#include <pare/rng.h>
#include <pare/tensor.h>

enum pare_split { PARE_TRAIN, PARE_VALIDATION };

struct pare_data; /* decoded once, mapped, shared by all processes; immutable */

struct pare_augment {
    int shift;        /* pixels: each image moves by -shift..shift in both directions */
    bool flip;        /* left-right, with probability 1/2 */
    int crop_padding; /* pad by this much, cut out at random (CIFAR recipe) */
};

const char *pare_data_name(const struct pare_data *data);
const char *pare_data_digest(const struct pare_data *data); /* of content and split; hex */
int64_t pare_data_n(const struct pare_data *data, enum pare_split split);
int pare_data_n_classes(const struct pare_data *data); /* 0: no labels (autoencoder) */
/* [C, H, W], or [C] for vectors. */
struct pare_shape pare_data_sample_shape(const struct pare_data *data);

/* Writes n samples, normalised, channels LAST: out f32 [n, H, W, C] (or [n, C]).  `indices` are
 * positions within the split.  augment may be NULL; rng is only used with it: image i draws from it
 * in order, so the result depends on rng's state and the indices alone. labels may be NULL. */
void pare_data_fetch(const struct pare_data *data, enum pare_split split, const int64_t *indices,
                     int64_t n, const struct pare_augment *augment, struct pare_rng *rng,
                     float *out, int32_t *labels);

#endif
