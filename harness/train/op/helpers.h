/* Small loops that several operators share. */
#ifndef PARE_TRAIN_OP_HELPERS_H
#define PARE_TRAIN_OP_HELPERS_H

#include <math.h>
#include <string.h>

#include "base/simd.h"
#include "train/layer.h"
#include "train/op/gemm.h"
#include "train/real.h"

/* The rows of a slab that a span covers. */
#define ROWS(SLAB, FIELD, SPAN) ((REAL *)(SLAB)->FIELD + (SPAN)->n0 * (SLAB)->elems)
#define COUNT(SLAB, SPAN)       (((SPAN)->n1 - (SPAN)->n0) * (SLAB)->elems)

/* out[c] = sum over rows of a[r * stride + c], c < n; long sums are carried in double. */
void FN(pare_column_sums)(REAL *out, const REAL *a, int64_t n_rows, int64_t n, int64_t stride);

/* The activation fused into a layer: y in place; then dy in place, from y. */
bool FN(pare_act_limits)(const struct pare_layer *layer, REAL *low, REAL *high); /* false: none */
void FN(pare_act_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_act_backward)(const struct pare_layer *layer, const struct pare_span *span);

/* Implementations, one per file of this folder. */
void FN(pare_conv_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_conv_backward)(const struct pare_layer *layer, const struct pare_span *span);
int64_t FN(pare_conv_scratch)(const struct pare_layer *layer);
void FN(pare_conv_prepare)(const struct pare_layer *layer, int64_t row0, int64_t row1);
void FN(pare_conv_copies)(const struct pare_layer *layer, int64_t *turned, int64_t *flipped);
void FN(pare_depthwise_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_depthwise_backward)(const struct pare_layer *layer, const struct pare_span *span);
int64_t FN(pare_depthwise_scratch)(const struct pare_layer *layer);
void FN(pare_dense_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_dense_backward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_dense_prepare)(const struct pare_layer *layer, int64_t row0, int64_t row1);
void FN(pare_dense_copies)(const struct pare_layer *layer, int64_t *turned, int64_t *flipped);
void FN(pare_dense_weight_rows)(const struct pare_layer *layer, int64_t n, int64_t row0,
                                int64_t row1);
void FN(pare_batchnorm_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_batchnorm_statistics)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_batchnorm_apply)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_batchnorm_backward_sums)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_batchnorm_backward)(const struct pare_layer *layer, const struct pare_span *span);
int64_t FN(pare_batchnorm_scratch)(const struct pare_layer *layer);
void FN(pare_activation_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_activation_backward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_add_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_add_backward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_maxpool_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_maxpool_backward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_avgpool_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_avgpool_backward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_global_avgpool_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_global_avgpool_backward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_flatten_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_flatten_backward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_softmax_forward)(const struct pare_layer *layer, const struct pare_span *span);
void FN(pare_softmax_backward)(const struct pare_layer *layer, const struct pare_span *span);

#endif
