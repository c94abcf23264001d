/* A space of dimensions as one range of numbers. */
#ifndef PARE_SEARCH_PRODUCT_H
#define PARE_SEARCH_PRODUCT_H

#include <stdint.h>

#include <pare/sampler.h>

/* Points of the whole space, saturating at INT64_MAX. */
int64_t pare_product_n(const struct pare_sampler_space *space);
/* Digits of i, the last dimension fastest. */
void pare_product_point(const struct pare_sampler_space *space, int64_t i, int64_t *point);
/* A private copy of the space, and its end. */
void pare_product_copy(struct pare_sampler_space *out, const struct pare_sampler_space *space);
void pare_product_clear(struct pare_sampler_space *space);
/* A well mixed word that depends on all of seed, k and d (splitmix64 finaliser). */
uint64_t pare_mix(uint64_t seed, uint64_t k, uint64_t d);

#endif
