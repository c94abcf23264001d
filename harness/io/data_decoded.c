#include "io/data_decoded.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "PAREDAT1";

#define DIGESTED offsetof(struct pare_decoded_header, type)

_Static_assert(sizeof(struct pare_decoded_header) == 256, "the header is part of the format");

size_t pare_decoded_sample_bytes(const struct pare_decoded_header *header)
{
    size_t element = header->type == PARE_SAMPLE_F32 ? sizeof(float) : 1;

    return (size_t)(header->c * header->h * header->w) * element;
}

/* Bytes of the whole block; false when a size is not positive or the product overflows. */
static bool block_bytes(const struct pare_decoded_header *header, size_t *n_bytes)
{
    int64_t n, sample, total;

    if (header->type != PARE_SAMPLE_U8 && header->type != PARE_SAMPLE_F32)
        return false;
    if (header->c < 1 || header->h < 1 || header->w < 1 || header->n_train < 1 ||
        header->n_test < 0 || header->n_classes < 0)
        return false;
    if (__builtin_mul_overflow(header->c, header->h, &sample) ||
        __builtin_mul_overflow(sample, header->w, &sample) ||
        __builtin_mul_overflow(sample, header->type == PARE_SAMPLE_F32 ? 4 : 1, &sample) ||
        __builtin_add_overflow(sample, (int64_t)sizeof(int32_t), &sample) ||
        __builtin_add_overflow(header->n_train, header->n_test, &n) ||
        __builtin_mul_overflow(sample, n, &total) ||
        __builtin_add_overflow(total, (int64_t)sizeof *header, &total))
        return false;
    *n_bytes = (size_t)total;
    return true;
}

static void find_parts(struct pare_decoded *decoded, void *block, size_t n_bytes)
{
    char *p = block;

    decoded->header = block;
    decoded->n_bytes = n_bytes;
    decoded->labels = (int32_t *)(p + sizeof *decoded->header);
    decoded->samples = decoded->labels + decoded->header->n_train + decoded->header->n_test;
}

static struct pare_digest block_digest(const void *block, size_t n_bytes)
{
    return pare_hash_bytes((const char *)block + DIGESTED, n_bytes - DIGESTED);
}

pare_status pare_decoded_new(struct pare_decoded *out, const struct pare_decoded_header *like,
                             struct pare_error *err)
{
    size_t n_bytes;

    *out = (struct pare_decoded){0};
    if (!block_bytes(like, &n_bytes))
        return pare_fail(err, PARE_EFORMAT,
                         "sizes make no sense: %lld training and %lld test samples of %lld x %lld "
                         "x %lld",
                         (long long)like->n_train, (long long)like->n_test, (long long)like->c,
                         (long long)like->h, (long long)like->w);
    out->memory = calloc(1, n_bytes);
    if (!out->memory)
        return pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes of decoded samples", n_bytes);
    memcpy(out->memory, like, sizeof *like);
    memcpy(out->memory, magic, sizeof magic);
    find_parts(out, out->memory, n_bytes);
    return PARE_OK;
}

pare_status pare_decoded_save(struct pare_decoded *decoded, const char *path,
                              struct pare_error *err)
{
    struct pare_digest digest = block_digest(decoded->header, decoded->n_bytes);

    memcpy(decoded->header->digest, digest.hex, sizeof digest.hex);
    return pare_file_write(path, decoded->header, decoded->n_bytes, err);
}

pare_status pare_decoded_map(struct pare_decoded *out, const char *path, struct pare_error *err)
{
    struct pare_file file;
    const struct pare_decoded_header *header;
    struct pare_digest digest;
    size_t n_bytes;
    pare_status st;

    *out = (struct pare_decoded){0};
    st = pare_file_map(&file, path, err);
    if (st)
        return st;
    header = (const void *)file.data;
    if (file.n_bytes < sizeof *header || memcmp(header->magic, magic, sizeof magic) != 0 ||
        !block_bytes(header, &n_bytes) || n_bytes != file.n_bytes) {
        st = pare_fail(err, PARE_EFORMAT, "%s: not a whole decoded data set", path);
        goto done;
    }
    digest = block_digest(file.data, file.n_bytes);
    if (memcmp(digest.hex, header->digest, sizeof digest.hex) != 0) {
        st = pare_fail(err, PARE_EFORMAT, "%s: the content does not match its digest", path);
        goto done;
    }
    out->file = file;
    find_parts(out, (void *)file.data, file.n_bytes);
    return PARE_OK;
done:
    pare_file_unmap(&file);
    return st;
}

void pare_decoded_clear(struct pare_decoded *decoded)
{
    free(decoded->memory);
    pare_file_unmap(&decoded->file);
    *decoded = (struct pare_decoded){0};
}
