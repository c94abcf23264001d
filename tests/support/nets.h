/* Small networks and data for tests of the graph: weights by a seeded generator, reference vectors
 * by name.  Everything here aborts the test (cmocka) rather than report. */
#ifndef PARE_TESTS_NETS_H
#define PARE_TESTS_NETS_H

#include <pare/graph.h>

struct pare_safetensors;

/* A new f32 weight of the graph, normal numbers from a stream that its name gives. */
struct pare_value *net_weight(struct pare_graph *g, const char *name, int n_dims, ...);
/* The same, numbers in 0.5 .. 1.5 (variances, scales). */
struct pare_value *net_positive(struct pare_graph *g, const char *name, int64_t n);
/* Conv of square kernels with weight NAME.weight [M, C/group, R, R] and NAME.bias. */
struct pare_value *net_conv(struct pare_graph *g, struct pare_value *x, const char *name, int64_t C,
                            int64_t M, int64_t R, int64_t stride, int64_t pad, int64_t group);
struct pare_value *net_gemm(struct pare_graph *g, struct pare_value *x, const char *name, int64_t K,
                            int64_t N);
struct pare_value *net_batchnorm(struct pare_graph *g, struct pare_value *x, const char *name,
                                 int64_t C);
/* One input. */
struct pare_value *net_op(struct pare_graph *g, struct pare_value *x, enum pare_op op,
                          const char *name);
struct pare_value *net_add(struct pare_graph *g, struct pare_value *a, struct pare_value *b,
                           const char *name);
/* Makes x the output and finishes. */
void net_finish(struct pare_graph *g, struct pare_value *x);
/* Random weights everywhere (also batch-norm statistics), so that nothing is 0 or 1 by chance. */
void net_randomize(struct pare_graph *g, uint64_t seed);

/* n normal numbers; free() them. */
float *net_random(uint64_t seed, int64_t n);
/* Output 0 of the network by ref_run(), n samples; free() it. */
float *net_output(const struct pare_graph *g, const float *input, int64_t n);
int64_t net_n_in(const struct pare_graph *g);
int64_t net_n_out(const struct pare_graph *g);

/* tests/data/vectors/NAME.safetensors; close with pare_safetensors_close(). */
struct pare_safetensors *vector_open(const char *name);
struct pare_tensor *vector_tensor(const struct pare_safetensors *file, const char *name);

#endif
