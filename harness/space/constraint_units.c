/* Numbers with suffixes: "96 KiB", "2 ms", "1 %". */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "space/constraint_tree.h"

static const struct unit units[] = {
    {"KiB", 1024, "size", "_bytes"},
    {"MiB", 1048576, "size", "_bytes"},
    {"GiB", 1073741824, "size", "_bytes"},
    {"KB", 1e3, "size", "_bytes"},
    {"kB", 1e3, "size", "_bytes"},
    {"MB", 1e6, "size", "_bytes"},
    {"GB", 1e9, "size", "_bytes"},
    {"B", 1, "size", "_bytes"},
    {"ns", 1e-6, "time", "_ms"},
    {"us", 1e-3, "time", "_ms"},
    {"ms", 1, "time", "_ms"},
    {"s", 1e3, "time", "_ms"},
    {"uJ", 1e-3, "energy", "_mj"},
    {"mJ", 1, "energy", "_mj"},
    {"J", 1e3, "energy", "_mj"},
    {"%", 0.01, NULL, NULL},
    {"k", 1e3, NULL, NULL},
    {"M", 1e6, NULL, NULL},
    {"G", 1e9, NULL, NULL},
};

/* strtod also knows hexadecimal, inf and nan: here a number is decimal. */
int pare_number_length(const char *s)
{
    int n = 0, digits = 0;

    for (; isdigit((unsigned char)s[n]); n++)
        digits++;
    if (s[n] == '.')
        for (n++; isdigit((unsigned char)s[n]); n++)
            digits++;
    if (!digits)
        return 0;
    if (s[n] == 'e' || s[n] == 'E') {
        int e = n + 1;

        if (s[e] == '+' || s[e] == '-')
            e++;
        if (isdigit((unsigned char)s[e])) {
            while (isdigit((unsigned char)s[e]))
                e++;
            n = e;
        }
    }
    return n;
}

int pare_suffix_length(const char *s)
{
    int n = 0;

    if (*s == '%')
        return 1;
    while (isalnum((unsigned char)s[n]) || s[n] == '_')
        n++;
    return n;
}

const struct unit *pare_unit_find(const char *s, int n)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if ((int)strlen(units[i].suffix) == n && strncmp(units[i].suffix, s, (size_t)n) == 0)
            return &units[i];
    return NULL;
}

bool pare_unit_fits(const struct unit *unit, const char *metric)
{
    size_t n = strcspn(metric, "@"), m = unit->of ? strlen(unit->name_ending) : 0;

    return n >= m && strncmp(metric + n - m, unit->of ? unit->name_ending : "", m) == 0;
}

const char *pare_quantity_read(const char *text, const char *metric, double *value)
{
    const struct unit *unit;
    int n, m;

    while (isspace((unsigned char)*text))
        text++;
    n = pare_number_length(text);
    if (!n)
        return "a number must stand here, with or without a unit such as KiB, ms, %";
    *value = strtod(text, NULL);
    text += n;
    while (isspace((unsigned char)*text))
        text++;
    if (!*text)
        return NULL;
    m = pare_suffix_length(text);
    unit = pare_unit_find(text, m);
    if (!unit || text[m])
        return "no known unit; known are " PARE_UNIT_LIST;
    if (!pare_unit_fits(unit, metric))
        return "the unit does not fit this metric; sizes take KiB, times ms, energies mJ";
    *value *= unit->factor;
    return NULL;
}
