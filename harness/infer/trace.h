/* A look at every value while a plan runs: for tests and for explaining differences. */
#ifndef PARE_INFER_TRACE_H
#define PARE_INFER_TRACE_H

#include "infer/plan.h"

struct pare_trace {
    int64_t sample;
    const char *value; /* name in the graph */
    void *data;        /* [H, W, C], u8 or f32; may be changed, later steps see it */
    int64_t n_elems;
    bool is_u8;        /* integers, a signed grid shifted by 128 */
    bool is_quantized; /* u8, or reals on the grid when simulating */
    float scale;       /* real = scale * (q - zero) */
    int32_t zero;
};
/* Runs the samples one by one, on one thread, and shows the result of each step. */
void pare_plan_trace(struct pare_plan *plan, const float *input, int64_t n, float *output,
                     void (*see)(void *arg, const struct pare_trace *trace), void *arg);
#endif
