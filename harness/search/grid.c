/* grid: every point once, in order. */
#include <stdlib.h>

#include <pare/method.h>

#include "base/arena.h"
#include "search/product.h"
#include "search/samplers.h"

struct grid {
    struct pare_sampler_space space;
    int64_t next, n;
};

static pare_status open(void **state, const void *options, const struct pare_sampler_space *space,
                        int n_objectives, uint64_t seed, struct pare_error *err)
{
    struct grid *grid = pare_xcalloc(1, sizeof *grid);

    (void)options, (void)n_objectives, (void)seed, (void)err;
    pare_product_copy(&grid->space, space);
    grid->n = pare_product_n(space);
    *state = grid;
    return PARE_OK;
}

static bool ask(void *state, int64_t *point)
{
    struct grid *grid = state;

    if (grid->next >= grid->n)
        return false;
    pare_product_point(&grid->space, grid->next++, point);
    return true;
}

static void tell(void *state, const int64_t *point, const double *objectives)
{
    (void)state, (void)point, (void)objectives;
}

static void close(void *state)
{
    struct grid *grid = state;

    pare_product_clear(&grid->space);
    free(grid);
}

static const struct pare_option no_options[] = {PARE_OPT_END};

const struct pare_sampler pare_sampler_grid = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "grid",
    .summary = "every point once, neighbours one after the other",
    .source = "",
    .options = no_options,
    .options_bytes = 1,
    .open = open,
    .ask = ask,
    .tell = tell,
    .close = close,
};
