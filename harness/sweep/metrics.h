/* The numbers of one trial, on their way to the store: each with unit, interval and provenance. */
#ifndef PARE_SWEEP_METRICS_H
#define PARE_SWEEP_METRICS_H

#include "measure/stats.h"
#include "store/store.h"

struct pare_metrics {
    int n, capacity;
    struct pare_metric {
        char *name, *note;
        double value, low, high; /* NAN value: unavailable; NAN low: exact */
        const char *unit, *provenance;
    } * items;
};
void pare_metrics_clear(struct pare_metrics *metrics);
/* Replaces what stands under the name. `unit` is a literal; `note` is copied, NULL is "". */
void pare_metrics_put(struct pare_metrics *metrics, const char *name, struct pare_interval value,
                      const char *unit, const char *provenance, const char *note);
void pare_metrics_count(struct pare_metrics *metrics, const char *name, double value,
                        const char *unit); /* exact, "counted" */
void pare_metrics_unavailable(struct pare_metrics *metrics, const char *name, const char *unit,
                              const char *why);
void pare_metrics_copy(struct pare_metrics *to, const struct pare_metrics *from);
const struct pare_metric *pare_metrics_get(const struct pare_metrics *metrics, const char *name);
/* The value, NAN when there is none. */
double pare_metrics_value(const struct pare_metrics *metrics, const char *name);

pare_status pare_metrics_save(const struct pare_metrics *metrics, struct pare_store *store,
                              int64_t trial, struct pare_error *err);
void pare_metrics_load(struct pare_metrics *metrics, struct pare_store *store, int64_t trial);

#endif
