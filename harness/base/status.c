#include <pare/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

pare_status pare_fail(struct pare_error *err, pare_status status, const char *format, ...)
{
    char text[sizeof err->text]; /* apart, since the arguments may be err->text itself */
    va_list args;

    if (!err)
        return status;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(err->text, text, strlen(text) + 1);
    err->status = status;
    return status;
}

void pare_error_prefix(struct pare_error *err, const char *format, ...)
{
    char where[512];
    va_list args;
    size_t n, n_kept;

    if (!err || !err->text[0])
        return;
    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
    n = strlen(where);
    /* Two callers that both name the file say it once. */
    if (strncmp(err->text, where, n) == 0 && err->text[n] == ':')
        return;
    n_kept = strnlen(err->text, sizeof err->text - n - 3); /* cut at the end when it is too long */
    memmove(err->text + n + 2, err->text, n_kept);
    err->text[n + 2 + n_kept] = '\0';
    memcpy(err->text, where, n);
    memcpy(err->text + n, ": ", 2);
}

const char *pare_status_name(pare_status status)
{
    switch (status) {
    case PARE_OK: return "ok";
    case PARE_EINVAL: return "invalid";
    case PARE_EFORMAT: return "format";
    case PARE_EIO: return "io";
    case PARE_ENOMEM: return "oom";
    case PARE_ENUMERIC: return "numeric";
    case PARE_EINFEASIBLE: return "infeasible";
    case PARE_ETIMEOUT: return "timeout";
    case PARE_EUNSUPPORTED: return "unsupported";
    case PARE_EUNSTABLE: return "unstable";
    case PARE_ESTOPPED: return "stopped";
    case PARE_ECRASH: return "crash";
    }
    return "unknown";
}
