#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void pare_text_clear(struct pare_text *text)
{
    free(text->s);
    *text = (struct pare_text){0};
}

/* Room for n more bytes and the NUL. */
static void reserve(struct pare_text *text, size_t n)
{
    if (text->capacity - text->n > n)
        return;
    text->capacity = (text->n + n + 1) + (text->n + n + 1) / 2 + 16;
    text->s = pare_xrealloc(text->s, text->capacity);
}

void pare_text_add(struct pare_text *text, const char *s)
{
    pare_text_add_n(text, s, strlen(s));
}

void pare_text_add_n(struct pare_text *text, const char *s, size_t n)
{
    reserve(text, n);
    if (n)
        memcpy(text->s + text->n, s, n);
    text->n += n;
    text->s[text->n] = '\0';
}

void pare_text_printf(struct pare_text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) /* only an invalid wide character can cause this; none is ever printed */
        abort();
    reserve(text, (size_t)n);
    va_start(args, format);
    vsnprintf(text->s + text->n, (size_t)n + 1, format, args);
    va_end(args);
    text->n += (size_t)n;
}

/* Bytes of the valid UTF-8 character at p, or 0. */
static size_t utf8_bytes(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;

    if ((p[0] >= 0x80 && p[0] < 0xC2) || p[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

void pare_text_json_string(struct pare_text *text, const char *s)
{
    pare_text_add(text, "\"");
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        size_t n = utf8_bytes(p);

        if (*p == '"' || *p == '\\')
            pare_text_printf(text, "\\%c", *p);
        else if (*p == '\n')
            pare_text_add(text, "\\n");
        else if (*p == '\t')
            pare_text_add(text, "\\t");
        else if (*p < 0x20 || *p == 0x7F)
            pare_text_printf(text, "\\u%04x", *p);
        else if (n == 0)
            pare_text_add(text, "\\ufffd"); /* a stray byte */
        else
            pare_text_add_n(text, (const char *)p, n);
        p += n ? n : 1;
    }
    pare_text_add(text, "\"");
}

void pare_text_json_number(struct pare_text *text, double value)
{
    char buffer[40];

    if (!isfinite(value)) {
        pare_text_add(text, "null");
        return;
    }
    /* 15 digits suffice for what people write; 17 for every double. */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buffer, sizeof buffer, "%.*g", digits, value);
        if (strtod(buffer, NULL) == value)
            break;
    }
    pare_text_add(text, buffer);
}

char *pare_text_take(struct pare_text *text)
{
    char *s;

    reserve(text, 0);
    text->s[text->n] = '\0';
    s = text->s;
    *text = (struct pare_text){0};
    return s;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

int pare_text_distance(const char *a, const char *b)
{
    int n_a = (int)strnlen(a, 128), n_b = (int)strnlen(b, 128);
    int rows[3][130]; /* the last two rows and the one being filled */
    int *before = rows[0], *above = rows[1], *row = rows[2];

    for (int j = 0; j <= n_b; j++)
        above[j] = j;
    for (int i = 1; i <= n_a; i++) {
        int *oldest = before;

        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            row[j] = min_int(above[j - 1] + (a[i - 1] != b[j - 1]),
                             min_int(above[j] + 1, row[j - 1] + 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min_int(row[j], before[j - 2] + 1);
        }
        before = above;
        above = row;
        row = oldest;
    }
    return above[n_b];
}

/* Lower case, '-' as '_': slips that are no slips of the finger. */
static void simplify(char *out, size_t n, const char *word)
{
    size_t i = 0;

    for (; word[i] && i + 1 < n; i++)
        out[i] = word[i] == '-' ? '_' : (char)tolower((unsigned char)word[i]);
    out[i] = '\0';
}

const char *pare_text_nearest(const char *word, const char *const *names, int n)
{
    const char *best = NULL;
    int best_distance = 1 << 20;
    char a[64], b[64];

    simplify(a, sizeof a, word);
    if (!a[0])
        return NULL;
    for (int i = 0; i < n; i++) {
        const char *tail;
        int distance, longest;

        simplify(b, sizeof b, names[i]);
        tail = strrchr(b, '.');
        distance = pare_text_distance(a, b);
        longest = (int)(strlen(a) > strlen(b) ? strlen(a) : strlen(b));
        /* "magnitude" means prune.magnitude, "mag" as well as "magn" means magnitude. */
        if (tail && pare_text_distance(a, tail + 1) <= (int)strlen(a) / 4)
            distance = min_int(distance, 1 + pare_text_distance(a, tail + 1));
        else if (strlen(a) >= 3 && strncmp(a, b, strlen(a)) == 0)
            distance = min_int(distance, 1);
        else if (distance > (longest < 3 ? 1 : longest / 3))
            continue;
        if (distance < best_distance) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}

struct unit {
    const char *name;
    double factor;
};

/* "<number> <unit>" with a unit of the table (ended by NULL). */
static bool parse_with_unit(const char *text, const struct unit *units, double *out)
{
    char *end;
    double value;
    size_t n;

    while (isspace((unsigned char)*text))
        text++;
    if (!isdigit((unsigned char)*text) && *text != '.') /* no sign, no "inf", no "nan" */
        return false;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return false;
    value = strtod(text, &end);
    if (end == text || !isfinite(value))
        return false;
    while (isspace((unsigned char)*end))
        end++;
    n = strlen(end);
    while (n && isspace((unsigned char)end[n - 1]))
        n--;
    for (; units->name; units++)
        if (strlen(units->name) == n && strncmp(units->name, end, n) == 0) {
            *out = value * units->factor;
            return isfinite(*out);
        }
    return false;
}

bool pare_text_to_bytes(const char *text, double *bytes)
{
    static const struct unit units[] = {
        {"", 1},         {"B", 1},        {"KiB", 0x1p10}, {"MiB", 0x1p20},
        {"GiB", 0x1p30}, {"TiB", 0x1p40}, {"kB", 1e3},     {"KB", 1e3},
        {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},    {NULL, 0},
    };

    return parse_with_unit(text, units, bytes);
}

bool pare_text_to_seconds(const char *text, double *seconds)
{
    static const struct unit units[] = {
        {"", 1},        {"s", 1},    {"ms", 1e-3},    {"us", 1e-6},    {"min", 60},
        {"m", 60},      {"h", 3600}, {"hour", 3600},  {"hours", 3600}, {"d", 86400},
        {"day", 86400}, {"sec", 1},  {"minutes", 60}, {"days", 86400}, {NULL, 0},
    };

    return parse_with_unit(text, units, seconds);
}

char *pare_text_bytes(double bytes, char *buffer, size_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int i = 0;

    while (fabs(bytes) >= 1024 && i < 4) {
        bytes /= 1024;
        i++;
    }
    snprintf(buffer, n, i ? "%.1f %s" : "%.0f %s", bytes, units[i]);
    return buffer;
}

char *pare_text_seconds(double seconds, char *buffer, size_t n)
{
    if (!isfinite(seconds) || seconds < 0) {
        snprintf(buffer, n, "?");
    } else if (seconds < 0.9995) {
        snprintf(buffer, n, "%.3g ms", seconds * 1e3);
    } else if (seconds < 59.95) {
        snprintf(buffer, n, "%.1f s", seconds);
    } else if (seconds < 3599.5) {
        long s = lround(seconds);

        snprintf(buffer, n, "%ld min %02ld s", s / 60, s % 60);
    } else {
        double minutes = floor(seconds / 60 + 0.5);

        snprintf(buffer, n, "%.0f h %02.0f min", floor(minutes / 60), fmod(minutes, 60));
    }
    return buffer;
}
