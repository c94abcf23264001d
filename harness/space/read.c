/* Stages of a sweep file: names, methods, options; then pipelines and the contracts. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "option/schema.h"
#include "space/inner.h"

const char *pare_space_hint(struct space_reader *r, const char *word, const char *const *names,
                            int n)
{
    const char *nearest = pare_text_nearest(word, names, n);

    return nearest ? pare_arena_printf(r->arena, "; did you mean '%s'?", nearest) : "";
}

/* ---- Names and methods ---- */

static bool name_is_good(struct space_reader *r, const struct pare_yaml *node)
{
    static const char *const taken[] = {"baseline", "and", "or", "not"};
    const char *s = node->text;
    bool good = isalpha((unsigned char)*s) || *s == '_';

    for (; good && *s; s++)
        good = isalnum((unsigned char)*s) || *s == '_' || *s == '-';
    if (!good)
        pare_problem_add(r->problems, node,
                         "'%s' cannot name a stage; use letters, digits, '_' and '-'", node->text);
    for (size_t i = 0; good && i < sizeof taken / sizeof taken[0]; i++)
        if (strcmp(taken[i], node->text) == 0) {
            pare_problem_add(
                r->problems, node,
                "'%s' has a meaning of its own in constraints; call the stage something "
                "else",
                node->text);
            good = false;
        }
    return good;
}

static const struct pare_method *read_method(struct space_reader *r, const struct pare_yaml *node)
{
    const struct pare_method *method;

    if (node->kind != PARE_YAML_SCALAR) {
        pare_problem_add(r->problems, node, "method: a method's name must stand here");
        return NULL;
    }
    method = r->find_method(r->state, node->text);
    if (!method)
        pare_problem_add(r->problems, node,
                         "method: there is no '%s'%s ('pare methods' lists them)", node->text,
                         pare_space_hint(r, node->text, r->method_names, r->n_method_names));
    else if (!method->apply && !method->attach) {
        pare_problem_add(r->problems, node, "method: %s neither changes a network nor trains one",
                         method->name);
        return NULL;
    }
    return method;
}

/* `method:` of one stage: a name or a list of names. */
static void read_methods(struct space_reader *r, struct pare_stage *stage,
                         const struct pare_yaml *map)
{
    const struct pare_yaml *node = pare_yaml_get(map, "method");
    struct pare_stage_method *methods;
    int n;

    if (!node) {
        pare_problem_add(r->problems, map,
                         "stage '%s' has no method; write method: NAME "
                         "('pare methods' lists them)",
                         stage->name);
        return;
    }
    n = node->kind == PARE_YAML_LIST ? node->n : 1;
    methods = PARE_ARENA_NEW(r->arena, struct pare_stage_method, n ? n : 1);
    for (int i = 0; i < n; i++) {
        const struct pare_yaml *item = node->kind == PARE_YAML_LIST ? node->items[i] : node;
        const struct pare_method *method = read_method(r, item);
        bool twice = false;

        for (int k = 0; method && k < stage->n_methods; k++)
            twice |= methods[k].method == method;
        if (twice)
            pare_problem_add(r->problems, item, "method: %s stands twice in the list; remove one",
                             method->name);
        else if (method)
            methods[stage->n_methods++].method = method;
    }
    if (n == 0)
        pare_problem_add(r->problems, node, "method: at least one method's name must stand here");
    stage->methods = methods;
}

static void add_stage(struct space_reader *r, const char *name, const struct pare_yaml *where,
                      const struct pare_yaml *map)
{
    struct pare_stage *stage = &r->stages[r->n_stages];

    if (r->n_stages == MAX_STAGES) {
        pare_problem_add(r->problems, where, "more than %d stages", MAX_STAGES);
        return;
    }
    *stage = (struct pare_stage){.name = name,
                                 .line = where->line,
                                 .column = where->column,
                                 .flat_method = -1};
    r->stage_nodes[r->n_stages++] = map;
    if (map->kind != PARE_YAML_MAP)
        pare_problem_add(r->problems, map,
                         "stage '%s': a map such as {method: prune.magnitude, sparsity: 0.5} must "
                         "stand here",
                         name);
    else
        read_methods(r, stage, map);
}

static void read_stages(struct space_reader *r, const struct pare_yaml *stages)
{
    if (stages->kind != PARE_YAML_MAP || stages->n == 0) {
        pare_problem_add(r->problems, stages,
                         "stages: a map of stages must stand here, such as "
                         "{prune: {method: prune.magnitude, sparsity: 0.5}}");
        return;
    }
    for (int i = 0; i < stages->n; i++) {
        name_is_good(r, stages->keys[i]);
        add_stage(r, pare_arena_strdup(r->arena, stages->keys[i]->text), stages->keys[i],
                  stages->items[i]);
    }
}

/* "prune" of prune.magnitude; then "prune2". */
static const char *short_name(struct space_reader *r, const struct pare_yaml *map)
{
    const struct pare_yaml *node = pare_yaml_get(map, "method");
    const char *name, *family = "stage";
    int n_taken = 1;

    if (node && node->kind == PARE_YAML_LIST && node->n > 0)
        node = node->items[0];
    if (node && node->kind == PARE_YAML_SCALAR && node->text[0])
        family = pare_arena_printf(r->arena, "%.*s", (int)strcspn(node->text, "."), node->text);
    name = family;
    for (int i = 0; i < r->n_stages; i++)
        if (strcmp(r->stages[i].name, name) == 0) {
            name = pare_arena_printf(r->arena, "%s%d", family, ++n_taken);
            i = -1;
        }
    return name;
}

static void read_short(struct space_reader *r, const struct pare_yaml *pipeline)
{
    if (pipeline->kind != PARE_YAML_LIST || pipeline->n == 0) {
        pare_problem_add(r->problems, pipeline,
                         "pipeline: a list of stages must stand here, such as "
                         "[{method: prune.magnitude, sparsity: 0.5}]");
        return;
    }
    for (int i = 0; i < pipeline->n; i++) {
        const struct pare_yaml *map = pipeline->items[i], *name = NULL;

        if (map->kind == PARE_YAML_MAP && pare_yaml_get(map, "joint")) {
            pare_problem_add(r->problems, map,
                             "pipeline: a joint group needs named stages; write stages: and "
                             "pipelines: in place of pipeline:");
            continue;
        }
        if (map->kind == PARE_YAML_MAP)
            name = pare_yaml_get(map, "name");
        if (name && (name->kind != PARE_YAML_SCALAR || !name_is_good(r, name)))
            name = NULL;
        for (int k = 0; name && k < r->n_stages; k++)
            if (strcmp(r->stages[k].name, name->text) == 0) {
                pare_problem_add(r->problems, name, "name: '%s' is taken by an earlier stage",
                                 name->text);
                name = NULL;
            }
        add_stage(r,
                  name                         ? pare_arena_strdup(r->arena, name->text)
                  : map->kind == PARE_YAML_MAP ? short_name(r, map)
                                               : "stage",
                  map, map);
    }
}

/* ---- Options ---- */

static bool may_train(const struct space_reader *r, int stage, const struct pare_method *method)
{
    return !method->apply || r->in_joint[stage];
}

static bool is_own_key(const char *key, bool is_short)
{
    return strcmp(key, "method") == 0 || (is_short && strcmp(key, "name") == 0);
}

/* A key that no method of the stage has. */
static void unknown_option(struct space_reader *r, int stage, const struct pare_yaml *key)
{
    const struct pare_stage *s = &r->stages[stage];
    const char *names[256];
    struct pare_text methods = {0};
    bool trains = false;
    int n = 0;

    for (int m = 0; m < s->n_methods; m++) {
        const struct pare_method *method = s->methods[m].method;

        pare_text_printf(&methods, "%s%s", m ? ", " : "", method->name);
        for (const struct pare_option *row = method->options; row && row->name && n < 255; row++)
            names[n++] = row->name;
        trains |= may_train(r, stage, method);
    }
    if (!trains && pare_option_find(pare_recipe_options, key->text))
        pare_problem_add(r->problems, key,
                         "'%s' is an option of training, and %s does not train here; give it to a "
                         "stage that does (method: train.finetune)",
                         key->text, methods.s);
    else {
        for (const struct pare_option *row = pare_recipe_options; trains && row->name && n < 255;
             row++)
            names[n++] = row->name;
        names[n++] = "method";
        pare_problem_add(r->problems, key, "%s has no option '%s'%s ('pare help %s' lists them)",
                         methods.s, key->text, pare_space_hint(r, key->text, names, n),
                         s->methods[0].method->name);
    }
    pare_text_clear(&methods);
}

/* The rows of a method's own table that the file gives, then those of the recipe. */
static void read_options(struct space_reader *r, int stage, struct pare_stage_method *sm,
                         const struct pare_yaml *map)
{
    const struct pare_option *tables[] = {
        sm->method->options, may_train(r, stage, sm->method) ? pare_recipe_options : NULL};
    struct pare_dim *dims = PARE_ARENA_NEW(r->arena, struct pare_dim, map->n);

    for (int t = 0; t < 2; t++)
        for (const struct pare_option *row = tables[t]; row && row->name; row++) {
            const struct pare_yaml *value = pare_yaml_get(map, row->name);
            struct pare_dim *dim = &dims[sm->n_dims];

            if (t == 1 && sm->method->options && pare_option_find(sm->method->options, row->name))
                continue; /* the method's own option of that name */
            if (!value) {
                if (row->required)
                    pare_problem_add(r->problems, map, "%s needs '%s': %s", sm->method->name,
                                     row->name, row->help);
                continue;
            }
            if (!pare_dim_read(r, dim, row, value))
                continue;
            dim->is_recipe = t == 1;
            sm->n_dims++;
        }
    sm->dims = dims;
}

static const char *const *read_defaults(struct space_reader *r, const struct pare_method *method)
{
    void *options = pare_xcalloc(1, method->options_bytes ? method->options_bytes : 1);
    const char **texts;
    int n = 0;

    for (const struct pare_option *row = method->options; row && row->name; row++)
        n++;
    texts = PARE_ARENA_NEW(r->arena, const char *, n + 1);
    if (n)
        pare_options_defaults(method->options, options);
    for (int i = 0; i < n; i++) {
        struct pare_text text = {0};

        pare_option_text(&method->options[i], options, &text);
        texts[i] = pare_arena_strdup(r->arena, text.s ? text.s : "");
        pare_text_clear(&text);
    }
    free(options);
    return texts;
}

static bool some_method_has(const struct space_reader *r, int stage, const char *key)
{
    const struct pare_stage *s = &r->stages[stage];

    for (int m = 0; m < s->n_methods; m++) {
        const struct pare_method *method = s->methods[m].method;

        if (method->options && pare_option_find(method->options, key))
            return true;
        if (may_train(r, stage, method) && pare_option_find(pare_recipe_options, key))
            return true;
    }
    return false;
}

static void read_stage_options(struct space_reader *r, int stage)
{
    struct pare_stage *s = &r->stages[stage];
    const struct pare_yaml *map = r->stage_nodes[stage];
    bool is_short = pare_yaml_get(r->root, "stages") == NULL;

    if (map->kind != PARE_YAML_MAP || s->n_methods == 0)
        return;
    for (int i = 0; i < map->n; i++)
        if (!is_own_key(map->keys[i]->text, is_short) &&
            !some_method_has(r, stage, map->keys[i]->text))
            unknown_option(r, stage, map->keys[i]);
    for (int m = 0; m < s->n_methods; m++) {
        struct pare_stage_method *sm = (struct pare_stage_method *)&s->methods[m];

        sm->defaults = read_defaults(r, sm->method);
        read_options(r, stage, sm, map);
    }
}

/* ---- The flat view ---- */

static int add_flat(struct pare_space *space, int64_t *n_values, bool *ordered, int64_t n,
                    bool is_ordered)
{
    n_values[space->n_flat] = n;
    ordered[space->n_flat] = is_ordered;
    return space->n_flat++;
}

/* Methods of one stage share a dimension where they have an option of the same name. */
static void share_dim(struct space_reader *r, const struct pare_stage *stage, int m,
                      struct pare_dim *dim)
{
    for (int before = 0; before < m; before++)
        for (int d = 0; d < stage->methods[before].n_dims; d++) {
            const struct pare_dim *other = &stage->methods[before].dims[d];

            if (strcmp(other->name, dim->name) != 0)
                continue;
            if (other->n_values != dim->n_values) {
                struct pare_yaml where = {.line = stage->line, .column = stage->column};

                pare_problem_add(r->problems, &where,
                                 "stage '%s': '%s' means %d values for %s but %d for %s; give each "
                                 "method a stage of its own",
                                 stage->name, dim->name, other->n_values,
                                 stage->methods[before].method->name, dim->n_values,
                                 stage->methods[m].method->name);
            }
            dim->flat = other->flat;
            return;
        }
}

static void make_flat(struct space_reader *r)
{
    struct pare_space *space = r->space;
    int n = 1;
    int64_t *n_values;
    bool *ordered;

    for (int s = 0; s < r->n_stages; s++) {
        n++;
        for (int m = 0; m < r->stages[s].n_methods; m++)
            n += r->stages[s].methods[m].n_dims;
    }
    n_values = PARE_ARENA_NEW(r->arena, int64_t, n);
    ordered = PARE_ARENA_NEW(r->arena, bool, n);
    if (r->n_chains > 1)
        add_flat(space, n_values, ordered, r->n_chains, false);
    for (int s = 0; s < r->n_stages; s++) {
        struct pare_stage *stage = &r->stages[s];

        if (stage->n_methods > 1)
            stage->flat_method = add_flat(space, n_values, ordered, stage->n_methods, false);
        for (int m = 0; m < stage->n_methods; m++)
            for (int d = 0; d < stage->methods[m].n_dims; d++) {
                struct pare_dim *dim = (struct pare_dim *)&stage->methods[m].dims[d];

                share_dim(r, stage, m, dim);
                if (dim->flat < 0 && dim->n_values > 1)
                    dim->flat = add_flat(space, n_values, ordered, dim->n_values, dim->is_ordered);
            }
    }
    space->flat_n = n_values;
    space->flat_ordered = ordered;
}

/* ---- The whole ---- */

static const char *chain_label(struct space_reader *r, const struct chain_draft *draft)
{
    struct pare_text text = {0};
    const char *label;

    for (int s = 0; s < draft->n_steps; s++) {
        const struct pare_step *step = &draft->steps[s];

        pare_text_add(&text, s ? " > " : "");
        if (step->n_stages > 1)
            pare_text_add(&text, "joint(");
        for (int k = 0; k < step->n_stages; k++)
            pare_text_printf(&text, "%s%s", k ? ", " : "", r->stages[step->stages[k]].name);
        if (step->n_stages > 1)
            pare_text_add(&text, ")");
    }
    label = pare_arena_strdup(r->arena, text.s);
    pare_text_clear(&text);
    return label;
}

static void finish_space(struct space_reader *r)
{
    struct pare_space *space = r->space;
    struct pare_stage *stages = PARE_ARENA_NEW(r->arena, struct pare_stage, r->n_stages + 1);
    struct pare_chain *chains = PARE_ARENA_NEW(r->arena, struct pare_chain, r->n_chains + 1);

    make_flat(r);
    memcpy(stages, r->stages, (size_t)r->n_stages * sizeof *stages);
    for (int i = 0; i < r->n_chains; i++) {
        chains[i].label = chain_label(r, r->chains[i]);
        chains[i].n_steps = r->chains[i]->n_steps;
        chains[i].steps = r->chains[i]->steps;
    }
    space->n_stages = r->n_stages;
    space->stages = stages;
    space->n_chains = r->n_chains;
    space->chains = chains;
}

static void read_pipelines(struct space_reader *r)
{
    const struct pare_yaml *stages = pare_yaml_get(r->root, "stages"),
                           *pipelines = pare_yaml_get(r->root, "pipelines"),
                           *pipeline = pare_yaml_get(r->root, "pipeline");

    if (pipeline && (stages || pipelines)) {
        pare_problem_add(r->problems, pipeline,
                         "pipeline: is the short form of stages: and pipelines:; write one or the "
                         "other");
    } else if (pipeline) {
        read_short(r, pipeline);
        pare_chains_short(r, pipeline);
    } else if (stages) {
        read_stages(r, stages);
        if (pipelines)
            pare_chains_read(r, pipelines);
        else
            pare_problem_add(
                r->problems, stages,
                "pipelines: is missing: a list of pipelines, such as [[prune, quant]]");
    } else {
        pare_problem_add(r->problems, pipelines ? pipelines : r->root,
                         "%s missing; write stages: and pipelines:, or pipeline:",
                         pipelines ? "stages: is" : "stages: and pipelines: are");
    }
}

pare_status pare_space_read(struct pare_space **out, const struct pare_yaml *root,
                            const struct pare_method *(*find_method)(void *state, const char *name),
                            const char *const *method_names, int n_method_names, void *state,
                            struct pare_problems *problems)
{
    struct space_reader *r = pare_xcalloc(1, sizeof *r);
    int n_before = problems->n;
    bool good;

    r->space = pare_xcalloc(1, sizeof *r->space);
    r->arena = r->space->arena = pare_arena_new();
    r->root = root;
    r->problems = problems;
    r->find_method = find_method;
    r->method_names = method_names;
    r->n_method_names = n_method_names;
    r->state = state;
    read_pipelines(r);
    for (int s = 0; s < r->n_stages; s++) {
        read_stage_options(r, s);
        if (!r->is_used[s] && r->n_chains > 0) {
            struct pare_yaml where = {.line = r->stages[s].line, .column = r->stages[s].column};

            pare_problem_add(problems, &where,
                             "stage '%s' is in no pipeline; remove it or use it in one",
                             r->stages[s].name);
        }
    }
    for (int c = 0; c < r->n_chains; c++)
        pare_chain_check(r, r->chains[c]);
    finish_space(r);
    good = problems->n == n_before;
    *out = r->space;
    free(r);
    return good ? PARE_OK : PARE_EINVAL;
}
