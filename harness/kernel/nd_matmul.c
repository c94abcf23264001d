#include "kernel/nd_matmul.h"

#include "kernel/blas.h"
#include "kernel/nd_loop.h"

struct product {
    int64_t M, N, K;
    struct pare_nd_loop loop; /* over the products; operands: number of the product, a's, b's */
    bool is_plain;            /* b is one matrix: all of a's are one of more rows */
};

static void plan(struct product *p, const struct pare_shape *a_shape,
                 const struct pare_shape *b_shape)
{
    struct pare_shape a = *a_shape, b = *b_shape, y = {0};

    p->K = a.dims[a.n_dims - 1];
    p->M = a.n_dims > 1 ? a.dims[a.n_dims - 2] : 1;
    p->N = b.n_dims > 1 ? b.dims[b.n_dims - 1] : 1;
    a.n_dims = a.n_dims > 2 ? a.n_dims - 2 : 0;
    b.n_dims = b.n_dims > 2 ? b.n_dims - 2 : 0;
    y.n_dims = a.n_dims > b.n_dims ? a.n_dims : b.n_dims;
    for (int d = 0; d < y.n_dims; d++) {
        int da = d - (y.n_dims - a.n_dims), db = d - (y.n_dims - b.n_dims);
        int64_t ea = da < 0 ? 1 : a.dims[da], eb = db < 0 ? 1 : b.dims[db];
        y.dims[d] = ea == 1 ? eb : ea;
    }
    const struct pare_shape *operands[] = {&a, &b};
    pare_nd_loop_broadcast(&p->loop, &y, operands, 2);
    p->is_plain = pare_shape_elems(&b) == 1;
}

static void multiply_ref(float *y, const float *a, const float *b, int64_t M, int64_t N, int64_t K)
{
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double sum = 0;
            for (int64_t k = 0; k < K; k++)
                sum += (double)a[m * K + k] * (double)b[k * N + n];
            y[m * N + n] = (float)sum;
        }
}

/* sgemm with one row is three times slower than sgemv. */
static void multiply(float *y, const float *a, const float *b, int64_t M, int64_t N, int64_t K)
{
    if (M == 1)
        pare_gemv_f32(true, K, N, b, N, a, 0, y);
    else if (N == 1)
        pare_gemv_f32(false, M, K, a, K, b, 0, y);
    else
        pare_gemm_f32(false, false, M, N, K, a, K, b, N, 0, y, N);
}

static void run(float *y, const float *a, const struct pare_shape *a_shape, const float *b,
                const struct pare_shape *b_shape,
                void (*one)(float *, const float *, const float *, int64_t, int64_t, int64_t))
{
    struct pare_nd_cursor c = {0};
    struct product p;

    plan(&p, a_shape, b_shape);
    if (p.is_plain) {
        one(y, a, b, p.M * p.loop.n_elems, p.N, p.K);
        return;
    }
    do {
        for (int64_t i = 0; i < pare_nd_row(&p.loop); i++)
            one(y + (c.at[0] + i) * p.M * p.N,
                a + (c.at[1] + i * pare_nd_stride(&p.loop, 1)) * p.M * p.K,
                b + (c.at[2] + i * pare_nd_stride(&p.loop, 2)) * p.K * p.N, p.M, p.N, p.K);
    } while (pare_nd_next(&p.loop, &c));
}

void pare_nd_matmul_f32_ref(float *y, const float *a, const struct pare_shape *a_shape,
                            const float *b, const struct pare_shape *b_shape)
{
    run(y, a, a_shape, b, b_shape, multiply_ref);
}

void pare_nd_matmul_f32(float *y, const float *a, const struct pare_shape *a_shape, const float *b,
                        const struct pare_shape *b_shape)
{
    run(y, a, a_shape, b, b_shape, multiply);
}
