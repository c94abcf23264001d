#include "store/migrate.h"

#include <stddef.h>
#include <stdio.h>

/* migrations[v] leads from version v to v + 1.  Never edit one that was released: add the next. */
static const char *const migrations[] = {
    /* 0 -> 1: what ran and what came out */
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, manifest TEXT NOT NULL, status TEXT NOT NULL,"
    " begun_unix REAL NOT NULL, ended_unix REAL);"
    "CREATE TABLE stages (key TEXT PRIMARY KEY, parent_key TEXT NOT NULL, label TEXT NOT NULL,"
    " status TEXT NOT NULL, error TEXT NOT NULL, artifact_digest TEXT NOT NULL,"
    " size_bytes INTEGER NOT NULL, wall_s REAL, peak_rss_mib REAL, log TEXT NOT NULL);"
    "CREATE TABLE trials (id INTEGER PRIMARY KEY, config TEXT NOT NULL, chain TEXT NOT NULL,"
    " options_json TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,"
    " stage_key TEXT NOT NULL, artifact_digest TEXT NOT NULL, artifact_path TEXT NOT NULL);"
    "CREATE INDEX trials_config ON trials (config, id);"
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY,"
    " trial INTEGER NOT NULL REFERENCES trials (id) DEFERRABLE INITIALLY DEFERRED,"
    " metric TEXT NOT NULL, value REAL, low REAL, high REAL, unit TEXT NOT NULL,"
    " provenance TEXT NOT NULL, note TEXT NOT NULL, UNIQUE (trial, metric));",
    /* 1 -> 2: raw data behind the numbers */
    "CREATE TABLE samples ("
    " trial INTEGER NOT NULL REFERENCES trials (id) DEFERRABLE INITIALLY DEFERRED,"
    " metric TEXT NOT NULL, f64_le BLOB NOT NULL, PRIMARY KEY (trial, metric));"
    "CREATE TABLE bits ("
    " trial INTEGER NOT NULL REFERENCES trials (id) DEFERRABLE INITIALLY DEFERRED,"
    " split TEXT NOT NULL, n_samples INTEGER NOT NULL, bits BLOB NOT NULL,"
    " PRIMARY KEY (trial, split));"
    "CREATE TABLE layers ("
    " trial INTEGER NOT NULL REFERENCES trials (id) DEFERRABLE INITIALLY DEFERRED,"
    " layer INTEGER NOT NULL, name TEXT NOT NULL, op TEXT NOT NULL, kernel TEXT NOT NULL,"
    " macs INTEGER NOT NULL, weight_bytes INTEGER NOT NULL, time_us REAL,"
    " PRIMARY KEY (trial, layer));",
};

int pare_schema_current(void)
{
    return (int)(sizeof migrations / sizeof *migrations);
}

static int pragma_int(sqlite3 *handle, const char *sql, int *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int(statement, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return rc;
}

int pare_schema_version(sqlite3 *handle, int *version, int *application_id)
{
    int rc = pragma_int(handle, "PRAGMA user_version", version);

    return rc ? rc : pragma_int(handle, "PRAGMA application_id", application_id);
}

static int migrate_step(sqlite3 *handle, int version)
{
    char stamp[128];
    int rc = sqlite3_exec(handle, migrations[version], NULL, NULL, NULL);

    snprintf(stamp, sizeof stamp, "PRAGMA user_version = %d; PRAGMA application_id = %d;",
             version + 1, PARE_STORE_APPLICATION_ID);
    return rc ? rc : sqlite3_exec(handle, stamp, NULL, NULL, NULL);
}

int pare_schema_migrate(sqlite3 *handle, int version)
{
    int now = 0, id = 0, rc;

    do {
        rc = sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (rc)
            return rc;
        /* Asked inside the transaction: another process may have migrated meanwhile. */
        rc = pare_schema_version(handle, &now, &id);
        if (rc == SQLITE_OK && now < version)
            rc = migrate_step(handle, now);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
        if (rc) {
            sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
            return rc;
        }
    } while (++now < version);
    return SQLITE_OK;
}
