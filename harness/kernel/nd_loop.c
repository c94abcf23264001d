#include "kernel/nd_loop.h"

#include <assert.h>

void pare_nd_strides(int64_t *strides, const int64_t *dims, int n)
{
    int64_t stride = 1;

    for (int d = n - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= dims[d];
    }
}

void pare_nd_broadcast_strides(int64_t *strides, int n, const struct pare_shape *shape)
{
    int64_t stride = 1;

    for (int d = n - 1; d >= 0; d--) {
        int from = d - (n - shape->n_dims);
        int64_t extent = from < 0 ? 1 : shape->dims[from];

        strides[d] = extent == 1 ? 0 : stride;
        stride *= extent;
    }
}

void pare_nd_loop_init(struct pare_nd_loop *loop, const int64_t *dims, int n, int n_operands,
                       int64_t strides[][PARE_MAX_DIMS])
{
    int last = -1; /* the dimension of the loop that was added last */

    assert(n_operands <= PARE_ND_OPERANDS);
    loop->n_operands = n_operands;
    loop->n_elems = 1;
    for (int d = 0; d < n; d++) {
        bool merges = last >= 0;

        loop->n_elems *= dims[d];
        if (dims[d] == 1)
            continue;
        for (int k = 0; k < n_operands && merges; k++)
            merges = loop->strides[k][last] == strides[k][d] * dims[d];
        if (!merges)
            loop->dims[++last] = 1;
        loop->dims[last] *= dims[d];
        for (int k = 0; k < n_operands; k++)
            loop->strides[k][last] = strides[k][d];
    }
    if (last < 0) { /* one element */
        last = 0;
        loop->dims[0] = 1;
        for (int k = 0; k < n_operands; k++)
            loop->strides[k][0] = 1;
    }
    loop->n = last + 1;
}

void pare_nd_loop_broadcast(struct pare_nd_loop *loop, const struct pare_shape *y,
                            const struct pare_shape *const *operands, int n_operands)
{
    int64_t strides[PARE_ND_OPERANDS][PARE_MAX_DIMS];

    pare_nd_strides(strides[0], y->dims, y->n_dims);
    for (int k = 0; k < n_operands; k++)
        pare_nd_broadcast_strides(strides[1 + k], y->n_dims, operands[k]);
    pare_nd_loop_init(loop, y->dims, y->n_dims, 1 + n_operands, strides);
}
