#include "plugin/table.h"

#include <math.h>
#include <string.h>

#define MAX_ROWS 256

size_t pare_option_bytes(enum pare_option_type type)
{
    switch (type) {
    case PARE_OPTION_F64: return sizeof(double);
    case PARE_OPTION_INT: return sizeof(int);
    case PARE_OPTION_I64: return sizeof(int64_t);
    case PARE_OPTION_BOOL: return sizeof(bool);
    case PARE_OPTION_STRING: return sizeof(const char *);
    case PARE_OPTION_STRINGS: return sizeof(struct pare_strings);
    }
    return 0;
}

static size_t alignment(enum pare_option_type type)
{
    switch (type) {
    case PARE_OPTION_F64: return _Alignof(double);
    case PARE_OPTION_INT: return _Alignof(int);
    case PARE_OPTION_I64: return _Alignof(int64_t);
    case PARE_OPTION_BOOL: return _Alignof(bool);
    case PARE_OPTION_STRING: return _Alignof(const char *);
    case PARE_OPTION_STRINGS: return _Alignof(struct pare_strings);
    }
    return 1;
}

/* Names appear in YAML, in tables and behind a dot: letters, digits, underscores. */
static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return n > 0 && name[n] == '\0' && !(name[0] >= '0' && name[0] <= '9');
}

static pare_status check_choices(const struct pare_option *row, struct pare_error *err)
{
    int n = 0;
    bool has_default = row->def_text == NULL;

    for (; row->choices[n]; n++) {
        for (int k = 0; k < n; k++)
            if (strcmp(row->choices[k], row->choices[n]) == 0)
                return pare_fail(err, PARE_EFORMAT, "choice '%s' stands there twice",
                                 row->choices[n]);
        has_default |= row->def_text && strcmp(row->choices[n], row->def_text) == 0;
    }
    if (n == 0)
        return pare_fail(err, PARE_EFORMAT, "the list of choices is empty");
    switch (row->type) {
    case PARE_OPTION_INT:
        if (row->def != floor(row->def) || row->def < 0 || row->def >= n)
            return pare_fail(err, PARE_EFORMAT, "default %g is not the index of a choice",
                             row->def);
        return PARE_OK;
    case PARE_OPTION_STRING:
        if (!has_default)
            return pare_fail(err, PARE_EFORMAT, "default '%s' is not among the choices",
                             row->def_text);
        return PARE_OK;
    case PARE_OPTION_STRINGS: return PARE_OK;
    default: return pare_fail(err, PARE_EFORMAT, "choices are for words, not for this type");
    }
}

static pare_status check_row(const struct pare_option *row, size_t options_bytes,
                             struct pare_error *err)
{
    size_t n = pare_option_bytes(row->type);

    if (n == 0)
        return pare_fail(err, PARE_EFORMAT, "unknown type %d", (int)row->type);
    if (!is_name(row->name))
        return pare_fail(err, PARE_EFORMAT, "the name may hold letters, digits and _ only");
    if (!row->help || !row->help[0])
        return pare_fail(err, PARE_EFORMAT, "has no help text");
    if (row->offset > options_bytes || n > options_bytes - row->offset)
        return pare_fail(err, PARE_EFORMAT,
                         "the field at byte %zu lies outside of the struct of %zu bytes",
                         row->offset, options_bytes);
    if (row->offset % alignment(row->type) != 0)
        return pare_fail(err, PARE_EFORMAT, "the field at byte %zu is misaligned for its type",
                         row->offset);
    if (isnan(row->min) || isnan(row->max) || row->min > row->max)
        return pare_fail(err, PARE_EFORMAT, "limits [%g, %g] are in the wrong order", row->min,
                         row->max);
    return row->choices ? check_choices(row, err) : PARE_OK;
}

pare_status pare_option_table_check(const struct pare_option *table, size_t options_bytes,
                                    struct pare_error *err)
{
    if (!table)
        return pare_fail(err, PARE_EFORMAT,
                         "has no option table (one without options is { PARE_OPT_END })");
    for (int i = 0; table[i].name; i++) {
        pare_status st;

        if (i == MAX_ROWS)
            return pare_fail(err, PARE_EFORMAT,
                             "the option table has more than %d rows or does not end with "
                             "PARE_OPT_END",
                             MAX_ROWS);
        st = check_row(&table[i], options_bytes, err);
        if (st) {
            pare_error_prefix(err, "option '%s'", table[i].name);
            return st;
        }
        for (int k = 0; k < i; k++)
            if (strcmp(table[k].name, table[i].name) == 0)
                return pare_fail(err, PARE_EFORMAT, "option '%s' stands there twice",
                                 table[i].name);
    }
    return PARE_OK;
}
