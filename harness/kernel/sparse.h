/* Convolution and matrix product with unstructured sparse weights, f32.
 *
 * Only the non-zeros are stored, row by row: value and offset of the input element.  The input is
 * turned to one plane per channel first, so that one weight meets 16 neighbouring pixels (or samples)
 * in one vector; a row of pixels runs on into the next, the few columns between them are thrown away.
 * Small batches of a matrix product read single elements instead.
 *
 * The meaning and the layouts are those of conv_f32.h.  Each output has four partial sums in a fixed
 * order, so a sample's numbers do not depend on its batch.  Horizontal stride and group 1 only. */
#ifndef PARE_KERNEL_SPARSE_H
#define PARE_KERNEL_SPARSE_H

#include <pare/graph.h>

#include "kernel/isa.h"

struct pare_sparse_f32;
/* PARE_EUNSUPPORTED where it does not apply. */
pare_status pare_sparse_f32_new(struct pare_sparse_f32 **out, const struct pare_conv2d *s,
                                const float *w, const float *bias, float low, float high,
                                enum pare_isa isa, struct pare_error *err);
void pare_sparse_f32_free(struct pare_sparse_f32 *conv);
size_t pare_sparse_f32_weight_bytes(const struct pare_sparse_f32 *conv);
size_t pare_sparse_f32_work_bytes(const struct pare_sparse_f32 *conv); /* 64-byte aligned scratch */
void pare_sparse_f32_run(const struct pare_sparse_f32 *conv, float *y, const float *x, int64_t n,
                         void *work);
#endif
