/* Opening data sets: embedded digits, IDX (.gz too), CIFAR-10 binary (.xz through liblzma), CSV.
 *
 * A set is decoded once into a mapped file under cache_dir that all processes share. */
#ifndef PARE_IO_DATA_OPEN_H
#define PARE_IO_DATA_OPEN_H

#include <pare/data.h>
#include <pare/option.h>

struct pare_data_spec {
    const char *name;    /* digits, fashion-mnist, mnist, cifar-10, csv, ... */
    const char *path;    /* folder or file; NULL: $PARE_DATA/NAME, then ~/.local/share/pare/NAME */
    double val_fraction; /* of the training split, by seed */
    uint64_t seed;
    const char
        *normalize; /* "standard" (per-channel mean and deviation of train), "unit" (0..1), "raw" */
    int64_t limit_train, limit_test; /* 0: all; the first ones after the seeded shuffle */
    const char *cache_dir;           /* where the decoded file goes; NULL: $XDG_CACHE_HOME/pare */
};
extern const struct pare_option
    pare_data_options[]; /* rows of the `data:` section, offsets into the spec */
void pare_data_spec_defaults(struct pare_data_spec *spec);
/* Missing files: PARE_EIO whose message says what was looked for, `pare data get NAME`, and how to
 * put files in place by hand.  Truncated, mistyped: PARE_EFORMAT. */
pare_status pare_data_open(struct pare_data **out, const struct pare_data_spec *spec,
                           struct pare_error *err);
void pare_data_close(struct pare_data *data);
/* Are the files there?  Cheap; for `pare check`. */
pare_status pare_data_check(const struct pare_data_spec *spec, struct pare_error *err);
#endif
