/* The bytes of a file that may be compressed: gzip and xz are recognised by their first bytes. */
#ifndef PARE_IO_DATA_BYTES_H
#define PARE_IO_DATA_BYTES_H

#include <pare/status.h>

#include "base/file.h"

struct pare_data_bytes {
    const unsigned char *data;
    size_t n;
    unsigned char *unpacked; /* malloc'ed, or NULL when `data` is the file itself */
    struct pare_file file;
};

/* PARE_EFORMAT when the compressed stream is damaged, ends early, or unpacks to more than max_bytes.
 * The message begins with the path. */
pare_status pare_data_bytes_open(struct pare_data_bytes *out, const char *path, size_t max_bytes,
                                 struct pare_error *err);
void pare_data_bytes_close(struct pare_data_bytes *bytes);

/* The same from memory; the result is malloc'ed.  For tests and fuzzing. */
pare_status pare_gzip_unpack(unsigned char **out, size_t *n_out, const unsigned char *data,
                             size_t n, size_t max_bytes, struct pare_error *err);
pare_status pare_xz_unpack(unsigned char **out, size_t *n_out, const unsigned char *data, size_t n,
                           size_t max_bytes, struct pare_error *err);

#endif
