/* One axis of a plot: its range, its kind, its ticks, its title. */
#ifndef PARE_REPORT_AXIS_H
#define PARE_REPORT_AXIS_H

#include "report/filter.h"
#include "report/format.h"

struct pare_axis {
    int metric;
    struct pare_scale scale;
    bool is_log;      /* the values span a factor of more than 8 */
    double low, high; /* range, scaled */
    int64_t n_below;  /* trials that lie below a range cut short */
};

/* A range that shows `rows`, with `limit` (unscaled, NAN: none) and the intervals of `keep` inside
 * it where that costs less than half of the axis.  With `may_cut`, stray low values (below the first quartile by more than 1.5
 * interquartile ranges, Tukey 1977) are left outside, unless they are among `keep`. */
void pare_axis_fit(struct pare_axis *axis, const struct pare_dataset *data, int metric,
                   const struct pare_rows *rows, const struct pare_rows *keep, double limit,
                   bool may_cut);
/* "validation accuracy (%)", "latency on host (µs)" */
void pare_axis_title(struct pare_text *out, const struct pare_axis *axis,
                     const struct pare_dataset *data);
/* The ticks of a logarithmic axis as gnuplot's "(1, 2, 5)"; powers of two for bytes. */
void pare_axis_ticks(struct pare_text *out, const struct pare_axis *axis);

#endif
