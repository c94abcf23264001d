/* The safetensors container: an 8-byte little-endian header length, a JSON header, raw data.
 *
 * Everything is checked before anything is lent: dtypes, shapes against bytes, and that the tensors
 * cover the data exactly, without holes or overlaps.  What is wrong is PARE_EFORMAT; all memory
 * taken is in proportion to the header.
 * Source: the format's description, github.com/huggingface/safetensors. */
#ifndef PARE_IO_SAFETENSORS_H
#define PARE_IO_SAFETENSORS_H

#include <pare/tensor.h>

struct pare_safetensors_entry {
    const char *name;
    enum pare_dtype dtype;
    struct pare_shape shape;
    const unsigned char *data; /* lent by the file, unaligned */
    size_t n_bytes;
};
struct pare_safetensors;
pare_status pare_safetensors_open(struct pare_safetensors **out, const char *path,
                                  struct pare_error *err);
/* `data` is lent and must outlive the result. */
pare_status pare_safetensors_parse(struct pare_safetensors **out, const void *data, size_t n_bytes,
                                   struct pare_error *err);
void pare_safetensors_close(struct pare_safetensors *file);
int pare_safetensors_n(const struct pare_safetensors *file);
/* In order of the data. */
const struct pare_safetensors_entry *pare_safetensors_get(const struct pare_safetensors *file,
                                                          int i);
const struct pare_safetensors_entry *pare_safetensors_find(const struct pare_safetensors *file,
                                                           const char *name); /* or NULL */
const char *pare_safetensors_meta(const struct pare_safetensors *file,
                                  const char *key); /* or NULL */
/* f32 copy of an F32 or F64 entry as a tensor; PARE_EINVAL for other types. */
pare_status pare_safetensors_tensor(struct pare_tensor **out,
                                    const struct pare_safetensors_entry *entry,
                                    struct pare_error *err);
/* Serialises entries in the given order; malloc'ed buffer.  The header is padded so that the data
 * starts at a multiple of 8; alignment within is the order's matter. */
pare_status pare_safetensors_write(unsigned char **out, size_t *n_bytes,
                                   const struct pare_safetensors_entry *entries, int n,
                                   const char *const *meta_keys, const char *const *meta_values,
                                   int n_meta, struct pare_error *err);
#endif
