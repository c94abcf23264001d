/* Decoded data sets on disk: decoded by the first process that needs one, mapped by all. */
#ifndef PARE_IO_DATA_CACHE_H
#define PARE_IO_DATA_CACHE_H

#include "io/data_decoded.h"
#include "io/data_open.h"

/* Maps the decoded set of `spec`, which pare_data_check() has accepted.  The file's name holds the
 * digest of the source files' content and of the options that decoding depends on.  A damaged file
 * is reported as a warning and made anew.  Several processes may do this at the same time: each
 * writes the same bytes and renames. */
pare_status pare_data_cache_open(struct pare_decoded *out, const struct pare_data_spec *spec,
                                 struct pare_error *err);

#endif
