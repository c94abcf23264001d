/* The sweep engine, by the real program on tiny sweeps: what runs, what is kept, what a crash, an
 * interruption or a broken method may and may not do.
 *
 * PARE is the program.  The kill test kills PARE_KILLS times (6), at moments drawn from
 * PARE_KILL_SEED, and with PARE_KILL_LATENCY in the environment it measures latencies, too. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "store/store.h"

enum { DONE = 0, USAGE = 2, INFEASIBLE = 3, PARTIAL = 4, INTERRUPTED = 130 };

struct fixture {
    char *folder; /* sweep files and results */
};

/* ---- the program ---- */

static char program[4096], plugins[4096];

static int find_program(void **state)
{
    const char *given = getenv("PARE"), *top = getenv("PARE_TOP");
    char command[12000];

    (void)state;
    if (!top)
        top = ".";
    if (!realpath(given ? given : "build/release/pare", program) || access(program, X_OK) != 0) {
        print_error("no program %s: run `make` first\n", given ? given : "build/release/pare");
        return -1;
    }
    snprintf(plugins, sizeof plugins, "/tmp/pare-test-plugins-%d", (int)getpid());
    snprintf(command, sizeof command,
             "mkdir -p %s && for p in scale bad; do cc -shared -fPIC -O1 -I%s/harness/include "
             "%s/tests/support/plugins/fake_$p.c -o %s/fake_$p.so || exit 1; done",
             plugins, top, top, plugins);
    setenv("PARE_PLUGIN_PATH", plugins, 1);
    if (system(command) != 0)
        return -1;
    return setenv("TMPDIR", plugins, 1); /* a lock of its own: no waiting for sweeps next door */
}

static int remove_plugins(void **state)
{
    char command[5000];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", plugins);
    return system(command);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->folder = check_make_dir();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    check_remove_dir(f->folder);
    free(f);
    return 0;
}

static char *path_in(const struct fixture *f, const char *name)
{
    return pare_path_join(f->folder, name);
}

/* Starts `pare run FOLDER/s.yaml --results FOLDER/RESULTS WORDS` in the folder; output goes to
 * FOLDER/out.txt. */
static pid_t start(const struct fixture *f, const char *results, const char *words)
{
    char command[8000];
    pid_t pid;

    snprintf(command, sizeof command, "cd '%s' && exec '%s' run s.yaml --results '%s' %s",
             f->folder, program, results, words);
    pid = fork();
    if (pid == 0) {
        char *out = path_in(f, "out.txt");
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666);

        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int finish(pid_t pid)
{
    int status = 0;

    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* What the last program said; free(). */
static char *output(const struct fixture *f)
{
    char *path = path_in(f, "out.txt"), *text = NULL;
    size_t n;

    if (pare_file_read(&text, &n, path, 1 << 20, NULL) != PARE_OK)
        text = strdup("");
    free(path);
    return text;
}

static void run(const struct fixture *f, const char *results, const char *words, int code)
{
    int got = finish(start(f, results, words));

    if (got != code) {
        char *text = output(f);

        fail_msg("exit code %d, expected %d:\n%s", got, code, text);
    }
}

static void assert_said(const struct fixture *f, const char *part)
{
    char *text = output(f);

    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
    free(text);
}

static void write_sweep(const struct fixture *f, const char *rest)
{
    static const char head[] =
        "version: 1\n"
        "name: tiny\n"
        "model: {zoo: mlp}\n"
        "data: {name: digits, limit_train: 600, limit_test: 200, val_fraction: 0.25}\n"
        "train: {epochs: 1, batch: 50, lr: 3.0e-3}\n";
    char *path = path_in(f, "s.yaml");
    struct pare_text text = {0};
    struct pare_error err = {0};

    pare_text_printf(&text, "%s%s", head, rest);
    assert_ok(pare_file_write(path, text.s, text.n, &err), &err);
    pare_text_clear(&text);
    free(path);
}

/* ---- the results ---- */

static struct pare_store *open_store(const struct fixture *f, const char *results)
{
    char *path = path_in(f, results);
    struct pare_store *store = NULL;
    struct pare_error err = {0};

    assert_ok(pare_store_open(&store, path, true, &err), &err);
    free(path);
    return store;
}

struct lines {
    int n, capacity;
    char **items;
};

static void add_line(struct lines *lines, char *line)
{
    if (lines->n == lines->capacity) {
        lines->capacity = lines->capacity ? 2 * lines->capacity : 64;
        lines->items = realloc(lines->items, (size_t)lines->capacity * sizeof *lines->items);
    }
    lines->items[lines->n++] = line;
}

static void dump_stage(void *state, const struct pare_stage_row *row)
{
    char *line = NULL;

    /* Not the log: it says how fast the training was. */
    assert_true(asprintf(&line, "stage %s %s %s %s %s %s %lld", row->key, row->parent_key,
                         row->label, row->status, row->error, row->artifact_digest,
                         (long long)row->size_bytes) > 0);
    add_line(state, line);
}

static bool is_time(const char *metric)
{
    return strncmp(metric, "latency", 7) == 0 || strncmp(metric, "speedup", 7) == 0 ||
           strncmp(metric, "perf::", 6) == 0;
}

static void dump_metric(void *state, const struct pare_metric_row *row)
{
    char *line = NULL;

    if (is_time(row->metric)) {
        assert_true(asprintf(&line, "metric %lld %s", (long long)row->trial, row->metric) > 0);
    } else {
        assert_true(asprintf(&line, "metric %lld %s %.17g %.17g %.17g %s %s %s",
                             (long long)row->trial, row->metric, row->value, row->low, row->high,
                             row->unit, row->provenance, row->note) > 0);
    }
    add_line(state, line);
}

static void dump_bits(struct lines *lines, struct pare_store *store, int64_t trial,
                      const char *split)
{
    uint8_t *bits = NULL;
    int64_t n = pare_store_get_bits(store, trial, split, &bits);
    struct pare_text text = {0};

    pare_text_printf(&text, "bits %lld %s %lld ", (long long)trial, split, (long long)n);
    for (int64_t i = 0; i < (n + 7) / 8; i++)
        pare_text_printf(&text, "%02x", bits[i]);
    add_line(lines, pare_text_take(&text));
    free(bits);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything in the store that is not a time, as text; free(). */
static char *dump(const struct fixture *f, const char *results)
{
    struct pare_store *store = open_store(f, results);
    struct lines lines = {0};
    struct pare_text text = {0};
    char **names = NULL, *line;
    int n_names = pare_store_metric_names(store, &names);

    pare_store_each_stage(store, dump_stage, &lines);
    qsort(lines.items, (size_t)lines.n, sizeof *lines.items, by_text);
    for (int64_t i = 0; i < pare_store_n_trials(store); i++) {
        struct pare_trial_row row;

        if (!pare_store_get_trial(store, i, &row))
            continue;
        assert_true(asprintf(&line, "trial %lld %s %s %s %s %s %s %s %s", (long long)row.id,
                             row.config, row.chain, row.options_json, row.status, row.reason,
                             row.stage_key, row.artifact_digest, row.artifact_path) > 0);
        add_line(&lines, line);
        dump_bits(&lines, store, i, "validation");
        dump_bits(&lines, store, i, "test");
    }
    pare_store_each_metric(store, -1, dump_metric, &lines);
    for (int i = 0; i < n_names; i++) {
        pare_text_printf(&text, "column %s\n", names[i]);
        free(names[i]);
    }
    free(names);
    for (int i = 0; i < lines.n; i++) {
        pare_text_printf(&text, "%s\n", lines.items[i]);
        free(lines.items[i]);
    }
    free(lines.items);
    pare_store_close(store);
    return pare_text_take(&text);
}

static void assert_same_results(const struct fixture *f, const char *a, const char *b)
{
    char *x = dump(f, a), *y = dump(f, b);

    if (strcmp(x, y) != 0) {
        size_t i = 0;

        while (x[i] == y[i])
            i++;
        while (i > 0 && x[i - 1] != '\n')
            i--;
        fail_msg("%s and %s differ:\n%.600s\n--- and ---\n%.600s", a, b, x + i, y + i);
    }
    free(x);
    free(y);
}

struct trial_end {
    char status[16], reason[512];
};

static struct trial_end end_of(const struct fixture *f, const char *results, const char *config)
{
    struct pare_store *store = open_store(f, results);
    struct pare_trial_row row;
    struct trial_end end = {"absent", ""};

    for (int64_t i = 0; i < pare_store_n_trials(store); i++)
        if (pare_store_get_trial(store, i, &row) && strstr(row.config, config)) {
            snprintf(end.status, sizeof end.status, "%s", row.status);
            snprintf(end.reason, sizeof end.reason, "%s", row.reason);
            break;
        }
    pare_store_close(store);
    return end;
}

static void count_stage(void *state, const struct pare_stage_row *row)
{
    int *counts = state; /* baseline, kd, prune, quant */
    static const char *const names[] = {"zoo ", "kd:", "prune:", "quant:"};

    for (int i = 0; i < 4; i++)
        counts[i] += strncmp(row->label, names[i], strlen(names[i])) == 0;
}

/* ---- tests ---- */

static const char grid_of_sixty[] =
    "stages:\n"
    "  kd:    {method: distill.logits, student: [mlp-half, mlp-quarter], epochs: 1}\n"
    "  prune: {method: prune.magnitude, sparsity: [0.1, 0.3, 0.5, 0.7, 0.9]}\n"
    "  quant: {method: quant.ptq, granularity: [per_tensor, per_channel],\n"
    "          calibrator: [minmax, percentile, mse]}\n"
    "pipelines: [[kd, prune, quant]]\n"
    "metrics: [accuracy, size_bytes, macs]\n"
    "objectives: {accuracy: max, size_bytes: min}\n"
    "search: {sampler: grid}\n";

static void equal_prefixes_run_once_and_a_second_run_runs_nothing(void **state)
{
    struct fixture *f = *state;
    int counts[4] = {0};
    struct pare_store *store;
    char *first, *second;

    write_sweep(f, grid_of_sixty);
    run(f, "r", "", DONE);
    assert_said(f, "60 trials: 60 ok");
    assert_said(f, "stages: 73 run, 0 from the cache");
    store = open_store(f, "r");
    pare_store_each_stage(store, count_stage, counts);
    pare_store_close(store);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 10);
    assert_int_equal(counts[3], 60);
    first = dump(f, "r");
    run(f, "r", "", DONE);
    assert_said(f, "stages: 0 run");
    second = dump(f, "r");
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static const char small[] =
    "stages:\n"
    "  prune: {method: prune.magnitude, sparsity: [0.2, 0.4, 0.6]}\n"
    "  tune:  {method: train.finetune, epochs: 1}\n"
    "  scale: {method: fake.scale, factor: [0.9, 1.1]}\n"
    "pipelines: [[prune, tune, scale], [scale, prune]]\n"
    "metrics: [accuracy, size_bytes, macs, params, peak_memory_bytes@host]\n"
    "objectives: {accuracy: max, size_bytes: min}\n"
    "search: {sampler: grid}\n";

static void one_worker_and_three_give_the_same_bytes(void **state)
{
    struct fixture *f = *state;

    write_sweep(f, small);
    run(f, "one", "--workers 1", DONE);
    run(f, "three", "--workers 3", DONE);
    assert_same_results(f, "one", "three");
}

static const char small_with_latency[] =
    "stages:\n"
    "  prune: {method: prune.magnitude, sparsity: [0.2, 0.4, 0.6]}\n"
    "  tune:  {method: train.finetune, epochs: 1}\n"
    "  scale: {method: fake.scale, factor: [0.9, 1.1]}\n"
    "pipelines: [[prune, tune, scale], [scale, prune]]\n"
    "metrics: [accuracy, size_bytes, macs, params, latency_ms@host, PAPI_TOT_INS@host]\n"
    "objectives: {accuracy: max, size_bytes: min}\n"
    "search: {sampler: grid}\n";

static void killed_at_any_moment_it_goes_on_to_the_same_tables(void **state)
{
    struct fixture *f = *state;
    const char *kills = getenv("PARE_KILLS"), *given_seed = getenv("PARE_KILL_SEED");
    int n_kills = kills ? atoi(kills) : 6;
    unsigned seed = given_seed ? (unsigned)atoi(given_seed) : 12345;
    double begin, whole_s;

    write_sweep(f, getenv("PARE_KILL_LATENCY") ? small_with_latency : small);
    begin = pare_clock_s();
    run(f, "calm", "", DONE);
    whole_s = pare_clock_s() - begin;
    for (int attempts = 0; n_kills > 0 && attempts < 1000; attempts++) {
        double moment_s = whole_s * (double)(rand_r(&seed) % 1000) / 1000;
        pid_t pid = start(f, "killed", "");
        int code;

        pare_sleep_s(moment_s);
        kill(pid, SIGKILL);
        code = finish(pid);
        print_message("killed after %.2f s%s\n", moment_s, code == DONE ? ": it was done" : "");
        if (code == DONE) { /* the run was ahead of the knife: begin afresh */
            char *path = path_in(f, "killed");

            assert_same_results(f, "calm", "killed");
            check_remove_dir(path);
        } else {
            n_kills--;
        }
    }
    run(f, "killed", "", DONE);
    assert_same_results(f, "calm", "killed");
}

static void an_interruption_ends_with_130_and_the_next_run_goes_on(void **state)
{
    struct fixture *f = *state;
    pid_t pid;
    int code;

    write_sweep(f, small);
    run(f, "calm", "", DONE);
    pid = start(f, "r", "");
    pare_sleep_s(0.15);
    kill(pid, SIGINT);
    code = finish(pid);
    assert_true(code == INTERRUPTED || code == DONE || code == 1000 + SIGINT);
    if (code == INTERRUPTED)
        assert_said(f, "goes on");
    run(f, "r", "", DONE);
    assert_same_results(f, "calm", "r");
}

static void a_method_that_misbehaves_loses_its_own_trial_only(void **state)
{
    struct fixture *f = *state;
    struct trial_end end;

    write_sweep(f, "stages:\n"
                   "  bad:   {method: fake.bad, how: [nothing, segfault, hang, eat, nan, fail, "
                   "refuse, leave]}\n"
                   "  scale: {method: fake.scale, factor: 0.9}\n"
                   "pipelines: [[bad, scale]]\n"
                   "metrics: [accuracy, size_bytes]\n"
                   "objectives: {accuracy: max, size_bytes: min}\n"
                   "search: {sampler: grid, stage_timeout: 2s, stage_memory: 400 MiB}\n");
    run(f, "r", "", DONE);
    assert_said(f, "8 trials: 1 ok, 1 infeasible, 6 failed");
    assert_string_equal(end_of(f, "r", "how=nothing").status, "ok");
    end = end_of(f, "r", "how=segfault");
    assert_string_equal(end.status, "crash");
    assert_non_null(strstr(end.reason, "killed by signal 11"));
    assert_non_null(strstr(end.reason, "in fake.bad"));
    end = end_of(f, "r", "how=hang");
    assert_string_equal(end.status, "timeout");
    assert_non_null(strstr(end.reason, "timeout after 2 s in fake.bad"));
    end = end_of(f, "r", "how=eat");
    assert_string_equal(end.status, "oom");
    assert_non_null(strstr(end.reason, "the limit is 400 MiB"));
    end = end_of(f, "r", "how=nan");
    assert_string_equal(end.status, "numeric");
    assert_non_null(strstr(end.reason, "NaN"));
    end = end_of(f, "r", "how=fail");
    assert_string_equal(end.status, "failed");
    assert_string_equal(end.reason, "fake.bad: this method always fails");
    assert_string_equal(end_of(f, "r", "how=refuse").status, "infeasible");
    end = end_of(f, "r", "how=leave");
    assert_string_equal(end.status, "crash");
    assert_non_null(strstr(end.reason, "exit code 3"));

    /* Failures are remembered until someone asks for another try. */
    run(f, "r", "", DONE);
    assert_said(f, "stages: 0 run");
    run(f, "r", "--retry-failed", DONE);
    assert_said(f, "stages: 6 run");
    assert_string_equal(end_of(f, "r", "how=segfault").status, "crash");
}

static void damage(const char *path)
{
    int fd = open(path, O_RDWR);
    struct stat st;
    char byte;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pread(fd, &byte, 1, st.st_size - 1), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, st.st_size - 1), 1);
    close(fd);
}

static void a_damaged_artifact_is_built_again(void **state)
{
    struct fixture *f = *state;
    struct pare_store *store;
    struct pare_trial_row row;
    char *before, *after, *folder = path_in(f, "r"), *path;

    write_sweep(f, small);
    run(f, "r", "", DONE);
    before = dump(f, "r");
    store = open_store(f, "r");
    assert_true(pare_store_get_trial(store, 3, &row));
    path = pare_path_join(folder, row.artifact_path);
    pare_store_close(store);
    damage(path);
    run(f, "r", "", DONE);
    assert_said(f, "is damaged");
    assert_said(f, "stages: 1 run");
    after = dump(f, "r");
    assert_string_equal(before, after);
    run(f, "r", "", DONE);
    assert_said(f, "stages: 0 run");
    free(before);
    free(after);
    free(path);
    free(folder);
}

static void a_lost_database_costs_no_stage(void **state)
{
    struct fixture *f = *state;

    write_sweep(f, small);
    run(f, "calm", "", DONE);
    run(f, "r", "", DONE);
    run(f, "r", "--restart", DONE);
    assert_said(f, "stages: 0 run");
    assert_same_results(f, "calm", "r");
}

static void more_trials_go_on_and_another_sweep_is_refused(void **state)
{
    struct fixture *f = *state;

    write_sweep(f, small);
    run(f, "calm", "", DONE);
    run(f, "r", "--trials 4", DONE);
    assert_said(f, "4 trials: 4 ok");
    run(f, "r", "", DONE);
    assert_said(f, "12 trials: 12 ok");
    run(f, "r", "--set stages.scale.factor=0.5", USAGE);
    assert_said(f, "differs in: stages");
    assert_said(f, "--results");
    run(f, "r", "--set train.lr=1e-4", USAGE);
    assert_said(f, "differs in: train");
    run(f, "r", "--set search.timeout=1h --set objectives.macs=min", DONE);
    assert_said(f, "stages: 0 run");
}

static void two_runs_do_not_write_into_one_folder(void **state)
{
    struct fixture *f = *state;
    pid_t first;

    write_sweep(f, "stages:\n"
                   "  bad: {method: fake.bad, how: [hang, nothing]}\n"
                   "pipelines: [[bad]]\n"
                   "metrics: [accuracy]\n"
                   "objectives: {accuracy: max}\n"
                   "search: {sampler: grid, stage_timeout: 30s}\n");
    first = start(f, "r", "");
    pare_sleep_s(1);
    run(f, "r", "", USAGE);
    assert_said(f, "another run (process");
    kill(first, SIGKILL);
    finish(first);
}

static void constraints_are_tested_as_early_as_they_can_be(void **state)
{
    struct fixture *f = *state;
    struct trial_end end;

    write_sweep(f,
                "stages:\n"
                "  kd:    {method: distill.logits, student: [mlp-half, mlp-quarter], epochs: 1}\n"
                "  scale: {method: fake.scale, factor: [0.5, 0.9, 1.5]}\n"
                "pipelines: [[kd, scale]]\n"
                "metrics: [accuracy, size_bytes, macs]\n"
                "objectives: {accuracy: max, size_bytes: min}\n"
                "constraints:\n"
                "  - macs <= 0.3 * baseline.macs\n"
                "  - scale.factor != 1.5\n"
                "search: {sampler: grid}\n");
    run(f, "r", "", DONE);
    /* mlp-half is asked for its MACs and never trained: baseline, one student, two scalings. */
    assert_said(f, "stages: 4 run");
    assert_said(f, "6 trials: 2 ok, 4 infeasible, 0 failed");
    end = end_of(f, "r", "factor=1.5");
    assert_string_equal(end.status, "infeasible");
    assert_string_equal(end.reason, "constraint: scale.factor != 1.5");
    end = end_of(f, "r", "mlp-half");
    assert_string_equal(end.status, "infeasible");
    assert_non_null(strstr(end.reason, "macs <= 0.3 * baseline.macs"));
    run(f, "r", "", DONE);
    assert_said(f, "stages: 0 run");
}

static void nothing_feasible_is_exit_code_3(void **state)
{
    struct fixture *f = *state;

    write_sweep(f, "stages:\n"
                   "  scale: {method: fake.scale, factor: [0.5, 0.9]}\n"
                   "pipelines: [[scale]]\n"
                   "metrics: [accuracy, size_bytes]\n"
                   "objectives: {accuracy: max, size_bytes: min}\n"
                   "constraints: [size_bytes <= 1 KiB]\n"
                   "search: {sampler: grid}\n");
    run(f, "r", "", INFEASIBLE);
    assert_said(f, "2 infeasible");
}

static void a_timeout_of_the_sweep_is_exit_code_4(void **state)
{
    struct fixture *f = *state;

    write_sweep(f, "stages:\n"
                   "  bad: {method: fake.bad, how: [nothing, hang]}\n"
                   "pipelines: [[bad]]\n"
                   "metrics: [accuracy, size_bytes]\n"
                   "objectives: {accuracy: max, size_bytes: min}\n"
                   "search: {sampler: grid, stage_timeout: 60s, timeout: 4s}\n");
    run(f, "r", "", PARTIAL);
    assert_string_equal(end_of(f, "r", "how=nothing").status, "ok");
    assert_string_equal(end_of(f, "r", "how=hang").status, "pending");
    /* With more time it goes on, and the stage's own limit ends it. */
    run(f, "r", "--set search.timeout=60s --set search.stage_timeout=1s", DONE);
    assert_string_equal(end_of(f, "r", "how=hang").status, "timeout");
}

static void sizes_are_those_of_the_files_and_latencies_are_measured(void **state)
{
    struct fixture *f = *state;
    struct pare_store *store;
    struct pare_trial_row row;
    struct pare_metric_row metric;
    double *samples = NULL;
    char *folder = path_in(f, "r");

    write_sweep(f, "stages:\n"
                   "  quant: {method: quant.ptq, granularity: [per_tensor, per_channel]}\n"
                   "pipelines: [[quant]]\n"
                   "metrics: [accuracy, size_bytes, latency_ms@host, PAPI_TOT_INS@host]\n"
                   "objectives: {accuracy: max, latency_ms@host: min}\n"
                   "search: {sampler: grid}\n");
    run(f, "r", "", DONE);
    store = open_store(f, "r");
    for (int64_t i = 0; i < 3; i++) {
        char *path;
        struct stat st;

        assert_true(pare_store_get_trial(store, i, &row));
        path = pare_path_join(folder, row.artifact_path);
        assert_int_equal(stat(path, &st), 0);
        free(path);
        assert_true(pare_store_get_metric(store, i, "size_bytes", &metric));
        assert_true(metric.value == (double)st.st_size);
        assert_string_equal(metric.provenance, "counted");
        assert_true(pare_store_get_metric(store, i, "latency_ms@host", &metric));
        assert_true(metric.value > 0 && metric.low <= metric.value && metric.high >= metric.value);
        assert_string_equal(metric.provenance, "measured");
        assert_true(pare_store_get_samples(store, i, "latency_ms@host", &samples) > 10);
        free(samples);
        assert_true(pare_store_get_metric(store, i, "PAPI_TOT_INS@host", &metric));
        assert_true(metric.value > 0 || metric.note[0]); /* a number, or why there is none */
    }
    assert_true(pare_store_get_metric(store, 0, "accuracy_test", &metric));
    pare_store_close(store);
    free(folder);
}

/* With a word: only the tests whose name matches it ("*killed*"). */
int main(int argc, char **argv)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(equal_prefixes_run_once_and_a_second_run_runs_nothing),
        TEST(one_worker_and_three_give_the_same_bytes),
        TEST(killed_at_any_moment_it_goes_on_to_the_same_tables),
        TEST(an_interruption_ends_with_130_and_the_next_run_goes_on),
        TEST(a_method_that_misbehaves_loses_its_own_trial_only),
        TEST(a_damaged_artifact_is_built_again),
        TEST(a_lost_database_costs_no_stage),
        TEST(more_trials_go_on_and_another_sweep_is_refused),
        TEST(two_runs_do_not_write_into_one_folder),
        TEST(constraints_are_tested_as_early_as_they_can_be),
        TEST(nothing_feasible_is_exit_code_3),
        TEST(a_timeout_of_the_sweep_is_exit_code_4),
        TEST(sizes_are_those_of_the_files_and_latencies_are_measured),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, find_program, remove_plugins);
}
