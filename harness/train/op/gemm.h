/* C[M,N] (+)= A[M,K] B[K,N] for the shapes of training: skinny, cut into shards, often inside images.
 *
 * The inner dimension is n_runs runs of `run` steps, so that a line of pixels, or one line of taps of
 * a filter, is a run and nothing needs to be copied into a matrix first.
 *
 *   c        row-major, leading dimension ldc
 *   a        element (i, run r, step k) at a[i * ai + r * a_run + k * ak]
 *   b        row (run r, step k) at b + r * b_run + k * ldb; up to 60 bytes behind the N numbers of a
 *            row are read (never used), so the buffer must be that much longer
 *   bias     [N] added to every row, or NULL
 *   is_sum   adds to what c holds (bias and clamp are then not applied)
 *   low, high  with is_clamped: the result lies between; a NaN stays
 *
 * Each element is summed over r and k in order, whatever M is, so that cutting rows changes no bit.
 * Operands are expected in the second-level cache.  Never allocates, cannot fail. */
#ifndef PARE_TRAIN_OP_GEMM_H
#define PARE_TRAIN_OP_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "train/real.h"

struct FN(pare_gemm_args) {
    int64_t M, N, run, n_runs; /* n_runs = 0 counts as 1 */
    const REAL *a, *b, *bias;
    REAL *c;
    int64_t ai, ak, a_run, ldb, b_run, ldc;
    bool is_sum, is_clamped;
    REAL low, high;
};

void FN(pare_train_gemm)(const struct FN(pare_gemm_args) * args);

/* Columns that a turned matrix of n rows gets, so that whole vectors can be read: the others stay 0. */
static inline int64_t FN(pare_padded)(int64_t n)
{
    return (n + 15) / 16 * 16;
}

/* out[k * ld + r] = w[r * w_ld + k] for r < n_rows, k < n_columns. */
void FN(pare_turn)(REAL *out, int64_t ld, const REAL *w, int64_t n_rows, int64_t n_columns,
                   int64_t w_ld);

#endif
