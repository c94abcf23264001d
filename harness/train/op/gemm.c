#include "train/op/gemm.h"

#include <string.h>

#include "base/simd.h"
#include "kernel/isa.h"

#if defined(PARE_HAVE_X86) && PARE_REAL_BITS == 32
#include <immintrin.h>
#endif

#define NAME(X) X##_any
#define TARGET
#define LANES (16 / (int)sizeof(REAL))
#define CLAMP(V, LOW, HIGH)                            \
    for (int lane = 0; lane < LANES; lane++) {         \
        V[lane] = V[lane] < (LOW) ? (LOW) : V[lane];   \
        V[lane] = V[lane] > (HIGH) ? (HIGH) : V[lane]; \
    }
#define ROWS_1 8
#define ROWS_2 6
#define ROWS_3 4
#include "train/op/gemm_tile.inc.c"

#if defined(PARE_HAVE_X86) && PARE_REAL_BITS == 32
#define NAME(X) X##_avx2
#define TARGET  PARE_FOR_AVX2
#define LANES   8
/* The second operand of minimum and maximum wins over a NaN in the first: a NaN in V stays. */
#define CLAMP(V, LOW, HIGH)                               \
    (V = (vector_avx2)_mm256_min_ps(_mm256_set1_ps(HIGH), \
                                    _mm256_max_ps(_mm256_set1_ps(LOW), (__m256)V)))
#define ROWS_1 8
#define ROWS_2 6
#define ROWS_3 4
#include "train/op/gemm_tile.inc.c"

#define NAME(X) X##_avx512
#define TARGET  PARE_FOR_AVX512
#define LANES   16
#define CLAMP(V, LOW, HIGH)                                 \
    (V = (vector_avx512)_mm512_min_ps(_mm512_set1_ps(HIGH), \
                                      _mm512_max_ps(_mm512_set1_ps(LOW), (__m512)V)))
#define ROWS_1 16
#define ROWS_2 12
#define ROWS_3 8
#include "train/op/gemm_tile.inc.c"
#endif

void FN(pare_train_gemm)(const struct FN(pare_gemm_args) * args)
{
    struct FN(pare_gemm_args) g = *args;

    if (g.n_runs == 0)
        g.n_runs = 1;
#if defined(PARE_HAVE_X86) && PARE_REAL_BITS == 32
    enum pare_isa isa = pare_isa_best();

    if (isa >= PARE_ISA_AVX512) {
        gemm_avx512(&g);
        return;
    }
    if (isa >= PARE_ISA_AVX2) {
        gemm_avx2(&g);
        return;
    }
#endif
    gemm_any(&g);
}

#define BLOCK 16

PARE_CLONES
void FN(pare_turn)(REAL *out, int64_t ld, const REAL *w, int64_t n_rows, int64_t n_columns,
                   int64_t k0, int64_t k1)
{
    for (int64_t k = k0; k < k1; k += BLOCK)
        for (int64_t r = 0; r < n_rows; r += BLOCK) {
            int64_t k_end = k + BLOCK < k1 ? k + BLOCK : k1;
            int64_t r_end = r + BLOCK < n_rows ? r + BLOCK : n_rows;

            for (int64_t c = k; c < k_end; c++)
                for (int64_t i = r; i < r_end; i++)
                    out[c * ld + i] = w[i * n_columns + c];
        }
}
