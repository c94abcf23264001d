/* Operations on two row-major arrays that are broadcast against each other, and on one.
 *
 * Add, Sub, Mul, Div, Min, Max: F32, F64, S8, U8, S32, S64; integers wrap, and what is divided by 0 gives
 * 0.  Pow, PRelu (b is the slope): F32.  Never allocate, cannot fail.  y may be an operand of y's
 * own shape. */
#ifndef PARE_KERNEL_ND_BINARY_H
#define PARE_KERNEL_ND_BINARY_H

#include <pare/graph.h>

void pare_nd_binary(enum pare_op op, enum pare_dtype type, void *y,
                    const struct pare_shape *y_shape, const void *a,
                    const struct pare_shape *a_shape, const void *b,
                    const struct pare_shape *b_shape);
/* Elu (alpha), Erf, Sqrt, Exp, Log, Neg, Abs; y may be x. */
void pare_nd_unary_f32(enum pare_op op, float *y, const float *x, int64_t n, float alpha);

#endif
