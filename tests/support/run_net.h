/* Any network of a test, whatever its types and shapes, through a plan and through ref_run. */
#ifndef PARE_TESTS_RUN_NET_H
#define PARE_TESTS_RUN_NET_H

#include <pare/graph.h>

#include "infer/plan.h"

struct run_net {
    uint64_t seed;
    int64_t n;         /* samples; 0: 1 */
    bool is_positive;  /* reals in 0.1 .. 3 */
    int64_t limit;     /* integers of 32 and 64 bits lie in -limit .. limit-1; 0: 10 */
    double rtol, atol; /* of reals; 0: 1e-5, 2e-6; integers agree exactly */
};

/* Random inputs; every output, by the default and the portable kernels, is what the formulas say.
 * Fails the test, naming the network. */
void check_net(const struct pare_graph *g, const struct run_net *how);

/* A plan with inputs and outputs in ONNX's order; free with pare_plan_free(). */
struct pare_plan *net_plan(const struct pare_graph *g, enum pare_plan_kernels kernels, int64_t n);

#endif
