/* What the files that read a sweep file share. */
#ifndef PARE_SWEEP_READER_H
#define PARE_SWEEP_READER_H

#include "sweep/file.h"

struct sweep_reader {
    struct pare_sweep *sweep;
    struct pare_arena *arena;
    struct pare_yaml *root; /* a private copy, overrides applied */
    const struct pare_registry *registry;
    struct pare_problems *problems;
};

/* "; did you mean 'x'?" or "" (arena). */
const char *pare_sweep_hint(struct sweep_reader *reader, const char *word, const char *const *names,
                            int n);
/* Adds a problem for every key that is none of `names` (NULL-terminated). */
void pare_sweep_known_keys(struct sweep_reader *reader, const struct pare_yaml *map,
                           const char *section, const char *const *names);

/* wanted.c: targets, metrics, objectives, budget, constraints; after the space. */
void pare_sweep_read_targets(struct sweep_reader *reader);
void pare_sweep_read_wanted(struct sweep_reader *reader);
/* settings.c: `search:`. */
void pare_sweep_read_search(struct sweep_reader *reader);
/* override.c: a copy of the tree that may be changed, and "a.b=VALUE" put into it. */
struct pare_yaml *pare_yaml_copy(struct pare_arena *arena, const struct pare_yaml *node);
pare_status pare_yaml_override(struct pare_yaml *root, struct pare_arena *arena,
                               const char *assignment, struct pare_error *err);

#endif
