/* The store: one SQLite file per results folder.  Tables and plots are functions of it alone.
 *
 * WAL, foreign keys, a schema version with migrations.  Only the coordinator writes.  Rows that
 * getters fill lend their strings until the next call on the same cursor. */
#ifndef PARE_STORE_STORE_H
#define PARE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <pare/status.h>

struct pare_store;

/* folder/pare.sqlite; made when absent unless read_only.  A file of a newer schema is refused. */
pare_status pare_store_open(struct pare_store **out, const char *folder, bool read_only,
                            struct pare_error *err);
void pare_store_close(struct pare_store *store);
pare_status pare_store_begin(struct pare_store *store, struct pare_error *err);
pare_status pare_store_commit(struct pare_store *store, struct pare_error *err);
/* Forgets what was put since begin; fine when there is no transaction. */
pare_status pare_store_rollback(struct pare_store *store, struct pare_error *err);
/* The first read that failed since the store was opened: getters can only say "not there". */
pare_status pare_store_check(struct pare_store *store, struct pare_error *err);

/* ---- meta: key -> text ("sweep_text", "sweep_digest", "manifest" (JSON), "objectives" (JSON),
 *      "budget" (JSON), "name", "data_digest", ...) ---- */
pare_status pare_store_set(struct pare_store *store, const char *key, const char *value,
                           struct pare_error *err);
char *pare_store_get(struct pare_store *store, const char *key); /* malloc'ed or NULL */

/* ---- runs: one row per `pare run` invocation ---- */
pare_status pare_store_run_begin(struct pare_store *store, const char *manifest_json,
                                 int64_t *run_id, struct pare_error *err);
pare_status pare_store_run_end(struct pare_store *store, int64_t run_id, const char *status,
                               struct pare_error *err);

struct pare_run_row {
    int64_t id;
    const char *manifest;          /* JSON */
    const char *status;            /* "running" until run_end */
    double begun_unix, ended_unix; /* NAN: still running, or killed */
};
/* In the order they began. */
void pare_store_each_run(struct pare_store *store,
                         void (*fn)(void *state, const struct pare_run_row *row), void *state);

/* ---- stage runs, by key ---- */
struct pare_stage_row {
    const char *key, *parent_key; /* parent "" for the baseline */
    const char *label;            /* "quant:quant.ptq(scheme=W8A8,...)" */
    const char *status;           /* pare_status_name() */
    const char *error;            /* "" or the reason */
    const char *artifact_digest;  /* "" unless ok */
    int64_t size_bytes;
    double wall_s, peak_rss_mib;
    const char *log; /* lines of the stage */
};
pare_status pare_store_put_stage(struct pare_store *store, const struct pare_stage_row *row,
                                 struct pare_error *err);
/* false: not there. */
bool pare_store_get_stage(struct pare_store *store, const char *key, struct pare_stage_row *row);
/* In the order they were put first. */
void pare_store_each_stage(struct pare_store *store,
                           void (*fn)(void *state, const struct pare_stage_row *row), void *state);

/* ---- trials: id 0 is the baseline, then 1, 2, ... in the order they were asked ---- */
struct pare_trial_row {
    int64_t id;
    const char *config;       /* canonical; "baseline" for id 0 */
    const char *chain;        /* pipeline label */
    const char *options_json; /* {"quant.scheme": "W8A8", ...} */
    const char
        *status; /* "ok", "infeasible", "failed", "timeout", "oom", "numeric", "crash", "pending" */
    const char *reason;    /* "" or why */
    const char *stage_key; /* last stage reached */
    const char *artifact_digest;
    const char *artifact_path; /* relative to the folder */
};
pare_status pare_store_put_trial(struct pare_store *store, const struct pare_trial_row *row,
                                 struct pare_error *err);
bool pare_store_get_trial(struct pare_store *store, int64_t id, struct pare_trial_row *row);
bool pare_store_find_trial(struct pare_store *store, const char *config, int64_t *id);
int64_t pare_store_n_trials(struct pare_store *store); /* highest id + 1 */

/* ---- metrics of a trial ---- */
struct pare_metric_row {
    int64_t trial;
    const char *metric;      /* "accuracy", "latency_ms@host", "size_bytes", "accuracy_test", ... */
    double value, low, high; /* NAN: unavailable; low/high NAN: exact */
    const char *unit;        /* "1", "ms", "B", "mJ", ... */
    const char *provenance;  /* "measured", "modeled", "counted", "unavailable" */
    const char *note; /* "" or the cause: "no PMU in this virtual machine", "unstable: ..." */
};
pare_status pare_store_put_metric(struct pare_store *store, const struct pare_metric_row *row,
                                  struct pare_error *err);
bool pare_store_get_metric(struct pare_store *store, int64_t trial, const char *metric,
                           struct pare_metric_row *row);
/* Calls fn for each metric of a trial (trial < 0: of all), ordered by trial and metric. */
void pare_store_each_metric(struct pare_store *store, int64_t trial,
                            void (*fn)(void *state, const struct pare_metric_row *row),
                            void *state);
/* All metric names present, in a fixed order (first appearance); malloc'ed arrays. */
int pare_store_metric_names(struct pare_store *store, char ***out);

/* ---- raw data ---- */
/* f64 samples, e.g. seconds of one latency measurement. */
pare_status pare_store_put_samples(struct pare_store *store, int64_t trial, const char *metric,
                                   const double *samples, int64_t n, struct pare_error *err);
int64_t pare_store_get_samples(struct pare_store *store, int64_t trial, const char *metric,
                               double **samples); /* malloc'ed; 0: none */
/* One bit per sample of the split ("validation" or "test"): 1 = predicted correctly. */
pare_status pare_store_put_bits(struct pare_store *store, int64_t trial, const char *split,
                                const uint8_t *bits, int64_t n_samples, struct pare_error *err);
int64_t pare_store_get_bits(struct pare_store *store, int64_t trial, const char *split,
                            uint8_t **bits); /* malloc'ed, (n+7)/8 bytes; n_samples or 0 */
/* Per-layer profile. */
struct pare_layer_row {
    int64_t trial;
    int index;
    const char *name, *op, *kernel;
    int64_t macs, weight_bytes;
    double time_us;
};
pare_status pare_store_put_layer(struct pare_store *store, const struct pare_layer_row *row,
                                 struct pare_error *err);
void pare_store_each_layer(struct pare_store *store, int64_t trial,
                           void (*fn)(void *state, const struct pare_layer_row *row), void *state);

#endif
