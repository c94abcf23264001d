#include "kernel/nd_window.h"

#include <math.h>

#include "kernel/blas.h"

/* Columns that are computed together: the matrix of patches stays in a core's cache. */
enum { MAX_COLUMNS = 1024, MAX_WORK_ELEMS = 1 << 18 };

static int64_t product(const int64_t *extents, int n)
{
    int64_t elems = 1;

    for (int d = 0; d < n; d++)
        elems *= extents[d];
    return elems;
}

/* Counts up `index`; false when it is back at zero. */
static bool next(int64_t *index, const int64_t *extents, int n)
{
    for (int d = n - 1; d >= 0; d--) {
        if (++index[d] < extents[d])
            return true;
        index[d] = 0;
    }
    return false;
}

static void set_index(int64_t *index, int64_t at, const int64_t *extents, int n)
{
    for (int d = n - 1; d >= 0; d--) {
        index[d] = at % extents[d];
        at /= extents[d];
    }
}

/* Where tap `tap` of the window at `place` lies in an image of `extents`; -1: outside. */
static int64_t meet(const struct pare_nd_window *w, const int64_t *place, const int64_t *tap,
                    const int64_t *extents)
{
    int64_t at = 0;

    for (int d = 0; d < w->n; d++) {
        int64_t i = place[d] * w->stride[d] + tap[d] * w->dilation[d] - w->pad_begin[d];
        if (i < 0 || i >= extents[d])
            return -1;
        at = at * extents[d] + i;
    }
    return at;
}

/* Row (channel, tap) and column (window) of the matrix of patches, for windows first .. first + n-1.
 * Reading: columns from the image; writing: the columns are added to it. */
static void patches(float *columns, float *image, const struct pare_nd_window *w,
                    const int64_t *places, const int64_t *extents, int64_t n_channels,
                    int64_t first, int64_t n, bool adds)
{
    int64_t n_image = product(extents, w->n), tap[PARE_MAX_SPATIAL] = {0};
    int64_t n_taps = product(w->kernel, w->n), place[PARE_MAX_SPATIAL];

    for (int64_t t = 0; t < n_taps; t++) {
        set_index(place, first, places, w->n);
        for (int64_t i = 0; i < n; i++) {
            int64_t at = meet(w, place, tap, extents);
            float *column = columns + t * n + i;

            for (int64_t c = 0; c < n_channels; c++) {
                if (adds && at >= 0)
                    image[c * n_image + at] += column[c * n_taps * n];
                else if (!adds)
                    column[c * n_taps * n] = at >= 0 ? image[c * n_image + at] : 0;
            }
            next(place, places, w->n);
        }
        next(tap, w->kernel, w->n);
    }
}

/* Windows at a time when each has n_rows entries. */
static int64_t columns_of(int64_t n_rows, int64_t n_places)
{
    int64_t n = MAX_WORK_ELEMS / n_rows;

    n = n < 16 ? 16 : n > MAX_COLUMNS ? MAX_COLUMNS : n;
    return n < n_places ? n : n_places;
}

size_t pare_nd_window_work_bytes(const struct pare_nd_window *w, bool is_transposed)
{
    int64_t n_rows = (is_transposed ? w->M : w->C) / w->group * product(w->kernel, w->n);

    return (size_t)(n_rows * columns_of(n_rows, product(is_transposed ? w->in : w->out, w->n))) *
           sizeof(float);
}

static void set_bias(float *y, const float *bias, int64_t M, int64_t n)
{
    for (int64_t m = 0; m < M; m++)
        for (int64_t i = 0; i < n; i++)
            y[m * n + i] = bias ? bias[m] : 0;
}

void pare_nd_conv_f32(float *y, const float *x, const float *weight, const float *bias,
                      const struct pare_nd_window *w, void *work)
{
    int64_t n_in = product(w->in, w->n), n_out = product(w->out, w->n);
    int64_t in_group = w->C / w->group, out_group = w->M / w->group;
    int64_t n_rows = in_group * product(w->kernel, w->n), most = columns_of(n_rows, n_out);

    set_bias(y, bias, w->M, n_out);
    for (int64_t g = 0; g < w->group; g++)
        for (int64_t first = 0; first < n_out; first += most) {
            int64_t n = n_out - first < most ? n_out - first : most;

            patches(work, (float *)(uintptr_t)x + g * in_group * n_in, w, w->out, w->in, in_group,
                    first, n, false);
            pare_gemm_f32(false, false, out_group, n, n_rows, weight + g * out_group * n_rows,
                          n_rows, work, n, 1, y + g * out_group * n_out + first, n_out);
        }
}

void pare_nd_conv_transpose_f32(float *y, const float *x, const float *weight, const float *bias,
                                const struct pare_nd_window *w, void *work)
{
    int64_t n_in = product(w->in, w->n), n_out = product(w->out, w->n);
    int64_t in_group = w->C / w->group, out_group = w->M / w->group;
    int64_t n_rows = out_group * product(w->kernel, w->n), most = columns_of(n_rows, n_in);

    set_bias(y, bias, w->M, n_out);
    for (int64_t g = 0; g < w->group; g++)
        for (int64_t first = 0; first < n_in; first += most) {
            int64_t n = n_in - first < most ? n_in - first : most;

            pare_gemm_f32(true, false, n_rows, n, in_group, weight + g * in_group * n_rows, n_rows,
                          x + g * in_group * n_in + first, n_in, 0, work, n);
            patches(work, y + g * out_group * n_out, w, w->in, w->out, out_group, first, n, true);
        }
}

void pare_nd_conv_f32_ref(float *y, const float *x, const float *weight, const float *bias,
                          const struct pare_nd_window *w)
{
    int64_t n_in = product(w->in, w->n), n_out = product(w->out, w->n);
    int64_t n_taps = product(w->kernel, w->n);
    int64_t in_group = w->C / w->group, out_group = w->M / w->group;

    for (int64_t m = 0; m < w->M; m++) {
        int64_t place[PARE_MAX_SPATIAL] = {0};

        for (int64_t i = 0; i < n_out; i++) {
            const float *from = x + m / out_group * in_group * n_in;
            const float *by = weight + m * in_group * n_taps;
            int64_t tap[PARE_MAX_SPATIAL] = {0};
            double sum = bias ? (double)bias[m] : 0;

            for (int64_t t = 0; t < n_taps; t++) {
                int64_t at = meet(w, place, tap, w->in);
                for (int64_t c = 0; at >= 0 && c < in_group; c++)
                    sum += (double)from[c * n_in + at] * (double)by[c * n_taps + t];
                next(tap, w->kernel, w->n);
            }
            y[m * n_out + i] = (float)sum;
            next(place, w->out, w->n);
        }
    }
}

void pare_nd_conv_transpose_f32_ref(float *y, const float *x, const float *weight,
                                    const float *bias, const struct pare_nd_window *w)
{
    int64_t n_in = product(w->in, w->n), n_out = product(w->out, w->n);
    int64_t n_taps = product(w->kernel, w->n), place[PARE_MAX_SPATIAL] = {0};
    int64_t in_group = w->C / w->group, out_group = w->M / w->group;

    set_bias(y, bias, w->M, n_out);
    for (int64_t i = 0; i < n_in; i++) {
        int64_t tap[PARE_MAX_SPATIAL] = {0};

        for (int64_t t = 0; t < n_taps; t++) {
            int64_t at = meet(w, place, tap, w->out);
            for (int64_t m = 0; at >= 0 && m < w->M; m++) {
                int64_t first = m / out_group * in_group;
                double sum = 0;
                for (int64_t c = first; c < first + in_group; c++)
                    sum += (double)x[c * n_in + i] *
                           (double)weight[(c * out_group + m % out_group) * n_taps + t];
                y[m * n_out + at] += (float)sum;
            }
            next(tap, w->kernel, w->n);
        }
        next(place, w->in, w->n);
    }
}

void pare_nd_maxpool_f32(float *y, int64_t *indices, const float *x, const struct pare_nd_window *w,
                         int64_t first)
{
    int64_t n_in = product(w->in, w->n), n_out = product(w->out, w->n);
    int64_t n_taps = product(w->kernel, w->n);

    for (int64_t c = 0; c < w->C; c++, x += n_in, first += n_in) {
        int64_t place[PARE_MAX_SPATIAL] = {0};

        for (int64_t i = 0; i < n_out; i++) {
            int64_t tap[PARE_MAX_SPATIAL] = {0}, best = -1;

            for (int64_t t = 0; t < n_taps; t++) {
                int64_t at = meet(w, place, tap, w->in);
                if (at >= 0 && (best < 0 || x[at] > x[best] || isnan(x[at])))
                    best = at;
                next(tap, w->kernel, w->n);
            }
            *y++ = best < 0 ? -INFINITY : x[best];
            if (indices)
                *indices++ = first + best;
            next(place, w->out, w->n);
        }
    }
}

/* Taps inside the input and its padding: those that ceil_mode hangs over the end do not count. */
static int64_t n_padded_taps(const struct pare_nd_window *w, const int64_t *place)
{
    int64_t n = 1;

    for (int d = 0; d < w->n; d++) {
        int64_t room = w->in[d] + w->pad_begin[d] + w->pad_end[d] - place[d] * w->stride[d];
        int64_t fits = (room + w->dilation[d] - 1) / w->dilation[d];
        n *= fits < w->kernel[d] ? fits : w->kernel[d];
    }
    return n;
}

void pare_nd_avgpool_f32(float *y, const float *x, const struct pare_nd_window *w)
{
    int64_t n_in = product(w->in, w->n), n_out = product(w->out, w->n);
    int64_t n_taps = product(w->kernel, w->n);

    for (int64_t c = 0; c < w->C; c++, x += n_in) {
        int64_t place[PARE_MAX_SPATIAL] = {0};

        for (int64_t i = 0; i < n_out; i++) {
            int64_t tap[PARE_MAX_SPATIAL] = {0}, n = 0;
            double sum = 0;

            for (int64_t t = 0; t < n_taps; t++) {
                int64_t at = meet(w, place, tap, w->in);
                if (at >= 0) {
                    sum += (double)x[at];
                    n++;
                }
                next(tap, w->kernel, w->n);
            }
            n = w->count_include_pad ? n_padded_taps(w, place) : n;
            *y++ = n > 0 ? (float)(sum / (double)n) : 0;
            next(place, w->out, w->n);
        }
    }
}
