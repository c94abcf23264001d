/* Dense linear algebra for methods: LAPACK, in double. */
#ifndef PARE_LINALG_H
#define PARE_LINALG_H

#include <stdint.h>

#include <pare/status.h>

/* Thin singular value decomposition A = U diag(s) Vt, k = min(m, n), s decreasing.
 *
 *   a   [m, n]  row-major, not changed
 *   u   [m, k]  out
 *   s   [k]     out
 *   vt  [k, n]  out
 *
 * PARE_ENUMERIC when it does not converge or a is not finite; PARE_ENOMEM. */
pare_status pare_svd(const double *a, int64_t m, int64_t n, double *u, double *s, double *vt,
                     struct pare_error *err);

#endif
