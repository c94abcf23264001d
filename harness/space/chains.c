/* Pipelines: lists of stage names, any orders, joint groups, become chains of steps. */
#include <string.h>

#include "base/text.h"
#include "space/inner.h"

/* One entry of a list: a stage, or stages that share a training run. */
struct element {
    int n;
    int *stages;
    const struct pare_yaml **nodes;
};

static int find_stage(struct space_reader *r, const struct pare_yaml *node)
{
    const char *names[MAX_STAGES];

    if (node->kind != PARE_YAML_SCALAR) {
        pare_problem_add(r->problems, node, "the name of a stage must stand here");
        return -1;
    }
    for (int i = 0; i < r->n_stages; i++) {
        names[i] = r->stages[i].name;
        if (strcmp(names[i], node->text) == 0) {
            r->is_used[i] = true;
            return i;
        }
    }
    pare_problem_add(r->problems, node, "there is no stage '%s'%s", node->text,
                     pare_space_hint(r, node->text, names, r->n_stages));
    return -1;
}

/* The members of `joint:`; a list of at least two. */
static bool read_joint(struct space_reader *r, const struct pare_yaml *list, struct element *out)
{
    bool good = true;

    if (list->kind != PARE_YAML_LIST || list->n < 2 || list->n > MAX_STAGES) {
        pare_problem_add(r->problems, list, "joint: a list of at least two stages must stand here");
        return false;
    }
    out->n = list->n;
    out->stages = PARE_ARENA_NEW(r->arena, int, list->n);
    out->nodes = PARE_ARENA_NEW(r->arena, const struct pare_yaml *, list->n);
    for (int i = 0; i < list->n; i++) {
        out->nodes[i] = list->items[i];
        out->stages[i] = find_stage(r, list->items[i]);
        if (out->stages[i] < 0)
            good = false;
        else
            r->in_joint[out->stages[i]] = true;
    }
    return good;
}

static bool read_element(struct space_reader *r, const struct pare_yaml *node, struct element *out)
{
    if (node->kind == PARE_YAML_MAP) {
        const struct pare_yaml *joint = pare_yaml_get(node, "joint");

        if (node->n != 1 || !joint) {
            pare_problem_add(
                r->problems, node,
                "a stage's name or {joint: [...]} must stand here; any_order belongs at "
                "the level of the pipeline, with first: and then:");
            return false;
        }
        return read_joint(r, joint, out);
    }
    out->n = 1;
    out->stages = PARE_ARENA_NEW(r->arena, int, 1);
    out->nodes = PARE_ARENA_NEW(r->arena, const struct pare_yaml *, 1);
    out->nodes[0] = node;
    out->stages[0] = find_stage(r, node);
    return out->stages[0] >= 0;
}

/* A list of elements, or a single one; appended to elements[MAX_STEPS]. */
static bool read_elements(struct space_reader *r, const struct pare_yaml *node,
                          struct element *elements, int *n)
{
    bool good = true;
    int n_items = node->kind == PARE_YAML_LIST ? node->n : 1;

    if (n_items == 0 || *n + n_items > MAX_STEPS) {
        pare_problem_add(r->problems, node, "a list of 1 to %d stages must stand here", MAX_STEPS);
        return false;
    }
    for (int i = 0; i < n_items; i++) {
        const struct pare_yaml *item = node->kind == PARE_YAML_LIST ? node->items[i] : node;

        if (read_element(r, item, &elements[*n]))
            ++*n;
        else
            good = false;
    }
    return good;
}

/* ---- Drafts ---- */

static bool stages_differ(struct space_reader *r, const struct chain_draft *draft)
{
    bool seen[MAX_STAGES] = {false}, good = true;

    for (int s = 0; s < draft->n_steps; s++)
        for (int k = 0; k < draft->steps[s].n_stages; k++) {
            int stage = draft->steps[s].stages[k];

            if (seen[stage]) {
                pare_problem_add(
                    r->problems, draft->nodes[s][k],
                    "%s: stage '%s' stands twice in one pipeline; give the second one a "
                    "name of its own under stages:",
                    draft->place, r->stages[stage].name);
                good = false;
            }
            seen[stage] = true;
        }
    return good;
}

static bool drafts_equal(const struct chain_draft *a, const struct chain_draft *b)
{
    if (a->n_steps != b->n_steps)
        return false;
    for (int s = 0; s < a->n_steps; s++)
        if (a->steps[s].n_stages != b->steps[s].n_stages ||
            memcmp(a->steps[s].stages, b->steps[s].stages,
                   (size_t)a->steps[s].n_stages * sizeof(int)) != 0)
            return false;
    return true;
}

static void add_chain(struct space_reader *r, const char *place, const struct pare_yaml *where,
                      const struct element *elements, int n)
{
    struct chain_draft *draft = PARE_ARENA_NEW(r->arena, struct chain_draft, 1);

    draft->place = place;
    draft->where = where;
    draft->n_steps = n;
    for (int s = 0; s < n; s++) {
        draft->steps[s].n_stages = elements[s].n;
        draft->steps[s].stages = elements[s].stages;
        draft->nodes[s] = elements[s].nodes;
    }
    if (!stages_differ(r, draft))
        return;
    for (int i = 0; i < r->n_chains; i++)
        if (drafts_equal(r->chains[i], draft)) {
            pare_problem_add(r->problems, where, "%s holds the same pipeline as %s; remove one",
                             place, r->chains[i]->place);
            return;
        }
    if (r->n_chains == MAX_CHAINS) {
        pare_problem_add(r->problems, where, "%s: more than %d pipelines", place, MAX_CHAINS);
        return;
    }
    r->chains[r->n_chains++] = draft;
}

/* All orders of elements[first .. first+n), in the order of the file. */
static void add_orders(struct space_reader *r, const char *place, const struct pare_yaml *where,
                       struct element *elements, int n_all, int first, int n)
{
    if (n <= 1) {
        add_chain(r, place, where, elements, n_all);
        return;
    }
    for (int i = 0; i < n; i++) {
        struct element chosen = elements[first + i];

        memmove(elements + first + 1, elements + first, (size_t)i * sizeof *elements);
        elements[first] = chosen;
        add_orders(r, place, where, elements, n_all, first + 1, n - 1);
        memmove(elements + first, elements + first + 1, (size_t)i * sizeof *elements);
        elements[first + i] = chosen;
    }
}

/* {first: [...], any_order: [...], then: [...]}, or joint: in the place of any_order. */
static void read_map(struct space_reader *r, const char *place, const struct pare_yaml *map)
{
    static const char *const keys[] = {"first", "any_order", "joint", "then"};
    const struct pare_yaml *first = pare_yaml_get(map, "first"),
                           *any = pare_yaml_get(map, "any_order"),
                           *joint = pare_yaml_get(map, "joint"), *then = pare_yaml_get(map, "then");
    struct element elements[MAX_STEPS];
    int n = 0, any_at, n_any;
    bool good = true;

    for (int i = 0; i < map->n; i++) {
        const char *key = map->keys[i]->text;
        bool known = false;

        for (int k = 0; k < 4; k++)
            known |= strcmp(keys[k], key) == 0;
        if (!known) {
            pare_problem_add(r->problems, map->keys[i],
                             "%s: a pipeline has no '%s'%s; it is a list of stages, or a map of "
                             "first, any_order, joint, then",
                             place, key, pare_space_hint(r, key, keys, 4));
            good = false;
        }
    }
    if (any && joint) {
        pare_problem_add(
            r->problems, map,
            "%s: any_order and joint side by side have no order; write {joint: [...]} as "
            "an entry of one of the lists",
            place);
        good = false;
    }
    if (first)
        good &= read_elements(r, first, elements, &n);
    any_at = n;
    if (any)
        good &= read_elements(r, any, elements, &n);
    n_any = n - any_at;
    if (joint && n < MAX_STEPS) {
        if (read_joint(r, joint, &elements[n]))
            n++;
        else
            good = false;
    }
    if (then)
        good &= read_elements(r, then, elements, &n);
    if (n_any > MAX_ANY_ORDER) {
        pare_problem_add(r->problems, any,
                         "%s: any_order of more than %d stages is too many orders", place,
                         MAX_ANY_ORDER);
        good = false;
    }
    if (good && n == 0)
        pare_problem_add(r->problems, map, "%s: no stages; write a list such as [prune, quant]",
                         place);
    else if (good)
        add_orders(r, place, map, elements, n, any_at, n_any);
}

void pare_chains_read(struct space_reader *r, const struct pare_yaml *pipelines)
{
    if (pipelines->kind != PARE_YAML_LIST || pipelines->n == 0) {
        pare_problem_add(r->problems, pipelines,
                         "pipelines: a list of pipelines must stand here, such as "
                         "[[prune, quant], [kd, quant]]");
        return;
    }
    for (int i = 0; i < pipelines->n; i++) {
        const struct pare_yaml *node = pipelines->items[i];
        const char *place = pare_arena_printf(r->arena, "pipelines[%d]", i);
        struct element elements[MAX_STEPS];
        int n = 0;

        if (node->kind == PARE_YAML_MAP)
            read_map(r, place, node);
        else if (node->kind != PARE_YAML_LIST)
            pare_problem_add(r->problems, node,
                             "%s: a list of stages must stand here, such as [prune, quant]", place);
        else if (read_elements(r, node, elements, &n))
            add_chain(r, place, node, elements, n);
    }
}

void pare_chains_short(struct space_reader *r, const struct pare_yaml *pipeline)
{
    struct element elements[MAX_STEPS];

    for (int i = 0; i < r->n_stages; i++) {
        elements[i].n = 1;
        elements[i].stages = PARE_ARENA_NEW(r->arena, int, 1);
        elements[i].stages[0] = i;
        elements[i].nodes = PARE_ARENA_NEW(r->arena, const struct pare_yaml *, 1);
        elements[i].nodes[0] = r->stage_nodes[i];
        r->is_used[i] = true;
    }
    if (r->n_stages > 0)
        add_chain(r, "pipeline", pipeline, elements, r->n_stages);
}
