/* The trial loop: from a checked sweep to a folder of results.
 *
 *   ask -> cheap constraints -> stage tree -> evaluate -> store, in rounds; then latencies, taken while
 *   nothing else of ours runs; at the end the test split for the front.
 *
 * Everything finished is in the store, one transaction per trial, so a run may end at any moment and
 * the next one goes on: artifacts and tables are the same as those of an undisturbed run. */
#ifndef PARE_SWEEP_RUN_H
#define PARE_SWEEP_RUN_H

#include "sweep/file.h"

struct pare_run_options {
    const char *folder;       /* NULL: results/NAME */
    const char *command_line; /* for the manifest */
    int n_workers;            /* 0: as the sweep says */
    bool retry_failed;        /* crashed, failed, out of time or memory: once more */
    bool restart;             /* drop the folder's tables first; the cache stays */
    bool is_quiet;            /* no progress line */
};

struct pare_run_result {
    char *folder; /* malloc'ed */
    int64_t n_trials, n_ok, n_infeasible, n_failed, n_pending;
    int64_t n_stages_run, n_stages_reused;
};

/* PARE_OK: all trials have ended.  PARE_ESTOPPED: interrupted; PARE_ETIMEOUT: search.timeout has
 * passed: what is finished is in the store.  PARE_EINFEASIBLE: no trial came out.  *out is filled in
 * all of these cases. */
pare_status pare_sweep_run(struct pare_run_result *out, const struct pare_sweep *sweep,
                           const struct pare_registry *registry,
                           const struct pare_run_options *options, struct pare_error *err);
/* "results/NAME" or the folder given; malloc'ed. */
char *pare_sweep_folder(const struct pare_sweep *sweep, const char *given);

#endif
