/* Included once per instruction set, with
 *   NAME(x)            name of a function
 *   TARGET             its attribute
 *   LANES              numbers in a vector
 *   HALF               numbers in the narrower vector that may end a row; LANES where there is none
 *   CLAMP, CLAMP_HALF(v, low, high)       lane by lane against two numbers; a NaN stays
 *   STORE, STORE_HALF(p, v, n)            the first n numbers of v, all when there are fewer
 *   ROWS_1, _2, _3     most rows of a tile that is 1, 2, 3 vectors wide: what the registers hold */

typedef REAL NAME(vector) __attribute__((vector_size(LANES * sizeof(REAL))));
typedef REAL NAME(narrow) __attribute__((vector_size(HALF * sizeof(REAL))));

/* Checks of every index, constants all, would keep the sums in memory: a hundred times slower. */
#define UNCHECKED __attribute__((no_sanitize("undefined")))
#define INLINE    UNCHECKED static inline __attribute__((always_inline))

/* n_rows and n (vectors side by side) are constants in every caller: the loops over them unroll and
 * the sums become registers.  ends_narrow: of the last vector only the first HALF lanes are needed.
 * The sums start from what stands at `start`: bias, zeros, or the old c. */
INLINE TARGET void NAME(tile)(const struct FN(pare_gemm_args) * g, int64_t i0, int64_t j0,
                              const REAL *start, int64_t start_row, const int n_rows, const int n,
                              const bool ends_narrow)
{
    const int n_wide = ends_narrow ? n - 1 : n;
    NAME(vector) sum[16][3];
    NAME(narrow) end[16];
    REAL *c = g->c + i0 * g->ldc + j0;
    int64_t ai = g->ai, ak = g->ak, ldb = g->ldb;

#pragma GCC unroll 16
    for (int i = 0; i < n_rows; i++) {
#pragma GCC unroll 3
        for (int j = 0; j < n_wide; j++)
            memcpy(&sum[i][j], start + i * start_row + j * LANES, sizeof sum[i][j]);
        if (ends_narrow)
            memcpy(&end[i], start + i * start_row + n_wide * LANES, sizeof end[i]);
    }
    for (int64_t r = 0; r < g->n_runs; r++) {
        const REAL *a[6], *b = g->b + j0 + r * g->b_run;

        /* One pointer for every third row: the addressing modes reach the other two. */
#pragma GCC unroll 6
        for (int i = 0; i < n_rows; i += 3)
            a[i / 3] = g->a + r * g->a_run + (i0 + i) * ai;
        for (int64_t k = 0; k < g->run; k++) {
            NAME(vector) w[3];
            NAME(narrow) w_end = {0};
#pragma GCC unroll 3
            for (int j = 0; j < n_wide; j++)
                memcpy(&w[j], b + j * LANES, sizeof w[j]);
            if (ends_narrow)
                memcpy(&w_end, b + n_wide * LANES, sizeof w_end);
#pragma GCC unroll 16
            for (int i = 0; i < n_rows; i++) {
                REAL x = a[i / 3][i % 3 * ai];
#pragma GCC unroll 3
                for (int j = 0; j < n_wide; j++)
                    sum[i][j] += x * w[j];
                if (ends_narrow)
                    end[i] += x * w_end;
            }
            b += ldb;
#pragma GCC unroll 6
            for (int i = 0; i < n_rows; i += 3)
                a[i / 3] += ak;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < n_rows; i++) {
#pragma GCC unroll 3
        for (int j = 0; j < n_wide; j++) {
            NAME(vector) v = sum[i][j];

            CLAMP(v, g->low, g->high);
            STORE(c + i * g->ldc + j * LANES, v, g->N - j0 - j * LANES);
        }
        if (ends_narrow) {
            NAME(narrow) v = end[i];

            CLAMP_HALF(v, g->low, g->high);
            STORE_HALF(c + i * g->ldc + n_wide * LANES, v, g->N - j0 - n_wide * LANES);
        }
    }
}

#define ROWS_OF(COUNT, N)                                      \
    for (; i + COUNT <= g->M && COUNT <= ROWS_##N; i += COUNT) \
    NAME(tile)(g, i, j, start + i * start_row, start_row, COUNT, N, ends_narrow)

/* All rows of n vectors of columns. */
INLINE TARGET void NAME(columns)(const struct FN(pare_gemm_args) * g, int64_t j, const REAL *start,
                                 int64_t start_row, const int n, const bool ends_narrow)
{
    int64_t i = 0;

    if (n == 3) {
        ROWS_OF(8, 3);
        ROWS_OF(4, 3);
        ROWS_OF(2, 3);
        ROWS_OF(1, 3);
    } else if (n == 2) {
        ROWS_OF(12, 2);
        ROWS_OF(8, 2);
        ROWS_OF(5, 2);
        ROWS_OF(4, 2);
        ROWS_OF(2, 2);
        ROWS_OF(1, 2);
    } else {
        ROWS_OF(16, 1);
        ROWS_OF(8, 1);
        ROWS_OF(4, 1);
        ROWS_OF(2, 1);
        ROWS_OF(1, 1);
    }
}

UNCHECKED TARGET static void NAME(gemm)(const struct FN(pare_gemm_args) * g)
{
    const REAL *row = g->is_sum ? g->c : g->bias ? g->bias : zeros;
    int64_t start_row = g->is_sum ? g->ldc : 0, n_vectors = (g->N + LANES - 1) / LANES;

    /* Three by three; four at the end as two and two. */
    for (int64_t v = 0; v < n_vectors;) {
        int64_t left = n_vectors - v, n = left == 4 ? 2 : left < 3 ? left : 3, j = v * LANES;
        bool ends_narrow = HALF < LANES && n == left && g->N - j <= (n - 1) * LANES + HALF;

        const REAL *start = row == zeros ? zeros : row + j;

        v += n;
        if (ends_narrow && n == 3)
            NAME(columns)(g, j, start, start_row, 3, HALF < LANES);
        else if (ends_narrow && n == 2)
            NAME(columns)(g, j, start, start_row, 2, HALF < LANES);
        else if (ends_narrow)
            NAME(columns)(g, j, start, start_row, 1, HALF < LANES);
        else if (n == 3)
            NAME(columns)(g, j, start, start_row, 3, false);
        else if (n == 2)
            NAME(columns)(g, j, start, start_row, 2, false);
        else
            NAME(columns)(g, j, start, start_row, 1, false);
    }
}

#undef ROWS_OF
#undef INLINE
#undef UNCHECKED
#undef NAME
#undef TARGET
#undef LANES
#undef HALF
#undef CLAMP
#undef CLAMP_HALF
#undef STORE
#undef STORE_HALF
#undef ROWS_1
#undef ROWS_2
#undef ROWS_3
