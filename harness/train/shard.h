/* How a batch is cut: by its size alone, never by the number of threads. */
#ifndef PARE_TRAIN_SHARD_H
#define PARE_TRAIN_SHARD_H

#include "train/layer.h"

static inline int pare_shard_count(int64_t n)
{
    if (n >= 256)
        return PARE_MAX_SHARDS;
    return n >= 64 ? 4 : n >= 32 ? 2 : 1;
}

/* The first sample of shard s; of the last plus one: n. */
static inline int64_t pare_shard_begin(int64_t n, int s, int n_shards)
{
    return n * s / n_shards;
}

#endif
