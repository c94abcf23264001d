/* Inside of an open data set; private to data*.c. */
#ifndef PARE_IO_DATA_IMPL_H
#define PARE_IO_DATA_IMPL_H

#include "io/data_decoded.h"
#include "io/data_open.h"

struct pare_data {
    char *name;
    struct pare_digest digest;
    struct pare_decoded decoded;
    int64_t n[2];      /* by enum pare_split */
    int64_t *order[2]; /* positions among the decoded samples */
    int64_t n_test;
    int64_t *test_order;
    float *scale, *offset; /* [c]: fetched = scale * raw + offset */
    float *table;          /* u8 samples: [c][256], the fetched number of each stored one */
};

/* Sample `position` of the block, normalised, channels last. */
void pare_data_copy_sample(const struct pare_data *data, int64_t position, float *out);

#endif
