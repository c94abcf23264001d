/* Seeded random numbers: the same seed and stream give the same numbers on every machine.
 * Source: O'Neill, PCG-XSH-RR 64/32, HMC-CS-2014-0905. */
#ifndef PARE_RNG_H
#define PARE_RNG_H

#include <stdint.h>

struct pare_rng {
    uint64_t state, inc;
    double spare_normal; /* second value of the last Box-Muller pair */
    int has_spare;
};

/* Different streams of one seed are independent. */
void pare_rng_init(struct pare_rng *rng, uint64_t seed, uint64_t stream);
uint32_t pare_rng_u32(struct pare_rng *rng);
uint64_t pare_rng_u64(struct pare_rng *rng);
double pare_rng_uniform(struct pare_rng *rng);           /* [0, 1) */
int64_t pare_rng_below(struct pare_rng *rng, int64_t n); /* [0, n), unbiased; n > 0 */
double pare_rng_normal(struct pare_rng *rng);            /* mean 0, deviation 1 */
void pare_rng_shuffle(struct pare_rng *rng, int64_t *items, int64_t n);

#endif
