/* What an operator of the trainer works on: values, weights and layers with their buffers laid out.
 *
 * Everything that holds numbers is void *: REAL is float or double (train/real.h).  Activations are
 * batch-major and channels last; conv weights are [M, R, S, C/group], Gemm weights [out, in].
 *
 * Work is cut into shards, ranges of samples that depend on the batch size alone.  Whatever is
 * summed over the batch is summed per shard first and then over shards in order, so that results
 * do not depend on how many threads there are. */
#ifndef PARE_TRAIN_LAYER_H
#define PARE_TRAIN_LAYER_H

#include <pare/graph.h>

#define PARE_MAX_SHARDS 8

/* An activation: [batch, pixels, channels]. */
struct pare_slab {
    const struct pare_value *value;
    int64_t elems, channels, pixels; /* of one sample; elems = channels * pixels */
    void *a;                         /* numbers */
    void *g;                         /* gradient; NULL: nobody needs it */
};

/* A learned tensor, or a running statistic of batch norm. */
struct pare_slot {
    struct pare_value *value;
    struct pare_node *node; /* its user */
    int64_t n, n_rows;      /* n_rows: output channels of a matrix; 1 for vectors */
    int64_t pixels;         /* > 1: a Gemm weight behind Flatten, columns reordered (P, C) */
    bool is_matrix, is_statistic;
    int param;   /* the trainer's number for it */
    void *w;     /* the numbers that forward uses */
    void *g;     /* gradient; NULL for statistics and in networks that do not learn */
    void *parts; /* [PARE_MAX_SHARDS, n] gradient of each shard; NULL: made whole in one piece */
};

struct pare_layer {
    struct pare_node *node;
    enum pare_op op;
    struct pare_slab *x[2], *y; /* x[1]: of Add */
    struct pare_slot *w[4];     /* in the node's order; NULL where absent */
    bool adds[2];               /* the gradient of x[i] is added to what is there already */
    struct pare_conv2d conv;    /* Conv and pools */
    double p[2];                /* attributes of activations and norms, see op/ *.c */
    enum pare_op act;           /* Relu or Clip done in the same pass; Identity: none */
    double act_p[2];
    void *turned;  /* the weight with output channels innermost, as forward reads it */
    void *flipped; /* a convolution's, with input channels innermost and taps in reverse */
    void *saved;   /* what forward leaves for backward: places of maxima, batch statistics */
    double *sums;  /* [PARE_MAX_SHARDS, n_sums] per-shard sums of batch norm */
    int64_t n_sums;
};

/* The samples that one call works on. */
struct pare_span {
    int64_t n0, n1;      /* samples n0 .. n1-1 */
    int64_t n;           /* of the whole batch */
    int shard, n_shards; /* of the batch */
    void *scratch;       /* pare_layer_scratch() numbers, of this thread alone */
};

struct pare_op_impl {
    /* Rows row0 .. row1-1 of the weight into the copies that the passes read, whenever they have
     * changed. */
    void (*prepare)(const struct pare_layer *layer, int64_t row0, int64_t row1);
    /* Numbers in `turned` and `flipped` (when the layer learns). */
    void (*copies)(const struct pare_layer *layer, int64_t *turned, int64_t *flipped);
    void (*forward)(const struct pare_layer *layer, const struct pare_span *span);
    /* Writes or adds gradients of the inputs (where wanted) and the shard's parts of weights'. */
    void (*backward)(const struct pare_layer *layer, const struct pare_span *span);
    /* Training forward of operators that look at the whole batch: statistics first, then, when all
     * shards have theirs, `apply` in place of `forward`. */
    void (*statistics)(const struct pare_layer *layer, const struct pare_span *span);
    void (*apply)(const struct pare_layer *layer, const struct pare_span *span);
    /* Likewise, before backward. */
    void (*backward_sums)(const struct pare_layer *layer, const struct pare_span *span);
    /* Gradient of rows row0 .. row1-1 of the weight (and bias) over the whole batch, when all of
     * backward is done: for weights too large to have one copy per shard. */
    void (*weight_rows)(const struct pare_layer *layer, int64_t n, int64_t row0, int64_t row1);
    /* Numbers of scratch that a call needs. */
    int64_t (*scratch)(const struct pare_layer *layer);
};

extern const struct pare_op_impl pare_op_impls_f32[PARE_N_OPS];
extern const struct pare_op_impl pare_op_impls_f64[PARE_N_OPS];

#endif
