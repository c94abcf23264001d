#include "search/samplers.h"

#include <string.h>

const char *const pare_sampler_names[] = {"grid", "random", "sobol", NULL};

const struct pare_sampler *pare_sampler_find(const char *name)
{
    const struct pare_sampler *const all[] = {&pare_sampler_grid, &pare_sampler_random,
                                              &pare_sampler_sobol};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
