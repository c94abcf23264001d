/* The truth about the operators of imported networks: one element of a result from its formula in
 * ONNX's text, in double, by indices.  Of the graph it takes shapes and attributes only, not what
 * the product resolves from them. */
#ifndef PARE_TESTS_REF_ND_H
#define PARE_TESTS_REF_ND_H

#include <stdint.h>

struct pare_node;

/* Element `index` of output `k`; values[id] holds every value as doubles, a symbolic batch as 1. */
double ref_nd_element(const struct pare_node *node, int k, const int64_t *index,
                      double *const *values);

#endif
