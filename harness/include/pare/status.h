/* Status codes and error messages.
 *
 * Every function that can fail returns a pare_status; its last parameter takes the message.  The
 * leaf that finds the fault calls pare_fail(); each caller on the way up may add where it happened
 * with pare_error_prefix().  A message names the place and the remedy. */
#ifndef PARE_STATUS_H
#define PARE_STATUS_H

#include <stddef.h>

typedef enum {
    PARE_OK = 0,
    PARE_EINVAL,       /* a wrong argument, option or sweep file */
    PARE_EFORMAT,      /* a file that is not what it should be */
    PARE_EIO,          /* the system refused: open, read, write, space */
    PARE_ENOMEM,       /* tensor data does not fit */
    PARE_ENUMERIC,     /* NaN or infinity where a number is needed */
    PARE_EINFEASIBLE,  /* a search result: this combination cannot be made */
    PARE_ETIMEOUT,     /* a limit of time was reached */
    PARE_EUNSUPPORTED, /* the machine, a library or an operator cannot do this */
    PARE_EUNSTABLE,    /* a measurement did not settle */
    PARE_ESTOPPED,     /* the user asked to stop */
    PARE_ECRASH,       /* a child process died */
} pare_status;

struct pare_error {
    pare_status status;
    char text[2048]; /* "" when nothing failed; cut, never overrun */
};

/* Sets the message and returns `status`.  `err` may be NULL. */
pare_status pare_fail(struct pare_error *err, pare_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<where>: " before the message.  Does nothing when `err` is NULL or empty, or when the
 * message begins with it already. */
void pare_error_prefix(struct pare_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "ok", "invalid", "format", "io", "oom", "numeric", "infeasible", "timeout", "unsupported",
 * "unstable", "stopped", "crash": the words that the store keeps. */
const char *pare_status_name(pare_status status);

#endif
