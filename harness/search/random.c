/* random: every point once, in an order drawn by the seed.
 *
 * The k-th answer is the k-th value of a keyed permutation of 0 .. n-1: a Feistel network over the
 * next even number of bits, walked on until it falls inside (Black and Rogaway, CT-RSA 2002).  No
 * point comes twice, nothing is remembered, and a resumed run goes on where it stopped.  A space of
 * more than 2^62 points is drawn with replacement, dimension by dimension. */
#include <stdlib.h>

#include <pare/method.h>

#include "base/arena.h"
#include "search/product.h"
#include "search/samplers.h"

enum { ROUNDS = 8 };

struct random {
    struct pare_sampler_space space;
    uint64_t seed;
    int64_t next, n;
    int half_bits; /* 0: with replacement */
};

static pare_status open(void **state, const void *options, const struct pare_sampler_space *space,
                        int n_objectives, uint64_t seed, struct pare_error *err)
{
    struct random *r = pare_xcalloc(1, sizeof *r);

    (void)options, (void)n_objectives, (void)err;
    pare_product_copy(&r->space, space);
    r->seed = seed;
    r->n = pare_product_n(space);
    if (r->n <= INT64_C(1) << 62)
        for (r->half_bits = 1; INT64_C(1) << (2 * r->half_bits) < r->n;)
            r->half_bits++;
    *state = r;
    return PARE_OK;
}

static uint64_t permute_once(const struct random *r, uint64_t x)
{
    uint64_t mask = (UINT64_C(1) << r->half_bits) - 1;
    uint64_t left = x >> r->half_bits, right = x & mask;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t mixed = left ^ (pare_mix(r->seed, right, round) & mask);

        left = right;
        right = mixed;
    }
    return left << r->half_bits | right;
}

static bool ask(void *state, int64_t *point)
{
    struct random *r = state;
    uint64_t x = (uint64_t)r->next;

    if (r->next >= r->n)
        return false;
    r->next++;
    if (r->half_bits == 0) {
        for (int d = 0; d < r->space.n_dims; d++) {
            /* The bias of the modulus is below n / 2^64. */
            uint64_t word = pare_mix(r->seed, x, (uint64_t)d);

            point[d] = (int64_t)(word % (uint64_t)r->space.n_values[d]);
        }
        return true;
    }
    do
        x = permute_once(r, x);
    while (x >= (uint64_t)r->n);
    pare_product_point(&r->space, (int64_t)x, point);
    return true;
}

static void tell(void *state, const int64_t *point, const double *objectives)
{
    (void)state, (void)point, (void)objectives;
}

static void close(void *state)
{
    struct random *r = state;

    pare_product_clear(&r->space);
    free(r);
}

static const struct pare_option no_options[] = {PARE_OPT_END};

const struct pare_sampler pare_sampler_random = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "random",
    .summary = "every point once, in an order drawn by the seed",
    .source = "Bergstra and Bengio, JMLR 2012",
    .options = no_options,
    .options_bytes = 1,
    .open = open,
    .ask = ask,
    .tell = tell,
    .close = close,
};
