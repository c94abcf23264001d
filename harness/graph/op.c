#include "graph/op.h"

#include <float.h>
#include <string.h>

#define INT(NAME, DEF)                                    \
    {                                                     \
        .name = NAME, .kind = PARE_ATTR_INT, .def = (DEF) \
    }
#define FLOAT(NAME, DEF)                                    \
    {                                                       \
        .name = NAME, .kind = PARE_ATTR_FLOAT, .def = (DEF) \
    }
/* As many as the shapes ask for, all with one default. */
#define INTS(NAME, DEF)                                    \
    {                                                      \
        .name = NAME, .kind = PARE_ATTR_INTS, .def = (DEF) \
    }
#define FIXED_INT(NAME, DEF)                                                \
    {                                                                       \
        .name = NAME, .kind = PARE_ATTR_INT, .def = (DEF), .is_fixed = true \
    }
#define FIXED_TEXT(NAME, DEF)                                                   \
    {                                                                           \
        .name = NAME, .kind = PARE_ATTR_STRING, .text = (DEF), .is_fixed = true \
    }
#define END          \
    {                \
        .name = NULL \
    }

#define FLOATS(NAME)                                               \
    {                                                              \
        .name = NAME, .kind = PARE_ATTR_FLOATS, .no_default = true \
    }
/* As many as the shapes ask for; must be given, or means something else where absent. */
#define LIST(NAME)                                               \
    {                                                            \
        .name = NAME, .kind = PARE_ATTR_INTS, .no_default = true \
    }
#define TEXT(NAME, DEF)                                       \
    {                                                         \
        .name = NAME, .kind = PARE_ATTR_STRING, .text = (DEF) \
    }

static const struct pare_op_attr none[] = {END};
static const struct pare_op_attr conv[] = {
    LIST("kernel_shape"),
    INT("group", 1),
    INTS("strides", 1),
    INTS("dilations", 1),
    INTS("pads", 0),
    FIXED_TEXT("auto_pad", "NOTSET"),
    END,
};
static const struct pare_op_attr conv_transpose[] = {
    LIST("kernel_shape"),
    INT("group", 1),
    INTS("strides", 1),
    INTS("dilations", 1),
    INTS("pads", 0),
    INTS("output_padding", 0),
    FIXED_TEXT("auto_pad", "NOTSET"),
    END,
};
static const struct pare_op_attr gemm[] = {
    INT("transB", 0),
    FIXED_INT("transA", 0),
    {.name = "alpha", .kind = PARE_ATTR_FLOAT, .def = 1, .is_fixed = true},
    {.name = "beta", .kind = PARE_ATTR_FLOAT, .def = 1, .is_fixed = true},
    END,
};
static const struct pare_op_attr batchnorm[] = {
    FLOAT("epsilon", 1e-5),
    FLOAT("momentum", 0.9),
    FIXED_INT("training_mode", 0),
    FIXED_INT("spatial", 1),
    END,
};
static const struct pare_op_attr clip[] = {FLOAT("min", -FLT_MAX), FLOAT("max", FLT_MAX), END};
static const struct pare_op_attr leaky_relu[] = {FLOAT("alpha", 0.01), END};
static const struct pare_op_attr hard_sigmoid[] = {FLOAT("alpha", 0.2), FLOAT("beta", 0.5), END};
static const struct pare_op_attr gelu[] = {FIXED_TEXT("approximate", "none"), END};
static const struct pare_op_attr maxpool[] = {
    LIST("kernel_shape"),
    INTS("strides", 1),
    INTS("pads", 0),
    INTS("dilations", 1),
    INT("ceil_mode", 0),
    FIXED_INT("storage_order", 0),
    FIXED_TEXT("auto_pad", "NOTSET"),
    END,
};
static const struct pare_op_attr avgpool[] = {
    LIST("kernel_shape"),
    INTS("strides", 1),
    INTS("pads", 0),
    INTS("dilations", 1),
    INT("ceil_mode", 0),
    INT("count_include_pad", 0),
    FIXED_TEXT("auto_pad", "NOTSET"),
    END,
};
static const struct pare_op_attr flatten[] = {INT("axis", 1), END};
static const struct pare_op_attr last_axis[] = {INT("axis", -1), END};
static const struct pare_op_attr first_axis[] = {INT("axis", 0), END};
static const struct pare_op_attr axes[] = {LIST("axes"), END};
static const struct pare_op_attr elu[] = {FLOAT("alpha", 1), END};
static const struct pare_op_attr reduce[] = {LIST("axes"), INT("keepdims", 1), END};
static const struct pare_op_attr reshape[] = {LIST("shape"), INT("allowzero", 0), END};
static const struct pare_op_attr transpose[] = {LIST("perm"), END};
static const struct pare_op_attr slice[] = {
    LIST("starts"), LIST("ends"), LIST("axes"), LIST("steps"), END,
};
static const struct pare_op_attr split[] = {INT("axis", 0), LIST("split"), END};
static const struct pare_op_attr pad[] = {
    LIST("pads"),
    TEXT("mode", "constant"),
    FLOAT("value", 0),
    END,
};
static const struct pare_op_attr concat[] = {
    {.name = "axis", .kind = PARE_ATTR_INT, .no_default = true},
    END,
};
static const struct pare_op_attr cast[] = {
    {.name = "to", .kind = PARE_ATTR_INT, .no_default = true},
    FIXED_INT("saturate", 1),
    END,
};
static const struct pare_op_attr expand[] = {LIST("shape"), END};
static const struct pare_op_attr lrn[] = {
    {.name = "size", .kind = PARE_ATTR_INT, .no_default = true},
    FLOAT("alpha", 1e-4),
    FLOAT("beta", 0.75),
    FLOAT("bias", 1),
    END,
};
static const struct pare_op_attr resize[] = {
    FLOATS("scales"),
    LIST("sizes"),
    FLOATS("roi"),
    TEXT("mode", "nearest"),
    TEXT("coordinate_transformation_mode", "half_pixel"),
    TEXT("nearest_mode", "round_prefer_floor"),
    FLOAT("cubic_coeff_a", -0.75),
    INT("exclude_outside", 0),
    FLOAT("extrapolation_value", 0),
    FIXED_INT("antialias", 0),
    END,
};
static const struct pare_op_attr layer_norm[] = {
    INT("axis", -1),
    FLOAT("epsilon", 1e-5),
    FIXED_INT("stash_type", 1),
    END,
};
static const struct pare_op_attr quantize[] = {INT("axis", 1), FIXED_INT("saturate", 1), END};
static const struct pare_op_attr dequantize[] = {INT("axis", 1), END};

#define ARITHMETIC                                                                      \
    (PARE_TYPE(F32) | PARE_TYPE(F64) | PARE_TYPE(S8) | PARE_TYPE(U8) | PARE_TYPE(S32) | \
     PARE_TYPE(S64))
#define ALL_TYPES (ARITHMETIC | PARE_TYPE(BOOL))
/* Any type, any shape, weights too. */
#define FREE(TYPES)  .is_free = true, .takes_empty = true, .types = (TYPES)
#define CORE(ATTRS)  1, 1, 1, ATTRS, .max_outputs = 1
#define UNARY(ATTRS) 1, 1, 1, ATTRS, FREE(0)
#define BINARY       2, 2, 2, none, FREE(ARITHMETIC)
#define MOVER(ATTRS) 1, 1, 1, ATTRS, FREE(ALL_TYPES)

static const struct pare_op_info ops[PARE_N_OPS] = {
    [PARE_OP_CONV] = {"Conv", 2, 3, 1, conv, .max_outputs = 1},
    [PARE_OP_GEMM] = {"Gemm", 2, 3, 1, gemm, .max_outputs = 1},
    [PARE_OP_BATCHNORM] = {"BatchNormalization", 5, 5, 1, batchnorm, .max_outputs = 1},
    [PARE_OP_RELU] = {"Relu", CORE(none)},
    [PARE_OP_CLIP] = {"Clip", CORE(clip)},
    [PARE_OP_LEAKY_RELU] = {"LeakyRelu", CORE(leaky_relu)},
    [PARE_OP_SIGMOID] = {"Sigmoid", CORE(none)},
    [PARE_OP_TANH] = {"Tanh", CORE(none)},
    [PARE_OP_HARD_SIGMOID] = {"HardSigmoid", CORE(hard_sigmoid)},
    [PARE_OP_HARD_SWISH] = {"HardSwish", CORE(none)},
    [PARE_OP_GELU] = {"Gelu", CORE(gelu)},
    [PARE_OP_ADD] = {"Add", BINARY},
    [PARE_OP_MAXPOOL] = {"MaxPool", 1, 1, 1, maxpool, .max_outputs = 2},
    [PARE_OP_AVGPOOL] = {"AveragePool", CORE(avgpool)},
    [PARE_OP_GLOBAL_AVGPOOL] = {"GlobalAveragePool", CORE(none)},
    [PARE_OP_FLATTEN] = {"Flatten", MOVER(flatten)},
    [PARE_OP_SOFTMAX] = {"Softmax", CORE(last_axis)},
    [PARE_OP_IDENTITY] = {"Identity", MOVER(none)},
    [PARE_OP_CONV_TRANSPOSE] = {"ConvTranspose", 2, 3, 1, conv_transpose, .max_outputs = 1},
    [PARE_OP_MATMUL] = {"MatMul", 2, 2, 2, none, .is_free = true},
    [PARE_OP_PRELU] = {"PRelu", 2, 2, 2, none, FREE(0)},
    [PARE_OP_ELU] = {"Elu", UNARY(elu)},
    [PARE_OP_ERF] = {"Erf", UNARY(none)},
    [PARE_OP_LOG_SOFTMAX] = {"LogSoftmax", CORE(last_axis)},
    [PARE_OP_SUB] = {"Sub", BINARY},
    [PARE_OP_MUL] = {"Mul", BINARY},
    [PARE_OP_DIV] = {"Div", BINARY},
    [PARE_OP_POW] = {"Pow", 2, 2, 2, none, FREE(0)},
    [PARE_OP_MIN] = {"Min", BINARY},
    [PARE_OP_MAX] = {"Max", BINARY},
    [PARE_OP_SQRT] = {"Sqrt", UNARY(none)},
    [PARE_OP_EXP] = {"Exp", UNARY(none)},
    [PARE_OP_LOG] = {"Log", UNARY(none)},
    [PARE_OP_NEG] = {"Neg", UNARY(none)},
    [PARE_OP_ABS] = {"Abs", UNARY(none)},
    [PARE_OP_REDUCE_MEAN] = {"ReduceMean", 1, 1, 1, reduce, .is_free = true},
    [PARE_OP_REDUCE_SUM] = {"ReduceSum", 1, 1, 1, reduce, .is_free = true},
    [PARE_OP_REDUCE_MAX] = {"ReduceMax", 1, 1, 1, reduce, .is_free = true},
    [PARE_OP_RESHAPE] = {"Reshape", MOVER(reshape)},
    [PARE_OP_TRANSPOSE] = {"Transpose", MOVER(transpose)},
    [PARE_OP_SQUEEZE] = {"Squeeze", MOVER(axes)},
    [PARE_OP_UNSQUEEZE] = {"Unsqueeze", MOVER(axes)},
    [PARE_OP_SLICE] = {"Slice", MOVER(slice)},
    [PARE_OP_SPLIT] = {"Split", MOVER(split), .max_outputs = PARE_OP_MAX_IO},
    [PARE_OP_PAD] = {"Pad", MOVER(pad)},
    [PARE_OP_CONCAT] = {"Concat", 1, PARE_OP_MAX_IO, PARE_OP_MAX_IO, concat, FREE(ALL_TYPES)},
    [PARE_OP_GATHER] = {"Gather", 2, 2, 2, first_axis, FREE(ALL_TYPES), .has_mixed_types = true},
    [PARE_OP_CAST] = {"Cast", MOVER(cast)},
    [PARE_OP_EXPAND] = {"Expand", MOVER(expand)},
    [PARE_OP_WHERE] = {"Where", 3, 3, 3, none, FREE(ALL_TYPES), .has_mixed_types = true},
    [PARE_OP_LRN] = {"LRN", CORE(lrn)},
    [PARE_OP_RESIZE] = {"Resize", CORE(resize)},
    [PARE_OP_GLOBAL_MAXPOOL] = {"GlobalMaxPool", CORE(none)},
    [PARE_OP_LAYER_NORM] = {"LayerNormalization", 2, 3, 3, layer_norm, .is_free = true,
                            .max_outputs = 3},
    [PARE_OP_QUANTIZE_LINEAR] = {"QuantizeLinear", 2, 3, 1, quantize, .takes_empty = true,
                                 .has_mixed_types = true, .types = ALL_TYPES},
    [PARE_OP_DEQUANTIZE_LINEAR] = {"DequantizeLinear", 2, 3, 1, dequantize, .takes_empty = true,
                                   .has_mixed_types = true, .types = ALL_TYPES},
};

const struct pare_op_info *pare_op_info(enum pare_op op)
{
    return &ops[op];
}

const struct pare_op_attr *pare_op_attr(enum pare_op op, const char *name)
{
    for (const struct pare_op_attr *row = ops[op].attrs; row->name; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

bool pare_attr_is_default(const struct pare_attr *attr, const struct pare_op_attr *row)
{
    if (row->no_default)
        return false;
    switch (row->kind) {
    case PARE_ATTR_INT: return attr->kind == PARE_ATTR_INT && attr->i == (int64_t)row->def;
    case PARE_ATTR_FLOAT:
        return (attr->kind == PARE_ATTR_FLOAT && attr->f == row->def) ||
               (attr->kind == PARE_ATTR_INT && (double)attr->i == row->def);
    case PARE_ATTR_STRING: return attr->kind == PARE_ATTR_STRING && !strcmp(attr->s, row->text);
    case PARE_ATTR_INTS:
        if (attr->kind != PARE_ATTR_INTS)
            return false;
        for (int i = 0; i < attr->n_ints; i++) {
            if (attr->ints[i] != (int64_t)row->def)
                return false;
        }
        return true;
    case PARE_ATTR_FLOATS: break;
    }
    return false;
}

const char *pare_op_name(enum pare_op op)
{
    return ops[op].name;
}

bool pare_op_from_name(enum pare_op *out, const char *name)
{
    for (int op = 0; op < PARE_N_OPS; op++) {
        if (strcmp(ops[op].name, name) == 0) {
            *out = (enum pare_op)op;
            return true;
        }
    }
    return false;
}
