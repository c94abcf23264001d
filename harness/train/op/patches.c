#include "train/op/patches.h"

#include <string.h>

#include "base/simd.h"

#define PATCH_BYTES ((int64_t)192 << 10)

int64_t FN(pare_patches_lines)(const struct pare_conv2d *k)
{
    int64_t line = k->Q * k->R * k->S * (k->C / k->group) * (int64_t)sizeof(REAL);

    return line > PATCH_BYTES ? 1 : PATCH_BYTES / line;
}

/* Taps of a filter line stand together in the image too. */
static bool has_runs(const struct pare_conv2d *k)
{
    return k->group == 1 && k->dilation_w == 1;
}

void FN(pare_patches_gather)(REAL *patches, const REAL *image, const struct pare_conv2d *k,
                             int64_t group, int64_t l0, int64_t l1)
{
    int64_t Cg = k->C / k->group;

    for (int64_t l = l0; l < l1; l++) {
        const REAL *x = image + (l / k->P) * k->H * k->W * k->C + group * Cg;
        int64_t h0 = (l % k->P) * k->stride_h - k->pad_top;

        for (int64_t q = 0; q < k->Q; q++) {
            int64_t w0 = q * k->stride_w - k->pad_left;

            for (int64_t r = 0; r < k->R; r++) {
                int64_t h = h0 + r * k->dilation_h;

                if (h < 0 || h >= k->H) {
                    memset(patches, 0, (size_t)(k->S * Cg) * sizeof *patches);
                    patches += k->S * Cg;
                    continue;
                }
                if (has_runs(k) && w0 >= 0 && w0 + k->S <= k->W) {
                    memcpy(patches, x + (h * k->W + w0) * k->C,
                           (size_t)(k->S * Cg) * sizeof *patches);
                    patches += k->S * Cg;
                    continue;
                }
                for (int64_t s = 0; s < k->S; s++, patches += Cg) {
                    int64_t w = w0 + s * k->dilation_w;

                    if (w < 0 || w >= k->W)
                        memset(patches, 0, (size_t)Cg * sizeof *patches);
                    else
                        memcpy(patches, x + (h * k->W + w) * k->C, (size_t)Cg * sizeof *patches);
                }
            }
        }
    }
}

PARE_CLONES
static void add_run(REAL *restrict y, const REAL *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

void FN(pare_patches_scatter)(REAL *image, const REAL *patches, const struct pare_conv2d *k,
                              int64_t group, int64_t l0, int64_t l1)
{
    int64_t Cg = k->C / k->group;

    for (int64_t l = l0; l < l1; l++) {
        REAL *x = image + (l / k->P) * k->H * k->W * k->C + group * Cg;
        int64_t h0 = (l % k->P) * k->stride_h - k->pad_top;

        for (int64_t q = 0; q < k->Q; q++) {
            int64_t w0 = q * k->stride_w - k->pad_left;

            for (int64_t r = 0; r < k->R; r++) {
                int64_t h = h0 + r * k->dilation_h;

                if (h < 0 || h >= k->H) {
                    patches += k->S * Cg;
                    continue;
                }
                if (has_runs(k) && w0 >= 0 && w0 + k->S <= k->W) {
                    add_run(x + (h * k->W + w0) * k->C, patches, k->S * Cg);
                    patches += k->S * Cg;
                    continue;
                }
                for (int64_t s = 0; s < k->S; s++, patches += Cg) {
                    int64_t w = w0 + s * k->dilation_w;

                    if (w >= 0 && w < k->W)
                        add_run(x + (h * k->W + w) * k->C, patches, Cg);
                }
            }
        }
    }
}
