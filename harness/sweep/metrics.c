#include "sweep/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void pare_metrics_clear(struct pare_metrics *metrics)
{
    for (int i = 0; i < metrics->n; i++) {
        free(metrics->items[i].name);
        free(metrics->items[i].note);
    }
    free(metrics->items);
    *metrics = (struct pare_metrics){0};
}

static struct pare_metric *find(const struct pare_metrics *metrics, const char *name)
{
    for (int i = 0; i < metrics->n; i++)
        if (strcmp(metrics->items[i].name, name) == 0)
            return &metrics->items[i];
    return NULL;
}

void pare_metrics_put(struct pare_metrics *metrics, const char *name, struct pare_interval value,
                      const char *unit, const char *provenance, const char *note)
{
    struct pare_metric *item = find(metrics, name);

    if (!item) {
        if (metrics->n == metrics->capacity) {
            metrics->capacity = metrics->capacity ? 2 * metrics->capacity : 16;
            metrics->items =
                pare_xrealloc(metrics->items, (size_t)metrics->capacity * sizeof *metrics->items);
        }
        item = &metrics->items[metrics->n++];
        item->name = pare_xstrdup(name);
    } else {
        free(item->note);
    }
    item->note = pare_xstrdup(note ? note : "");
    item->value = value.value;
    item->low = value.low;
    item->high = value.high;
    item->unit = unit;
    item->provenance = provenance;
}

void pare_metrics_count(struct pare_metrics *metrics, const char *name, double value,
                        const char *unit)
{
    pare_metrics_put(metrics, name, (struct pare_interval){value, NAN, NAN}, unit, "counted", NULL);
}

void pare_metrics_unavailable(struct pare_metrics *metrics, const char *name, const char *unit,
                              const char *why)
{
    pare_metrics_put(metrics, name, (struct pare_interval){NAN, NAN, NAN}, unit, "unavailable",
                     why);
}

void pare_metrics_copy(struct pare_metrics *to, const struct pare_metrics *from)
{
    for (int i = 0; i < from->n; i++) {
        const struct pare_metric *m = &from->items[i];

        pare_metrics_put(to, m->name, (struct pare_interval){m->value, m->low, m->high}, m->unit,
                         m->provenance, m->note);
    }
}

const struct pare_metric *pare_metrics_get(const struct pare_metrics *metrics, const char *name)
{
    return find(metrics, name);
}

double pare_metrics_value(const struct pare_metrics *metrics, const char *name)
{
    const struct pare_metric *item = find(metrics, name);

    return item ? item->value : NAN;
}

pare_status pare_metrics_save(const struct pare_metrics *metrics, struct pare_store *store,
                              int64_t trial, struct pare_error *err)
{
    for (int i = 0; i < metrics->n; i++) {
        const struct pare_metric *m = &metrics->items[i];
        const struct pare_metric_row row = {
            .trial = trial,
            .metric = m->name,
            .value = m->value,
            .low = m->low,
            .high = m->high,
            .unit = m->unit,
            .provenance = m->provenance,
            .note = m->note,
        };
        pare_status st = pare_store_put_metric(store, &row, err);

        if (st)
            return st;
    }
    return PARE_OK;
}

/* The literal that says the same: rows only lend their words. */
static const char *keep(const char *word)
{
    static const char *const words[] = {"1",  "B",      "ms",      "mJ",      "measured",
                                        "us", "cycles", "counted", "modeled", "unavailable"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return words[i];
    return "";
}

static void load_row(void *state, const struct pare_metric_row *row)
{
    pare_metrics_put(state, row->metric, (struct pare_interval){row->value, row->low, row->high},
                     keep(row->unit), keep(row->provenance), row->note);
}

void pare_metrics_load(struct pare_metrics *metrics, struct pare_store *store, int64_t trial)
{
    pare_store_each_metric(store, trial, load_row, metrics);
}
