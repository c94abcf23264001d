#include "io/json.h"

#include <jansson.h>

/* struct pare_json is never defined: its pointers are jansson's. */
static json_t *jansson(const struct pare_json *json)
{
    return (json_t *)json;
}

pare_status pare_json_parse(struct pare_json **out, const char *text, size_t n_bytes,
                            struct pare_error *err)
{
    json_error_t fault;
    json_t *root;

    if (n_bytes > PARE_JSON_MAX_BYTES)
        return pare_fail(err, PARE_EFORMAT, "%zu bytes of JSON; at most %zu are read", n_bytes,
                         PARE_JSON_MAX_BYTES);
    root =
        json_loadb(n_bytes ? text : "", n_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!root)
        return pare_fail(err, PARE_EFORMAT, "JSON, line %d, column %d: %s", fault.line,
                         fault.column, fault.text);
    *out = (struct pare_json *)root;
    return PARE_OK;
}

void pare_json_free(struct pare_json *root)
{
    json_decref(jansson(root));
}

enum pare_json_kind pare_json_kind(const struct pare_json *json)
{
    if (!json)
        return PARE_JSON_NONE;
    switch (json_typeof(jansson(json))) {
    case JSON_OBJECT: return PARE_JSON_OBJECT;
    case JSON_ARRAY: return PARE_JSON_ARRAY;
    case JSON_STRING: return PARE_JSON_STRING;
    case JSON_INTEGER: return PARE_JSON_INT;
    case JSON_REAL: return PARE_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE: return PARE_JSON_BOOL;
    case JSON_NULL: return PARE_JSON_NULL;
    }
    return PARE_JSON_NONE;
}

int64_t pare_json_n(const struct pare_json *json)
{
    if (json_is_array(jansson(json)))
        return (int64_t)json_array_size(jansson(json));
    return (int64_t)json_object_size(jansson(json)); /* 0 of what is no object */
}

const struct pare_json *pare_json_at(const struct pare_json *array, int64_t i)
{
    if (i < 0)
        return NULL;
    return (const struct pare_json *)json_array_get(jansson(array), (size_t)i);
}

const struct pare_json *pare_json_get(const struct pare_json *object, const char *key)
{
    return (const struct pare_json *)json_object_get(jansson(object), key);
}

void *pare_json_first(const struct pare_json *object)
{
    return json_object_iter(jansson(object));
}

void *pare_json_next(const struct pare_json *object, void *it)
{
    return json_object_iter_next(jansson(object), it);
}

const char *pare_json_key(void *it)
{
    return json_object_iter_key(it);
}

const struct pare_json *pare_json_value(void *it)
{
    return (const struct pare_json *)json_object_iter_value(it);
}

bool pare_json_bool(const struct pare_json *json, bool *out)
{
    if (!json_is_boolean(jansson(json)))
        return false;
    *out = json_is_true(jansson(json));
    return true;
}

bool pare_json_int(const struct pare_json *json, int64_t *out)
{
    if (!json_is_integer(jansson(json)))
        return false;
    *out = json_integer_value(jansson(json));
    return true;
}

bool pare_json_number(const struct pare_json *json, double *out)
{
    if (!json_is_number(jansson(json)))
        return false;
    *out = json_number_value(jansson(json));
    return true;
}

const char *pare_json_string(const struct pare_json *json)
{
    return json_string_value(jansson(json));
}

bool pare_json_get_bool(const struct pare_json *object, const char *key, bool def)
{
    pare_json_bool(pare_json_get(object, key), &def);
    return def;
}

int64_t pare_json_get_int(const struct pare_json *object, const char *key, int64_t def)
{
    pare_json_int(pare_json_get(object, key), &def);
    return def;
}

double pare_json_get_number(const struct pare_json *object, const char *key, double def)
{
    pare_json_number(pare_json_get(object, key), &def);
    return def;
}

const char *pare_json_get_string(const struct pare_json *object, const char *key, const char *def)
{
    const char *text = pare_json_string(pare_json_get(object, key));
    return text ? text : def;
}
