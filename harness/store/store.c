/* Opening, transactions, meta, runs, stages and trials; metrics and raw data are in records.c. */
#include "store/store.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "store/records.h"

pare_status pare_store_open(struct pare_store **out, const char *folder, bool read_only,
                            struct pare_error *err)
{
    struct pare_store *store = NULL;
    char *path = NULL;
    pare_status st = PARE_OK;

    if (!read_only)
        st = pare_dir_make(folder, err);
    if (st)
        return st;
    store = pare_xcalloc(1, sizeof *store);
    path = pare_path_join(folder, "pare.sqlite");
    st = pare_db_open(&store->db, path, read_only, err);
    free(path);
    if (st) {
        free(store);
        return st;
    }
    *out = store;
    return PARE_OK;
}

void pare_store_close(struct pare_store *store)
{
    if (!store)
        return;
    pare_db_close(&store->db);
    free(store->stage_text);
    free(store->trial_text);
    free(store->metric_text);
    free(store);
}

pare_status pare_store_check(struct pare_store *store, struct pare_error *err)
{
    if (store->db.read_status)
        return pare_fail(err, store->db.read_status, "%s", store->db.read_error);
    return PARE_OK;
}

/* A writer takes its lock at once, so that it never fails in the middle; a reader gets a snapshot. */
pare_status pare_store_begin(struct pare_store *store, struct pare_error *err)
{
    return pare_db_run(&store->db, err, store->db.read_only ? "BEGIN" : "BEGIN IMMEDIATE", "");
}

pare_status pare_store_commit(struct pare_store *store, struct pare_error *err)
{
    pare_status st = pare_db_run(&store->db, err, "COMMIT", "");

    /* A commit that failed leaves the transaction open: the next begin must not trip over it. */
    if (st && !sqlite3_get_autocommit(store->db.handle))
        pare_db_run(&store->db, NULL, "ROLLBACK", "");
    return st;
}

pare_status pare_store_rollback(struct pare_store *store, struct pare_error *err)
{
    /* SQLite ends the transaction by itself after some errors (a full disk). */
    if (sqlite3_get_autocommit(store->db.handle))
        return PARE_OK;
    return pare_db_run(&store->db, err, "ROLLBACK", "");
}

/* ---- meta ---- */

pare_status pare_store_set(struct pare_store *store, const char *key, const char *value,
                           struct pare_error *err)
{
    return pare_db_run(&store->db, err,
                       "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                       " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                       "tt", key, value);
}

char *pare_store_get(struct pare_store *store, const char *key)
{
    sqlite3_stmt *q = pare_db_query(&store->db, "SELECT value FROM meta WHERE key = ?1", "t", key);
    char *value = NULL;

    if (pare_db_row(&store->db, q))
        value = pare_xstrdup(pare_db_text(q, 0));
    pare_db_reset(q);
    return value;
}

/* ---- runs ---- */

pare_status pare_store_run_begin(struct pare_store *store, const char *manifest_json,
                                 int64_t *run_id, struct pare_error *err)
{
    pare_status st = pare_db_run(&store->db, err,
                                 "INSERT INTO runs (manifest, status, begun_unix)"
                                 " VALUES (?1, 'running', ?2)",
                                 "td", manifest_json, pare_clock_unix_s());

    if (st == PARE_OK)
        *run_id = sqlite3_last_insert_rowid(store->db.handle);
    return st;
}

pare_status pare_store_run_end(struct pare_store *store, int64_t run_id, const char *status,
                               struct pare_error *err)
{
    pare_status st =
        pare_db_run(&store->db, err, "UPDATE runs SET status = ?2, ended_unix = ?3 WHERE id = ?1",
                    "itd", run_id, status, pare_clock_unix_s());

    if (st == PARE_OK && sqlite3_changes(store->db.handle) == 0)
        st = pare_fail(err, PARE_EINVAL, "%s: there is no run %lld", store->db.path,
                       (long long)run_id);
    return st;
}

void pare_store_each_run(struct pare_store *store,
                         void (*fn)(void *state, const struct pare_run_row *row), void *state)
{
    sqlite3_stmt *q = pare_db_query_own(
        &store->db, "SELECT id, begun_unix, ended_unix, status, manifest FROM runs ORDER BY id",
        "");

    while (pare_db_row(&store->db, q)) {
        struct pare_run_row row = {
            .id = sqlite3_column_int64(q, 0),
            .begun_unix = pare_db_f64(q, 1),
            .ended_unix = pare_db_f64(q, 2),
            .status = pare_db_text(q, 3),
            .manifest = pare_db_text(q, 4),
        };
        fn(state, &row);
    }
    sqlite3_finalize(q);
}

/* ---- stages ---- */

pare_status pare_store_put_stage(struct pare_store *store, const struct pare_stage_row *row,
                                 struct pare_error *err)
{
    return pare_db_run(
        &store->db, err,
        "INSERT INTO stages (key, parent_key, label, status, error, artifact_digest, size_bytes,"
        " wall_s, peak_rss_mib, log) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        " ON CONFLICT (key) DO UPDATE SET parent_key = excluded.parent_key,"
        " label = excluded.label, status = excluded.status, error = excluded.error,"
        " artifact_digest = excluded.artifact_digest, size_bytes = excluded.size_bytes,"
        " wall_s = excluded.wall_s, peak_rss_mib = excluded.peak_rss_mib, log = excluded.log",
        "ttttttiddt", row->key, row->parent_key, row->label, row->status, row->error,
        row->artifact_digest, row->size_bytes, row->wall_s, row->peak_rss_mib, row->log);
}

#define STAGE_COLUMNS \
    "size_bytes, wall_s, peak_rss_mib, key, parent_key, label, status, error, artifact_digest, log"

static void read_stage(struct pare_store *store, sqlite3_stmt *q, struct pare_stage_row *row)
{
    row->size_bytes = sqlite3_column_int64(q, 0);
    row->wall_s = pare_db_f64(q, 1);
    row->peak_rss_mib = pare_db_f64(q, 2);
    pare_db_lend(&store->stage_text, q, 3, 7,
                 (const char **const[]){&row->key, &row->parent_key, &row->label, &row->status,
                                        &row->error, &row->artifact_digest, &row->log});
}

bool pare_store_get_stage(struct pare_store *store, const char *key, struct pare_stage_row *row)
{
    sqlite3_stmt *q =
        pare_db_query(&store->db, "SELECT " STAGE_COLUMNS " FROM stages WHERE key = ?1", "t", key);
    bool found = pare_db_row(&store->db, q);

    if (found)
        read_stage(store, q, row);
    pare_db_reset(q);
    return found;
}

void pare_store_each_stage(struct pare_store *store,
                           void (*fn)(void *state, const struct pare_stage_row *row), void *state)
{
    sqlite3_stmt *q =
        pare_db_query_own(&store->db, "SELECT " STAGE_COLUMNS " FROM stages ORDER BY rowid", "");

    while (pare_db_row(&store->db, q)) {
        struct pare_stage_row row = {
            .size_bytes = sqlite3_column_int64(q, 0),
            .wall_s = pare_db_f64(q, 1),
            .peak_rss_mib = pare_db_f64(q, 2),
            .key = pare_db_text(q, 3),
            .parent_key = pare_db_text(q, 4),
            .label = pare_db_text(q, 5),
            .status = pare_db_text(q, 6),
            .error = pare_db_text(q, 7),
            .artifact_digest = pare_db_text(q, 8),
            .log = pare_db_text(q, 9),
        };
        fn(state, &row);
    }
    sqlite3_finalize(q);
}

/* ---- trials ---- */

/* Not INSERT OR REPLACE: that would delete the row first, and its metrics refer to it. */
pare_status pare_store_put_trial(struct pare_store *store, const struct pare_trial_row *row,
                                 struct pare_error *err)
{
    return pare_db_run(
        &store->db, err,
        "INSERT INTO trials (id, config, chain, options_json, status, reason, stage_key,"
        " artifact_digest, artifact_path) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        " ON CONFLICT (id) DO UPDATE SET config = excluded.config, chain = excluded.chain,"
        " options_json = excluded.options_json, status = excluded.status, reason = excluded.reason,"
        " stage_key = excluded.stage_key, artifact_digest = excluded.artifact_digest,"
        " artifact_path = excluded.artifact_path",
        "itttttttt", row->id, row->config, row->chain, row->options_json, row->status, row->reason,
        row->stage_key, row->artifact_digest, row->artifact_path);
}

bool pare_store_get_trial(struct pare_store *store, int64_t id, struct pare_trial_row *row)
{
    sqlite3_stmt *q = pare_db_query(
        &store->db,
        "SELECT id, config, chain, options_json, status, reason, stage_key, artifact_digest,"
        " artifact_path FROM trials WHERE id = ?1",
        "i", id);
    bool found = pare_db_row(&store->db, q);

    if (found) {
        row->id = sqlite3_column_int64(q, 0);
        pare_db_lend(&store->trial_text, q, 1, 8,
                     (const char **const[]){&row->config, &row->chain, &row->options_json,
                                            &row->status, &row->reason, &row->stage_key,
                                            &row->artifact_digest, &row->artifact_path});
    }
    pare_db_reset(q);
    return found;
}

bool pare_store_find_trial(struct pare_store *store, const char *config, int64_t *id)
{
    sqlite3_stmt *q =
        pare_db_query(&store->db, "SELECT min(id) FROM trials WHERE config = ?1", "t", config);
    bool found = pare_db_row(&store->db, q) && sqlite3_column_type(q, 0) != SQLITE_NULL;

    if (found)
        *id = sqlite3_column_int64(q, 0);
    pare_db_reset(q);
    return found;
}

int64_t pare_store_n_trials(struct pare_store *store)
{
    sqlite3_stmt *q = pare_db_query(&store->db, "SELECT max(id) + 1 FROM trials", "");
    int64_t n = pare_db_row(&store->db, q) ? sqlite3_column_int64(q, 0) : 0;

    pare_db_reset(q);
    return n;
}
