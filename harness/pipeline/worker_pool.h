/* Worker processes, seen from the coordinator.
 *
 * A worker is a program executed anew (never a bare fork).  One that dies, hangs or takes too much
 * memory loses its job; the next job of that place starts a new one.  Single-threaded: everything
 * happens inside pare_worker_pool_wait(). */
#ifndef PARE_PIPELINE_WORKER_POOL_H
#define PARE_PIPELINE_WORKER_POOL_H

#include "pipeline/protocol.h"

struct pare_worker_pool;

struct pare_worker_pool_options {
    const char *const *argv; /* argv[0] is executed; NULL-terminated; lent */
    const char *hello;       /* first line for every new worker; lent */
    const char *log_folder;  /* worker-N.log: what a worker writes to stdout and stderr; lent */
    int n_workers;           /* places */
    int64_t memory_bytes;    /* resident, per worker; 0: no limit */
};

/* How a job ended. */
struct pare_worker_event {
    int worker;
    int64_t job;
    pare_status status; /* PARE_ECRASH, PARE_ETIMEOUT, PARE_ENOMEM when the process was lost */
    char error[2048];
    double wall_s, peak_rss_mib;
    const char *log;                /* lent until the next wait() */
    const struct pare_json *result; /* likewise; NULL unless status is PARE_OK */
};

/* Starts nothing yet. */
struct pare_worker_pool *pare_worker_pool_new(const struct pare_worker_pool_options *options);
/* Ends the workers: idle ones leave, busy ones are killed. */
void pare_worker_pool_free(struct pare_worker_pool *pool);
int pare_worker_pool_n(const struct pare_worker_pool *pool);
/* A place without a job, or -1. */
int pare_worker_pool_idle(const struct pare_worker_pool *pool);
int pare_worker_pool_n_busy(const struct pare_worker_pool *pool);

/* Gives a job to an idle place: `body` is what follows {"do": WHAT, "id": JOB, ...} (without braces).
 * timeout_s: wall time, 0: none.  Fails only when no process can be started. */
pare_status pare_worker_pool_send(struct pare_worker_pool *pool, int worker, int64_t job,
                                  const char *what, const char *body, double timeout_s,
                                  struct pare_error *err);
/* Waits until a job ends (true), `timeout_s` has passed or `wake_fd` (-1: none) is readable (false). */
bool pare_worker_pool_wait(struct pare_worker_pool *pool, double timeout_s, int wake_fd,
                           struct pare_worker_event *event);
/* Kills every busy worker; their jobs give no event. */
void pare_worker_pool_kill(struct pare_worker_pool *pool);

#endif
