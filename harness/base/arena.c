#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define FIRST_BLOCK_BYTES 0 /* every piece is a block of its own */
#else
#define FIRST_BLOCK_BYTES 4096
#endif
#define MAX_BLOCK_BYTES (256 * 1024)

struct block {
    struct block *next;
    size_t n_used, n_bytes;
    _Alignas(16) unsigned char data[];
};

struct pare_arena {
    struct block *blocks; /* the first one is being filled */
    size_t next_bytes;
};

static void out_of_memory(size_t n_bytes)
{
    fprintf(stderr, "pare: out of memory (%zu bytes)\n", n_bytes);
    abort();
}

void *pare_xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory(n * size);
    return p;
}

void *pare_xrealloc(void *p, size_t n_bytes)
{
    p = realloc(p, n_bytes ? n_bytes : 1);
    if (!p)
        out_of_memory(n_bytes);
    return p;
}

char *pare_xstrdup(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        out_of_memory(strlen(text) + 1);
    return copy;
}

struct pare_arena *pare_arena_new(void)
{
    struct pare_arena *arena = pare_xcalloc(1, sizeof *arena);

    arena->next_bytes = FIRST_BLOCK_BYTES;
    return arena;
}

void pare_arena_free(struct pare_arena *arena)
{
    if (!arena)
        return;
    for (struct block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(arena);
}

static struct block *block_new(size_t n_bytes)
{
    struct block *b = pare_xcalloc(1, sizeof *b + n_bytes);

    b->n_bytes = n_bytes;
    return b;
}

void *pare_arena_alloc(struct pare_arena *arena, size_t n_bytes)
{
    struct block *b = arena->blocks;
    size_t need;
    void *p;

    if (n_bytes > SIZE_MAX / 2)
        out_of_memory(n_bytes);
    need = arena->next_bytes ? (n_bytes + 15) & ~(size_t)15 : n_bytes;
    if (!b || b->n_bytes - b->n_used < need) {
        if (need >= arena->next_bytes / 4) { /* a large piece stands alone, behind the open block */
            struct block *own = block_new(need);

            own->n_used = need;
            own->next = b ? b->next : NULL;
            if (b)
                b->next = own;
            else
                arena->blocks = own;
            return own->data;
        }
        b = block_new(arena->next_bytes);
        b->next = arena->blocks;
        arena->blocks = b;
        if (arena->next_bytes < MAX_BLOCK_BYTES)
            arena->next_bytes *= 2;
    }
    p = b->data + b->n_used;
    b->n_used += need;
    return p;
}

char *pare_arena_strdup(struct pare_arena *arena, const char *text)
{
    size_t n;

    if (!text)
        return NULL;
    n = strlen(text) + 1;
    return memcpy(pare_arena_alloc(arena, n), text, n);
}

char *pare_arena_printf(struct pare_arena *arena, const char *format, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) /* only an invalid wide character can cause this; none is ever printed */
        abort();
    text = pare_arena_alloc(arena, (size_t)n + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}
