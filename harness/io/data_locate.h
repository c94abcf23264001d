/* From a spec to the files of its data set. */
#ifndef PARE_IO_DATA_LOCATE_H
#define PARE_IO_DATA_LOCATE_H

#include "io/data_source.h"

/* PARE_EINVAL: no such set, or an option out of range.  PARE_EIO: files are missing; the message
 * says which, where they were looked for, and the ways to get them. */
pare_status pare_data_locate(const struct pare_data_source **source, struct pare_data_files *files,
                             const struct pare_data_spec *spec, struct pare_error *err);

#endif
