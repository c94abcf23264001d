/* Networks as .safetensors files.
 *
 * The tensors are the weights, by name: a dense f32 weight as it is (dtype F32, its own shape), and
 * so are constants of other types (indices, zero points); a coded or sparse weight as a U8 stream
 * (io/weight_stream.h), deflated where that is smaller.  Plain tensors come first, those of 8 bytes
 * per element before those of 4 and 1, so all are aligned.  __metadata__ holds three texts:
 *
 *   pare.version  "1"
 *   pare.digest   XXH3-128 of all tensor data in order, then of pare.graph and a NUL; pare_model_load()
 *                 refuses a file that does not match
 *   pare.graph    compact JSON:
 *     "name"   of the graph
 *     "meta"   {"zoo": "lenet5", ...}; optional
 *     "in"     [[name, dims without the batch...], ...]; an input that is not F32, or has no free
 *              batch: [name, type, [dims; -1: the batch]]
 *     "w"      one entry per tensor, in order of their data: 0 for a plain one, else
 *              [[dims...], bits, flags] of its stream
 *     "nodes"  [[name, operator, [inputs...], {attributes}, name of the output], ...]
 *              attributes equal to ONNX's defaults are left out; so are the last two entries where
 *              there are none and where the output is named like its node.  Several outputs: a
 *              list of their names.  Lists of reals have a point or an exponent in every entry
 *     "out"    [values...]
 *     "q"      [[value, bits, 1 = signed, scale, zero point], ...]: activations in integers;
 *              optional
 *   Values are numbers: first the inputs, then the weights, then all nodes' outputs; -1 is an
 *   optional input that is absent.  A node uses values before its own only.
 *
 * Loading gives masters bit for bit for f32 and (float)(code - zero) * scale for integers; saving
 * what was loaded gives the same bytes (with the same zlib). */
#ifndef PARE_IO_MODEL_H
#define PARE_IO_MODEL_H

#include <pare/graph.h>

/* Written whole or not at all; the same graph gives the same bytes.  What nothing uses is left out.
 * n_bytes (may be NULL): file size.  PARE_EINVAL for a graph that is not sound, or a master that
 * does not lie on the grid of its coding. */
pare_status pare_model_save(const struct pare_graph *graph, const char *path, int64_t *n_bytes,
                            struct pare_error *err);
/* The file's bytes in memory; free() them. */
pare_status pare_model_write(const struct pare_graph *graph, unsigned char **out, size_t *n_bytes,
                             struct pare_error *err);
/* A damaged or hostile file is PARE_EFORMAT with one clear message.  Takes memory for at most
 * 1024 elements per byte of the file, and 4 million. */
pare_status pare_model_load(struct pare_graph **out, const char *path, struct pare_error *err);
/* From memory, for fuzzing. */
pare_status pare_model_parse(struct pare_graph **out, const void *data, size_t n_bytes,
                             struct pare_error *err);
#endif
