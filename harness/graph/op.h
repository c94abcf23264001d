/* What each operator takes: the one table behind names, the checks of infer.c and the defaults that
 * a model file leaves out. */
#ifndef PARE_GRAPH_OP_H
#define PARE_GRAPH_OP_H

#include <pare/graph.h>

struct pare_op_attr {
    const char *name; /* NULL ends the list */
    enum pare_attr_kind kind;
    int n_ints;       /* of INTS */
    double def;       /* default; of INTS: of every entry */
    const char *text; /* default of STRING */
    bool is_fixed;    /* ONNX has it, pare computes its default only */
    bool no_default;  /* required, or taken from a weight */
};

struct pare_op_info {
    const char *name;
    int min_inputs, max_inputs;
    int n_weights_from; /* inputs from this one on are weights, those before are activations */
    const struct pare_op_attr *attrs;
};

const struct pare_op_info *pare_op_info(enum pare_op op);
/* The row of an attribute, or NULL. */
const struct pare_op_attr *pare_op_attr(enum pare_op op, const char *name);
/* True when the attribute says what its absence would say. */
bool pare_attr_is_default(const struct pare_attr *attr, const struct pare_op_attr *row);

#endif
