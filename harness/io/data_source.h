/* The data sets pare knows: which files make them up, and how they are decoded. */
#ifndef PARE_IO_DATA_SOURCE_H
#define PARE_IO_DATA_SOURCE_H

#include "io/data_decoded.h"
#include "io/data_open.h"

/* The files of one set, in the order in which they are decoded. */
#define PARE_DATA_MAX_FILES 8
struct pare_data_files {
    int n;
    char *paths[PARE_DATA_MAX_FILES];
    int n_train; /* how many of them are for training, where that is open */
    int n_looked;
    char looked[PARE_DATA_MAX_FILES][48]; /* names that were not found */
};
void pare_data_files_clear(struct pare_data_files *files);
/* Adds dir/name, dir/name.gz or dir/name.xz, whichever is there first; else notes the name. */
bool pare_data_files_add(struct pare_data_files *files, const char *dir, const char *name);

struct pare_data_source {
    struct pare_data_entry entry;
    const char *by_hand; /* what to put where, for the message about missing files */
    /* Looks into `dir`; true when all that is needed is there. */
    bool (*find)(struct pare_data_files *files, const char *dir);
    pare_status (*decode)(struct pare_decoded *out, const struct pare_data_files *files,
                          const struct pare_data_spec *spec, struct pare_error *err);
};

/* NULL-terminated by entry.name. */
extern const struct pare_data_source pare_data_sources[];
/* PARE_EINVAL with the nearest name. */
pare_status pare_data_source_find(const struct pare_data_source **out, const char *name,
                                  struct pare_error *err);

/* ---- Decoders ---- */
bool pare_idx_find(struct pare_data_files *files, const char *dir);
pare_status pare_idx_decode(struct pare_decoded *out, const struct pare_data_files *files,
                            const struct pare_data_spec *spec, struct pare_error *err);
bool pare_cifar_find(struct pare_data_files *files, const char *dir);
pare_status pare_cifar_decode(struct pare_decoded *out, const struct pare_data_files *files,
                              const struct pare_data_spec *spec, struct pare_error *err);
bool pare_kws_find(struct pare_data_files *files, const char *dir);
pare_status pare_kws_decode(struct pare_decoded *out, const struct pare_data_files *files,
                            const struct pare_data_spec *spec, struct pare_error *err);
bool pare_csv_find(struct pare_data_files *files, const char *dir);
pare_status pare_csv_decode(struct pare_decoded *out, const struct pare_data_files *files,
                            const struct pare_data_spec *spec, struct pare_error *err);

/* Where a set comes in one piece: which samples are for training (the first n_train of the order)
 * and which for testing.  It is the same for every seed of a sweep, so that no two sweeps ever share
 * a test sample with the other's training.  The order is malloc'ed. */
int64_t *pare_data_fixed_order(int64_t n);

#endif
