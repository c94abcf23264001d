#include <pare/linalg.h>

#include <math.h>
#include <stdlib.h>

/* LAPACK's own interface: OpenBLAS carries the Fortran symbols, but no C header for them. */
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork,
             int *iwork, int *info);

pare_status pare_svd(const double *a, int64_t m, int64_t n, double *u, double *s, double *vt,
                     struct pare_error *err)
{
    /* Row-major A is column-major A' = V diag(s) U', so LAPACK is given A' and returns V' for U
     * and U' for V': exactly the row-major factors, with their places exchanged. */
    int rows = (int)n, columns = (int)m, k = rows < columns ? rows : columns, info = 0, n_work = -1;
    double best_work = 0;
    double *copy = NULL, *work = NULL;
    int *iwork = NULL;
    pare_status st = PARE_OK;

    if (m < 1 || n < 1 || m > INT32_MAX || n > INT32_MAX)
        return pare_fail(err, PARE_EINVAL, "svd of a %lld x %lld matrix", (long long)m,
                         (long long)n);
    for (int64_t i = 0; i < m * n; i++)
        if (!isfinite(a[i]))
            return pare_fail(err, PARE_ENUMERIC, "svd: element %lld is not finite", (long long)i);
    dgesdd_("S", &rows, &columns, copy, &rows, s, vt, &rows, u, &k, &best_work, &n_work, iwork,
            &info);
    n_work = (int)best_work;
    copy = malloc(sizeof(double) * (size_t)m * (size_t)n);
    work = malloc(sizeof(double) * (size_t)(n_work > 0 ? n_work : 1));
    iwork = malloc(sizeof(int) * 8 * (size_t)k);
    if (!copy || !work || !iwork) {
        st = pare_fail(err, PARE_ENOMEM, "svd of a %lld x %lld matrix", (long long)m, (long long)n);
        goto done;
    }
    for (int64_t i = 0; i < m * n; i++)
        copy[i] = a[i];
    dgesdd_("S", &rows, &columns, copy, &rows, s, vt, &rows, u, &k, work, &n_work, iwork, &info);
    if (info != 0)
        st = pare_fail(err, PARE_ENUMERIC, "svd of a %lld x %lld matrix does not converge",
                       (long long)m, (long long)n);
done:
    free(copy);
    free(work);
    free(iwork);
    return st;
}
