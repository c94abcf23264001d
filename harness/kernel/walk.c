#include "kernel/walk.h"

#include <string.h>

#include "base/arena.h"

#include <stdlib.h>

/* Far below where products of three extents leave 64 bits, far above any network. */
enum { MAX_EXTENT = 1 << 20 };

static bool is_extent(int64_t x)
{
    return x >= 1 && x <= MAX_EXTENT;
}

pare_status pare_walk_init(struct pare_walk *walk, const struct pare_conv2d *s,
                           struct pare_error *err)
{
    *walk = (struct pare_walk){.s = *s};
    if (!is_extent(s->C) || !is_extent(s->H) || !is_extent(s->W) || !is_extent(s->M) ||
        !is_extent(s->P) || !is_extent(s->Q) || !is_extent(s->R) || !is_extent(s->S) ||
        !is_extent(s->group) || !is_extent(s->stride_h) || !is_extent(s->stride_w) ||
        !is_extent(s->dilation_h) || !is_extent(s->dilation_w) || s->pad_top < 0 ||
        s->pad_left < 0 || s->C % s->group || s->M % s->group)
        return pare_fail(err, PARE_EINVAL, "convolution of impossible shape");
    walk->group_c = s->C / s->group;
    walk->group_m = s->M / s->group;
    /* The frame reaches as far as the last window does: less than the declared padding when the
     * stride leaves a rest, more only if the shape is inconsistent. */
    int64_t reach_h = (s->P - 1) * s->stride_h + (s->R - 1) * s->dilation_h + 1;
    int64_t reach_w = (s->Q - 1) * s->stride_w + (s->S - 1) * s->dilation_w + 1;
    if (reach_h > s->H + s->pad_top + s->pad_bottom || reach_w > s->W + s->pad_left + s->pad_right)
        return pare_fail(err, PARE_EINVAL, "convolution window leaves its padded input");
    walk->is_framed = s->pad_top > 0 || s->pad_left > 0 || reach_h > s->H || reach_w > s->W;
    walk->frame_h = walk->is_framed ? reach_h : s->H;
    walk->frame_w = walk->is_framed ? reach_w : s->W;
    walk->is_matrix =
        s->R == 1 && s->S == 1 && s->stride_h == 1 && s->stride_w == 1 && !walk->is_framed;
    /* With groups or dilation the taps of a row are apart. */
    bool is_row_one_run = s->group == 1 && s->dilation_w == 1;
    walk->n_runs = is_row_one_run ? s->R : s->R * s->S;
    walk->run_elems = is_row_one_run ? s->S * s->C : walk->group_c;
    walk->offsets = pare_xcalloc((size_t)walk->n_runs, sizeof *walk->offsets);
    for (int64_t i = 0; i < walk->n_runs; i++) {
        int64_t r = is_row_one_run ? i : i / s->S, c = is_row_one_run ? 0 : i % s->S;
        walk->offsets[i] = (r * s->dilation_h * walk->frame_w + c * s->dilation_w) * s->C;
    }
    return PARE_OK;
}

void pare_walk_clear(struct pare_walk *walk)
{
    free(walk->offsets);
    walk->offsets = NULL;
}

int64_t pare_walk_frame_elems(const struct pare_walk *walk)
{
    return walk->is_framed ? walk->frame_h * walk->frame_w * walk->s.C : 0;
}

void pare_walk_frame(const struct pare_walk *walk, void *frame, const void *x, int64_t elem_bytes,
                     int fill)
{
    const struct pare_conv2d *s = &walk->s;
    int64_t pixel = s->C * elem_bytes, row = walk->frame_w * pixel;
    /* The last windows may not reach the input's last rows and columns. */
    int64_t n_rows = walk->frame_h - s->pad_top, n_columns = walk->frame_w - s->pad_left;
    unsigned char *to = frame;
    const unsigned char *from = x;

    n_rows = n_rows < 0 ? 0 : n_rows > s->H ? s->H : n_rows;
    n_columns = n_columns < 0 ? 0 : n_columns > s->W ? s->W : n_columns;
    int64_t top = s->pad_top < walk->frame_h ? s->pad_top : walk->frame_h;
    int64_t left = s->pad_left < walk->frame_w ? s->pad_left : walk->frame_w;
    int64_t right = walk->frame_w - left - n_columns;
    memset(to, fill, (size_t)(top * row));
    to += top * row;
    for (int64_t h = 0; h < n_rows; h++) {
        memset(to, fill, (size_t)(left * pixel));
        memcpy(to + left * pixel, from + h * s->W * pixel, (size_t)(n_columns * pixel));
        memset(to + (left + n_columns) * pixel, fill, (size_t)(right * pixel));
        to += row;
    }
    memset(to, fill, (size_t)((walk->frame_h - top - n_rows) * row));
}
