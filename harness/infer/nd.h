/* The generic step: one operator of any rank on row-major arrays.
 *
 * Its arrays are in ONNX's order, or all with the channels last: then the operator's dimensions have
 * been renumbered when it was lowered, and it runs the same loops.  Dimension 0 is the batch in both
 * orders; its extent is put in when the step runs. */
#ifndef PARE_INFER_ND_H
#define PARE_INFER_ND_H

#include "infer/program.h"
#include "kernel/nd_move.h"
#include "kernel/nd_resize.h"
#include "kernel/nd_window.h"

struct nd_operand {
    int buffer;                   /* -1: a constant, or absent */
    struct pare_tensor *constant; /* NULL: a buffer, or absent */
    struct pare_shape shape;      /* as the memory lies */
};

struct nd {
    enum pare_op op;
    int n_in, n_out;
    struct nd_operand *in;
    int *out; /* buffers */

    int axis;                    /* of softmax, concat, split, gather, scales, channels */
    bool is_axis[PARE_MAX_DIMS]; /* reduced */
    int perm[PARE_MAX_DIMS];
    struct pare_nd_slice slice;
    struct pare_nd_pad pad;
    union {
        float f32;
        uint8_t u8;
        int64_t s64; /* and whatever else is zero */
    } fill;          /* of pad, one element */
    struct pare_nd_window window;
    struct pare_nd_resize resize;
    double alpha, beta, bias, epsilon;
    int64_t size;
    float *scale, *shift; /* of a batch norm */
};

void nd_clear(struct nd *nd); /* lets its constants go; NULL is fine */
bool nd_works_in_place(const struct nd *nd);
void nd_run(const struct program *program, const struct step *step,
            const struct step_memory *memory);
const char *nd_kernel_name(const struct program *program, const struct step *step);
/* Inputs beyond the first two, outputs beyond the first, constants. */
void nd_count_bytes(const struct program *program, const struct step *step,
                    struct pare_plan_layer *layer);

#endif
