/* A set of names, so that a graph of a million nodes from a file does not take a million squared. */
#ifndef PARE_GRAPH_NAMES_H
#define PARE_GRAPH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct pare_names {
    size_t n, capacity; /* capacity is a power of two, or 0 */
    const char **slots; /* lent names */
};

void pare_names_clear(struct pare_names *names); /* frees; the set is empty afterwards */
bool pare_names_has(const struct pare_names *names, const char *name);
/* false: it is already there.  `name` must outlive the set. */
bool pare_names_add(struct pare_names *names, const char *name);

#endif
