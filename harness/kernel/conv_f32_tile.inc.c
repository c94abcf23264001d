/* Included once per instruction set, with
 *   NAME(x)  name of a function
 *   TARGET   the attribute
 *   V, LANES a vector of floats as wide as a register; LANES divides 16
 *   H        a vector of 8 floats, for half a panel, where LANES is 16; else V and not used
 *   CLAMP(v, low, high), CLAMP_H     lane by lane against two floats; a NaN stays
 *   STORE_SOME(p, v, n), STORE_SOME_H  stores the first n floats of v
 *   HAS_32_WIDE              defined where 32 registers of 16 floats exist */

#define INLINE static inline __attribute__((always_inline))

/* n_pixels, n (vectors side by side), n_half (0 or 1: half a panel behind them) and n_parts are
 * constants in every caller, so that all loops but those over k unroll and sums become registers. */
INLINE TARGET void NAME(tile)(const struct pare_tile_f32 *t, float *y, const float *x,
                              const int n_pixels, const int n, const int n_half, const int n_parts)
{
    V sum[MAX_PIXELS][MAX_VECTORS * MAX_PARTS];
    H half[MAX_PIXELS][MAX_PARTS];
    const int64_t px = t->x_pixel, run = t->run_elems;
    const int lanes = n * LANES + n_half * (PARE_PANEL / 2);
    const float *w = t->w;

#pragma GCC unroll 16
    for (int j = 0; j < n_pixels; j++) {
#pragma GCC unroll 16
        for (int i = 0; i < n * n_parts; i++)
            sum[j][i] = (V){0};
#pragma GCC unroll 4
        for (int i = 0; i < n_half * n_parts; i++)
            half[j][i] = (H){0};
    }

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
                H h = {0};
#pragma GCC unroll 8
                for (int i = 0; i < n; i++)
                    memcpy(&b[i], w + u * lanes + i * LANES, sizeof b[i]);
                if (n_half)
                    memcpy(&h, w + u * lanes + n * LANES, sizeof h);
#pragma GCC unroll 16
                for (int j = 0; j < n_pixels; j++) {
                    const float a = row[j / 3][j % 3 * px + u];
#pragma GCC unroll 8
                    for (int i = 0; i < n; i++)
                        sum[j][u % n_parts * n + i] += a * b[i];
                    if (n_half)
                        half[j][u % n_parts] += a * h;
                }
            }
            w += 4 * lanes;
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
            if (n_half) {
                H h;
                memcpy(&h, w + n * LANES, sizeof h);
#pragma GCC unroll 16
                for (int j = 0; j < n_pixels; j++)
                    half[j][0] += row[j / 3][j % 3 * px] * h;
            }
            w += lanes;
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
    if (n_half) {
        H bias;
        memcpy(&bias, t->bias + n * LANES, sizeof bias);
#pragma GCC unroll 16
        for (int j = 0; j < n_pixels; j++) {
            H v = half[j][0];
#pragma GCC unroll 4
            for (int part = 1; part < n_parts; part++)
                v += half[j][part];
            v += bias;
            CLAMP_H(v, t->low, t->high);
            STORE_SOME_H(y + j * t->y_pixel + n * LANES, v, t->n_channels - n * LANES);
        }
    }
}

/* Of 16 lanes a half panel is a vector of its own; of fewer, just less vectors. */
#define KERNEL(PIXELS, PANELS, PARTS)                                                           \
    TARGET static void NAME(whole_##PIXELS##_##PANELS##_##PARTS)(const struct pare_tile_f32 *t, \
                                                                 float *y, const float *x)      \
    {                                                                                           \
        NAME(tile)(t, y, x, PIXELS, PANELS * PARE_PANEL / LANES, 0, PARTS);                     \
    }                                                                                           \
    TARGET static void NAME(half_##PIXELS##_##PANELS##_##PARTS)(const struct pare_tile_f32 *t,  \
                                                                float *y, const float *x)       \
    {                                                                                           \
        NAME(tile)                                                                              \
        (t, y, x, PIXELS, (PANELS * PARE_PANEL - PARE_PANEL / 2) / LANES, LANES == 16, PARTS);  \
    }
#include "kernel/conv_f32_table.inc.c"
#undef KERNEL

#define KERNEL(PIXELS, PANELS, PARTS)                                           \
    [0][PARTS > 1][PANELS][PIXELS] = NAME(whole_##PIXELS##_##PANELS##_##PARTS), \
                [1][PARTS > 1][PANELS][PIXELS] = NAME(half_##PIXELS##_##PANELS##_##PARTS),
static pare_tile_f32_fn *const NAME(kernels)[2][2][PARE_MAX_PANELS + 1][MAX_PIXELS + 1] = {
#include "kernel/conv_f32_table.inc.c"
};
#undef KERNEL
#undef INLINE
