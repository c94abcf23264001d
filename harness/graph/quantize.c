#include <pare/quantize.h>

#include <math.h>
#include <string.h>

#include "base/arena.h"

/* The search of a smaller range stops at this share of the full one; with clipping beyond 80 % no
 * distribution that trains gains anything. */
enum { SHRINK_STEPS = 80 };

void pare_observer_range(struct pare_observer *observer, const float *x, int64_t n)
{
    if (n <= 0)
        return;
    if (observer->n == 0)
        observer->low = observer->high = x[0];
    float low = observer->low, high = observer->high;
    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    observer->low = low;
    observer->high = high;
    observer->n += n;
}

static double bin_width(const struct pare_observer *observer)
{
    return ((double)observer->high - observer->low) / PARE_OBSERVER_BINS;
}

void pare_observer_count(struct pare_observer *observer, const float *x, int64_t n)
{
    double width = bin_width(observer);

    for (int64_t i = 0; i < n; i++) {
        int64_t bin = width > 0 ? (int64_t)(((double)x[i] - observer->low) / width) : 0;
        bin = bin < 0 ? 0 : bin >= PARE_OBSERVER_BINS ? PARE_OBSERVER_BINS - 1 : bin;
        observer->counts[bin]++;
    }
}

int32_t pare_quant_min(const struct pare_quant *quant)
{
    return quant->is_signed ? -((1 << (quant->bits - 1)) - 1) : 0;
}

int32_t pare_quant_max(const struct pare_quant *quant)
{
    return quant->is_signed ? (1 << (quant->bits - 1)) - 1 : (1 << quant->bits) - 1;
}

int32_t pare_quantize(const struct pare_quant *quant, float x)
{
    /* The clamp comes before the conversion: a huge x must saturate, not overflow. */
    float q = nearbyintf(x / quant->scale) + (float)quant->zero;
    float low = (float)pare_quant_min(quant), high = (float)pare_quant_max(quant);

    return (int32_t)(q < low ? low : q > high ? high : q);
}

float pare_dequantize(const struct pare_quant *quant, int32_t q)
{
    return (float)(q - quant->zero) * quant->scale;
}

struct pare_quant pare_quant_from_range(float low, float high, int bits, bool is_symmetric)
{
    struct pare_quant quant = {.bits = bits, .is_signed = is_symmetric, .scale = 1};

    low = fminf(low, 0);
    high = fmaxf(high, 0);
    float span = is_symmetric ? fmaxf(-low, high) : high - low;
    int32_t levels = pare_quant_max(&quant);
    /* A constant zero has no range; any scale represents it. */
    if (span / (float)levels < 1e-30f)
        return quant;
    quant.scale = span / (float)levels;
    if (!is_symmetric) {
        float zero = -nearbyintf(low / quant.scale);
        quant.zero = (int32_t)fminf(zero, (float)levels);
    }
    return quant;
}

/* Cuts (1 - percentile/100) of the values: at the upper end when the data has one sign, half of it
 * at each end otherwise. */
static void percentile_range(const struct pare_observer *observer, double percentile, float *low,
                             float *high)
{
    bool is_two_sided = observer->low < 0 && observer->high > 0;
    double cut = (1 - percentile / 100) * (double)observer->n / (is_two_sided ? 2 : 1);
    double width = bin_width(observer);
    int first = 0, last = PARE_OBSERVER_BINS - 1;
    double below = 0, above = 0;

    if (observer->low < 0)
        while (first < last && below + (double)observer->counts[first] <= cut)
            below += (double)observer->counts[first++];
    if (observer->high > 0)
        while (last > first && above + (double)observer->counts[last] <= cut)
            above += (double)observer->counts[last--];
    *low = first == 0 ? observer->low : (float)(observer->low + width * first);
    *high = last == PARE_OBSERVER_BINS - 1 ? observer->high
                                           : (float)(observer->low + width * (last + 1));
}

static double histogram_error(const struct pare_observer *observer, const struct pare_quant *quant)
{
    double width = bin_width(observer), error = 0;

    for (int i = 0; i < PARE_OBSERVER_BINS; i++) {
        if (observer->counts[i] == 0)
            continue;
        float centre = (float)(observer->low + width * (i + 0.5));
        double e = (double)centre - pare_dequantize(quant, pare_quantize(quant, centre));
        error += (double)observer->counts[i] * e * e;
    }
    return error;
}

struct pare_quant pare_observer_quant(const struct pare_observer *observer, int bits,
                                      bool is_symmetric, enum pare_calibrator calibrator,
                                      double percentile)
{
    float low = observer->low, high = observer->high;
    struct pare_quant best = pare_quant_from_range(low, high, bits, is_symmetric);
    double best_error;

    switch (calibrator) {
    case PARE_CALIBRATE_MINMAX: break;
    case PARE_CALIBRATE_PERCENTILE:
        percentile_range(observer, percentile, &low, &high);
        best = pare_quant_from_range(low, high, bits, is_symmetric);
        break;
    case PARE_CALIBRATE_MSE:
        best_error = histogram_error(observer, &best);
        for (int i = 1; i <= SHRINK_STEPS; i++) {
            float share = 1 - 0.01f * (float)i;
            struct pare_quant quant =
                pare_quant_from_range(low * share, high * share, bits, is_symmetric);
            double error = histogram_error(observer, &quant);
            if (error < best_error) {
                best_error = error;
                best = quant;
            }
        }
        break;
    }
    return best;
}

static double row_error(const float *w, int64_t n, const struct pare_quant *quant)
{
    double error = 0;

    for (int64_t i = 0; i < n; i++) {
        double e = (double)w[i] - pare_dequantize(quant, pare_quantize(quant, w[i]));
        error += e * e;
    }
    return error;
}

/* Quantizes n weights that share one scale; returns the scale. */
static float quantize_row(float *w, int64_t n, int bits, bool mse)
{
    float largest = 0;

    for (int64_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(w[i]));
    struct pare_quant best = pare_quant_from_range(-largest, largest, bits, true);
    if (mse && largest > 0) {
        double best_error = row_error(w, n, &best);
        for (int i = 1; i <= SHRINK_STEPS; i++) {
            float share = largest * (1 - 0.01f * (float)i);
            struct pare_quant quant = pare_quant_from_range(-share, share, bits, true);
            double error = row_error(w, n, &quant);
            if (error < best_error) {
                best_error = error;
                best = quant;
            }
        }
    }
    for (int64_t i = 0; i < n; i++)
        w[i] = pare_dequantize(&best, pare_quantize(&best, w[i]));
    return best.scale;
}

pare_status pare_quantize_weight(struct pare_graph *graph, struct pare_value *weight, int bits,
                                 int axis, bool mse, struct pare_error *err)
{
    pare_status st = pare_value_own_data(weight, err);
    if (st)
        return st;
    int64_t n_elems = pare_tensor_elems(weight->data);
    int64_t n_scales = axis == 0 ? weight->data->shape.dims[0] : 1;
    int64_t per_scale = n_elems / n_scales;
    float *w = pare_tensor_f32(weight->data);
    float *scales = PARE_ARENA_NEW(graph->arena, float, n_scales);

    for (int64_t i = 0; i < n_elems; i++)
        if (!isfinite(w[i]))
            return pare_fail(err, PARE_ENUMERIC, "weight '%s': element %lld is not finite",
                             weight->name, (long long)i);
    for (int64_t r = 0; r < n_scales; r++)
        scales[r] = quantize_row(w + r * per_scale, per_scale, bits, mse);
    weight->coding = (struct pare_coding){.bits = bits,
                                          .is_symmetric = true,
                                          .axis = axis,
                                          .n_scales = n_scales,
                                          .scales = scales,
                                          .is_sparse = weight->coding.is_sparse};
    return PARE_OK;
}
