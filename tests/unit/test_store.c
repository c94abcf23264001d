#include "../support/check.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/file.h"
#include "store/migrate.h"
#include "store/records.h"
#include "store/store.h"

static int make_dir(void **state)
{
    *state = check_make_dir();
    return 0;
}

static int remove_dir(void **state)
{
    check_remove_dir(*state);
    return 0;
}

static struct pare_store *open_store(const char *dir, bool read_only)
{
    struct pare_store *store = NULL;
    struct pare_error err = {0};

    assert_ok(pare_store_open(&store, dir, read_only, &err), &err);
    return store;
}

static pare_status put_trial(struct pare_store *store, int64_t id, const char *config,
                             struct pare_error *err)
{
    struct pare_trial_row row = {.id = id,
                                 .config = config,
                                 .chain = "prune > quant",
                                 .options_json = "{\"quant.scheme\": \"W8A8\"}",
                                 .status = "ok"};

    return pare_store_put_trial(store, &row, err);
}

static pare_status put_metric(struct pare_store *store, int64_t trial, const char *metric,
                              double value, struct pare_error *err)
{
    struct pare_metric_row row = {.trial = trial,
                                  .metric = metric,
                                  .value = value,
                                  .low = NAN,
                                  .high = NAN,
                                  .unit = "1",
                                  .provenance = isnan(value) ? "unavailable" : "measured"};

    return pare_store_put_metric(store, &row, err);
}

static void every_row_reads_back_as_it_was_put(void **state)
{
    struct pare_store *store = open_store(*state, false);
    struct pare_error err = {0};
    struct pare_stage_row stage = {.key = "k1",
                                   .parent_key = "",
                                   .label = "quant:quant.ptq(scheme=W8A8)",
                                   .status = "ok",
                                   .error = "",
                                   .artifact_digest = "abc",
                                   .size_bytes = 1LL << 40,
                                   .wall_s = 1.5,
                                   .peak_rss_mib = 33,
                                   .log = "one\ntwo"};
    struct pare_trial_row trial;
    struct pare_metric_row metric = {.trial = 3,
                                     .metric = "latency_ms@host",
                                     .value = 0.25,
                                     .low = 0.24,
                                     .high = 0.27,
                                     .unit = "ms",
                                     .provenance = "measured",
                                     .note = "unstable: the clock drifts"};
    double samples[] = {1e-3, INFINITY, -0.0}, *samples_back;
    uint8_t bits[] = {0xa5, 0x01}, *bits_back;
    int64_t run = -1, id = -1;
    char *text;

    assert_ok(pare_store_set(store, "name", "first", &err), &err);
    assert_ok(pare_store_set(store, "name", "second", &err), &err);
    assert_ok(pare_store_run_begin(store, "{}", &run, &err), &err);
    assert_ok(pare_store_run_end(store, run, "done", &err), &err);
    assert_int_equal(pare_store_run_end(store, run + 7, "done", &err), PARE_EINVAL);
    assert_ok(pare_store_put_stage(store, &stage, &err), &err);
    assert_ok(put_trial(store, 3, "prune:l1", &err), &err);
    assert_ok(pare_store_put_metric(store, &metric, &err), &err);
    assert_ok(pare_store_put_samples(store, 3, "latency_ms@host", samples, 3, &err), &err);
    assert_ok(pare_store_put_bits(store, 3, "test", bits, 10, &err), &err);
    assert_ok(pare_store_put_layer(store,
                                   &(struct pare_layer_row){.trial = 3,
                                                            .index = 0,
                                                            .name = "conv1",
                                                            .op = "Conv",
                                                            .kernel = "onednn",
                                                            .macs = 7,
                                                            .weight_bytes = 9,
                                                            .time_us = 1.25},
                                   &err),
              &err);
    pare_store_close(store);

    store = open_store(*state, true);
    text = pare_store_get(store, "name");
    assert_string_equal(text, "second");
    free(text);
    assert_null(pare_store_get(store, "nothing"));

    memset(&stage, 0, sizeof stage);
    assert_true(pare_store_get_stage(store, "k1", &stage));
    assert_string_equal(stage.label, "quant:quant.ptq(scheme=W8A8)");
    assert_string_equal(stage.log, "one\ntwo");
    assert_string_equal(stage.parent_key, "");
    assert_int_equal(stage.size_bytes, 1LL << 40);
    assert_true(stage.wall_s == 1.5 && stage.peak_rss_mib == 33);
    assert_false(pare_store_get_stage(store, "k2", &stage));

    assert_true(pare_store_get_trial(store, 3, &trial));
    assert_int_equal(trial.id, 3);
    assert_string_equal(trial.config, "prune:l1");
    assert_string_equal(trial.reason, ""); /* NULL was put */
    assert_false(pare_store_get_trial(store, 2, &trial));
    assert_true(pare_store_find_trial(store, "prune:l1", &id));
    assert_int_equal(id, 3);
    assert_false(pare_store_find_trial(store, "prune:l2", &id));
    assert_int_equal(pare_store_n_trials(store), 4);

    assert_true(pare_store_get_metric(store, 3, "latency_ms@host", &metric));
    assert_true(metric.value == 0.25 && metric.low == 0.24 && metric.high == 0.27);
    assert_string_equal(metric.note, "unstable: the clock drifts");
    assert_int_equal(pare_store_get_samples(store, 3, "latency_ms@host", &samples_back), 3);
    assert_memory_equal(samples_back, samples, sizeof samples);
    assert_int_equal(pare_store_get_bits(store, 3, "test", &bits_back), 10);
    assert_memory_equal(bits_back, bits, 2);
    free(samples_back);
    free(bits_back);
    assert_int_equal(pare_store_get_bits(store, 3, "validation", &bits_back), 0);
    assert_null(bits_back);
    assert_ok(pare_store_check(store, &err), &err);
    pare_store_close(store);
}

static void putting_a_trial_again_keeps_its_metrics(void **state)
{
    struct pare_store *store = open_store(*state, false);
    struct pare_metric_row metric;
    struct pare_trial_row trial;
    struct pare_error err = {0};

    assert_ok(put_trial(store, 1, "a", &err), &err);
    assert_ok(put_metric(store, 1, "accuracy", 0.9, &err), &err);
    assert_ok(put_trial(store, 1, "b", &err), &err);
    assert_ok(put_metric(store, 1, "accuracy", 0.91, &err), &err);
    assert_true(pare_store_get_trial(store, 1, &trial));
    assert_string_equal(trial.config, "b");
    assert_true(pare_store_get_metric(store, 1, "accuracy", &metric));
    assert_true(metric.value == 0.91);
    pare_store_close(store);
}

static void an_unavailable_value_comes_back_as_nan(void **state)
{
    struct pare_store *store = open_store(*state, false);
    struct pare_metric_row metric;
    struct pare_error err = {0};

    assert_ok(put_trial(store, 0, "baseline", &err), &err);
    assert_ok(put_metric(store, 0, "PAPI_TOT_INS@host", NAN, &err), &err);
    assert_true(pare_store_get_metric(store, 0, "PAPI_TOT_INS@host", &metric));
    assert_true(isnan(metric.value) && isnan(metric.low) && isnan(metric.high));
    assert_string_equal(metric.provenance, "unavailable");
    pare_store_close(store);
}

static void a_metric_of_a_trial_that_is_not_there_is_refused(void **state)
{
    struct pare_store *store = open_store(*state, false);
    struct pare_error err = {0};

    assert_int_not_equal(put_metric(store, 5, "accuracy", 1, &err), PARE_OK);
    assert_non_null(strstr(err.text, "FOREIGN KEY"));
    /* Inside a transaction the order is free, and a bad commit leaves nothing open. */
    assert_ok(pare_store_begin(store, &err), &err);
    assert_ok(put_metric(store, 5, "accuracy", 1, &err), &err);
    assert_int_not_equal(pare_store_commit(store, &err), PARE_OK);
    assert_ok(pare_store_begin(store, &err), &err);
    assert_ok(put_metric(store, 5, "accuracy", 1, &err), &err);
    assert_ok(put_trial(store, 5, "late", &err), &err);
    assert_ok(pare_store_commit(store, &err), &err);
    pare_store_close(store);
}

static void lent_strings_may_be_used_to_ask_for_the_next_row(void **state)
{
    struct pare_store *store = open_store(*state, false);
    struct pare_stage_row row = {.key = "child", .parent_key = "parent", .label = "c"};
    struct pare_error err = {0};

    assert_ok(pare_store_put_stage(store, &row, &err), &err);
    row = (struct pare_stage_row){.key = "parent", .parent_key = "", .label = "p"};
    assert_ok(pare_store_put_stage(store, &row, &err), &err);
    assert_true(pare_store_get_stage(store, "child", &row));
    assert_true(pare_store_get_stage(store, row.parent_key, &row));
    assert_string_equal(row.label, "p");
    pare_store_close(store);
}

static void count_rows(void *state, const struct pare_metric_row *row)
{
    char *text = state;

    snprintf(text + strlen(text), 200 - strlen(text), "%lld.%s ", (long long)row->trial,
             row->metric);
}

static void metrics_come_by_trial_and_name_and_names_by_first_appearance(void **state)
{
    struct pare_store *store = open_store(*state, false);
    struct pare_error err = {0};
    char text[200] = "", **names;

    for (int id = 0; id < 3; id++)
        assert_ok(put_trial(store, id, "c", &err), &err);
    /* Trial 2 was finished before trial 0, as workers do. */
    assert_ok(put_metric(store, 2, "zeta", 1, &err), &err);
    assert_ok(put_metric(store, 2, "size_bytes", 1, &err), &err);
    assert_ok(put_metric(store, 0, "size_bytes", 1, &err), &err);
    assert_ok(put_metric(store, 0, "accuracy", 1, &err), &err);
    pare_store_each_metric(store, -1, count_rows, text);
    assert_string_equal(text, "0.accuracy 0.size_bytes 2.size_bytes 2.zeta ");
    text[0] = '\0';
    pare_store_each_metric(store, 2, count_rows, text);
    assert_string_equal(text, "2.size_bytes 2.zeta ");
    assert_int_equal(pare_store_metric_names(store, &names), 3);
    assert_string_equal(names[0], "size_bytes");
    assert_string_equal(names[1], "accuracy");
    assert_string_equal(names[2], "zeta");
    for (int i = 0; i < 3; i++)
        free(names[i]);
    free(names);
    pare_store_close(store);
}

static int pragma(struct pare_store *store, const char *sql)
{
    sqlite3_stmt *q = pare_db_query(&store->db, sql, "");
    int value;

    assert_true(pare_db_row(&store->db, q));
    value = strcmp(pare_db_text(q, 0), "wal") == 0 ? 'w' : sqlite3_column_int(q, 0);
    pare_db_reset(q);
    return value;
}

static void a_writer_is_durable_at_every_commit_and_keeps_foreign_keys(void **state)
{
    struct pare_store *store = open_store(*state, false);

    assert_int_equal(pragma(store, "PRAGMA journal_mode"), 'w');
    assert_int_equal(pragma(store, "PRAGMA synchronous"), 2); /* FULL */
    assert_int_equal(pragma(store, "PRAGMA foreign_keys"), 1);
    assert_true(pragma(store, "PRAGMA busy_timeout") >= 1000);
    assert_int_equal(pragma(store, "PRAGMA user_version"), pare_schema_current());
    pare_store_close(store);
}

/* Writes trials of 20 metrics each, in one transaction, and tells each finished one. */
static void write_until_killed(const char *dir, int tell)
{
    struct pare_store *store = NULL;
    char name[32];

    if (pare_store_open(&store, dir, false, NULL))
        _exit(1);
    for (int64_t id = pare_store_n_trials(store);; id++) {
        if (pare_store_begin(store, NULL) || put_trial(store, id, "config", NULL))
            _exit(2);
        for (int i = 0; i < 20; i++) {
            snprintf(name, sizeof name, "metric%02d", i);
            if (put_metric(store, id, name, i, NULL))
                _exit(3);
        }
        if (pare_store_commit(store, NULL) || write(tell, &id, sizeof id) != sizeof id)
            _exit(4);
    }
}

static void count(void *state, const struct pare_metric_row *row)
{
    (void)row;
    ++*(int *)state;
}

static void a_killed_writer_loses_nothing_it_committed(void **state)
{
    int64_t last = -1;

    for (int round = 0; round < 15; round++) {
        struct pare_store *store;
        struct pare_error err = {0};
        int pipes[2], status;
        int64_t id;
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipes[0]);
            write_until_killed(*state, pipes[1]);
        }
        close(pipes[1]);
        for (int i = 0; i <= round % 4 && read(pipes[0], &id, sizeof id) == sizeof id; i++)
            last = id;
        usleep((useconds_t)(round * 317 % 1500)); /* into the middle of a transaction */
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(pipes[0], &id, sizeof id) == sizeof id)
            last = id;
        close(pipes[0]);

        store = open_store(*state, round % 2 == 0);
        assert_true(pare_store_n_trials(store) >= last + 1);
        for (int64_t i = 0; i < pare_store_n_trials(store); i++) {
            struct pare_trial_row trial;
            int n = 0;

            assert_true(pare_store_get_trial(store, i, &trial));
            pare_store_each_metric(store, i, count, &n);
            assert_int_equal(n, 20); /* whole or not at all */
        }
        assert_ok(pare_store_check(store, &err), &err);
        pare_store_close(store);
    }
    assert_true(last > 20);
}

static void reading_works_while_another_process_writes(void **state)
{
    struct pare_store *store;
    struct pare_error err = {0};
    int pipes[2], status;
    int64_t id, seen = 0;
    pid_t child;

    assert_int_equal(pipe(pipes), 0);
    child = fork();
    if (child == 0)
        write_until_killed(*state, pipes[1]);
    close(pipes[1]);
    assert_int_equal(read(pipes[0], &id, sizeof id), sizeof id);
    for (int i = 0; i < 30; i++) {
        int n = 0;

        store = open_store(*state, true);
        assert_ok(pare_store_begin(store, &err), &err); /* one snapshot for both questions */
        seen = pare_store_n_trials(store);
        usleep(1000);
        pare_store_each_metric(store, -1, count, &n);
        assert_int_equal(n, 20 * seen);
        assert_ok(pare_store_commit(store, &err), &err);
        assert_int_not_equal(put_trial(store, 0, "no", &err), PARE_OK);
        assert_int_equal(read(pipes[0], &id, sizeof id), sizeof id); /* the writer goes on */
        pare_store_close(store);
    }
    assert_true(seen > 0);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    close(pipes[0]);
}

static void a_file_of_version_1_is_migrated_and_keeps_its_rows(void **state)
{
    char *path = pare_path_join(*state, "pare.sqlite");
    struct pare_store *store;
    struct pare_trial_row trial;
    struct pare_error err = {0};
    int version = 0, id = 0;
    sqlite3 *db;
    double *samples;

    assert_true(pare_schema_current() > 1);
    for (int read_only = 0; read_only < 2; read_only++) {
        unlink(path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(pare_schema_migrate(db, 1), SQLITE_OK);
        assert_int_equal(pare_schema_version(db, &version, &id), SQLITE_OK);
        assert_int_equal(version, 1);
        assert_int_not_equal(sqlite3_exec(db, "SELECT * FROM samples", NULL, NULL, NULL),
                             SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "INSERT INTO trials VALUES (4, 'old', 'chain', '{}', 'ok',"
                                      " '', '', '', '')",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);

        store = open_store(*state, read_only);
        assert_true(pare_store_get_trial(store, 4, &trial));
        assert_string_equal(trial.config, "old");
        assert_int_equal(pare_store_get_samples(store, 4, "latency_ms@host", &samples), 0);
        assert_ok(pare_store_check(store, &err), &err); /* the table is there */
        pare_store_close(store);
    }
    free(path);
}

static void a_migration_that_fails_leaves_the_version_before(void **state)
{
    char *path = pare_path_join(*state, "pare.sqlite");
    int version = 0, id = 0;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(pare_schema_migrate(db, 1), SQLITE_OK);
    /* The last table of step 2 is in the way: the tables before it must not stay. */
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE layers (x)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_not_equal(pare_schema_migrate(db, 2), SQLITE_OK);
    assert_int_equal(pare_schema_version(db, &version, &id), SQLITE_OK);
    assert_int_equal(version, 1);
    assert_int_not_equal(sqlite3_exec(db, "SELECT * FROM samples", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
}

static void assert_refused(const char *dir, pare_status status, const char *word)
{
    for (int read_only = 0; read_only < 2; read_only++) {
        struct pare_store *store = NULL;
        struct pare_error err = {0};

        assert_int_equal(pare_store_open(&store, dir, read_only, &err), status);
        assert_null(store);
        if (!strstr(err.text, word))
            fail_msg("'%s' does not say '%s'", err.text, word);
        assert_non_null(strstr(err.text, "pare.sqlite"));
    }
}

static void a_newer_file_is_refused(void **state)
{
    char *path = pare_path_join(*state, "pare.sqlite");
    sqlite3 *db;

    pare_store_close(open_store(*state, false));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_refused(*state, PARE_EFORMAT, "newer pare");
    free(path);
}

static void files_that_are_not_stores_are_refused(void **state)
{
    char *path = pare_path_join(*state, "pare.sqlite");
    sqlite3 *db;

    assert_ok(pare_file_write(path, "this is no database, whatever its name may say", 46, NULL),
              NULL);
    assert_refused(*state, PARE_EFORMAT, "damaged");
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_refused(*state, PARE_EFORMAT, "not one of pare's");
    free(path);
}

static void a_missing_or_empty_file_cannot_be_read_but_can_be_begun(void **state)
{
    char *path = pare_path_join(*state, "pare.sqlite");
    struct pare_store *store = NULL;
    struct pare_error err = {0};

    assert_int_equal(pare_store_open(&store, *state, true, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "pare run"));
    assert_false(pare_file_exists(path)); /* looking does not make one */
    assert_ok(pare_file_write(path, "", 0, &err), &err);
    assert_int_equal(pare_store_open(&store, *state, true, &err), PARE_EINVAL);
    pare_store_close(open_store(*state, false));
    pare_store_close(open_store(*state, true));
    free(path);
}

/* A store with enough pages to damage. */
static void fill(const char *dir)
{
    struct pare_store *store = open_store(dir, false);
    struct pare_error err = {0};
    char config[64];

    assert_ok(pare_store_begin(store, &err), &err);
    for (int id = 0; id < 500; id++) {
        snprintf(config, sizeof config, "config number %d", id);
        assert_ok(put_trial(store, id, config, &err), &err);
        assert_ok(put_metric(store, id, "accuracy", id, &err), &err);
    }
    assert_ok(pare_store_commit(store, &err), &err);
    pare_store_close(store);
}

static void damage_anywhere_is_noticed_or_harmless(void **state)
{
    char *path = pare_path_join(*state, "pare.sqlite"), *whole;
    struct pare_error err = {0};
    size_t n_bytes;
    int n_refused = 0, n_tried = 0;

    fill(*state);
    assert_ok(pare_file_read(&whole, &n_bytes, path, 1 << 24, &err), &err);
    /* cut off */
    assert_ok(pare_file_write(path, whole, n_bytes / 2, &err), &err);
    assert_refused(*state, PARE_EFORMAT, "damaged");
    /* a block of 512 bytes overwritten, block after block */
    for (size_t at = 0; at + 512 <= n_bytes; at += 8192) {
        char *damaged = malloc(n_bytes);
        struct pare_store *store = NULL;
        pare_status st;

        memcpy(damaged, whole, n_bytes);
        memset(damaged + at, 0xb7, 512);
        assert_ok(pare_file_write(path, damaged, n_bytes, &err), &err);
        free(damaged);
        st = pare_store_open(&store, *state, true, &err);
        if (st == PARE_OK) {
            int n = 0;

            pare_store_each_metric(store, -1, count, &n); /* whatever it says: no crash */
            pare_store_close(store);
        } else {
            assert_int_equal(st, PARE_EFORMAT);
            n_refused++;
        }
        n_tried++;
    }
    assert_true(n_tried > 10);
    assert_true(n_refused > n_tried / 2);
    free(whole);
    free(path);
}

static void a_full_disk_is_an_error_and_what_was_there_stays(void **state)
{
    struct pare_store *store;
    int status;
    pid_t child;

    fill(*state);
    child = fork();
    if (child == 0) { /* a limit on file sizes stands for the full disk */
        struct pare_error err = {0};
        struct rlimit limit = {1 << 19, 1 << 19};
        double *samples = calloc(1 << 18, sizeof *samples);
        bool ok;

        if (pare_store_open(&store, *state, false, &err))
            _exit(1);
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        ok = pare_store_put_samples(store, 1, "big", samples, 1 << 18, &err) == PARE_EIO;
        ok = ok && strstr(err.text, "pare.sqlite");
        /* small rows still go in */
        ok = ok && put_trial(store, 500, "after", &err) == PARE_OK;
        if (!ok)
            print_error("%s\n", err.text);
        pare_store_close(store);
        _exit(ok ? 0 : 2);
    }
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    store = open_store(*state, true);
    assert_int_equal(pare_store_n_trials(store), 501);
    pare_store_close(store);
}

static void a_folder_that_may_not_be_written_can_be_read(void **state)
{
    struct pare_store *store = NULL;
    char *odd = pare_path_join(*state, "100% sure? #1");
    int status;
    pid_t child;

    fill(odd);
    assert_int_equal(chmod(*state, 0555) || chmod(odd, 0555), 0);
    child = fork();
    if (child == 0) {
        struct pare_error err = {0};
        bool ok = geteuid() != 0 || seteuid(65534) == 0;

        ok = ok && pare_store_open(&store, odd, true, &err) == PARE_OK;
        ok = ok && pare_store_n_trials(store) == 500;
        if (!ok)
            print_error("%s\n", err.text);
        pare_store_close(store);
        _exit(ok ? 0 : 1);
    }
    waitpid(child, &status, 0);
    chmod(odd, 0755);
    chmod(*state, 0755);
    free(odd);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(every_row_reads_back_as_it_was_put),
        TEST(putting_a_trial_again_keeps_its_metrics),
        TEST(an_unavailable_value_comes_back_as_nan),
        TEST(a_metric_of_a_trial_that_is_not_there_is_refused),
        TEST(lent_strings_may_be_used_to_ask_for_the_next_row),
        TEST(metrics_come_by_trial_and_name_and_names_by_first_appearance),
        TEST(a_writer_is_durable_at_every_commit_and_keeps_foreign_keys),
        TEST(a_killed_writer_loses_nothing_it_committed),
        TEST(reading_works_while_another_process_writes),
        TEST(a_file_of_version_1_is_migrated_and_keeps_its_rows),
        TEST(a_migration_that_fails_leaves_the_version_before),
        TEST(a_newer_file_is_refused),
        TEST(files_that_are_not_stores_are_refused),
        TEST(a_missing_or_empty_file_cannot_be_read_but_can_be_begun),
        TEST(damage_anywhere_is_noticed_or_harmless),
        TEST(a_full_disk_is_an_error_and_what_was_there_stays),
        TEST(a_folder_that_may_not_be_written_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
