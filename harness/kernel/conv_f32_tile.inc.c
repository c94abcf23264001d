/* Included once per instruction set, with
 *   NAME(x)  name of a function
 *   TARGET   the attribute
 *   V, LANES a vector of floats as wide as a register; LANES divides 16
 *   CLAMP(v, low, high)   lane by lane against two floats; a NaN stays
 *   STORE_SOME(p, v, n)   stores the first n floats of v
 *   HAS_32_WIDE           defined where 32 registers of 16 floats exist */

#define INLINE static inline __attribute__((always_inline))

/* n_pixels, n (vectors side by side) and n_parts are constants in every caller, so that all loops
 * but those over k unroll and `sum` becomes registers. */
INLINE TARGET void NAME(tile)(const struct pare_tile_f32 *t, float *y, const float *x,
                              const int n_pixels, const int n, const int n_parts)
{
    V sum[MAX_PIXELS][MAX_VECTORS * MAX_PARTS];
    const int64_t px = t->x_pixel, run = t->run_elems;
    const float *w = t->w;

#pragma GCC unroll 16
    for (int j = 0; j < n_pixels; j++)
#pragma GCC unroll 16
        for (int i = 0; i < n * n_parts; i++)
            sum[j][i] = (V){0};

    for (int64_t r = 0; r < t->n_runs; r++) {
        const float *row[(MAX_PIXELS + 2) / 3];
        int64_t k = 0;
#pragma GCC unroll 16
        for (int j = 0; j < n_pixels; j += 3)
            row[j / 3] = x + t->offsets[r] + j * px;
        for (; k + 4 <= run; k += 4) {
#pragma GCC unroll 4
            for (int u = 0; u < 4; u++) {
                V b[MAX_VECTORS];
#pragma GCC unroll 8
                for (int i = 0; i < n; i++)
                    memcpy(&b[i], w + (u * n + i) * LANES, sizeof b[i]);
#pragma GCC unroll 16
                for (int j = 0; j < n_pixels; j++)
#pragma GCC unroll 8
                    for (int i = 0; i < n; i++)
                        sum[j][u % n_parts * n + i] += row[j / 3][j % 3 * px + u] * b[i];
            }
            w += 4 * n * LANES;
#pragma GCC unroll 16
            for (int j = 0; j < n_pixels; j += 3)
                row[j / 3] += 4;
        }
        for (; k < run; k++) {
#pragma GCC unroll 8
            for (int i = 0; i < n; i++) {
                V b;
                memcpy(&b, w + i * LANES, sizeof b);
#pragma GCC unroll 16
                for (int j = 0; j < n_pixels; j++)
                    sum[j][i] += row[j / 3][j % 3 * px] * b;
            }
            w += n * LANES;
#pragma GCC unroll 16
            for (int j = 0; j < n_pixels; j += 3)
                row[j / 3] += 1;
        }
    }

#pragma GCC unroll 8
    for (int i = 0; i < n; i++) {
        V bias;
        memcpy(&bias, t->bias + i * LANES, sizeof bias);
#pragma GCC unroll 16
        for (int j = 0; j < n_pixels; j++) {
            V v = sum[j][i];
#pragma GCC unroll 4
            for (int part = 1; part < n_parts; part++)
                v += sum[j][part * n + i];
            v += bias;
            CLAMP(v, t->low, t->high);
            float *to = y + j * t->y_pixel + i * LANES;
            if (t->n_channels >= (i + 1) * LANES)
                memcpy(to, &v, sizeof v);
            else if (t->n_channels > i * LANES)
                STORE_SOME(to, v, t->n_channels - i * LANES);
        }
    }
}

#define KERNEL(PIXELS, PANELS, PARTS)                                                            \
    TARGET static void NAME(kernel_##PIXELS##_##PANELS##_##PARTS)(const struct pare_tile_f32 *t, \
                                                                  float *y, const float *x)      \
    {                                                                                            \
        NAME(tile)(t, y, x, PIXELS, PANELS * PARE_PANEL / LANES, PARTS);                         \
    }
#include "kernel/conv_f32_table.inc.c"
#undef KERNEL

#define KERNEL(PIXELS, PANELS, PARTS) \
    [PARTS > 1][PANELS][PIXELS] = NAME(kernel_##PIXELS##_##PANELS##_##PARTS),
static pare_tile_f32_fn *const NAME(kernels)[2][PARE_MAX_PANELS + 1][MAX_PIXELS + 1] = {
#include "kernel/conv_f32_table.inc.c"
};
#undef KERNEL
#undef INLINE
