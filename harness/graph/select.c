#include <pare/select.h>

#include <string.h>

pare_status pare_select_check(const struct pare_strings *names, const struct pare_graph *graph,
                              struct pare_error *err)
{
    for (int i = 0; i < names->n; i++)
        if (!pare_graph_find_node(graph, names->items[i]))
            return pare_fail(err, PARE_EINVAL,
                             "ignore: the network has no node '%s' (`pare inspect` lists them)",
                             names->items[i]);
    return PARE_OK;
}

bool pare_select_has(const struct pare_strings *names, const struct pare_node *node)
{
    for (int i = 0; i < names->n; i++)
        if (strcmp(names->items[i], node->name) == 0)
            return true;
    return false;
}
