/* Fast convolution, f32: 3x3 filters in tiles of 4x4 outputs, 5x5 filters in tiles of 2x2, with four
 * and almost three times fewer multiplications than the direct sum.
 *
 *   Y = A' [ sum_c (G g_c G') o (B' d_c B) ] A      d: 6x6 inputs, g: filter, o: element by element
 *
 * The meaning, the layouts and the independence of the batch are those of conv_f32.h; the rounding
 * error is larger: up to 5e-5 of the typical sum.  Stride, dilation and group 1, AVX-512.
 * Source: Lavin and Gray, CVPR 2016, sec. 4; points 0, 1, -1, 2, -2, infinity. */
#ifndef PARE_KERNEL_WINOGRAD_H
#define PARE_KERNEL_WINOGRAD_H

#include <pare/graph.h>

#include "kernel/isa.h"

struct pare_winograd;
/* PARE_EUNSUPPORTED where it does not apply. */
pare_status pare_winograd_new(struct pare_winograd **out, const struct pare_conv2d *s,
                              const float *w, const float *bias, float low, float high,
                              enum pare_isa isa, struct pare_error *err);
void pare_winograd_free(struct pare_winograd *conv);
size_t pare_winograd_weight_bytes(const struct pare_winograd *conv);
size_t pare_winograd_work_bytes(const struct pare_winograd *conv); /* 64-byte aligned scratch */
void pare_winograd_run(const struct pare_winograd *conv, float *y, const float *x, int64_t n,
                       void *work);
#endif
