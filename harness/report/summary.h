/* What a run ends with: the front, the best, the plots. */
#ifndef PARE_REPORT_SUMMARY_H
#define PARE_REPORT_SUMMARY_H

#include "base/text.h"
#include "report/dataset.h"

/* Appends the front as a table, the best trial with its margins (or the nearest miss), the paths of
 * the plots that it writes into FOLDER/plots/ and of the compressed model.  A missing gnuplot is told
 * and is no error.  *has_best (may be NULL): something is within the budget. */
pare_status pare_summary(struct pare_text *out, const char *folder, int columns, bool color,
                         bool *has_best, struct pare_error *err);

/* The front as `pare pareto` and the summary show it: with the baseline, even where it is
 * dominated. */
pare_status pare_summary_front(struct pare_text *out, const struct pare_dataset *data, int columns,
                               bool color, struct pare_error *err);

/* Writes SVG and PNG of every picture worth having into `dir` (made when absent): the first metric to
 * be maximised against every other objective and against the latency on every target.  Appends one
 * path a line.  No picture can be drawn yet: nothing is written, PARE_OK. */
pare_status pare_summary_plots(struct pare_text *paths, const struct pare_dataset *data,
                               const char *dir, struct pare_error *err);

#endif
