#include "pipeline/task.h"

#include <string.h>

#include "option/schema.h"

bool pare_task_trains(const struct pare_task *task)
{
    return task->is_joint || !task->members[0].method->apply;
}

pare_status pare_task_options(void **out, const struct pare_task_member *member,
                              struct pare_arena *arena, struct pare_error *err)
{
    const struct pare_method *method = member->method;
    void *options = pare_arena_alloc(arena, method->options_bytes ? method->options_bytes : 1);

    pare_options_defaults(method->options, options);
    for (int i = 0; i < member->n_options; i++) {
        const struct pare_option *row = pare_option_find(method->options, member->names[i]);
        pare_status st;

        if (!row && pare_option_find(pare_recipe_options, member->names[i]))
            continue;
        if (!row)
            return pare_fail(err, PARE_EINVAL, "%s has no option '%s'", method->name,
                             member->names[i]);
        st = pare_option_set(row, options, member->values[i], arena, err);
        if (st) {
            pare_error_prefix(err, "%s: %s", method->name, row->name);
            return st;
        }
    }
    *out = options;
    return PARE_OK;
}

/* The value that an earlier member gives to the same training option, or NULL. */
static const char *given_before(const struct pare_task *task, int member, const char *name,
                                const char **by)
{
    for (int m = 0; m < member; m++) {
        const struct pare_task_member *other = &task->members[m];

        if (pare_option_find(other->method->options, name))
            continue;
        for (int i = 0; i < other->n_options; i++)
            if (strcmp(other->names[i], name) == 0) {
                *by = other->method->name;
                return other->values[i];
            }
    }
    return NULL;
}

pare_status pare_task_recipe(struct pare_recipe *recipe, const struct pare_task *task,
                             struct pare_error *err)
{
    struct pare_arena *arena = pare_arena_new();
    pare_status st = PARE_OK;

    for (int m = 0; !st && m < task->n_members; m++) {
        const struct pare_task_member *member = &task->members[m];

        for (int i = 0; !st && i < member->n_options; i++) {
            const char *name = member->names[i], *by = NULL, *earlier;
            const struct pare_option *row = pare_option_find(pare_recipe_options, name);

            if (!row || pare_option_find(member->method->options, name))
                continue;
            earlier = given_before(task, m, name, &by);
            if (earlier && strcmp(earlier, member->values[i]) != 0)
                st = pare_fail(err, PARE_EINVAL,
                               "the joint run has one recipe, but %s wants %s = %s and %s wants "
                               "%s; give it to one of them",
                               by, name, earlier, member->method->name, member->values[i]);
            else
                st = pare_option_set(row, recipe, member->values[i], arena, err);
        }
    }
    pare_arena_free(arena); /* a recipe has no strings */
    return st;
}

pare_status pare_task_canonical(const struct pare_task *task, struct pare_text *out,
                                struct pare_error *err)
{
    struct pare_arena *arena = pare_arena_new();
    pare_status st = PARE_OK;

    pare_text_add(out, task->is_joint ? "joint" : "alone");
    for (int m = 0; !st && m < task->n_members; m++) {
        const struct pare_task_member *member = &task->members[m];
        void *options = NULL;

        st = pare_task_options(&options, member, arena, err);
        if (st)
            break;
        pare_text_printf(out, "|%s@%d(", member->method->name, member->method->revision);
        pare_options_canonical(member->method->options, options, out);
        pare_text_add(out, ")");
    }
    pare_arena_free(arena);
    return st;
}

void pare_task_label(const struct pare_task *task, struct pare_text *out)
{
    for (int m = 0; m < task->n_members; m++) {
        const struct pare_task_member *member = &task->members[m];

        pare_text_printf(out, "%s%s:%s", m ? " + " : "", member->stage, member->method->name);
        for (int i = 0; i < member->n_options; i++)
            pare_text_printf(out, "%s%s=%s", i ? "," : "(", member->names[i], member->values[i]);
        pare_text_add(out, member->n_options ? ")" : "");
    }
}

void pare_task_methods(const struct pare_task *task, struct pare_text *out)
{
    for (int m = 0; m < task->n_members; m++)
        pare_text_printf(out, "%s%s", m ? "+" : "", task->members[m].method->name);
}
