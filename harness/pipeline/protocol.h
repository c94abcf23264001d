/* What coordinator and workers say to each other: one JSON object a line, over one socket.
 *
 *   coordinator  {"do": "hello", ...}                     once; what all jobs have in common
 *                {"do": "stage", "id": 7, ...}            a job
 *   worker       {"id": 7, "status": "ok", "error": "", "log": "...", "wall_s": 1.2,
 *                 "peak_rss_mib": 40, "result": {...}}    its answer
 *
 * The end of the stream means "leave".  Seeds and digests go as hex text, options as
 * {"name": "canonical text"}. */
#ifndef PARE_PIPELINE_PROTOCOL_H
#define PARE_PIPELINE_PROTOCOL_H

#include <pare/data.h>

#include "io/json.h"
#include "pipeline/task.h"

#define PARE_WORKER_FD 3 /* the worker's end; stdin and stdout are left alone */

/* One end of the stream. */
struct pare_channel {
    int fd;
    struct pare_text buffer; /* what came, not yet taken */
    size_t n_taken;          /* of the buffer */
    size_t n_scanned;        /* without a newline in it */
};
void pare_channel_clear(struct pare_channel *channel); /* does not close fd */
/* The whole line and a newline, whatever it takes; PARE_ECRASH when the other side is gone. */
pare_status pare_channel_send(struct pare_channel *channel, const char *line,
                              struct pare_error *err);
/* Reads what there is (blocks only when nothing is).  false: the other side is gone. */
bool pare_channel_fill(struct pare_channel *channel);
/* The next whole line, without newline, valid until the next call; NULL: not there yet. */
char *pare_channel_line(struct pare_channel *channel);

/* ---- parts of messages ---- */
/* {"epochs": "3", ...}: every row that is set. */
void pare_protocol_add_options(struct pare_text *out, const struct pare_option *table,
                               const void *options);
pare_status pare_protocol_read_options(void *options, const struct pare_option *table,
                                       const struct pare_json *json, struct pare_arena *arena,
                                       struct pare_error *err);
/* {"joint": false, "members": [{"stage": "prune", "method": "prune.channels", "options": {...}}]} */
void pare_protocol_add_task(struct pare_text *out, const struct pare_task *task);
pare_status pare_protocol_read_task(struct pare_task *out, const struct pare_json *json,
                                    const struct pare_method *(*find)(void *state,
                                                                      const char *name),
                                    void *state, struct pare_arena *arena, struct pare_error *err);
/* Bytes as hex text, in quotes. */
void pare_protocol_add_bytes(struct pare_text *out, const uint8_t *bytes, int64_t n);
/* malloc'ed, n bytes; NULL unless the text has exactly that many. */
uint8_t *pare_protocol_read_bytes(const struct pare_json *json, int64_t n);
void pare_protocol_add_u64(struct pare_text *out, uint64_t value);
bool pare_protocol_read_u64(const struct pare_json *json, uint64_t *out);
/* The word of pare_status_name() back; PARE_ECRASH for a word that is none. */
pare_status pare_protocol_read_status(const char *word);

#endif
