/* Depthwise convolution in long vectors, AVX-512.
 *
 * With stride 1 a row of output pixels and channels is one line, and every tap reads the input's line
 * at its own distance: vectors run over pixels and channels alike, so that few channels cost no
 * empty lanes.  With another stride a line is cut at each pixel.  Integers interleave four taps for the
 * u8 x s8 dot product.  Meaning, layouts and bias are those of depthwise.h. */
#ifndef PARE_KERNEL_DEPTHWISE_PACKED_H
#define PARE_KERNEL_DEPTHWISE_PACKED_H

#include "kernel/conv_u8.h"

struct pare_depthwise;
/* PARE_EUNSUPPORTED where it does not apply; integers: for f32 results too. */
pare_status pare_depthwise_f32_new(struct pare_depthwise **out, const struct pare_conv2d *s,
                                   const float *w, const float *bias, float low, float high,
                                   enum pare_isa isa, struct pare_error *err);
pare_status pare_depthwise_u8_new(struct pare_depthwise **out, const struct pare_conv2d *s,
                                  int32_t x_zero, const int8_t *w, const int32_t *bias,
                                  const struct pare_conv_u8_result *result, enum pare_isa isa,
                                  struct pare_error *err);
void pare_depthwise_free(struct pare_depthwise *conv);
size_t pare_depthwise_weight_bytes(const struct pare_depthwise *conv);
size_t pare_depthwise_work_bytes(const struct pare_depthwise *conv); /* 64-byte aligned scratch */
void pare_depthwise_run(const struct pare_depthwise *conv, void *y, const void *x, int64_t n,
                        void *work);
#endif
