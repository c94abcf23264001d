/* The part of a window that lies inside the input. */
#ifndef PARE_KERNEL_WINDOW_H
#define PARE_KERNEL_WINDOW_H

#include <pare/graph.h>

struct pare_window {
    int64_t r0, r1, s0, s1; /* taps inside: r0 <= r < r1 */
    int64_t h, w;           /* input position of tap (0, 0), may be negative */
};

static inline int64_t pare_window_first(int64_t at, int64_t dilation)
{
    return at >= 0 ? 0 : (-at + dilation - 1) / dilation;
}

static inline int64_t pare_window_end(int64_t at, int64_t dilation, int64_t extent, int64_t n_taps)
{
    if (at + (n_taps - 1) * dilation < extent)
        return n_taps; /* most windows: no division */
    int64_t end = at >= extent ? 0 : (extent - at + dilation - 1) / dilation;
    return end < n_taps ? end : n_taps;
}

static inline struct pare_window pare_window_at(const struct pare_conv2d *s, int64_t p, int64_t q)
{
    struct pare_window v = {.h = p * s->stride_h - s->pad_top, .w = q * s->stride_w - s->pad_left};

    v.r0 = pare_window_first(v.h, s->dilation_h);
    v.r1 = pare_window_end(v.h, s->dilation_h, s->H, s->R);
    v.s0 = pare_window_first(v.w, s->dilation_w);
    v.s1 = pare_window_end(v.w, s->dilation_w, s->W, s->S);
    return v;
}
#endif
