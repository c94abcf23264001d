/* Option tables: one row per field of a plugin's option struct.
 *
 * From the one table come defaults, the checks of a sweep file, `pare help METHOD`, the searchable
 * domain and the cache key. */
#ifndef PARE_OPTION_H
#define PARE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pare_option_type {
    PARE_OPTION_F64,
    PARE_OPTION_INT, /* with .choices: the index of the choice, written by its word */
    PARE_OPTION_I64,
    PARE_OPTION_BOOL,
    PARE_OPTION_STRING,
    PARE_OPTION_STRINGS /* a list of names, e.g. ignore: [fc2] */
};

struct pare_strings {
    int n;
    const char *const *items;
};

struct pare_option {
    const char *name; /* NULL ends the table */
    const char *help;
    enum pare_option_type type;
    size_t offset;
    double def;           /* default of numbers, bools and choices */
    const char *def_text; /* default of strings; NULL is allowed and means "not given" */
    double min, max;      /* inclusive; both 0: unbounded */
    const char *const *choices;
    const char *unit; /* for help: "epochs", "1", "bits" */
    bool required;    /* must be given */
    bool fidelity;    /* may be written {fidelity: [low, high]} */
};

#define PARE_CHOICES(...) ((const char *const[]){__VA_ARGS__, NULL})

#define PARE_OPT(STRUCT, FIELD, ...)                                                                 \
    {                                                                                                \
        .name = #FIELD, .offset = offsetof(STRUCT, FIELD),                                         \
        .type = _Generic(((STRUCT *)0)->FIELD, double                                              \
                         : PARE_OPTION_F64, int                                                    \
                         : PARE_OPTION_INT, int64_t                                                \
                         : PARE_OPTION_I64, bool                                                   \
                         : PARE_OPTION_BOOL, const char *                                          \
                         : PARE_OPTION_STRING, struct pare_strings                                 \
                         : PARE_OPTION_STRINGS),                                                   \
        __VA_ARGS__ \
    }

#define PARE_OPT_END \
    {                \
        .name = NULL \
    }

#endif
