#include "train/op/gemm.h"

#include <math.h>
#include <string.h>

#include "kernel/isa.h"

#if defined(PARE_HAVE_X86) && PARE_REAL_BITS == 32
#include <immintrin.h>
#endif

static const REAL zeros[3 * 16]; /* where sums start without a bias */

/* What a vector leaves behind when fewer numbers than lanes are wanted. */
static void store_some(REAL *to, const REAL *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = v[i];
}

#define NAME(X) X##_any
#define TARGET
#define LANES (16 / (int)sizeof(REAL))
#define HALF  LANES
#define CLAMP(V, LOW, HIGH)                            \
    for (int lane = 0; lane < LANES; lane++) {         \
        V[lane] = V[lane] < (LOW) ? (LOW) : V[lane];   \
        V[lane] = V[lane] > (HIGH) ? (HIGH) : V[lane]; \
    }
#define CLAMP_HALF CLAMP
#define STORE(P, V, N)           \
    if ((N) >= LANES)            \
        memcpy(P, &V, sizeof V); \
    else                         \
        store_some(P, (REAL *)&V, N)
#define STORE_HALF STORE
#define ROWS_1     8
#define ROWS_2     4
#define ROWS_3     4
#include "train/op/gemm_tile.inc.c"

#if defined(PARE_HAVE_X86) && PARE_REAL_BITS == 32
/* The second operand of minimum and maximum wins over a NaN in the first: a NaN in V stays. */
#define CLAMP_256(V, LOW, HIGH)                            \
    V = (__typeof__(V))_mm256_min_ps(_mm256_set1_ps(HIGH), \
                                     _mm256_max_ps(_mm256_set1_ps(LOW), (__m256)V))

#define NAME(X)    X##_avx2
#define TARGET     PARE_FOR_AVX2
#define LANES      8
#define HALF       8
#define CLAMP      CLAMP_256
#define CLAMP_HALF CLAMP_256
#define STORE(P, V, N)           \
    if ((N) >= LANES)            \
        memcpy(P, &V, sizeof V); \
    else                         \
        store_some(P, (REAL *)&V, N)
#define STORE_HALF STORE
#define ROWS_1     8
#define ROWS_2     4
#define ROWS_3     4
#include "train/op/gemm_tile.inc.c"

#define MASK(N, LANES) (((N) >= LANES) ? (1u << (LANES)) - 1 : (1u << (N)) - 1)

#define NAME(X) X##_avx512
#define TARGET  PARE_FOR_AVX512
#define LANES   16
#define HALF    8
#define CLAMP(V, LOW, HIGH)                                \
    V = (__typeof__(V))_mm512_min_ps(_mm512_set1_ps(HIGH), \
                                     _mm512_max_ps(_mm512_set1_ps(LOW), (__m512)V))
#define CLAMP_HALF          CLAMP_256
#define STORE(P, V, N)      _mm512_mask_storeu_ps(P, (__mmask16)MASK(N, 16), (__m512)V)
#define STORE_HALF(P, V, N) _mm256_mask_storeu_ps(P, (__mmask8)MASK(N, 8), (__m256)V)
#define ROWS_1              16
#define ROWS_2              12
#define ROWS_3              8
#include "train/op/gemm_tile.inc.c"
#endif

void FN(pare_train_gemm)(const struct FN(pare_gemm_args) * args)
{
    struct FN(pare_gemm_args) g = *args;

    if (g.n_runs == 0)
        g.n_runs = 1;
    if (!g.is_clamped || g.is_sum) {
        g.low = (REAL)-INFINITY;
        g.high = (REAL)INFINITY;
    }
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

/* ---- Turning ---- */

/* Blocks of 8 x 8 read and write whole cache lines' parts, not single numbers far apart. */
#define BLOCK 8

static void turn_any(REAL *out, int64_t ld, const REAL *w, int64_t w_ld, int64_t r0, int64_t r1,
                     int64_t k0, int64_t k1)
{
    for (int64_t k = k0; k < k1; k++)
        for (int64_t r = r0; r < r1; r++)
            out[k * ld + r] = w[r * w_ld + k];
}

#if defined(PARE_HAVE_X86) && PARE_REAL_BITS == 32
PARE_FOR_AVX2
static void turn_block_avx2(float *out, int64_t ld, const float *w, int64_t w_ld)
{
    __m256 v[8], t[8];

    for (int i = 0; i < 8; i++)
        v[i] = _mm256_loadu_ps(w + i * w_ld);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int k = 0; k < 2; k++) {
            v[i + 2 * k] = _mm256_shuffle_ps(t[i + k], t[i + 2 + k], 0x44);
            v[i + 2 * k + 1] = _mm256_shuffle_ps(t[i + k], t[i + 2 + k], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + i * ld, _mm256_permute2f128_ps(v[i], v[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * ld, _mm256_permute2f128_ps(v[i], v[i + 4], 0x31));
    }
}
#endif

void FN(pare_turn)(REAL *out, int64_t ld, const REAL *w, int64_t n_rows, int64_t n_columns,
                   int64_t w_ld)
{
    int64_t k = 0;

#if defined(PARE_HAVE_X86) && PARE_REAL_BITS == 32
    int64_t r_end = n_rows / BLOCK * BLOCK;

    if (pare_isa_best() >= PARE_ISA_AVX2)
        for (; k + BLOCK <= n_columns; k += BLOCK) {
            for (int64_t r = 0; r < r_end; r += BLOCK)
                turn_block_avx2(out + k * ld + r, ld, w + r * w_ld + k, w_ld);
            turn_any(out, ld, w, w_ld, r_end, n_rows, k, k + BLOCK);
        }
#endif
    for (; k < n_columns; k += BLOCK) {
        int64_t end = k + BLOCK < n_columns ? k + BLOCK : n_columns;

        for (int64_t r = 0; r < n_rows; r += BLOCK)
            turn_any(out, ld, w, w_ld, r, r + BLOCK < n_rows ? r + BLOCK : n_rows, k, end);
    }
}
