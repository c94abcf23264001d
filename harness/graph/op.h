/* What each operator takes: the one table behind names, the checks of infer.c and the defaults that
 * a model file leaves out. */
#ifndef PARE_GRAPH_OP_H
#define PARE_GRAPH_OP_H

#include <pare/graph.h>

struct pare_op_attr {
    const char *name; /* NULL ends the list */
    enum pare_attr_kind kind;
    double def;       /* default; of INTS: of every entry, whose number the shapes ask for */
    const char *text; /* default of STRING */
    bool is_fixed;    /* ONNX has it, pare computes its default only */
    bool no_default;  /* required, or taken from a weight */
};

#define PARE_OP_MAX_IO 1024 /* inputs of Concat, outputs of Split */

/* A set of types: PARE_TYPE(F32) | ... */
#define PARE_TYPE(NAME) (1u << PARE_##NAME)

struct pare_op_info {
    const char *name;
    int min_inputs, max_inputs;
    int n_weights_from; /* inputs from this one on are weights, those before are activations */
    const struct pare_op_attr *attrs;
    int max_outputs;      /* 0: one */
    bool is_free;         /* inputs before n_weights_from may be weights too */
    bool takes_empty;     /* extents of 0 */
    bool has_mixed_types; /* inputs differ in type: infer looks at them */
    unsigned types;       /* of the inputs, all the same; 0: F32 only */
};

const struct pare_op_info *pare_op_info(enum pare_op op);
/* The row of an attribute, or NULL. */
const struct pare_op_attr *pare_op_attr(enum pare_op op, const char *name);
/* True when the attribute says what its absence would say. */
bool pare_attr_is_default(const struct pare_attr *attr, const struct pare_op_attr *row);

#endif
