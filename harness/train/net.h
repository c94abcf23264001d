/* A graph laid out for computing: buffers, layers in order, and who does what when.
 *
 * Planned once for a largest batch; running allocates nothing.  The same plan serves training in f32,
 * evaluation (pare/train.h, pare_forward) and the proofs in f64.
 *
 * The run functions ending in _part are called by every thread of a team, with its number. */
#ifndef PARE_TRAIN_NET_H
#define PARE_TRAIN_NET_H

#include "base/arena.h"
#include "base/pool.h"
#include "train/layer.h"

struct pare_net_config {
    int real_bits; /* 32 or 64 */
    int64_t max_batch;
    int n_threads;
    bool learns;         /* has gradients; only what the first output needs is laid out */
    bool input_gradient; /* also of the graph's input: for proofs */
    bool keeps_all;      /* every value of the graph can be looked at: nothing is fused */
};

/* A piece of the gradients' last step and of the optimizer's work: elements of one or two slots
 * (a Gemm's rows and their biases). */
struct pare_net_task {
    struct pare_layer *layer; /* of a matrix: rows row0 .. row1-1 are the task's; else NULL */
    int64_t row0, row1;
    struct pare_slot *slot[2]; /* [1]: NULL or the bias */
    int64_t begin[2], end[2];
    double cost;
    int thread; /* who does it: does not change the result */
};

struct pare_net_step {
    struct pare_layer *layer;
    void (*run)(const struct pare_layer *layer, const struct pare_span *span);
    bool needs_all; /* every shard must have done the step before */
};

struct pare_net {
    struct pare_net_config config;
    struct pare_graph *graph;
    struct pare_arena *arena;
    struct pare_pool *pool;
    int n_slabs, n_slots, n_layers, n_tasks;
    struct pare_slab **slab_of; /* by value id; NULL: not laid out */
    struct pare_slot *slots;
    struct pare_layer *layers;
    struct pare_net_task *tasks;
    struct pare_slab *input, *logits; /* logits: the first output, before a final Softmax */
    int n_learn, n_eval, n_backward;
    struct pare_net_step *learn, *eval, *backward; /* forward twice, then backward */
    void **scratch;                                /* of each thread */
    int n_buffers, buffers_capacity;
    void **buffers; /* everything to be freed */
};

static inline const struct pare_op_impl *pare_net_impl(const struct pare_net *net, enum pare_op op)
{
    return net->config.real_bits == 64 ? &pare_op_impls_f64[op] : &pare_op_impls_f32[op];
}

/* `graph` is lent and must outlive the net.  PARE_EUNSUPPORTED, PARE_EINVAL, PARE_ENOMEM. */
pare_status pare_net_new(struct pare_net **out, struct pare_graph *graph,
                         const struct pare_net_config *config, struct pare_error *err);
void pare_net_free(struct pare_net *net);

/* n zeroed items, 64-byte aligned, freed with the net; PARE_ENOMEM. */
pare_status pare_net_buffer(struct pare_net *net, void **out, int64_t n, size_t item_bytes,
                            struct pare_error *err);

/* Copies between a weight's place in the graph and the net's own order of elements. */
void pare_slot_load(const struct pare_net *net, const struct pare_slot *slot);
void pare_slot_store(const struct pare_net *net, const struct pare_slot *slot, const void *numbers,
                     float *out);

/* Makes the copies of the weights that the passes read, of all layers or of one task's rows; needed
 * after weights have changed, with a barrier behind it. */
void pare_net_prepare_part(struct pare_net *net, int thread, int n_threads);
void pare_net_task_prepare(const struct pare_net *net, const struct pare_net_task *task);
/* Samples shard_begin .. shard_end of the shards that belong to a thread go through all layers. */
void pare_net_forward_part(struct pare_net *net, int64_t n, bool learning, int thread,
                           int n_threads);
/* From the logits' gradient to all others, but for what tasks do. */
void pare_net_backward_part(struct pare_net *net, int64_t n, int thread, int n_threads);
/* After a barrier: completes the gradient of the task's elements. */
void pare_net_task_run(const struct pare_net *net, const struct pare_net_task *task, int64_t n);

/* The same by the net's own team, over n samples. */
void pare_net_prepare(struct pare_net *net);
void pare_net_forward(struct pare_net *net, int64_t n, bool learning);
void pare_net_backward(struct pare_net *net, int64_t n);

#endif
