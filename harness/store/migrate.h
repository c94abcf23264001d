/* The schema of pare.sqlite and how files of older versions become current.
 *
 * PRAGMA user_version is the version of the schema, PRAGMA application_id says that the file is
 * ours.  A new file walks through all migrations too, so there is one way to every version. */
#ifndef PARE_STORE_MIGRATE_H
#define PARE_STORE_MIGRATE_H

#include <sqlite3.h>

#define PARE_STORE_APPLICATION_ID 0x70617265 /* "pare" */

/* Version that this program writes. */
int pare_schema_current(void);

/* Brings the database to `version`, one transaction per step: after a crash or an error it stands
 * at some version completely.  Returns an SQLite result code; never goes down. */
int pare_schema_migrate(sqlite3 *handle, int version);

/* user_version and application_id; an SQLite result code. */
int pare_schema_version(sqlite3 *handle, int *version, int *application_id);

#endif
