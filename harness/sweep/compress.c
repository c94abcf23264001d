/* Down the stage tree: runs what must be run, takes the rest from the cache. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sweep/engine.h"
#include "sweep/folder.h"

enum { PROBE_TIMEOUT_S = 120 };
#define MAX_HELD_S 300.0

/* ---- planting trials ---- */

/* States that change MACs or parameters. */
enum { STRUCTURE = PARE_STATE_NARROWED | PARE_STATE_FACTORED | PARE_STATE_STUDENT };

static struct pare_task task_of(const struct pare_config *config, int first, int n,
                                struct pare_task_member *members)
{
    for (int i = 0; i < n; i++) {
        const struct pare_config_stage *s = &config->stages[first + i];

        members[i] = (struct pare_task_member){
            .stage = s->stage->name,
            .method = s->method,
            .n_options = s->n_options,
            .names = s->names,
            .values = s->values,
        };
    }
    return (struct pare_task){n, members, n > 1};
}

static pare_status plant(struct engine *e, struct trial *t, struct pare_error *err)
{
    const struct pare_config *config = t->config;
    struct pare_task_member *members = pare_xcalloc((size_t)config->n_stages + 1, sizeof *members);
    int node = 0;
    pare_status st = PARE_OK;

    t->path = pare_xcalloc((size_t)config->n_stages + 1, sizeof *t->path);
    for (int s = 0; !st && s < config->n_stages;) {
        struct pare_task task;
        int n = 1;

        while (s + n < config->n_stages && config->step_of[s + n] == config->step_of[s])
            n++;
        task = task_of(config, s, n, members);
        st = pare_tree_add(&node, e->tree, node, &task, t->id, err);
        if (st)
            break;
        t->path[t->n_steps++] = node;
        for (int i = 0; i < n; i++)
            if (members[i].method->leaves & STRUCTURE)
                t->n_structural = t->n_steps;
        s += n;
    }
    free(members);
    return st;
}

static int leaf_of(const struct trial *t)
{
    return t->n_steps ? t->path[t->n_steps - 1] : 0;
}

static bool passes(const struct trial *t, int node)
{
    for (int i = 0; i < t->n_steps; i++)
        if (t->path[i] == node)
            return true;
    return node == 0;
}

/* ---- constraints that a network's structure decides ---- */

static bool has_cheap_constraints(const struct engine *e)
{
    for (int i = 0; i < e->sweep->n_constraints; i++)
        if (pare_constraint_is_cheap(e->sweep->constraints[i]))
            return true;
    return false;
}

/* The node after which the trial's MACs and parameters stay. */
static int structural_node(const struct trial *t)
{
    return t->n_structural ? t->path[t->n_structural - 1] : 0;
}

/* Ends the trials that the node's MACs and parameters rule out, before anything more is trained. */
static pare_status check_structure(struct engine *e, int node, struct pare_error *err)
{
    const struct pare_tree_node *n = pare_tree_get(e->tree, node);
    struct pare_metrics metrics = {0};
    pare_status st = PARE_OK;

    if (!has_cheap_constraints(e) || n->macs < 0)
        return PARE_OK;
    pare_metrics_count(&metrics, "macs", (double)n->macs, "1");
    pare_metrics_count(&metrics, "params", (double)n->params, "1");
    for (int64_t i = 1; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];
        const struct pare_constraint *violated;
        char *reason = NULL;

        if (t->phase != TRIAL_IN_STAGES || t->is_rebuild || structural_node(t) != node)
            continue;
        violated = engine_violated(e, t, &metrics, true);
        if (!violated)
            continue;
        if (asprintf(&reason, "constraint: %s (macs %lld, params %lld)",
                     pare_constraint_text(violated), (long long)n->macs, (long long)n->params) < 0)
            abort();
        t->key = n->key;
        pare_tree_release(e->tree, leaf_of(t));
        pare_metrics_copy(&t->metrics, &metrics);
        st = engine_end_trial(e, t, "infeasible", reason, err);
        free(reason);
    }
    pare_metrics_clear(&metrics);
    return st;
}

/* A training that changes the structure is asked first where it would start from. */
static bool needs_probe(struct engine *e, int node)
{
    const struct pare_tree_node *n = pare_tree_get(e->tree, node);
    bool changes = false;

    for (int m = 0; m < n->task.n_members; m++)
        changes = changes || (n->task.members[m].method->prepare &&
                              n->task.members[m].method->leaves & STRUCTURE);
    return changes && n->macs < 0 && pare_task_trains(&n->task) && has_cheap_constraints(e);
}

/* ---- ends of nodes ---- */

static pare_status record(struct engine *e, int node, pare_status status, const char *error,
                          const struct pare_cache_entry *entry, struct pare_error *err)
{
    const struct pare_tree_node *n = pare_tree_get(e->tree, node);
    const struct pare_stage_row row = {
        .key = n->key.hex,
        .parent_key = n->parent >= 0 ? pare_tree_get(e->tree, n->parent)->key.hex : "",
        .label = n->label,
        .status = pare_status_name(status),
        .error = error,
        .artifact_digest = status ? "" : entry->digest.hex,
        .size_bytes = entry->size_bytes,
        .wall_s = entry->wall_s,
        .peak_rss_mib = entry->peak_rss_mib,
        .log = entry->log ? entry->log : "",
    };

    return pare_store_put_stage(e->store, &row, err);
}

/* The artifact of a trial is there. */
static pare_status arrive(struct engine *e, struct trial *t, const struct pare_tree_node *leaf,
                          struct pare_error *err)
{
    bool is_same = strcmp(t->artifact.hex, leaf->artifact.hex) == 0;

    t->key = leaf->key;
    t->artifact = leaf->artifact;
    if (!t->is_rebuild)
        return engine_want_evaluation(e, t, err);
    t->is_rebuild = false;
    if (is_same) {
        t->phase = TRIAL_OVER;
        return PARE_OK;
    }
    pare_log(PARE_LOG_WARN,
             "trial %lld: its artifact came out with other bytes than before; it is evaluated anew",
             (long long)t->id);
    return engine_want_evaluation(e, t, err);
}

static pare_status node_done(struct engine *e, int node, const struct pare_cache_entry *entry,
                             struct pare_error *err)
{
    struct pare_tree_node *n = pare_tree_get(e->tree, node);
    struct pare_stage_row row;
    pare_status st = PARE_OK;

    n->artifact = entry->digest;
    n->macs = entry->macs;
    n->params = entry->params;
    pare_tree_done(e->tree, node);
    if (!pare_store_get_stage(e->store, n->key.hex, &row) ||
        strcmp(row.artifact_digest, entry->digest.hex) != 0)
        st = record(e, node, PARE_OK, "", entry, err);
    if (!st)
        st = check_structure(e, node, err);
    for (int64_t i = 0; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];

        if (t->phase == TRIAL_IN_STAGES && leaf_of(t) == node)
            st = arrive(e, t, n, err);
    }
    return st;
}

static pare_status node_failed(struct engine *e, int node, pare_status status, const char *reason,
                               struct pare_error *err)
{
    struct pare_tree_node *n = pare_tree_get(e->tree, node);
    pare_status st = PARE_OK;

    pare_tree_fail(e->tree, node, status, reason);
    for (int64_t i = 0; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];

        if (t->phase != TRIAL_IN_STAGES || !passes(t, node))
            continue;
        t->is_rebuild = false;
        t->key = n->key;
        memset(&t->artifact, 0, sizeof t->artifact);
        pare_tree_release(e->tree, leaf_of(t));
        st = engine_end_trial(e, t, engine_trial_status(status), reason, err);
    }
    return st;
}

/* ---- starting nodes ---- */

static pare_status find_key(struct engine *e, int node, struct pare_error *err)
{
    struct pare_tree_node *n = pare_tree_get(e->tree, node);

    if (n->parent < 0) {
        n->key = pare_key_baseline(&e->scope, e->source);
        return PARE_OK;
    }
    return pare_key_stage(&n->key, &e->scope, pare_tree_get(e->tree, 0)->artifact.hex,
                          pare_tree_get(e->tree, n->parent)->artifact.hex, &n->task, err);
}

/* A failure of an earlier run that need not be seen again. */
static bool remembered_failure(struct engine *e, const struct pare_tree_node *n,
                               struct pare_stage_row *row)
{
    return n->parent >= 0 && !e->options->retry_failed &&
           pare_store_get_stage(e->store, n->key.hex, row) && strcmp(row->status, "ok") != 0 &&
           strcmp(row->status, pare_status_name(PARE_EIO)) != 0;
}

/* Settles the node without running it when that is possible. */
static pare_status settle(struct engine *e, int node, bool *is_settled, struct pare_error *err)
{
    struct pare_tree_node *n = pare_tree_get(e->tree, node);
    struct pare_cache_entry entry = {0};
    struct pare_stage_row row;
    enum pare_cache_state state;
    pare_status st = find_key(e, node, err);

    *is_settled = false;
    if (st)
        return st;
    state = pare_cache_find(&entry, e->folder, n->key.hex);
    if (state == PARE_CACHE_HIT) {
        *is_settled = true;
        e->n_stages_reused++;
        st = node_done(e, node, &entry, err);
        pare_cache_entry_clear(&entry);
        return st;
    }
    if (state == PARE_CACHE_DAMAGED)
        pare_log(PARE_LOG_WARN, "artifacts/%s.safetensors is damaged; '%s' runs again", n->key.hex,
                 n->label);
    if (state == PARE_CACHE_MISS && remembered_failure(e, n, &row)) {
        char *reason = pare_xstrdup(row.error);

        *is_settled = true;
        st = node_failed(e, node, pare_protocol_read_status(row.status), reason, err);
        free(reason);
    }
    return st;
}

static pare_status send_node(struct engine *e, int worker, int node, int n_threads,
                             struct pare_error *err)
{
    const struct pare_tree_node *n = pare_tree_get(e->tree, node);
    bool is_probe = needs_probe(e, node);
    struct pare_text body = {0};
    pare_status st;

    pare_text_printf(&body, "\"key\": \"%s\", \"fidelity\": ", n->key.hex);
    pare_text_json_number(&body, e->scope.fidelity);
    pare_text_printf(&body, ", \"threads\": %d, ", n_threads);
    if (n->parent < 0) {
        pare_text_add(&body, e->sweep->model_zoo ? "\"zoo\": " : "\"path\": ");
        pare_text_json_string(&body,
                              e->sweep->model_zoo ? e->sweep->model_zoo : e->sweep->model_path);
    } else {
        pare_text_printf(&body, "\"baseline\": \"%s\", \"parent\": \"%s\", \"task\": ",
                         pare_tree_get(e->tree, 0)->key.hex,
                         pare_tree_get(e->tree, n->parent)->key.hex);
        pare_protocol_add_task(&body, &n->task);
    }
    st = engine_send(e, worker, (struct job){is_probe ? JOB_PROBE : JOB_STAGE, node},
                     n->parent < 0 ? "baseline"
                     : is_probe    ? "probe"
                                   : "stage",
                     body.s, is_probe ? PROBE_TIMEOUT_S : e->sweep->stage_timeout_s, err);
    pare_text_clear(&body);
    return st;
}

/* One job alone may have every core: results do not depend on it. */
static int threads_for(struct engine *e, int n_waiting_evaluations)
{
    bool is_alone = pare_worker_pool_n_busy(e->pool) == 0 && pare_tree_n_runnable(e->tree) == 0 &&
                    n_waiting_evaluations == 0;

    return is_alone ? pare_worker_pool_n(e->pool) : 1;
}

static pare_status dispatch_evaluation(struct engine *e, int worker, int index,
                                       struct pare_error *err)
{
    int n_others = engine_n_waiting_evaluations(e) - 1;

    return engine_send_evaluation(e, worker, index, threads_for(e, n_others), err);
}

/* Gives the worker something to do; *is_given is false when there is nothing. */
static pare_status dispatch(struct engine *e, int worker, bool *is_given, struct pare_error *err)
{
    int index = engine_waiting_evaluation(e), node;
    pare_status st = PARE_OK;

    *is_given = true;
    if (index >= 0)
        return dispatch_evaluation(e, worker, index, err);
    while (!st && (node = pare_tree_take(e->tree)) >= 0) {
        bool is_settled = false;

        st = settle(e, node, &is_settled, err);
        if (!st && !is_settled)
            return send_node(e, worker, node, threads_for(e, 0), err);
        index = engine_waiting_evaluation(e); /* of what the cache had */
        if (!st && index >= 0)
            return dispatch_evaluation(e, worker, index, err);
    }
    *is_given = false;
    return st;
}

/* ---- ends of jobs ---- */

/* "crash: killed by signal 11 (...) in prune.magnitude" */
static char *reason_of(const struct pare_tree_node *n, const struct pare_worker_event *event)
{
    bool is_lost = event->status == PARE_ECRASH || event->status == PARE_ETIMEOUT ||
                   strncmp(event->error, "oom:", 4) == 0;
    struct pare_text text = {0};

    pare_text_add(&text, event->error[0] ? event->error : pare_status_name(event->status));
    if (is_lost && n->parent < 0)
        pare_text_add(&text, " in the baseline's training");
    if (is_lost && n->parent >= 0) {
        pare_text_add(&text, " in ");
        pare_task_methods(&n->task, &text);
    }
    return pare_text_take(&text);
}

static pare_status stage_ended(struct engine *e, int node, const struct pare_worker_event *event,
                               struct pare_error *err)
{
    struct pare_tree_node *n = pare_tree_get(e->tree, node);
    struct pare_cache_entry entry = {0};
    char *reason = NULL;
    pare_status st;

    if (event->status == PARE_OK &&
        pare_cache_find(&entry, e->folder, n->key.hex) == PARE_CACHE_HIT) {
        e->n_stages_run++;
        st = node_done(e, node, &entry, err);
        pare_cache_entry_clear(&entry);
        return st;
    }
    e->n_stages_run++;
    reason = event->status ? reason_of(n, event)
                           : pare_xstrdup("the artifact does not read back as it was written");
    entry = (struct pare_cache_entry){
        .wall_s = event->wall_s,
        .peak_rss_mib = event->peak_rss_mib,
        .log = pare_xstrdup(event->log ? event->log : ""),
    };
    st = record(e, node, event->status ? event->status : PARE_EIO, reason, &entry, err);
    if (!st)
        st = node_failed(e, node, event->status ? event->status : PARE_EIO, reason, err);
    pare_cache_entry_clear(&entry);
    free(reason);
    return st;
}

static pare_status probe_ended(struct engine *e, int node, const struct pare_worker_event *event,
                               struct pare_error *err)
{
    struct pare_tree_node *n = pare_tree_get(e->tree, node);

    if (event->status)
        return stage_ended(e, node, event, err);
    n->macs = pare_json_get_int(event->result, "macs", 0);
    n->params = pare_json_get_int(event->result, "params", 0);
    pare_tree_put_back(e->tree, node);
    return check_structure(e, node, err);
}

static pare_status ended(struct engine *e, const struct pare_worker_event *event,
                         struct pare_error *err)
{
    struct job job = e->jobs[event->worker];

    switch (job.kind) {
    case JOB_STAGE: return stage_ended(e, job.index, event, err);
    case JOB_PROBE: return probe_ended(e, job.index, event, err);
    case JOB_EVALUATE: return engine_evaluated(e, job.index, event, err);
    }
    return PARE_OK;
}

/* ---- the loop ---- */

static pare_status plant_all(struct engine *e, struct pare_error *err)
{
    pare_status st = PARE_OK;

    for (int64_t i = 1; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];

        if (t->phase != TRIAL_IN_STAGES || t->path)
            continue;
        st = plant(e, t, err);
        if (st == PARE_EINVAL) { /* this combination contradicts itself; the others do not */
            pare_tree_release(e->tree, leaf_of(t));
            st = engine_end_trial(e, t, "infeasible", err->text, err);
            free(t->path);
            t->path = NULL;
            t->n_steps = 0;
        }
    }
    /* Trials whose prefix an earlier round has settled. */
    for (int64_t i = 1; !st && i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];
        int failed, leaf;

        if (t->phase != TRIAL_IN_STAGES)
            continue;
        leaf = leaf_of(t);
        failed = pare_tree_failed_on(e->tree, leaf);
        if (failed >= 0) {
            const struct pare_tree_node *n = pare_tree_get(e->tree, failed);

            t->key = n->key;
            st = engine_end_trial(e, t, engine_trial_status(n->status), n->reason, err);
        } else if (pare_tree_get(e->tree, leaf)->state == PARE_NODE_DONE) {
            st = arrive(e, t, pare_tree_get(e->tree, leaf), err);
        }
    }
    if (!st && pare_tree_get(e->tree, 0)->state == PARE_NODE_DONE)
        for (int n = 0; !st && n < pare_tree_n(e->tree); n++)
            st = check_structure(e, n, err);
    return st;
}

/* Another sweep measures on this machine: no new work beside it, within reason. */
static bool is_held(struct engine *e)
{
    if (e->held_s >= MAX_HELD_S || !pare_exclusive_is_taken(e->exclusive_fd))
        return false;
    engine_progress(e, "waiting for another sweep's measurement");
    return true;
}

pare_status engine_compress(struct engine *e, struct pare_error *err)
{
    pare_status st = plant_all(e, err);

    while (!st) {
        struct pare_worker_event event;
        bool is_given = true, must_wait = is_held(e);
        double begin_s = pare_clock_s();

        if (begin_s >= e->deadline_s) {
            e->is_timed_out = true;
            pare_worker_pool_kill(e->pool);
            return PARE_OK;
        }
        for (int w; !st && is_given && !must_wait && !e->n_interrupts &&
                    (w = pare_worker_pool_idle(e->pool)) >= 0;)
            st = dispatch(e, w, &is_given, err);
        if (st || (pare_worker_pool_n_busy(e->pool) == 0 && (!must_wait || e->n_interrupts)))
            break;
        if (!must_wait)
            engine_progress(e, "compressing");
        if (engine_wait(e, &event))
            st = ended(e, &event, err);
        if (must_wait)
            e->held_s += pare_clock_s() - begin_s;
    }
    return st;
}
