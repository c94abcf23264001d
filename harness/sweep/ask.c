/* From the sampler's points to trials. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search/samplers.h"
#include "sweep/engine.h"

/* A sampler that only repeats itself has nothing more to say. */
enum { MAX_REPEATS = 100000, MAX_REFUSED_PER_TRIAL = 20 };

static bool is_grid(const struct engine *e)
{
    return e->sweep->sampler == &pare_sampler_grid;
}

pare_status engine_open_sampler(struct engine *e, struct pare_error *err)
{
    const struct pare_sweep *sweep = e->sweep;
    const struct pare_space *space = sweep->space;
    int64_t n_points = pare_space_n_points(space);
    const bool is_ordered = true;
    /* The grid walks the distinct points, whose neighbours share stages. */
    const struct pare_sampler_space line = {1, &n_points, &is_ordered};
    const struct pare_sampler_space flat = {space->n_flat, space->flat_n, space->flat_ordered};

    return sweep->sampler->open(&e->sampler, sweep->sampler_options, is_grid(e) ? &line : &flat,
                                sweep->n_objectives, sweep->seed, err);
}

void engine_close_sampler(struct engine *e)
{
    if (e->sampler)
        e->sweep->sampler->close(e->sampler);
    e->sampler = NULL;
}

static const struct trial *find_config(const struct engine *e, const char *canonical)
{
    for (int64_t i = 1; i < e->n_trials; i++)
        if (strcmp(e->trials[i].config->canonical, canonical) == 0)
            return &e->trials[i];
    return NULL;
}

/* The next point that is no repetition, or NULL. */
static struct pare_config *next_config(struct engine *e, int64_t *point)
{
    const struct pare_space *space = e->sweep->space;
    int64_t *flat = pare_xcalloc((size_t)space->n_flat + 1, sizeof *flat);
    struct pare_config *config = NULL;

    if (e->n_trials - 1 >= pare_space_n_points(space))
        e->is_exhausted = true;
    for (int repeats = 0; !config && !e->is_exhausted; repeats++) {
        if (repeats > MAX_REPEATS || !e->sweep->sampler->ask(e->sampler, point)) {
            e->is_exhausted = true;
            break;
        }
        if (is_grid(e))
            pare_space_point(space, point[0], flat);
        else
            memcpy(flat, point, (size_t)space->n_flat * sizeof *flat);
        config = pare_config_new(space, flat);
        if (find_config(e, config->canonical)) {
            pare_config_free(config);
            config = NULL;
        }
    }
    free(flat);
    return config;
}

static struct trial *append(struct engine *e)
{
    if (e->n_trials == e->capacity) {
        e->capacity *= 2;
        e->trials = pare_xrealloc(e->trials, (size_t)e->capacity * sizeof *e->trials);
    }
    e->trials[e->n_trials] = (struct trial){.id = e->n_trials, .status = "pending"};
    return &e->trials[e->n_trials++];
}

/* What the store knows about the trial from an earlier run. */
static bool recall(struct engine *e, struct trial *t)
{
    static const char *const words[] = {"ok",  "infeasible", "failed", "timeout",
                                        "oom", "numeric",    "crash"};
    struct pare_trial_row row;

    if (!pare_store_get_trial(e->store, t->id, &row) ||
        strcmp(row.config, t->config ? t->config->canonical : "baseline") != 0)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(row.status, words[i]) == 0)
            t->status = words[i];
    t->reason = pare_xstrdup(row.reason);
    snprintf(t->key.hex, sizeof t->key.hex, "%s", row.stage_key);
    snprintf(t->artifact.hex, sizeof t->artifact.hex, "%s", row.artifact_digest);
    pare_metrics_load(&t->metrics, e->store, t->id);
    t->n_bits = pare_store_get_bits(e->store, t->id, "validation", &t->bits);
    return true;
}

/* Is a remembered failure worth another try?  A refusal of the system always is. */
static bool must_retry(struct engine *e, const struct trial *t)
{
    struct pare_stage_row row;

    if (strcmp(t->status, "ok") == 0 || strcmp(t->status, "infeasible") == 0)
        return false;
    if (e->options->retry_failed || strcmp(t->status, "pending") == 0)
        return true;
    return pare_store_get_stage(e->store, t->key.hex, &row) &&
           strcmp(row.status, pare_status_name(PARE_EIO)) == 0;
}

/* Metrics that came into the sweep file after the trial was evaluated. */
static bool lacks_metrics(const struct engine *e, const struct trial *t)
{
    const struct pare_sweep *sweep = e->sweep;

    for (int i = 0; i < sweep->n_metrics; i++)
        if (!engine_is_timed(sweep, &sweep->metrics[i]) &&
            !pare_metrics_get(&t->metrics, sweep->metrics[i].text))
            return true;
    return false;
}

static void start_over(struct trial *t)
{
    t->status = "pending";
    t->phase = TRIAL_IN_STAGES;
    free(t->reason);
    t->reason = NULL;
    free(t->bits);
    t->bits = NULL;
    t->n_bits = 0;
    pare_metrics_clear(&t->metrics);
    memset(&t->key, 0, sizeof t->key);
    memset(&t->artifact, 0, sizeof t->artifact);
}

/* Decides how much of the trial is to be done. */
static pare_status place(struct engine *e, struct trial *t, struct pare_error *err)
{
    struct pare_cache_entry entry = {0};
    const struct pare_constraint *violated;
    char *reason = NULL;
    pare_status st = PARE_OK;

    if (recall(e, t) && !must_retry(e, t) && !(engine_is_ok(t) && lacks_metrics(e, t))) {
        t->phase = TRIAL_OVER;
        if (!engine_is_ok(t))
            return PARE_OK;
        t->is_rebuild = pare_cache_find(&entry, e->folder, t->key.hex) != PARE_CACHE_HIT ||
                        strcmp(entry.digest.hex, t->artifact.hex) != 0;
        pare_cache_entry_clear(&entry);
        if (t->is_rebuild)
            t->phase = TRIAL_IN_STAGES;
        return PARE_OK;
    }
    start_over(t);
    violated = engine_violated(e, t, &t->metrics, true);
    if (violated) {
        if (asprintf(&reason, "constraint: %s", pare_constraint_text(violated)) < 0)
            abort();
        st = engine_end_trial(e, t, "infeasible", reason, err);
        free(reason);
        return st;
    }
    return engine_save_trial(e, t, err);
}

pare_status engine_add_baseline(struct engine *e, struct pare_error *err)
{
    struct trial *t = append(e);
    pare_status st = place(e, t, err);

    /* Its node is walked in any case, and settles at once when the artifact is whole. */
    if (!st && t->phase == TRIAL_OVER) {
        t->is_rebuild = engine_is_ok(t);
        t->phase = TRIAL_IN_STAGES;
    }
    return st;
}

/* Refused by its options alone: it cost nothing, so it does not count against search.trials. */
static bool is_free(const struct trial *t)
{
    return t->phase == TRIAL_OVER && strcmp(t->status, "infeasible") == 0 && !t->key.hex[0];
}

pare_status engine_ask(struct engine *e, int64_t n, struct pare_error *err)
{
    int n_dims = is_grid(e) ? 1 : e->sweep->space->n_flat;
    int64_t n_refused_at_most = MAX_REFUSED_PER_TRIAL * (fmin(e->sweep->n_trials, 1e9) + 50);
    pare_status st = PARE_OK;

    while (!st && n > 0 && e->n_trials - e->n_counted <= n_refused_at_most) {
        int64_t *point = pare_xcalloc((size_t)n_dims + 1, sizeof *point);
        struct pare_config *config = next_config(e, point);
        struct trial *t;

        if (!config) {
            free(point);
            break;
        }
        t = append(e);
        t->config = config;
        t->point = point;
        st = place(e, t, err);
        if (!st && !is_free(t)) {
            e->n_counted++;
            n--;
        }
    }
    return st;
}

bool engine_objectives(const struct engine *e, const struct trial *t, double *out)
{
    for (int i = 0; i < e->sweep->n_objectives; i++) {
        const struct pare_objective *o = &e->sweep->objectives[i];
        double value = pare_metrics_value(&t->metrics, o->metric.text);

        if (isnan(value))
            return false;
        out[i] = o->maximize ? -value : value;
    }
    return true;
}

void engine_tell(struct engine *e, int64_t from, int64_t to)
{
    double *values = pare_xcalloc((size_t)e->sweep->n_objectives + 1, sizeof *values);

    for (int64_t i = from; i < to; i++) {
        struct trial *t = &e->trials[i];
        bool is_good = engine_is_ok(t) && engine_objectives(e, t, values);

        e->sweep->sampler->tell(e->sampler, t->point, is_good ? values : NULL);
    }
    free(values);
}
