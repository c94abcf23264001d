#include "sweep/run.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/pool.h"
#include "option/schema.h"
#include "sweep/engine.h"
#include "sweep/folder.h"
#include "sweep/identity.h"

/* Trials that are asked before the first of them is told: the order of asking and telling is the same
 * on any number of workers. */
enum { ROUND = 64 };

char *pare_sweep_folder(const struct pare_sweep *sweep, const char *given)
{
    return given ? pare_xstrdup(given) : pare_path_join("results", sweep->name);
}

/* ---- opening ---- */

static pare_status drop_tables(const char *folder, struct pare_error *err)
{
    static const char *const names[] = {"pare.sqlite", "pare.sqlite-wal", "pare.sqlite-shm"};
    pare_status st = PARE_OK;

    for (size_t i = 0; !st && i < sizeof names / sizeof *names; i++) {
        char *path = pare_path_join(folder, names[i]);

        if (pare_file_exists(path) && unlink(path) != 0)
            st = pare_fail(err, PARE_EIO, "%s: cannot be removed", path);
        free(path);
    }
    return st;
}

static pare_status open_source(struct engine *e, struct pare_error *err)
{
    struct pare_digest digest;
    pare_status st = PARE_OK;
    int n;

    if (e->sweep->model_zoo) {
        n = asprintf(&e->source, "zoo %s", e->sweep->model_zoo);
    } else {
        st = pare_hash_file(&digest, e->sweep->model_path, err);
        n = st ? 0 : asprintf(&e->source, "file %s", digest.hex);
    }
    if (n < 0)
        abort();
    return st;
}

/* What a worker must know before its first job. */
static char *hello_line(const struct engine *e)
{
    struct pare_text text = {0};
    bool is_first = true;

    pare_text_add(&text, "{\"do\": \"hello\", \"folder\": ");
    pare_text_json_string(&text, e->folder);
    pare_text_add(&text, ", \"data\": ");
    pare_protocol_add_options(&text, pare_data_options, &e->sweep->data);
    pare_text_add(&text, ", \"train\": ");
    pare_protocol_add_options(&text, pare_recipe_options, &e->sweep->train);
    pare_text_add(&text, ", \"devices\": [");
    for (int i = 0; i < e->sweep->n_targets; i++) {
        const struct pare_device *device = &e->sweep->targets[i].device;

        if (e->sweep->targets[i].is_host)
            continue;
        pare_text_add(&text, is_first ? "{\"id\": " : ", {\"id\": ");
        pare_text_json_string(&text, device->id);
        pare_text_add(&text, ", \"model\": ");
        pare_text_json_string(&text, device->model->name);
        pare_text_add(&text, ", \"options\": ");
        pare_protocol_add_options(&text, device->model->options, device->options);
        pare_text_add(&text, "}");
        is_first = false;
    }
    pare_text_add(&text, "]}");
    return pare_text_take(&text);
}

static void open_pool(struct engine *e)
{
    static const char *const argv[] = {"/proc/self/exe", "worker", NULL};
    int n = e->options->n_workers ? e->options->n_workers : e->sweep->n_workers;
    char *logs = pare_path_join(e->folder, "cache");
    const struct pare_worker_pool_options options = {
        .argv = argv,
        .hello = e->hello,
        .log_folder = logs,
        .n_workers = n ? n : pare_cpu_count(),
        .memory_bytes = e->sweep->stage_memory_bytes,
    };

    e->pool = pare_worker_pool_new(&options);
    e->jobs = pare_xcalloc((size_t)options.n_workers, sizeof *e->jobs);
    free(logs);
}

/* Ctrl-C comes through a descriptor that the loop watches. */
static void catch_signals(struct engine *e, sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, before);
    e->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static pare_status open_engine(struct engine *e, struct pare_error *err)
{
    pare_status st = pare_folder_open(e->folder, &e->lock_fd, err);

    if (!st && e->options->restart)
        st = drop_tables(e->folder, err);
    if (!st)
        st = pare_store_open(&e->store, e->folder, false, err);
    /* Decodes the data set once; the workers map what it leaves. */
    if (!st)
        st = pare_data_open(&e->data, &e->sweep->data, err);
    if (!st)
        st = open_source(e, err);
    if (st)
        return st;
    e->numeric_mode = pare_identity_numeric_mode();
    e->scope = (struct pare_key_scope){
        .data_digest = pare_data_digest(e->data),
        .numeric_mode = e->numeric_mode,
        .seed = e->sweep->seed,
        .fidelity = 1,
        .train = &e->sweep->train,
    };
    st = pare_identity_check(e->store, e->sweep, e->source, e->scope.data_digest, e->numeric_mode,
                             err);
    if (st) {
        pare_error_prefix(err, "%s", e->folder);
        return st;
    }
    e->exclusive_fd = pare_exclusive_open();
    e->hello = hello_line(e);
    open_pool(e);
    e->tree = pare_tree_new(e->source);
    e->capacity = 64;
    e->trials = pare_xcalloc((size_t)e->capacity, sizeof *e->trials);
    e->begin_s = pare_clock_s();
    e->end_s = e->sweep->timeout_s > 0 ? e->begin_s + e->sweep->timeout_s : INFINITY;
    /* The last fifth of the time, at most a minute, belongs to measuring what there is. */
    e->deadline_s = e->end_s - fmin(0.2 * e->sweep->timeout_s, 60);
    st = engine_open_sampler(e, err);
    return st ? st : engine_describe(e, err);
}

static void close_engine(struct engine *e)
{
    pare_worker_pool_free(e->pool);
    engine_close_sampler(e);
    pare_tree_free(e->tree);
    for (int64_t i = 0; i < e->n_trials; i++) {
        struct trial *t = &e->trials[i];

        pare_config_free(t->config);
        free(t->point);
        free(t->path);
        free(t->reason);
        free(t->bits);
        pare_metrics_clear(&t->metrics);
    }
    free(e->trials);
    for (int i = 0; i < e->n_evaluations; i++) {
        free(e->evaluations[i].bits);
        pare_metrics_clear(&e->evaluations[i].metrics);
    }
    free(e->evaluations);
    free(e->jobs);
    free(e->hello);
    free(e->source);
    free(e->numeric_mode);
    pare_data_close(e->data);
    pare_store_close(e->store);
    if (e->exclusive_fd >= 0)
        close(e->exclusive_fd);
    if (e->lock_fd >= 0)
        close(e->lock_fd);
    free(e->folder);
}

/* ---- the loop ---- */

static bool must_end(const struct engine *e)
{
    return e->n_interrupts > 0 || e->is_timed_out;
}

/* Trial 0, alone: everything else is compared with it. */
static pare_status run_baseline(struct engine *e, struct pare_error *err)
{
    const struct pare_tree_node *root;
    pare_status st = engine_add_baseline(e, err);

    if (!st)
        st = engine_compress(e, err);
    if (st || must_end(e))
        return st;
    root = pare_tree_get(e->tree, 0);
    if (root->state == PARE_NODE_FAILED)
        return pare_fail(err, root->status == PARE_EINFEASIBLE ? PARE_EINVAL : root->status,
                         "no baseline, no sweep: %s", root->reason);
    if (!engine_is_ok(&e->trials[0]))
        return pare_fail(err, PARE_EINVAL, "no baseline, no sweep: %s", e->trials[0].reason);
    return PARE_OK;
}

static pare_status run_trials(struct engine *e, struct pare_error *err)
{
    pare_status st = PARE_OK;

    while (!st && !must_end(e)) {
        int64_t first = e->n_trials, left = e->sweep->n_trials - e->n_counted;

        st = engine_ask(e, left < ROUND ? left : ROUND, err);
        if (st || e->n_trials == first)
            break;
        for (int64_t i = first; i < e->n_trials; i++)
            e->n_over_before += e->trials[i].phase == TRIAL_OVER;
        st = engine_compress(e, err);
        if (!st && !e->n_interrupts)
            st = engine_measure(e, err);
        if (!st && !must_end(e))
            engine_tell(e, first, e->n_trials);
    }
    /* Also for a sweep that was complete but for its measurements. */
    if (!st && !e->n_interrupts)
        st = engine_measure(e, err);
    if (!st && !e->n_interrupts)
        st = engine_test(e, err);
    return st;
}

static void count(struct pare_run_result *out, const struct engine *e)
{
    for (int64_t i = 1; i < e->n_trials; i++) {
        const struct trial *t = &e->trials[i];

        out->n_trials++;
        if (t->phase != TRIAL_OVER)
            out->n_pending++;
        else if (strcmp(t->status, "ok") == 0)
            out->n_ok++;
        else if (strcmp(t->status, "infeasible") == 0)
            out->n_infeasible++;
        else
            out->n_failed++;
    }
    out->n_stages_run = e->n_stages_run;
    out->n_stages_reused = e->n_stages_reused;
}

static pare_status conclude(struct engine *e, struct pare_run_result *out, pare_status st,
                            struct pare_error *err)
{
    count(out, e);
    if (!st)
        st = pare_store_check(e->store, err); /* a read that failed looked like "not there" */
    if (!st && e->n_interrupts)
        st = pare_fail(err, PARE_ESTOPPED,
                       "interrupted; everything finished is kept: the same command goes on");
    else if (!st && e->is_timed_out)
        st = pare_fail(err, PARE_ETIMEOUT,
                       "search.timeout has passed; everything finished is kept: the same command "
                       "goes on");
    else if (!st && out->n_ok == 0)
        st = pare_fail(err, PARE_EINFEASIBLE,
                       "none of %lld trials came out; `pare status %s` says why",
                       (long long)out->n_trials, e->folder);
    if (e->run_id)
        pare_store_run_end(e->store, e->run_id, pare_status_name(st), NULL);
    return st;
}

pare_status pare_sweep_run(struct pare_run_result *out, const struct pare_sweep *sweep,
                           const struct pare_registry *registry,
                           const struct pare_run_options *options, struct pare_error *err)
{
    struct engine e = {
        .sweep = sweep,
        .registry = registry,
        .options = options,
        .folder = pare_sweep_folder(sweep, options->folder),
        .lock_fd = -1,
        .exclusive_fd = -1,
        .signal_fd = -1,
    };
    sigset_t before;
    pare_status st;

    *out = (struct pare_run_result){.folder = pare_xstrdup(e.folder)};
    st = open_engine(&e, err);
    if (!st) {
        catch_signals(&e, &before);
        st = run_baseline(&e, err);
        if (!st && !must_end(&e))
            st = run_trials(&e, err);
        pare_progress_end();
        st = conclude(&e, out, st, err);
        if (e.signal_fd >= 0)
            close(e.signal_fd);
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    close_engine(&e);
    return st;
}
