/* Accuracy of an artifact, executed by its plan. */
#ifndef PARE_MEASURE_EVALUATE_H
#define PARE_MEASURE_EVALUATE_H

#include <pare/data.h>
#include <pare/graph.h>

#include "io/data_test.h"

struct pare_evaluation {
    int64_t n, n_correct;
    double accuracy; /* NAN without labels */
    double mse;      /* reconstruction; NAN with labels */
    uint8_t *bits;   /* malloc'ed correctness bits, (n+7)/8 */
};
/* Validation split. */
pare_status pare_evaluate(struct pare_evaluation *out, const struct pare_graph *graph,
                          const struct pare_data *data, int n_threads, struct pare_error *err);
/* Test split: counts as one use. */
pare_status pare_evaluate_test(struct pare_evaluation *out, const struct pare_graph *graph,
                               struct pare_data_test *test, const struct pare_data *data,
                               int n_threads, struct pare_error *err);
void pare_evaluation_clear(struct pare_evaluation *evaluation);
#endif
