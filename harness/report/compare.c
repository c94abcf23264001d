#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"
#include "measure/stats.h"
#include "report/format.h"
#include "report/front.h"
#include "report/table.h"

#define ALPHA 0.05

void pare_compare_defaults(struct pare_compare_options *options)
{
    *options = (struct pare_compare_options){.threshold = 0.05, .trial_a = -1, .trial_b = -1};
}

/* ---- are they comparable? ---- */

/* A digest that the run left: in its own meta entry, or as a part of "identity".  malloc'ed. */
static char *digest_of(struct pare_store *store, const char *key, const char *part)
{
    char *digest = pare_store_get(store, key);
    char *identity = digest ? NULL : pare_store_get(store, "identity");
    struct pare_json *json = NULL;
    const char *text;

    if (identity && pare_json_parse(&json, identity, strlen(identity), NULL) == PARE_OK) {
        text = pare_json_get_string(json, part, NULL);
        digest = text ? pare_xstrdup(text) : NULL;
        pare_json_free(json);
    }
    free(identity);
    return digest;
}

static int same_digest(struct pare_store *a, struct pare_store *b, const char *key,
                       const char *part)
{
    char *of_a = digest_of(a, key, part), *of_b = digest_of(b, key, part);
    int same = !of_a || !of_b ? -1 : strcmp(of_a, of_b) == 0;

    free(of_a);
    free(of_b);
    return same;
}

/* ---- one metric of one pair ---- */

struct context {
    struct pare_comparison *c;
    struct pare_store *store_a, *store_b;
    const struct pare_compare_options *options;
};

static void judge(struct pare_change *change, bool is_more, bool is_less, bool more_is_better)
{
    if (is_more)
        change->verdict = more_is_better ? PARE_BETTER : PARE_WORSE;
    else if (is_less)
        change->verdict = more_is_better ? PARE_WORSE : PARE_BETTER;
    else
        change->verdict = PARE_SAME;
}

/* Correctness bits of the same samples; false: there are none. */
static bool compare_bits(struct context *x, struct pare_change *change)
{
    const char *split = strcmp(change->metric, "accuracy") == 0        ? "validation"
                        : strcmp(change->metric, "accuracy_test") == 0 ? "test"
                                                                       : NULL;
    uint8_t *bits_a = NULL, *bits_b = NULL;
    int64_t n_a, n_b, only_a = 0, only_b = 0;
    bool paired = false;

    if (!split || !x->c->is_same_data)
        return false;
    n_a = pare_store_get_bits(x->store_a, change->a->id, split, &bits_a);
    n_b = pare_store_get_bits(x->store_b, change->b->id, split, &bits_b);
    if (n_a > 0 && n_a == n_b) {
        struct pare_interval d = pare_paired_difference(bits_b, bits_a, n_a);

        pare_paired_counts(bits_a, bits_b, n_a, &only_a, &only_b);
        change->change = change->value_b - change->value_a;
        change->low = d.low;
        change->high = d.high;
        change->p = pare_mcnemar_p(only_a, only_b);
        change->evidence = pare_arena_printf(x->c->arena, "paired: %lld lost, %lld won of %lld",
                                             (long long)only_a, (long long)only_b, (long long)n_a);
        paired = true;
    }
    free(bits_a);
    free(bits_b);
    return paired;
}

static void set_ratio(struct pare_change *change, struct pare_interval a, struct pare_interval b)
{
    change->is_ratio = true;
    change->change = b.value / a.value;
    change->low = b.low / a.high;
    change->high = b.high / a.low;
}

static bool compare_samples(struct context *x, struct pare_change *change, bool more_is_better)
{
    double *a = NULL, *b = NULL, beyond = 1 + x->options->threshold;
    int64_t n_a = pare_store_get_samples(x->store_a, change->a->id, change->metric, &a);
    int64_t n_b = pare_store_get_samples(x->store_b, change->b->id, change->metric, &b);
    bool has_samples = n_a > 1 && n_b > 1;

    if (has_samples) {
        set_ratio(change, pare_series_quantile(a, n_a, 0.5, 1.96),
                  pare_series_quantile(b, n_b, 0.5, 1.96));
        judge(change, change->low > beyond, change->high < 1 / beyond, more_is_better);
        change->evidence = pare_arena_printf(x->c->arena, "medians of %lld and %lld samples",
                                             (long long)n_a, (long long)n_b);
    }
    free(a);
    free(b);
    return has_samples;
}

/* Compared by difference; everything else measured by ratio. */
static bool is_accuracy_like(const char *metric)
{
    return strncmp(metric, "accuracy", 8) == 0 || strncmp(metric, "auc", 3) == 0;
}

static void compare_values(struct context *x, struct pare_change *change,
                           const struct pare_value *a, const struct pare_value *b,
                           bool more_is_better)
{
    double beyond = 1 + x->options->threshold;
    bool has_intervals = !isnan(a->low) && !isnan(b->low);
    bool is_accuracy = has_intervals && is_accuracy_like(change->metric);

    if (a->provenance != PARE_MEASURED && b->provenance != PARE_MEASURED) {
        change->change = change->value_b - change->value_a;
        judge(change, change->change > 0, change->change < 0, more_is_better);
        change->evidence = a->provenance == PARE_MODELED ? "modeled" : "exact";
    } else if (is_accuracy) {
        change->change = change->value_b - change->value_a;
        change->low = b->low - a->high;
        change->high = b->high - a->low;
        judge(change, change->low > 0, change->high < 0, more_is_better);
        change->evidence = "intervals, not paired";
    } else {
        set_ratio(change, (struct pare_interval){a->value, pare_value_low(a), pare_value_high(a)},
                  (struct pare_interval){b->value, pare_value_low(b), pare_value_high(b)});
        judge(change, change->low > beyond, change->high < 1 / beyond, more_is_better);
        change->evidence = has_intervals ? "intervals" : "no intervals";
        if (!has_intervals)
            change->low = change->high = NAN;
    }
}

/* Measured on the host: only comparable on one machine. */
static bool depends_on_machine(const struct pare_change *change, const struct pare_value *a)
{
    return strchr(change->metric, '@') && a->provenance == PARE_MEASURED;
}

static void compare_metric(struct context *x, struct pare_change *change, int m_a, int m_b)
{
    const struct pare_value *a = &change->a->values[m_a], *b = &change->b->values[m_b];
    bool more_is_better = pare_dataset_maximizes(x->c->a, change->metric);

    change->value_a = a->value;
    change->value_b = b->value;
    if (isnan(a->value) || isnan(b->value)) {
        change->verdict = isnan(a->value) && isnan(b->value) ? PARE_SAME : PARE_UNSURE;
        change->apparent = change->verdict;
        change->evidence = change->verdict == PARE_SAME ? "unavailable in both"
                           : isnan(a->value)            ? "unavailable in A"
                                                        : "unavailable in B";
        return;
    }
    if (compare_bits(x, change)) /* judged when all p values are known */
        return;
    if (!compare_samples(x, change, more_is_better))
        compare_values(x, change, a, b, more_is_better);
    change->apparent = change->verdict;
    if (depends_on_machine(change, a) && x->c->machines != PARE_SAME_MACHINE) {
        change->verdict = PARE_UNSURE;
        change->evidence =
            x->c->machines == PARE_OTHER_MACHINE ? "another machine" : "machine unknown";
    }
}

/* ---- all metrics of all pairs ---- */

static struct pare_change *add_change(struct pare_comparison *c, const struct pare_trial *a,
                                      const struct pare_trial *b, const char *metric)
{
    if (c->n_changes == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 256;
        c->changes = pare_xrealloc(c->changes, (size_t)c->capacity * sizeof *c->changes);
    }
    c->changes[c->n_changes] = (struct pare_change){
        .a = a,
        .b = b,
        .metric = metric,
        .value_a = NAN,
        .value_b = NAN,
        .change = NAN,
        .low = NAN,
        .high = NAN,
        .p = NAN,
        .evidence = "",
    };
    return &c->changes[c->n_changes++];
}

/* A drop follows from two accuracies, which are compared themselves. */
static bool is_compared(const struct context *x, const char *metric)
{
    if (x->options->only_metric)
        return strcmp(metric, x->options->only_metric) == 0;
    return strncmp(metric, "accuracy_drop", 13) != 0;
}

static void compare_pair(struct context *x, const struct pare_trial *a, const struct pare_trial *b)
{
    struct pare_comparison *c = x->c;

    c->n_pairs++;
    if (a->is_ok != b->is_ok) {
        struct pare_change *change = add_change(c, a, b, "status");

        change->verdict = change->apparent = a->is_ok ? PARE_WORSE : PARE_BETTER;
        change->evidence = pare_arena_printf(c->arena, "%s -> %s%s%s", a->status, b->status,
                                             b->reason[0] ? ": " : "", b->reason);
        return;
    }
    for (int m = 0; a->is_ok && m < c->a->n_metrics; m++) {
        const char *metric = c->a->metrics[m];
        int m_b = pare_dataset_metric(c->b, metric);

        if (m_b >= 0 && a->values[m].provenance != PARE_ABSENT &&
            b->values[m_b].provenance != PARE_ABSENT && is_compared(x, metric))
            compare_metric(x, add_change(c, a, b, metric), m, m_b);
    }
}

/* ---- p values: Holm's step-down over all pairs of one metric ---- */

static int by_p(const void *a, const void *b)
{
    const struct pare_change *x = *(struct pare_change *const *)a;
    const struct pare_change *y = *(struct pare_change *const *)b;

    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void correct(struct pare_comparison *c, const char *metric)
{
    struct pare_change **tested = pare_xcalloc((size_t)c->n_changes + 1, sizeof *tested);
    bool more_is_better = pare_dataset_maximizes(c->a, metric);
    int64_t n = 0;
    double worst = 0;

    for (int64_t i = 0; i < c->n_changes; i++)
        if (!isnan(c->changes[i].p) && strcmp(c->changes[i].metric, metric) == 0)
            tested[n++] = &c->changes[i];
    qsort(tested, (size_t)n, sizeof *tested, by_p);
    for (int64_t i = 0; i < n; i++) {
        struct pare_change *change = tested[i];
        bool differs;

        worst = fmax(worst, fmin(1, change->p * (double)(n - i)));
        change->p = worst;
        differs = worst < ALPHA;
        judge(change, differs && change->change > 0, differs && change->change < 0, more_is_better);
        change->apparent = change->verdict;
        change->evidence = pare_arena_printf(c->arena, "p = %.2g, %s", worst, change->evidence);
    }
    free(tested);
}

/* ---- the whole ---- */

/* The trial of an equal config; of several (seeds) the one that is as far down the list. */
static const struct pare_trial *find_partner(const struct pare_dataset *data,
                                             const struct pare_trial *of)
{
    const struct pare_trial *same_id = pare_dataset_trial(data, of->id);

    if (of->id == 0) /* the baselines are a pair, however they are called */
        return data->baseline;
    if (same_id && strcmp(same_id->config, of->config) == 0)
        return same_id;
    for (int64_t i = 0; i < data->n; i++)
        if (data->trials[i].id != 0 && strcmp(data->trials[i].config, of->config) == 0)
            return &data->trials[i];
    return NULL;
}

static void compare_all(struct context *x)
{
    struct pare_comparison *c = x->c;

    for (int64_t i = 0; i < c->a->n; i++) {
        const struct pare_trial *a = &c->a->trials[i];
        const struct pare_trial *b = find_partner(c->b, a);

        if (b)
            compare_pair(x, a, b);
        else
            c->n_only_a++;
    }
    for (int64_t i = 0; i < c->b->n; i++)
        c->n_only_b += find_partner(c->a, &c->b->trials[i]) == NULL;
}

static pare_status compare_two(struct context *x, struct pare_error *err)
{
    const int64_t ids[] = {x->options->trial_a, x->options->trial_b};
    const struct pare_trial *trials[2];

    for (int i = 0; i < 2; i++) {
        const struct pare_dataset *data = i ? x->c->b : x->c->a;

        trials[i] = pare_dataset_trial(data, ids[i]);
        if (!trials[i])
            return pare_fail(err, PARE_EINVAL, "%s has no trial %lld", data->folder,
                             (long long)ids[i]);
    }
    compare_pair(x, trials[0], trials[1]);
    return PARE_OK;
}

static void list_metrics(struct pare_comparison *c)
{
    const char **metrics = PARE_ARENA_NEW(c->arena, const char *, c->a->n_metrics + 2);

    for (int m = -1; m < c->a->n_metrics; m++) {
        const char *metric = m < 0 ? "status" : c->a->metrics[m];
        bool used = false;

        for (int64_t i = 0; i < c->n_changes && !used; i++)
            used = strcmp(c->changes[i].metric, metric) == 0;
        if (used)
            metrics[c->n_metrics++] = metric;
    }
    c->metrics = metrics;
}

static pare_status load(struct pare_dataset **data, struct pare_store **store, const char *folder,
                        struct pare_error *err)
{
    pare_status st = pare_store_open(store, folder, true, err);

    if (st == PARE_OK)
        st = pare_store_begin(*store, err);
    if (st == PARE_OK)
        st = pare_dataset_read(data, *store, folder, err);
    return st;
}

pare_status pare_compare(struct pare_comparison **out, const char *folder_a, const char *folder_b,
                         const struct pare_compare_options *options, struct pare_error *err)
{
    struct pare_comparison *c = pare_xcalloc(1, sizeof *c);
    struct context x = {.c = c, .options = options};
    pare_status st;
    int same;

    c->arena = pare_arena_new();
    st = load(&c->a, &x.store_a, folder_a, err);
    if (st == PARE_OK)
        st = load(&c->b, &x.store_b, folder_b, err);
    if (st)
        goto done;
    same = same_digest(x.store_a, x.store_b, "machine_digest", "the machine");
    c->machines = same < 0 ? PARE_UNKNOWN_MACHINE : same ? PARE_SAME_MACHINE : PARE_OTHER_MACHINE;
    c->is_same_data = same_digest(x.store_a, x.store_b, "data_digest", "data") == 1;
    if (options->trial_a >= 0)
        st = compare_two(&x, err);
    else
        compare_all(&x);
    if (st)
        goto done;
    list_metrics(c);
    for (int m = 0; m < c->n_metrics; m++)
        correct(c, c->metrics[m]);
    for (int64_t i = 0; i < c->n_changes; i++)
        c->any_worse = c->any_worse || c->changes[i].verdict == PARE_WORSE;
    st = pare_store_check(x.store_a, err);
    if (st == PARE_OK)
        st = pare_store_check(x.store_b, err);
done:
    pare_store_close(x.store_a);
    pare_store_close(x.store_b);
    if (st) {
        pare_compare_free(c);
        return st;
    }
    *out = c;
    return PARE_OK;
}

void pare_compare_free(struct pare_comparison *c)
{
    if (!c)
        return;
    pare_dataset_free(c->a);
    pare_dataset_free(c->b);
    pare_arena_free(c->arena);
    free(c->changes);
    free(c);
}
