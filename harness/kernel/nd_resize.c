#include "kernel/nd_resize.h"

#include <math.h>
#include <string.h>

#include "base/simd.h"

enum { MAX_TAPS = 4 };

/* What one output position takes along one dimension. */
struct taps {
    int n; /* 0: it lies outside, and is extrapolated */
    int64_t at[MAX_TAPS];
    float weight[MAX_TAPS];
};

static bool is_identity(const struct pare_nd_resize *r, int d)
{
    return r->in[d] == r->out[d] && r->scale[d] == 1 && r->coordinate != PARE_RESIZE_TF_CROP &&
           r->coordinate != PARE_RESIZE_TF_HALF_PIXEL_FOR_NN; /* is half a pixel off */
}

/* Where output position i lies in the input. */
static double coordinate(const struct pare_nd_resize *r, int d, int64_t i)
{
    double in = (double)r->in[d], scale = r->scale[d], x = (double)i;
    double out = scale * in; /* ONNX computes with the extent before rounding */

    switch (r->coordinate) {
    case PARE_RESIZE_HALF_PIXEL: break;
    case PARE_RESIZE_HALF_PIXEL_SYMMETRIC:
        return in / 2 * (1 - (double)r->out[d] / out) + (x + 0.5) / scale - 0.5;
    case PARE_RESIZE_PYTORCH_HALF_PIXEL:
        if (r->out[d] == 1)
            return 0;
        break;
    case PARE_RESIZE_ALIGN_CORNERS: return out == 1 ? 0 : x * (in - 1) / (out - 1);
    case PARE_RESIZE_ASYMMETRIC: return x / scale;
    case PARE_RESIZE_TF_HALF_PIXEL_FOR_NN: return (x + 0.5) / scale;
    case PARE_RESIZE_TF_CROP:
        if (out == 1)
            return 0.5 * (r->roi_begin[d] + r->roi_end[d]) * (in - 1);
        return (r->roi_begin[d] + x * (r->roi_end[d] - r->roi_begin[d]) / (out - 1)) * (in - 1);
    }
    return (x + 0.5) / scale - 0.5;
}

static int64_t nearest(const struct pare_nd_resize *r, double x)
{
    switch (r->nearest) {
    case PARE_RESIZE_ROUND_PREFER_FLOOR: return (int64_t)ceil(x - 0.5);
    case PARE_RESIZE_ROUND_PREFER_CEIL: return (int64_t)floor(x + 0.5);
    case PARE_RESIZE_FLOOR: return (int64_t)floor(x);
    case PARE_RESIZE_CEIL: return (int64_t)ceil(x);
    }
    return 0;
}

/* Keys' kernel (1981) at the four neighbours of a position that lies `t` behind the second. */
static void cubic_weights(double *w, double t, double a)
{
    double u = 1 - t;

    w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
    w[3] = ((a * (u + 1) - 5 * a) * (u + 1) + 8 * a) * (u + 1) - 4 * a;
}

static int64_t within(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static void find_taps(struct taps *taps, const struct pare_nd_resize *r, int d, int64_t i)
{
    double x = coordinate(r, d, i), below = floor(x), w[MAX_TAPS] = {1}, sum = 0;
    int64_t n = r->in[d], first = (int64_t)below;

    taps->n = 0;
    if (r->coordinate == PARE_RESIZE_TF_CROP && (x < 0 || x > (double)(n - 1)))
        return;
    switch (r->mode) {
    case PARE_RESIZE_NEAREST:
        taps->n = 1;
        first = nearest(r, x);
        break;
    case PARE_RESIZE_LINEAR:
        taps->n = 2;
        w[0] = 1 - (x - below);
        w[1] = x - below;
        break;
    case PARE_RESIZE_CUBIC:
        taps->n = 4;
        cubic_weights(w, x - below, r->cubic_a);
        first--;
        break;
    }
    for (int k = 0; k < taps->n; k++) {
        if (r->mode == PARE_RESIZE_CUBIC && r->exclude_outside && (first + k < 0 || first + k >= n))
            w[k] = 0;
        taps->at[k] = within(first + k, n);
        sum += w[k];
    }
    for (int k = 0; k < taps->n; k++)
        taps->weight[k] = (float)(r->exclude_outside ? w[k] / sum : w[k]);
}

PARE_CLONES static void add_row(float *y, const float *x, int64_t n, float weight, bool is_first)
{
    if (is_first)
        for (int64_t i = 0; i < n; i++)
            y[i] = weight * x[i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] += weight * x[i];
}

/* One dimension: [outer, n_in, inner] to [outer, n_out, inner]. */
static void resample(float *y, const float *x, int64_t outer, int64_t n_in, int64_t n_out,
                     int64_t inner, const struct taps *taps, float extrapolation)
{
    for (int64_t o = 0; o < outer; o++, x += n_in * inner)
        for (int64_t i = 0; i < n_out; i++, y += inner) {
            const struct taps *t = &taps[i];
            if (t->n == 1)
                memcpy(y, x + t->at[0] * inner, (size_t)inner * sizeof *y);
            for (int k = 0; t->n > 1 && k < t->n; k++)
                add_row(y, x + t->at[k] * inner, inner, t->weight[k], k == 0);
            for (int64_t j = 0; t->n == 0 && j < inner; j++)
                y[j] = extrapolation;
        }
}

static size_t up64(size_t n_bytes)
{
    return (n_bytes + 63) / 64 * 64;
}

/* Elements between two passes, at most, and the longest dimension. */
static void measure(const struct pare_nd_resize *r, int64_t *between, int64_t *longest)
{
    int64_t n = 1;

    *between = *longest = 0;
    for (int d = 0; d < r->n; d++)
        n *= r->in[d];
    for (int d = 0; d < r->n; d++) {
        if (is_identity(r, d))
            continue;
        n = n / r->in[d] * r->out[d];
        *between = n > *between ? n : *between;
        *longest = r->out[d] > *longest ? r->out[d] : *longest;
    }
}

size_t pare_nd_resize_work_bytes(const struct pare_nd_resize *r)
{
    int64_t between, longest;

    measure(r, &between, &longest);
    return up64((size_t)longest * sizeof(struct taps)) + 2 * up64((size_t)between * sizeof(float));
}

void pare_nd_resize_f32(float *y, const float *x, const struct pare_nd_resize *r, void *work)
{
    int64_t between, longest, n = 1, dims[PARE_MAX_DIMS];
    struct taps *taps = work;
    int last = -1;

    measure(r, &between, &longest);
    float *spare[2];
    spare[0] = (float *)(void *)((char *)work + up64((size_t)longest * sizeof *taps));
    spare[1] = (float *)(void *)((char *)spare[0] + up64((size_t)between * sizeof(float)));
    for (int d = 0; d < r->n; d++) {
        dims[d] = r->in[d];
        n *= r->in[d];
        if (!is_identity(r, d))
            last = d;
    }
    if (last < 0)
        memcpy(y, x, (size_t)n * sizeof *y);
    for (int d = 0; d <= last; d++) {
        int64_t outer = 1, inner = 1;
        float *to = d == last ? y : spare[x == spare[0]];

        if (is_identity(r, d))
            continue;
        for (int k = 0; k < d; k++)
            outer *= dims[k];
        for (int k = d + 1; k < r->n; k++)
            inner *= dims[k];
        for (int64_t i = 0; i < r->out[d]; i++)
            find_taps(&taps[i], r, d, i);
        resample(to, x, outer, r->in[d], r->out[d], inner, taps, (float)r->extrapolation);
        dims[d] = r->out[d];
        x = to;
    }
}
