#include <pare/rng.h>

#include <math.h>

/* The finaliser of SplitMix64: neighbouring seeds and streams start far apart. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

void pare_rng_init(struct pare_rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (struct pare_rng){.inc = mix(stream) << 1 | 1};
    pare_rng_u32(rng);
    rng->state += mix(seed ^ mix(~stream));
    pare_rng_u32(rng);
}

uint32_t pare_rng_u32(struct pare_rng *rng)
{
    uint64_t old = rng->state;
    uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27);
    unsigned turn = (unsigned)(old >> 59);

    rng->state = old * UINT64_C(6364136223846793005) + rng->inc;
    return shifted >> turn | shifted << ((32 - turn) & 31);
}

uint64_t pare_rng_u64(struct pare_rng *rng)
{
    uint64_t high = pare_rng_u32(rng);

    return high << 32 | pare_rng_u32(rng);
}

double pare_rng_uniform(struct pare_rng *rng)
{
    return (double)(pare_rng_u64(rng) >> 11) * 0x1p-53;
}

int64_t pare_rng_below(struct pare_rng *rng, int64_t n)
{
    uint64_t range = (uint64_t)n;
    uint64_t reject = (0 - range) % range; /* 2^64 mod n: these many values would be too frequent */
    uint64_t x;

    do
        x = pare_rng_u64(rng);
    while (x < reject);
    return (int64_t)(x % range);
}

double pare_rng_normal(struct pare_rng *rng)
{
    double u, v, s, factor;

    if (rng->has_spare) {
        rng->has_spare = 0;
        return rng->spare_normal;
    }
    /* Marsaglia's polar form: no sine and cosine, whose last bits differ between C libraries. */
    do {
        u = 2 * pare_rng_uniform(rng) - 1;
        v = 2 * pare_rng_uniform(rng) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    factor = sqrt(-2 * log(s) / s);
    rng->spare_normal = v * factor;
    rng->has_spare = 1;
    return u * factor;
}

void pare_rng_shuffle(struct pare_rng *rng, int64_t *items, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = pare_rng_below(rng, i + 1);
        int64_t item = items[i];

        items[i] = items[j];
        items[j] = item;
    }
}
