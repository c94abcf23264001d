#include "io/weight_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/arena.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "scales and planes are little-endian");

/* Deflate makes at most 1032 bytes out of one (RFC 1951: 258 bytes from two bits). */
#define MAX_INFLATION 1032
#define MAX_PIECE     (1u << 30)
#define MAX_SCALE     1e36f /* so that no code times it overflows */

/* Sizes of the parts, and the codes' range. */
struct layout {
    int64_t n, n_scales, per_scale; /* elements of the weight, per scale */
    int bits, lowest, highest;
    size_t scales, zeros, bitmap, prefix; /* bytes; prefix is their sum */
};

static struct layout layout_of(int64_t n, int64_t n_rows, int bits, int flags)
{
    struct layout l = {.n = n, .bits = bits};

    if (bits < 32) {
        l.n_scales = flags & PARE_STREAM_PER_ROW ? n_rows : 1;
        l.per_scale = n / l.n_scales;
        l.scales = (size_t)l.n_scales * sizeof(float);
        if (flags & (PARE_STREAM_UNSIGNED | PARE_STREAM_SIGNED))
            l.zeros = (size_t)l.n_scales;
        l.lowest = flags & PARE_STREAM_UNSIGNED ? 0
                   : flags & PARE_STREAM_SIGNED ? -(1 << (bits - 1))
                                                : -((1 << (bits - 1)) - 1);
        l.highest = flags & PARE_STREAM_UNSIGNED ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
    }
    if (flags & PARE_STREAM_SPARSE)
        l.bitmap = ((size_t)n + 7) / 8;
    l.prefix = l.scales + l.zeros + l.bitmap;
    return l;
}

static size_t code_bytes(int64_t n_codes, int bits)
{
    return bits == 32 ? 4 * (size_t)n_codes : ((size_t)n_codes * (size_t)bits + 7) / 8;
}

/* ---- Encoding ---- */

static pare_status check_coding(const struct pare_value *value, struct pare_error *err)
{
    const struct pare_coding *coding = &value->coding;
    int64_t n_rows = value->shape.n_dims ? value->shape.dims[0] : 1;

    if (coding->bits == 32)
        return PARE_OK;
    if (coding->bits < 2 || coding->bits > 8)
        return pare_fail(err, PARE_EINVAL, "coded in %d bits, needs 2 to 8, or 32", coding->bits);
    if (coding->axis != -1 && coding->axis != 0)
        return pare_fail(err, PARE_EINVAL, "scales along axis %d, needs -1 or 0", coding->axis);
    if (coding->n_scales != (coding->axis ? 1 : n_rows) || !coding->scales)
        return pare_fail(err, PARE_EINVAL, "%lld scales, needs %lld", (long long)coding->n_scales,
                         (long long)(coding->axis ? 1 : n_rows));
    if (coding->is_symmetric != (coding->zeros == NULL))
        return pare_fail(err, PARE_EINVAL, "zero points go with an asymmetric coding");
    for (int64_t i = 0; i < coding->n_scales; i++) {
        if (!(coding->scales[i] > 0) || coding->scales[i] > MAX_SCALE)
            return pare_fail(err, PARE_EINVAL, "scale %lld is %g, must be positive", (long long)i,
                             (double)coding->scales[i]);
        if (coding->zeros && (coding->zeros[i] < -128 || coding->zeros[i] > 255))
            return pare_fail(err, PARE_EINVAL, "zero point %lld is %d, must be a code",
                             (long long)i, coding->zeros[i]);
    }
    return PARE_OK;
}

/* codes[i] = master / scale + zero, whole numbers; their range over the whole weight. */
static pare_status quantize(int32_t *codes, int32_t *min, int32_t *max,
                            const struct pare_value *value, int64_t per_scale,
                            struct pare_error *err)
{
    const struct pare_coding *coding = &value->coding;
    const float *w = pare_tensor_f32(value->data);
    int64_t n = pare_tensor_elems(value->data);

    *min = INT32_MAX;
    *max = INT32_MIN;
    for (int64_t i = 0; i < n; i++) {
        double steps = (double)w[i] / (double)coding->scales[i / per_scale];
        double nearest = rint(steps);

        if (!(fabs(steps - nearest) <= 1e-3) || fabs(nearest) > 256)
            return pare_fail(
                err, PARE_EINVAL, "element %lld, %.9g, is not on its grid of %d bits, scale %.9g",
                (long long)i, (double)w[i], coding->bits, (double)coding->scales[i / per_scale]);
        codes[i] = (int32_t)nearest + (coding->zeros ? coding->zeros[i / per_scale] : 0);
        *min = codes[i] < *min ? codes[i] : *min;
        *max = codes[i] > *max ? codes[i] : *max;
    }
    for (int64_t i = 0; coding->zeros && i < coding->n_scales; i++) {
        *min = coding->zeros[i] < *min ? coding->zeros[i] : *min;
        *max = coding->zeros[i] > *max ? coding->zeros[i] : *max;
    }
    return PARE_OK;
}

/* The range that codes and zero points lie in; unsigned where both would do, so that one weight
 * has one stream. */
static pare_status choose_range(int *flags, const struct pare_coding *coding, int32_t min,
                                int32_t max, struct pare_error *err)
{
    int half = 1 << (coding->bits - 1);

    if (coding->is_symmetric && min >= -(half - 1) && max <= half - 1)
        return PARE_OK;
    if (!coding->is_symmetric && min >= 0 && max <= 2 * half - 1) {
        *flags |= PARE_STREAM_UNSIGNED;
        return PARE_OK;
    }
    if (!coding->is_symmetric && min >= -half && max <= half - 1) {
        *flags |= PARE_STREAM_SIGNED;
        return PARE_OK;
    }
    return pare_fail(err, PARE_EINVAL, "codes from %d to %d do not fit into %d bits, %s", min, max,
                     coding->bits, coding->is_symmetric ? "symmetric" : "asymmetric");
}

static void pack(unsigned char *out, const int32_t *codes, int64_t n, int bits, int lowest)
{
    uint32_t window = 0;
    int n_window = 0;

    for (int64_t i = 0; i < n; i++) {
        window |= (uint32_t)(codes[i] - lowest) << n_window;
        for (n_window += bits; n_window >= 8; n_window -= 8, window >>= 8)
            *out++ = (unsigned char)window;
    }
    if (n_window)
        *out = (unsigned char)window;
}

static void to_planes(unsigned char *out, const uint32_t *words, int64_t n)
{
    for (int plane = 0; plane < 4; plane++)
        for (int64_t i = 0; i < n; i++)
            *out++ = (unsigned char)(words[i] >> 8 * plane);
}

/* Parts of a stream whose statistics differ: prefix and planes. */
struct parts {
    int n;
    size_t ends[5];
};

/* Deflates part by part, with block boundaries between them when `split`.  NULL when the result has
 * more than `limit` bytes. */
static unsigned char *deflate_with(const unsigned char *raw, const struct parts *parts, bool split,
                                   int strategy, size_t limit, size_t *n_out)
{
    z_stream z = {0};
    unsigned char *out = malloc(limit ? limit : 1);
    bool fits = false;

    if (out && deflateInit2(&z, 9, Z_DEFLATED, -15, 9, strategy) == Z_OK) {
        z.next_out = out;
        z.avail_out = (uInt)limit;
        z.next_in = (unsigned char *)raw;
        for (int i = split ? 0 : parts->n - 1; i < parts->n && !z.avail_in; i++) {
            z.avail_in = (uInt)(raw + parts->ends[i] - z.next_in);
            if (i == parts->n - 1)
                fits = deflate(&z, Z_FINISH) == Z_STREAM_END;
            else if (z.avail_in)
                (void)deflate(&z, Z_BLOCK); /* no room shows as input left over */
        }
        *n_out = z.total_out;
        deflateEnd(&z);
    }
    if (fits)
        return out;
    free(out);
    return NULL;
}

/* Replaces the stream's bytes by the smallest deflated form that saves at least `saving`.
 * Huffman codes alone come first: where they save nothing, strings hardly ever do. */
static void deflate_stream(struct pare_stream *s, const struct parts *parts, size_t saving)
{
    static const struct {
        int strategy;
        bool split;
    } ways[] = {{Z_HUFFMAN_ONLY, true}, {Z_HUFFMAN_ONLY, false},    {Z_RLE, true},
                {Z_RLE, false},         {Z_DEFAULT_STRATEGY, true}, {Z_DEFAULT_STRATEGY, false}};
    unsigned char *raw = s->bytes;
    size_t n_raw = s->n_bytes, limit = n_raw > saving ? n_raw - saving : 0;

    if (n_raw > UINT32_MAX / 2)
        return; /* zlib counts in 32 bits: such a weight is stored as it is */
    for (size_t i = 0; i < sizeof ways / sizeof *ways && limit; i++) {
        size_t n;
        unsigned char *smaller =
            deflate_with(raw, parts, ways[i].split, ways[i].strategy, limit, &n);

        if (!smaller && i == 1 && s->bytes == raw)
            return;
        if (!smaller)
            continue;
        if (s->bytes != raw)
            free(s->bytes);
        s->bytes = smaller;
        s->n_bytes = n;
        s->flags |= PARE_STREAM_DEFLATED;
        limit = n - 1;
    }
    if (s->bytes != raw)
        free(raw);
}

/* Scales, zeros and bitmap; gives the number of codes that follow.  Codes (integers) or words (f32
 * bits) of the elements that are stored are moved to the front of their array. */
static int64_t write_prefix(unsigned char *out, const struct layout *l, int32_t *codes,
                            const struct pare_coding *coding)
{
    int64_t n = 0;

    if (l->scales)
        memcpy(out, coding->scales, l->scales);
    out += l->scales;
    for (size_t i = 0; i < l->zeros; i++)
        *out++ = (unsigned char)(coding->zeros[i] - l->lowest);
    if (!l->bitmap)
        return l->n;
    memset(out, 0, l->bitmap);
    for (int64_t i = 0; i < l->n; i++) {
        if (codes[i] == (coding->zeros ? coding->zeros[i / l->per_scale] : 0))
            continue;
        out[i / 8] |= (unsigned char)(1u << i % 8);
        codes[n++] = codes[i];
    }
    return n;
}

/* Plain weights stay plain unless a quarter can be saved: any reader of the format opens them, and
 * what an f32 network weighs is 4 bytes a number to everybody.  (Their exponents alone would give
 * a sixth.) */
static size_t least_saving(const struct pare_value *value, size_t n_bytes)
{
    bool is_plain = value->coding.bits == 32 && !value->coding.is_sparse;
    return is_plain ? n_bytes / 4 + 1 : 1;
}

pare_status pare_stream_encode(struct pare_stream *out, const struct pare_value *value,
                               struct pare_error *err)
{
    const struct pare_coding *coding = &value->coding;
    int64_t n = pare_tensor_elems(value->data), n_codes;
    struct pare_stream s = {.bits = coding->bits};
    struct layout l;
    struct parts parts = {0};
    int32_t *codes, min, max;
    size_t n_code_bytes;
    pare_status st;

    memset(out, 0, sizeof *out);
    st = check_coding(value, err);
    if (st)
        return st;
    codes = malloc((size_t)n * sizeof *codes);
    if (!codes)
        return pare_fail(err, PARE_ENOMEM, "no memory for %lld codes", (long long)n);
    if (coding->bits == 32) {
        memcpy(codes, value->data->data, (size_t)n * sizeof *codes); /* the bits: -0 is kept */
    } else {
        st = quantize(codes, &min, &max, value, n / coding->n_scales, err);
        if (!st)
            st = choose_range(&s.flags, coding, min, max, err);
        if (st)
            goto done;
        if (coding->axis == 0)
            s.flags |= PARE_STREAM_PER_ROW;
    }
    if (coding->is_sparse)
        s.flags |= PARE_STREAM_SPARSE;
    l = layout_of(n, coding->n_scales, s.bits, s.flags);
    s.bytes = malloc(l.prefix + 4 * (size_t)n); /* codes need no more */
    if (!s.bytes) {
        st = pare_fail(err, PARE_ENOMEM, "no memory for %lld codes", (long long)n);
        goto done;
    }
    n_codes = write_prefix(s.bytes, &l, codes, coding);
    n_code_bytes = code_bytes(n_codes, s.bits);
    s.n_bytes = l.prefix + n_code_bytes;
    if (l.prefix)
        parts.ends[parts.n++] = l.prefix;
    if (s.bits == 32) {
        to_planes(s.bytes + l.prefix, (const uint32_t *)codes, n_codes);
        for (int plane = 1; plane < 4; plane++)
            parts.ends[parts.n++] = l.prefix + (size_t)(plane * n_codes);
    } else {
        pack(s.bytes + l.prefix, codes, n_codes, s.bits, l.lowest);
    }
    parts.ends[parts.n++] = s.n_bytes;
    deflate_stream(&s, &parts, least_saving(value, s.n_bytes));
    if (s.bits == 32 && !s.flags) { /* neither sparse nor deflated: a plain tensor */
        free(s.bytes);
        s.bytes = NULL;
        s.n_bytes = 0;
    }
    *out = s;
done:
    free(codes);
    return st;
}

/* ---- Decoding ---- */

/* Reads from the stored bytes, inflating them where they are deflated. */
struct source {
    bool is_deflated;
    z_stream z;
    const unsigned char *next;
    size_t n_left;
};

/* zlib counts in 32 bits: hands over the next piece when it has read all of the last. */
static void refill(struct source *source)
{
    if (source->z.avail_in)
        return;
    source->z.avail_in = source->n_left > MAX_PIECE ? MAX_PIECE : (uInt)source->n_left;
    source->n_left -= source->z.avail_in;
}

static pare_status take(struct source *source, unsigned char *out, size_t n, struct pare_error *err)
{
    if (!source->is_deflated) {
        if (n > source->n_left)
            return pare_fail(err, PARE_EFORMAT, "%zu bytes are missing", n - source->n_left);
        if (n)
            memcpy(out, source->next, n);
        source->next += n;
        source->n_left -= n;
        return PARE_OK;
    }
    while (n) {
        uInt piece = n > MAX_PIECE ? MAX_PIECE : (uInt)n;
        int code;

        source->z.next_out = out;
        source->z.avail_out = piece;
        refill(source);
        code = inflate(&source->z, Z_NO_FLUSH);
        if (source->z.avail_out == piece || (code != Z_OK && code != Z_STREAM_END))
            return pare_fail(err, PARE_EFORMAT, "its deflated bytes are damaged");
        n -= piece - source->z.avail_out;
        out += piece - source->z.avail_out;
    }
    return PARE_OK;
}

/* All was read, and no more was there. */
static pare_status check_end(struct source *source, struct pare_error *err)
{
    unsigned char byte;

    if (source->is_deflated) {
        int code;

        source->z.next_out = &byte;
        source->z.avail_out = 1;
        refill(source);
        code = inflate(&source->z, Z_FINISH);
        if (code != Z_STREAM_END || source->z.avail_out != 1)
            return pare_fail(err, PARE_EFORMAT, "its deflated bytes do not end where they should");
        source->n_left += source->z.avail_in;
    }
    if (source->n_left)
        return pare_fail(err, PARE_EFORMAT, "%zu bytes too many", source->n_left);
    return PARE_OK;
}

static pare_status check_stream(const struct pare_stream *stream, const struct pare_shape *shape,
                                struct pare_error *err)
{
    int asymmetric = PARE_STREAM_UNSIGNED | PARE_STREAM_SIGNED;

    if (stream->flags & ~PARE_STREAM_FLAGS)
        return pare_fail(err, PARE_EFORMAT, "flags %d are not known", stream->flags);
    if (stream->bits != 32 && (stream->bits < 2 || stream->bits > 8))
        return pare_fail(err, PARE_EFORMAT, "coded in %d bits, needs 2 to 8, or 32", stream->bits);
    if (stream->bits == 32 && (stream->flags & (asymmetric | PARE_STREAM_PER_ROW)))
        return pare_fail(err, PARE_EFORMAT, "32 bits with scales or zero points");
    if ((stream->flags & asymmetric) == asymmetric)
        return pare_fail(err, PARE_EFORMAT, "codes are both signed and unsigned");
    if ((stream->flags & PARE_STREAM_PER_ROW) && shape->n_dims < 1)
        return pare_fail(err, PARE_EFORMAT, "scales per row of a number without rows");
    return PARE_OK;
}

static pare_status read_scales(struct pare_coding *coding, const struct layout *l,
                               struct source *source, struct pare_arena *arena,
                               struct pare_error *err)
{
    pare_status st;

    if (!l->scales)
        return PARE_OK;
    coding->n_scales = l->n_scales;
    coding->scales = PARE_ARENA_NEW(arena, float, l->n_scales);
    st = take(source, (unsigned char *)coding->scales, l->scales, err);
    for (int64_t i = 0; i < l->n_scales && !st; i++) {
        if (!(coding->scales[i] > 0) || coding->scales[i] > MAX_SCALE)
            st = pare_fail(err, PARE_EFORMAT, "scale %lld is %g, must be positive", (long long)i,
                           (double)coding->scales[i]);
    }
    if (!l->zeros || st)
        return st;
    coding->zeros = PARE_ARENA_NEW(arena, int32_t, l->n_scales);
    for (int64_t i = 0; i < l->n_scales && !st; i++) {
        unsigned char zero;

        st = take(source, &zero, 1, err);
        if (st)
            return st;
        coding->zeros[i] = zero + l->lowest;
        if (coding->zeros[i] > l->highest)
            return pare_fail(err, PARE_EFORMAT, "zero point %lld is out of range", (long long)i);
    }
    return st;
}

/* Checks that the bits behind the last one are 0: one weight has one stream. */
static bool has_clean_end(const unsigned char *bytes, int64_t n_bits)
{
    return n_bits % 8 == 0 || bytes[n_bits / 8] >> n_bits % 8 == 0;
}

static int64_t count_bits(const unsigned char *bytes, size_t n)
{
    int64_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += __builtin_popcount(bytes[i]);
    return count;
}

static pare_status unpack_f32(float *w, const struct layout *l, const unsigned char *bitmap,
                              const unsigned char *planes, int64_t n_codes, struct pare_error *err)
{
    int64_t k = 0;

    for (int64_t i = 0; i < l->n; i++) {
        uint32_t word = 0;

        if (bitmap && !(bitmap[i / 8] >> i % 8 & 1))
            continue; /* the tensor is zero */
        for (int plane = 0; plane < 4; plane++)
            word |= (uint32_t)planes[plane * n_codes + k] << 8 * plane;
        if (bitmap && word == 0)
            return pare_fail(err, PARE_EFORMAT, "a zero is stored as not zero");
        memcpy(&w[i], &word, sizeof word);
        k++;
    }
    return PARE_OK;
}

static pare_status unpack_codes(float *w, const struct layout *l, const struct pare_coding *coding,
                                const unsigned char *bitmap, const unsigned char *packed,
                                struct pare_error *err)
{
    uint32_t window = 0;
    int n_window = 0;

    for (int64_t i = 0; i < l->n; i++) {
        int64_t scale = i / l->per_scale;
        int32_t zero = coding->zeros ? coding->zeros[scale] : 0, code;

        if (bitmap && !(bitmap[i / 8] >> i % 8 & 1))
            continue;
        if (n_window < l->bits) {
            window |= (uint32_t)*packed++ << n_window;
            n_window += 8;
        }
        code = (int32_t)(window & ((1u << l->bits) - 1)) + l->lowest;
        window >>= l->bits;
        n_window -= l->bits;
        if (code > l->highest)
            return pare_fail(err, PARE_EFORMAT, "element %lld: its code is out of range",
                             (long long)i);
        if (bitmap && code == zero)
            return pare_fail(err, PARE_EFORMAT, "a zero is stored as not zero");
        w[i] = (float)(code - zero) * coding->scales[scale];
    }
    return PARE_OK;
}

static pare_status decode(float *w, struct pare_coding *coding, const struct layout *l,
                          struct source *source, struct pare_arena *arena, struct pare_error *err)
{
    unsigned char *bitmap = NULL, *codes = NULL;
    int64_t n_codes = l->n;
    size_t n_bytes;
    pare_status st;

    st = read_scales(coding, l, source, arena, err);
    if (st)
        return st;
    if (l->bitmap) {
        bitmap = malloc(l->bitmap);
        if (!bitmap)
            return pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes", l->bitmap);
        st = take(source, bitmap, l->bitmap, err);
        if (!st && !has_clean_end(bitmap, l->n))
            st = pare_fail(err, PARE_EFORMAT, "its bitmap is longer than the weight");
        if (st)
            goto done;
        n_codes = count_bits(bitmap, l->bitmap);
    }
    n_bytes = code_bytes(n_codes, l->bits);
    codes = malloc(n_bytes ? n_bytes : 1);
    if (!codes) {
        st = pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes", n_bytes);
        goto done;
    }
    st = take(source, codes, n_bytes, err);
    if (!st)
        st = check_end(source, err);
    if (!st && l->bits == 32)
        st = unpack_f32(w, l, bitmap, codes, n_codes, err);
    else if (!st && !has_clean_end(codes, n_codes * l->bits))
        st = pare_fail(err, PARE_EFORMAT, "bits behind the last code");
    else if (!st)
        st = unpack_codes(w, l, coding, bitmap, codes, err);
done:
    free(bitmap);
    free(codes);
    return st;
}

pare_status pare_stream_decode(struct pare_tensor **out, struct pare_coding *coding,
                               const struct pare_shape *shape, const struct pare_stream *stream,
                               struct pare_arena *arena, struct pare_error *err)
{
    struct source source = {.is_deflated = stream->flags & PARE_STREAM_DEFLATED,
                            .next = stream->bytes,
                            .n_left = stream->n_bytes};
    struct pare_tensor *data = NULL;
    struct layout l;
    size_t available;
    int64_t n = pare_shape_elems(shape);
    pare_status st;

    st = check_stream(stream, shape, err);
    if (st)
        return st;
    if (n < 1)
        return pare_fail(err, PARE_EFORMAT, "an empty weight");
    l = layout_of(n, shape->n_dims ? shape->dims[0] : 1, stream->bits, stream->flags);
    /* Before any memory is taken: can these bytes hold that many elements at all? */
    available = stream->n_bytes;
    if (source.is_deflated && __builtin_mul_overflow(available, MAX_INFLATION, &available))
        available = SIZE_MAX;
    if (l.prefix + (l.bitmap ? 0 : code_bytes(n, l.bits)) > available)
        return pare_fail(err, PARE_EFORMAT, "%zu bytes are too few for %lld elements",
                         stream->n_bytes, (long long)n);
    *coding = (struct pare_coding){
        .bits = stream->bits,
        .axis = stream->flags & PARE_STREAM_PER_ROW ? 0 : -1,
        .is_symmetric =
            stream->bits < 32 && !(stream->flags & (PARE_STREAM_UNSIGNED | PARE_STREAM_SIGNED)),
        .is_sparse = stream->flags & PARE_STREAM_SPARSE,
    };
    st = pare_tensor_new(&data, PARE_F32, shape, err);
    if (st)
        return st;
    if (source.is_deflated) {
        source.z.next_in = (unsigned char *)source.next;
        if (inflateInit2(&source.z, -15) != Z_OK)
            st = pare_fail(err, PARE_ENOMEM, "no memory to inflate");
    }
    if (!st)
        st = decode(pare_tensor_f32(data), coding, &l, &source, arena, err);
    if (source.is_deflated)
        inflateEnd(&source.z);
    if (st) {
        pare_tensor_unref(data);
        return st;
    }
    *out = data;
    return PARE_OK;
}
