/* IDX, the format of MNIST: big-endian magic (0, 0, type, dimensions), sizes, elements.  Only
 * unsigned bytes (type 8) are read. */
#ifndef PARE_IO_DATA_IDX_H
#define PARE_IO_DATA_IDX_H

#include <stdint.h>

#include <pare/status.h>

struct pare_idx {
    int n_dims;
    int64_t dims[3];
    const unsigned char *elements; /* lent by the caller's bytes */
};

/* PARE_EFORMAT when the file has another type or number of dimensions, ends early, or goes on. */
pare_status pare_idx_parse(struct pare_idx *out, const unsigned char *data, size_t n, int n_dims,
                           struct pare_error *err);

#endif
