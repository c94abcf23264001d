/* pareto, table, best, compare: what came out of a sweep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/results.h"
#include "report/best.h"
#include "report/compare.h"
#include "report/plot.h"
#include "report/summary.h"
#include "report/table.h"

static enum pare_table_format format_of(const struct pare_args *args)
{
    enum pare_table_format format = PARE_TABLE_TEXT;

    pare_table_format_find(pare_arg_get(args, "output", "table"), &format);
    return format;
}

static bool is_for_programs(enum pare_table_format format)
{
    return format == PARE_TABLE_CSV || format == PARE_TABLE_JSON;
}

static pare_status load(struct pare_dataset **data, const struct pare_args *args,
                        struct pare_error *err)
{
    char *folder = NULL;
    pare_status st = pare_results_find(&folder, args->n_operands ? args->operands[0] : NULL,
                                       pare_arg_get(args, "results", NULL), err);

    if (st == PARE_OK)
        st = pare_dataset_load(data, folder, err);
    free(folder);
    return st;
}

/* ---- what pareto and table share ---- */

struct view {
    struct pare_dataset *data;
    struct pare_rows rows;
    struct pare_table_options options;
    int *metrics;
};

static void view_clear(struct view *view)
{
    pare_rows_clear(&view->rows);
    free(view->metrics);
    pare_dataset_free(view->data);
}

/* Every expression of --where must hold. */
static pare_status choose_rows(struct view *view, const struct pare_args *args,
                               struct pare_error *err)
{
    const char *where[PARE_ARG_MAX];
    int n = pare_arg_all(args, "where", where);
    pare_status st = PARE_OK;

    pare_rows_init(&view->rows, view->data, view->options.with_status);
    for (int i = 0; i < n && st == PARE_OK; i++)
        st = pare_rows_where(&view->rows, view->data, where[i], err);
    return st;
}

/* "METRIC:max" or "METRIC:min", in place of the sweep's objectives. */
static pare_status read_goals(struct pare_dataset *data, const struct pare_args *args,
                              struct pare_error *err)
{
    const char *texts[PARE_ARG_MAX];
    int n = pare_arg_all(args, "objective", texts);
    struct pare_goal *goals = PARE_ARENA_NEW(data->arena, struct pare_goal, n + 1);

    for (int i = 0; i < n; i++) {
        const char *colon = strrchr(texts[i], ':');
        size_t length = colon ? (size_t)(colon - texts[i]) : strlen(texts[i]);
        pare_status st;

        if (!colon || (strcmp(colon, ":max") != 0 && strcmp(colon, ":min") != 0))
            return pare_fail(err, PARE_EINVAL, "--objective '%s': write METRIC:max or METRIC:min",
                             texts[i]);
        goals[i].name = pare_arena_printf(data->arena, "%.*s", (int)length, texts[i]);
        goals[i].maximize = strcmp(colon, ":max") == 0;
        st = pare_dataset_need_metric(data, goals[i].name, &goals[i].metric, err);
        if (st)
            return st;
    }
    if (n) {
        data->goals = goals;
        data->n_goals = n;
    }
    return PARE_OK;
}

static pare_status view_init(struct view *view, const struct pare_args *args, bool with_status,
                             struct pare_error *err)
{
    pare_status st;

    *view = (struct view){0};
    view->options.format = format_of(args);
    view->options.columns = pare_stdout_columns();
    view->options.color = pare_color(STDOUT_FILENO);
    view->options.with_status = with_status;
    st = load(&view->data, args, err);
    if (st == PARE_OK)
        st = read_goals(view->data, args, err);
    if (st == PARE_OK)
        st = pare_table_metrics(&view->metrics, &view->options.n_metrics, view->data,
                                pare_arg_get(args, "metric", NULL),
                                is_for_programs(view->options.format), err);
    view->options.metrics = view->metrics;
    if (st == PARE_OK)
        st = choose_rows(view, args, err);
    return st;
}

#define VIEW_ARGS                                                                              \
    PARE_RESULTS_ARG, PARE_OUTPUT_ARG,                                                         \
        {"metric", 'm', "NAMES", "metrics to show, with commas between them, or all", NULL},   \
    {                                                                                          \
        "where", 'w', "EXPRESSION",                                                            \
            "only trials for which it holds, as in 'size_bytes <= 64 KiB and quant.scheme == " \
            "W8A8' (may be repeated)",                                                         \
            NULL                                                                               \
    }

#define WHERE_DETAILS                                                                    \
    "FOLDER is a results folder; a sweep file stands for results/NAME; without it the\n" \
    "only folder in results/ is taken.\n\n"                                              \
    "Expressions know metrics, options (stage.option), baseline.METRIC, trial.id,\n"     \
    "trial.status and trial.pipeline; <= < >= > == !=, + - * /, and, or, not;\n"         \
    "units as in 64 KiB, 2 ms, 1 %.\n\n"                                                 \
    "In tables for people '~' marks what is modeled and '-' what is unavailable;\n"      \
    "csv and json have raw numbers, intervals and provenance."

/* ---- table ---- */

static int run_table(int argc, char **argv)
{
    struct pare_args args;
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct view view;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_table, argc, argv, &code))
        return code;
    st = view_init(&view, &args, pare_arg_given(&args, "all"), &err);
    if (st == PARE_OK)
        st = pare_rows_sort(&view.rows, view.data, pare_arg_get(&args, "sort", "id"), &err);
    if (st == PARE_OK) {
        pare_table_print(&out, view.data, &view.rows, &view.options);
        code = pare_stdout_put(&pare_cmd_table, &out);
    } else {
        code = pare_command_fail(&pare_cmd_table, st, &err);
    }
    view_clear(&view);
    return code;
}

static const struct pare_arg table_args[] = {
    VIEW_ARGS,
    {"sort", 's', "METRIC", "order: METRIC (best first), METRIC:asc, METRIC:desc or id", NULL},
    {"all", 'a', NULL, "also trials that failed, are infeasible or pending", NULL},
    PARE_ARG_END,
};

const struct pare_command pare_cmd_table = {
    .name = "table",
    .summary = "every trial with its metrics",
    .usage = "[OPTION...] [FOLDER]",
    .details = WHERE_DETAILS,
    .options = table_args,
    .min_operands = 0,
    .max_operands = 1,
    .run = run_table,
};

/* ---- pareto ---- */

/* --axes X,Y: one picture of these two. */
static pare_status plot_axes(struct pare_text *paths, const struct pare_dataset *data,
                             const char *axes, const char *dir, struct pare_error *err)
{
    const char *comma = strchr(axes, ',');
    struct pare_text stem = {0};
    char *names[2], *files[2];
    int metrics[2] = {-1, -1};
    pare_status st;

    if (!comma)
        return pare_fail(err, PARE_EINVAL,
                         "--axes '%s': two metrics with a comma, as in latency_ms@host,accuracy",
                         axes);
    names[0] = strndup(axes, (size_t)(comma - axes));
    names[1] = pare_xstrdup(comma + 1);
    st = pare_dir_make(dir, err);
    for (int i = 0; i < 2 && st == PARE_OK; i++)
        st = pare_dataset_need_metric(data, names[i], &metrics[i], err);
    pare_text_printf(&stem, "%s-vs-%s", names[1], names[0]);
    for (char *c = stem.s; *c; c++)
        if (*c == '@' || *c == '/' || *c == ':')
            *c = '-';
    for (int i = 0; i < 2; i++) {
        struct pare_text name = {0};

        pare_text_printf(&name, "%s.%s", stem.s, i ? "png" : "svg");
        files[i] = pare_path_join(dir, name.s);
        pare_text_clear(&name);
    }
    if (st == PARE_OK)
        st = pare_plot_front(data, metrics[0], metrics[1], (const char *const *)files, 2, err);
    if (st == PARE_OK)
        pare_text_printf(paths, "%s\n%s\n", files[0], files[1]);
    for (int i = 0; i < 2; i++) {
        free(names[i]);
        free(files[i]);
    }
    pare_text_clear(&stem);
    return st;
}

/* The paths go to stderr, so that stdout stays the table. */
static pare_status plot(const struct view *view, const struct pare_args *args,
                        struct pare_error *err)
{
    const char *axes = pare_arg_get(args, "axes", NULL), *to = pare_arg_get(args, "plot-dir", NULL);
    char *dir = to ? pare_xstrdup(to) : pare_path_join(view->data->folder, "plots");
    struct pare_text paths = {0};
    pare_status st = PARE_OK;

    if (axes)
        st = plot_axes(&paths, view->data, axes, dir, err);
    else if (to || pare_arg_given(args, "plot"))
        st = pare_summary_plots(&paths, view->data, dir, err);
    if (paths.s)
        fputs(paths.s, stderr);
    pare_text_clear(&paths);
    free(dir);
    return st;
}

static pare_status print_front(struct pare_text *out, struct view *view,
                               const struct pare_args *args, struct pare_error *err)
{
    struct pare_standing *standing = pare_xcalloc((size_t)view->rows.n + 1, sizeof *standing);
    struct pare_best best = {0};
    pare_status st = pare_best_find(&best, view->data, err);

    if (st == PARE_OK)
        st = pare_rows_sort(&view->rows, view->data,
                            pare_arg_get(args, "sort", view->data->goals[0].name), err);
    if (st == PARE_OK) {
        pare_front_rank(&view->rows, view->data->goals, view->data->n_goals, standing);
        if (!pare_arg_given(args, "all"))
            pare_front_keep(&view->rows, standing, is_for_programs(view->options.format) ? -1 : 0);
        view->options.standing = standing;
        view->options.best = &best;
        pare_table_print(out, view->data, &view->rows, &view->options);
    }
    pare_best_clear(&best);
    free(standing);
    return st;
}

static int run_pareto(int argc, char **argv)
{
    struct pare_args args;
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct view view;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_pareto, argc, argv, &code))
        return code;
    st = view_init(&view, &args, false, &err);
    if (st == PARE_OK)
        st = print_front(&out, &view, &args, &err);
    if (st == PARE_OK) {
        st = plot(&view, &args, &err);
        if (st != PARE_EINVAL) /* without gnuplot there is still the table */
            code = pare_stdout_put(&pare_cmd_pareto, &out);
    }
    if (st)
        code = pare_command_fail(&pare_cmd_pareto, st, &err);
    else if (code == PARE_EXIT_DONE && view.rows.n == 0) {
        fprintf(stderr, "pare pareto: no trial that is done has every objective\n");
        code = PARE_EXIT_INFEASIBLE;
    }
    pare_text_clear(&out);
    view_clear(&view);
    return code;
}

static const struct pare_arg pareto_args[] = {
    VIEW_ARGS,
    {"sort", 's', "METRIC", "order: METRIC (best first), METRIC:asc, METRIC:desc or id", NULL},
    {"all", 'a', NULL, "also the trials that are dominated", NULL},
    {"objective", 0, "METRIC:max", "in place of the sweep's objectives (repeat it; max or min)",
     NULL},
    {"plot", 'p', NULL, "write the plots, SVG and PNG, into FOLDER/plots/", NULL},
    {"plot-dir", 0, "DIR", "write them there", NULL},
    {"axes", 0, "X,Y", "one plot of these two metrics", NULL},
    PARE_ARG_END,
};

const struct pare_command pare_cmd_pareto = {
    .name = "pareto",
    .summary = "the front: trials that no other dominates",
    .usage = "[OPTION...] [FOLDER]",
    .details = "A trial is dominated when another is at least as good in every objective and\n"
               "clearly better in one, so that their intervals do not overlap. '=N': worse than\n"
               "trial N by value, but not clearly: a tie.\n"
               "Tables for people show the baseline too.\n\n" WHERE_DETAILS,
    .options = pareto_args,
    .min_operands = 0,
    .max_operands = 1,
    .run = run_pareto,
};

/* ---- best ---- */

static int run_best(int argc, char **argv)
{
    struct pare_args args;
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct pare_dataset *data = NULL;
    struct pare_best best = {0};
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_best, argc, argv, &code))
        return code;
    st = load(&data, &args, &err);
    if (st == PARE_OK)
        st = pare_best_find(&best, data, &err);
    if (st) {
        code = pare_command_fail(&pare_cmd_best, st, &err);
    } else {
        if (*pare_arg_get(&args, "output", "text") == 'j')
            pare_best_json(&out, &best, data);
        else
            pare_best_print(&out, &best, data, pare_color(STDOUT_FILENO));
        code = pare_stdout_put(&pare_cmd_best, &out);
        if (code == PARE_EXIT_DONE && !best.trial)
            code = PARE_EXIT_INFEASIBLE;
    }
    pare_best_clear(&best);
    pare_dataset_free(data);
    return code;
}

static const struct pare_arg best_args[] = {
    PARE_RESULTS_ARG,
    {"output", 'o', "FORMAT", "how to print it", PARE_CHOICES("text", "json")},
    PARE_ARG_END,
};

const struct pare_command pare_cmd_best = {
    .name = "best",
    .summary = "the best trial within the budget, its margins, and what binds",
    .usage = "[OPTION...] [FOLDER]",
    .details = "The objectives decide in their order: trials that the first one cannot tell from\n"
               "the best (inside its interval) are decided by the second, and so on. A budget\n"
               "line binds when another trial would be the best without it.\n\n"
               "Exit code 3: nothing is within the budget; the nearest miss is shown.",
    .options = best_args,
    .min_operands = 0,
    .max_operands = 1,
    .run = run_best,
};

/* ---- compare ---- */

static pare_status split_operands(const struct pare_args *args, char **folders,
                                  struct pare_compare_options *options, struct pare_error *err)
{
    int64_t *trials[] = {&options->trial_a, &options->trial_b};
    pare_status st = PARE_OK;

    for (int i = 0; i < 2 && st == PARE_OK; i++) {
        char *named;

        /* a folder may itself be called like "run:12" */
        if (pare_file_exists(args->operands[i])) {
            named = pare_xstrdup(args->operands[i]);
            *trials[i] = -1;
        } else {
            pare_results_split(args->operands[i], &named, trials[i]);
        }
        st = pare_results_find(&folders[i], named, NULL, err);
        free(named);
    }
    if (st == PARE_OK && (options->trial_a < 0) != (options->trial_b < 0))
        st = pare_fail(err, PARE_EINVAL, "give a trial on both sides (A:12 B:15) or on none");
    return st;
}

static pare_status read_compare_args(const struct pare_args *args,
                                     struct pare_compare_options *options, struct pare_error *err)
{
    const char *threshold = pare_arg_get(args, "threshold", NULL);
    char *end;

    pare_compare_defaults(options);
    options->only_metric = pare_arg_get(args, "metric", NULL);
    if (threshold) {
        options->threshold = strtod(threshold, &end);
        if (end == threshold || *end || !(options->threshold >= 0 && options->threshold < 10))
            return pare_fail(err, PARE_EINVAL,
                             "--threshold '%s': a fraction such as 0.05 is needed", threshold);
    }
    return PARE_OK;
}

static int run_compare(int argc, char **argv)
{
    struct pare_args args;
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct pare_comparison *comparison = NULL;
    struct pare_compare_options options;
    char *folders[2] = {NULL, NULL};
    int64_t n_rows = 20;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_compare, argc, argv, &code))
        return code;
    if (!pare_arg_int(&args, "rows", 0, 1000000, &n_rows))
        return PARE_EXIT_USAGE;
    st = read_compare_args(&args, &options, &err);
    if (st == PARE_OK)
        st = split_operands(&args, folders, &options, &err);
    if (st == PARE_OK)
        st = pare_compare(&comparison, folders[0], folders[1], &options, &err);
    if (st == PARE_OK && comparison->n_changes == 0)
        st = pare_fail(&err, PARE_EINVAL,
                       "%s and %s have no metric of an equal configuration in common", folders[0],
                       folders[1]);
    if (st) {
        code = pare_command_fail(&pare_cmd_compare, st, &err);
    } else {
        pare_compare_print(&out, comparison, format_of(&args), (int)n_rows, pare_stdout_columns(),
                           pare_color(STDOUT_FILENO));
        code = pare_stdout_put(&pare_cmd_compare, &out);
        if (code == PARE_EXIT_DONE && comparison->any_worse &&
            pare_arg_given(&args, "fail-on-regression"))
            code = PARE_EXIT_REGRESSION;
    }
    pare_compare_free(comparison);
    free(folders[0]);
    free(folders[1]);
    return code;
}

static const struct pare_arg compare_args[] = {
    PARE_OUTPUT_ARG,
    {"fail-on-regression", 0, NULL, "exit code 1 when something is confirmed to be worse", NULL},
    {"metric", 'm', "NAME", "only this metric", NULL},
    {"threshold", 0, "FRACTION", "times count as changed beyond it (default 0.05)", NULL},
    {"rows", 0, "N", "changes to list in a table (default 20; 0: all)", NULL},
    PARE_ARG_END,
};

const struct pare_command pare_cmd_compare = {
    .name = "compare",
    .summary = "what became better or worse between two runs, or two trials",
    .usage = "[OPTION...] A B",
    .details = "A and B are results folders or sweep files: trials of equal configuration are\n"
               "compared; or A:12 and B:15: these two trials.\n\n"
               "Accuracies are compared by McNemar's exact test on the same samples, corrected\n"
               "for the number of pairs (Holm); measured times by the interval of their ratio,\n"
               "and only on the same machine; sizes and counts exactly.",
    .options = compare_args,
    .min_operands = 2,
    .max_operands = 2,
    .run = run_compare,
};
