/* Walking over row-major arrays of any rank, several at once: each has its own stride per dimension,
 * 0 where it is broadcast.  Dimensions that lie behind one another in all arrays are merged, so that
 * the innermost one is as long as can be.
 *
 *     struct pare_nd_cursor at = {0};
 *     if (loop.n_elems)
 *         do {
 *             row(y + at.at[0], x + at.at[1], pare_nd_row(&loop));
 *         } while (pare_nd_next(&loop, &at)); */
#ifndef PARE_KERNEL_ND_LOOP_H
#define PARE_KERNEL_ND_LOOP_H

#include <pare/tensor.h>

enum { PARE_ND_OPERANDS = 4 };

struct pare_nd_loop {
    int n, n_operands; /* n >= 1 */
    int64_t n_elems;
    int64_t dims[PARE_MAX_DIMS];
    int64_t strides[PARE_ND_OPERANDS][PARE_MAX_DIMS]; /* in elements */
};

struct pare_nd_cursor {
    int64_t index[PARE_MAX_DIMS];
    int64_t at[PARE_ND_OPERANDS]; /* offset of each array */
};

/* Strides of a dense array. */
void pare_nd_strides(int64_t *strides, const int64_t *dims, int n);
/* The same as seen from a result of `n` dimensions that it is broadcast to. */
void pare_nd_broadcast_strides(int64_t *strides, int n, const struct pare_shape *shape);
/* strides[k][d] for operand k; dims are those of the result. */
void pare_nd_loop_init(struct pare_nd_loop *loop, const int64_t *dims, int n, int n_operands,
                       int64_t strides[][PARE_MAX_DIMS]);
/* A dense result and operands that are broadcast to it. */
void pare_nd_loop_broadcast(struct pare_nd_loop *loop, const struct pare_shape *y,
                            const struct pare_shape *const *operands, int n_operands);

/* Extent and stride of the innermost dimension. */
static inline int64_t pare_nd_row(const struct pare_nd_loop *loop)
{
    return loop->dims[loop->n - 1];
}
static inline int64_t pare_nd_stride(const struct pare_nd_loop *loop, int operand)
{
    return loop->strides[operand][loop->n - 1];
}

/* To the next row; false behind the last. */
static inline bool pare_nd_next(const struct pare_nd_loop *loop, struct pare_nd_cursor *cursor)
{
    for (int d = loop->n - 2; d >= 0; d--) {
        for (int k = 0; k < loop->n_operands; k++)
            cursor->at[k] += loop->strides[k][d];
        if (++cursor->index[d] < loop->dims[d])
            return true;
        for (int k = 0; k < loop->n_operands; k++)
            cursor->at[k] -= loop->strides[k][d] * loop->dims[d];
        cursor->index[d] = 0;
    }
    return false;
}

#endif
