/* One SQLite connection: opened safely, statements prepared once, errors in our words. */
#ifndef PARE_STORE_DB_H
#define PARE_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include <pare/status.h>

struct pare_db {
    sqlite3 *handle;
    char *path;
    bool read_only;
    int n_statements;
    struct pare_db_statement {
        const char *sql; /* a literal */
        sqlite3_stmt *statement;
    } * statements;
    /* First failure of a read: getters have no other way to tell. */
    pare_status read_status;
    char read_error[512];
};

/* Opens and checks `path`: WAL, synchronous=FULL, foreign keys, schema brought to the current
 * version.  Read-only: must exist; an older schema is migrated first when the file may be written.
 * PARE_EFORMAT: damaged, not ours, or newer.  PARE_EIO: the system refused. */
pare_status pare_db_open(struct pare_db *db, const char *path, bool read_only,
                         struct pare_error *err);
void pare_db_close(struct pare_db *db);

/* Runs one statement without result.  `types` names the arguments: i int64_t, d double (NaN is
 * NULL), t text (NULL is ""), b blob (const void *, int64_t bytes). */
pare_status pare_db_run(struct pare_db *db, struct pare_error *err, const char *sql,
                        const char *types, ...);
/* A cached statement, bound; give it to pare_db_row() until false, or pare_db_reset().  NULL after
 * an error, which is kept in read_status. */
sqlite3_stmt *pare_db_query(struct pare_db *db, const char *sql, const char *types, ...);
/* The same, but a statement of its own, so that queries may nest; sqlite3_finalize() it. */
sqlite3_stmt *pare_db_query_own(struct pare_db *db, const char *sql, const char *types, ...);
bool pare_db_row(struct pare_db *db, sqlite3_stmt *statement);
void pare_db_reset(sqlite3_stmt *statement); /* NULL is fine */

/* Column as number: NULL is NaN.  As text: never NULL. */
double pare_db_f64(sqlite3_stmt *statement, int column);
const char *pare_db_text(sqlite3_stmt *statement, int column);

/* Copies the text columns first .. first+n-1 into *buffer (grown, kept by the caller) and points
 * fields there: what getters lend survives the reset of the statement. */
void pare_db_lend(char **buffer, sqlite3_stmt *statement, int first, int n,
                  const char **const fields[]);

#endif
