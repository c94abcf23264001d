#include "../support/check.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>
#include <pare/zoo.h>

#include "measure/latency.h"

/* ---- Simulated machines: two subjects whose samples are
 *   base * ratio * exp(sigma * noise + drift * time) + spikes,
 * noise autocorrelated and of each subject's own. ---- */
struct machine {
    double base_s, ratio, sigma, rho;
    double drift_per_s; /* both subjects slow down alike */
    double spike_rate;  /* share of samples hit by a burst of up to several times their length */
    int cycle;          /* > 0: every so many samples the machine is half as fast for as many */
    int n_copies;       /* of each subject; 0: one */
    double copy_sigma;  /* by how much copies of one subject differ */
    double copy_offsets[2][16];
    struct pare_rng rng;
    double noise[2], clock_s;
    int64_t n_taken, n_of[2];
};

static struct pare_latency_sample take(void *state, int subject, int copy)
{
    struct machine *m = state;
    double *noise = &m->noise[subject], fresh = pare_rng_normal(&m->rng), s;

    *noise = m->n_of[subject]++ ? m->rho * *noise + sqrt(1 - m->rho * m->rho) * fresh : fresh;
    s = m->base_s * (subject ? m->ratio : 1) *
        exp(m->sigma * *noise + m->drift_per_s * m->clock_s + m->copy_offsets[subject][copy]);
    if (m->cycle && m->n_taken / m->cycle % 2)
        s *= 2;
    if (pare_rng_uniform(&m->rng) < m->spike_rate)
        s *= 1 - 2 * log(1 - pare_rng_uniform(&m->rng));
    m->n_taken++;
    m->clock_s += 2e-3;
    return (struct pare_latency_sample){.seconds = s, .spent_s = 2e-3};
}

static void simulate(struct machine machine, uint64_t seed, struct pare_latency_result results[2])
{
    struct pare_latency_options options;
    const int n_copies[2] = {machine.n_copies, machine.n_copies};
    struct pare_latency_source source = {take, &machine, machine.n_copies ? n_copies : NULL};
    struct pare_error err = {0};

    pare_latency_defaults(&options);
    options.seed = seed;
    options.max_s_per_subject = 0.6; /* at most 300 blocks: keeps the test short */
    pare_rng_init(&machine.rng, seed, 99);
    for (int i = 0; i < 32; i++)
        machine.copy_offsets[i / 16][i % 16] =
            machine.copy_sigma ? machine.copy_sigma * pare_rng_normal(&machine.rng) : 0;
    assert_ok(pare_latency_protocol(&source, 2, &options, results, &err), &err);
}

static double share_declared_different(struct machine machine, int n_pairs)
{
    int n = 0;

    for (int t = 0; t < n_pairs; t++) {
        struct pare_latency_result results[2];

        simulate(machine, (uint64_t)t, results);
        n += results[1].differs;
        pare_latency_clear(results, 2);
    }
    return (double)n / n_pairs;
}

static void equal_subjects_are_rarely_called_different(void **state)
{
    static const struct {
        const char *name;
        struct machine machine;
    } cases[] = {
        {"quiet", {.sigma = 0.003}},
        {"noisy", {.sigma = 0.05}},
        {"very noisy", {.sigma = 0.3}},
        {"slightly autocorrelated", {.sigma = 0.02, .rho = 0.5}},
        {"autocorrelated", {.sigma = 0.03, .rho = 0.8}},
        {"strongly autocorrelated", {.sigma = 0.02, .rho = 0.9}},
        {"strongly autocorrelated, noisy", {.sigma = 0.1, .rho = 0.9}},
        {"almost a random walk", {.sigma = 0.03, .rho = 0.97}},
        {"drifting", {.sigma = 0.02, .drift_per_s = 0.5}},
        {"drifting fast", {.sigma = 0.01, .drift_per_s = -2}},
        {"spiky", {.sigma = 0.02, .spike_rate = 0.2}},
        {"spiky and autocorrelated", {.sigma = 0.04, .rho = 0.7, .spike_rate = 0.1}},
        {"two speeds", {.sigma = 0.02, .cycle = 37}},
        {"two speeds, slow changes", {.sigma = 0.02, .rho = 0.5, .cycle = 150}},
        {"copies that differ", {.sigma = 0.01, .n_copies = 5, .copy_sigma = 0.01}},
        {"autocorrelated, in copies", {.sigma = 0.03, .rho = 0.8, .n_copies = 5}},
        {"drifting, in copies that differ",
         {.sigma = 0.02, .drift_per_s = 1, .n_copies = 5, .copy_sigma = 0.02}},
        {"copies that differ much", {.sigma = 0.02, .n_copies = 5, .copy_sigma = 0.05}},
        {"three copies", {.sigma = 0.02, .n_copies = 3, .copy_sigma = 0.02}},
        {"one copy that differs", {.sigma = 0.01, .copy_sigma = 0.01}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct machine machine = cases[i].machine;
        double share;

        machine.base_s = 1e-3;
        machine.ratio = 1;
        share = share_declared_different(machine, 2000);
        print_message("%s: %.2f %% of 2000 equal pairs called different\n", cases[i].name,
                      100 * share);
        assert_true(share <= 0.01);
    }
}

static void a_real_difference_is_found(void **state)
{
    (void)state;
    assert_true(share_declared_different(
                    (struct machine){.base_s = 1e-3, .ratio = 1.08, .sigma = 0.01}, 200) > 0.99);
    assert_true(share_declared_different((struct machine){.base_s = 1e-3,
                                                          .ratio = 1.05,
                                                          .sigma = 0.01,
                                                          .n_copies = 5,
                                                          .copy_sigma = 0.01},
                                         200) > 0.95);
    assert_true(share_declared_different((struct machine){.base_s = 1e-3,
                                                          .ratio = 1.02,
                                                          .sigma = 0.01,
                                                          .n_copies = 5,
                                                          .copy_sigma = 0.002},
                                         200) > 0.95);
    assert_true(share_declared_different((struct machine){.base_s = 1e-3,
                                                          .ratio = 0.9,
                                                          .sigma = 0.05,
                                                          .spike_rate = 0.1,
                                                          .drift_per_s = 0.5},
                                         200) > 0.99);
    assert_true(share_declared_different(
                    (struct machine){.base_s = 1e-3, .ratio = 1.2, .sigma = 0.05, .cycle = 37},
                    200) > 0.99);
    /* Half a per cent is below what two copies of one artifact differ by. */
    assert_true(share_declared_different(
                    (struct machine){.base_s = 1e-3, .ratio = 1.005, .sigma = 0.002, .n_copies = 3},
                    200) == 0);
}

static void the_ratio_interval_covers_the_truth(void **state)
{
    int n_missed = 0, n = 500;

    (void)state;
    for (int t = 0; t < n; t++) {
        struct pare_latency_result r[2];

        simulate((struct machine){.base_s = 1e-3,
                                  .ratio = 1.25,
                                  .sigma = 0.04,
                                  .rho = 0.4,
                                  .spike_rate = 0.1,
                                  .drift_per_s = 1},
                 (uint64_t)t, r);
        n_missed += r[1].ratio.low > 1.25 || r[1].ratio.high < 1.25;
        assert_true(r[0].ratio.value == 1 && !r[0].differs);
        pare_latency_clear(r, 2);
    }
    assert_true(n_missed < 0.08 * n); /* 5 % and three deviations */
}

static void a_quiet_subject_is_stable_after_few_samples(void **state)
{
    struct pare_latency_result r[2];

    (void)state;
    simulate((struct machine){.base_s = 1e-3, .ratio = 2, .sigma = 0.002}, 1, r);
    for (int i = 0; i < 2; i++) {
        assert_true(r[i].is_stable);
        assert_string_equal(r[i].cause, "");
        assert_int_equal(r[i].n_samples, 100);
        assert_true(fabs(r[i].p50_ms.value / (i + 1) - 1) < 0.002);
        assert_true(r[i].p50_ms.low <= r[i].p50_ms.value && r[i].p50_ms.value <= r[i].p50_ms.high);
        assert_true(r[i].p95_ms.value >= r[i].p50_ms.value);
        assert_true(r[i].p95_ms.high >= r[i].p95_ms.value);
    }
    pare_latency_clear(r, 2);
}

static void an_unsettled_subject_is_unstable_with_its_cause(void **state)
{
    struct pare_latency_result r[2];

    (void)state;
    simulate((struct machine){.base_s = 1e-3, .ratio = 1, .sigma = 0.02, .drift_per_s = 1}, 1, r);
    assert_false(r[1].is_stable);
    assert_non_null(strstr(r[1].cause, "drift"));
    assert_non_null(strstr(r[1].cause, "slower"));
    pare_latency_clear(r, 2);
    simulate((struct machine){.base_s = 1e-3, .ratio = 1, .sigma = 0.5}, 1, r);
    assert_false(r[1].is_stable);
    assert_non_null(strstr(r[1].cause, "wide after 0.6 s"));
    pare_latency_clear(r, 2);
}

static struct pare_latency_sample take_interrupted(void *state, int subject, int copy)
{
    struct pare_latency_sample sample = take(state, subject, copy);

    sample.is_interrupted = ((struct machine *)state)->n_taken % 4 < 2;
    return sample;
}

static struct pare_latency_sample take_slow(void *state, int subject, int copy)
{
    struct pare_latency_sample sample = take(state, subject, copy);

    sample.spent_s = 0.2;
    return sample;
}

static void interruptions_and_scarcity_are_named(void **state)
{
    struct machine machine = {.base_s = 1e-3, .ratio = 1, .sigma = 0.5};
    struct pare_latency_source source = {take_interrupted, &machine, NULL};
    struct pare_latency_options options;
    struct pare_latency_result r[2];
    struct pare_error err = {0};

    (void)state;
    pare_latency_defaults(&options);
    options.max_s_per_subject = 0.5;
    pare_rng_init(&machine.rng, 5, 0);
    assert_ok(pare_latency_protocol(&source, 2, &options, r, &err), &err);
    assert_non_null(strstr(r[1].cause, "context switches in "));
    pare_latency_clear(r, 2);

    source.take = take_slow;
    assert_ok(pare_latency_protocol(&source, 2, &options, r, &err), &err);
    assert_int_equal(r[1].n_samples, 3);
    assert_string_equal(r[1].cause, "only 3 samples in 0.6 s");
    assert_false(r[1].differs);
    pare_latency_clear(r, 2);
}

static void one_seed_gives_one_order(void **state)
{
    struct pare_latency_result a[2], b[2];

    (void)state;
    simulate((struct machine){.base_s = 1e-3, .ratio = 1, .sigma = 0.1}, 7, a);
    simulate((struct machine){.base_s = 1e-3, .ratio = 1, .sigma = 0.1}, 7, b);
    assert_int_equal(a[1].n_samples, b[1].n_samples);
    assert_memory_equal(a[1].samples_s, b[1].samples_s, (size_t)a[1].n_samples * sizeof(double));
    pare_latency_clear(a, 2);
    pare_latency_clear(b, 2);
}

/* ---- The real clock.  Ratios only: the machine may be busy. ---- */
static void spin(void *arg)
{
    volatile double x = 1;

    for (long i = 0; i < *(long *)arg; i++)
        x = x * 1.0000001 + 1e-9;
}

static void a_slower_workload_is_told_from_equal_ones(void **state)
{
    long work[] = {20000, 20000, 24000, 2000};
    struct pare_latency_call calls[4];
    struct pare_latency_options options;
    struct pare_latency_result r[4];
    struct pare_error err = {0};
    cpu_set_t before, after;

    (void)state;
    for (int i = 0; i < 4; i++)
        calls[i] = (struct pare_latency_call){spin, &work[i]};
    pare_latency_defaults(&options);
    options.max_s_per_subject = 1;
    sched_getaffinity(0, sizeof before, &before);
    assert_ok(pare_latency_measure_calls(calls, 4, &options, r, &err), &err);
    sched_getaffinity(0, sizeof after, &after);
    assert_true(CPU_EQUAL(&before, &after));
    for (int i = 0; i < 4; i++)
        print_message("%ld: %.4f ms [%.4f, %.4f], ratio %.4f [%.4f, %.4f] %s %s\n", work[i],
                      r[i].p50_ms.value, r[i].p50_ms.low, r[i].p50_ms.high, r[i].ratio.value,
                      r[i].ratio.low, r[i].ratio.high, r[i].differs ? "differs" : "", r[i].cause);
    assert_false(r[1].differs);
    assert_true(fabs(r[1].ratio.value - 1) < 0.05);
    assert_true(r[2].differs);
    assert_true(fabs(r[2].ratio.value - 1.2) < 0.05);
    assert_true(r[3].differs);
    assert_true(fabs(r[3].ratio.value - 0.1) < 0.02);
    pare_latency_clear(r, 4);
}

static void a_core_that_is_not_ours_is_refused(void **state)
{
    long work = 10;
    struct pare_latency_call call = {spin, &work};
    struct pare_latency_options options;
    struct pare_latency_result r;
    struct pare_error err = {0};

    (void)state;
    pare_latency_defaults(&options);
    options.cpu = 1023;
    assert_int_equal(pare_latency_measure_calls(&call, 1, &options, &r, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "core 1023"));
    pare_latency_clear(&r, 1);
}

static void a_stop_ends_the_measurement(void **state)
{
    long work = 1000;
    struct pare_latency_call call = {spin, &work};
    struct pare_latency_options options;
    struct pare_latency_result r;
    struct pare_error err = {0};
    volatile int stop = 1;

    (void)state;
    pare_latency_defaults(&options);
    options.stop = &stop;
    assert_int_equal(pare_latency_measure_calls(&call, 1, &options, &r, &err), PARE_ESTOPPED);
    pare_latency_clear(&r, 1);
}

/* The same network is never far from itself, and a quarter of it is faster. */
static void copies_of_a_network_are_equal_and_a_smaller_one_is_faster(void **state)
{
    static float input[28 * 28];
    struct pare_graph *whole, *quarter;
    struct pare_latency_options options;
    struct pare_latency_result r[3];
    struct pare_error err = {0};

    (void)state;
    for (int i = 0; i < 28 * 28; i++)
        input[i] = (float)(i % 7) / 7;
    assert_ok(pare_zoo_build(&whole, "lenet5", NULL, 0, 1, &err), &err);
    assert_ok(pare_zoo_build(&quarter, "lenet5-quarter", NULL, 0, 1, &err), &err);
    pare_latency_defaults(&options);
    options.max_s_per_subject = 1;
    assert_ok(pare_latency_measure_graphs((struct pare_latency_graph[]){{whole, input, 1},
                                                                        {whole, input, 1},
                                                                        {quarter, input, 1}},
                                          3, 3, &options, r, &err),
              &err);
    for (int i = 0; i < 3; i++)
        print_message("%.4f ms [%.4f, %.4f], ratio %.4f [%.4f, %.4f] %s %s\n", r[i].p50_ms.value,
                      r[i].p50_ms.low, r[i].p50_ms.high, r[i].ratio.value, r[i].ratio.low,
                      r[i].ratio.high, r[i].differs ? "differs" : "", r[i].cause);
    assert_false(r[1].differs);
    assert_true(r[2].differs);
    assert_true(r[2].ratio.value < 0.7);
    pare_latency_clear(r, 3);
    pare_graph_free(whole);
    pare_graph_free(quarter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_subjects_are_rarely_called_different),
        cmocka_unit_test(a_real_difference_is_found),
        cmocka_unit_test(the_ratio_interval_covers_the_truth),
        cmocka_unit_test(a_quiet_subject_is_stable_after_few_samples),
        cmocka_unit_test(an_unsettled_subject_is_unstable_with_its_cause),
        cmocka_unit_test(interruptions_and_scarcity_are_named),
        cmocka_unit_test(one_seed_gives_one_order),
        cmocka_unit_test(a_slower_workload_is_told_from_equal_ones),
        cmocka_unit_test(copies_of_a_network_are_equal_and_a_smaller_one_is_faster),
        cmocka_unit_test(a_core_that_is_not_ours_is_refused),
        cmocka_unit_test(a_stop_ends_the_measurement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
