/* Options that name nodes: `ignore: [fc2]`. */
#ifndef PARE_SELECT_H
#define PARE_SELECT_H

#include <pare/graph.h>
#include <pare/option.h>

/* PARE_EINVAL naming the first name that no node of the graph has. */
pare_status pare_select_check(const struct pare_strings *names, const struct pare_graph *graph,
                              struct pare_error *err);
bool pare_select_has(const struct pare_strings *names, const struct pare_node *node);

#endif
