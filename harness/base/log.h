/* Talk goes to stderr; data to stdout.  $PARE_LOG (error, warn, info, debug) says how much of it;
 * info is usual. */
#ifndef PARE_BASE_LOG_H
#define PARE_BASE_LOG_H

#include <stdbool.h>

enum pare_log_level { PARE_LOG_ERROR, PARE_LOG_WARN, PARE_LOG_INFO, PARE_LOG_DEBUG };
void pare_log(enum pare_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line that is drawn over itself on a terminal and printed rarely into a pipe. */
void pare_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void pare_progress_end(void);
bool pare_color(int fd);         /* a terminal, and NO_COLOR is not set */
int pare_terminal_columns(void); /* of stderr; 80 when unknown */
#endif
