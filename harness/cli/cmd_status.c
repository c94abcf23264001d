/* status, show: what ran, what failed and why; one trial in full. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/results.h"
#include "report/format.h"
#include "report/front.h"
#include "store/store.h"

/* ---- status ---- */

struct failure {
    const char *status, *reason;
    int64_t n, first; /* id */
};

struct tally {
    struct pare_arena *arena;
    int64_t n_ok, n_infeasible, n_failed, n_pending;
    int n_failures;
    struct failure *failures;
    int64_t n_stages, n_stages_ok;
    double stages_s, longest_s;
    const char *longest;
    int64_t n_runs;
    const char *run_status;
    double begun, ended, runs_s;
};

static void add_failure(struct tally *t, const struct pare_trial *trial)
{
    for (int i = 0; i < t->n_failures; i++)
        if (strcmp(t->failures[i].status, trial->status) == 0 &&
            strcmp(t->failures[i].reason, trial->reason) == 0) {
            t->failures[i].n++;
            return;
        }
    t->failures = pare_xrealloc(t->failures, (size_t)(t->n_failures + 1) * sizeof *t->failures);
    t->failures[t->n_failures++] = (struct failure){trial->status, trial->reason, 1, trial->id};
}

static int most_first(const void *a, const void *b)
{
    const struct failure *x = a, *y = b;

    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return x->first < y->first ? -1 : 1;
}

static void tally_trials(struct tally *t, const struct pare_dataset *data)
{
    for (int64_t i = 0; i < data->n; i++) {
        const struct pare_trial *trial = &data->trials[i];

        if (trial->is_ok)
            t->n_ok++;
        else if (strcmp(trial->status, "pending") == 0)
            t->n_pending++;
        else if (strcmp(trial->status, "infeasible") == 0)
            t->n_infeasible++;
        else
            t->n_failed++;
        if (!trial->is_ok && strcmp(trial->status, "pending") != 0)
            add_failure(t, trial);
    }
    if (t->n_failures)
        qsort(t->failures, (size_t)t->n_failures, sizeof *t->failures, most_first);
}

static void tally_stage(void *state, const struct pare_stage_row *row)
{
    struct tally *t = state;

    t->n_stages++;
    t->n_stages_ok += strcmp(row->status, "ok") == 0;
    if (isnan(row->wall_s))
        return;
    t->stages_s += row->wall_s;
    if (row->wall_s > t->longest_s) {
        t->longest_s = row->wall_s;
        t->longest = pare_arena_strdup(t->arena, row->label);
    }
}

static void tally_run(void *state, const struct pare_run_row *row)
{
    struct tally *t = state;

    t->n_runs++;
    t->run_status = pare_arena_strdup(t->arena, row->status);
    t->begun = row->begun_unix;
    t->ended = row->ended_unix;
    if (!isnan(row->ended_unix))
        t->runs_s += row->ended_unix - row->begun_unix;
}

/* A run holds the folder's lock file as long as it lives. */
static bool is_running(const char *folder)
{
    char *path = pare_path_join(folder, "lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool taken = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;

    if (fd >= 0)
        close(fd);
    free(path);
    return taken;
}

static const char *run_word(const struct tally *t, bool running)
{
    if (t->n_runs == 0)
        return "none";
    if (!isnan(t->ended))
        return t->run_status;
    return running ? "running" : "ended without notice (killed?)";
}

static void print_runs(struct pare_text *out, const struct tally *t, bool running)
{
    char when[32] = "", spent[32];
    time_t begun = (time_t)t->begun;
    struct tm tm;

    if (t->n_runs == 0) {
        pare_text_add(out, "runs:      none\n");
        return;
    }
    if (localtime_r(&begun, &tm))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
    pare_text_printf(out, "runs:      %lld; the last: %s, begun %s", (long long)t->n_runs,
                     run_word(t, running), when);
    if (!isnan(t->ended))
        pare_text_printf(out, ", took %s",
                         pare_text_seconds(t->ended - t->begun, spent, sizeof spent));
    else if (running)
        pare_text_printf(out, ", %s ago",
                         pare_text_seconds(pare_clock_unix_s() - t->begun, spent, sizeof spent));
    pare_text_add(out, "\n");
}

static void print_status(struct pare_text *out, const struct pare_dataset *data,
                         const struct tally *t, bool running)
{
    char total[32], longest[32];
    struct pare_grid *grid;
    struct pare_text text = {0};

    pare_text_printf(out, "sweep:     %s\nfolder:    %s\n", data->name, data->folder);
    print_runs(out, t, running);
    pare_text_printf(out,
                     "trials:    %lld: %lld done, %lld infeasible, %lld failed, %lld pending\n",
                     (long long)data->n, (long long)t->n_ok, (long long)t->n_infeasible,
                     (long long)t->n_failed, (long long)t->n_pending);
    pare_text_printf(out, "stages:    %lld: %lld done, %lld not; %s of work",
                     (long long)t->n_stages, (long long)t->n_stages_ok,
                     (long long)(t->n_stages - t->n_stages_ok),
                     pare_text_seconds(t->stages_s, total, sizeof total));
    if (t->longest)
        pare_text_printf(out, "\nlongest:   %s, %s",
                         pare_text_seconds(t->longest_s, longest, sizeof longest), t->longest);
    pare_text_add(out, "\n");
    if (t->n_failures == 0)
        return;
    grid = pare_grid_new();
    pare_grid_column(grid, "trials", "", true, false, true);
    pare_grid_column(grid, "status", "", false, false, true);
    pare_grid_column(grid, "first", "", true, false, true);
    pare_grid_column(grid, "reason", "", false, true, true);
    for (int i = 0; i < t->n_failures; i++) {
        int row = pare_grid_row(grid, PARE_PLAIN);

        pare_text_printf(&text, "%lld", (long long)t->failures[i].n);
        pare_grid_set(grid, row, 0, text.s);
        pare_text_clear(&text);
        pare_grid_set(grid, row, 1, t->failures[i].status);
        pare_text_printf(&text, "%lld", (long long)t->failures[i].first);
        pare_grid_set(grid, row, 2, text.s);
        pare_text_clear(&text);
        pare_grid_set(grid, row, 3, t->failures[i].reason);
    }
    pare_text_add(out, "\n");
    pare_grid_text(out, grid, pare_stdout_columns(), pare_color(STDOUT_FILENO));
    pare_grid_free(grid);
}

static void json_status(struct pare_text *out, const struct pare_dataset *data,
                        const struct tally *t, bool running)
{
    pare_text_add(out, "[{\"name\": ");
    pare_text_json_string(out, data->name);
    pare_text_add(out, ", \"folder\": ");
    pare_text_json_string(out, data->folder);
    pare_text_printf(out, ", \"runs\": %lld, \"running\": %s, \"last_run\": ", (long long)t->n_runs,
                     running ? "true" : "false");
    pare_text_json_string(out, run_word(t, running));
    pare_text_printf(out,
                     ", \"trials\": %lld, \"done\": %lld, \"infeasible\": %lld, \"failed\": %lld, "
                     "\"pending\": %lld, \"stages\": %lld, \"stages_done\": %lld, "
                     "\"stages_wall_s\": ",
                     (long long)data->n, (long long)t->n_ok, (long long)t->n_infeasible,
                     (long long)t->n_failed, (long long)t->n_pending, (long long)t->n_stages,
                     (long long)t->n_stages_ok);
    pare_text_json_number(out, t->stages_s);
    pare_text_add(out, ", \"failures\": [");
    for (int i = 0; i < t->n_failures; i++) {
        pare_text_printf(out, "%s{\"trials\": %lld, \"first\": %lld, \"status\": ", i ? ", " : "",
                         (long long)t->failures[i].n, (long long)t->failures[i].first);
        pare_text_json_string(out, t->failures[i].status);
        pare_text_add(out, ", \"reason\": ");
        pare_text_json_string(out, t->failures[i].reason);
        pare_text_add(out, "}");
    }
    pare_text_add(out, "]}]\n");
}

/* The store, in one snapshot, and the data set made from it. */
static pare_status open_results(struct pare_store **store, struct pare_dataset **data,
                                const char *operand, const struct pare_args *args,
                                struct pare_error *err)
{
    char *folder = NULL;
    pare_status st = pare_results_find(&folder, operand, pare_arg_get(args, "results", NULL), err);

    if (st == PARE_OK)
        st = pare_store_open(store, folder, true, err);
    if (st == PARE_OK)
        st = pare_store_begin(*store, err);
    if (st == PARE_OK)
        st = pare_dataset_read(data, *store, folder, err);
    free(folder);
    return st;
}

static int run_status(int argc, char **argv)
{
    struct pare_args args;
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct pare_store *store = NULL;
    struct pare_dataset *data = NULL;
    struct tally tally = {.ended = NAN};
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_status, argc, argv, &code))
        return code;
    st = open_results(&store, &data, args.n_operands ? args.operands[0] : NULL, &args, &err);
    if (st == PARE_OK) {
        tally.arena = data->arena;
        tally_trials(&tally, data);
        pare_store_each_stage(store, tally_stage, &tally);
        pare_store_each_run(store, tally_run, &tally);
        st = pare_store_check(store, &err);
    }
    if (st) {
        code = pare_command_fail(&pare_cmd_status, st, &err);
    } else {
        if (*pare_arg_get(&args, "output", "text") == 'j')
            json_status(&out, data, &tally, is_running(data->folder));
        else
            print_status(&out, data, &tally, is_running(data->folder));
        code = pare_stdout_put(&pare_cmd_status, &out);
    }
    free(tally.failures);
    pare_dataset_free(data);
    pare_store_close(store);
    return code;
}

static const struct pare_arg status_args[] = {
    PARE_RESULTS_ARG,
    {"output", 'o', "FORMAT", "how to print it", PARE_CHOICES("text", "json")},
    PARE_ARG_END,
};

const struct pare_command pare_cmd_status = {
    .name = "status",
    .summary = "what ran, what failed and why",
    .usage = "[OPTION...] [FOLDER]",
    .details = "FOLDER is a results folder; a sweep file stands for results/NAME; without it the\n"
               "only folder in results/ is taken.",
    .options = status_args,
    .min_operands = 0,
    .max_operands = 1,
    .run = run_status,
};

/* ---- show: the parts of a trial ---- */

static void print_standing(struct pare_text *out, const struct pare_dataset *data,
                           const struct pare_trial *trial)
{
    struct pare_rows rows;
    struct pare_standing *standing;

    for (int g = 0; g < data->n_goals; g++)
        if (data->goals[g].metric < 0)
            return;
    if (data->n_goals == 0 || !trial->is_ok)
        return;
    pare_rows_init(&rows, data, false);
    standing = pare_xcalloc((size_t)rows.n + 1, sizeof *standing);
    pare_front_rank(&rows, data->goals, data->n_goals, standing);
    for (int64_t i = 0; i < rows.n; i++) {
        if (rows.trials[i] != trial)
            continue;
        if (standing[i].rank == PARE_RANK_FRONT)
            pare_text_add(out, "front:     on it\n");
        else if (standing[i].rank == PARE_RANK_TIE)
            pare_text_printf(out, "front:     cannot be told from trial %lld: a tie\n",
                             (long long)standing[i].by);
        else if (standing[i].rank == PARE_RANK_DOMINATED)
            pare_text_printf(out, "front:     dominated by trial %lld\n",
                             (long long)standing[i].by);
    }
    free(standing);
    pare_rows_clear(&rows);
}

static const char *provenance_word(enum pare_provenance provenance)
{
    static const char *const words[] = {"", "unavailable", "measured", "modeled", "counted"};
    return words[provenance];
}

static struct pare_grid *metrics_grid(const struct pare_dataset *data,
                                      const struct pare_trial *trial)
{
    struct pare_grid *grid = pare_grid_new();
    struct pare_text text = {0};

    pare_grid_column(grid, "metric", "", false, true, true);
    pare_grid_column(grid, "value", "", true, false, true);
    pare_grid_column(grid, "95 % interval", "", true, false, false);
    pare_grid_column(grid, "provenance", "", false, false, true);
    pare_grid_column(grid, "note", "", false, true, false);
    for (int m = 0; m < data->n_metrics; m++) {
        const struct pare_value *v = &trial->values[m];
        struct pare_value plain = *v;
        int row;

        if (v->provenance == PARE_ABSENT)
            continue;
        row = pare_grid_row(grid, PARE_PLAIN);
        plain.low = plain.high = NAN;
        pare_grid_set(grid, row, 0, data->metrics[m]);
        pare_value_quantity(&text, data->metrics[m], data->units[m], &plain);
        pare_grid_set(grid, row, 1, text.s);
        pare_text_clear(&text);
        if (!isnan(v->low) && !isnan(v->high)) {
            struct pare_scale scale =
                pare_scale_choose(data->metrics[m], data->units[m], fabs(v->value), fabs(v->value));

            pare_interval_text(&text, v, scale);
            pare_grid_set(grid, row, 2, text.s);
            pare_text_clear(&text);
        }
        pare_grid_set(grid, row, 3, provenance_word(v->provenance));
        if (v->note[0]) {
            pare_text_printf(&text, "[%d]", pare_grid_note(grid, v->note));
            pare_grid_set(grid, row, 4, text.s);
            pare_text_clear(&text);
        }
    }
    return grid;
}

enum { DEEPEST = 64 };

/* Keys from the last stage back to the baseline; the number of them. */
static int stage_chain(struct pare_store *store, struct pare_arena *arena, const char *last,
                       struct pare_stage_row *rows)
{
    struct pare_stage_row row;
    const char *key = last;
    int n = 0;

    while (n < DEEPEST && key[0] && pare_store_get_stage(store, key, &row)) {
        rows[n].key = pare_arena_strdup(arena, row.key);
        rows[n].parent_key = pare_arena_strdup(arena, row.parent_key);
        rows[n].label = pare_arena_strdup(arena, row.label);
        rows[n].status = pare_arena_strdup(arena, row.status);
        rows[n].error = pare_arena_strdup(arena, row.error);
        rows[n].log = pare_arena_strdup(arena, row.log);
        rows[n].artifact_digest = pare_arena_strdup(arena, row.artifact_digest);
        rows[n].size_bytes = row.size_bytes;
        rows[n].wall_s = row.wall_s;
        rows[n].peak_rss_mib = row.peak_rss_mib;
        key = rows[n++].parent_key;
    }
    return n;
}

static struct pare_grid *stages_grid(const struct pare_stage_row *rows, int n)
{
    struct pare_grid *grid = pare_grid_new();
    struct pare_text text = {0};
    char buffer[32];

    pare_grid_column(grid, "stage", "", false, true, true);
    pare_grid_column(grid, "status", "", false, false, true);
    pare_grid_column(grid, "time", "", true, false, true);
    pare_grid_column(grid, "memory", "", true, false, false);
    pare_grid_column(grid, "file", "", true, false, false);
    pare_grid_column(grid, "key", "", false, false, false);
    for (int i = n - 1; i >= 0; i--) {
        int row = pare_grid_row(grid, PARE_PLAIN);

        pare_grid_set(grid, row, 0, rows[i].label);
        pare_grid_set(grid, row, 1, rows[i].status);
        if (!isnan(rows[i].wall_s))
            pare_grid_set(grid, row, 2, pare_text_seconds(rows[i].wall_s, buffer, sizeof buffer));
        if (!isnan(rows[i].peak_rss_mib)) {
            pare_text_printf(&text, "%.0f MiB", rows[i].peak_rss_mib);
            pare_grid_set(grid, row, 3, text.s);
            pare_text_clear(&text);
        }
        if (rows[i].artifact_digest[0])
            pare_grid_set(grid, row, 4,
                          pare_text_bytes((double)rows[i].size_bytes, buffer, sizeof buffer));
        pare_text_printf(&text, "%.12s", rows[i].key);
        pare_grid_set(grid, row, 5, text.s);
        pare_text_clear(&text);
    }
    return grid;
}

static void add_layer(void *state, const struct pare_layer_row *layer)
{
    struct pare_grid *grid = state;
    struct pare_text text = {0};
    int row = pare_grid_row(grid, PARE_PLAIN);
    char buffer[32];

    pare_grid_set(grid, row, 0, layer->name);
    pare_grid_set(grid, row, 1, layer->op);
    pare_grid_set(grid, row, 2, layer->kernel);
    pare_number_text(&text, (double)layer->macs,
                     pare_scale_choose("macs", "1", (double)layer->macs, (double)layer->macs));
    pare_text_add(&text,
                  pare_scale_choose("macs", "1", (double)layer->macs, (double)layer->macs).unit);
    pare_grid_set(grid, row, 3, text.s);
    pare_text_clear(&text);
    pare_grid_set(grid, row, 4,
                  pare_text_bytes((double)layer->weight_bytes, buffer, sizeof buffer));
    if (!isnan(layer->time_us)) {
        pare_text_printf(&text, "%.2f µs", layer->time_us);
        pare_grid_set(grid, row, 5, text.s);
        pare_text_clear(&text);
    }
}

static struct pare_grid *layers_grid(struct pare_store *store, const struct pare_trial *trial)
{
    struct pare_grid *grid = pare_grid_new();

    pare_grid_column(grid, "layer", "", false, true, true);
    pare_grid_column(grid, "op", "", false, false, false);
    pare_grid_column(grid, "kernel", "", false, true, false);
    pare_grid_column(grid, "MACs", "", true, false, false);
    pare_grid_column(grid, "weights", "", true, false, false);
    pare_grid_column(grid, "time", "", true, false, true);
    pare_store_each_layer(store, trial->id, add_layer, grid);
    return grid;
}

/* ---- show: the whole ---- */

/* Prints and frees; nothing when it is empty. */
static void add_section(struct pare_text *out, const char *title, struct pare_grid *grid)
{
    bool color = pare_color(STDOUT_FILENO);

    if (grid->n_rows > 0) {
        pare_text_printf(out, "\n%s%s%s\n", color ? "\033[1m" : "", title, color ? "\033[0m" : "");
        pare_grid_text(out, grid, pare_stdout_columns(), color);
    }
    pare_grid_free(grid);
}

static void print_options(struct pare_text *out, const struct pare_trial *trial)
{
    struct pare_grid *grid = pare_grid_new();

    pare_grid_column(grid, "option", "", false, true, true);
    pare_grid_column(grid, "value", "", false, true, true);
    for (int i = 0; i < trial->n_options; i++) {
        int row = pare_grid_row(grid, PARE_PLAIN);

        pare_grid_set(grid, row, 0, trial->option_names[i]);
        pare_grid_set(grid, row, 1, trial->option_values[i]);
    }
    add_section(out, "options", grid);
}

static void print_trial(struct pare_text *out, struct pare_store *store,
                        const struct pare_dataset *data, const struct pare_trial *trial,
                        bool with_log)
{
    struct pare_stage_row rows[DEEPEST];
    int n = stage_chain(store, data->arena, trial->stage_key, rows);

    pare_text_printf(out, "trial:     %lld of %s\npipeline:  %s\n", (long long)trial->id,
                     data->name, trial->pipeline);
    if (trial->id != 0)
        pare_text_printf(out, "config:    %s\n", trial->config);
    pare_text_printf(out, "status:    %s%s%s\n", trial->status, trial->reason[0] ? ": " : "",
                     trial->reason);
    print_standing(out, data, trial);
    if (trial->artifact_path[0])
        pare_text_printf(out, "model:     %s/%s\n", data->folder, trial->artifact_path);
    print_options(out, trial);
    add_section(out, "metrics", metrics_grid(data, trial));
    add_section(out, "stages", stages_grid(rows, n));
    for (int i = n - 1; i >= 0; i--)
        if (rows[i].error[0])
            pare_text_printf(out, "error in %s: %s\n", rows[i].label, rows[i].error);
    add_section(out, "layers", layers_grid(store, trial));
    for (int i = n - 1; with_log && i >= 0; i--)
        if (rows[i].log[0])
            pare_text_printf(out, "\nlog of %s\n%s\n", rows[i].label, rows[i].log);
}

static void json_stage(struct pare_text *out, const struct pare_stage_row *row)
{
    const char *const texts[][2] = {
        {"key", row->key},     {"label", row->label}, {"status", row->status},
        {"error", row->error}, {"log", row->log},     {"artifact_digest", row->artifact_digest}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        pare_text_printf(out, "%s\"%s\": ", i ? ", " : "{", texts[i][0]);
        pare_text_json_string(out, texts[i][1]);
    }
    pare_text_printf(out, ", \"size_bytes\": %lld, \"wall_s\": ", (long long)row->size_bytes);
    pare_text_json_number(out, row->wall_s);
    pare_text_add(out, ", \"peak_rss_mib\": ");
    pare_text_json_number(out, row->peak_rss_mib);
    pare_text_add(out, "}");
}

struct layers_json {
    struct pare_text *out;
    const char *comma;
};

static void json_layer(void *state, const struct pare_layer_row *layer)
{
    struct layers_json *j = state;

    pare_text_printf(j->out, "%s{\"layer\": ", j->comma);
    pare_text_json_string(j->out, layer->name);
    pare_text_add(j->out, ", \"op\": ");
    pare_text_json_string(j->out, layer->op);
    pare_text_add(j->out, ", \"kernel\": ");
    pare_text_json_string(j->out, layer->kernel);
    pare_text_printf(j->out, ", \"macs\": %lld, \"weight_bytes\": %lld, \"time_us\": ",
                     (long long)layer->macs, (long long)layer->weight_bytes);
    pare_text_json_number(j->out, layer->time_us);
    pare_text_add(j->out, "}");
    j->comma = ", ";
}

/* One array of one object, as everywhere. */
static void json_trial(struct pare_text *out, struct pare_store *store,
                       const struct pare_dataset *data, const struct pare_trial *trial)
{
    struct pare_stage_row rows[DEEPEST];
    int n = stage_chain(store, data->arena, trial->stage_key, rows);
    struct layers_json layers = {out, ""};
    const char *comma = "";

    pare_text_printf(out, "[{\"trial\": %lld", (long long)trial->id);
    for (int i = 0; i < 5; i++) {
        const char *const names[] = {"pipeline", "config", "status", "reason", "model"};
        const char *const texts[] = {trial->pipeline, trial->config, trial->status, trial->reason,
                                     trial->artifact_path};

        pare_text_printf(out, ", \"%s\": ", names[i]);
        pare_text_json_string(out, texts[i]);
    }
    pare_text_add(out, ", \"options\": {");
    for (int i = 0; i < trial->n_options; i++) {
        pare_text_add(out, i ? ", " : "");
        pare_text_json_string(out, trial->option_names[i]);
        pare_text_add(out, ": ");
        pare_text_json_string(out, trial->option_values[i]);
    }
    pare_text_add(out, "}, \"metrics\": {");
    for (int m = 0; m < data->n_metrics; m++) {
        const struct pare_value *v = &trial->values[m];

        if (v->provenance == PARE_ABSENT)
            continue;
        pare_text_add(out, comma);
        comma = ", ";
        pare_text_json_string(out, data->metrics[m]);
        pare_text_add(out, ": {\"value\": ");
        pare_text_json_number(out, v->value);
        pare_text_add(out, ", \"low\": ");
        pare_text_json_number(out, v->low);
        pare_text_add(out, ", \"high\": ");
        pare_text_json_number(out, v->high);
        pare_text_add(out, ", \"unit\": ");
        pare_text_json_string(out, data->units[m]);
        pare_text_printf(out,
                         ", \"provenance\": \"%s\", \"note\": ", provenance_word(v->provenance));
        pare_text_json_string(out, v->note);
        pare_text_add(out, "}");
    }
    pare_text_add(out, "}, \"stages\": [");
    for (int i = n - 1; i >= 0; i--) {
        json_stage(out, &rows[i]);
        pare_text_add(out, i ? ", " : "");
    }
    pare_text_add(out, "], \"layers\": [");
    pare_store_each_layer(store, trial->id, json_layer, &layers);
    pare_text_add(out, "]}]\n");
}

static bool is_number(const char *s)
{
    return *s && strlen(s) < 18 && strspn(s, "0123456789") == strlen(s);
}

/* "12", "FOLDER 12", "FOLDER:12".  The folder is malloc'ed or NULL. */
static bool read_operands(const struct pare_args *args, char **folder, int64_t *id)
{
    const char *last = args->operands[args->n_operands - 1];

    if (args->n_operands == 2)
        *folder = pare_xstrdup(args->operands[0]);
    if (is_number(last))
        *id = strtoll(last, NULL, 10);
    else if (args->n_operands == 1)
        pare_results_split(last, folder, id);
    return *id >= 0;
}

static int run_show(int argc, char **argv)
{
    struct pare_args args;
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct pare_store *store = NULL;
    struct pare_dataset *data = NULL;
    const struct pare_trial *trial = NULL;
    char *folder = NULL;
    int64_t id = -1;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_show, argc, argv, &code))
        return code;
    if (!read_operands(&args, &folder, &id)) {
        free(folder);
        return pare_usage_error(&pare_cmd_show, "'%s' is no trial; its number is needed, as in 12",
                                args.operands[args.n_operands - 1]);
    }
    st = open_results(&store, &data, folder, &args, &err);
    if (st == PARE_OK && !(trial = pare_dataset_trial(data, id)))
        st =
            pare_fail(&err, PARE_EINVAL, "%s has no trial %lld; the last one is %lld", data->folder,
                      (long long)id, (long long)(data->n ? data->trials[data->n - 1].id : -1));
    if (st == PARE_OK) {
        if (*pare_arg_get(&args, "output", "text") == 'j')
            json_trial(&out, store, data, trial);
        else
            print_trial(&out, store, data, trial, pare_arg_given(&args, "log"));
        st = pare_store_check(store, &err);
    }
    code = st ? pare_command_fail(&pare_cmd_show, st, &err) : pare_stdout_put(&pare_cmd_show, &out);
    pare_text_clear(&out);
    free(folder);
    pare_dataset_free(data);
    pare_store_close(store);
    return code;
}

static const struct pare_arg show_args[] = {
    PARE_RESULTS_ARG,
    {"output", 'o', "FORMAT", "how to print it", PARE_CHOICES("text", "json")},
    {"log", 'l', NULL, "also what the stages said", NULL},
    PARE_ARG_END,
};

const struct pare_command pare_cmd_show = {
    .name = "show",
    .summary = "one trial: options, metrics, stages, layers, errors",
    .usage = "[OPTION...] [FOLDER] TRIAL",
    .details = "TRIAL is a number; 0 is the baseline. FOLDER is a results folder; a sweep file\n"
               "stands for results/NAME; without it the only folder in results/ is taken.",
    .options = show_args,
    .min_operands = 1,
    .max_operands = 2,
    .run = run_show,
};
