/* Matrix products of row-major f32 arrays as numpy's matmul: the last two dimensions multiply, those
 * before are broadcast, a vector is one row or one column.  Never allocates, cannot fail. */
#ifndef PARE_KERNEL_ND_MATMUL_H
#define PARE_KERNEL_ND_MATMUL_H

#include <pare/tensor.h>

void pare_nd_matmul_f32_ref(float *y, const float *a, const struct pare_shape *a_shape,
                            const float *b, const struct pare_shape *b_shape);
void pare_nd_matmul_f32(float *y, const float *a, const struct pare_shape *a_shape, const float *b,
                        const struct pare_shape *b_shape);

#endif
