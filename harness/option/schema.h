/* Reading YAML into option structs by their tables. */
#ifndef PARE_OPTION_SCHEMA_H
#define PARE_OPTION_SCHEMA_H

#include <pare/option.h>

#include "base/arena.h"
#include "base/text.h"
#include "option/yaml.h"

/* Canonical text of a value: "0.25" (the shortest that reads back), "global", "true", "[fc2]" (items
 * with commas, brackets or quotes stand in quotes); "" is a text that is not given. */

/* def_text of a list is one name. */
void pare_options_defaults(const struct pare_option *table, void *options);
const struct pare_option *pare_option_find(const struct pare_option *table, const char *name);
/* Checks one scalar (or list for PARE_OPTION_STRINGS) against its row; adds a problem with allowed
 * values and nearest name on failure.  On success writes the canonical text (into arena). */
bool pare_option_check(const struct pare_option *row, const struct pare_yaml *value,
                       struct pare_problems *problems, struct pare_arena *arena,
                       const char **canonical);
/* Sets one field from canonical text; strings and lists are copied into the arena. */
pare_status pare_option_set(const struct pare_option *row, void *options, const char *canonical,
                            struct pare_arena *arena, struct pare_error *err);
/* Reads a whole map with one value each over what stands in options (pare_options_defaults() comes
 * first); NULL and an empty map change nothing.  Missing required options and unknown keys are
 * problems with the nearest name.  Keys in `skip` (NULL-terminated, may be NULL) are left alone. */
void pare_options_read(const struct pare_option *table, void *options, const struct pare_yaml *map,
                       const char *const *skip, struct pare_arena *arena,
                       struct pare_problems *problems);
/* "name=value;..." in table order, every option, defaults too: part of cache keys. */
void pare_options_canonical(const struct pare_option *table, const void *options,
                            struct pare_text *out);
/* A value of the field as canonical text. */
void pare_option_text(const struct pare_option *row, const void *options, struct pare_text *out);
/* The help of a table: name, type, range or choices, default, help; wrapped to `columns`. */
void pare_options_help(const struct pare_option *table, int columns, struct pare_text *out);
#endif
