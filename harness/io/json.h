/* Reading JSON, from files that nobody vouches for.  Writing it is base/text.h's.
 *
 * A document is parsed whole; its elements are lent until pare_json_free().  Every accessor takes
 * NULL and elements of another kind: what is not there is NULL, false or the given default, so that
 * chains need one check at their end. */
#ifndef PARE_IO_JSON_H
#define PARE_IO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pare/status.h>

#define PARE_JSON_MAX_BYTES ((size_t)100 << 20)

struct pare_json; /* one element */

enum pare_json_kind {
    PARE_JSON_NONE, /* of NULL: nothing there */
    PARE_JSON_NULL,
    PARE_JSON_BOOL,
    PARE_JSON_INT, /* written without point and exponent */
    PARE_JSON_REAL,
    PARE_JSON_STRING,
    PARE_JSON_ARRAY,
    PARE_JSON_OBJECT
};

/* Any value, UTF-8, not necessarily NUL-terminated.  PARE_EFORMAT with line and column: bad syntax,
 * a key given twice, a number out of range, nesting deeper than 2048, NUL in a string, more than
 * PARE_JSON_MAX_BYTES. */
pare_status pare_json_parse(struct pare_json **out, const char *text, size_t n_bytes,
                            struct pare_error *err);
void pare_json_free(struct pare_json *root);

enum pare_json_kind pare_json_kind(const struct pare_json *json);
/* Elements of an array, members of an object; 0 of anything else. */
int64_t pare_json_n(const struct pare_json *json);
const struct pare_json *pare_json_at(const struct pare_json *array, int64_t i);
const struct pare_json *pare_json_get(const struct pare_json *object, const char *key);

/* Members in the order of the text:
 *     for (void *it = pare_json_first(o); it; it = pare_json_next(o, it)) ... */
void *pare_json_first(const struct pare_json *object);
void *pare_json_next(const struct pare_json *object, void *it);
const char *pare_json_key(void *it);
const struct pare_json *pare_json_value(void *it);

/* false (and *out untouched) when it is something else. */
bool pare_json_bool(const struct pare_json *json, bool *out);
bool pare_json_int(const struct pare_json *json, int64_t *out);
bool pare_json_number(const struct pare_json *json, double *out); /* integers too */
const char *pare_json_string(const struct pare_json *json);       /* or NULL */

/* Members with a default. */
bool pare_json_get_bool(const struct pare_json *object, const char *key, bool def);
int64_t pare_json_get_int(const struct pare_json *object, const char *key, int64_t def);
double pare_json_get_number(const struct pare_json *object, const char *key, double def);
const char *pare_json_get_string(const struct pare_json *object, const char *key, const char *def);

#endif
