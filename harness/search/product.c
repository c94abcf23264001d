#include "search/product.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

int64_t pare_product_n(const struct pare_sampler_space *space)
{
    int64_t n = 1;

    for (int d = 0; d < space->n_dims; d++)
        if (__builtin_mul_overflow(n, space->n_values[d], &n))
            return INT64_MAX;
    return n;
}

void pare_product_point(const struct pare_sampler_space *space, int64_t i, int64_t *point)
{
    for (int d = space->n_dims - 1; d >= 0; d--) {
        point[d] = i % space->n_values[d];
        i /= space->n_values[d];
    }
}

void pare_product_copy(struct pare_sampler_space *out, const struct pare_sampler_space *space)
{
    size_t n = (size_t)space->n_dims;
    int64_t *n_values = pare_xcalloc(n + 1, sizeof *n_values);
    bool *is_ordered = pare_xcalloc(n + 1, sizeof *is_ordered);

    if (n)
        memcpy(n_values, space->n_values, n * sizeof *n_values);
    if (n && space->is_ordered)
        memcpy(is_ordered, space->is_ordered, n * sizeof *is_ordered);
    *out = (struct pare_sampler_space){space->n_dims, n_values, is_ordered};
}

void pare_product_clear(struct pare_sampler_space *space)
{
    free((void *)space->n_values);
    free((void *)space->is_ordered);
}

static uint64_t finalise(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t pare_mix(uint64_t seed, uint64_t k, uint64_t d)
{
    return finalise(finalise(finalise(seed) ^ k) ^ d);
}
