#include "kernel/conv_u8.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/simd.h"
#include "kernel/conv_u8_tile.h"
#include "kernel/walk.h"

static void store_ref(void *y, int64_t at, int32_t acc, int64_t m,
                      const struct pare_conv_u8_result *result)
{
    if (!result->is_f32) {
        ((uint8_t *)y)[at] = pare_round_u8((float)acc * result->scale[m], result->range);
        return;
    }
    float v = fmaf((float)acc, result->scale[m], result->bias_f32 ? result->bias_f32[m] : 0);
    v = v < result->low_f32 ? result->low_f32 : v;
    ((float *)y)[at] = v > result->high_f32 ? result->high_f32 : v;
}

void pare_conv2d_u8_ref(void *y, const uint8_t *x, int32_t x_zero, const int8_t *w,
                        const int32_t *bias, const struct pare_conv2d *s, int64_t n,
                        const struct pare_conv_u8_result *result)
{
    int64_t group_c = s->C / s->group, group_m = s->M / s->group;

    for (int64_t pixel = 0; pixel < n * s->P * s->Q; pixel++) {
        int64_t i = pixel / (s->P * s->Q), p = pixel / s->Q % s->P, q = pixel % s->Q;
        for (int64_t m = 0; m < s->M; m++) {
            int32_t acc = bias && !result->is_f32 ? bias[m] : 0;
            for (int64_t r = 0; r < s->R; r++) {
                int64_t h = p * s->stride_h + r * s->dilation_h - s->pad_top;
                for (int64_t c = 0; c < s->S && h >= 0 && h < s->H; c++) {
                    int64_t v = q * s->stride_w + c * s->dilation_w - s->pad_left;
                    if (v < 0 || v >= s->W)
                        continue;
                    const uint8_t *from =
                        x + ((i * s->H + h) * s->W + v) * s->C + m / group_m * group_c;
                    const int8_t *tap = w + ((m * s->R + r) * s->S + c) * group_c;
                    for (int64_t k = 0; k < group_c; k++)
                        acc += ((int32_t)from[k] - x_zero) * tap[k];
                }
            }
            store_ref(y, pixel * s->M + m, acc, m, result);
        }
    }
}

struct pare_conv_u8 {
    struct pare_walk walk;
    enum pare_isa isa;
    int32_t x_zero;
    struct pare_conv_u8_result result; /* its pointers are into the arrays below */
    int64_t n_lanes;                   /* of one group */
    int64_t n_quads;                   /* of one run */
    int8_t *
        w; /* VNNI: [group][share of channels][runs][quads][lanes of the share][4]; else as given */
    int32_t *bias;           /* [group][n_lanes]; minus x_zero times the weights' sum */
    float *scale, *bias_f32; /* [group][n_lanes] */
};

static bool is_packed(const struct pare_conv_u8 *conv)
{
    return conv->isa >= PARE_ISA_VNNI;
}

static int64_t weight_elems(const struct pare_conv_u8 *conv)
{
    const struct pare_walk *walk = &conv->walk;

    if (is_packed(conv))
        return walk->s.group * conv->n_lanes * walk->n_runs * conv->n_quads * 4;
    return walk->s.M * walk->n_runs * walk->run_elems;
}

static void pack(struct pare_conv_u8 *conv, const int8_t *w)
{
    const struct pare_walk *walk = &conv->walk;
    int64_t line = walk->n_runs * walk->run_elems;
    int8_t *to = conv->w;

    for (int64_t g = 0; g < walk->s.group; g++)
        for (int64_t first = 0; first < walk->group_m;) {
            struct pare_share share = pare_walk_share(walk->group_m - first, pare_tile_u8_panels());
            for (int64_t i = 0; i < walk->n_runs * conv->n_quads * share.lanes * 4; i++) {
                int64_t k = i / (4 * share.lanes) % conv->n_quads * 4 + i % 4;
                int64_t r = i / (4 * share.lanes) / conv->n_quads;
                int64_t m = first + i / 4 % share.lanes;
                bool exists = m < walk->group_m && k < walk->run_elems;
                *to++ = exists ? w[(g * walk->group_m + m) * line + r * walk->run_elems + k] : 0;
            }
            first += share.lanes;
        }
}

/* Every window covers the whole filter, because the frame holds the zero point: its share of acc
 * is the same for all pixels. */
static void set_results(struct pare_conv_u8 *conv, const int8_t *w, const int32_t *bias,
                        const struct pare_conv_u8_result *result)
{
    const struct pare_walk *walk = &conv->walk;
    int64_t line = walk->n_runs * walk->run_elems;

    for (int64_t m = 0; m < walk->s.M; m++) {
        int64_t at = m / walk->group_m * conv->n_lanes + m % walk->group_m;
        int32_t sum = 0;
        for (int64_t k = 0; k < line; k++)
            sum += w[m * line + k];
        conv->bias[at] = (bias && !result->is_f32 ? bias[m] : 0) - conv->x_zero * sum;
        conv->scale[at] = result->scale[m];
        conv->bias_f32[at] = result->bias_f32 ? result->bias_f32[m] : 0;
    }
}

pare_status pare_conv_u8_new(struct pare_conv_u8 **out, const struct pare_conv2d *s, int32_t x_zero,
                             const int8_t *w, const int32_t *bias,
                             const struct pare_conv_u8_result *result, enum pare_isa isa,
                             struct pare_error *err)
{
    struct pare_conv_u8 *conv = pare_xcalloc(1, sizeof *conv);
    pare_status st = pare_walk_init(&conv->walk, s, err);

    if (st)
        goto done;
    if (conv->walk.n_runs * conv->walk.run_elems > INT32_MAX / (255 * 128)) {
        st = pare_fail(err, PARE_EUNSUPPORTED, "%lld products may overflow a 32-bit sum",
                       (long long)(conv->walk.n_runs * conv->walk.run_elems));
        goto done;
    }
    conv->isa = isa;
    conv->x_zero = x_zero;
    conv->n_lanes = pare_walk_lanes(conv->walk.group_m);
    conv->n_quads = (conv->walk.run_elems + 3) / 4;
    /* Groups' lanes may be any multiple of 8; allocations are of 64 bytes. */
    size_t n_rows = ((size_t)(s->group * conv->n_lanes) + 15) / 16 * 16;
    size_t n_bytes = ((size_t)weight_elems(conv) + 63) / 64 * 64;
    conv->w = aligned_alloc(64, n_bytes);
    conv->bias = aligned_alloc(64, n_rows * sizeof *conv->bias);
    conv->scale = aligned_alloc(64, n_rows * sizeof *conv->scale);
    conv->bias_f32 = aligned_alloc(64, n_rows * sizeof *conv->bias_f32);
    if (!conv->w || !conv->bias || !conv->scale || !conv->bias_f32) {
        st = pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes of packed weights", n_bytes);
        goto done;
    }
    memset(conv->bias, 0, n_rows * sizeof *conv->bias);
    memset(conv->scale, 0, n_rows * sizeof *conv->scale);
    memset(conv->bias_f32, 0, n_rows * sizeof *conv->bias_f32);
    if (is_packed(conv))
        pack(conv, w);
    else
        memcpy(conv->w, w, (size_t)weight_elems(conv));
    set_results(conv, w, bias, result);
    conv->result = *result;
    conv->result.scale = conv->scale;
    conv->result.bias_f32 = conv->bias_f32;
    *out = conv;
    conv = NULL;
done:
    pare_conv_u8_free(conv);
    return st;
}

void pare_conv_u8_free(struct pare_conv_u8 *conv)
{
    if (!conv)
        return;
    pare_walk_clear(&conv->walk);
    free(conv->w);
    free(conv->bias);
    free(conv->scale);
    free(conv->bias_f32);
    free(conv);
}

size_t pare_conv_u8_weight_bytes(const struct pare_conv_u8 *conv)
{
    size_t n_rows = (size_t)(conv->walk.s.group * conv->n_lanes);
    return (size_t)weight_elems(conv) + n_rows * (sizeof(int32_t) + 2 * sizeof(float));
}

size_t pare_conv_u8_work_bytes(const struct pare_conv_u8 *conv)
{
    size_t n_elems = (size_t)pare_walk_frame_elems(&conv->walk);
    return n_elems ? n_elems + PARE_CONV_U8_SLACK : 0;
}

static void run_share(const struct pare_tile_u8 *tile, struct pare_share share, char *y,
                      const uint8_t *x, int64_t n_lines, int64_t n_pixels, int64_t x_line)
{
    int64_t y_pixel_bytes = tile->y_pixel * (tile->is_f32 ? (int64_t)sizeof(float) : 1);
    int64_t most = pare_tile_u8_pixels(share.n_panels);
    int64_t n_tiles = (n_pixels + most - 1) / most;
    /* Even tiles: the first `n_wide` have one pixel more than the others. */
    int64_t width = n_pixels / n_tiles, n_wide = n_pixels % n_tiles;
    pare_tile_u8_fn *narrow = pare_tile_u8((int)width, share.n_panels, share.is_half);
    pare_tile_u8_fn *wide =
        n_wide ? pare_tile_u8((int)width + 1, share.n_panels, share.is_half) : narrow;

    for (int64_t line = 0; line < n_lines; line++) {
        const uint8_t *from = x + line * x_line;
        char *to = y + line * n_pixels * y_pixel_bytes;
        for (int64_t i = 0; i < n_wide; i++) {
            wide(tile, to, from);
            from += (width + 1) * tile->x_pixel;
            to += (width + 1) * y_pixel_bytes;
        }
        for (int64_t i = n_wide; i < n_tiles; i++) {
            narrow(tile, to, from);
            from += width * tile->x_pixel;
            to += width * y_pixel_bytes;
        }
    }
}

static void run_image_packed(const struct pare_conv_u8 *conv, void *y, const uint8_t *x,
                             int64_t n_lines, int64_t n_pixels)
{
    const struct pare_walk *walk = &conv->walk;
    const struct pare_conv_u8_result *result = &conv->result;
    int64_t y_elem = result->is_f32 ? (int64_t)sizeof(float) : 1;
    struct pare_tile_u8 tile = {
        .w = conv->w,
        .bias = conv->bias,
        .scale = conv->scale,
        .bias_f32 = conv->bias_f32,
        .offsets = walk->offsets,
        .n_runs = walk->n_runs,
        .n_quads = conv->n_quads,
        .x_pixel = walk->s.stride_w * walk->s.C,
        .y_pixel = walk->s.M,
        .is_f32 = result->is_f32,
        .low = result->is_f32 ? result->low_f32 : (float)(result->range.low - result->range.zero),
        .high =
            result->is_f32 ? result->high_f32 : (float)(result->range.high - result->range.zero),
        .zero = result->range.zero,
    };

    for (int64_t g = 0; g < walk->s.group; g++) {
        for (int64_t first = 0; first < walk->group_m;) {
            struct pare_share share = pare_walk_share(walk->group_m - first, pare_tile_u8_panels());
            tile.n_channels = walk->group_m - first;
            run_share(&tile, share, (char *)y + (g * walk->group_m + first) * y_elem,
                      x + g * walk->group_c, n_lines, n_pixels,
                      walk->s.stride_h * walk->frame_w * walk->s.C);
            tile.w += share.lanes * walk->n_runs * conv->n_quads * 4;
            tile.bias += share.lanes;
            tile.scale += share.lanes;
            tile.bias_f32 += share.lanes;
            first += share.lanes;
        }
    }
}

/* Dot products that the compiler vectorises. */
PARE_CLONES static int32_t dot(const uint8_t *restrict x, const int8_t *restrict w, int64_t n)
{
    int32_t sum = 0;

    for (int64_t k = 0; k < n; k++)
        sum += (int32_t)x[k] * w[k];
    return sum;
}

static void run_image_plain(const struct pare_conv_u8 *conv, void *y, const uint8_t *x,
                            int64_t n_lines, int64_t n_pixels)
{
    const struct pare_walk *walk = &conv->walk;
    int64_t run = walk->run_elems;

    for (int64_t pixel = 0; pixel < n_lines * n_pixels; pixel++) {
        const uint8_t *window = x + (pixel / n_pixels * walk->s.stride_h * walk->frame_w +
                                     pixel % n_pixels * walk->s.stride_w) *
                                        walk->s.C;
        for (int64_t m = 0; m < walk->s.M; m++) {
            int64_t g = m / walk->group_m, at = g * conv->n_lanes + m % walk->group_m;
            int32_t acc = conv->bias[at];
            for (int64_t r = 0; r < walk->n_runs; r++)
                acc += dot(window + g * walk->group_c + walk->offsets[r],
                           conv->w + (m * walk->n_runs + r) * run, run);
            struct pare_conv_u8_result result = conv->result;
            result.scale = conv->scale + at;
            result.bias_f32 = conv->bias_f32 + at;
            store_ref(y, pixel * walk->s.M + m, acc, 0, &result);
        }
    }
}

void pare_conv_u8_run(const struct pare_conv_u8 *conv, void *y, const uint8_t *x, int64_t n,
                      void *work)
{
    const struct pare_conv2d *s = &conv->walk.s;
    int64_t y_elem = conv->result.is_f32 ? (int64_t)sizeof(float) : 1;
    bool is_one_line = conv->walk.is_matrix;
    int64_t n_images = is_one_line ? 1 : n;
    int64_t n_lines = is_one_line ? 1 : s->P, n_pixels = is_one_line ? n * s->H * s->W : s->Q;

    for (int64_t i = 0; i < n_images; i++) {
        const uint8_t *image = x + i * s->H * s->W * s->C;
        char *to = (char *)y + i * s->P * s->Q * s->M * y_elem;
        if (conv->walk.is_framed) {
            pare_walk_frame(&conv->walk, work, image, 1, conv->x_zero);
            image = work;
        }
        if (is_packed(conv))
            run_image_packed(conv, to, image, n_lines, n_pixels);
        else
            run_image_plain(conv, to, image, n_lines, n_pixels);
    }
}
