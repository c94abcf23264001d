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
#define INTS(NAME, N, DEF)                                                \
    {                                                                     \
        .name = NAME, .kind = PARE_ATTR_INTS, .n_ints = (N), .def = (DEF) \
    }
#define KERNEL_SHAPE                                                                    \
    {                                                                                   \
        .name = "kernel_shape", .kind = PARE_ATTR_INTS, .n_ints = 2, .no_default = true \
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

static const struct pare_op_attr none[] = {END};
static const struct pare_op_attr conv[] = {
    KERNEL_SHAPE,
    INT("group", 1),
    INTS("strides", 2, 1),
    INTS("dilations", 2, 1),
    INTS("pads", 4, 0),
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
    KERNEL_SHAPE,
    INTS("strides", 2, 1),
    INTS("pads", 4, 0),
    {.name = "dilations", .kind = PARE_ATTR_INTS, .n_ints = 2, .def = 1, .is_fixed = true},
    FIXED_INT("ceil_mode", 0),
    FIXED_INT("storage_order", 0),
    FIXED_TEXT("auto_pad", "NOTSET"),
    END,
};
static const struct pare_op_attr avgpool[] = {
    KERNEL_SHAPE,
    INTS("strides", 2, 1),
    INTS("pads", 4, 0),
    INT("count_include_pad", 0),
    FIXED_INT("ceil_mode", 0),
    FIXED_TEXT("auto_pad", "NOTSET"),
    END,
};
static const struct pare_op_attr flatten[] = {FIXED_INT("axis", 1), END};
static const struct pare_op_attr softmax[] = {INT("axis", -1), END};

static const struct pare_op_info ops[PARE_N_OPS] = {
    [PARE_OP_CONV] = {"Conv", 2, 3, 1, conv},
    [PARE_OP_GEMM] = {"Gemm", 2, 3, 1, gemm},
    [PARE_OP_BATCHNORM] = {"BatchNormalization", 5, 5, 1, batchnorm},
    [PARE_OP_RELU] = {"Relu", 1, 1, 1, none},
    [PARE_OP_CLIP] = {"Clip", 1, 1, 1, clip},
    [PARE_OP_LEAKY_RELU] = {"LeakyRelu", 1, 1, 1, leaky_relu},
    [PARE_OP_SIGMOID] = {"Sigmoid", 1, 1, 1, none},
    [PARE_OP_TANH] = {"Tanh", 1, 1, 1, none},
    [PARE_OP_HARD_SIGMOID] = {"HardSigmoid", 1, 1, 1, hard_sigmoid},
    [PARE_OP_HARD_SWISH] = {"HardSwish", 1, 1, 1, none},
    [PARE_OP_GELU] = {"Gelu", 1, 1, 1, gelu},
    [PARE_OP_ADD] = {"Add", 2, 2, 2, none},
    [PARE_OP_MAXPOOL] = {"MaxPool", 1, 1, 1, maxpool},
    [PARE_OP_AVGPOOL] = {"AveragePool", 1, 1, 1, avgpool},
    [PARE_OP_GLOBAL_AVGPOOL] = {"GlobalAveragePool", 1, 1, 1, none},
    [PARE_OP_FLATTEN] = {"Flatten", 1, 1, 1, flatten},
    [PARE_OP_SOFTMAX] = {"Softmax", 1, 1, 1, softmax},
    [PARE_OP_IDENTITY] = {"Identity", 1, 1, 1, none},
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
        if (attr->kind != PARE_ATTR_INTS || attr->n_ints != row->n_ints)
            return false;
        for (int i = 0; i < attr->n_ints; i++) {
            if (attr->ints[i] != (int64_t)row->def)
                return false;
        }
        return true;
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
