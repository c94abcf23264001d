/* Convolution with any group: patches of a few output lines are laid out as a matrix that stays in
 * the second-level cache, and multiplied.
 *
 *   forward   y[lines Q, M]   = patches[lines Q, R S C] W[M, R S C]^T
 *   weights   dW[M, R S C]   += dy^T patches
 *   input     dpatches        = dy W, added back to where the patches came from
 *
 * A 1x1 convolution of stride 1 needs no patches: its input is the matrix. */
#include "train/op/helpers.h"

#define PATCH_BYTES ((int64_t)384 << 10)

struct shape {
    const struct pare_conv2d *k;
    int64_t Cg, Mg, K; /* channels in and out of a group; K = R S Cg */
    bool is_matrix;    /* 1x1, stride 1, no padding, one group */
    int64_t n_lines;   /* output lines of a patch block */
};

static struct shape shape_of(const struct pare_layer *layer)
{
    const struct pare_conv2d *k = &layer->conv;
    struct shape s = {.k = k, .Cg = k->C / k->group, .Mg = k->M / k->group};

    s.K = k->R * k->S * s.Cg;
    s.is_matrix = k->R == 1 && k->S == 1 && k->stride_h == 1 && k->stride_w == 1 && !k->pad_top &&
                  !k->pad_left && !k->pad_bottom && !k->pad_right && k->group == 1;
    s.n_lines = PATCH_BYTES / (int64_t)sizeof(REAL) / (s.K * k->Q);
    s.n_lines = s.n_lines < 1 ? 1 : s.n_lines;
    return s;
}

int64_t FN(pare_conv_scratch)(const struct pare_layer *layer)
{
    struct shape s = shape_of(layer);

    return s.is_matrix ? 0 : s.n_lines * s.k->Q * s.K;
}

/* Calls for every tap line of every output pixel of lines l0 .. l1-1 (line = sample * P + p): a run
 * of `run` numbers at image offset `at`, or -1 where it lies outside.  Written once for both
 * directions: gather copies image to patches, scatter adds patches to image. */
static void gather(REAL *patches, const REAL *image, const struct shape *s, int64_t group,
                   int64_t l0, int64_t l1)
{
    const struct pare_conv2d *k = s->k;
    int64_t run = k->group == 1 && k->dilation_w == 1 ? k->S * s->Cg : 0;

    for (int64_t l = l0; l < l1; l++) {
        const REAL *x = image + (l / k->P) * k->H * k->W * k->C + group * s->Cg;
        int64_t h0 = (l % k->P) * k->stride_h - k->pad_top;

        for (int64_t q = 0; q < k->Q; q++) {
            int64_t w0 = q * k->stride_w - k->pad_left;

            for (int64_t r = 0; r < k->R; r++) {
                int64_t h = h0 + r * k->dilation_h;

                if (h < 0 || h >= k->H) {
                    memset(patches, 0, (size_t)(k->S * s->Cg) * sizeof *patches);
                    patches += k->S * s->Cg;
                } else if (run && w0 >= 0 && w0 + k->S <= k->W) {
                    memcpy(patches, x + (h * k->W + w0) * k->C, (size_t)run * sizeof *patches);
                    patches += run;
                } else {
                    for (int64_t t = 0; t < k->S; t++, patches += s->Cg) {
                        int64_t w = w0 + t * k->dilation_w;

                        if (w < 0 || w >= k->W)
                            memset(patches, 0, (size_t)s->Cg * sizeof *patches);
                        else
                            memcpy(patches, x + (h * k->W + w) * k->C,
                                   (size_t)s->Cg * sizeof *patches);
                    }
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

static void scatter(REAL *image, const REAL *patches, const struct shape *s, int64_t group,
                    int64_t l0, int64_t l1)
{
    const struct pare_conv2d *k = s->k;
    int64_t run = k->group == 1 && k->dilation_w == 1 ? k->S * s->Cg : 0;

    for (int64_t l = l0; l < l1; l++) {
        REAL *x = image + (l / k->P) * k->H * k->W * k->C + group * s->Cg;
        int64_t h0 = (l % k->P) * k->stride_h - k->pad_top;

        for (int64_t q = 0; q < k->Q; q++) {
            int64_t w0 = q * k->stride_w - k->pad_left;

            for (int64_t r = 0; r < k->R; r++) {
                int64_t h = h0 + r * k->dilation_h;

                if (h < 0 || h >= k->H) {
                    patches += k->S * s->Cg;
                } else if (run && w0 >= 0 && w0 + k->S <= k->W) {
                    add_run(x + (h * k->W + w0) * k->C, patches, run);
                    patches += run;
                } else {
                    for (int64_t t = 0; t < k->S; t++, patches += s->Cg) {
                        int64_t w = w0 + t * k->dilation_w;

                        if (w >= 0 && w < k->W)
                            add_run(x + (h * k->W + w) * k->C, patches, s->Cg);
                    }
                }
            }
        }
    }
}

void FN(pare_conv_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    struct shape s = shape_of(layer);
    const struct pare_conv2d *k = s.k;
    const REAL *x = ROWS(layer->x[0], a, span), *w = layer->w[0]->w;
    REAL *y = ROWS(layer->y, a, span), *patches = span->scratch;
    int64_t n_lines = (span->n1 - span->n0) * k->P;

    if (s.is_matrix)
        GEMM(false, true, n_lines * k->Q, k->M, k->C, x, k->C, w, k->C, 0, y, k->M);
    else
        for (int64_t l0 = 0; l0 < n_lines; l0 += s.n_lines) {
            int64_t l1 = l0 + s.n_lines < n_lines ? l0 + s.n_lines : n_lines;

            for (int64_t g = 0; g < k->group; g++) {
                gather(patches, x, &s, g, l0, l1);
                GEMM(false, true, (l1 - l0) * k->Q, s.Mg, s.K, patches, s.K, w + g * s.Mg * s.K,
                     s.K, 0, y + l0 * k->Q * k->M + g * s.Mg, k->M);
            }
        }
    if (layer->w[1])
        FN(pare_add_bias)(y, layer->w[1]->w, n_lines * k->Q, k->M);
    FN(pare_act_forward)(layer, span);
}

void FN(pare_conv_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    struct shape s = shape_of(layer);
    const struct pare_conv2d *k = s.k;
    const REAL *x = ROWS(layer->x[0], a, span), *w = layer->w[0]->w;
    const REAL *dy = ROWS(layer->y, g, span);
    REAL *dx = layer->x[0]->g ? ROWS(layer->x[0], g, span) : NULL, *patches = span->scratch;
    REAL *dw = (REAL *)layer->w[0]->parts + span->shard * layer->w[0]->n;
    int64_t n_lines = (span->n1 - span->n0) * k->P;

    FN(pare_act_backward)(layer, span);
    if (layer->w[1])
        FN(pare_column_sums)
    ((REAL *)layer->w[1]->parts + span->shard * layer->w[1]->n, dy, n_lines * k->Q, k->M, k->M);
    if (s.is_matrix) {
        GEMM(true, false, k->M, k->C, n_lines * k->Q, dy, k->M, x, k->C, 0, dw, k->C);
        if (dx)
            GEMM(false, false, n_lines * k->Q, k->C, k->M, dy, k->M, w, k->C,
                 layer->adds[0] ? 1 : 0, dx, k->C);
        return;
    }
    if (dx && !layer->adds[0])
        memset(dx, 0, (size_t)COUNT(layer->x[0], span) * sizeof *dx);
    for (int64_t l0 = 0; l0 < n_lines; l0 += s.n_lines) {
        int64_t l1 = l0 + s.n_lines < n_lines ? l0 + s.n_lines : n_lines;

        for (int64_t g = 0; g < k->group; g++) {
            const REAL *dy_block = dy + l0 * k->Q * k->M + g * s.Mg;

            gather(patches, x, &s, g, l0, l1);
            GEMM(true, false, s.Mg, s.K, (l1 - l0) * k->Q, dy_block, k->M, patches, s.K,
                 l0 > 0 ? 1 : 0, dw + g * s.Mg * s.K, s.K);
            if (!dx)
                continue;
            GEMM(false, false, (l1 - l0) * k->Q, s.K, s.Mg, dy_block, k->M, w + g * s.Mg * s.K, s.K,
                 0, patches, s.K);
            scatter(dx, patches, &s, g, l0, l1);
        }
    }
}
