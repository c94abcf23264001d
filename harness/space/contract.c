/* The methods' contracts, tried along a chain.
 *
 * A network has a set of states; a method refuses some, leaves some and clears some.  Stages with
 * several methods lead to several possible sets, so the walk keeps all sets that can be reached: one
 * bit of a 32-bit word for each of the 2^5 sets. */
#include <string.h>

#include "base/text.h"
#include "option/schema.h"
#include "space/inner.h"

enum { N_STATES = 5 };

/* What a method says when it refuses a state, and what a state is called. */
static const struct {
    unsigned state;
    const char *refusal, *name;
} states[N_STATES] = {
    {PARE_STATE_SPARSE, "cannot keep weights at zero", "weights held at zero"},
    {PARE_STATE_NARROWED, "needs all channels", "removed channels"},
    {PARE_STATE_FACTORED, "cannot work on factored layers", "factored layers"},
    {PARE_STATE_QUANTIZED, "cannot change integer weights", "integer weights"},
    {PARE_STATE_STUDENT, "cannot work on a student", "a student"},
};

bool pare_step_trains(const struct pare_step *step, const struct pare_method *method)
{
    return step->n_stages > 1 || !method->apply;
}

static bool gives(const struct pare_stage_method *sm, const char *option)
{
    for (int d = 0; d < sm->n_dims; d++)
        if (strcmp(sm->dims[d].name, option) == 0)
            return true;
    return false;
}

/* A method with prepare() puts a student in place; where `student` is optional, only if it is given
 * (else the network teaches itself). */
static bool brings_student(const struct pare_stage_method *sm)
{
    const struct pare_option *row =
        sm->method->options ? pare_option_find(sm->method->options, "student") : NULL;

    return sm->method->prepare && (!row || row->def_text || gives(sm, "student"));
}

static unsigned leaves(const struct pare_stage_method *sm)
{
    return sm->method->leaves & ~(brings_student(sm) ? 0u : (unsigned)PARE_STATE_STUDENT);
}

static unsigned clears(const struct pare_stage_method *sm)
{
    return sm->method->prepare && !brings_student(sm) ? 0 : sm->method->clears;
}

/* The last stage before step `s` that may have left the state. */
static const char *who_left(const struct space_reader *r, const struct chain_draft *chain, int s,
                            unsigned state)
{
    while (--s >= 0)
        for (int k = chain->steps[s].n_stages - 1; k >= 0; k--) {
            const struct pare_stage *stage = &r->stages[chain->steps[s].stages[k]];

            for (int m = 0; m < stage->n_methods; m++)
                if (leaves(&stage->methods[m]) & state)
                    return stage->name;
        }
    return "the model";
}

/* One state of `bad` that breaks a rule of the method at step s, position k. */
static void report(struct space_reader *r, const struct chain_draft *chain, int s, int k,
                   const struct pare_method *method, unsigned bad, bool is_lost)
{
    const char *name = r->stages[chain->steps[s].stages[k]].name, *other;
    const struct pare_yaml *where = chain->nodes[s][k];
    int i = 0;

    while (!(states[i].state & bad))
        i++;
    other = who_left(r, chain, s, states[i].state);
    if (is_lost)
        pare_problem_add(
            r->problems, where,
            "%s: %s after %s: %s starts afresh, so that what '%s' left (%s) is lost; move "
            "'%s' before '%s'",
            chain->place, name, other, method->name, other, states[i].name, name, other);
    else
        pare_problem_add(r->problems, where, "%s: %s after %s: %s %s; move '%s' before '%s'",
                         chain->place, name, other, method->name, states[i].refusal, name, other);
}

/* Tries one method on every possible set; returns the sets it leads to. */
static uint32_t try_method(struct space_reader *r, const struct chain_draft *chain, int s, int k,
                           const struct pare_stage_method *sm, uint32_t sets)
{
    uint32_t next = 0;
    unsigned refused = 0, lost = 0;

    for (unsigned set = 0; set < 1u << N_STATES; set++) {
        if (!(sets >> set & 1))
            continue;
        if (set & sm->method->refuses) {
            refused |= set & sm->method->refuses;
            continue;
        }
        lost |= set & clears(sm) & ~leaves(sm);
        next |= UINT32_C(1) << ((set & ~clears(sm)) | leaves(sm));
    }
    if (refused)
        report(r, chain, s, k, sm->method, refused, false);
    else if (lost)
        report(r, chain, s, k, sm->method, lost, true);
    return next;
}

/* All methods of one stage.  Where all are refused the walk goes on as if the stage were not there. */
static uint32_t try_stage(struct space_reader *r, const struct chain_draft *chain, int s, int k,
                          uint32_t sets)
{
    const struct pare_stage *stage = &r->stages[chain->steps[s].stages[k]];
    uint32_t next = 0;

    for (int m = 0; m < stage->n_methods; m++)
        next |= try_method(r, chain, s, k, &stage->methods[m], sets);
    return next ? next : sets;
}

static bool stage_brings_student(const struct pare_stage *stage)
{
    for (int m = 0; m < stage->n_methods; m++)
        if (brings_student(&stage->methods[m]))
            return true;
    return false;
}

/* Does every pair of members leave each training option to one of them? */
static void check_shared_options(struct space_reader *r, const struct chain_draft *chain, int s)
{
    const struct pare_step *step = &chain->steps[s];

    for (const struct pare_option *row = pare_recipe_options; row->name; row++) {
        const struct pare_stage *first = NULL;

        for (int k = 0; k < step->n_stages; k++) {
            const struct pare_stage *stage = &r->stages[step->stages[k]];
            bool has = false;

            for (int m = 0; m < stage->n_methods; m++)
                for (int d = 0; d < stage->methods[m].n_dims; d++)
                    has |= stage->methods[m].dims[d].is_recipe &&
                           strcmp(stage->methods[m].dims[d].name, row->name) == 0;
            if (has && first)
                pare_problem_add(
                    r->problems, chain->nodes[s][k],
                    "%s: '%s' and '%s' share one training run and both give '%s'; leave "
                    "it to one of them",
                    chain->place, first->name, stage->name, row->name);
            else if (has)
                first = stage;
        }
    }
}

/* Members of one training run: students come first; then all attach side by side, so that none sees
 * what another leaves at the end. */
static uint32_t try_joint(struct space_reader *r, const struct chain_draft *chain, int s,
                          uint32_t sets)
{
    const struct pare_step *step = &chain->steps[s];
    const struct pare_stage *student = NULL;
    uint32_t next;

    check_shared_options(r, chain, s);
    for (int k = 0; k < step->n_stages; k++) {
        const struct pare_stage *stage = &r->stages[step->stages[k]];

        for (int m = 0; m < stage->n_methods; m++)
            if (!stage->methods[m].method->attach)
                pare_problem_add(
                    r->problems, chain->nodes[s][k],
                    "%s: '%s' cannot be joint: %s changes the network once and does not "
                    "attach to training; let it stand before or after the group",
                    chain->place, stage->name, stage->methods[m].method->name);
        if (!stage_brings_student(stage))
            continue;
        if (student)
            pare_problem_add(
                r->problems, chain->nodes[s][k],
                "%s: '%s' and '%s' both bring a student, and one training run has one; "
                "put them one after the other",
                chain->place, student->name, stage->name);
        student = stage;
        sets = try_stage(r, chain, s, k, sets);
    }
    next = sets;
    for (int k = 0; k < step->n_stages; k++) {
        const struct pare_stage *stage = &r->stages[step->stages[k]];
        uint32_t after = 0;

        if (stage_brings_student(stage))
            continue;
        try_stage(r, chain, s, k, sets);
        for (unsigned set = 0; set < 1u << N_STATES; set++)
            for (int m = 0; (next >> set & 1) && m < stage->n_methods; m++)
                after |= UINT32_C(1)
                         << ((set & ~clears(&stage->methods[m])) | leaves(&stage->methods[m]));
        next = after ? after : next;
    }
    return next;
}

void pare_chain_check(struct space_reader *r, const struct chain_draft *chain)
{
    uint32_t sets = 1; /* the baseline: no state at all */

    for (int s = 0; s < chain->n_steps; s++)
        sets = chain->steps[s].n_stages > 1 ? try_joint(r, chain, s, sets)
                                            : try_stage(r, chain, s, 0, sets);
}
