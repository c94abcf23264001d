/* The inside of a store, shared by its two sources. */
#ifndef PARE_STORE_RECORDS_H
#define PARE_STORE_RECORDS_H

#include "store/db.h"
#include "store/store.h"

struct pare_store {
    struct pare_db db;
    char *stage_text, *trial_text, *metric_text; /* what each cursor lends */
};

#endif
