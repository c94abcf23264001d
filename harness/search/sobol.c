/* sobol: points that fill the space evenly, from the first ones on.
 *
 * Sobol' sequence with a digital shift drawn by the seed; coordinate u of dimension d becomes the
 * value floor(u n).  Cells that were already given are skipped, so every answer is new.  Dimensions
 * beyond the table are filled with seeded random numbers (padding: the first ones stay even). */
#include <stdlib.h>
#include <string.h>

#include <pare/method.h>

#include "base/arena.h"
#include "search/product.h"
#include "search/samplers.h"

enum { N_TABLED = 37, BITS = 32, MAX_DEGREE = 7 };

/* Primitive polynomials over GF(2) (degree, inner coefficients) and initial direction numbers of
 * dimensions 2, 3, ...; source: Joe and Kuo, SIAM J. Sci. Comput. 30 (2008), table D(6). */
static const struct {
    unsigned char degree, coefficients, m[MAX_DEGREE];
} directions[N_TABLED - 1] = {
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
    {7, 7, {1, 1, 3, 13, 7, 35, 63}},
    {7, 8, {1, 3, 5, 9, 1, 25, 53}},
    {7, 14, {1, 3, 1, 13, 9, 35, 107}},
    {7, 19, {1, 3, 1, 5, 27, 61, 31}},
    {7, 21, {1, 1, 5, 11, 19, 41, 61}},
    {7, 28, {1, 3, 5, 3, 3, 13, 69}},
    {7, 31, {1, 1, 7, 13, 1, 19, 1}},
    {7, 32, {1, 3, 7, 5, 13, 19, 59}},
    {7, 37, {1, 1, 3, 9, 25, 29, 41}},
    {7, 41, {1, 3, 5, 13, 23, 1, 55}},
    {7, 42, {1, 3, 7, 3, 13, 59, 17}},
    {7, 50, {1, 3, 1, 3, 5, 53, 69}},
    {7, 55, {1, 1, 5, 5, 23, 33, 13}},
    {7, 56, {1, 1, 7, 7, 1, 61, 123}},
    {7, 59, {1, 1, 7, 9, 13, 61, 49}},
    {7, 62, {1, 3, 3, 5, 3, 55, 33}},
};

struct sobol {
    struct pare_sampler_space space;
    uint64_t seed;
    int64_t next, n; /* index in the sequence; cells of the space */
    int64_t n_given;
    uint32_t v[N_TABLED][BITS];
    /* Cells that were given: open addressing, keys are points. */
    int64_t n_slots;
    int64_t *points; /* [n_slots][n_dims] */
    bool *is_taken;
};

/* Bratley and Fox 1988: v_k = a_1 v_{k-1} ^ ... ^ a_{s-1} v_{k-s+1} ^ v_{k-s} ^ (v_{k-s} >> s). */
static void expand(uint32_t *v, int dim)
{
    int s;

    if (dim == 0) {
        for (int k = 0; k < BITS; k++)
            v[k] = UINT32_C(1) << (BITS - 1 - k);
        return;
    }
    s = directions[dim - 1].degree;
    for (int k = 0; k < BITS; k++) {
        if (k < s) {
            v[k] = (uint32_t)directions[dim - 1].m[k] << (BITS - 1 - k);
            continue;
        }
        v[k] = v[k - s] ^ (v[k - s] >> s);
        for (int j = 1; j < s; j++)
            if (directions[dim - 1].coefficients >> (s - 1 - j) & 1)
                v[k] ^= v[k - j];
    }
}

static pare_status open(void **state, const void *options, const struct pare_sampler_space *space,
                        int n_objectives, uint64_t seed, struct pare_error *err)
{
    struct sobol *s = pare_xcalloc(1, sizeof *s);

    (void)options, (void)n_objectives, (void)err;
    pare_product_copy(&s->space, space);
    s->seed = seed;
    s->n = pare_product_n(space);
    for (int d = 0; d < N_TABLED; d++)
        expand(s->v[d], d);
    *state = s;
    return PARE_OK;
}

/* ---- Cells that were given ---- */

static int64_t slot_of(const struct sobol *s, const int64_t *points, const bool *is_taken,
                       int64_t n_slots, const int64_t *point)
{
    size_t n_bytes = (size_t)s->space.n_dims * sizeof *point;
    uint64_t hash = 0;
    int64_t i;

    for (int d = 0; d < s->space.n_dims; d++)
        hash = pare_mix(hash, (uint64_t)point[d], 0);
    i = (int64_t)(hash & (uint64_t)(n_slots - 1));
    while (is_taken[i] && memcmp(points + i * s->space.n_dims, point, n_bytes) != 0)
        i = (i + 1) & (n_slots - 1);
    return i;
}

static void grow(struct sobol *s)
{
    int64_t n_slots = s->n_slots ? 2 * s->n_slots : 256;
    int64_t *points = pare_xcalloc((size_t)n_slots, (size_t)(s->space.n_dims + 1) * sizeof *points);
    bool *is_taken = pare_xcalloc((size_t)n_slots, sizeof *is_taken);

    for (int64_t i = 0; i < s->n_slots; i++)
        if (s->is_taken[i]) {
            const int64_t *point = s->points + i * s->space.n_dims;
            int64_t k = slot_of(s, points, is_taken, n_slots, point);

            memcpy(points + k * s->space.n_dims, point, (size_t)s->space.n_dims * sizeof *point);
            is_taken[k] = true;
        }
    free(s->points);
    free(s->is_taken);
    s->points = points;
    s->is_taken = is_taken;
    s->n_slots = n_slots;
}

/* false: it was given before. */
static bool take_cell(struct sobol *s, const int64_t *point)
{
    int64_t i;

    if (2 * s->n_given >= s->n_slots)
        grow(s);
    i = slot_of(s, s->points, s->is_taken, s->n_slots, point);
    if (s->is_taken[i])
        return false;
    s->is_taken[i] = true;
    memcpy(s->points + i * s->space.n_dims, point, (size_t)s->space.n_dims * sizeof *point);
    s->n_given++;
    return true;
}

/* ---- The sequence ---- */

static uint32_t coordinate(const struct sobol *s, int64_t k, int d)
{
    uint32_t x = (uint32_t)(pare_mix(s->seed, UINT64_C(0x736f626f6c), (uint64_t)d) >> 32);

    if (d >= N_TABLED)
        return (uint32_t)(pare_mix(s->seed, (uint64_t)k, (uint64_t)d) >> 32);
    for (int bit = 0; k; bit++, k >>= 1)
        if (k & 1)
            x ^= s->v[d][bit];
    return x;
}

static bool ask(void *state, int64_t *point)
{
    struct sobol *s = state;

    while (s->n_given < s->n && s->next < INT64_C(1) << BITS) {
        int64_t k = s->next++;

        for (int d = 0; d < s->space.n_dims; d++) {
            double u = coordinate(s, k, d) * 0x1p-32;

            point[d] = (int64_t)(u * (double)s->space.n_values[d]);
        }
        if (take_cell(s, point))
            return true;
    }
    return false;
}

static void tell(void *state, const int64_t *point, const double *objectives)
{
    (void)state, (void)point, (void)objectives;
}

static void close(void *state)
{
    struct sobol *s = state;

    pare_product_clear(&s->space);
    free(s->points);
    free(s->is_taken);
    free(s);
}

static const struct pare_option no_options[] = {PARE_OPT_END};

const struct pare_sampler pare_sampler_sobol = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "sobol",
    .summary = "points that fill the space evenly, shifted by the seed",
    .source = "Sobol' 1967; direction numbers: Joe and Kuo, SIAM J. Sci. Comput. 2008",
    .options = no_options,
    .options_bytes = 1,
    .open = open,
    .ask = ask,
    .tell = tell,
    .close = close,
};
