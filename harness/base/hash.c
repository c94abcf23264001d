#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/file.h"

struct pare_hash {
    XXH3_state_t *state;
};

static struct pare_digest to_hex(XXH128_hash_t hash)
{
    static const char digits[] = "0123456789abcdef";
    struct pare_digest digest;
    XXH128_canonical_t bytes;

    XXH128_canonicalFromHash(&bytes, hash);
    for (int i = 0; i < 16; i++) {
        digest.hex[2 * i] = digits[bytes.digest[i] >> 4];
        digest.hex[2 * i + 1] = digits[bytes.digest[i] & 15];
    }
    digest.hex[32] = '\0';
    return digest;
}

struct pare_hash *pare_hash_new(void)
{
    struct pare_hash *hash = malloc(sizeof *hash);

    if (!hash || !(hash->state = XXH3_createState())) {
        fputs("pare: out of memory\n", stderr);
        abort();
    }
    XXH3_128bits_reset(hash->state);
    return hash;
}

void pare_hash_add(struct pare_hash *hash, const void *data, size_t n_bytes)
{
    if (n_bytes)
        XXH3_128bits_update(hash->state, data, n_bytes);
}

void pare_hash_add_text(struct pare_hash *hash, const char *text)
{
    pare_hash_add(hash, text, strlen(text) + 1);
}

struct pare_digest pare_hash_finish(struct pare_hash *hash)
{
    struct pare_digest digest = to_hex(XXH3_128bits_digest(hash->state));

    XXH3_freeState(hash->state);
    free(hash);
    return digest;
}

struct pare_digest pare_hash_bytes(const void *data, size_t n_bytes)
{
    return to_hex(XXH3_128bits(n_bytes ? data : "", n_bytes));
}

pare_status pare_hash_file(struct pare_digest *out, const char *path, struct pare_error *err)
{
    struct pare_file file;
    pare_status st = pare_file_map(&file, path, err);

    if (st)
        return st;
    *out = pare_hash_bytes(file.data, file.n_bytes);
    pare_file_unmap(&file);
    return PARE_OK;
}

uint64_t pare_digest_u64(const struct pare_digest *digest)
{
    char first[17];

    memcpy(first, digest->hex, 16);
    first[16] = '\0';
    return strtoull(first, NULL, 16);
}
