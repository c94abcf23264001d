/* The samplers built in: grid, random, sobol. */
#ifndef PARE_SEARCH_SAMPLERS_H
#define PARE_SEARCH_SAMPLERS_H

#include <pare/sampler.h>

/* "grid" walks a one-dimensional space of all points (pare_space_point); the others see the flat
 * dimensions. */
extern const struct pare_sampler pare_sampler_grid, pare_sampler_random, pare_sampler_sobol;
const struct pare_sampler *pare_sampler_find(const char *name); /* or NULL */
extern const char *const pare_sampler_names[];                  /* NULL-terminated */

/* Fronts: objectives all minimised, n points of k each, row-major.  on_front[i] = 1 when no other point dominates it. */
void pare_front_find(const double *points, int n, int k, unsigned char *on_front);
/* Volume between the front and the reference point (k <= 4). */
double pare_hypervolume(const double *points, int n, int k, const double *reference);
#endif
