#include "../support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "measure/stats.h"

/* Packs counts of (both right, only A, only B, neither) into two bit strings. */
static void make_bits(uint8_t *a, uint8_t *b, const int counts[4])
{
    int i = 0;

    memset(a, 0, 64);
    memset(b, 0, 64);
    for (int kind = 0; kind < 4; kind++)
        for (int k = 0; k < counts[kind]; k++, i++) {
            if (kind == 0 || kind == 1)
                a[i / 8] |= (uint8_t)(1 << i % 8);
            if (kind == 0 || kind == 2)
                b[i / 8] |= (uint8_t)(1 << i % 8);
        }
}

static void wilson_gives_the_published_intervals(void **state)
{
    /* Newcombe 1998 (two-sided intervals for the single proportion), table I, method 3. */
    static const struct {
        int64_t k, n;
        double low, high;
    } cases[] = {{81, 263, 0.2553, 0.3662},
                 {15, 148, 0.0624, 0.1605},
                 {0, 20, 0, 0.1611},
                 {1, 29, 0.0061, 0.1718},
                 {29, 29, 0.8830, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pare_interval w = pare_wilson(cases[i].k, cases[i].n);

        assert_true(fabs(w.low - cases[i].low) < 6e-5);
        assert_true(fabs(w.high - cases[i].high) < 6e-5);
        assert_true(w.low <= w.value && w.value <= w.high);
    }
    assert_true(isnan(pare_wilson(0, 0).value));
}

static void mcnemar_is_the_exact_binomial_test(void **state)
{
    (void)state;
    assert_true(pare_mcnemar_p(0, 0) == 1);
    assert_true(pare_mcnemar_p(7, 7) == 1);
    assert_true(fabs(pare_mcnemar_p(0, 5) - 2.0 / 32) < 1e-12);
    assert_true(fabs(pare_mcnemar_p(5, 0) - 2.0 / 32) < 1e-12);
    assert_true(fabs(pare_mcnemar_p(1, 9) - 22.0 / 1024) < 1e-12); /* 2 (1 + 10) / 2^10 */
    assert_true(fabs(pare_mcnemar_p(3, 12) - 2 * (1 + 15 + 105 + 455) / 32768.0) < 1e-12);
    assert_true(pare_mcnemar_p(100000, 101000) > 0.02); /* large counts do not overflow */
    assert_true(pare_mcnemar_p(100000, 101000) < 0.03); /* normal: z = 2.23, p = 0.0257 */
}

static void paired_counts_take_every_bit_and_no_more(void **state)
{
    uint8_t a[64], b[64];
    int64_t only_a, only_b;

    (void)state;
    make_bits(a, b, (const int[]){20, 12, 2, 16});
    a[7] = 0xff; /* beyond the 50 samples */
    pare_paired_counts(a, b, 50, &only_a, &only_b);
    assert_int_equal(only_a, 12);
    assert_int_equal(only_b, 2);
}

static void paired_differences_are_those_of_newcombe(void **state)
{
    /* Newcombe 1998 (paired data), table III, method 10: (both, only A, only B, neither). */
    static const struct {
        int counts[4];
        double low, high;
    } cases[] = {
        {{36, 12, 2, 0}, 0.0569, 0.3404},
        {{20, 12, 2, 16}, 0.0562, 0.3292},
    };
    uint8_t a[64], b[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pare_interval d;

        make_bits(a, b, cases[i].counts);
        d = pare_paired_difference(a, b, 50);
        assert_true(fabs(d.value - 0.2) < 1e-12);
        assert_true(fabs(d.low - cases[i].low) < 6e-5);
        assert_true(fabs(d.high - cases[i].high) < 6e-5);
    }
}

static void equal_networks_differ_by_nothing(void **state)
{
    uint8_t a[64], b[64];
    struct pare_interval d;

    (void)state;
    make_bits(a, b, (const int[]){40, 0, 0, 10});
    d = pare_paired_difference(a, b, 50);
    assert_true(d.value == 0 && d.low <= 0 && d.high >= 0 && d.high < 0.1);
    make_bits(a, b, (const int[]){50, 0, 0, 0});
    d = pare_paired_difference(a, b, 50);
    assert_true(d.value == 0 && d.low <= 0 && d.high >= 0);
}

static void the_median_interval_has_the_known_ranks(void **state)
{
    double x[20];
    struct pare_interval m;

    (void)state;
    for (int i = 0; i < 20; i++)
        x[i] = (i * 7 + 3) % 20 + 1; /* 1..20 in disorder */
    m = pare_quantile(x, 20, 0.5);
    assert_true(m.value == 10.5);
    assert_true(m.low == 6 && m.high == 15); /* tables of the sign test: ranks 6 and 15 */
    m = pare_quantile(x, 6, 0.5);
    assert_true(m.low == fmin(fmin(fmin(x[0], x[1]), fmin(x[2], x[3])), fmin(x[4], x[5])));
    assert_true(pare_quantile(x, 20, 0).value == 1 && pare_quantile(x, 20, 1).value == 20);
    assert_true(isnan(pare_quantile(x, 0, 0.5).value));
    assert_true(pare_median(x, 20) == 10.5 && pare_median(x, 1) == x[0]);
}

/* 2000 series each: the share of intervals that miss the truth.  Of a true 5 %, 6.5 % is three
 * deviations off. */
static double miss_rate(double q, double truth, int n, double rho, double z)
{
    double *x = malloc((size_t)n * sizeof *x);
    int n_missed = 0;

    for (int t = 0; t < 2000; t++) {
        struct pare_interval m;
        struct pare_rng rng;
        double last;

        pare_rng_init(&rng, (uint64_t)t, 11);
        last = pare_rng_normal(&rng);
        for (int i = 0; i < n; i++) {
            x[i] = last;
            last = rho * last + sqrt(1 - rho * rho) * pare_rng_normal(&rng);
        }
        m = z > 0 ? pare_series_quantile(x, n, q, z) : pare_quantile(x, n, q);
        n_missed += truth < m.low || truth > m.high;
    }
    free(x);
    return n_missed / 2000.0;
}

static void intervals_cover_the_truth_as_often_as_they_say(void **state)
{
    (void)state;
    assert_true(miss_rate(0.5, 0, 50, 0, 0) < 0.065);
    assert_true(miss_rate(0.95, 1.6448536, 100, 0, 0) < 0.065);
    assert_true(miss_rate(0.5, 0, 100, 0, 1.96) < 0.065);
    assert_true(miss_rate(0.95, 1.6448536, 150, 0, 1.96) < 0.065);
    assert_true(miss_rate(0.5, 0, 100, 0, 1.96) > 0.01); /* and are no wider than they need be */
}

static void autocorrelated_series_get_wider_intervals(void **state)
{
    (void)state;
    assert_true(miss_rate(0.5, 0, 200, 0.8, 0) > 0.3); /* what the plain interval would do */
    assert_true(miss_rate(0.5, 0, 200, 0.8, 1.96) < 0.08);
    assert_true(miss_rate(0.5, 0, 200, 0.5, 1.96) < 0.075);
}

static void a_constant_series_has_no_width(void **state)
{
    double x[100];
    struct pare_interval m;

    (void)state;
    for (int i = 0; i < 100; i++)
        x[i] = 3;
    m = pare_series_quantile(x, 100, 0.5, 1.96);
    assert_true(m.low == 3 && m.value == 3 && m.high == 3);
    assert_true(pare_series_n_effective(x, 100, 0.5) == 100);
    for (int i = 0; i < 100; i++)
        x[i] = i; /* a trend is worth few samples */
    assert_true(pare_series_n_effective(x, 100, 0.5) < 5);
    m = pare_series_quantile(x, 1, 0.5, 1.96);
    assert_true(m.value == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_gives_the_published_intervals),
        cmocka_unit_test(mcnemar_is_the_exact_binomial_test),
        cmocka_unit_test(paired_counts_take_every_bit_and_no_more),
        cmocka_unit_test(paired_differences_are_those_of_newcombe),
        cmocka_unit_test(equal_networks_differ_by_nothing),
        cmocka_unit_test(the_median_interval_has_the_known_ranks),
        cmocka_unit_test(intervals_cover_the_truth_as_often_as_they_say),
        cmocka_unit_test(autocorrelated_series_get_wider_intervals),
        cmocka_unit_test(a_constant_series_has_no_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
