/* The network: a static graph in the operators and attribute names of ONNX.
 *
 * Values are activations or weights.  A weight is an f32 master plus a *coding* that says how it is
 * stored and executed; a coded master lies exactly on its grid, so that decoding the stored form
 * gives the master back.  An activation carries quantization parameters where integers flow.
 * Low rank, removed channels, heads and layers are real changes of the graph.
 *
 * The graph owns an arena; nodes, values, names and attributes live and go with it.  Tensor data is
 * reference counted.  Nodes stand in topological order in `nodes`. */
#ifndef PARE_GRAPH_H
#define PARE_GRAPH_H

#include <pare/tensor.h>

enum pare_op {
    PARE_OP_CONV,      /* x, w [, b]; attrs group, strides, pads, dilations, kernel_shape */
    PARE_OP_GEMM,      /* a, b [, c]; transB = 1: b is [out, in]; alpha = beta = 1 only */
    PARE_OP_BATCHNORM, /* x, scale, bias, mean, var; epsilon, momentum (ONNX: 0.9) */
    PARE_OP_RELU,
    PARE_OP_CLIP,       /* attrs min, max (as opset 6) */
    PARE_OP_LEAKY_RELU, /* alpha */
    PARE_OP_SIGMOID,
    PARE_OP_TANH,
    PARE_OP_HARD_SIGMOID,
    PARE_OP_HARD_SWISH,
    PARE_OP_GELU,
    PARE_OP_ADD, /* a, b, broadcast against each other; either may be a weight */
    /* Pools: kernel_shape, strides, pads, dilations, ceil_mode. */
    PARE_OP_MAXPOOL, /* a second output, of indices: only with a fixed batch */
    PARE_OP_AVGPOOL, /* and count_include_pad */
    PARE_OP_GLOBAL_AVGPOOL,
    PARE_OP_FLATTEN, /* axis: 1, any where the batch is a number */
    PARE_OP_SOFTMAX, /* axis -1; over that one axis (as opset 13) */
    PARE_OP_IDENTITY,

    /* What imported networks bring.  Everything that newer opsets pass as constant inputs is an
     * attribute here.  Inputs may be activations or weights unless said otherwise. */
    PARE_OP_CONV_TRANSPOSE, /* x, w [C, M/group, R, S] [, b]; as Conv, and output_padding */
    PARE_OP_MATMUL,         /* a, b; as numpy's */
    PARE_OP_PRELU,          /* x, slope, which is broadcast to x */
    PARE_OP_ELU,            /* alpha 1 */
    PARE_OP_ERF,
    PARE_OP_LOG_SOFTMAX, /* axis -1 */
    PARE_OP_SUB,         /* a, b; broadcast, as the next three */
    PARE_OP_MUL,
    PARE_OP_DIV,
    PARE_OP_POW,
    PARE_OP_MIN, /* a, b: two; broadcast */
    PARE_OP_MAX,
    PARE_OP_SQRT,
    PARE_OP_EXP,
    PARE_OP_LOG,
    PARE_OP_NEG,
    PARE_OP_ABS,
    PARE_OP_REDUCE_MEAN, /* ints axes (absent: all), keepdims 1; as the next two */
    PARE_OP_REDUCE_SUM,
    PARE_OP_REDUCE_MAX,
    PARE_OP_RESHAPE, /* ints shape: 0 as in the input (allowzero 0), one -1 the rest; of a symbolic
                        * batch the first is -1 or 0 and stays the batch */
    PARE_OP_TRANSPOSE, /* ints perm (absent: reversed) */
    PARE_OP_SQUEEZE,   /* ints axes (absent: all of extent 1) */
    PARE_OP_UNSQUEEZE, /* ints axes, of the result */
    PARE_OP_SLICE,     /* ints starts, ends, axes (absent: 0, 1, ...), steps (absent: 1) */
    PARE_OP_SPLIT,     /* axis 0, ints split: one extent per output */
    PARE_OP_PAD,       /* ints pads: all beginnings, then all ends; negative crops; mode constant,
                        * reflect, edge, wrap; float value 0 */
    PARE_OP_CONCAT,    /* one input or more; axis, required */
    PARE_OP_GATHER,    /* data, indices (S64 or S32); axis 0 */
    PARE_OP_CAST,      /* to: ONNX's number of the type (1 F32, 2 U8, 3 S8, 6 S32, 7 S64, 9 BOOL,
                        * 11 F64) */
    PARE_OP_EXPAND,    /* ints shape, broadcast against the input's; -1 stands for the batch */
    PARE_OP_WHERE,     /* condition (BOOL), x, y; broadcast */
    PARE_OP_LRN,       /* size, required; alpha 1e-4, beta 0.75, bias 1 */
    PARE_OP_RESIZE,    /* floats scales or ints sizes, of every dimension (1 and -1 for a symbolic
                        * batch); mode nearest, linear, cubic; coordinate_transformation_mode,
                        * nearest_mode, cubic_coeff_a, exclude_outside, extrapolation_value,
                        * floats roi, as ONNX */
    PARE_OP_GLOBAL_MAXPOOL,
    PARE_OP_LAYER_NORM, /* x, scale [, bias]; axis -1, epsilon 1e-5; outputs y [, mean [, 1/std]] */
    PARE_OP_QUANTIZE_LINEAR,   /* x, scale, zero point (its type is the result's): weights, scalars
                               * or along axis 1 */
    PARE_OP_DEQUANTIZE_LINEAR, /* x (U8, S8, S32), scale [, zero point]: as above; axis 1 */
    PARE_N_OPS
};

enum pare_attr_kind {
    PARE_ATTR_INT,
    PARE_ATTR_FLOAT,
    PARE_ATTR_INTS,
    PARE_ATTR_STRING,
    PARE_ATTR_FLOATS
};

struct pare_attr {
    const char *name;
    enum pare_attr_kind kind;
    int64_t i;
    double f;
    const char *s;
    int n_ints, n_floats;
    const int64_t *ints;
    const double *floats;
    struct pare_attr *next;
};

/* How a weight is stored and executed. */
struct pare_coding {
    int bits;          /* 32: f32; 2..8: integers */
    bool is_symmetric; /* integers in -(2^(b-1)-1) .. 2^(b-1)-1, zero point 0; else codes and zero
                        * points lie in 0 .. 2^b-1, or all in -2^(b-1) .. 2^(b-1)-1 */
    int axis;          /* -1: one scale; 0: one per row (first dimension: output channel) */
    int64_t n_scales;  /* 0 for f32 */
    float *scales;     /* in the graph's arena */
    int32_t *zeros;    /* zero points; NULL when symmetric */
    bool is_sparse;    /* zeros are not stored, and training keeps them zero */
};

/* How an activation is quantized: real = scale * (q - zero). */
struct pare_quant {
    int bits; /* 0: not quantized (f32 flows) */
    bool is_signed;
    float scale;
    int32_t zero;
};

struct pare_value {
    int id; /* index in graph->values */
    const char *name;
    struct pare_shape shape;    /* activations: first dim PARE_DIM_BATCH, or a number where the
                                 * network has a fixed batch */
    enum pare_dtype dtype;      /* of inputs set by who builds, F32 else; of others inferred */
    struct pare_tensor *data;   /* weights and constants: the f32 master (indices, zero points,
                                 * conditions in their own type); NULL: an activation */
    struct pare_coding coding;  /* of a weight */
    struct pare_quant quant;    /* of an activation */
    struct pare_node *producer; /* NULL for inputs and weights */
};

struct pare_node {
    int index; /* position in graph->nodes; kept up to date by every edit */
    const char *name;
    enum pare_op op;
    int n_inputs, n_outputs;
    struct pare_value **inputs; /* an absent optional input is NULL */
    struct pare_value **outputs;
    struct pare_attr *attrs;
};

struct pare_graph {
    const char *name;
    struct pare_arena *arena;
    int n_nodes, n_values, n_inputs, n_outputs;
    struct pare_node **nodes;
    struct pare_value **values;
    struct pare_value **inputs, **outputs;
    struct pare_attr *meta; /* strings: "zoo", "pipeline", "output" = logits|probabilities|... */
    int nodes_capacity, values_capacity, io_capacity;
};

#define pare_each_node(NODE, GRAPH)                                 \
    for (int i_##NODE = 0; i_##NODE < (GRAPH)->n_nodes; i_##NODE++) \
        for (struct pare_node *NODE = (GRAPH)->nodes[i_##NODE]; NODE; NODE = NULL)
#define pare_each_weight(VALUE, GRAPH)                                                    \
    for (int i_##VALUE = 0; i_##VALUE < (GRAPH)->n_values; i_##VALUE++)                   \
        for (struct pare_value *VALUE = (GRAPH)->values[i_##VALUE]; VALUE && VALUE->data; \
             VALUE = NULL)

struct pare_graph *pare_graph_new(const char *name);
void pare_graph_free(struct pare_graph *graph);
/* A deep copy of structure; tensor data is shared until pare_value_own_data(). */
struct pare_graph *pare_graph_copy(const struct pare_graph *graph);

/* ---- Building.  Names are copied; a NULL or taken name is made unique from the operator's. ---- */
struct pare_value *pare_graph_input(struct pare_graph *graph, const char *name,
                                    const struct pare_shape *shape);
/* Takes the reference of `data`. */
struct pare_value *pare_graph_weight(struct pare_graph *graph, const char *name,
                                     struct pare_tensor *data);
/* Appends a node with one new output, whose shape is inferred by pare_graph_infer(). */
struct pare_node *pare_graph_node(struct pare_graph *graph, enum pare_op op, const char *name,
                                  struct pare_value *const *inputs, int n_inputs);
/* One output more of the node (Split, the mean of LayerNormalization). */
struct pare_value *pare_graph_add_output(struct pare_graph *graph, struct pare_node *node);
void pare_graph_output(struct pare_graph *graph, struct pare_value *value);

/* ---- Editing ---- */
/* Puts `node` (appended last) directly before `before`. */
void pare_graph_move_before(struct pare_graph *graph, struct pare_node *node,
                            struct pare_node *before);
/* Takes the node out; its outputs must have no users. */
void pare_graph_remove(struct pare_graph *graph, struct pare_node *node);
/* All users of `from` (and graph outputs) use `to`; the node that makes `to` keeps its inputs, so
 * that a node can be put behind a value. */
void pare_graph_replace_uses(struct pare_graph *graph, struct pare_value *from,
                             struct pare_value *to);
/* Sorts nodes into topological order (those that stand right stay), drops nodes and values that
 * nothing uses, renumbers; then infers shapes again and checks the whole. */
pare_status pare_graph_finish(struct pare_graph *graph, struct pare_error *err);
int pare_value_n_users(const struct pare_graph *graph, const struct pare_value *value);
/* The k-th node (0-based) that uses the value, or NULL. */
struct pare_node *pare_value_user(const struct pare_graph *graph, const struct pare_value *value,
                                  int k);
/* Makes the weight's data private to this graph before writing to it. */
pare_status pare_value_own_data(struct pare_value *value, struct pare_error *err);
/* Takes the reference of `data`; the coding returns to dense f32. */
void pare_value_set_data(struct pare_value *value, struct pare_tensor *data);
struct pare_value *pare_graph_find_value(const struct pare_graph *graph, const char *name);
struct pare_node *pare_graph_find_node(const struct pare_graph *graph, const char *name);

/* ---- Attributes: ONNX names; getters give `def` where absent ---- */
int64_t pare_node_int(const struct pare_node *node, const char *name, int64_t def);
double pare_node_float(const struct pare_node *node, const char *name, double def);
/* Fills out[0..n-1]; every entry is `def` when the attribute is absent. */
void pare_node_ints(const struct pare_node *node, const char *name, int64_t *out, int n,
                    int64_t def);
void pare_node_floats(const struct pare_node *node, const char *name, double *out, int n,
                      double def);
const char *pare_node_string(const struct pare_node *node, const char *name, const char *def);
/* The attribute itself, to see whether it is there and how long; or NULL. */
const struct pare_attr *pare_node_attr(const struct pare_node *node, const char *name);
void pare_node_set_int(struct pare_graph *graph, struct pare_node *node, const char *name,
                       int64_t value);
void pare_node_set_float(struct pare_graph *graph, struct pare_node *node, const char *name,
                         double value);
void pare_node_set_ints(struct pare_graph *graph, struct pare_node *node, const char *name,
                        const int64_t *values, int n);
void pare_node_set_floats(struct pare_graph *graph, struct pare_node *node, const char *name,
                          const double *values, int n);
void pare_node_set_string(struct pare_graph *graph, struct pare_node *node, const char *name,
                          const char *value);
void pare_graph_set_meta(struct pare_graph *graph, const char *key, const char *value);
const char *pare_graph_meta(const struct pare_graph *graph, const char *key, const char *def);

/* ---- Facts ---- */
const char *pare_op_name(enum pare_op op); /* "Conv", "Gemm", ... */
bool pare_op_from_name(enum pare_op *out, const char *name);
/* True for a network that maps samples to samples: one input and every output with the symbolic
 * batch, in f32.  What trains, calibrates or measures asks for this; others only run. */
bool pare_graph_is_batched(const struct pare_graph *graph);
#define PARE_NOT_BATCHED                                                                 \
    "the network does not map samples to samples: one f32 input and all outputs need a " \
    "free batch as their first dimension"
/* Multiply-accumulates of one sample; only Conv, ConvTranspose, Gemm and MatMul have any. */
int64_t pare_node_macs(const struct pare_node *node);
int64_t pare_graph_macs(const struct pare_graph *graph);
/* Learned numbers in all weights: batch-norm running statistics are not counted. */
int64_t pare_graph_params(const struct pare_graph *graph);
/* True for the `mean` and `var` inputs of batch norm. */
bool pare_value_is_statistic(const struct pare_graph *graph, const struct pare_value *value);

/* A convolution or pool with everything resolved. */
struct pare_conv2d {
    int64_t C, H, W;     /* input of one sample */
    int64_t M, P, Q;     /* output */
    int64_t R, S, group; /* kernel */
    int64_t stride_h, stride_w, dilation_h, dilation_w;
    int64_t pad_top, pad_left, pad_bottom, pad_right;
    bool count_include_pad; /* average pool */
};
/* For Conv, MaxPool and AveragePool nodes of an inferred graph. */
struct pare_conv2d pare_node_conv2d(const struct pare_node *node);

/* ---- Passes ---- */
/* Folds every batch norm that follows a Conv or Gemm with no other user into its weights and bias:
 * w' = w g / sqrt(var + eps), b' = (b - mean) g / sqrt(var + eps) + beta.  A bias is added where
 * there is none.  Layers with integer weights keep their batch norm: folded, they would leave their
 * grid. */
pare_status pare_graph_fold_batchnorm(struct pare_graph *graph, struct pare_error *err);

/* Groups of channels that must be removed together (residual adds, batch norm, depthwise). */
struct pare_channel_member {
    struct pare_node *node; /* Conv, Gemm or BatchNorm */
    enum { PARE_MEMBER_OUT, PARE_MEMBER_IN, PARE_MEMBER_NORM, PARE_MEMBER_DEPTHWISE } role;
    int64_t block; /* IN of a Gemm, NORM behind Flatten: elements per channel, else 1 */
};
struct pare_channel_group {
    int64_t n_channels;
    int n_members;
    struct pare_channel_member *members;
    bool is_fixed; /* holds a graph input or output, a Softmax, a grouped convolution that is not
                    * depthwise, or a weight that several nodes use: cannot be cut */
};
struct pare_channel_groups {
    int n_groups;
    struct pare_channel_group *groups;
    struct pare_arena *arena;
};
pare_status pare_channel_groups_find(struct pare_channel_groups *out,
                                     const struct pare_graph *graph, struct pare_error *err);
void pare_channel_groups_clear(struct pare_channel_groups *groups);
/* Physically keeps only channels with keep[c] != 0 (at least one) in every member.  The groups of
 * other channels stay valid; call pare_graph_finish() after the last cut. */
pare_status pare_channel_group_cut(struct pare_graph *graph, const struct pare_channel_group *group,
                                   const uint8_t *keep, struct pare_error *err);

#endif
