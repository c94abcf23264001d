/* A decoded data set: one block of bytes that is written to a file and mapped by every process.
 *
 *   header   256 bytes
 *   labels   i32 [n_train + n_test]; all -1 when n_classes is 0
 *   samples  u8 or f32 [n_train + n_test, h, w, c], training samples first
 *
 * In the machine's byte order; a file from a machine of the other order has a wrong digest. */
#ifndef PARE_IO_DATA_DECODED_H
#define PARE_IO_DATA_DECODED_H

#include <pare/status.h>

#include "base/file.h"
#include "base/hash.h"

enum pare_sample_type { PARE_SAMPLE_U8, PARE_SAMPLE_F32 };

struct pare_decoded_header {
    char magic[8];
    char digest[40];              /* of all bytes that follow this field */
    int32_t type;                 /* enum pare_sample_type */
    int32_t n_dims;               /* 3: images; 1: vectors of c numbers */
    int32_t n_classes;            /* 0: no labels */
    int32_t background;           /* u8 samples: what lies outside of the image */
    int64_t c, h, w;              /* vectors: h = w = 1 */
    int64_t n_train, n_test;      /* n_test may be 0 */
    double raw_scale, raw_offset; /* real value = raw_scale * stored + raw_offset */
    char reserved[136];
};

struct pare_decoded {
    struct pare_decoded_header *header;
    int32_t *labels;
    void *samples;
    size_t n_bytes;        /* of the whole block */
    void *memory;          /* where it is while being built, or NULL */
    struct pare_file file; /* where it is once mapped */
};

/* A zeroed block for what `like` says; PARE_EFORMAT when its sizes make no sense. */
pare_status pare_decoded_new(struct pare_decoded *out, const struct pare_decoded_header *like,
                             struct pare_error *err);
/* Writes the digest into the header, and the block to the file. */
pare_status pare_decoded_save(struct pare_decoded *decoded, const char *path,
                              struct pare_error *err);
/* PARE_EFORMAT when the file is damaged in any bit. */
pare_status pare_decoded_map(struct pare_decoded *out, const char *path, struct pare_error *err);
void pare_decoded_clear(struct pare_decoded *decoded);

size_t pare_decoded_sample_bytes(const struct pare_decoded_header *header);

#endif
