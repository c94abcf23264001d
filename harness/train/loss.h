/* Losses and their gradients, in both number types.
 *
 * Each works on some rows of a batch and returns the SUM of the rows' values; `scale` is what a
 * row's gradient is multiplied with (the term's weight over the batch size).  Sums are in double. */
#ifndef PARE_TRAIN_LOSS_H
#define PARE_TRAIN_LOSS_H

#include <pare/loss.h>

/* Row value (1 - smoothing) nll + smoothing / k sum_j -log p_j.  Overwrites d [n, k]. */
double pare_loss_cross_entropy_f32(float *d, const float *logits, const int32_t *labels, int64_t n,
                                   int64_t k, double smoothing, double scale);
double pare_loss_cross_entropy_f64(double *d, const double *logits, const int32_t *labels,
                                   int64_t n, int64_t k, double smoothing, double scale);
/* Row value: mean of squares over the row.  Overwrites d [n, k]. */
double pare_loss_mse_f32(float *d, const float *y, const float *target, int64_t n, int64_t k,
                         double scale);
double pare_loss_mse_f64(double *d, const double *y, const double *target, int64_t n, int64_t k,
                         double scale);
/* Row value T^2 KL(teacher || student).  Adds to d [n, k]. */
double pare_loss_kl_f32(float *d, const float *student, const float *teacher, int64_t n, int64_t k,
                        double temperature, double scale);
double pare_loss_kl_f64(double *d, const double *student, const double *teacher, int64_t n,
                        int64_t k, double temperature, double scale);

#endif
