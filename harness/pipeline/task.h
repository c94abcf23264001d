/* What one node of the stage tree does: one method, or several that share a training run.
 *
 * Options stand as (name, canonical text) pairs, as a config has them: a name is a row of the
 * method's table or, where the method has none of that name, of pare_recipe_options. */
#ifndef PARE_PIPELINE_TASK_H
#define PARE_PIPELINE_TASK_H

#include <pare/method.h>
#include <pare/train.h>

#include "base/arena.h"
#include "base/text.h"

struct pare_task_member {
    const char *stage; /* "prune": for labels alone, the result does not depend on it */
    const struct pare_method *method;
    int n_options;
    const char *const *names, *const *values;
};

struct pare_task {
    int n_members;
    const struct pare_task_member *members;
    bool is_joint; /* the members attach to one training run */
};

/* True when the task is a training run. */
bool pare_task_trains(const struct pare_task *task);
/* The member's option struct: defaults, then what is given.  Lives in the arena. */
pare_status pare_task_options(void **out, const struct pare_task_member *member,
                              struct pare_arena *arena, struct pare_error *err);
/* `recipe` holds the sweep's `train:` on entry; the members' training options replace it.  Two
 * members of a joint run that ask for different values are PARE_EINVAL. */
pare_status pare_task_recipe(struct pare_recipe *recipe, const struct pare_task *task,
                             struct pare_error *err);
/* Adds what the result depends on: methods with revisions and every option, defaults too. */
pare_status pare_task_canonical(const struct pare_task *task, struct pare_text *out,
                                struct pare_error *err);
/* "prune:prune.channels(sparsity=0.5)", joined by " + ": what a person reads. */
void pare_task_label(const struct pare_task *task, struct pare_text *out);
/* "prune.channels", joined by "+": what the artifact's metadata keeps. */
void pare_task_methods(const struct pare_task *task, struct pare_text *out);

#endif
