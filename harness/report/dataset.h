/* A results folder as a table in memory: one row per trial, one column per metric.
 *
 * Everything is read in one snapshot, so that a table made while the sweep goes on is consistent.
 * What the sweep aims at comes from the store's meta data:
 *
 *   "objectives"  [{"metric": "accuracy", "maximize": true}, ...]
 *   "budget"      [{"metric": "size_bytes", "limit": 65536, "at_least": false}, ...]
 *
 * Where the store has accuracies but no "accuracy_drop", that column is derived: the baseline's
 * accuracy minus the trial's, with the interval for paired data when both have their correctness
 * bits.  Names and strings live as long as the data set. */
#ifndef PARE_REPORT_DATASET_H
#define PARE_REPORT_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/store.h"

enum pare_provenance {
    PARE_ABSENT, /* nobody asked for it */
    PARE_UNAVAILABLE,
    PARE_MEASURED,
    PARE_MODELED,
    PARE_COUNTED /* exact: bytes, MACs */
};

struct pare_value {
    double value, low, high; /* NAN as in the store: unavailable; low, high: exact */
    enum pare_provenance provenance;
    const char *note; /* "" or the cause */
};

struct pare_trial {
    int64_t id;
    const char *config, *pipeline, *status, *reason, *options_json;
    const char *stage_key, *artifact_digest, *artifact_path;
    bool is_ok;     /* status "ok" */
    int i_pipeline; /* into pipelines; -1: the baseline */
    int n_options;
    const char *const *option_names, *const *option_values; /* as in options_json */
    struct pare_value *values;                              /* [n_metrics] */
};

struct pare_goal {
    int metric; /* index into metrics; -1: no trial has it */
    const char *name;
    bool maximize;
};

struct pare_limit {
    int metric;
    const char *name;
    double limit;
    bool at_least;
};

struct pare_dataset {
    struct pare_arena *arena;
    const char *folder, *name; /* name: of the sweep */
    int n_metrics;
    const char *const *metrics, *const *units;
    int n_pipelines;
    const char *const *pipelines; /* in the order of the first trial that has it */
    int64_t n;
    struct pare_trial *trials;         /* by id; those that nobody stored are left out */
    const struct pare_trial *baseline; /* id 0, or NULL */
    int n_goals;
    const struct pare_goal *goals;
    int n_limits;
    const struct pare_limit *limits;
};

pare_status pare_dataset_load(struct pare_dataset **out, const char *folder,
                              struct pare_error *err);
/* The same from an open store (within its own transaction, if any). */
pare_status pare_dataset_read(struct pare_dataset **out, struct pare_store *store,
                              const char *folder, struct pare_error *err);
void pare_dataset_free(struct pare_dataset *data);

/* Column of a metric, or -1. */
int pare_dataset_metric(const struct pare_dataset *data, const char *name);
const struct pare_trial *pare_dataset_trial(const struct pare_dataset *data, int64_t id);
/* NULL when it has none. */
const char *pare_trial_option(const struct pare_trial *trial, const char *name);
/* The trial's value; NAN when it has none or metric is -1. */
double pare_trial_value(const struct pare_trial *trial, int metric);

/* Is more better?  Objectives say it for their metrics; accuracies and the like go up, costs down. */
bool pare_dataset_maximizes(const struct pare_dataset *data, const char *metric);
/* PARE_EINVAL with the nearest name when there is no such metric. */
pare_status pare_dataset_need_metric(const struct pare_dataset *data, const char *name, int *metric,
                                     struct pare_error *err);

#endif
