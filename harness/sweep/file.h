/* A sweep file, read and checked: everything that `run` needs, before anything runs. */
#ifndef PARE_SWEEP_FILE_H
#define PARE_SWEEP_FILE_H

#include <pare/sampler.h>
#include <pare/train.h>

#include "base/hash.h"
#include "io/data_open.h"
#include "plugin/registry.h"
#include "space/constraint.h"
#include "space/space.h"

struct pare_target {
    const char *name; /* "host", "m7" */
    bool is_host;
    int threads;               /* host */
    struct pare_device device; /* modeled */
};

/* "latency_ms@host": name and target. */
struct pare_metric_ref {
    const char *text, *name; /* text is the key everywhere */
    int target;              /* index into targets, -1 without @ */
};

struct pare_objective {
    struct pare_metric_ref metric;
    bool maximize;
};

/* One line of `budget:`; accuracy_drop is against the baseline. */
struct pare_budget_item {
    struct pare_metric_ref metric;
    double limit;
    bool at_least; /* accuracy: a floor; everything else a ceiling */
};

struct pare_sweep {
    struct pare_arena *arena;
    struct pare_yaml_doc *doc;
    const char *path, *name;
    const char *text;                   /* the file, for the manifest */
    struct pare_digest digest;          /* of the text */
    const char *model_zoo, *model_path; /* one of the two */
    struct pare_data_spec data;
    struct pare_recipe train; /* the baseline's recipe, and the default of every training stage */
    struct pare_space *space;
    int n_targets;
    struct pare_target *targets;
    int n_metrics;
    struct pare_metric_ref *metrics; /* those asked for and those that objectives and budget need */
    int n_objectives;
    struct pare_objective *objectives;
    int n_constraints;
    struct pare_constraint **constraints;
    int n_budget;
    struct pare_budget_item *budget;
    const struct pare_sampler *sampler;
    void *sampler_options;
    int64_t n_trials; /* at most */
    uint64_t seed;
    int n_workers;              /* 0: auto */
    double timeout_s;           /* whole run; 0: none */
    double stage_timeout_s;     /* one stage; default 30 min */
    int64_t stage_memory_bytes; /* one stage; default 4 GiB */
};

/* Reads and checks everything, reports every mistake at once: err holds "path:line:column: ..."
 * lines in `report` (malloc'ed, NULL when there are none).  PARE_EINVAL when there was any.
 * `overrides`: "data.path=DIR", "search.trials=20", applied before checking. */
pare_status pare_sweep_load(struct pare_sweep **out, const char *path,
                            const struct pare_registry *registry, const char *const *overrides,
                            int n_overrides, char **report, struct pare_error *err);
void pare_sweep_free(struct pare_sweep *sweep);

#endif
