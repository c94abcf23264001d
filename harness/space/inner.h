/* What the files that read a space share. */
#ifndef PARE_SPACE_INNER_H
#define PARE_SPACE_INNER_H

#include "space/space.h"

enum {
    MAX_STAGES = 64,
    MAX_CHAINS = 1000,
    MAX_STEPS = 64,
    MAX_ANY_ORDER = 6, /* 720 orders */
    MAX_VALUES = 10000,
    DEFAULT_VALUES = 9, /* of a range without step */
};

/* A chain while it is being read: where everything stands in the file. */
struct chain_draft {
    const char *place; /* "pipelines[2]" */
    const struct pare_yaml *where;
    int n_steps;
    struct pare_step steps[MAX_STEPS];
    const struct pare_yaml *const *nodes[MAX_STEPS]; /* of each stage of each step */
};

struct space_reader {
    struct pare_space *space;
    struct pare_arena *arena;
    const struct pare_yaml *root;
    struct pare_problems *problems;
    const struct pare_method *(*find_method)(void *state, const char *name);
    const char *const *method_names;
    int n_method_names;
    void *state;
    int n_stages;
    struct pare_stage stages[MAX_STAGES];
    const struct pare_yaml *stage_nodes[MAX_STAGES]; /* the map of each */
    bool is_used[MAX_STAGES], in_joint[MAX_STAGES];
    int n_chains;
    struct chain_draft *chains[MAX_CHAINS];
};

/* "; did you mean 'x'?" or "" (arena). */
const char *pare_space_hint(struct space_reader *reader, const char *word, const char *const *names,
                            int n);

/* values.c: the values of one option; false after adding a problem. */
bool pare_dim_read(struct space_reader *reader, struct pare_dim *dim, const struct pare_option *row,
                   const struct pare_yaml *node);
/* chains.c: `pipelines:`, or one chain of all stages in their order (the short form). */
void pare_chains_read(struct space_reader *reader, const struct pare_yaml *pipelines);
void pare_chains_short(struct space_reader *reader, const struct pare_yaml *pipeline);
/* contract.c: the methods' rules along one chain. */
void pare_chain_check(struct space_reader *reader, const struct chain_draft *chain);

#endif
