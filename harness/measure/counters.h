/* Hardware counters by PAPI name, where the machine really counts them. */
#ifndef PARE_MEASURE_COUNTERS_H
#define PARE_MEASURE_COUNTERS_H

#include <stdbool.h>

struct pare_counter {
    const char *event; /* "PAPI_TOT_INS", "perf::PAGE-FAULTS" */
    double value;      /* per call of fn; NAN when unavailable, never 0 for "not counted" */
    char cause[160];   /* "" or why it is unavailable */
};
/* Every event is added, started and checked to move on a known workload before it is believed.
 * fn is called n_calls times per event. */
void pare_counters_read(struct pare_counter *counters, int n, void (*fn)(void *arg), void *arg,
                        int n_calls);
bool pare_counter_name_is_valid(const char *event); /* known to PAPI by name */
#endif
