/* The front as a picture: one metric against another, for a paper or a screen.
 *
 * Pipelines differ by colour (Okabe and Ito's, safe for colour-blind readers) and by shape; trials
 * on the front are solid with their intervals as whiskers, the others faded; a stepped line joins the
 * front of these two metrics; the baseline is a star, the best within the budget has a ring, budget
 * lines are dashed and the side beyond them is shaded; hollow markers are modeled.  An axis is
 * logarithmic when its values span a factor of more than 8.  Drawn by gnuplot, one process per
 * picture. */
#ifndef PARE_REPORT_PLOT_H
#define PARE_REPORT_PLOT_H

#include "base/text.h"
#include "report/dataset.h"

/* Writes each of the n paths, ".png" or ".svg" by their ends; a file is the old or the new one.
 * PARE_EUNSUPPORTED: gnuplot is not installed, the message names the package.  PARE_EINVAL: no done
 * trial has both metrics.  PARE_EIO: gnuplot or the disk refused. */
pare_status pare_plot_front(const struct pare_dataset *data, int x, int y, const char *const *paths,
                            int n_paths, struct pare_error *err);

/* The script that gnuplot is given, without terminal and output. */
pare_status pare_plot_script(struct pare_text *out, const struct pare_dataset *data, int x, int y,
                             struct pare_error *err);

#endif
