/* Is a plugin's option table sound?  Asked when it is loaded, so that nothing later need ask. */
#ifndef PARE_PLUGIN_TABLE_H
#define PARE_PLUGIN_TABLE_H

#include <pare/option.h>
#include <pare/status.h>

/* PARE_EFORMAT that names the row: no name or one that is taken, a field outside of the struct's
 * `options_bytes` or misaligned, limits in the wrong order, choices where they have no meaning, a
 * default that is not among them. */
pare_status pare_option_table_check(const struct pare_option *table, size_t options_bytes,
                                    struct pare_error *err);
/* Bytes of a field of this type. */
size_t pare_option_bytes(enum pare_option_type type);

#endif
