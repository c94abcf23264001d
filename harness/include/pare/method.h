/* The table of a compression method: one descriptor `pare_entry` in one .so. */
#ifndef PARE_METHOD_H
#define PARE_METHOD_H

#include <pare/context.h>
#include <pare/graph.h>
#include <pare/option.h>
#include <pare/status.h>
#include <pare/train.h>

#define PARE_ABI 2 /* rises when a public struct changes; the loader refuses any other */

/* What a method needs beside the graph. */
enum { PARE_NEEDS_CALIBRATION = 1, PARE_NEEDS_TRAINING = 2, PARE_NEEDS_TEACHER = 4 };

/* States of a network along a pipeline. */
enum {
    PARE_STATE_SPARSE = 1,    /* some weights are held at zero */
    PARE_STATE_NARROWED = 2,  /* channels are gone */
    PARE_STATE_FACTORED = 4,  /* layers are split in two */
    PARE_STATE_QUANTIZED = 8, /* integer weights: nothing may move them any more */
    PARE_STATE_STUDENT = 16,  /* another architecture than the baseline's */
};

struct pare_method {
    int abi;      /* PARE_ABI */
    int revision; /* raise it when results change: old cache entries then miss */
    const char *name, *summary, *source;
    const struct pare_option *options;
    size_t options_bytes;
    unsigned needs;   /* PARE_NEEDS_* */
    unsigned refuses; /* PARE_STATE_* that the network must not have */
    unsigned leaves;  /* PARE_STATE_* that it has afterwards */
    unsigned clears;  /* PARE_STATE_* that it loses (a student starts afresh) */
    /* Changes the graph once.  It is a private copy and may be left half done on failure.
     * NULL: the method only attaches. */
    pare_status (*apply)(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err);
    /* Before training: may put another network in place of *graph (a student), freeing the old one;
     * what stood there is then ctx's teacher, which the host keeps alive.  NULL: none. */
    pare_status (*prepare)(const struct pare_context *ctx, const void *options,
                           struct pare_graph **graph, struct pare_error *err);
    /* Hooks into a training run.  `teacher` is the network before prepare().  NULL: cannot join a
     * training run. */
    pare_status (*attach)(const struct pare_context *ctx, const void *options,
                          const struct pare_graph *teacher, struct pare_trainer *trainer,
                          struct pare_error *err);
};

#endif
