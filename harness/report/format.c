#include "report/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool ends_with(const char *s, const char *ending)
{
    size_t n = strlen(s), m = strlen(ending);

    return n >= m && strcmp(s + n - m, ending) == 0;
}

/* Fractions that people say in per cent; ratios and densities stay as they are. */
static bool is_percentage(const char *metric, const char *unit)
{
    return (!unit[0] || strcmp(unit, "1") == 0) &&
           (strncmp(metric, "accuracy", 8) == 0 || strncmp(metric, "sparsity", 8) == 0);
}

struct pare_scale pare_scale_choose(const char *metric, const char *unit, double low, double high)
{
    if (is_percentage(metric, unit))
        return (struct pare_scale){100, "%"};
    if (strcmp(unit, "B") == 0) {
        if (low >= 1 << 20)
            return (struct pare_scale){1.0 / (1 << 20), "MiB"};
        if (high >= 1 << 10)
            return (struct pare_scale){1.0 / (1 << 10), "KiB"};
        return (struct pare_scale){1, "B"};
    }
    if (strcmp(unit, "ms") == 0) {
        if (high < 1)
            return (struct pare_scale){1000, "µs"};
        if (low >= 1000)
            return (struct pare_scale){0.001, "s"};
        return (struct pare_scale){1, "ms"};
    }
    if (strcmp(unit, "mJ") == 0) {
        if (high < 1)
            return (struct pare_scale){1000, "µJ"};
        return (struct pare_scale){1, "mJ"};
    }
    if (!unit[0] || strcmp(unit, "1") == 0) { /* counts */
        if (low >= 1e9)
            return (struct pare_scale){1e-9, "G"};
        if (low >= 1e6 || (high >= 1e7 && low >= 1e4))
            return (struct pare_scale){1e-6, "M"};
        if (high >= 1e5)
            return (struct pare_scale){1e-3, "k"};
        return (struct pare_scale){1, ""};
    }
    return (struct pare_scale){1, unit};
}

struct pare_scale pare_scale_column(const struct pare_dataset *data, int metric,
                                    const struct pare_trial *const *trials, int64_t n, double also)
{
    double low = INFINITY, high = 0;

    if (metric < 0)
        return (struct pare_scale){1, ""};
    for (int64_t i = -1; i < n; i++) {
        double value = fabs(i < 0 ? also : trials[i]->values[metric].value);

        if (isnan(value) || value == 0)
            continue;
        low = fmin(low, value);
        high = fmax(high, value);
    }
    return pare_scale_choose(data->metrics[metric], data->units[metric], low, high);
}

/* Four significant digits, without the zeros behind a point. */
static void add_number(struct pare_text *out, double x)
{
    char text[64];
    int decimals;

    if (x == rint(x) && fabs(x) < 1e5) {
        pare_text_printf(out, "%.0f", x + 0.0); /* no -0 */
        return;
    }
    if (fabs(x) >= 1e6 || fabs(x) < 1e-3) {
        pare_text_printf(out, "%.3e", x);
        return;
    }
    decimals = 3 - (int)floor(log10(fabs(x)));
    snprintf(text, sizeof text, "%.*f", decimals > 0 ? decimals : 0, x);
    if (strchr(text, '.')) {
        size_t n = strlen(text);

        while (text[n - 1] == '0')
            n--;
        text[text[n - 1] == '.' ? n - 1 : n] = '\0';
    }
    pare_text_add(out, text);
}

void pare_number_text(struct pare_text *out, double value, struct pare_scale scale)
{
    if (isnan(value))
        pare_text_add(out, "-");
    else
        add_number(out, value * scale.factor);
}

/* The longer side of the interval, in the scale; NAN or 0: exact. */
static double half_width(const struct pare_value *value, struct pare_scale scale)
{
    return fmax(value->high - value->value, value->value - value->low) * scale.factor;
}

/* Digits behind the point so that a half-width has one, two when the first is 1. */
static int decimals_for(double half)
{
    int decimals = -(int)floor(log10(half));

    if (half * pow(10, decimals) < 1.95)
        decimals++;
    return decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
}

void pare_value_text(struct pare_text *out, const struct pare_value *value, struct pare_scale scale,
                     bool interval)
{
    double half = half_width(value, scale), x = value->value * scale.factor;
    int decimals;

    if (isnan(value->value)) {
        pare_text_add(out, "-");
        return;
    }
    if (value->provenance == PARE_MODELED)
        pare_text_add(out, "~");
    if (isnan(half) || half <= 0) {
        add_number(out, x);
        return;
    }
    decimals = decimals_for(half);
    half = ceil(half * pow(10, decimals) - 1e-9) / pow(10, decimals);
    pare_text_printf(out, "%.*f", decimals, x);
    if (interval)
        pare_text_printf(out, " ±%.*f", decimals, half);
}

void pare_interval_text(struct pare_text *out, const struct pare_value *value,
                        struct pare_scale scale)
{
    double half = half_width(value, scale);
    int decimals = half > 0 ? decimals_for(half) + 1 : 3;

    pare_text_printf(out, "%.*f .. %.*f", decimals, value->low * scale.factor, decimals,
                     value->high * scale.factor);
}

void pare_quantity_text(struct pare_text *out, const char *metric, const char *unit, double value)
{
    struct pare_scale scale = pare_scale_choose(metric, unit, fabs(value), fabs(value));

    pare_number_text(out, value, scale);
    if (scale.unit[0])
        pare_text_printf(out, " %s", scale.unit);
}

void pare_value_quantity(struct pare_text *out, const char *metric, const char *unit,
                         const struct pare_value *value)
{
    struct pare_scale scale =
        pare_scale_choose(metric, unit, fabs(value->value), fabs(value->value));

    pare_value_text(out, value, scale, true);
    if (!isnan(value->value) && scale.unit[0])
        pare_text_printf(out, " %s", scale.unit);
}

const char *pare_metric_unit(const struct pare_dataset *data, int metric)
{
    return metric < 0 ? "" : data->units[metric];
}

void pare_limit_text(struct pare_text *out, const struct pare_dataset *data,
                     const struct pare_limit *limit)
{
    const char *unit = pare_metric_unit(data, limit->metric);

    if (!unit[0] && ends_with(limit->name, "_bytes"))
        unit = "B"; /* a budget may name what no trial has yet */
    pare_text_printf(out, "%s %s ", limit->name, limit->at_least ? ">=" : "<=");
    pare_quantity_text(out, limit->name, unit, limit->limit);
}

int pare_text_width(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void pare_text_cut(struct pare_text *out, const char *s, int columns)
{
    const char *end = s;

    if (pare_text_width(s) <= columns) {
        pare_text_add(out, s);
        return;
    }
    for (int n = 0; *end; end++)
        if (((unsigned char)*end & 0xc0) != 0x80 && ++n == columns)
            break;
    pare_text_add_n(out, s, (size_t)(end - s));
    if (columns > 0)
        pare_text_add(out, "…");
}
