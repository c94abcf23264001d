/* The artifacts of a results folder, by the key of the stage that made them.
 *
 *   artifacts/KEY.safetensors   the network
 *   artifacts/KEY.json          digest, size, MACs, parameters, what the making took
 *
 * The record is written after the network, both whole or not at all, so an artifact is there exactly
 * when its record is.  Nothing of it depends on the store: a lost database costs no stage. */
#ifndef PARE_PIPELINE_CACHE_H
#define PARE_PIPELINE_CACHE_H

#include <pare/graph.h>

#include "base/hash.h"

struct pare_cache_entry {
    struct pare_digest digest; /* of the file's bytes */
    int64_t size_bytes, macs, params;
    double wall_s, peak_rss_mib; /* of the run that made it */
    char *log;                   /* malloc'ed */
};
void pare_cache_entry_clear(struct pare_cache_entry *entry);

enum pare_cache_state { PARE_CACHE_MISS, PARE_CACHE_HIT, PARE_CACHE_DAMAGED };

/* Makes FOLDER/artifacts and removes what a killed writer left half done. */
pare_status pare_cache_open(const char *folder, struct pare_error *err);
/* "artifacts/KEY.safetensors" below the folder; malloc'ed. */
char *pare_cache_path(const char *folder, const char *key);
/* Reads the record and compares the file with it, byte for byte.  Fills *out on a hit. */
enum pare_cache_state pare_cache_find(struct pare_cache_entry *out, const char *folder,
                                      const char *key);
/* Saves the graph and its record; fills digest, size_bytes, macs and params of `entry`. */
pare_status pare_cache_put(const char *folder, const char *key, const struct pare_graph *graph,
                           struct pare_cache_entry *entry, struct pare_error *err);

#endif
