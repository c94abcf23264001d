/* Trials as a table: for a terminal, Markdown, CSV, JSON or LaTeX.
 *
 * For people (table, md, latex) every column has one unit below its head, values show "±" and only
 * the digits that their interval supports; "~" marks what is modeled, "-" what is unavailable, with
 * the cause in a footnote, "!" what did not settle.  For programs (csv, json) numbers are raw, in the metrics' own units, and
 * intervals, provenance and notes stand in columns or members of their own; what is unavailable is
 * empty or null.  The same store gives the same bytes. */
#ifndef PARE_REPORT_TABLE_H
#define PARE_REPORT_TABLE_H

#include "report/best.h"
#include "report/grid.h"

struct pare_table_options {
    enum pare_table_format format;
    int columns; /* of the terminal */
    bool color;
    int n_metrics;
    const int *metrics;                   /* columns of the data set, in the order to show */
    bool with_status;                     /* rows that are not done are among them */
    const struct pare_standing *standing; /* [rows->n]: shows ties and the budget; may be NULL */
    const struct pare_best *best;         /* marks the best within the budget; may be NULL */
};

void pare_table_print(struct pare_text *out, const struct pare_dataset *data,
                      const struct pare_rows *rows, const struct pare_table_options *options);

/* "accuracy,size_bytes" or "all" to columns, malloc'ed; an unknown name is PARE_EINVAL.  NULL: the
 * objectives, then what the budget names, then (with `all_by_default`) every other metric. */
pare_status pare_table_metrics(int **metrics, int *n_metrics, const struct pare_dataset *data,
                               const char *names, bool all_by_default, struct pare_error *err);

/* The options in which trials of this data set differ: "sparsity=0.5 scheme=W8A8". */
void pare_config_brief(struct pare_text *out, const struct pare_dataset *data,
                       const struct pare_trial *trial);
/* "latency_ms@host" -> "latency@host": the unit is shown apart. */
void pare_metric_head(struct pare_text *out, const char *metric);

#endif
