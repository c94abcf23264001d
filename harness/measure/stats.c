#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define Z_95 1.959963984540054 /* two-sided 95 % of the normal distribution */

struct pare_interval pare_wilson(int64_t k, int64_t n)
{
    double p, center, half, shrink;

    if (n <= 0)
        return (struct pare_interval){NAN, 0, 1};
    p = (double)k / (double)n;
    shrink = 1 + Z_95 * Z_95 / (double)n;
    center = (p + Z_95 * Z_95 / (2 * (double)n)) / shrink;
    half =
        Z_95 / shrink * sqrt(p * (1 - p) / (double)n + Z_95 * Z_95 / (4 * (double)n * (double)n));
    /* At the ends the formula gives 0 and 1 but for rounding. */
    return (struct pare_interval){p, k == 0 ? 0 : center - half, k == n ? 1 : center + half};
}

static double log_binomial(int64_t n, int64_t k)
{
    return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

double pare_mcnemar_p(int64_t b, int64_t c)
{
    int64_t n = b + c, fewer = b < c ? b : c;
    double p = 0;

    for (int64_t k = 0; k <= fewer; k++)
        p += exp(log_binomial(n, k) - (double)n * M_LN2);
    p *= 2;
    return p < 1 ? p : 1; /* b == c counts the middle term twice */
}

static bool bit(const uint8_t *bits, int64_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

void pare_paired_counts(const uint8_t *a, const uint8_t *b, int64_t n, int64_t *only_a,
                        int64_t *only_b)
{
    *only_a = *only_b = 0;
    for (int64_t i = 0; i < n; i++) {
        *only_a += bit(a, i) && !bit(b, i);
        *only_b += bit(b, i) && !bit(a, i);
    }
}

/* Newcombe's method 10: the Wilson limits of both proportions, joined with the correlation phi
 * (whose numerator carries the continuity correction n/2). */
struct pare_interval pare_paired_difference(const uint8_t *a, const uint8_t *b, int64_t n)
{
    int64_t only_a, only_b, both = 0, neither;
    struct pare_interval wa, wb;
    double ad_bc, product, phi, difference, lower_a, upper_a, lower_b, upper_b;

    if (n <= 0)
        return (struct pare_interval){NAN, -1, 1};
    pare_paired_counts(a, b, n, &only_a, &only_b);
    for (int64_t i = 0; i < n; i++)
        both += bit(a, i) && bit(b, i);
    neither = n - both - only_a - only_b;
    wa = pare_wilson(both + only_a, n);
    wb = pare_wilson(both + only_b, n);

    ad_bc = (double)both * (double)neither - (double)only_a * (double)only_b;
    if (ad_bc > 0)
        ad_bc = fmax(ad_bc - (double)n / 2, 0);
    product = (double)(both + only_a) * (double)(only_b + neither) * (double)(both + only_b) *
              (double)(only_a + neither);
    phi = product > 0 ? ad_bc / sqrt(product) : 0;

    difference = (double)(only_a - only_b) / (double)n;
    lower_a = wa.value - wa.low;
    upper_a = wa.high - wa.value;
    lower_b = wb.value - wb.low;
    upper_b = wb.high - wb.value;
    return (struct pare_interval){
        difference,
        difference -
            sqrt(fmax(0, lower_a * lower_a - 2 * phi * lower_a * upper_b + upper_b * upper_b)),
        difference +
            sqrt(fmax(0, upper_a * upper_a - 2 * phi * upper_a * lower_b + lower_b * lower_b)),
    };
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double *sorted_copy(const double *samples, int64_t n)
{
    double *copy = pare_xcalloc((size_t)n, sizeof *copy);

    memcpy(copy, samples, (size_t)n * sizeof *copy);
    qsort(copy, (size_t)n, sizeof *copy, by_value);
    return copy;
}

/* Linear between order statistics (Hyndman and Fan's type 7). */
static double quantile_of_sorted(const double *sorted, int64_t n, double q)
{
    double position = q * (double)(n - 1);
    int64_t i = (int64_t)position;

    if (i >= n - 1)
        return sorted[n - 1];
    return sorted[i] + (position - (double)i) * (sorted[i + 1] - sorted[i]);
}

struct pare_interval pare_quantile(const double *samples, int64_t n, double q)
{
    struct pare_interval out = {NAN, NAN, NAN};
    int64_t low = 0, high = n - 1; /* 0-based ranks */
    double *sorted, below = 0;
    bool has_high = false;

    if (n <= 0)
        return out;
    sorted = sorted_copy(samples, n);
    /* K of the n samples lie below the quantile, K binomial: sorted[i] is above it with probability
     * P(K <= i), and sorted[i] below it with probability 1 - P(K <= i). */
    for (int64_t k = 0; k < n && !has_high; k++) {
        double log_term =
            q > 0 && q < 1 ? log_binomial(n, k) + (double)k * log(q) + (double)(n - k) * log1p(-q)
                           : -INFINITY;

        below += exp(log_term);
        if (below <= 0.025)
            low = k;
        if (below >= 0.975) {
            high = k;
            has_high = true;
        }
    }
    out = (struct pare_interval){quantile_of_sorted(sorted, n, q), sorted[low], sorted[high]};
    /* Ranks round outwards, but with few samples the interpolated value may still stand outside. */
    out.low = fmin(out.low, out.value);
    out.high = fmax(out.high, out.value);
    free(sorted);
    return out;
}

double pare_median(const double *samples, int64_t n)
{
    double *sorted, median;

    if (n <= 0)
        return NAN;
    sorted = sorted_copy(samples, n);
    median = quantile_of_sorted(sorted, n, 0.5);
    free(sorted);
    return median;
}

/* Autocovariance at lag k over that at lag 0, of a series with mean 0. */
static double autocorrelation(const double *x, int64_t n, int64_t k, double c0)
{
    double c = 0;

    for (int64_t i = 0; i + k < n; i++)
        c += x[i] * x[i + k];
    return c / c0;
}

static double integrated_time(const double *x, int64_t n, double c0)
{
    double sum = 0, first = 0, tau;

    for (int64_t k = 1; k < n / 3; k++) {
        /* The sample mean was taken off, which lowers each by about 1/n. */
        double r = autocorrelation(x, n, k, c0) + 1 / (double)n;

        if (k == 1)
            first = r;
        if (r <= 0)
            break;
        sum += r;
        if ((double)k >= 6 * (1 + 2 * sum)) /* the rest is noise */
            break;
    }
    tau = 1 + 2 * sum;
    if (first > 0) {
        /* A short series cuts the sum off early.  A first-order Gaussian process with correlation
         * rho has indicators with 2/pi asin(rho^k), which sum to about ln 2 rho / (1 - rho). */
        first = fmin(first + (1 + 4 * first) / (double)n, 1);
        first = fmin(sin(M_PI / 2 * first), 0.99);
        tau = fmax(tau, 1 + 2 * M_LN2 * first / (1 - first));
    }
    return tau;
}

static double n_effective_about(const double *series, int64_t n, double threshold)
{
    double *x, mean = 0, c0 = 0, tau = 1;

    if (n < 4)
        return (double)n;
    x = pare_xcalloc((size_t)n, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = series[i] > threshold ? 1 : series[i] < threshold ? 0 : 0.5;
        mean += x[i]; /* halves add up exactly, so a constant series gives exactly 0 below */
    }
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        x[i] -= mean;
        c0 += x[i] * x[i];
    }
    if (c0 > 0)
        tau = integrated_time(x, n, c0);
    free(x);
    return (double)n / tau;
}

double pare_series_n_effective(const double *series, int64_t n, double q)
{
    double *sorted, threshold;

    if (n <= 0)
        return 0;
    sorted = sorted_copy(series, n);
    threshold = quantile_of_sorted(sorted, n, q);
    free(sorted);
    return n_effective_about(series, n, threshold);
}

double pare_student_t(double z, double freedom)
{
    double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;

    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom * freedom * freedom);
}

struct pare_interval pare_series_quantile(const double *series, int64_t n, double q, double z)
{
    struct pare_interval out = {NAN, NAN, NAN};
    double *sorted, n_effective, spread, low, high;

    if (n <= 0)
        return out;
    sorted = sorted_copy(series, n);
    out.value = quantile_of_sorted(sorted, n, q);
    n_effective = fmax(n_effective_about(series, n, out.value), 2);
    spread = pare_student_t(z, n_effective - 1) * sqrt(q * (1 - q) / n_effective);
    low = floor((q - spread) * (double)n) - 1;
    high = ceil((q + spread) * (double)n);
    out.low = sorted[low < 0 ? 0 : (int64_t)low];
    out.high = sorted[high > (double)(n - 1) ? n - 1 : (int64_t)high];
    free(sorted);
    return out;
}
