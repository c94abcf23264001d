/* Numbers for people: the unit that suits a whole column, digits that the interval supports. */
#ifndef PARE_REPORT_FORMAT_H
#define PARE_REPORT_FORMAT_H

#include "base/text.h"
#include "report/dataset.h"

/* What a column is shown in: displayed = value * factor. */
struct pare_scale {
    double factor;
    const char *unit; /* "%", "KiB", "µs", "M", "" */
};

/* The scale for values between low and high (their magnitudes) of a metric with a stored unit:
 * fractions become per cent, bytes KiB or MiB, times µs, ms or s, large counts k, M or G. */
struct pare_scale pare_scale_choose(const char *metric, const char *unit, double low, double high);
/* For one column over some trials; `also` (may be NAN) joins them, e.g. a limit. */
struct pare_scale pare_scale_column(const struct pare_dataset *data, int metric,
                                    const struct pare_trial *const *trials, int64_t n, double also);

/* "91.3", with `interval` "91.3 ±0.5"; modeled: "~0.52"; unavailable: "-".  The half-width is the
 * longer side, rounded up to one digit (two when the first is 1), the value to the same place;
 * exact values have four significant digits, whole numbers below 100 000 all of theirs. */
void pare_value_text(struct pare_text *out, const struct pare_value *value, struct pare_scale scale,
                     bool interval);
/* "97.29 .. 98.94": both ends, with one digit more than the value has there. */
void pare_interval_text(struct pare_text *out, const struct pare_value *value,
                        struct pare_scale scale);
/* A bare number in a scale: four significant digits. */
void pare_number_text(struct pare_text *out, double value, struct pare_scale scale);
/* A number with its unit: "64 KiB", "0.8 ms", "1 %". */
void pare_quantity_text(struct pare_text *out, const char *metric, const char *unit, double value);
/* A value with interval, provenance and unit: "91.3 ±0.5 %". */
void pare_value_quantity(struct pare_text *out, const char *metric, const char *unit,
                         const struct pare_value *value);
/* "size_bytes <= 64 KiB" */
void pare_limit_text(struct pare_text *out, const struct pare_dataset *data,
                     const struct pare_limit *limit);
/* The unit stored with a metric, "" when no trial has it. */
const char *pare_metric_unit(const struct pare_dataset *data, int metric);

/* Columns that UTF-8 text takes on a terminal (every character is one wide). */
int pare_text_width(const char *s);
/* Adds at most `columns` of it, the last one "…" when it was cut. */
void pare_text_cut(struct pare_text *out, const char *s, int columns);

#endif
