/* Any bytes as a sweep file's stages and pipelines: the reader must answer with a space whose points
 * can all be made, or with problems that have a place.  Constraints are read and evaluated too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../support/fake_methods.h"
#include "space/constraint.h"
#include "space/space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static const char *get_option(void *state, const char *name)
{
    return pare_config_get(state, name);
}

static bool get_metric(void *state, const char *name, double *value)
{
    (void)state;
    *value = (double)strlen(name);
    return name[0] != 'e';
}

static void try_point(const struct pare_space *space, int64_t i, int64_t *flat,
                      const struct pare_constraint *constraint)
{
    struct pare_config *config;

    pare_space_point(space, i, flat);
    for (int d = 0; d < space->n_flat; d++)
        if (flat[d] < 0 || flat[d] >= space->flat_n[d])
            abort();
    config = pare_config_new(space, flat);
    if (constraint) {
        const struct pare_constraint_env env = {config, get_option, get_metric};

        pare_constraint_eval(constraint, &env);
    }
    pare_config_free(config);
}

static void try_space(const struct pare_space *space, const struct pare_constraint *constraint)
{
    int64_t n = pare_space_n_points(space);
    int64_t *flat = calloc((size_t)space->n_flat + 1, sizeof *flat);

    if (n < 1)
        abort();
    for (int64_t i = 0; i < n && i < 64; i++)
        try_point(space, i, flat, constraint);
    try_point(space, n - 1, flat, constraint);
    free(flat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    const char *names[N_FAKE_METHODS];
    struct pare_problems problems = {0};
    struct pare_constraint *constraint = NULL;
    struct pare_space *space = NULL;
    struct pare_yaml_doc *doc = NULL;
    const struct pare_yaml *root, *list;
    struct pare_error err = {0};
    pare_status st;

    if (pare_yaml_parse(&doc, (const char *)data, n_bytes, "fuzz", &err))
        return 0;
    root = pare_yaml_root(doc);
    if (root->kind == PARE_YAML_MAP) {
        list = pare_yaml_get(root, "constraints");
        if (list && list->kind == PARE_YAML_LIST && list->n > 0)
            constraint = pare_constraint_parse(list->items[0], &problems);
        st = pare_space_read(&space, root, fake_find, names, fake_names(names), NULL, &problems);
        if (!st)
            try_space(space, constraint);
        for (int i = 0; i < problems.n; i++)
            if (problems.items[i].line < 1 || problems.items[i].column < 1)
                abort();
    }
    free(pare_problems_text(&problems, "fuzz"));
    pare_problems_clear(&problems);
    pare_constraint_free(constraint);
    pare_space_free(space);
    pare_yaml_free(doc);
    return 0;
}
