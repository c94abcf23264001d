#include "report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "report/best.h"
#include "report/plot.h"
#include "report/table.h"

/* ---- the front ---- */

pare_status pare_summary_front(struct pare_text *out, const struct pare_dataset *data, int columns,
                               bool color, struct pare_error *err)
{
    struct pare_table_options options = {.columns = columns, .color = color};
    struct pare_standing *standing = NULL;
    struct pare_rows rows = {0};
    struct pare_best best = {0};
    int *metrics = NULL;
    pare_status st = pare_best_find(&best, data, err);

    if (st)
        return st;
    st = pare_table_metrics(&metrics, &options.n_metrics, data, NULL, false, err);
    if (st)
        goto done;
    pare_rows_init(&rows, data, false);
    st = pare_rows_sort(&rows, data, data->goals[0].name, err);
    if (st)
        goto done;
    standing = pare_xcalloc((size_t)rows.n + 1, sizeof *standing);
    pare_front_rank(&rows, data->goals, data->n_goals, standing);
    pare_front_keep(&rows, standing, 0); /* the baseline is what all are compared with */
    options.metrics = metrics;
    options.standing = standing;
    options.best = &best;
    pare_table_print(out, data, &rows, &options);
done:
    free(metrics);
    free(standing);
    pare_rows_clear(&rows);
    pare_best_clear(&best);
    return st;
}

/* ---- the plots ---- */

static bool has_values(const struct pare_dataset *data, int metric)
{
    for (int64_t i = 0; metric >= 0 && i < data->n; i++)
        if (data->trials[i].is_ok && isfinite(data->trials[i].values[metric].value))
            return true;
    return false;
}

/* What is up: the first objective that is maximised; else accuracy; else the first. */
static int find_ordinate(const struct pare_dataset *data)
{
    int accuracy = pare_dataset_metric(data, "accuracy");

    for (int g = 0; g < data->n_goals; g++)
        if (data->goals[g].maximize && has_values(data, data->goals[g].metric))
            return data->goals[g].metric;
    return accuracy >= 0 || data->n_goals == 0 ? accuracy : data->goals[0].metric;
}

static bool is_wanted(const struct pare_dataset *data, int metric)
{
    for (int g = 0; g < data->n_goals; g++)
        if (data->goals[g].metric == metric)
            return true;
    return strncmp(data->metrics[metric], "latency_ms@", 11) == 0;
}

static char *plot_path(const struct pare_dataset *data, const char *dir, int x, int y,
                       const char *ending)
{
    struct pare_text name = {0};
    char *path;

    pare_text_printf(&name, "%s-vs-%s.%s", data->metrics[y], data->metrics[x], ending);
    for (char *c = name.s; *c; c++)
        if (*c == '@' || *c == '/' || *c == ':')
            *c = '-';
    path = pare_path_join(dir, name.s);
    pare_text_clear(&name);
    return path;
}

pare_status pare_summary_plots(struct pare_text *paths, const struct pare_dataset *data,
                               const char *dir, struct pare_error *err)
{
    int y = find_ordinate(data);
    pare_status st = PARE_OK;

    for (int x = 0; st == PARE_OK && y >= 0 && x < data->n_metrics; x++) {
        char *files[2];

        if (x == y || !is_wanted(data, x) || !has_values(data, x) || !has_values(data, y))
            continue;
        st = pare_dir_make(dir, err);
        if (st)
            break;
        files[0] = plot_path(data, dir, x, y, "svg");
        files[1] = plot_path(data, dir, x, y, "png");
        st = pare_plot_front(data, x, y, (const char *const *)files, 2, err);
        for (int i = 0; i < 2; i++) {
            if (st == PARE_OK)
                pare_text_printf(paths, "%s\n", files[i]);
            free(files[i]);
        }
    }
    return st;
}

/* ---- the whole ---- */

static void add_indented(struct pare_text *out, const char *lines)
{
    const char *head = "plots:      ";

    while (*lines) {
        size_t n = strcspn(lines, "\n");

        pare_text_printf(out, "%s%.*s\n", head, (int)n, lines);
        head = "            ";
        lines += n + (lines[n] == '\n');
    }
}

pare_status pare_summary(struct pare_text *out, const char *folder, int columns, bool color,
                         bool *has_best, struct pare_error *err)
{
    struct pare_dataset *data = NULL;
    struct pare_best best = {0};
    struct pare_text paths = {0};
    struct pare_error no_plots = {0};
    char *dir = pare_path_join(folder, "plots");
    pare_status st = pare_dataset_load(&data, folder, err);

    if (st == PARE_OK)
        st = pare_best_find(&best, data, err);
    if (st)
        goto done;
    if (has_best)
        *has_best = best.trial != NULL;
    st = pare_summary_front(out, data, columns, color, err);
    if (st)
        goto done;
    pare_text_add(out, "\n");
    pare_best_print(out, &best, data, color);
    if (pare_summary_plots(&paths, data, dir, &no_plots))
        pare_text_printf(out, "plots:      %s\n", no_plots.text);
    if (paths.s)
        add_indented(out, paths.s);
done:
    pare_best_clear(&best);
    pare_text_clear(&paths);
    pare_dataset_free(data);
    free(dir);
    return st;
}
