#include "kernel/blas.h"

#include <cblas.h>
#include <pthread.h>

/* OpenBLAS built for OpenMP asks the calling thread's OpenMP setting how many threads to use, so
 * each thread of ours says "one" before its first product. */
static void use_one_thread(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static _Thread_local bool is_done;

    if (is_done)
        return;
    pthread_mutex_lock(&lock);
    openblas_set_num_threads(1);
    pthread_mutex_unlock(&lock);
    is_done = true;
}

static enum CBLAS_TRANSPOSE flag(bool transpose)
{
    return transpose ? CblasTrans : CblasNoTrans;
}

void pare_gemm_f32(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                   int64_t ldc)
{
    if (M <= 0 || N <= 0)
        return;
    if (M == 1 && !transpose_a) {
        pare_gemv_f32(!transpose_b, transpose_b ? N : K, transpose_b ? K : N, b, ldb, a, beta, c);
        return;
    }
    use_one_thread();
    cblas_sgemm(CblasRowMajor, flag(transpose_a), flag(transpose_b), (int)M, (int)N, (int)K, 1, a,
                (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

void pare_gemm_f64(bool transpose_a, bool transpose_b, int64_t M, int64_t N, int64_t K,
                   const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                   double *c, int64_t ldc)
{
    if (M <= 0 || N <= 0)
        return;
    if (M == 1 && !transpose_a) {
        pare_gemv_f64(!transpose_b, transpose_b ? N : K, transpose_b ? K : N, b, ldb, a, beta, c);
        return;
    }
    use_one_thread();
    cblas_dgemm(CblasRowMajor, flag(transpose_a), flag(transpose_b), (int)M, (int)N, (int)K, 1, a,
                (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

void pare_gemv_f32(bool transpose, int64_t M, int64_t N, const float *a, int64_t lda,
                   const float *x, float beta, float *y)
{
    use_one_thread();
    cblas_sgemv(CblasRowMajor, flag(transpose), (int)M, (int)N, 1, a, (int)lda, x, 1, beta, y, 1);
}

void pare_gemv_f64(bool transpose, int64_t M, int64_t N, const double *a, int64_t lda,
                   const double *x, double beta, double *y)
{
    use_one_thread();
    cblas_dgemv(CblasRowMajor, flag(transpose), (int)M, (int)N, 1, a, (int)lda, x, 1, beta, y, 1);
}
