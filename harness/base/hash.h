/* Content digests: XXH3, 128 bits, as 32 hex digits. */
#ifndef PARE_BASE_HASH_H
#define PARE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <pare/status.h>

#define PARE_DIGEST_CHARS 33 /* with the NUL */
struct pare_digest {
    char hex[PARE_DIGEST_CHARS];
};
struct pare_hash; /* streaming */
struct pare_hash *pare_hash_new(void);
void pare_hash_add(struct pare_hash *hash, const void *data, size_t n_bytes);
/* Adds the text and its end, so that ("ab","c") and ("a","bc") differ. */
void pare_hash_add_text(struct pare_hash *hash, const char *text);
struct pare_digest pare_hash_finish(struct pare_hash *hash); /* frees */
struct pare_digest pare_hash_bytes(const void *data, size_t n_bytes);
pare_status pare_hash_file(struct pare_digest *out, const char *path, struct pare_error *err);
uint64_t pare_digest_u64(const struct pare_digest *digest); /* first 64 bits: a seed */
#endif
