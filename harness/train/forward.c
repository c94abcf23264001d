/* Evaluation passes over any graph (pare/train.h). */
#include <pare/train.h>

#include <stdlib.h>
#include <string.h>

#include "train/net.h"

struct pare_forward {
    struct pare_graph *graph; /* a copy of the structure, so that the caller may edit his */
    struct pare_net *net;
};

pare_status pare_forward_new(struct pare_forward **out, const struct pare_graph *graph,
                             int64_t max_batch, int n_threads, struct pare_error *err)
{
    struct pare_forward *forward = pare_xcalloc(1, sizeof *forward);
    struct pare_net_config config = {.real_bits = 32,
                                     .max_batch = max_batch,
                                     .n_threads = n_threads,
                                     .keeps_all = true};
    pare_status st;

    *out = NULL;
    forward->graph = pare_graph_copy(graph);
    st = pare_net_new(&forward->net, forward->graph, &config, err);
    if (st) {
        pare_forward_free(forward);
        return st;
    }
    *out = forward;
    return PARE_OK;
}

pare_status pare_forward_run(struct pare_forward *forward, const float *input, int64_t n,
                             struct pare_error *err)
{
    struct pare_net *net = forward->net;

    if (n < 1 || n > net->config.max_batch)
        return pare_fail(err, PARE_EINVAL,
                         "a batch of %lld samples: the pass was planned for 1..%lld", (long long)n,
                         (long long)net->config.max_batch);
    memcpy(net->input->a, input, (size_t)(n * net->input->elems) * sizeof *input);
    pare_net_forward(net, n, false);
    return PARE_OK;
}

const float *pare_forward_value(const struct pare_forward *forward, const struct pare_value *value)
{
    const struct pare_slab *slab;

    if (value->data || value->id < 0 || value->id >= forward->graph->n_values)
        return NULL;
    slab = forward->net->slab_of[value->id];
    return slab ? slab->a : NULL;
}

const float *pare_forward_logits(const struct pare_forward *forward)
{
    return forward->net->logits->a;
}

void pare_forward_free(struct pare_forward *forward)
{
    if (!forward)
        return;
    pare_net_free(forward->net);
    pare_graph_free(forward->graph);
    free(forward);
}
