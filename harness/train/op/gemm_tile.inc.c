/* Included once per instruction set, with
 *   NAME(x)         name of a function
 *   TARGET          its attribute
 *   LANES           numbers in a vector
 *   CLAMP(v, a, b)  lane by lane against two numbers; a NaN stays
 *   ROWS_1, _2, _3  rows of a tile that is 1, 2, 3 vectors wide: what the registers hold */

typedef REAL NAME(vector) __attribute__((vector_size(LANES * sizeof(REAL))));

#define INLINE static inline __attribute__((always_inline))

/* A vector that hangs over the right edge: its first `left` numbers go to column `column`.  Apart,
 * because unrolled into every tile it is most of the machine code and of the compiler's time. */
static __attribute__((noinline)) TARGET void NAME(edge)(const struct FN(pare_gemm_args) * g,
                                                        REAL *to, NAME(vector) v, int64_t column,
                                                        int64_t left)
{
    REAL numbers[LANES];

    memcpy(numbers, &v, sizeof numbers);
    for (int64_t l = 0; l < left; l++) {
        REAL x = numbers[l];

        if (g->is_sum) {
            x += to[l];
        } else {
            if (g->bias)
                x += g->bias[column + l];
            if (g->is_clamped) {
                x = x < g->low ? g->low : x;
                x = x > g->high ? g->high : x;
            }
        }
        to[l] = x;
    }
}

/* n_rows and n (vectors side by side) are constants in every caller: the loops over them unroll and
 * `sum` becomes registers.  is_column: ai = 1. */
INLINE TARGET void NAME(tile)(const struct FN(pare_gemm_args) * g, int64_t i0, int64_t j0,
                              int64_t n_columns, const int n_rows, const int n,
                              const bool is_column)
{
    NAME(vector) sum[16][3];
    REAL *c = g->c + i0 * g->ldc + j0;
    int64_t ai = is_column ? 1 : g->ai, ak = g->ak, ldb = g->ldb;

#pragma GCC unroll 16
    for (int i = 0; i < n_rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < n; j++)
            sum[i][j] = (NAME(vector)){0};
    for (int64_t r = 0; r < g->n_runs; r++) {
        const REAL *a[6], *b = g->b + j0 + r * g->b_run;

        /* One pointer for every third row: the addressing modes reach the other two. */
#pragma GCC unroll 6
        for (int i = 0; i < n_rows; i += 3)
            a[i / 3] = g->a + r * g->a_run + (i0 + i) * ai;
        for (int64_t k = 0; k < g->run; k++) {
            NAME(vector) w[3];
#pragma GCC unroll 3
            for (int j = 0; j < n; j++)
                memcpy(&w[j], b + j * LANES, sizeof w[j]);
#pragma GCC unroll 16
            for (int i = 0; i < n_rows; i++) {
                REAL x = a[i / 3][i % 3 * ai];
#pragma GCC unroll 3
                for (int j = 0; j < n; j++)
                    sum[i][j] += x * w[j];
            }
            b += ldb;
#pragma GCC unroll 6
            for (int i = 0; i < n_rows; i += 3)
                a[i / 3] += ak;
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < n_rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < n; j++) {
            REAL *to = c + i * g->ldc + j * LANES;
            int64_t left = n_columns - j * LANES;
            NAME(vector) v = sum[i][j], old;

            if (left >= LANES) {
                if (g->is_sum) {
                    memcpy(&old, to, sizeof old);
                    v += old;
                } else {
                    if (g->bias) {
                        memcpy(&old, g->bias + j0 + j * LANES, sizeof old);
                        v += old;
                    }
                    if (g->is_clamped)
                        CLAMP(v, g->low, g->high);
                }
                memcpy(to, &v, sizeof v);
                continue;
            }
            NAME(edge)(g, to, v, j0 + j * LANES, left);
        }
}

/* All rows of one group of columns. */
#define ROWS_OF(COUNT, N)                                      \
    for (; i + COUNT <= g->M && COUNT <= ROWS_##N; i += COUNT) \
    NAME(tile)(g, i, j, n_columns, COUNT, N, is_column)

INLINE TARGET void NAME(columns)(const struct FN(pare_gemm_args) * g, int64_t j, int64_t n_columns,
                                 const int n, const bool is_column)
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
        ROWS_OF(6, 2);
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

INLINE TARGET void NAME(all)(const struct FN(pare_gemm_args) * g, const bool is_column)
{
    int64_t n_vectors = (g->N + LANES - 1) / LANES;

    /* Three by three; four at the end as two and two. */
    for (int64_t v = 0; v < n_vectors;) {
        int64_t left = n_vectors - v, n = left == 4 ? 2 : left < 3 ? left : 3;
        int64_t j = v * LANES, n_columns = g->N - j;

        if (n == 3)
            NAME(columns)(g, j, n_columns, 3, is_column);
        else if (n == 2)
            NAME(columns)(g, j, n_columns, 2, is_column);
        else
            NAME(columns)(g, j, n_columns, 1, is_column);
        v += n;
    }
}

TARGET static void NAME(gemm)(const struct FN(pare_gemm_args) * g)
{
    if (g->ai == 1)
        NAME(all)(g, true);
    else
        NAME(all)(g, false);
}

#undef ROWS_OF
#undef INLINE
#undef NAME
#undef TARGET
#undef LANES
#undef CLAMP
#undef ROWS_1
#undef ROWS_2
#undef ROWS_3
