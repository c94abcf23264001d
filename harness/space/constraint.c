#include "space/constraint.h"

#include <stdlib.h>
#include <string.h>

#include "space/constraint_tree.h"

struct pare_yaml pare_constraint_place(const struct pare_constraint *c, int offset)
{
    struct pare_yaml place = c->where;

    /* Exact for a scalar on one line, which is how constraints are written. */
    place.column += offset + (c->where.is_quoted ? 1 : 0);
    return place;
}

void pare_constraint_free(struct pare_constraint *constraint)
{
    if (!constraint)
        return;
    pare_arena_free(constraint->arena);
    free(constraint);
}

/* ---- Asking ---- */

const char *pare_constraint_text(const struct pare_constraint *constraint)
{
    return constraint->text;
}

const char *pare_constraint_name(const struct pare_constraint *constraint, int i)
{
    return i >= 0 && i < constraint->n_names ? constraint->names[i]->text : NULL;
}

/* The node whose operand `node` is, or NULL at the root. */
static const struct node *parent_of(const struct node *root, const struct node *node)
{
    const struct node *found = NULL;

    if (root->a == node || root->b == node)
        return root;
    if (root->a)
        found = parent_of(root->a, node);
    if (!found && root->b)
        found = parent_of(root->b, node);
    return found;
}

bool pare_constraint_use(const struct pare_constraint *constraint, int i,
                         struct pare_constraint_use *out)
{
    const struct node *node, *parent;

    memset(out, 0, sizeof *out);
    if (i < 0 || i >= constraint->n_names)
        return false;
    node = constraint->names[i];
    parent = parent_of(constraint->root, node);
    out->name = node->text;
    out->is_option = node->kind == OPTION;
    out->place = pare_constraint_place(constraint, node->offset);
    if (parent && parent->kind != NOT && parent->kind != AND && parent->kind != OR) {
        const struct node *other = parent->a == node ? parent->b : parent->a;

        out->is_number = parent->kind != EQ && parent->kind != NE;
        if (!out->is_number && other->kind == WORD) {
            out->word = other->text;
            out->word_place = pare_constraint_place(constraint, other->offset);
        }
    }
    return true;
}

bool pare_constraint_is_cheap(const struct pare_constraint *constraint)
{
    static const char *const cheap[] = {"macs", "params", "baseline.macs", "baseline.params"};

    for (int i = 0; i < constraint->n_names; i++) {
        bool found = constraint->names[i]->kind == OPTION;

        for (size_t k = 0; !found && k < sizeof cheap / sizeof cheap[0]; k++)
            found = strcmp(constraint->names[i]->text, cheap[k]) == 0;
        if (!found)
            return false;
    }
    return true;
}

/* ---- Evaluation: a value is a text, a number or unknown ---- */

struct value {
    bool is_known, is_number;
    double number;
    const char *text;
};

static struct value number_value(double number)
{
    return (struct value){.is_known = true, .is_number = true, .number = number};
}

static struct value text_value(const char *text)
{
    struct value value = {.is_known = true, .text = text};
    char *end;

    value.number = strtod(text, &end);
    value.is_number = end != text && *end == '\0';
    return value;
}

static struct value value_of(const struct node *node, const struct pare_constraint_env *env)
{
    struct value a = {0}, b = {0};
    const char *text;

    switch (node->kind) {
    case NUMBER: return number_value(node->number);
    case WORD: return text_value(node->text);
    case OPTION: text = env->option(env->state, node->text); return text ? text_value(text) : a;
    case METRIC:
        a.is_known = a.is_number = env->metric(env->state, node->text, &a.number);
        return a;
    default: break;
    }
    a = value_of(node->a, env);
    if (!a.is_known || !a.is_number)
        return (struct value){0};
    if (node->kind == MINUS)
        return number_value(-a.number);
    b = value_of(node->b, env);
    if (!b.is_known || !b.is_number)
        return (struct value){0};
    switch (node->kind) {
    case ADD: return number_value(a.number + b.number);
    case SUB: return number_value(a.number - b.number);
    case MUL: return number_value(a.number * b.number);
    default: return number_value(a.number / b.number);
    }
}

static enum pare_truth truth_of(const struct node *node, const struct pare_constraint_env *env)
{
    enum pare_truth s, t;
    struct value a, b;
    bool equal;

    switch (node->kind) {
    case NOT:
        s = truth_of(node->a, env);
        return s == PARE_UNKNOWN ? s : s == PARE_FALSE ? PARE_TRUE : PARE_FALSE;
    case AND:
    case OR: {
        enum pare_truth decides = node->kind == AND ? PARE_FALSE : PARE_TRUE;

        s = truth_of(node->a, env);
        if (s == decides)
            return s;
        t = truth_of(node->b, env);
        return t == decides || s != PARE_UNKNOWN ? t : s;
    }
    default: break;
    }
    a = value_of(node->kind == OPTION ? node : node->a, env);
    if (!a.is_known)
        return PARE_UNKNOWN;
    if (node->kind == OPTION)
        return (a.is_number ? a.number != 0 : strcmp(a.text, "true") == 0) ? PARE_TRUE : PARE_FALSE;
    b = value_of(node->b, env);
    if (!b.is_known)
        return PARE_UNKNOWN;
    if (a.is_number && b.is_number) {
        switch (node->kind) {
        case LE: return a.number <= b.number ? PARE_TRUE : PARE_FALSE;
        case LT: return a.number < b.number ? PARE_TRUE : PARE_FALSE;
        case GE: return a.number >= b.number ? PARE_TRUE : PARE_FALSE;
        case GT: return a.number > b.number ? PARE_TRUE : PARE_FALSE;
        default: equal = a.number == b.number;
        }
    } else if (node->kind != EQ && node->kind != NE) {
        return PARE_FALSE; /* words have no order: refused by the sweep reader */
    } else {
        equal = a.text && b.text && strcmp(a.text, b.text) == 0;
    }
    return equal == (node->kind == EQ) ? PARE_TRUE : PARE_FALSE;
}

enum pare_truth pare_constraint_eval(const struct pare_constraint *constraint,
                                     const struct pare_constraint_env *env)
{
    for (int i = 0; i < constraint->n_names; i++)
        if (constraint->names[i]->kind == OPTION &&
            !env->option(env->state, constraint->names[i]->text))
            return PARE_TRUE;
    return truth_of(constraint->root, env);
}
