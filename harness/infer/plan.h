/* Execution: a graph compiled to fused kernels, packed weights and one arena.
 *
 * Batch norm is folded, activations are fused, int8 layers run on int8 kernels, sparse layers on
 * sparse ones where that is faster.  Input and output are f32, channels last, as the user's data is;
 * quantizing the input is part of the run (and of its time).
 *
 * Operators that have no channels-last kernel run as plain loops on arrays in ONNX's order, of any
 * rank and type; values change their order only where they pass from one to the other.  A network
 * whose inputs have no symbolic batch is one sample as a whole: n is 1. */
#ifndef PARE_INFER_PLAN_H
#define PARE_INFER_PLAN_H

#include <pare/graph.h>

enum pare_plan_kernels {
    PARE_KERNELS_DEFAULT, /* chosen by shape alone: the same numbers every time (accuracy) */
    PARE_KERNELS_TUNED,   /* the fastest by measurement on this machine (latency) */
    PARE_KERNELS_PORTABLE /* plain C, which defines the truth */
};
struct pare_plan_options {
    enum pare_plan_kernels kernels;
    int64_t max_batch;
    int n_threads;
    bool simulate; /* integers simulated in f32 (for the 1-LSB check) */
    bool onnx_io;  /* inputs and outputs, all of them, in ONNX's order and types */
};
struct pare_plan;
pare_status pare_plan_new(struct pare_plan **out, const struct pare_graph *graph,
                          const struct pare_plan_options *options, struct pare_error *err);
void pare_plan_free(struct pare_plan *plan);
/* input [n, H, W, C]; output [n, elems of output 0]; no allocation, cannot fail. */
void pare_plan_run(struct pare_plan *plan, const float *input, int64_t n, float *output);
/* One pointer per input, and per output with onnx_io (else output 0 alone), each to elements of the
 * value's type; n samples of those that have the batch. */
void pare_plan_run_many(struct pare_plan *plan, const void *const *inputs, int64_t n,
                        void *const *outputs);

int64_t pare_plan_arena_bytes(
    const struct pare_plan *plan); /* peak activation memory, per max_batch */
int64_t pare_plan_weight_bytes(const struct pare_plan *plan); /* packed */
int pare_plan_n_layers(const struct pare_plan *plan);
struct pare_plan_layer {
    const char *name;   /* of the graph node it came from */
    const char *op;     /* "Conv+Relu" */
    const char *kernel; /* "onednn:jit:avx512_core_vnni", "openblas", "portable", ... */
    int64_t macs;
    int64_t weight_bytes, input_bytes, output_bytes; /* of one sample */
};
struct pare_plan_layer pare_plan_layer(const struct pare_plan *plan, int i);
/* Like run, and adds each layer's seconds to seconds[i]. */
void pare_plan_profile(struct pare_plan *plan, const float *input, int64_t n, float *output,
                       double *seconds);
#endif
