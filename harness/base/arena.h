/* Arena: many small pieces that go together.  Small allocations abort when memory is gone.
 * Under the address sanitizer each piece is allocated apart, so overruns show. */
#ifndef PARE_BASE_ARENA_H
#define PARE_BASE_ARENA_H

#include <stddef.h>

struct pare_arena;
struct pare_arena *pare_arena_new(void);
void pare_arena_free(struct pare_arena *arena);
void *pare_arena_alloc(struct pare_arena *arena, size_t n_bytes);    /* zeroed, 16-byte aligned */
char *pare_arena_strdup(struct pare_arena *arena, const char *text); /* NULL gives NULL */
char *pare_arena_printf(struct pare_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define PARE_ARENA_NEW(ARENA, TYPE, N) \
    ((TYPE *)pare_arena_alloc((ARENA), (size_t)(N) * sizeof(TYPE)))

/* malloc family that aborts with a message instead of giving NULL: for small things only. */
void *pare_xcalloc(size_t n, size_t size);
void *pare_xrealloc(void *p, size_t n_bytes);
char *pare_xstrdup(const char *text);
#endif
