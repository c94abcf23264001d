/* The best trial within the budget, how far it is from each limit, and what stands in its way.
 *
 * Feasible: done, and every budget line holds by value; a line whose metric is unavailable does not
 * hold.  Among the feasible the objectives decide in their order: those whose value lies outside the
 * interval of the best one's first objective are out, then the second objective decides among the
 * rest in the same way, and so on; what is left is ordered by the last objective's value, then the
 * first's, then id.  So an accuracy that cannot be told from the best gives way to a lower latency.
 *
 * Margin: distance to the limit in the good direction, as a fraction of the limit (of 1 where the
 * limit is 0); negative: violated.
 *
 * A line binds when the answer would be another one without it; of several the one with the smallest
 * margin is named. */
#ifndef PARE_REPORT_BEST_H
#define PARE_REPORT_BEST_H

#include "base/text.h"
#include "report/front.h"

struct pare_margin {
    const struct pare_limit *limit;
    double value;    /* NAN: unavailable */
    double slack;    /* limit - value, or value - limit for at_least */
    double fraction; /* slack in limits */
    bool is_sure;    /* the whole interval is on the good side */
};

struct pare_best {
    const struct pare_trial *trial, *runner_up; /* NULL: nothing (else) is feasible */
    int64_t n_feasible;
    struct pare_margin *margins;              /* [n_limits], malloc'ed: of trial, or of `nearest` */
    int binding;                              /* index of the limit, -1: none binds */
    const struct pare_trial *without_binding; /* the answer if that line were not there */
    int tightest;                             /* smallest margin; -1 without limits */
    const struct pare_trial *nearest; /* when nothing is feasible: the smallest worst violation */
};

/* PARE_OK also when nothing is feasible (trial is NULL then).  PARE_EINVAL: no objectives. */
pare_status pare_best_find(struct pare_best *best, const struct pare_dataset *data,
                           struct pare_error *err);
void pare_best_clear(struct pare_best *best);

struct pare_margin pare_margin_of(const struct pare_trial *trial, const struct pare_limit *limit);
/* The verdict for a person: winner or nearest miss, values, margins, runner-up, binding line. */
void pare_best_print(struct pare_text *out, const struct pare_best *best,
                     const struct pare_dataset *data, bool color);
/* The same as a JSON array of one object. */
void pare_best_json(struct pare_text *out, const struct pare_best *best,
                    const struct pare_dataset *data);

#endif
