/* What a model file may hold, asked of it when written and when read. */
#ifndef PARE_IO_MODEL_LIMITS_H
#define PARE_IO_MODEL_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PARE_MODEL_VERSION   "1"
#define PARE_MODEL_MAX_NODES 1000000
#define PARE_MODEL_MAX_IO    64
#define PARE_MODEL_MAX_ELEMS ((int64_t)1 << 31) /* of one weight */

/* Elements of all weights together, so that a small file cannot ask for all memory. */
static inline int64_t pare_model_max_elems(size_t file_bytes)
{
    return 1024 * (int64_t)file_bytes + (4 << 20);
}

/* Names of graphs, nodes, values, attributes: short, and fit for a terminal. */
static inline bool pare_model_name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n < 1 || n > 255)
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    }
    return true;
}

#endif
