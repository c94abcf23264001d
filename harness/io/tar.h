/* Reading gzip-compressed tar archives (POSIX ustar). */
#ifndef PARE_IO_TAR_H
#define PARE_IO_TAR_H

#include <pare/status.h>

/* Writes those regular files of the archive whose last path component is among `names`
 * (NULL-terminated) to dir/NAME; nothing else, nowhere else.  PARE_EFORMAT when the archive is
 * damaged, ends early, or lacks one of them. */
pare_status pare_tar_extract(const char *archive, const char *dir, const char *const *names,
                             struct pare_error *err);

#endif
