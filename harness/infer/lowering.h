/* What is known while a graph is lowered to steps: which buffers hold its values, in which order and
 * on which grid.  Private to lower*.c. */
#ifndef PARE_INFER_LOWERING_H
#define PARE_INFER_LOWERING_H

#include "infer/program.h"

/* What is known about one value of the graph. */
struct known {
    int buffer;  /* canonical: quantized where the value is; -1: not computed yet */
    int f32;     /* dequantized copy, or the same, channels last, or -1 */
    int plain;   /* dequantized copy, or the same, in ONNX's order, or -1 */
    int n_users; /* inputs of nodes, and graph outputs */
    bool is_output;
    struct pare_node *user; /* the last one */
};

struct lowering {
    struct program *program;
    const struct pare_graph *graph;
    struct known *known; /* by value id */
    bool *is_fused;      /* by node index: taken in by an earlier step */
    struct pare_error *err;
};

static inline struct buffer *buffer_at(const struct lowering *l, int i)
{
    return &l->program->buffers[i];
}
static inline struct known *known_of(const struct lowering *l, const struct pare_value *value)
{
    return &l->known[value->id];
}
static inline bool has_grid(const struct pare_value *value)
{
    return value->quant.bits > 0;
}

/* ---- lower_value.c: buffers ---- */
/* A new one in its own storage; pointers to buffers are stale after it. */
int add_buffer(struct lowering *l, const struct buffer *like);
/* A new one in the storage of buffer x. */
int add_view(struct lowering *l, const struct buffer *like, int x);
struct step *add_step(struct lowering *l, enum step_kind kind, const struct pare_node *node,
                      const char *op, int x, int y);
/* The graph may be gone when the plan runs. */
const char *name_of(const struct lowering *l, const struct pare_value *value);

/* A buffer for `value` as channels-last steps hold it: [N, K] or [N, H, W, C]. */
struct buffer describe(const struct lowering *l, const struct pare_value *value);
/* The same in ONNX's order and the value's own type; two dimensions are both. */
struct buffer describe_plain(const struct lowering *l, const struct pare_value *value);
/* The buffer's memory is that of the value in ONNX's order, too. */
bool is_in_order(const struct buffer *buffer);

/* ---- Grids ---- */
/* The grid of a quantized value, shifted to u8. */
void set_grid(const struct lowering *l, struct buffer *buffer, const struct pare_quant *quant);
pare_status check_grid(struct lowering *l, const struct pare_value *value);
bool is_same_grid(const struct buffer *buffer, const struct pare_value *value);
/* A clamp of reals to low..high as bounds of the grid. */
struct pare_u8_range narrow(const struct buffer *grid, float low, float high);
/* A u8 table of `activation` (NULL: none) between two grids. */
void add_lookup(struct lowering *l, const struct pare_node *node, const char *op, int x, int y,
                const struct pare_activation *activation);

/* ---- Values ---- */
void set_known(struct lowering *l, const struct pare_value *value, int buffer);
/* `value` has been computed; it goes onto its grid if it has one. */
void settle(struct lowering *l, const struct pare_value *value, int buffer);
/* `value` takes the numbers of `buffer`, which are those of another value, moved: no rounding unless
 * it has a grid of its own.  The view is the buffer's. */
void settle_moved(struct lowering *l, const struct pare_value *value, int buffer);
/* The value as f32 with the channels last ([N, K] or four dimensions): itself, or a copy made now. */
int as_f32(struct lowering *l, const struct pare_value *value);
/* The value in ONNX's order, its own type: itself, or a copy made now. */
int as_plain(struct lowering *l, const struct pare_value *value);
/* True when channels-last steps can take the value without a change of order. */
bool is_channels_last(const struct lowering *l, const struct pare_value *value);

/* ---- lower_nd.c ---- */
/* One generic step (or a view, or nothing) for any operator of any rank. */
pare_status lower_nd(struct lowering *l, const struct pare_node *node);

#endif
