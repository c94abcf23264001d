/* Uniform quantizers: choosing ranges, scales and zero points.
 *
 * q = clamp(round_half_even(x / scale) + zero, q_min, q_max); x' = scale * (q - zero).
 * Source: Jacob et al., CVPR 2018, sec. 2.1; Krishnamoorthi 2018; Wu et al. 2020, sec. 3 and 5. */
#ifndef PARE_QUANTIZE_H
#define PARE_QUANTIZE_H

#include <pare/graph.h>

/* How a range is chosen from what was seen. */
enum pare_calibrator { PARE_CALIBRATE_MINMAX, PARE_CALIBRATE_PERCENTILE, PARE_CALIBRATE_MSE };

/* What was seen of one activation.  First pass: pare_observer_range() on every batch; second pass:
 * pare_observer_count() on the same batches.  The histogram spans [low, high] in equal bins. */
#define PARE_OBSERVER_BINS 2048
struct pare_observer {
    float low, high; /* of all values seen; 0, 0 before the first */
    int64_t n;       /* values seen by the first pass */
    int64_t counts[PARE_OBSERVER_BINS];
};
void pare_observer_range(struct pare_observer *observer, const float *x, int64_t n);
void pare_observer_count(struct pare_observer *observer, const float *x, int64_t n);

/* Range -> quantizer.  The range is widened to contain 0, so that 0 is exact.
 * Asymmetric: unsigned, scale = (high - low) / (2^b - 1).  Symmetric: signed, zero point 0,
 * levels -(2^(b-1)-1) .. 2^(b-1)-1. */
struct pare_quant pare_quant_from_range(float low, float high, int bits, bool is_symmetric);

/* Range chosen by the calibrator, then as above.  `percentile` (e.g. 99.99) is the share of values
 * inside; for two-sided data half of the rest is cut on each side.  MSE: the range, shrunk by
 * 0 .. 80 % in steps of 1 %, with the least squared error on the histogram. */
struct pare_quant pare_observer_quant(const struct pare_observer *observer, int bits,
                                      bool is_symmetric, enum pare_calibrator calibrator,
                                      double percentile);

int32_t pare_quant_min(const struct pare_quant *quant);
int32_t pare_quant_max(const struct pare_quant *quant);
int32_t pare_quantize(const struct pare_quant *quant, float x);
float pare_dequantize(const struct pare_quant *quant, int32_t q);

/* Quantizes a weight symmetrically in place and sets its coding: rows = dims[0], axis 0 gives one
 * scale per row, axis -1 one for all.  `mse`: per scale, the share of max|w| (1.00, 0.99, ... 0.20)
 * with the least squared error instead of max|w| itself.  Zero rows get scale 1.  Whether zeros are
 * stored (coding.is_sparse) stays as it was. */
pare_status pare_quantize_weight(struct pare_graph *graph, struct pare_value *weight, int bits,
                                 int axis, bool mse, struct pare_error *err);

#endif
