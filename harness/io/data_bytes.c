#include "io/data_bytes.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FIRST_BYTES (size_t)(1 << 16)
#define CHUNK       (size_t)(1 << 30) /* zlib counts in unsigned int */
#define LZMA_MEMORY (UINT64_C(1) << 30)

/* What an unpacker writes into. */
struct sink {
    unsigned char *data;
    size_t n, capacity, max;
};

static pare_status sink_grow(struct sink *sink, struct pare_error *err)
{
    size_t capacity = sink->capacity ? 2 * sink->capacity : FIRST_BYTES;
    unsigned char *data;

    /* One byte more than allowed, so that reaching it proves the excess. */
    if (capacity > sink->max + 1)
        capacity = sink->max + 1;
    if (sink->n > sink->max)
        return pare_fail(err, PARE_EFORMAT, "unpacks to more than %zu bytes", sink->max);
    data = realloc(sink->data, capacity);
    if (!data)
        return pare_fail(err, PARE_ENOMEM, "no memory for %zu unpacked bytes", capacity);
    sink->data = data;
    sink->capacity = capacity;
    return PARE_OK;
}

static pare_status gzip_run(struct sink *sink, z_stream *z, const unsigned char *data, size_t n,
                            struct pare_error *err)
{
    size_t at = 0;

    for (;;) {
        size_t in = n - at < CHUNK ? n - at : CHUNK, room;
        int code;

        if (sink->n == sink->capacity) {
            pare_status st = sink_grow(sink, err);
            if (st)
                return st;
        }
        room = sink->capacity - sink->n < CHUNK ? sink->capacity - sink->n : CHUNK;
        z->next_in = (unsigned char *)data + at;
        z->avail_in = (uInt)in;
        z->next_out = sink->data + sink->n;
        z->avail_out = (uInt)room;
        code = inflate(z, Z_NO_FLUSH);
        at += in - z->avail_in;
        sink->n += room - z->avail_out;
        if (code == Z_STREAM_END) {
            if (at == n)
                return sink->n > sink->max ? sink_grow(sink, err) : PARE_OK;
            if (n - at < 2 || data[at] != 0x1f || data[at + 1] != 0x8b)
                return pare_fail(err, PARE_EFORMAT, "%zu bytes follow the gzip stream", n - at);
            inflateReset(z); /* another member */
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return pare_fail(err, PARE_EFORMAT, "the gzip stream is damaged at byte %zu: %s", at,
                             z->msg ? z->msg : "unknown cause");
        } else if (at == n && z->avail_out > 0) {
            return pare_fail(err, PARE_EFORMAT,
                             "the gzip stream ends early, after %zu bytes: the file is truncated",
                             n);
        }
    }
}

pare_status pare_gzip_unpack(unsigned char **out, size_t *n_out, const unsigned char *data,
                             size_t n, size_t max_bytes, struct pare_error *err)
{
    struct sink sink = {.max = max_bytes};
    z_stream z = {0};
    pare_status st;

    if (inflateInit2(&z, 15 + 16) != Z_OK) /* 16: gzip only */
        return pare_fail(err, PARE_ENOMEM, "zlib cannot start");
    st = gzip_run(&sink, &z, data, n, err);
    inflateEnd(&z);
    if (st) {
        free(sink.data);
        return st;
    }
    *out = sink.data;
    *n_out = sink.n;
    return PARE_OK;
}

static const char *lzma_cause(lzma_ret code)
{
    switch (code) {
    case LZMA_MEM_ERROR: return "no memory";
    case LZMA_MEMLIMIT_ERROR: return "it needs more than 1 GiB to unpack";
    case LZMA_FORMAT_ERROR: return "not an xz stream";
    case LZMA_OPTIONS_ERROR: return "compressed with options that liblzma does not know";
    default: return "damaged";
    }
}

static pare_status xz_run(struct sink *sink, lzma_stream *z, const unsigned char *data, size_t n,
                          struct pare_error *err)
{
    z->next_in = data;
    z->avail_in = n;
    for (;;) {
        lzma_ret code;

        if (sink->n == sink->capacity) {
            pare_status st = sink_grow(sink, err);
            if (st)
                return st;
        }
        z->next_out = sink->data + sink->n;
        z->avail_out = sink->capacity - sink->n;
        code = lzma_code(z, LZMA_FINISH);
        sink->n = sink->capacity - z->avail_out;
        if (code == LZMA_STREAM_END)
            return sink->n > sink->max ? sink_grow(sink, err) : PARE_OK;
        if (code == LZMA_BUF_ERROR || (code == LZMA_OK && z->avail_in == 0 && z->avail_out > 0))
            return pare_fail(err, PARE_EFORMAT,
                             "the xz stream ends early, after %zu bytes: the file is truncated", n);
        if (code != LZMA_OK)
            return pare_fail(err, code == LZMA_MEM_ERROR ? PARE_ENOMEM : PARE_EFORMAT,
                             "the xz stream is bad near byte %zu: %s", n - z->avail_in,
                             lzma_cause(code));
    }
}

pare_status pare_xz_unpack(unsigned char **out, size_t *n_out, const unsigned char *data, size_t n,
                           size_t max_bytes, struct pare_error *err)
{
    struct sink sink = {.max = max_bytes};
    lzma_stream z = LZMA_STREAM_INIT;
    pare_status st;

    if (lzma_stream_decoder(&z, LZMA_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
        return pare_fail(err, PARE_ENOMEM, "liblzma cannot start");
    st = xz_run(&sink, &z, data, n, err);
    lzma_end(&z);
    if (st) {
        free(sink.data);
        return st;
    }
    *out = sink.data;
    *n_out = sink.n;
    return PARE_OK;
}

pare_status pare_data_bytes_open(struct pare_data_bytes *out, const char *path, size_t max_bytes,
                                 struct pare_error *err)
{
    static const unsigned char gzip[] = {0x1f, 0x8b}, xz[] = {0xfd, '7', 'z', 'X', 'Z', 0};
    pare_status st;

    *out = (struct pare_data_bytes){0};
    st = pare_file_map(&out->file, path, err);
    if (st)
        return st;
    out->data = out->file.data;
    out->n = out->file.n_bytes;
    if (out->n >= sizeof gzip && memcmp(out->data, gzip, sizeof gzip) == 0)
        st = pare_gzip_unpack(&out->unpacked, &out->n, out->data, out->n, max_bytes, err);
    else if (out->n >= sizeof xz && memcmp(out->data, xz, sizeof xz) == 0)
        st = pare_xz_unpack(&out->unpacked, &out->n, out->data, out->n, max_bytes, err);
    else
        return PARE_OK;
    pare_file_unmap(&out->file);
    out->data = out->unpacked;
    if (st) {
        pare_error_prefix(err, "%s", path);
        pare_data_bytes_close(out);
    }
    return st;
}

void pare_data_bytes_close(struct pare_data_bytes *bytes)
{
    free(bytes->unpacked);
    pare_file_unmap(&bytes->file);
    *bytes = (struct pare_data_bytes){0};
}
