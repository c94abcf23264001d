/* QuantizeLinear and DequantizeLinear on arrays [outer, C, inner], one scale and zero point per c (C
 * = 1: per tensor).  q = saturate(round_half_even(x / scale) + zero).  Never allocate, cannot fail. */
#ifndef PARE_KERNEL_ND_QUANT_H
#define PARE_KERNEL_ND_QUANT_H

#include <pare/tensor.h>

/* To U8 or S8; zero is of that type, NULL: 0. */
void pare_nd_quantize(void *y, enum pare_dtype type, const float *x, int64_t outer, int64_t C,
                      int64_t inner, const float *scale, const void *zero);
/* From U8, S8 or S32. */
void pare_nd_dequantize(float *y, const void *x, enum pare_dtype type, int64_t outer, int64_t C,
                        int64_t inner, const float *scale, const void *zero);

#endif
