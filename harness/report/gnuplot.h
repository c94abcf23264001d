/* Running gnuplot: a script on its standard input, its complaints in our message. */
#ifndef PARE_REPORT_GNUPLOT_H
#define PARE_REPORT_GNUPLOT_H

#include "base/text.h"

#include <pare/status.h>

/* PARE_EUNSUPPORTED when there is no gnuplot, with the name of the package; PARE_EIO when it failed,
 * with what it said. */
pare_status pare_gnuplot_run(const char *script, struct pare_error *err);
/* Text as a gnuplot string: 'it''s'.  Line ends become blanks. */
void pare_gnuplot_quote(struct pare_text *out, const char *s);

#endif
