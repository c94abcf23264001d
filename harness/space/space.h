/* The space of a sweep: pipelines of stages, and the dimensions of their options.
 *
 * A *point* picks one pipeline, one method for every stage that offers several, and one value for
 * every searched option of the chosen methods.  Options that the point does not use do not exist in
 * its config, so two points are the same trial exactly when their canonical configs are equal. */
#ifndef PARE_SPACE_SPACE_H
#define PARE_SPACE_SPACE_H

#include <pare/method.h>

#include "base/arena.h"
#include "option/yaml.h"

/* One searched or fixed option of a stage, for one of its methods. */
struct pare_dim {
    const char *name; /* option name */
    const struct pare_option *row;
    bool is_recipe;            /* a row of pare_recipe_options: a training option */
    int n_values;              /* 1: fixed */
    const char *const *values; /* canonical texts, in the order of the file; ranges increasing */
    bool is_ordered;
    bool has_fidelity; /* values[0] is the full-effort value */
    double fidelity_low;
    int flat; /* its dimension in the flat view, shared by the methods of a stage; -1: fixed */
};

struct pare_stage_method {
    const struct pare_method *method;
    int n_dims;
    const struct pare_dim *dims; /* only options that the file gives, in table order */
    const char *const *defaults; /* canonical text of every row of the method's table */
};

struct pare_stage {
    const char *name; /* "prune" */
    int line, column;
    int n_methods;
    const struct pare_stage_method *methods;
    int flat_method; /* dimension of the choice among several methods, else -1 */
};

/* A step runs one stage, or several jointly in one training run. */
struct pare_step {
    int n_stages;
    const int *stages; /* indices into pare_space.stages */
};

struct pare_chain {
    const char *label; /* "prune > tune > quant", "joint(kd, sparsify)" */
    int n_steps;
    const struct pare_step *steps;
};

struct pare_space {
    struct pare_arena *arena;
    int n_stages;
    const struct pare_stage *stages;
    int n_chains; /* any_order is expanded */
    const struct pare_chain *chains;
    /* Flat view for samplers: dim 0 is the chain (when there are several), then for each stage its
     * method (when several) and each searched option. */
    int n_flat;
    const int64_t *flat_n;
    const bool *flat_ordered;
};

/* One resolved stage of a config. */
struct pare_config_stage {
    const struct pare_stage *stage;
    const struct pare_method *method;
    int n_options;
    const char *const *names;  /* option and recipe names given or searched, in table order */
    const char *const *values; /* canonical texts */
};
struct pare_config {
    struct pare_arena *arena;
    const struct pare_chain *chain;
    int n_stages; /* in order of execution, joint members next to each other */
    const struct pare_config_stage *stages;
    const int *step_of;    /* step index of each stage */
    const char *canonical; /* "kd:distill.logits(student=lenet5-half,alpha=0.5) > ..." */
};

/* Reads `stages:`/`pipelines:` (or `pipeline:`) of the sweep's root.  Every mistake becomes a problem. Contracts
 * of methods are checked for every chain: the rule that is broken is named.
 *
 * Stages of the short form are called by their `name:`, else by the family of their method ("prune",
 * then "prune2").  PARE_EINVAL when there was any problem; *out then holds what could be read, so
 * that names can still be looked up; free it, do not enumerate it. */
pare_status pare_space_read(struct pare_space **out, const struct pare_yaml *root,
                            const struct pare_method *(*find_method)(void *state, const char *name),
                            const char *const *method_names, int n_method_names, void *state,
                            struct pare_problems *problems);
void pare_space_free(struct pare_space *space);
const struct pare_stage *pare_space_stage(const struct pare_space *space, const char *name);
/* Does a stage train in this step with this method?  Its recipe options exist only then. */
bool pare_step_trains(const struct pare_step *step, const struct pare_method *method);

/* Distinct points (configs) of the whole space, saturating at INT64_MAX. */
int64_t pare_space_n_points(const struct pare_space *space);
int64_t pare_chain_n_points(const struct pare_space *space, const struct pare_chain *chain);
/* The i-th distinct point, 0 <= i < n_points: neighbours share long prefixes of the stage tree. */
void pare_space_point(const struct pare_space *space, int64_t i, int64_t *flat);
/* Resolves a flat point. */
struct pare_config *pare_config_new(const struct pare_space *space, const int64_t *flat);
void pare_config_free(struct pare_config *config);
/* "quant.scheme" -> "W8A8", the method's default when the file does not give it; "quant.method" ->
 * name; NULL when the config has no such option. */
const char *pare_config_get(const struct pare_config *config, const char *stage_dot_option);

#endif
