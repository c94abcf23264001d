#include "sweep/engine.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"

#define WAIT_S 0.5 /* between looks at the clock and the progress line */

/* ---- the user ---- */

bool engine_interrupted(struct engine *e)
{
    struct signalfd_siginfo info;

    while (e->signal_fd >= 0 && read(e->signal_fd, &info, sizeof info) == sizeof info) {
        int n_busy = pare_worker_pool_n_busy(e->pool);

        e->n_interrupts++;
        if (e->n_interrupts > 1)
            pare_worker_pool_kill(e->pool);
        else if (n_busy)
            pare_log(PARE_LOG_INFO, "stopping when the %d running job%s done; once more: at once",
                     n_busy, n_busy == 1 ? " is" : "s are");
    }
    return e->n_interrupts > 0;
}

bool engine_wait(struct engine *e, struct pare_worker_event *event)
{
    if (pare_worker_pool_wait(e->pool, WAIT_S, e->signal_fd, event))
        return true;
    engine_interrupted(e);
    return false;
}

pare_status engine_send(struct engine *e, int worker, struct job job, const char *what,
                        const char *body, double timeout_s, struct pare_error *err)
{
    e->jobs[worker] = job;
    return pare_worker_pool_send(e->pool, worker, job.index, what, body, timeout_s, err);
}

/* ---- constraints ---- */

struct asking {
    const struct engine *engine;
    const struct trial *trial;
    const struct pare_metrics *metrics;
};

static const char *option(void *state, const char *name)
{
    const struct asking *a = state;

    return pare_config_get(a->trial->config, name);
}

static bool metric(void *state, const char *name, double *value)
{
    static const char baseline[] = "baseline.";
    const struct asking *a = state;
    bool is_baseline = strncmp(name, baseline, strlen(baseline)) == 0;

    *value = is_baseline
                 ? pare_metrics_value(&a->engine->trials[0].metrics, name + strlen(baseline))
                 : pare_metrics_value(a->metrics, name);
    return !isnan(*value);
}

const struct pare_constraint *engine_violated(const struct engine *e, const struct trial *t,
                                              const struct pare_metrics *metrics, bool cheap)
{
    struct asking asking = {e, t, metrics};
    const struct pare_constraint_env env = {&asking, option, metric};

    for (int i = 0; t->config && i < e->sweep->n_constraints; i++) {
        const struct pare_constraint *c = e->sweep->constraints[i];

        if ((!cheap || pare_constraint_is_cheap(c)) && pare_constraint_eval(c, &env) == PARE_FALSE)
            return c;
    }
    return NULL;
}

const char *engine_verdict(const struct engine *e, const struct trial *t, char **reason)
{
    const struct pare_constraint *c = engine_violated(e, t, &t->metrics, false);

    *reason = NULL;
    if (!c)
        return "ok";
    if (asprintf(reason, "constraint: %s", pare_constraint_text(c)) < 0)
        abort();
    return "infeasible";
}

/* ---- trials and the store ---- */

bool engine_is_ok(const struct trial *t)
{
    return t->phase == TRIAL_OVER && strcmp(t->status, "ok") == 0;
}

const char *engine_trial_status(pare_status status)
{
    switch (status) {
    case PARE_OK: return "ok";
    case PARE_EINFEASIBLE: return "infeasible";
    case PARE_ETIMEOUT: return "timeout";
    case PARE_ENOMEM: return "oom";
    case PARE_ENUMERIC: return "numeric";
    case PARE_ECRASH: return "crash";
    default: return "failed";
    }
}

bool engine_is_counter(const char *metric_name)
{
    return strncmp(metric_name, "PAPI_", 5) == 0 || strncmp(metric_name, "perf::", 6) == 0;
}

bool engine_is_timed(const struct pare_sweep *sweep, const struct pare_metric_ref *metric)
{
    return metric->target >= 0 && sweep->targets[metric->target].is_host &&
           (strncmp(metric->name, "latency_", 8) == 0 || engine_is_counter(metric->name));
}

static bool is_json_number(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    return (*text == '-' || (*text >= '0' && *text <= '9')) && *end == '\0' && isfinite(value) &&
           !strpbrk(text, "xX") && !(text[0] == '0' && text[1] >= '0' && text[1] <= '9') &&
           end[-1] != '.';
}

/* {"prune.method": "prune.channels", "prune.sparsity": 0.5, ...} */
static char *options_json(const struct pare_config *config)
{
    struct pare_text text = {0}, name = {0};

    pare_text_add(&text, "{");
    for (int s = 0; config && s < config->n_stages; s++) {
        const struct pare_config_stage *stage = &config->stages[s];

        for (int i = -1; i < stage->n_options; i++) {
            const char *value = i < 0 ? stage->method->name : stage->values[i];

            pare_text_printf(&name, "%s.%s", stage->stage->name,
                             i < 0 ? "method" : stage->names[i]);
            pare_text_add(&text, text.n > 1 ? ", " : "");
            pare_text_json_string(&text, name.s);
            pare_text_add(&text, ": ");
            if (is_json_number(value))
                pare_text_add(&text, value);
            else
                pare_text_json_string(&text, value);
            pare_text_clear(&name);
        }
    }
    pare_text_add(&text, "}");
    return pare_text_take(&text);
}

static pare_status put_trial(struct engine *e, const struct trial *t, struct pare_error *err)
{
    char *options = options_json(t->config), *path = NULL;
    pare_status st;

    if (t->artifact.hex[0] && asprintf(&path, "artifacts/%s.safetensors", t->key.hex) < 0)
        abort();
    const struct pare_trial_row row = {
        .id = t->id,
        .config = t->config ? t->config->canonical : "baseline",
        .chain = t->config ? t->config->chain->label : "baseline",
        .options_json = options,
        .status = t->status,
        .reason = t->reason ? t->reason : "",
        .stage_key = t->key.hex,
        .artifact_digest = t->artifact.hex,
        .artifact_path = path ? path : "",
    };
    st = pare_store_put_trial(e->store, &row, err);
    free(options);
    free(path);
    return st;
}

pare_status engine_put_trial(struct engine *e, const struct trial *t, struct pare_error *err)
{
    pare_status st = put_trial(e, t, err);

    if (!st)
        st = pare_metrics_save(&t->metrics, e->store, t->id, err);
    if (!st && t->bits)
        st = pare_store_put_bits(e->store, t->id, "validation", t->bits, t->n_bits, err);
    return st;
}

pare_status engine_close_transaction(struct engine *e, pare_status status, struct pare_error *err)
{
    if (status == PARE_OK)
        return pare_store_commit(e->store, err);
    pare_store_rollback(e->store, NULL);
    return status;
}

pare_status engine_save_trial(struct engine *e, const struct trial *t, struct pare_error *err)
{
    pare_status st = pare_store_begin(e->store, err);

    return st ? st : engine_close_transaction(e, engine_put_trial(e, t, err), err);
}

void engine_set_end(struct trial *t, const char *status, const char *reason)
{
    char *kept = pare_xstrdup(reason); /* it may be the old one */

    t->phase = TRIAL_OVER;
    t->status = status;
    free(t->reason);
    t->reason = kept;
}

pare_status engine_end_trial(struct engine *e, struct trial *t, const char *status,
                             const char *reason, struct pare_error *err)
{
    engine_set_end(t, status, reason);
    return engine_save_trial(e, t, err);
}
