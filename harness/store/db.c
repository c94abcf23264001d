#include "store/db.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "store/migrate.h"

enum { BUSY_TIMEOUT_MS = 10000 };

/* ---- errors ---- */

static pare_status describe(const struct pare_db *db, int rc, char *text, size_t n)
{
    const char *why = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    int system_errno = db->handle ? sqlite3_system_errno(db->handle) : 0;

    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        snprintf(text, n,
                 "%s is damaged (%s); move it away and run the sweep again: finished stages come "
                 "back from the cache",
                 db->path, why);
        return PARE_EFORMAT;
    case SQLITE_FULL: snprintf(text, n, "%s: no space left to write", db->path); return PARE_EIO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(text, n, "%s: another process has been writing for %d s; is a run still going on?",
                 db->path, BUSY_TIMEOUT_MS / 1000);
        return PARE_EIO;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        snprintf(text, n, "%s: %s%s%s", db->path, why, system_errno ? ": " : "",
                 system_errno ? strerror(system_errno) : "");
        return PARE_EIO;
    case SQLITE_NOMEM: snprintf(text, n, "%s: out of memory", db->path); return PARE_ENOMEM;
    default: snprintf(text, n, "%s: %s", db->path, why); return PARE_EINVAL;
    }
}

static pare_status fail(const struct pare_db *db, int rc, struct pare_error *err)
{
    char text[512];
    pare_status st = describe(db, rc, text, sizeof text);

    return pare_fail(err, st, "%s", text);
}

static void read_failed(struct pare_db *db, int rc)
{
    if (db->read_status == PARE_OK)
        db->read_status = describe(db, rc, db->read_error, sizeof db->read_error);
}

/* ---- opening ---- */

/* A folder that may not be written has no place for the index of the log; a file without a log can
 * still be read as it stands. */
static int open_immutable(struct pare_db *db)
{
    struct pare_text uri = {0};
    struct stat wal;
    char *wal_path = sqlite3_mprintf("%s-wal", db->path);
    bool has_log = stat(wal_path, &wal) == 0 && wal.st_size > 0;
    int rc = SQLITE_CANTOPEN;

    sqlite3_free(wal_path);
    if (has_log)
        return rc;
    pare_text_add(&uri, "file:");
    for (const char *c = db->path; *c; c++)
        if (*c == '?' || *c == '#' || *c == '%')
            pare_text_printf(&uri, "%%%02X", (unsigned)*c);
        else
            pare_text_add_n(&uri, c, 1);
    pare_text_add(&uri, "?immutable=1");
    sqlite3_close_v2(db->handle);
    rc = sqlite3_open_v2(uri.s, &db->handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    pare_text_clear(&uri);
    return rc;
}

static int connect_file(struct pare_db *db, bool read_only, int *version, int *application_id)
{
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(db->path, &db->handle, flags, NULL);

    if (rc)
        return rc;
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    rc = pare_schema_version(db->handle, version, application_id);
    if (read_only && ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY)) {
        rc = open_immutable(db);
        if (rc == SQLITE_OK)
            rc = pare_schema_version(db->handle, version, application_id);
    }
    return rc;
}

static pare_status check_identity(struct pare_db *db, int version, int application_id,
                                  struct pare_error *err)
{
    sqlite3_stmt *any = NULL;
    bool is_empty = false;

    if (version > pare_schema_current())
        return pare_fail(err, PARE_EFORMAT,
                         "%s has schema version %d, this program knows up to %d: it was written by "
                         "a newer pare; use that one",
                         db->path, version, pare_schema_current());
    if (version > 0 && application_id == PARE_STORE_APPLICATION_ID)
        return PARE_OK;
    if (sqlite3_prepare_v2(db->handle, "SELECT 1 FROM sqlite_master LIMIT 1", -1, &any, NULL) ==
        SQLITE_OK)
        is_empty = sqlite3_step(any) == SQLITE_DONE;
    sqlite3_finalize(any);
    if (version == 0 && is_empty) {
        if (db->read_only)
            return pare_fail(err, PARE_EINVAL, "%s is empty: no run has begun there", db->path);
        return PARE_OK;
    }
    return pare_fail(err, PARE_EFORMAT, "%s is an SQLite file, but not one of pare's", db->path);
}

/* Pages and records are sound: a damage that getters would only meet later, as missing rows. */
static pare_status check_sound(struct pare_db *db, struct pare_error *err)
{
    sqlite3_stmt *check = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &check, NULL);
    pare_status st = PARE_OK;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(check);
    if (rc != SQLITE_ROW) {
        st = fail(db, rc, err);
    } else if (strcmp(pare_db_text(check, 0), "ok") != 0) {
        const char *why = pare_db_text(check, 0);
        const char *end = strrchr(why, '\n'); /* the last line is the particular one */

        st = pare_fail(err, PARE_EFORMAT,
                       "%s is damaged (%s); move it away and run the sweep again: finished stages "
                       "come back from the cache",
                       db->path, end ? end + 1 : why);
    }
    sqlite3_finalize(check);
    return st;
}

static pare_status set_up_writing(struct pare_db *db, struct pare_error *err)
{
    sqlite3_stmt *mode = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode = WAL", -1, &mode, NULL);
    pare_status st = PARE_OK;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(mode);
    if (rc != SQLITE_ROW)
        st = fail(db, rc, err);
    else if (strcmp(pare_db_text(mode, 0), "wal") != 0)
        st = pare_fail(err, PARE_EIO,
                       "%s: this file system cannot share memory between processes, which the "
                       "store needs; choose a local --results folder",
                       db->path);
    sqlite3_finalize(mode);
    if (st)
        return st;
    rc = sqlite3_exec(db->handle, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON", NULL, NULL,
                      NULL);
    if (rc == SQLITE_OK)
        rc = pare_schema_migrate(db->handle, pare_schema_current());
    return rc ? fail(db, rc, err) : PARE_OK;
}

pare_status pare_db_open(struct pare_db *db, const char *path, bool read_only,
                         struct pare_error *err)
{
    int version = 0, application_id = 0, rc;
    pare_status st;

    *db = (struct pare_db){.path = pare_xstrdup(path), .read_only = read_only};
    if (read_only && !pare_file_exists(path)) {
        st = pare_fail(err, PARE_EINVAL, "there is no %s: has `pare run` been here?", path);
        goto done;
    }
    rc = connect_file(db, read_only, &version, &application_id);
    st = rc ? fail(db, rc, err) : check_identity(db, version, application_id, err);
    if (st == PARE_OK)
        st = check_sound(db, err);
    if (st)
        goto done;
    if (!read_only) {
        st = set_up_writing(db, err);
    } else if (version < pare_schema_current()) {
        struct pare_db writer;

        st = pare_db_open(&writer, path, false, err);
        if (st)
            pare_error_prefix(err, "schema version %d must become %d before it can be read",
                              version, pare_schema_current());
        else
            pare_db_close(&writer);
    }
done:
    if (st)
        pare_db_close(db);
    return st;
}

void pare_db_close(struct pare_db *db)
{
    for (int i = 0; i < db->n_statements; i++)
        sqlite3_finalize(db->statements[i].statement);
    free(db->statements);
    if (db->handle)
        sqlite3_close_v2(db->handle);
    free(db->path);
    *db = (struct pare_db){0};
}

/* ---- statements ---- */

static int prepare(struct pare_db *db, const char *sql, sqlite3_stmt **out)
{
    for (int i = 0; i < db->n_statements; i++)
        if (strcmp(db->statements[i].sql, sql) == 0) {
            *out = db->statements[i].statement;
            return SQLITE_OK;
        }
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (rc)
        return rc;
    db->statements =
        pare_xrealloc(db->statements, (size_t)(db->n_statements + 1) * sizeof *db->statements);
    db->statements[db->n_statements++] = (struct pare_db_statement){sql, *out};
    return SQLITE_OK;
}

/* The arguments outlive the step, so nothing is copied: callers hold them, and cached statements
 * drop them at the reset. */
static int bind(sqlite3_stmt *statement, const char *types, va_list args)
{
    int rc = SQLITE_OK;

    for (int i = 0; types[i] && rc == SQLITE_OK; i++) {
        if (types[i] == 'i') {
            rc = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
        } else if (types[i] == 'd') {
            rc = sqlite3_bind_double(statement, i + 1, va_arg(args, double));
        } else if (types[i] == 't') {
            const char *text = va_arg(args, const char *);
            rc = sqlite3_bind_text(statement, i + 1, text ? text : "", -1, SQLITE_STATIC);
        } else {
            const void *data = va_arg(args, const void *);
            int64_t n_bytes = va_arg(args, int64_t);
            rc = sqlite3_bind_blob64(statement, i + 1, data ? data : "", (sqlite3_uint64)n_bytes,
                                     SQLITE_STATIC);
        }
    }
    return rc;
}

pare_status pare_db_run(struct pare_db *db, struct pare_error *err, const char *sql,
                        const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    int rc = prepare(db, sql, &statement);
    pare_status st = PARE_OK;
    va_list args;

    if (rc == SQLITE_OK) {
        va_start(args, types);
        rc = bind(statement, types, args);
        va_end(args);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE)
        st = fail(db, rc, err); /* before the reset, which clears the cause */
    pare_db_reset(statement);
    return st;
}

static sqlite3_stmt *query_bound(struct pare_db *db, sqlite3_stmt *statement, int rc,
                                 const char *types, va_list args)
{
    if (rc == SQLITE_OK)
        rc = bind(statement, types, args);
    if (rc != SQLITE_OK) {
        read_failed(db, rc);
        return NULL;
    }
    return statement;
}

sqlite3_stmt *pare_db_query(struct pare_db *db, const char *sql, const char *types, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list args;
    int rc = prepare(db, sql, &statement);

    va_start(args, types);
    statement = query_bound(db, statement, rc, types, args);
    va_end(args);
    return statement;
}

sqlite3_stmt *pare_db_query_own(struct pare_db *db, const char *sql, const char *types, ...)
{
    sqlite3_stmt *statement = NULL, *bound;
    va_list args;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

    va_start(args, types);
    bound = query_bound(db, statement, rc, types, args);
    va_end(args);
    if (!bound)
        sqlite3_finalize(statement);
    return bound;
}

bool pare_db_row(struct pare_db *db, sqlite3_stmt *statement)
{
    int rc = statement ? sqlite3_step(statement) : SQLITE_DONE;

    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        read_failed(db, rc);
    pare_db_reset(statement);
    return false;
}

void pare_db_reset(sqlite3_stmt *statement)
{
    if (!statement)
        return;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

double pare_db_f64(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return NAN;
    return sqlite3_column_double(statement, column);
}

const char *pare_db_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return text ? (const char *)text : "";
}

void pare_db_lend(char **buffer, sqlite3_stmt *statement, int first, int n,
                  const char **const fields[])
{
    size_t n_bytes = 0, at = 0;

    for (int i = 0; i < n; i++)
        n_bytes += strlen(pare_db_text(statement, first + i)) + 1;
    *buffer = pare_xrealloc(*buffer, n_bytes ? n_bytes : 1);
    for (int i = 0; i < n; i++) {
        const char *text = pare_db_text(statement, first + i);

        *fields[i] = strcpy(*buffer + at, text);
        at += strlen(text) + 1;
    }
}
