/* How a convolution walks over its input, shared by the packed kernels of all types.
 *
 * Channels last, one filter tap row (fixed r, dilation 1) covers S * C/group contiguous elements of
 * the input, so each output pixel is a sum of dot products over `n_runs` runs of `run_elems`
 * contiguous elements that start at fixed offsets from the pixel's first element.  A matrix product
 * is the case of one run.  Rows of pixels at constant distance are cut into tiles of a few
 * pixels; a tile against a few panels of 16 output channels is what the inner kernels
 * compute.  Borders are handled by copying the sample into a frame filled with the zero value. */
#ifndef PARE_KERNEL_WALK_H
#define PARE_KERNEL_WALK_H

#include <pare/graph.h>

enum { PARE_PANEL = 16 };     /* output channels that one vector holds */
enum { PARE_MAX_PANELS = 4 }; /* panels side by side in one inner kernel */

struct pare_walk {
    struct pare_conv2d s;
    int64_t group_c, group_m; /* channels of one group: input, output */
    int64_t n_runs, run_elems;
    int64_t *offsets; /* [n_runs], in elements of the (framed) input */
    bool is_framed;
    int64_t frame_h, frame_w; /* input with its border; H, W when there is none */
    bool is_matrix;           /* 1x1, stride 1, no border: all samples are one row of pixels */
};

/* PARE_EINVAL when the geometry is impossible or its sizes overflow. */
pare_status pare_walk_init(struct pare_walk *walk, const struct pare_conv2d *s,
                           struct pare_error *err);
void pare_walk_clear(struct pare_walk *walk);
/* Copies one sample of `elem_bytes` per element into the frame, whose border is `fill` (one byte,
 * repeated). */
void pare_walk_frame(const struct pare_walk *walk, void *frame, const void *x, int64_t elem_bytes,
                     int fill);
/* Elements of the frame; 0 when none is needed. */
int64_t pare_walk_frame_elems(const struct pare_walk *walk);
/* The output channels that one inner kernel takes. */
struct pare_share {
    int n_panels; /* a half one counted as one */
    bool is_half; /* the last panel has 8 lanes */
    int64_t lanes;
};
/* The next of them when `left` channels are left: at most `most` panels, in even shares. */
static inline struct pare_share pare_walk_share(int64_t left, int64_t most)
{
    int64_t n_panels = (left + PARE_PANEL - 1) / PARE_PANEL;
    int64_t n_kernels = (n_panels + most - 1) / most;
    int64_t n = (n_panels + n_kernels - 1) / n_kernels, rest = left % PARE_PANEL;
    bool is_half = n == n_panels && rest > 0 && rest <= PARE_PANEL / 2;

    return (struct pare_share){(int)n, is_half, n * PARE_PANEL - (is_half ? PARE_PANEL / 2 : 0)};
}
/* Lanes of `n` channels in all shares together. */
static inline int64_t pare_walk_lanes(int64_t n)
{
    return (n + PARE_PANEL / 2 - 1) / (PARE_PANEL / 2) * (PARE_PANEL / 2);
}
#endif
