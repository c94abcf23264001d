/* A network lowered to steps over buffers: what a plan runs.  Private to this room.
 *
 * Buffers hold one activation each: f32 or u8 with the channels last, or any type as a plain array in
 * ONNX's order.  Several may share memory: a step that works in place has its result in the same
 * storage as its operand, and storages whose lifetimes are disjoint may overlap in the arena.
 *
 * Most buffers hold as many samples as are run together.  One whose value has no symbolic batch is
 * shared by all samples; its first dimension is a number, of `rows`. */
#ifndef PARE_INFER_PROGRAM_H
#define PARE_INFER_PROGRAM_H

#include "base/arena.h"
#include "infer/plan.h"
#include "kernel/elementwise.h"
#include "kernel/isa.h"
#include "kernel/quant.h"

enum buffer_place { PLACE_ARENA, PLACE_INPUT, PLACE_OUTPUT };

struct buffer {
    const char *value; /* name of what it holds */
    enum pare_dtype dtype;
    struct pare_shape shape; /* as the memory lies: [N, H, W, C], [N, K], or ONNX's */
    bool is_plain;           /* ONNX's order; [N, K], which is both, is not called plain */
    bool is_shared;          /* no batch */
    int64_t rows;            /* shared: its first dimension */
    bool is_u8;              /* integers of a grid */
    bool is_quantized;       /* u8, or f32 numbers on the grid when simulating */
    float scale;
    struct pare_u8_range range; /* zero point and bounds of the grid, as u8 */
    int64_t n_elems;            /* of one sample; shared: of the whole */
    int64_t C, H, W;            /* memory order is H, W, C; plain: C elements per row */
    bool is_flat;               /* the network sees it as [N, C*H*W] in the order C, H, W */
    int storage;                /* the buffer whose memory this is; itself mostly */
    enum buffer_place place;    /* of the storage */
    int io;                     /* which input or output */
    int first_step, last_step;  /* of the storage: written, last read */
    size_t offset;              /* of the storage, in the arena of one block */
};

/* Weights of a Conv or Gemm as the kernels want them: [M, R, S, C/G]. */
struct weights {
    bool is_u8; /* integers against a quantized input */
    bool is_sparse, is_dequantized;
    float *w, *bias; /* f32; bias [M] always */
    int8_t *w_s8;    /* integers */
    int32_t *bias_s32;
    float *scale; /* [M]: sum to result */
    int32_t x_zero;
};
void weights_clear(struct weights *weights);

enum step_kind {
    STEP_QUANTIZE,
    STEP_DEQUANTIZE,
    STEP_FAKE_QUANTIZE,
    STEP_COPY,
    STEP_CHANNELS_FIRST, /* to ONNX's order */
    STEP_CHANNELS_LAST,  /* from it */
    STEP_CONV,           /* Gemm too */
    STEP_MAXPOOL,
    STEP_AVGPOOL,
    STEP_ADD,
    STEP_ACTIVATE,
    STEP_LOOKUP, /* any function of one u8 */
    STEP_AFFINE, /* batch norm that nothing takes in */
    STEP_SOFTMAX,
    STEP_ND, /* any operator on arrays of any rank */
};

/* A packed Conv or Gemm and the code that runs it. */
struct conv_kernel {
    char name[128];
    void *state;
    void (*run)(const void *state, void *y, const void *x, int64_t n, void *work, int thread);
    void (*free)(void *state);
    size_t work_bytes, weight_bytes;
};

struct step {
    enum step_kind kind;
    const char *name, *op; /* of the graph node; "Conv+Relu" */
    int x, x2, y;          /* buffers, -1: none; of STEP_ND the first of each, see `nd` */
    struct pare_conv2d s;
    float low, high;            /* fused clamp of f32 results */
    struct pare_u8_range range; /* bounds of u8 results, narrowed by a fused clamp */
    struct pare_activation activation;
    uint8_t *table;              /* [256] of a lookup */
    float *affine_scale, *shift; /* [C] */
    struct weights weights;      /* until a kernel is chosen */
    struct conv_kernel kernel;   /* of STEP_CONV */
    struct nd *nd;               /* of STEP_ND; infer/nd.h */
    int64_t macs;
    size_t work_bytes, work_offset;
};

struct program {
    struct pare_arena *arena; /* of the small things here */
    struct pare_plan_options options;
    enum pare_isa isa;
    bool is_portable; /* plain loops only */
    int n_steps, steps_capacity;
    struct step *steps;
    int n_buffers, buffers_capacity;
    struct buffer *buffers;
    int64_t block;      /* samples that go through the network together */
    size_t arena_bytes; /* of one thread's block */
    int n_inputs, n_outputs;
    bool is_batched; /* an input has the symbolic batch; else one run is the whole */
    bool is_serial;  /* one thread only */
};
/* Elements that the buffer holds when n samples run, and rows of its first dimension. */
static inline int64_t buffer_elems(const struct buffer *buffer, int64_t n)
{
    return buffer->is_shared ? buffer->n_elems : n * buffer->n_elems;
}
static inline int64_t buffer_rows(const struct buffer *buffer, int64_t n)
{
    return buffer->is_shared ? buffer->rows : n;
}

/* ---- lower.c: the graph as steps; kernels are not chosen yet ---- */
pare_status program_lower(struct program *program, const struct pare_graph *graph,
                          struct pare_error *err);

/* ---- weights.c ---- */
/* Weights and bias of a Conv or Gemm, with the batch norm `norm` (may be NULL) folded in.
 * `flat` is the input buffer; `s` the geometry.  Integers when the input is quantized and the coding
 * allows it; then `result_scale` is the result's grid (0: the result is f32). */
pare_status weights_make(struct weights *out, const struct pare_node *node,
                         const struct pare_node *norm, const struct pare_conv2d *s,
                         const struct buffer *input, bool is_simulated, float result_scale,
                         struct pare_error *err);
/* May these weights run as integers, if the input is quantized? */
bool weights_are_integers(const struct pare_node *node, int64_t M);
/* Per-channel factor and offset of a batch norm in inference. */
void norm_factors(const struct pare_node *norm, int64_t C, double *factor, double *offset);

/* ---- choose.c ---- */
/* Packs the weights of a STEP_CONV for the chosen kernel; the weights are cleared. */
pare_status step_choose_kernel(const struct program *program, struct step *step,
                               struct pare_error *err);

/* ---- layout.c ---- */
/* Places all storages and scratch in one arena: no two that live at the same time overlap. */
void program_layout(struct program *program);

/* ---- step.c ---- */
struct step_memory {
    char *arena;
    const void *const *inputs; /* of all samples */
    void *const *outputs;
    int64_t first, n; /* samples */
    int thread;
};
void *buffer_data(const struct program *program, int buffer, const struct step_memory *memory);
void step_run(const struct program *program, const struct step *step,
              const struct step_memory *memory);
const char *step_kernel_name(const struct program *program, const struct step *step);

#endif
