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
    const char *label;               /* csv: the column of the class: "first", "last", "none" */
    double test_fraction;            /* csv: of a single file; the same samples for every seed */
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

/* How samples were normalised: fetched = scale[c] * raw + offset[c] for channel (or vector element)
 * c, where raw is the number in the file (pixels: 0..255).  Arrays of dims[0] of the sample shape
 * for images and vectors alike; lent. */
void pare_data_normalization(const struct pare_data *data, const float **scale,
                             const float **offset);
/* PARE_EINVAL when the augmentation has no meaning for this data (vectors are not moved). */
pare_status pare_data_check_augment(const struct pare_data *data,
                                    const struct pare_augment *augment, struct pare_error *err);

/* ---- The sets that pare knows, for `pare data list` ---- */
struct pare_data_entry {
    const char *name, *summary, *origin;
    const char *shape; /* "28x28x1"; "columns" for csv */
    int n_classes;     /* 0: as the file says */
    bool is_embedded, has_download;
};
int pare_data_n_entries(void);
const struct pare_data_entry *pare_data_entry(int i);
#endif
