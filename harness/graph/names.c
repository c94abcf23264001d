#include "graph/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h ^ h >> 32;
}

/* The slot that holds the name, or the empty one where it belongs. */
static size_t find(const struct pare_names *names, const char *name)
{
    size_t mask = names->capacity - 1, i = hash(name) & mask;

    while (names->slots[i] && strcmp(names->slots[i], name) != 0)
        i = (i + 1) & mask;
    return i;
}

void pare_names_clear(struct pare_names *names)
{
    free(names->slots);
    memset(names, 0, sizeof *names);
}

bool pare_names_has(const struct pare_names *names, const char *name)
{
    return names->n && names->slots[find(names, name)];
}

bool pare_names_add(struct pare_names *names, const char *name)
{
    size_t slot;

    if (4 * (names->n + 1) > 3 * names->capacity) {
        struct pare_names larger = {.capacity = names->capacity ? 2 * names->capacity : 64};

        larger.slots = pare_xcalloc(larger.capacity, sizeof *larger.slots);
        larger.n = names->n;
        for (size_t i = 0; i < names->capacity; i++) {
            if (names->slots[i])
                larger.slots[find(&larger, names->slots[i])] = names->slots[i];
        }
        free(names->slots);
        *names = larger;
    }
    slot = find(names, name);
    if (names->slots[slot])
        return false;
    names->slots[slot] = name;
    names->n++;
    return true;
}
