/* One weight as the bytes that a model file holds of it, and back.
 *
 * Plain:  the f32 master, as a tensor of dtype F32 with the weight's shape.
 * Stream: a U8 tensor of these parts, one after the other, little-endian:
 *           scales  f32, one, or one per row       (integers only)
 *           zeros   u8, zero point less the lowest code, as many  (asymmetric only)
 *           bitmap  1 bit per element, lowest bit first: is not zero  (sparse only)
 *           codes   bits 2..8: code less the lowest code, `bits` bits each, lowest first, dense;
 *                   bits 32: four planes, the lowest bytes of all numbers first (they deflate
 *                   better so); of the elements that are not zero, or of all
 *         Unused bits are 0.  The whole may be deflated (raw, RFC 1951), where that is smaller.
 *
 * The lowest code is -(2^(b-1)-1) when symmetric, else 0 or -2^(b-1), as the flag says.  A
 * decoded weight is (float)(code - zero) * scale. */
#ifndef PARE_IO_WEIGHT_STREAM_H
#define PARE_IO_WEIGHT_STREAM_H

#include <pare/graph.h>

/* How a stream is to be read: kept beside it, in the graph's text.  Their sum is `flags`. */
enum {
    PARE_STREAM_SPARSE = 1,
    PARE_STREAM_PER_ROW = 2,
    PARE_STREAM_UNSIGNED = 4, /* asymmetric, codes 0 .. 2^b-1 */
    PARE_STREAM_SIGNED = 8,   /* asymmetric, codes -2^(b-1) .. 2^(b-1)-1 */
    PARE_STREAM_DEFLATED = 16,
    PARE_STREAM_FLAGS = 31
};

struct pare_stream {
    int bits, flags;
    unsigned char *bytes; /* malloc'ed; NULL when the weight is stored plain */
    size_t n_bytes;
};

/* PARE_EINVAL when the master does not lie on the grid of its coding (1e-3 of a step), or the
 * coding contradicts itself; the message names the element. */
pare_status pare_stream_encode(struct pare_stream *out, const struct pare_value *value,
                               struct pare_error *err);
/* Gives the master and the coding (scales and zeros in the arena).  PARE_EFORMAT when the bytes are
 * not exactly one such stream.  Memory: the weight itself and two streams. */
pare_status pare_stream_decode(struct pare_tensor **out, struct pare_coding *coding,
                               const struct pare_shape *shape, const struct pare_stream *stream,
                               struct pare_arena *arena, struct pare_error *err);

#endif
