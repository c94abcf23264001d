/* Files: mapping, whole reads, and writes that are complete or absent.  Every message begins with
 * the path. */
#ifndef PARE_BASE_FILE_H
#define PARE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include <pare/status.h>

struct pare_file {
    const unsigned char *data; /* NULL when empty */
    size_t n_bytes;
};
pare_status pare_file_map(struct pare_file *out, const char *path, struct pare_error *err);
void pare_file_unmap(struct pare_file *file);
/* Whole file, NUL added; free() it.  Refuses more than max_bytes. */
pare_status pare_file_read(char **out, size_t *n_bytes, const char *path, size_t max_bytes,
                           struct pare_error *err);
/* Writes PATH.tmp.PID, fsyncs, renames: PATH is the old or the new content, never half. */
pare_status pare_file_write(const char *path, const void *data, size_t n_bytes,
                            struct pare_error *err);
pare_status pare_dir_make(const char *path, struct pare_error *err); /* with parents */
bool pare_file_exists(const char *path);
/* "~/x", "$VAR" and "${VAR}" expanded, unset variables left as written; malloc'ed. */
char *pare_path_expand(const char *path);
/* dir/name; malloc'ed. */
char *pare_path_join(const char *dir, const char *name);
#endif
