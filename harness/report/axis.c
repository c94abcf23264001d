#include "report/axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "report/front.h"
#include "report/table.h"

enum { LOG_FROM = 8, FEWEST_TO_CUT = 12 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Finite values of a metric, in order; malloc'ed. */
static int64_t sorted_values(double **out, const struct pare_rows *rows, int metric, double factor)
{
    double *values = pare_xcalloc((size_t)rows->n + 1, sizeof *values);
    int64_t n = 0;

    for (int64_t i = 0; i < rows->n; i++) {
        double value = pare_trial_value(rows->trials[i], metric) * factor;

        if (isfinite(value))
            values[n++] = value;
    }
    qsort(values, (size_t)n, sizeof *values, by_value);
    *out = values;
    return n;
}

static double lowest(const struct pare_rows *rows, int metric, double factor)
{
    double least = INFINITY;

    for (int64_t i = 0; i < rows->n; i++) {
        double value = pare_trial_value(rows->trials[i], metric) * factor;

        if (value < least)
            least = value;
    }
    return least;
}

/* Where the axis begins: the least value, or the least one that is not astray. */
static double first_shown(const double *values, int64_t n, double least_kept)
{
    double q1, q3, fence;
    int64_t i = 0;

    if (n < FEWEST_TO_CUT)
        return values[0];
    q1 = values[n / 4];
    q3 = values[3 * n / 4];
    fence = fmin(q1 - 1.5 * (q3 - q1), least_kept);
    while (values[i] < fence)
        i++;
    return values[i];
}

/* Widens the range to hold `value` too, unless it were more than twice that of the data. */
static void stretch(struct pare_axis *axis, double data_low, double data_high, double value)
{
    double low = axis->low, high = axis->high, reach;

    if (isnan(value) || (axis->is_log && value <= 0) || (value >= low && value <= high))
        return;
    low = fmin(low, value);
    high = fmax(high, value);
    reach = axis->is_log ? log(high / low) / log(data_high / data_low)
                         : (high - low) / (data_high - data_low);
    if (reach <= 2) {
        axis->low = low;
        axis->high = high;
    }
}

static void add_margin(struct pare_axis *axis)
{
    double span;

    if (axis->low == axis->high) { /* one point: some room around it */
        span = axis->low != 0 ? 0.1 * fabs(axis->low) : 1;
        axis->low -= span;
        axis->high += span;
    }
    if (axis->is_log) {
        double factor = pow(axis->high / axis->low, 0.06);

        axis->low /= factor;
        axis->high *= factor;
    } else {
        span = 0.06 * (axis->high - axis->low);
        /* Costs do not go below 0; what stands at 0 must not stand on the frame. */
        if (axis->low == 0)
            axis->low = -span / 2;
        else
            axis->low -= axis->low > 0 && axis->low < span ? axis->low : span;
        axis->high += span;
    }
}

void pare_axis_fit(struct pare_axis *axis, const struct pare_dataset *data, int metric,
                   const struct pare_rows *rows, const struct pare_rows *keep, double limit,
                   bool may_cut)
{
    double *values;
    int64_t n;

    *axis = (struct pare_axis){.metric = metric, .low = 0, .high = 1};
    axis->scale = pare_scale_column(data, metric, rows->trials, rows->n, NAN);
    n = sorted_values(&values, rows, metric, axis->scale.factor);
    if (n > 0) {
        axis->low =
            may_cut ? first_shown(values, n, lowest(keep, metric, axis->scale.factor)) : values[0];
        axis->high = values[n - 1];
        while (axis->n_below < n && values[axis->n_below] < axis->low)
            axis->n_below++;
        axis->is_log = axis->low > 0 && axis->high / axis->low > LOG_FROM;
    }
    free(values);
    if (axis->low < axis->high) {
        double low = axis->low, high = axis->high;

        stretch(axis, low, high, limit * axis->scale.factor);
        for (int64_t i = 0; i < keep->n; i++) { /* whiskers end inside */
            const struct pare_value *value = &keep->trials[i]->values[metric];

            stretch(axis, low, high, pare_value_low(value) * axis->scale.factor);
            stretch(axis, low, high, pare_value_high(value) * axis->scale.factor);
        }
    }
    add_margin(axis);
}

void pare_axis_title(struct pare_text *out, const struct pare_axis *axis,
                     const struct pare_dataset *data)
{
    const char *metric = data->metrics[axis->metric];
    struct pare_text head = {0};

    if (strcmp(metric, "accuracy") == 0) {
        pare_text_add(out, "validation accuracy");
    } else if (strcmp(metric, "accuracy_test") == 0) {
        pare_text_add(out, "test accuracy");
    } else {
        pare_metric_head(&head, metric);
        for (const char *c = head.s; *c; c++)
            pare_text_add(out, *c == '_' ? " " : *c == '@' ? " on " : (char[2]){*c, '\0'});
        pare_text_clear(&head);
    }
    if (axis->scale.unit[0])
        pare_text_printf(out, " (%s)", axis->scale.unit);
}

void pare_axis_ticks(struct pare_text *out, const struct pare_axis *axis)
{
    static const double decimal[] = {1, 2, 5};
    bool binary = strchr(axis->scale.unit, 'B') != NULL;
    const char *comma = "";

    pare_text_add(out, "(");
    if (binary) {
        int first = (int)ceil(log2(axis->low)), last = (int)floor(log2(axis->high));
        int step = (last - first) / 8 + 1;

        for (int e = first; e <= last; e++)
            if ((e % step + step) % step == 0) {
                pare_text_printf(out, "%s%.6g", comma, exp2(e));
                comma = ", ";
            }
    } else {
        int first = (int)floor(log10(axis->low)), last = (int)ceil(log10(axis->high));
        /* over many decades: powers of ten alone */
        int every = axis->high / axis->low > 1e4 ? 3 : 1;

        for (int e = first; e <= last; e++)
            for (int i = 0; i < 3; i += every) {
                double tick = decimal[i] * pow(10, e);

                if (tick < axis->low || tick > axis->high)
                    continue;
                pare_text_printf(out, "%s%.6g", comma, tick);
                comma = ", ";
            }
    }
    pare_text_add(out, ")");
}
