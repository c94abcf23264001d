/* Which subject is sampled when, when it is enough, and what the samples say. */
#include "measure/latency.h"

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
#define MIN_INDEPENDENT    20
#define MANY_INTERRUPTIONS 0.1

struct series {
    double *seconds;
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

static void add_sample(struct series *s, const struct pare_latency_sample *sample)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 256;
        s->seconds = pare_xrealloc(s->seconds, (size_t)s->capacity * sizeof *s->seconds);
    }
    s->seconds[s->n++] = sample->seconds;
    s->spent_s += sample->spent_s;
    s->n_interrupted += sample->is_interrupted;
}

static double rel_width(const struct pare_interval *interval)
{
    return (interval->high - interval->low) / interval->value;
}

/* Looking at every block would stop at the first lucky one. */
static bool is_enough(struct series *s, const struct pare_latency_options *options)
{
    double max_s = options->max_s_per_subject;
    struct pare_interval p50;

    if (s->spent_s >= max_s && s->n >= 2)
        return true;
    if (s->n < (s->spent_s >= max_s / 2 ? MIN_BLOCKS_SLOW : MIN_BLOCKS) ||
        s->spent_s < fmin(MIN_SPENT_S, max_s / 2) || s->n < s->next_check)
        return false;
    s->next_check = (int64_t)ceil((double)s->n * CHECK_GROWTH);
    p50 = pare_series_quantile(s->seconds, s->n, 0.5, Z_REPORTED);
    return rel_width(&p50) < options->target_rel_width;
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
    double width = rel_width(&r->p50_ms), drift, share;
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

/* The ratio to the baseline in the same block: drift and the machine's moods hit both alike. */
static void compare(struct pare_latency_result *r, const struct series *s,
                    const struct series *baseline)
{
    double *logs = pare_xcalloc((size_t)s->n, sizeof *logs);
    struct pare_interval reported, strict;

    for (int64_t i = 0; i < s->n; i++)
        logs[i] = log(s->seconds[i] / baseline->seconds[i]);
    reported = pare_series_quantile(logs, s->n, 0.5, Z_REPORTED);
    strict = pare_series_quantile(logs, s->n, 0.5, Z_DIFFERS);
    r->ratio = (struct pare_interval){exp(reported.value), exp(reported.low), exp(reported.high)};
    r->differs = (strict.low > 0 || strict.high < 0) &&
                 fabs(strict.value) >= log1p(PARE_LATENCY_MIN_EFFECT) &&
                 pare_series_n_effective(logs, s->n, 0.5) >= MIN_INDEPENDENT;
    free(logs);
}

static struct pare_interval in_ms(struct pare_interval s)
{
    return (struct pare_interval){s.value * 1e3, s.low * 1e3, s.high * 1e3};
}

/* Takes the samples of `s`. */
static void conclude(struct pare_latency_result *r, struct series *s,
                     const struct pare_latency_options *options)
{
    r->p50_ms = in_ms(pare_series_quantile(s->seconds, s->n, 0.5, Z_REPORTED));
    r->p95_ms = in_ms(pare_series_quantile(s->seconds, s->n, 0.95, Z_REPORTED));
    r->is_stable = s->n >= MIN_BLOCKS_SLOW && rel_width(&r->p50_ms) < options->target_rel_width;
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
        struct pare_latency_sample sample = source->take(source->state, (int)order[k]);

        if (!(sample.seconds > 0))
            return pare_fail(err, PARE_ENUMERIC, "the clock stood still during a measurement");
        add_sample(&series[order[k]], &sample);
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
        if (!series[i].is_done && (is_over || is_enough(&series[i], options)))
            series[i].is_done = true;
        is_all = is_all && series[i].is_done;
    }
    return is_all;
}

pare_status pare_latency_protocol(const struct pare_latency_source *source, int n,
                                  const struct pare_latency_options *options,
                                  struct pare_latency_result *results, struct pare_error *err)
{
    struct series *series = pare_xcalloc((size_t)n, sizeof *series);
    int64_t *order = pare_xcalloc((size_t)n, sizeof *order);
    struct pare_rng rng;
    pare_status st = PARE_OK;

    for (int i = 0; i < n; i++)
        results[i] = (struct pare_latency_result){0};
    pare_rng_init(&rng, options->seed, 0x1a7);
    do
        st = run_block(source, series, order, n, options, &rng, err);
    while (!st && !all_done(series, n, options));

    for (int i = 1; i < n && !st; i++)
        compare(&results[i], &series[i], &series[0]);
    for (int i = 0; i < n && !st; i++)
        conclude(&results[i], &series[i], options);
    if (!st && n)
        results[0].ratio = (struct pare_interval){1, 1, 1};
    for (int i = 0; i < n; i++)
        free(series[i].seconds);
    free(series);
    free(order);
    return st;
}
