/* Passes through a planned network (train/net.h). */
#include "train/denormal.h"
#include "train/net.h"
#include "train/shard.h"

/* Steps between two that need all shards form a chain: a thread takes each of its shards through the
 * whole chain, which keeps the shard's numbers in its cache. */
static void run_steps(struct pare_net *net, const struct pare_net_step *steps, int n_steps,
                      int64_t n, int thread, int n_threads)
{
    int n_shards = pare_shard_count(n);
    unsigned mode = pare_denormals_off();

    for (int i = 0, end; i < n_steps; i = end) {
        if (steps[i].needs_all)
            pare_pool_barrier(net->pool);
        for (end = i + 1; end < n_steps && !steps[end].needs_all;)
            end++;
        for (int s = thread; s < n_shards; s += n_threads) {
            struct pare_span span = {.n0 = pare_shard_begin(n, s, n_shards),
                                     .n1 = pare_shard_begin(n, s + 1, n_shards),
                                     .n = n,
                                     .shard = s,
                                     .n_shards = n_shards,
                                     .scratch = net->scratch[thread]};

            for (int k = i; k < end; k++)
                steps[k].run(steps[k].layer, &span);
        }
    }
    pare_denormals_restore(mode);
}

/* Parts of a layer's copies: more than threads, so that they share the work evenly. */
#define PREPARE_PARTS 4

void pare_net_prepare_part(struct pare_net *net, int thread, int n_threads)
{
    for (int i = 0; i < net->n_layers; i++) {
        struct pare_layer *layer = &net->layers[i];
        const struct pare_op_impl *impl = pare_net_impl(net, layer->op);

        for (int part = 0; part < PREPARE_PARTS && impl->prepare; part++)
            if ((part + i) % n_threads == thread)
                impl->prepare(layer, layer->w[0]->n_rows * part / PREPARE_PARTS,
                              layer->w[0]->n_rows * (part + 1) / PREPARE_PARTS);
    }
}

void pare_net_task_prepare(const struct pare_net *net, const struct pare_net_task *task)
{
    if (task->layer && pare_net_impl(net, task->layer->op)->prepare)
        pare_net_impl(net, task->layer->op)->prepare(task->layer, task->row0, task->row1);
}

void pare_net_forward_part(struct pare_net *net, int64_t n, bool learning, int thread,
                           int n_threads)
{
    run_steps(net, learning ? net->learn : net->eval, learning ? net->n_learn : net->n_eval, n,
              thread, n_threads);
}

void pare_net_backward_part(struct pare_net *net, int64_t n, int thread, int n_threads)
{
    run_steps(net, net->backward, net->n_backward, n, thread, n_threads);
}

static void join_f32(float *out, const float *parts, int64_t stride, int n_parts, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = parts[i];
    for (int p = 1; p < n_parts; p++)
        for (int64_t i = 0; i < n; i++)
            out[i] += parts[p * stride + i];
}

static void join_f64(double *out, const double *parts, int64_t stride, int n_parts, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = parts[i];
    for (int p = 1; p < n_parts; p++)
        for (int64_t i = 0; i < n; i++)
            out[i] += parts[p * stride + i];
}

void pare_net_task_run(const struct pare_net *net, const struct pare_net_task *task, int64_t n)
{
    const struct pare_slot *slot = task->slot[0];
    int64_t begin = task->begin[0], count = task->end[0] - begin;

    if (task->layer && !slot->parts)
        pare_net_impl(net, task->layer->op)->weight_rows(task->layer, n, task->row0, task->row1);
    else if (slot->parts && net->config.real_bits == 64)
        join_f64((double *)slot->g + begin, (double *)slot->parts + begin, slot->n,
                 pare_shard_count(n), count);
    else if (slot->parts)
        join_f32((float *)slot->g + begin, (float *)slot->parts + begin, slot->n,
                 pare_shard_count(n), count);
}

struct pass {
    struct pare_net *net;
    int64_t n;
    bool learning;
};

static void prepare_thread(void *arg, int thread, int n_threads)
{
    pare_net_prepare_part(arg, thread, n_threads);
}

static void forward_thread(void *arg, int thread, int n_threads)
{
    const struct pass *pass = arg;

    pare_net_forward_part(pass->net, pass->n, pass->learning, thread, n_threads);
}

static void backward_thread(void *arg, int thread, int n_threads)
{
    const struct pass *pass = arg;

    pare_net_backward_part(pass->net, pass->n, thread, n_threads);
    pare_pool_barrier(pass->net->pool);
    for (int i = 0; i < pass->net->n_tasks; i++)
        if (pass->net->tasks[i].thread == thread)
            pare_net_task_run(pass->net, &pass->net->tasks[i], pass->n);
}

void pare_net_prepare(struct pare_net *net)
{
    pare_pool_run(net->pool, prepare_thread, net);
}

void pare_net_forward(struct pare_net *net, int64_t n, bool learning)
{
    pare_pool_run(net->pool, forward_thread, &(struct pass){net, n, learning});
}

void pare_net_backward(struct pare_net *net, int64_t n)
{
    pare_pool_run(net->pool, backward_thread, &(struct pass){net, n, true});
}
