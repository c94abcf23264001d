#include "space/space.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "option/schema.h"

void pare_space_free(struct pare_space *space)
{
    if (!space)
        return;
    pare_arena_free(space->arena);
    free(space);
}

const struct pare_stage *pare_space_stage(const struct pare_space *space, const char *name)
{
    for (int i = 0; i < space->n_stages; i++)
        if (strcmp(space->stages[i].name, name) == 0)
            return &space->stages[i];
    return NULL;
}

/* ---- Counting: a chain is a number system whose digits are its stages, the last one fastest ---- */

static int64_t times(int64_t a, int64_t b)
{
    int64_t product;

    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static bool is_active(const struct pare_step *step, const struct pare_stage_method *sm,
                      const struct pare_dim *dim)
{
    return !dim->is_recipe || pare_step_trains(step, sm->method);
}

static int64_t method_points(const struct pare_step *step, const struct pare_stage_method *sm)
{
    int64_t n = 1;

    for (int d = 0; d < sm->n_dims; d++)
        if (is_active(step, sm, &sm->dims[d]))
            n = times(n, sm->dims[d].n_values);
    return n;
}

static int64_t stage_points(const struct pare_step *step, const struct pare_stage *stage)
{
    int64_t n = 0;

    for (int m = 0; m < stage->n_methods; m++)
        n = plus(n, method_points(step, &stage->methods[m]));
    return n;
}

int64_t pare_chain_n_points(const struct pare_space *space, const struct pare_chain *chain)
{
    int64_t n = 1;

    for (int s = 0; s < chain->n_steps; s++)
        for (int k = 0; k < chain->steps[s].n_stages; k++)
            n = times(n, stage_points(&chain->steps[s], &space->stages[chain->steps[s].stages[k]]));
    return n;
}

int64_t pare_space_n_points(const struct pare_space *space)
{
    int64_t n = 0;

    for (int c = 0; c < space->n_chains; c++)
        n = plus(n, pare_chain_n_points(space, &space->chains[c]));
    return n;
}

/* Writes the digit `i` of one stage: its method, then the values of that method. */
static void stage_point(const struct pare_step *step, const struct pare_stage *stage, int64_t i,
                        int64_t *flat)
{
    const struct pare_stage_method *sm;
    int m = 0;

    while (i >= method_points(step, &stage->methods[m]))
        i -= method_points(step, &stage->methods[m++]);
    sm = &stage->methods[m];
    if (stage->flat_method >= 0)
        flat[stage->flat_method] = m;
    for (int d = sm->n_dims - 1; d >= 0; d--) {
        const struct pare_dim *dim = &sm->dims[d];

        if (dim->flat < 0 || !is_active(step, sm, dim))
            continue;
        flat[dim->flat] = i % dim->n_values;
        i /= dim->n_values;
    }
}

void pare_space_point(const struct pare_space *space, int64_t i, int64_t *flat)
{
    const struct pare_chain *chain;
    int c = 0;

    assert(i >= 0 && i < pare_space_n_points(space));
    memset(flat, 0, (size_t)space->n_flat * sizeof *flat);
    while (i >= pare_chain_n_points(space, &space->chains[c]))
        i -= pare_chain_n_points(space, &space->chains[c++]);
    if (space->n_chains > 1)
        flat[0] = c;
    chain = &space->chains[c];
    for (int s = chain->n_steps - 1; s >= 0; s--)
        for (int k = chain->steps[s].n_stages - 1; k >= 0; k--) {
            const struct pare_stage *stage = &space->stages[chain->steps[s].stages[k]];
            int64_t n = stage_points(&chain->steps[s], stage);

            stage_point(&chain->steps[s], stage, i % n, flat);
            i /= n;
        }
}

/* ---- Configs ---- */

static void resolve_stage(struct pare_config *config, struct pare_config_stage *out,
                          const struct pare_step *step, const struct pare_stage *stage,
                          const int64_t *flat)
{
    int m = stage->flat_method < 0 ? 0 : (int)flat[stage->flat_method];
    const struct pare_stage_method *sm = &stage->methods[m];
    const char **names = PARE_ARENA_NEW(config->arena, const char *, sm->n_dims + 1);
    const char **values = PARE_ARENA_NEW(config->arena, const char *, sm->n_dims + 1);

    assert(m >= 0 && m < stage->n_methods);
    out->stage = stage;
    out->method = sm->method;
    for (int d = 0; d < sm->n_dims; d++) {
        const struct pare_dim *dim = &sm->dims[d];
        int64_t value = dim->flat < 0 ? 0 : flat[dim->flat];

        if (!is_active(step, sm, dim))
            continue;
        assert(value >= 0 && value < dim->n_values);
        names[out->n_options] = dim->name;
        values[out->n_options++] = dim->values[value];
    }
    out->names = names;
    out->values = values;
}

static void add_stage_text(struct pare_text *text, const struct pare_config_stage *stage)
{
    pare_text_printf(text, "%s:%s", stage->stage->name, stage->method->name);
    for (int i = 0; i < stage->n_options; i++)
        pare_text_printf(text, "%s%s=%s", i ? "," : "(", stage->names[i], stage->values[i]);
    if (stage->n_options)
        pare_text_add(text, ")");
}

static const char *canonical_text(const struct pare_config *config)
{
    struct pare_text text = {0};
    const char *copy;
    int i = 0;

    for (int s = 0; s < config->chain->n_steps; s++) {
        int n = config->chain->steps[s].n_stages;

        pare_text_add(&text, s ? " > " : "");
        pare_text_add(&text, n > 1 ? "joint(" : "");
        for (int k = 0; k < n; k++) {
            pare_text_add(&text, k ? ", " : "");
            add_stage_text(&text, &config->stages[i++]);
        }
        pare_text_add(&text, n > 1 ? ")" : "");
    }
    copy = pare_arena_strdup(config->arena, text.s);
    pare_text_clear(&text);
    return copy;
}

struct pare_config *pare_config_new(const struct pare_space *space, const int64_t *flat)
{
    struct pare_config *config = pare_xcalloc(1, sizeof *config);
    int64_t c = space->n_chains > 1 ? flat[0] : 0;
    struct pare_config_stage *stages;
    int *step_of;
    int n = 0;

    assert(c >= 0 && c < space->n_chains);
    config->arena = pare_arena_new();
    config->chain = &space->chains[c];
    for (int s = 0; s < config->chain->n_steps; s++)
        n += config->chain->steps[s].n_stages;
    stages = PARE_ARENA_NEW(config->arena, struct pare_config_stage, n);
    step_of = PARE_ARENA_NEW(config->arena, int, n);
    for (int s = 0; s < config->chain->n_steps; s++) {
        const struct pare_step *step = &config->chain->steps[s];

        for (int k = 0; k < step->n_stages; k++) {
            step_of[config->n_stages] = s;
            resolve_stage(config, &stages[config->n_stages++], step,
                          &space->stages[step->stages[k]], flat);
        }
    }
    config->stages = stages;
    config->step_of = step_of;
    config->canonical = canonical_text(config);
    return config;
}

void pare_config_free(struct pare_config *config)
{
    if (!config)
        return;
    pare_arena_free(config->arena);
    free(config);
}

static const char *default_text(const struct pare_config_stage *stage, const char *option)
{
    const struct pare_option *table = stage->method->options;
    const struct pare_option *row = table ? pare_option_find(table, option) : NULL;

    for (int m = 0; row && m < stage->stage->n_methods; m++)
        if (stage->stage->methods[m].method == stage->method)
            return stage->stage->methods[m].defaults[row - table];
    return NULL;
}

const char *pare_config_get(const struct pare_config *config, const char *stage_dot_option)
{
    size_t n = strcspn(stage_dot_option, ".");
    const char *option = stage_dot_option + n + 1;

    if (!stage_dot_option[n])
        return NULL;
    for (int i = 0; i < config->n_stages; i++) {
        const struct pare_config_stage *stage = &config->stages[i];

        if (strlen(stage->stage->name) != n ||
            strncmp(stage->stage->name, stage_dot_option, n) != 0)
            continue;
        if (strcmp(option, "method") == 0)
            return stage->method->name;
        for (int k = 0; k < stage->n_options; k++)
            if (strcmp(stage->names[k], option) == 0)
                return stage->values[k];
        return default_text(stage, option);
    }
    return NULL;
}
