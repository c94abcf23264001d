/* The worker's side of the protocol: reads jobs, calls what does them, answers.
 *
 * What a job is lies in the handler; this file knows lines, time and memory. */
#ifndef PARE_PIPELINE_WORKER_H
#define PARE_PIPELINE_WORKER_H

#include "pipeline/protocol.h"

struct pare_worker_job {
    const char *what; /* "stage"; lent, like message */
    const struct pare_json *message;
    struct pare_text result; /* the handler's JSON object; empty: {} */
    struct pare_text log;    /* lines */
    double begin_s;          /* monotonic clock when the job came */
};

struct pare_worker_handler {
    void *state;
    /* The first line; when it fails, every job is answered with its failure. */
    pare_status (*hello)(void *state, const struct pare_json *message, struct pare_error *err);
    pare_status (*run)(void *state, struct pare_worker_job *job, struct pare_error *err);
};

/* Serves until the stream ends.  The process dies with its parent and ignores SIGINT, which a
 * terminal sends to everyone: the coordinator decides what an interruption means.  Returns the exit
 * code. */
int pare_worker_serve(int fd, const struct pare_worker_handler *handler);
/* Lines for the stage's record; state is a struct pare_worker_job. */
void pare_worker_log(void *job, const char *line);
/* Largest resident memory since the job began, MiB. */
double pare_worker_peak_rss_mib(void);

#endif
