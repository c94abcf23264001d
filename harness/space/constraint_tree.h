/* The tree of a constraint, and what its three readers share. */
#ifndef PARE_SPACE_CONSTRAINT_TREE_H
#define PARE_SPACE_CONSTRAINT_TREE_H

#include "base/arena.h"
#include "space/constraint.h"

enum kind {
    NUMBER,
    WORD,
    OPTION,
    METRIC,
    NOT,
    MINUS,
    AND,
    OR,
    LE,
    LT,
    GE,
    GT,
    EQ,
    NE,
    ADD,
    SUB,
    MUL,
    DIV
};

struct unit;

struct node {
    enum kind kind;
    int offset; /* of its first character (operators: of the operator) */
    double number;
    const struct unit *unit; /* of a number with a suffix, else NULL */
    const char *text;        /* of names and words */
    struct node *a, *b;
};

struct pare_constraint {
    struct pare_arena *arena;
    struct pare_yaml where;
    const char *text;
    struct node *root;
    int n_names, capacity;
    struct node **names; /* options and metrics, in the order of the text */
};

/* The place of a character of the text. */
struct pare_yaml pare_constraint_place(const struct pare_constraint *constraint, int offset);

/* ---- constraint_units.c: numbers and their suffixes ---- */
struct unit {
    const char *suffix;
    double factor;
    const char *of;          /* what it measures; NULL: a plain factor */
    const char *name_ending; /* of metrics that it fits */
};
#define PARE_UNIT_LIST "B, KiB, MiB, GiB, KB, MB, GB, ns, us, ms, s, uJ, mJ, J, %, k, M, G"
/* Characters of the decimal number, and of the suffix, that stand at s; 0: none. */
int pare_number_length(const char *s);
int pare_suffix_length(const char *s);
const struct unit *pare_unit_find(const char *s, int n); /* or NULL */
/* "ms" does not fit size_bytes. */
bool pare_unit_fits(const struct unit *unit, const char *metric);

/* constraint_sense.c: what is wrong with the tree, as text and offset; NULL when it makes sense. */
const char *pare_constraint_nonsense(struct pare_arena *arena, const struct node *root,
                                     int *offset);

#endif
