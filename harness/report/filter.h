/* Choosing and ordering trials. */
#ifndef PARE_REPORT_FILTER_H
#define PARE_REPORT_FILTER_H

#include "report/dataset.h"

/* Trials in an order; those of a data set, lent. */
struct pare_rows {
    int64_t n;
    const struct pare_trial **trials; /* [n], malloc'ed */
};
/* All trials; without `all` only those that are done (status "ok"). */
void pare_rows_init(struct pare_rows *rows, const struct pare_dataset *data, bool all);
void pare_rows_clear(struct pare_rows *rows);

/* Keeps those for which an expression (space/constraint.h) is true, over metrics, options
 * ("quant.scheme"), "baseline.METRIC", and trial.id, trial.status, trial.pipeline.  A comparison
 * with something that a trial does not have is not true.  PARE_EINVAL: a mistake in the expression,
 * or a name that no trial has. */
pare_status pare_rows_where(struct pare_rows *rows, const struct pare_dataset *data,
                            const char *expression, struct pare_error *err);
/* "METRIC" (the best first), "METRIC:asc", "METRIC:desc", "id".  Unavailable values come last, equal
 * ones by id. */
pare_status pare_rows_sort(struct pare_rows *rows, const struct pare_dataset *data, const char *by,
                           struct pare_error *err);

#endif
