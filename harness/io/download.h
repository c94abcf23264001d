/* `pare data get NAME`: official files of a data set, checked by SHA-256 before they get their name.
 *
 * A file that is already there with the right content is not fetched again.  A file whose content is
 * not as published never stays: neither half a download nor a changed one. */
#ifndef PARE_IO_DOWNLOAD_H
#define PARE_IO_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <pare/status.h>

struct pare_download_file {
    const char *name;
    const char *sha256; /* 64 hex digits */
    int64_t n_bytes;
};

/* What makes up one data set. */
struct pare_download_set {
    const char *name;
    const char *const
        *urls; /* folders on the net, best first, NULL-terminated, each ending in '/' */
    const struct pare_download_file *files; /* ends with name NULL */
    /* files[0] is a .tar.gz; these of its files are unpacked, then it is removed; NULL-terminated,
     * or NULL: no archive */
    const char *const *members;
};

struct pare_download_options {
    const char *dir;      /* NULL: $PARE_DATA/NAME, else ~/.local/share/pare/NAME */
    const char *url_base; /* NULL: the official addresses; else another folder on the net */
    double timeout_s;     /* to connect, and without any progress; 0: 30 s */
    /* From time to time; n_total is 0 while it is not known.  May be NULL. */
    void (*progress)(void *state, const char *file, double n_done, double n_total);
    void *state;
};

/* PARE_EINVAL: nothing is known under this name.  PARE_EIO: network or disk; the message has the
 * addresses and the folder, to do it by hand.  PARE_EFORMAT: the content is not the published one.
 * folder (may be NULL): malloc'ed, where the files are. */
pare_status pare_data_get(const char *name, const struct pare_download_options *options,
                          char **folder, struct pare_error *err);
/* The same for a set of one's own. */
pare_status pare_download(const struct pare_download_set *set,
                          const struct pare_download_options *options, char **folder,
                          struct pare_error *err);
/* NULL when there is none. */
const struct pare_download_set *pare_download_find(const char *name);

#endif
