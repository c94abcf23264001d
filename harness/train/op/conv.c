/* Convolution with any group.
 *
 * One group without gaps between taps is read in place: the taps of a filter line are one run of S C
 * numbers in the image, the next line's a fixed distance on.  With padding each image is first copied
 * into a frame of zeros, which costs a ninth of what patches of 3 x 3 would.
 *
 *   forward   y[q, M]        = sum over r of x[line + r, q stride ..][S C] turned[r][S C, M]
 *   weights   dW[M, r, S C] += sum over pixels of dy[., M]^T x[.][S C], or, where S C fills vectors
 *                              worse than M does, the same turned
 *   input     stride 1: the convolution of dy with the flipped filter; else patches of gradients,
 *             dy W, added back to where the patches come from
 *
 * All other convolutions go through patches in all three. */
#include "train/op/helpers.h"
#include "train/op/patches.h"

struct plan {
    struct pare_conv2d k;
    int64_t K;                /* R S C/group */
    int64_t turned_ld;        /* of a group */
    bool is_direct;           /* forward and weights */
    bool is_flipped;          /* input gradient by the flipped filter */
    bool is_swapped;          /* weights' gradient is made turned */
    int64_t frame_h, frame_w; /* the padded image */
    int64_t top, left;        /* where dy stands in its frame */
    int64_t dy_frame_h, dy_frame_w;
};

static struct plan plan_of(const struct pare_layer *layer)
{
    struct plan p = {.k = layer->conv};
    struct pare_conv2d *k = &p.k;

    /* A 1x1 convolution sees no second dimension. */
    if (k->R == 1 && k->S == 1 && k->stride_h == 1 && k->stride_w == 1 && k->H == k->P &&
        k->W == k->Q) {
        k->W *= k->H;
        k->Q *= k->P;
        k->H = k->P = 1;
    }
    p.K = k->R * k->S * (k->C / k->group);
    p.turned_ld = FN(pare_padded)(k->M / k->group);
    p.is_direct = k->group == 1 && (k->dilation_w == 1 || k->S == 1);
    p.frame_h = k->H + k->pad_top + k->pad_bottom;
    p.frame_w = k->W + k->pad_left + k->pad_right;
    p.is_swapped = FN(pare_padded)(k->M) * k->S * k->C < FN(pare_padded)(k->S * k->C) * k->M;
    p.top = k->dilation_h * (k->R - 1) - k->pad_top;
    p.left = k->dilation_w * (k->S - 1) - k->pad_left;
    p.dy_frame_h = k->H + k->dilation_h * (k->R - 1);
    p.dy_frame_w = k->W + k->dilation_w * (k->S - 1);
    /* Where the input is much larger than the output, most of what the filter would see is frame. */
    p.is_flipped = p.is_direct && k->stride_h == 1 && k->stride_w == 1 && p.top >= 0 &&
                   p.left >= 0 && 4 * k->H * k->W <= 5 * k->P * k->Q;
    return p;
}

static bool has_frame(const struct plan *p)
{
    return p->frame_h != p->k.H || p->frame_w != p->k.W;
}

static bool dy_has_frame(const struct plan *p)
{
    return p->dy_frame_h != p->k.P || p->dy_frame_w != p->k.Q;
}

int64_t FN(pare_conv_scratch)(const struct pare_layer *layer)
{
    struct plan p = plan_of(layer);
    int64_t patches = FN(pare_patches_lines)(&p.k) * p.k.Q * p.K;
    int64_t direct = has_frame(&p) ? p.frame_h * p.frame_w * p.k.C : 0;

    direct += p.is_flipped ? p.dy_frame_h * p.dy_frame_w * p.k.M : patches;
    direct += p.is_swapped ? p.K * p.turned_ld : 0;
    return p.is_direct ? direct : patches;
}

void FN(pare_conv_copies)(const struct pare_layer *layer, int64_t *turned, int64_t *flipped)
{
    struct plan p = plan_of(layer);

    *turned = p.k.group * p.K * p.turned_ld;
    *flipped = p.is_flipped ? p.k.R * p.k.S * p.k.M * FN(pare_padded)(p.k.C) : 0;
}

void FN(pare_conv_prepare)(const struct pare_layer *layer, int64_t row0, int64_t row1)
{
    struct plan p = plan_of(layer);
    const struct pare_conv2d *k = &p.k;
    const REAL *w = layer->w[0]->w;
    int64_t Mg = k->M / k->group, taps = k->R * k->S, ld = FN(pare_padded)(k->C);

    for (int64_t g = row0 / Mg; g * Mg < row1; g++) {
        int64_t first = row0 > g * Mg ? row0 : g * Mg;
        int64_t end = row1 < (g + 1) * Mg ? row1 : (g + 1) * Mg;

        FN(pare_turn)
        ((REAL *)layer->turned + g * p.K * p.turned_ld + first - g * Mg, p.turned_ld,
         w + first * p.K, end - first, p.K, p.K);
    }
    for (int64_t m = row0; m < row1 && layer->flipped; m++)
        for (int64_t t = 0; t < taps; t++)
            memcpy((REAL *)layer->flipped + ((taps - 1 - t) * k->M + m) * ld,
                   w + (m * taps + t) * k->C, (size_t)k->C * sizeof(REAL));
}

/* ---- In place ---- */

/* An image of [h, w, C] inside a frame of zeros that is laid once per call. */
static void frame_fill(REAL *frame, const REAL *image, int64_t h, int64_t row, int64_t frame_row,
                       int64_t first)
{
    for (int64_t i = 0; i < h; i++)
        memcpy(frame + first + i * frame_row, image + i * row, (size_t)row * sizeof *frame);
}

static const REAL *framed(const struct plan *p, REAL *frame, const REAL *image)
{
    const struct pare_conv2d *k = &p->k;

    if (!has_frame(p))
        return image;
    frame_fill(frame, image, k->H, k->W * k->C, p->frame_w * k->C,
               (k->pad_top * p->frame_w + k->pad_left) * k->C);
    return frame;
}

static int64_t frame_lay(const struct plan *p, REAL *frame)
{
    int64_t n = has_frame(p) ? p->frame_h * p->frame_w * p->k.C : 0;

    memset(frame, 0, (size_t)n * sizeof *frame);
    return n;
}

static void forward_direct(const struct pare_layer *layer, const struct pare_span *span,
                           const struct plan *p)
{
    const struct pare_conv2d *k = &p->k;
    struct FN(pare_gemm_args) g = {.M = k->Q,
                                   .N = k->M,
                                   .run = k->S * k->C,
                                   .n_runs = k->R,
                                   .ai = k->stride_w * k->C,
                                   .ak = 1,
                                   .a_run = k->dilation_h * p->frame_w * k->C,
                                   .b = layer->turned,
                                   .ldb = p->turned_ld,
                                   .b_run = k->S * k->C * p->turned_ld,
                                   .bias = layer->w[1] ? layer->w[1]->w : NULL,
                                   .ldc = k->M};

    g.is_clamped = FN(pare_act_limits)(layer, &g.low, &g.high);
    frame_lay(p, span->scratch);
    for (int64_t n = span->n0; n < span->n1; n++) {
        const REAL *x =
            framed(p, span->scratch, (const REAL *)layer->x[0]->a + n * layer->x[0]->elems);

        g.c = (REAL *)layer->y->a + n * layer->y->elems;
        for (int64_t line = 0; line < k->P; line++, g.c += k->Q * k->M) {
            g.a = x + line * k->stride_h * p->frame_w * k->C;
            FN(pare_train_gemm)(&g);
        }
    }
}

/* The weights' gradient of one image; adds to dw unless it is the first. */
static void weight_gradient(const struct plan *p, REAL *dw, const REAL *dy, const REAL *x,
                            bool is_sum)
{
    const struct pare_conv2d *k = &p->k;
    int64_t columns = k->S * k->C, pixel = k->stride_w * k->C;
    int64_t line = k->stride_h * p->frame_w * k->C;

    for (int64_t r = 0; r < k->R; r++) {
        const REAL *at = x + r * k->dilation_h * p->frame_w * k->C;

        if (p->is_swapped)
            FN(pare_train_gemm)
        (&(struct FN(pare_gemm_args)){.M = columns,
                                      .N = k->M,
                                      .run = k->Q,
                                      .n_runs = k->P,
                                      .a = at,
                                      .ai = 1,
                                      .ak = pixel,
                                      .a_run = line,
                                      .b = dy,
                                      .ldb = k->M,
                                      .b_run = k->Q * k->M,
                                      .c = dw + r * columns * p->turned_ld,
                                      .ldc = p->turned_ld,
                                      .is_sum = is_sum});
        else FN(pare_train_gemm)(&(struct FN(pare_gemm_args)){.M = k->M,
                                                              .N = columns,
                                                              .run = k->Q,
                                                              .n_runs = k->P,
                                                              .a = dy,
                                                              .ai = 1,
                                                              .ak = k->M,
                                                              .a_run = k->Q * k->M,
                                                              .b = at,
                                                              .ldb = pixel,
                                                              .b_run = line,
                                                              .c = dw + r * columns,
                                                              .ldc = p->K,
                                                              .is_sum = is_sum});
    }
}

/* The input's gradient of one image through the flipped filter. */
static void input_gradient(const struct pare_layer *layer, const struct plan *p, REAL *dx,
                           const REAL *dy)
{
    const struct pare_conv2d *k = &p->k;
    struct FN(pare_gemm_args) g = {.M = k->W,
                                   .N = k->C,
                                   .run = k->S * k->M,
                                   .n_runs = k->R,
                                   .ai = k->M,
                                   .ak = 1,
                                   .a_run = k->dilation_h * p->dy_frame_w * k->M,
                                   .b = layer->flipped,
                                   .ldb = FN(pare_padded)(k->C),
                                   .b_run = k->S * k->M * FN(pare_padded)(k->C),
                                   .ldc = k->C,
                                   .is_sum = layer->adds[0]};

    for (int64_t line = 0; line < k->H; line++) {
        g.a = dy + line * p->dy_frame_w * k->M;
        g.c = dx + line * k->W * k->C;
        FN(pare_train_gemm)(&g);
    }
}

/* ---- By patches ---- */

static void forward_patches(const struct pare_layer *layer, const struct pare_span *span,
                            const struct plan *p)
{
    const struct pare_conv2d *k = &p->k;
    int64_t n_lines = (span->n1 - span->n0) * k->P, block = FN(pare_patches_lines)(k);
    int64_t Mg = k->M / k->group;
    const REAL *bias = layer->w[1] ? layer->w[1]->w : NULL;
    struct FN(pare_gemm_args) g = {.N = Mg,
                                   .run = p->K,
                                   .a = span->scratch,
                                   .ai = p->K,
                                   .ak = 1,
                                   .ldb = p->turned_ld,
                                   .ldc = k->M};

    g.is_clamped = FN(pare_act_limits)(layer, &g.low, &g.high);
    for (int64_t l0 = 0; l0 < n_lines; l0 += block) {
        int64_t l1 = l0 + block < n_lines ? l0 + block : n_lines;

        for (int64_t i = 0; i < k->group; i++) {
            FN(pare_patches_gather)(span->scratch, ROWS(layer->x[0], a, span), k, i, l0, l1);
            g.M = (l1 - l0) * k->Q;
            g.b = (REAL *)layer->turned + i * p->K * p->turned_ld;
            g.bias = bias ? bias + i * Mg : NULL;
            g.c = ROWS(layer->y, a, span) + l0 * k->Q * k->M + i * Mg;
            FN(pare_train_gemm)(&g);
        }
    }
}

static void weight_gradient_patches(const struct pare_layer *layer, const struct pare_span *span,
                                    const struct plan *p, REAL *dw)
{
    const struct pare_conv2d *k = &p->k;
    int64_t n_lines = (span->n1 - span->n0) * k->P, block = FN(pare_patches_lines)(k);
    int64_t Mg = k->M / k->group;

    for (int64_t l0 = 0; l0 < n_lines; l0 += block) {
        int64_t l1 = l0 + block < n_lines ? l0 + block : n_lines;

        for (int64_t i = 0; i < k->group; i++) {
            FN(pare_patches_gather)(span->scratch, ROWS(layer->x[0], a, span), k, i, l0, l1);
            FN(pare_train_gemm)
            (&(struct FN(pare_gemm_args)){.M = Mg,
                                          .N = p->K,
                                          .run = (l1 - l0) * k->Q,
                                          .a = ROWS(layer->y, g, span) + l0 * k->Q * k->M + i * Mg,
                                          .ai = 1,
                                          .ak = k->M,
                                          .b = span->scratch,
                                          .ldb = p->K,
                                          .c = dw + i * Mg * p->K,
                                          .ldc = p->K,
                                          .is_sum = l0 > 0});
        }
    }
}

static void input_gradient_patches(const struct pare_layer *layer, const struct pare_span *span,
                                   const struct plan *p, REAL *patches)
{
    const struct pare_conv2d *k = &p->k;
    int64_t n_lines = (span->n1 - span->n0) * k->P, block = FN(pare_patches_lines)(k);
    int64_t Mg = k->M / k->group;
    REAL *dx = ROWS(layer->x[0], g, span);

    if (!layer->adds[0])
        memset(dx, 0, (size_t)COUNT(layer->x[0], span) * sizeof *dx);
    for (int64_t l0 = 0; l0 < n_lines; l0 += block) {
        int64_t l1 = l0 + block < n_lines ? l0 + block : n_lines;

        for (int64_t i = 0; i < k->group; i++) {
            FN(pare_train_gemm)
            (&(struct FN(pare_gemm_args)){.M = (l1 - l0) * k->Q,
                                          .N = p->K,
                                          .run = Mg,
                                          .a = ROWS(layer->y, g, span) + l0 * k->Q * k->M + i * Mg,
                                          .ai = k->M,
                                          .ak = 1,
                                          .b = (REAL *)layer->w[0]->w + i * Mg * p->K,
                                          .ldb = p->K,
                                          .c = patches,
                                          .ldc = p->K});
            FN(pare_patches_scatter)(dx, patches, k, i, l0, l1);
        }
    }
}

/* ---- The operator ---- */

void FN(pare_conv_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    struct plan p = plan_of(layer);

    (p.is_direct ? forward_direct : forward_patches)(layer, span, &p);
}

static void backward_direct(const struct pare_layer *layer, const struct pare_span *span,
                            const struct plan *p, REAL *dw)
{
    const struct pare_conv2d *k = &p->k;
    REAL *frame = span->scratch, *turned = frame + frame_lay(p, frame);
    REAL *dy_frame = turned + (p->is_swapped ? p->K * p->turned_ld : 0);
    bool wants_input = layer->x[0]->g && p->is_flipped, frames_dy = dy_has_frame(p);

    if (wants_input && frames_dy)
        memset(dy_frame, 0, (size_t)(p->dy_frame_h * p->dy_frame_w * k->M) * sizeof *dy_frame);
    for (int64_t n = span->n0; n < span->n1; n++) {
        const REAL *x = framed(p, frame, (const REAL *)layer->x[0]->a + n * layer->x[0]->elems);
        const REAL *dy = (const REAL *)layer->y->g + n * layer->y->elems;

        weight_gradient(p, p->is_swapped ? turned : dw, dy, x, n > span->n0);
        if (!wants_input)
            continue;
        if (frames_dy) {
            frame_fill(dy_frame, dy, k->P, k->Q * k->M, p->dy_frame_w * k->M,
                       (p->top * p->dy_frame_w + p->left) * k->M);
            dy = dy_frame;
        }
        input_gradient(layer, p, (REAL *)layer->x[0]->g + n * layer->x[0]->elems, dy);
    }
    if (p->is_swapped)
        FN(pare_turn)(dw, p->K, turned, p->K, k->M, p->turned_ld);
    if (layer->x[0]->g && !p->is_flipped)
        input_gradient_patches(layer, span, p, dy_frame);
}

void FN(pare_conv_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    struct plan p = plan_of(layer);
    REAL *dw = (REAL *)layer->w[0]->parts + span->shard * layer->w[0]->n;

    FN(pare_act_backward)(layer, span);
    if (layer->w[1])
        FN(pare_column_sums)
    ((REAL *)layer->w[1]->parts + span->shard * layer->w[1]->n, ROWS(layer->y, g, span),
     (span->n1 - span->n0) * p.k.P * p.k.Q, p.k.M, p.k.M);
    if (p.is_direct) {
        backward_direct(layer, span, &p, dw);
        return;
    }
    weight_gradient_patches(layer, span, &p, dw);
    if (layer->x[0]->g)
        input_gradient_patches(layer, span, &p, span->scratch);
}
