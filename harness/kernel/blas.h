/* Matrix products through OpenBLAS, one thread each: pare does its threading itself.
 *
 * All matrices are row-major with leading dimensions.  Any thread may call; none of these allocates
 * tensor memory or can fail.  A product with an empty inner dimension scales C. */
#ifndef PARE_KERNEL_BLAS_H
#define PARE_KERNEL_BLAS_H

#include <stdbool.h>
#include <stdint.h>

/* C[M,N] = op(A)[M,K] op(B)[K,N] + beta C; op transposes where the flag says so. */
void pare_gemm_f32(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                   int64_t ldc);
void pare_gemm_f64(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K,
                   const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                   double *c, int64_t ldc);

/* y = op(A) x + beta y with A [M, N]; y has M elements, N when transposed. */
void pare_gemv_f32(bool transpose, int64_t M, int64_t N, const float *a, int64_t lda,
                   const float *x, float beta, float *y);
void pare_gemv_f64(bool transpose, int64_t M, int64_t N, const double *a, int64_t lda,
                   const double *x, double beta, double *y);

#endif
