#include "kernel/conv_f32.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "kernel/conv_f32_tile.h"
#include "kernel/walk.h"

void pare_conv2d_f32_ref(float *y, const float *x, const float *w, const float *bias,
                         const struct pare_conv2d *s, int64_t n, float low, float high)
{
    int64_t group_c = s->C / s->group, group_m = s->M / s->group;

    for (int64_t pixel = 0; pixel < n * s->P * s->Q; pixel++) {
        int64_t i = pixel / (s->P * s->Q), p = pixel / s->Q % s->P, q = pixel % s->Q;
        for (int64_t m = 0; m < s->M; m++) {
            double sum = 0;
            for (int64_t r = 0; r < s->R; r++) {
                int64_t h = p * s->stride_h + r * s->dilation_h - s->pad_top;
                for (int64_t c = 0; c < s->S && h >= 0 && h < s->H; c++) {
                    int64_t v = q * s->stride_w + c * s->dilation_w - s->pad_left;
                    if (v < 0 || v >= s->W)
                        continue;
                    const float *from =
                        x + ((i * s->H + h) * s->W + v) * s->C + m / group_m * group_c;
                    const float *tap = w + ((m * s->R + r) * s->S + c) * group_c;
                    for (int64_t k = 0; k < group_c; k++)
                        sum += (double)from[k] * tap[k];
                }
            }
            float v = (float)(sum + (bias ? bias[m] : 0));
            v = v < low ? low : v;
            y[pixel * s->M + m] = v > high ? high : v;
        }
    }
}

struct pare_conv_f32 {
    struct pare_walk walk;
    enum pare_isa isa;
    bool is_split;
    float low, high;
    int64_t n_lanes; /* of one group */
    float *w;        /* [group][share of channels][runs][lanes of the share] */
    float *bias;     /* [group][n_lanes] */
};

static int64_t packed_elems(const struct pare_conv_f32 *conv)
{
    return conv->walk.s.group * conv->n_lanes * conv->walk.n_runs * conv->walk.run_elems;
}

/* Weights of channel `m` (of all) as one line of n_runs * run_elems, which is w's own order. */
static void pack(struct pare_conv_f32 *conv, const float *w, const float *bias)
{
    const struct pare_walk *walk = &conv->walk;
    int64_t line = walk->n_runs * walk->run_elems;
    int64_t most = pare_tile_f32_panels(conv->isa);
    float *to = conv->w;

    for (int64_t g = 0; g < walk->s.group; g++) {
        for (int64_t first = 0; first < walk->group_m;) {
            struct pare_share share = pare_walk_share(walk->group_m - first, most);
            for (int64_t k = 0; k < line; k++)
                for (int64_t m = first; m < first + share.lanes; m++)
                    *to++ = m < walk->group_m ? w[(g * walk->group_m + m) * line + k] : 0;
            first += share.lanes;
        }
        for (int64_t m = 0; bias && m < walk->group_m; m++)
            conv->bias[g * conv->n_lanes + m] = bias[g * walk->group_m + m];
    }
}

pare_status pare_conv_f32_new(struct pare_conv_f32 **out, const struct pare_conv2d *s,
                              const float *w, const float *bias, float low, float high,
                              enum pare_isa isa, struct pare_error *err)
{
    struct pare_conv_f32 *conv = pare_xcalloc(1, sizeof *conv);
    pare_status st = pare_walk_init(&conv->walk, s, err);

    if (st)
        goto done;
    conv->isa = isa;
    conv->is_split = conv->walk.is_matrix && s->H == 1 && s->W == 1;
    conv->low = low;
    conv->high = high;
    conv->n_lanes = pare_walk_lanes(conv->walk.group_m);
    size_t n_bytes = (size_t)packed_elems(conv) * sizeof(float);
    size_t bias_bytes = (size_t)(s->group * conv->n_lanes) * sizeof(float);
    n_bytes = (n_bytes + 63) / 64 * 64;
    bias_bytes = (bias_bytes + 63) / 64 * 64;
    conv->w = aligned_alloc(64, n_bytes);
    conv->bias = aligned_alloc(64, bias_bytes);
    if (!conv->w || !conv->bias) {
        st = pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes of packed weights", n_bytes);
        goto done;
    }
    memset(conv->bias, 0, bias_bytes);
    pack(conv, w, bias);
    *out = conv;
    conv = NULL;
done:
    pare_conv_f32_free(conv);
    return st;
}

void pare_conv_f32_free(struct pare_conv_f32 *conv)
{
    if (!conv)
        return;
    pare_walk_clear(&conv->walk);
    free(conv->w);
    free(conv->bias);
    free(conv);
}

size_t pare_conv_f32_weight_bytes(const struct pare_conv_f32 *conv)
{
    return ((size_t)packed_elems(conv) + (size_t)(conv->walk.s.group * conv->n_lanes)) *
           sizeof(float);
}

size_t pare_conv_f32_work_bytes(const struct pare_conv_f32 *conv)
{
    return (size_t)pare_walk_frame_elems(&conv->walk) * sizeof(float);
}

/* `n_lines` rows of `n_pixels` output pixels, against one share of channels. */
static void run_share(const struct pare_conv_f32 *conv, const struct pare_tile_f32 *tile,
                      struct pare_share share, float *y, const float *x, int64_t n_lines,
                      int64_t n_pixels, int64_t x_line)
{
    int64_t most = pare_tile_f32_pixels(conv->isa, share.n_panels, conv->is_split);
    int64_t n_tiles = (n_pixels + most - 1) / most;
    /* Even tiles: the first `n_wide` have one pixel more than the others. */
    int64_t width = n_pixels / n_tiles, n_wide = n_pixels % n_tiles;
    pare_tile_f32_fn *narrow =
        pare_tile_f32(conv->isa, (int)width, share.n_panels, share.is_half, conv->is_split);
    pare_tile_f32_fn *wide = n_wide ? pare_tile_f32(conv->isa, (int)width + 1, share.n_panels,
                                                    share.is_half, conv->is_split)
                                    : narrow;

    for (int64_t line = 0; line < n_lines; line++) {
        const float *from = x + line * x_line;
        float *to = y + line * n_pixels * tile->y_pixel;
        for (int64_t i = 0; i < n_wide; i++) {
            wide(tile, to, from);
            from += (width + 1) * tile->x_pixel;
            to += (width + 1) * tile->y_pixel;
        }
        for (int64_t i = n_wide; i < n_tiles; i++) {
            narrow(tile, to, from);
            from += width * tile->x_pixel;
            to += width * tile->y_pixel;
        }
    }
}

/* All groups and panels of one image; a matrix product is one image of a single line. */
static void run_image(const struct pare_conv_f32 *conv, float *y, const float *x, int64_t n_lines,
                      int64_t n_pixels)
{
    const struct pare_walk *walk = &conv->walk;
    int64_t most = pare_tile_f32_panels(conv->isa);
    struct pare_tile_f32 tile = {.w = conv->w,
                                 .bias = conv->bias,
                                 .offsets = walk->offsets,
                                 .n_runs = walk->n_runs,
                                 .run_elems = walk->run_elems,
                                 .x_pixel = walk->s.stride_w * walk->s.C,
                                 .y_pixel = walk->s.M,
                                 .low = conv->low,
                                 .high = conv->high};

    for (int64_t g = 0; g < walk->s.group; g++) {
        for (int64_t first = 0; first < walk->group_m;) {
            struct pare_share share = pare_walk_share(walk->group_m - first, most);
            tile.n_channels = walk->group_m - first;
            run_share(conv, &tile, share, y + g * walk->group_m + first, x + g * walk->group_c,
                      n_lines, n_pixels, walk->s.stride_h * walk->frame_w * walk->s.C);
            tile.w += share.lanes * walk->n_runs * walk->run_elems;
            tile.bias += share.lanes;
            first += share.lanes;
        }
    }
}

void pare_conv_f32_run(const struct pare_conv_f32 *conv, float *y, const float *x, int64_t n,
                       void *work)
{
    const struct pare_conv2d *s = &conv->walk.s;

    if (conv->walk.is_matrix) {
        run_image(conv, y, x, 1, n * s->H * s->W);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const float *image = x + i * s->H * s->W * s->C;
        if (conv->walk.is_framed) {
            pare_walk_frame(&conv->walk, work, image, sizeof(float), 0);
            image = work;
        }
        run_image(conv, y + i * s->P * s->Q * s->M, image, s->P, s->Q);
    }
}
