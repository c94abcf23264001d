/* A growing string, and small helpers on text. */
#ifndef PARE_BASE_TEXT_H
#define PARE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pare_text {
    char *s; /* NUL-terminated; NULL while empty */
    size_t n, capacity;
};
void pare_text_clear(struct pare_text *text); /* frees */
void pare_text_add(struct pare_text *text, const char *s);
void pare_text_add_n(struct pare_text *text, const char *s, size_t n);
void pare_text_printf(struct pare_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A JSON string literal with quotes and escapes. */
void pare_text_json_string(struct pare_text *text, const char *s);
/* A JSON number that reads back to the same double; null for NaN and infinities. */
void pare_text_json_number(struct pare_text *text, double value);
/* Gives the buffer away ("" rather than NULL); the text is empty afterwards. */
char *pare_text_take(struct pare_text *text);

/* Edit distance of two short words (Damerau), for "did you mean". */
int pare_text_distance(const char *a, const char *b);
/* The nearest of n names, or NULL when none is near enough to be a slip of the pen. */
const char *pare_text_nearest(const char *word, const char *const *names, int n);
/* "64 KiB", "1.5 MiB" and plain numbers to bytes; false when it is not a size. */
bool pare_text_to_bytes(const char *text, double *bytes);
/* "300", "90s", "15 min", "2h" to seconds. */
bool pare_text_to_seconds(const char *text, double *seconds);
/* 65536 -> "64.0 KiB"; into buffer, which is returned. */
char *pare_text_bytes(double bytes, char *buffer, size_t n);
char *pare_text_seconds(double seconds, char *buffer, size_t n); /* "1 h 02 min", "12.3 s" */
#endif
