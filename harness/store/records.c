/* Metrics, samples, correctness bits and layer profiles. */
#include "store/records.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* ---- metrics ---- */

pare_status pare_store_put_metric(struct pare_store *store, const struct pare_metric_row *row,
                                  struct pare_error *err)
{
    return pare_db_run(
        &store->db, err,
        "INSERT INTO metrics (trial, metric, value, low, high, unit, provenance, note)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (trial, metric) DO UPDATE SET"
        " value = excluded.value, low = excluded.low, high = excluded.high, unit = excluded.unit,"
        " provenance = excluded.provenance, note = excluded.note",
        "itdddttt", row->trial, row->metric, row->value, row->low, row->high, row->unit,
        row->provenance, row->note);
}

#define METRIC_COLUMNS "trial, value, low, high, metric, unit, provenance, note"

bool pare_store_get_metric(struct pare_store *store, int64_t trial, const char *metric,
                           struct pare_metric_row *row)
{
    sqlite3_stmt *q = pare_db_query(
        &store->db, "SELECT " METRIC_COLUMNS " FROM metrics WHERE trial = ?1 AND metric = ?2", "it",
        trial, metric);
    bool found = pare_db_row(&store->db, q);

    if (found) {
        row->trial = sqlite3_column_int64(q, 0);
        row->value = pare_db_f64(q, 1);
        row->low = pare_db_f64(q, 2);
        row->high = pare_db_f64(q, 3);
        pare_db_lend(
            &store->metric_text, q, 4, 4,
            (const char **const[]){&row->metric, &row->unit, &row->provenance, &row->note});
    }
    pare_db_reset(q);
    return found;
}

void pare_store_each_metric(struct pare_store *store, int64_t trial,
                            void (*fn)(void *state, const struct pare_metric_row *row), void *state)
{
    sqlite3_stmt *q =
        pare_db_query_own(&store->db,
                          "SELECT " METRIC_COLUMNS " FROM metrics WHERE ?1 < 0 OR trial = ?1"
                          " ORDER BY trial, metric",
                          "i", trial);

    while (pare_db_row(&store->db, q)) {
        struct pare_metric_row row = {
            .trial = sqlite3_column_int64(q, 0),
            .value = pare_db_f64(q, 1),
            .low = pare_db_f64(q, 2),
            .high = pare_db_f64(q, 3),
            .metric = pare_db_text(q, 4),
            .unit = pare_db_text(q, 5),
            .provenance = pare_db_text(q, 6),
            .note = pare_db_text(q, 7),
        };
        fn(state, &row);
    }
    sqlite3_finalize(q);
}

/* By the first trial that has it, then by the order within that trial: workers that finish in
 * another order do not change it. */
int pare_store_metric_names(struct pare_store *store, char ***out)
{
    sqlite3_stmt *q = pare_db_query(&store->db,
                                    "SELECT m.metric FROM metrics m JOIN"
                                    " (SELECT metric, min(trial) AS trial FROM metrics"
                                    " GROUP BY metric) f USING (metric, trial)"
                                    " ORDER BY m.trial, m.id",
                                    "");
    char **names = NULL;
    int n = 0;

    while (pare_db_row(&store->db, q)) {
        names = pare_xrealloc(names, (size_t)(n + 1) * sizeof *names);
        names[n++] = pare_xstrdup(pare_db_text(q, 0));
    }
    *out = names;
    return n;
}

/* ---- samples ---- */

static void swap_f64(double *to, const void *from, int64_t n)
{
    uint64_t word;

    for (int64_t i = 0; i < n; i++) {
        memcpy(&word, (const char *)from + 8 * i, 8);
        word = htole64(word);
        memcpy(to + i, &word, 8);
    }
}

pare_status pare_store_put_samples(struct pare_store *store, int64_t trial, const char *metric,
                                   const double *samples, int64_t n, struct pare_error *err)
{
    double *stored = pare_xcalloc((size_t)n + 1, sizeof *stored);
    pare_status st;

    swap_f64(stored, samples, n);
    st = pare_db_run(&store->db, err,
                     "INSERT OR REPLACE INTO samples (trial, metric, f64_le) VALUES (?1, ?2, ?3)",
                     "itb", trial, metric, (const void *)stored, 8 * n);
    free(stored);
    return st;
}

int64_t pare_store_get_samples(struct pare_store *store, int64_t trial, const char *metric,
                               double **samples)
{
    sqlite3_stmt *q =
        pare_db_query(&store->db, "SELECT f64_le FROM samples WHERE trial = ?1 AND metric = ?2",
                      "it", trial, metric);
    int64_t n = 0;

    *samples = NULL;
    if (pare_db_row(&store->db, q)) {
        const void *blob = sqlite3_column_blob(q, 0);

        n = sqlite3_column_bytes(q, 0) / 8;
        if (n > 0) {
            *samples = pare_xcalloc((size_t)n, sizeof **samples);
            swap_f64(*samples, blob, n);
        }
    }
    pare_db_reset(q);
    return n;
}

/* ---- bits ---- */

pare_status pare_store_put_bits(struct pare_store *store, int64_t trial, const char *split,
                                const uint8_t *bits, int64_t n_samples, struct pare_error *err)
{
    return pare_db_run(
        &store->db, err,
        "INSERT OR REPLACE INTO bits (trial, split, n_samples, bits) VALUES (?1, ?2, ?3, ?4)",
        "itib", trial, split, n_samples, (const void *)bits, (n_samples + 7) / 8);
}

int64_t pare_store_get_bits(struct pare_store *store, int64_t trial, const char *split,
                            uint8_t **bits)
{
    sqlite3_stmt *q = pare_db_query(
        &store->db, "SELECT n_samples, bits FROM bits WHERE trial = ?1 AND split = ?2", "it", trial,
        split);
    int64_t n = 0;

    *bits = NULL;
    if (pare_db_row(&store->db, q)) {
        const void *blob = sqlite3_column_blob(q, 1);
        int64_t n_bytes = sqlite3_column_bytes(q, 1);

        n = sqlite3_column_int64(q, 0);
        if (n > 0 && (n - 1) / 8 + 1 == n_bytes) {
            *bits = pare_xcalloc((size_t)n_bytes, 1);
            memcpy(*bits, blob, (size_t)n_bytes);
        } else {
            n = 0;
        }
    }
    pare_db_reset(q);
    return n;
}

/* ---- layers ---- */

pare_status pare_store_put_layer(struct pare_store *store, const struct pare_layer_row *row,
                                 struct pare_error *err)
{
    return pare_db_run(&store->db, err,
                       "INSERT OR REPLACE INTO layers (trial, layer, name, op, kernel, macs,"
                       " weight_bytes, time_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                       "iitttiid", row->trial, (int64_t)row->index, row->name, row->op, row->kernel,
                       row->macs, row->weight_bytes, row->time_us);
}

void pare_store_each_layer(struct pare_store *store, int64_t trial,
                           void (*fn)(void *state, const struct pare_layer_row *row), void *state)
{
    sqlite3_stmt *q = pare_db_query_own(
        &store->db,
        "SELECT layer, macs, weight_bytes, time_us, name, op, kernel FROM layers WHERE trial = ?1"
        " ORDER BY layer",
        "i", trial);

    while (pare_db_row(&store->db, q)) {
        struct pare_layer_row row = {
            .trial = trial,
            .index = sqlite3_column_int(q, 0),
            .macs = sqlite3_column_int64(q, 1),
            .weight_bytes = sqlite3_column_int64(q, 2),
            .time_us = pare_db_f64(q, 3),
            .name = pare_db_text(q, 4),
            .op = pare_db_text(q, 5),
            .kernel = pare_db_text(q, 6),
        };
        fn(state, &row);
    }
    sqlite3_finalize(q);
}
