/* The truth about a network: every operator as its formula says, one sample after the other, all
 * activations and sums in double.  Slow, short, and independent of the product's kernels.
 *
 * Weights are the f32 masters; quantization parameters of activations are not looked at. */
#ifndef PARE_TESTS_REF_RUN_H
#define PARE_TESTS_REF_RUN_H

#include <stdint.h>

struct pare_graph;

/* input [n, C, H, W] (or [n, C]), the graph's order; output [n, elems of output 0].  The graph is
 * inferred.  Aborts on what it does not know. */
void ref_run(const struct pare_graph *g, const float *input_nchw, int64_t n, float *output);
/* Any activation by name, in ONNX order: [n, elems]. */
void ref_run_value(const struct pare_graph *g, const float *input_nchw, int64_t n,
                   const char *value, float *output);
/* The same in double, before the last rounding. */
void ref_run_f64(const struct pare_graph *g, const double *input_nchw, int64_t n, const char *value,
                 double *output);
/* Any number of inputs and outputs, every type as doubles, one sample (or the whole of a network
 * with a fixed batch). */
void ref_run_many(const struct pare_graph *g, const double *const *inputs, double *const *outputs);

#endif
