/* Intervals and tests. */
#ifndef PARE_MEASURE_STATS_H
#define PARE_MEASURE_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct pare_interval {
    double value, low, high;
};
/* Wilson score interval of k successes in n, 95 %.  Source: Wilson, JASA 1927. */
struct pare_interval pare_wilson(int64_t k, int64_t n);
/* Exact McNemar test of paired correctness bits: p value; b: only A right, c: only B right. */
double pare_mcnemar_p(int64_t b, int64_t c);
/* Counts b and c from two bit strings of n samples. */
void pare_paired_counts(const uint8_t *a, const uint8_t *b, int64_t n, int64_t *only_a,
                        int64_t *only_b);
/* Accuracy difference (a - b) with a 95 % interval for paired data (Newcombe 1998, method 10). */
struct pare_interval pare_paired_difference(const uint8_t *a, const uint8_t *b, int64_t n);
/* Sample quantile q (0..1) with a distribution-free 95 % interval from order statistics.  With
 * too few samples for 95 % the extreme sample stands at that end.  Reorders nothing: copies. */
struct pare_interval pare_quantile(const double *samples, int64_t n, double q);
double pare_median(const double *samples, int64_t n);
/* Student's t at the probability where the normal has z; within 1 % from 5 degrees of freedom up for
 * z < 3.5, wide below.  Source: Abramowitz and Stegun 26.7.5. */
double pare_student_t(double z, double freedom);

/* ---- Series in time order, whose neighbours may be alike (latencies). ---- */

/* Of how many independent samples the n are worth, for the q-quantile: n over the integrated
 * autocorrelation time of the indicator "above the quantile".
 * Source: Sokal, Monte Carlo methods in statistical mechanics, 1989, sec. 3 (window); Kendall 1954
 * (the bias of the first autocorrelation). */
double pare_series_n_effective(const double *series, int64_t n, double q);
/* Quantile q with an interval at `z` deviations (1.96: 95 %), from order statistics whose ranks are
 * spread for the effective number of samples, by Student's t.  Where there are too few samples for
 * z the extreme sample stands in its place. */
struct pare_interval pare_series_quantile(const double *series, int64_t n, double q, double z);
#endif
