/* Which subject is sampled when, when it is enough, and what the samples say. */
#include "measure/latency.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <pare/rng.h>

#include "base/arena.h"

#define MIN_BLOCKS         100 /* the 95 % interval of p95 needs 73 */
#define MIN_BLOCKS_SLOW    12  /* when one block takes a good part of the time allowed */
#define MIN_SPENT_S        0.2 /* shorter, and one episode of the machine fills the measurement */
#define CHECK_GROWTH       1.25
#define BASELINE_PATIENCE  4 /* the baseline serves all others: so many times its own time */
#define Z_REPORTED         1.959963984540054 /* 95 % */
#define Z_DIFFERS          3.290526731491896 /* 99.9 % */
#define Z_COPIES_DIFFER    2.807033768343811 /* 99.5 %; copies are few, and Student's t is wide */
#define MIN_INDEPENDENT    20
#define MANY_INTERRUPTIONS 0.1
#define MAX_WOBBLE         0.15 /* of p50, while the ratio to the baseline stands firm */

struct series {
    double *seconds;
    unsigned char *copies; /* which copy each sample is of */
    int n_copies;
    int64_t n, capacity, n_interrupted, next_check;
    double spent_s;
    bool is_done;
};

void pare_latency_defaults(struct pare_latency_options *options)
{
    *options =
        (struct pare_latency_options){.target_rel_width = 0.02, .max_s_per_subject = 3, .cpu = -1};
}

void pare_latency_clear(struct pare_latency_result *results, int n)
{
    for (int i = 0; i < n; i++) {
        free(results[i].samples_s);
        results[i] = (struct pare_latency_result){0};
    }
}

static void add_sample(struct series *s, const struct pare_latency_sample *sample, int copy)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 256;
        s->seconds = pare_xrealloc(s->seconds, (size_t)s->capacity * sizeof *s->seconds);
        s->copies = pare_xrealloc(s->copies, (size_t)s->capacity * sizeof *s->copies);
    }
    s->copies[s->n] = (unsigned char)copy;
    s->seconds[s->n++] = sample->seconds;
    s->spent_s += sample->spent_s;
    s->n_interrupted += sample->is_interrupted;
}

static double rel_width(const struct pare_interval *interval)
{
    return (interval->high - interval->low) / interval->value;
}

/* The ratio to the baseline in the same block, as its logarithm: drift and the machine's moods hit
 * both alike. */
static double *log_ratios(const struct series *s, const struct series *baseline)
{
    double *logs = pare_xcalloc((size_t)s->n, sizeof *logs);

    for (int64_t i = 0; i < s->n; i++)
        logs[i] = log(s->seconds[i] / baseline->seconds[i]);
    return logs;
}

/* Narrow is the interval of p50 or, when the machine as a whole wobbles somewhat, that of the ratio
 * (baseline NULL: there is only one subject). */
static bool is_narrow(const struct series *s, const struct series *baseline, double target)
{
    struct pare_interval p50 = pare_series_quantile(s->seconds, s->n, 0.5, Z_REPORTED), ratio;
    double *logs;

    if (rel_width(&p50) < target)
        return true;
    if (!baseline || rel_width(&p50) >= MAX_WOBBLE)
        return false;
    logs = log_ratios(s, baseline);
    ratio = pare_series_quantile(logs, s->n, 0.5, Z_REPORTED);
    free(logs);
    return ratio.high - ratio.low < target;
}

/* Looking at every block would stop at the first lucky one. */
static bool is_enough(struct series *s, const struct series *baseline,
                      const struct pare_latency_options *options)
{
    double max_s = options->max_s_per_subject;

    if (s->spent_s >= max_s && s->n >= 2)
        return true;
    if (s->n < (s->spent_s >= max_s / 2 ? MIN_BLOCKS_SLOW : MIN_BLOCKS) ||
        s->spent_s < fmin(MIN_SPENT_S, max_s / 2) || s->n < s->next_check)
        return false;
    s->next_check = (int64_t)ceil((double)s->n * CHECK_GROWTH);
    return is_narrow(s, baseline, options->target_rel_width);
}

/* How much slower (> 0) the last third ran than the first; 0 when the thirds do not climb or fall in
 * order, or overlap so much that noise would explain it. */
static double drift_of(const struct series *s)
{
    int64_t third = s->n / 3, n_above = 0;
    const double *last = s->seconds + s->n - third;
    double first = pare_median(s->seconds, third);
    double middle = pare_median(s->seconds + third, third);
    double final = pare_median(last, third), share;

    for (int64_t i = 0; i < third; i++)
        n_above += last[i] > first;
    share = (double)n_above / (double)third;
    if ((first - middle) * (middle - final) <= 0 || fabs(share - 0.5) < 0.25)
        return 0;
    return final / first - 1;
}

/* Why the interval stayed wide. */
static void say_cause(struct pare_latency_result *r, const struct series *s)
{
    struct pare_interval p50 = pare_series_quantile(s->seconds, s->n, 0.5, Z_REPORTED);
    double width = rel_width(&p50), drift, share;
    char more[80] = "";

    if (s->n < MIN_BLOCKS_SLOW) {
        snprintf(r->cause, sizeof r->cause, "only %lld samples in %.1f s", (long long)s->n,
                 s->spent_s);
        return;
    }
    drift = drift_of(s);
    share = (double)s->n_interrupted / (double)s->n;
    if (drift != 0)
        snprintf(more, sizeof more, ": drift, the last third ran %.0f %% %s than the first",
                 100 * fabs(drift), drift > 0 ? "slower" : "faster");
    else if (share > MANY_INTERRUPTIONS)
        snprintf(more, sizeof more, ": context switches in %.0f %% of the samples", 100 * share);
    snprintf(r->cause, sizeof r->cause, "interval still %.*f %% wide after %.1f s%s",
             width < 0.1 ? 1 : 0, 100 * width, s->spent_s, more);
}

/* Medians of `logs` by the copy that each is of; returns the variance of their mean. */
static double variance_of_copies(const double *logs, int64_t n, const struct series *by)
{
    double *part = pare_xcalloc((size_t)n, sizeof *part), mean = 0, square = 0;
    double medians[PARE_LATENCY_MAX_COPIES];
    int n_seen = 0;

    for (int c = 0; c < by->n_copies; c++) {
        int64_t n_part = 0;

        for (int64_t i = 0; i < n; i++)
            if (by->copies[i] == c)
                part[n_part++] = logs[i];
        if (n_part)
            medians[n_seen++] = pare_median(part, n_part);
    }
    free(part);
    for (int c = 0; c < n_seen; c++)
        mean += medians[c] / n_seen;
    for (int c = 0; c < n_seen; c++)
        square += (medians[c] - mean) * (medians[c] - mean);
    return n_seen > 1 ? square / (n_seen - 1) / n_seen : 0;
}

/* Widens an interval by an independent deviation. */
static struct pare_interval widened(struct pare_interval x, double by)
{
    return (struct pare_interval){x.value, x.value - hypot(x.value - x.low, by),
                                  x.value + hypot(x.high - x.value, by)};
}

static void compare(struct pare_latency_result *r, const struct series *s,
                    const struct series *baseline)
{
    double *logs = log_ratios(s, baseline), deviation, freedom, min_effect;
    struct pare_interval reported = pare_series_quantile(logs, s->n, 0.5, Z_REPORTED);
    struct pare_interval strict = pare_series_quantile(logs, s->n, 0.5, Z_DIFFERS);

    freedom = s->n_copies + baseline->n_copies - 2;
    min_effect =
        log1p(s->n_copies > 1 && baseline->n_copies > 1 ? PARE_LATENCY_MIN_EFFECT
                                                        : PARE_LATENCY_MIN_EFFECT_ONE_COPY);
    if (freedom > 0) {
        deviation =
            sqrt(variance_of_copies(logs, s->n, s) + variance_of_copies(logs, s->n, baseline));
        reported = widened(reported, pare_student_t(Z_REPORTED, freedom) * deviation);
        strict = widened(strict, pare_student_t(Z_COPIES_DIFFER, freedom) * deviation);
    }
    r->ratio = (struct pare_interval){exp(reported.value), exp(reported.low), exp(reported.high)};
    r->differs = (strict.low > 0 || strict.high < 0) && fabs(strict.value) >= min_effect &&
                 pare_series_n_effective(logs, s->n, 0.5) >= MIN_INDEPENDENT;
    free(logs);
}

/* The interval of a quantile in ms; chance in the copies shifts all quantiles about alike. */
static struct pare_interval quantile_ms(const struct series *s, double q, double copies_rel)
{
    struct pare_interval x = pare_series_quantile(s->seconds, s->n, q, Z_REPORTED);
    double below = hypot(log(x.value / x.low), copies_rel);
    double above = hypot(log(x.high / x.value), copies_rel);

    x.value *= 1e3;
    return (struct pare_interval){x.value, x.value * exp(-below), x.value * exp(above)};
}

/* Takes the samples of `s`. */
static void conclude(struct pare_latency_result *r, struct series *s, const struct series *baseline,
                     const struct pare_latency_options *options)
{
    double copies_rel = 0;

    if (s->n_copies > 1) {
        double *logs = pare_xcalloc((size_t)s->n, sizeof *logs);

        for (int64_t i = 0; i < s->n; i++)
            logs[i] = log(s->seconds[i]);
        copies_rel =
            pare_student_t(Z_REPORTED, s->n_copies - 1) * sqrt(variance_of_copies(logs, s->n, s));
        free(logs);
    }
    r->p50_ms = quantile_ms(s, 0.5, copies_rel);
    r->p95_ms = quantile_ms(s, 0.95, copies_rel);
    r->is_stable = s->n >= MIN_BLOCKS_SLOW && is_narrow(s, baseline, options->target_rel_width);
    if (!r->is_stable)
        say_cause(r, s);
    r->n_samples = s->n;
    r->samples_s = s->seconds;
    s->seconds = NULL;
}

/* One round: every subject that still needs samples once, and the baseline, in random order. */
static pare_status run_block(const struct pare_latency_source *source, struct series *series,
                             int64_t *order, int n, const struct pare_latency_options *options,
                             struct pare_rng *rng, struct pare_error *err)
{
    int n_active = 0;

    for (int i = 0; i < n; i++)
        if (i == 0 || !series[i].is_done)
            order[n_active++] = i;
    pare_rng_shuffle(rng, order, n_active);
    for (int k = 0; k < n_active; k++) {
        int copy = (int)pare_rng_below(rng, series[order[k]].n_copies);
        struct pare_latency_sample sample = source->take(source->state, (int)order[k], copy);

        if (!(sample.seconds > 0))
            return pare_fail(err, PARE_ENUMERIC, "the clock stood still during a measurement");
        add_sample(&series[order[k]], &sample, copy);
        if (options->stop && *options->stop)
            return pare_fail(err, PARE_ESTOPPED, "stopped while measuring latency");
    }
    return PARE_OK;
}

static bool all_done(struct series *series, int n, const struct pare_latency_options *options)
{
    bool is_over = series[0].spent_s >= BASELINE_PATIENCE * options->max_s_per_subject;
    bool is_all = true;

    for (int i = 0; i < n; i++) {
        if (!series[i].is_done &&
            (is_over || is_enough(&series[i], n > 1 ? &series[0] : NULL, options)))
            series[i].is_done = true;
        is_all = is_all && series[i].is_done;
    }
    return is_all;
}

pare_status pare_latency_protocol(const struct pare_latency_source *source, int n,
                                  const struct pare_latency_options *options,
                                  struct pare_latency_result *results, struct pare_error *err)
{
    struct series *series;
    int64_t *order;
    struct pare_rng rng;
    pare_status st = PARE_OK;

    if (n < 1)
        return PARE_OK;
    series = pare_xcalloc((size_t)n, sizeof *series);
    order = pare_xcalloc((size_t)n, sizeof *order);
    for (int i = 0; i < n; i++) {
        results[i] = (struct pare_latency_result){0};
        series[i].n_copies = source->n_copies ? source->n_copies[i] : 1;
        assert(series[i].n_copies >= 1 && series[i].n_copies <= PARE_LATENCY_MAX_COPIES);
    }
    pare_rng_init(&rng, options->seed, 0x1a7);
    do
        st = run_block(source, series, order, n, options, &rng, err);
    while (!st && !all_done(series, n, options));

    for (int i = 1; i < n && !st; i++)
        compare(&results[i], &series[i], &series[0]);
    for (int i = n - 1; i >= 0 && !st; i--) /* the baseline last: the others are seen beside it */
        conclude(&results[i], &series[i], n > 1 ? &series[0] : NULL, options);
    if (!st)
        results[0].ratio = (struct pare_interval){1, 1, 1};
    for (int i = 0; i < n; i++) {
        free(series[i].seconds);
        free(series[i].copies);
    }
    free(series);
    free(order);
    return st;
}
