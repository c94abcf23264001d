#include "report/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/axis.h"
#include "report/best.h"
#include "report/gnuplot.h"
#include "report/table.h"

/* ---- looks ---- */

/* Okabe and Ito, "Color Universal Design", without the yellow that white paper swallows. */
static const char *const colors[] = {"0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9"};
static const int solid[] = {7, 5, 9, 13, 11, 15}, hollow[] = {6, 4, 8, 12, 10, 14};
#define RING "pt 6 ps 2.3 lw 1.8 lc rgb '#000000'"
enum { N_COLORS = 6, N_SHAPES = 6, LONGEST_LABEL = 64, LABEL_BESIDE = 30 };

/* The second round of colours meets the shapes shifted by one: 36 pairs. */
static const char *color_of(int pipeline)
{
    return colors[pipeline % N_COLORS];
}

static int shape_of(int pipeline, bool is_modeled)
{
    int i = (pipeline + pipeline / N_COLORS) % N_SHAPES;

    return is_modeled ? hollow[i] : solid[i];
}

struct picture {
    const struct pare_dataset *data;
    struct pare_axis x, y;
    bool maximize_x, maximize_y;
    struct pare_rows rows;          /* done, with both metrics */
    struct pare_standing *standing; /* among all objectives */
    struct pare_rows front;         /* front of these two metrics, by x */
    const struct pare_trial *best;
    bool has_modeled, has_measured, has_dominated;
};

/* ---- what is drawn ---- */

static bool is_modeled(const struct picture *p, const struct pare_trial *trial)
{
    return trial->values[p->x.metric].provenance == PARE_MODELED ||
           trial->values[p->y.metric].provenance == PARE_MODELED;
}

static bool is_faded(const struct picture *p, int64_t i)
{
    return p->standing[i].rank <= PARE_RANK_DOMINATED && p->rows.trials[i]->id != 0 &&
           p->rows.trials[i] != p->best;
}

/* A limit on this metric; accuracy_drop is a floor under accuracy. */
static double limit_on(const struct pare_dataset *data, int metric, const struct pare_limit **limit)
{
    const char *name = data->metrics[metric];

    for (int i = 0; i < data->n_limits; i++) {
        *limit = &data->limits[i];
        if (strcmp((*limit)->name, name) == 0)
            return (*limit)->limit;
        if (strcmp((*limit)->name, "accuracy_drop") == 0 && strcmp(name, "accuracy") == 0 &&
            data->baseline)
            return pare_trial_value(data->baseline, metric) - (*limit)->limit;
    }
    *limit = NULL;
    return NAN;
}

static void find_front(struct picture *p, int x, int y)
{
    const struct pare_goal goals[] = {
        {.metric = x, .maximize = p->maximize_x},
        {.metric = y, .maximize = p->maximize_y},
    };
    struct pare_standing *standing =
        pare_xcalloc((size_t)p->rows.n + 1, sizeof(struct pare_standing));
    char by[300];
    int64_t n = 0;

    pare_rows_init(&p->front, p->data, false);
    pare_front_rank(&p->rows, goals, 2, standing);
    for (int64_t i = 0; i < p->rows.n; i++)
        if (standing[i].rank == PARE_RANK_FRONT)
            p->front.trials[n++] = p->rows.trials[i];
    p->front.n = n;
    snprintf(by, sizeof by, "%s:asc", p->data->metrics[x]);
    pare_rows_sort(&p->front, p->data, by, NULL);
    /* Without objectives these two metrics are the objectives. */
    if (p->data->n_goals == 0)
        memcpy(p->standing, standing, (size_t)p->rows.n * sizeof *standing);
    free(standing);
}

static void picture_clear(struct picture *p)
{
    pare_rows_clear(&p->rows);
    pare_rows_clear(&p->front);
    free(p->standing);
}

static pare_status picture_init(struct picture *p, const struct pare_dataset *data, int x, int y,
                                struct pare_error *err)
{
    const struct pare_limit *limit;
    struct pare_best best;
    int64_t n = 0;

    *p = (struct picture){.data = data};
    p->maximize_x = pare_dataset_maximizes(data, data->metrics[x]);
    p->maximize_y = pare_dataset_maximizes(data, data->metrics[y]);
    pare_rows_init(&p->rows, data, false);
    for (int64_t i = 0; i < p->rows.n; i++)
        if (isfinite(pare_trial_value(p->rows.trials[i], x)) &&
            isfinite(pare_trial_value(p->rows.trials[i], y)))
            p->rows.trials[n++] = p->rows.trials[i];
    p->rows.n = n;
    if (n == 0)
        return pare_fail(err, PARE_EINVAL, "no plot: no trial has both %s and %s", data->metrics[x],
                         data->metrics[y]);
    p->standing = pare_xcalloc((size_t)n, sizeof *p->standing);
    pare_front_rank(&p->rows, data->goals, data->n_goals, p->standing);
    find_front(p, x, y);
    pare_axis_fit(&p->x, data, x, &p->rows, &p->front, limit_on(data, x, &limit), false);
    pare_axis_fit(&p->y, data, y, &p->rows, &p->front, limit_on(data, y, &limit), p->maximize_y);
    if (data->n_limits && pare_best_find(&best, data, NULL) == PARE_OK) {
        p->best = best.trial;
        pare_best_clear(&best);
    }
    for (int64_t i = 0; i < n; i++) {
        bool modeled = is_modeled(p, p->rows.trials[i]);

        p->has_modeled = p->has_modeled || modeled;
        p->has_measured = p->has_measured || !modeled;
        p->has_dominated = p->has_dominated || is_faded(p, i);
    }
    return PARE_OK;
}

/* ---- the script ---- */

static void put_axis(struct pare_text *out, const struct pare_axis *axis, char letter,
                     const struct pare_dataset *data)
{
    struct pare_text title = {0};

    pare_axis_title(&title, axis, data);
    pare_text_printf(out, "set %clabel ", letter);
    pare_gnuplot_quote(out, title.s);
    pare_text_printf(out, "\nset %crange [%.9g:%.9g]\n", letter, axis->low, axis->high);
    if (axis->is_log) {
        pare_text_printf(out, "set logscale %c\nset %ctics nomirror ", letter, letter);
        pare_axis_ticks(out, axis);
        pare_text_add(out, "\n");
    } else {
        pare_text_printf(out, "set %ctics nomirror\n", letter);
    }
    pare_text_clear(&title);
}

/* "64 KiB" along the line of a limit, and a shade over what lies beyond. */
static void put_limit(struct pare_text *out, const struct picture *p, bool is_x)
{
    const struct pare_axis *axis = is_x ? &p->x : &p->y;
    const struct pare_limit *limit = NULL;
    double at = limit_on(p->data, axis->metric, &limit) * axis->scale.factor;
    struct pare_text label = {0}, said = {0};
    bool is_ceiling;

    if (!limit || !(at > axis->low && at < axis->high))
        return;
    /* a ceiling on accuracy_drop is a floor under accuracy */
    is_ceiling = !limit->at_least && limit->metric == axis->metric;
    pare_metric_head(&label, limit->name);
    pare_text_add(&label, limit->at_least ? " ≥ " : " ≤ ");
    pare_quantity_text(&label, limit->name, p->data->units[axis->metric], limit->limit);
    for (char *c = label.s; *c; c++) {
        char one[2] = {*c == '_' ? ' ' : *c, '\0'};

        pare_text_add(&said, *c == '@' ? " on " : one);
    }
    if (is_x) {
        pare_text_printf(out,
                         "set arrow from %.9g, graph 0 to %.9g, graph 1 nohead lw 1.2 dt (8,5) "
                         "lc rgb '#555555' back\n",
                         at, at);
        pare_text_printf(out, "set object rectangle from %.9g, graph 0 to %s, graph 1 ", at,
                         is_ceiling ? "graph 1" : "graph 0");
    } else {
        pare_text_printf(out,
                         "set arrow from graph 0, first %.9g to graph 1, first %.9g nohead lw 1.2 "
                         "dt (8,5) lc rgb '#555555' back\n",
                         at, at);
        pare_text_printf(out, "set object rectangle from graph 0, first %.9g to graph 1, %s ", at,
                         is_ceiling ? "graph 1" : "graph 0");
    }
    pare_text_add(out, "fc rgb '#F5F5F5' fillstyle solid 1 noborder behind\n");
    pare_text_add(out, "set label ");
    pare_gnuplot_quote(out, said.s);
    if (is_x)
        pare_text_printf(out, " at %.9g, graph 0.03 left rotate by 90 offset character 0.9,0", at);
    else
        pare_text_printf(out, " at graph 0.985, first %.9g right offset character 0,-0.75", at);
    pare_text_add(out, " font ',10' textcolor rgb '#555555' front\n");
    pare_text_clear(&label);
    pare_text_clear(&said);
}

/* x y x_low x_high y_low y_high */
static void put_point(struct pare_text *out, const struct picture *p,
                      const struct pare_trial *trial)
{
    const struct pare_value *x = &trial->values[p->x.metric], *y = &trial->values[p->y.metric];
    double fx = p->x.scale.factor, fy = p->y.scale.factor;

    pare_text_printf(out, "%.9g %.9g %.9g %.9g %.9g %.9g\n", x->value * fx, y->value * fy,
                     pare_value_low(x) * fx, pare_value_high(x) * fx, pare_value_low(y) * fy,
                     pare_value_high(y) * fy);
}

/* Data blocks $faded_I_M and $clear_I_M for pipeline I, modeled or not; only those with points. */
static bool put_block(struct pare_text *out, const struct picture *p, int pipeline, bool faded,
                      bool modeled)
{
    bool any = false;

    for (int64_t i = 0; i < p->rows.n; i++) {
        const struct pare_trial *trial = p->rows.trials[i];

        if (trial->i_pipeline != pipeline || is_faded(p, i) != faded ||
            is_modeled(p, trial) != modeled)
            continue;
        if (!any)
            pare_text_printf(out, "$%s_%d_%d << EOD\n", faded ? "faded" : "clear", pipeline,
                             modeled);
        any = true;
        put_point(out, p, trial);
    }
    if (any)
        pare_text_add(out, "EOD\n");
    return any;
}

static void put_blocks(struct pare_text *data, struct pare_text *under, struct pare_text *over,
                       const struct picture *p)
{
    for (int i = 0; i < p->data->n_pipelines; i++)
        for (int modeled = 0; modeled < 2; modeled++) {
            int shape = shape_of(i, modeled);
            const char *rgb = color_of(i);

            if (put_block(data, p, i, true, modeled))
                pare_text_printf(under,
                                 ", \\\n $faded_%d_%d using 1:2 with points pt %d ps 0.75 lw 1 lc "
                                 "rgb '#A8%s' notitle",
                                 i, modeled, shape, rgb);
            if (!put_block(data, p, i, false, modeled))
                continue;
            pare_text_printf(under,
                             ", \\\n $clear_%d_%d using 1:2:3:4:5:6 with xyerrorbars ps 0 lw 1 "
                             "lc rgb '#78%s' notitle",
                             i, modeled, rgb);
            /* White below: a rim parts solid points that touch, the inside of hollow ones is clear. */
            pare_text_printf(over,
                             ", \\\n $clear_%d_%d using 1:2 with points pt %d ps %s lc rgb "
                             "'#FFFFFF' notitle",
                             i, modeled, shape_of(i, false), modeled ? "1.15" : "1.5");
            pare_text_printf(over,
                             ", \\\n $clear_%d_%d using 1:2 with points pt %d ps 1.15 lw 1.6 lc "
                             "rgb '#%s' notitle",
                             i, modeled, shape, rgb);
        }
}

static void put_stray(struct pare_text *data, struct pare_text *under, const struct picture *p)
{
    double edge = p->y.low + 0.012 * (p->y.high - p->y.low);

    if (p->y.n_below == 0)
        return;
    if (p->y.is_log)
        edge = p->y.low * pow(p->y.high / p->y.low, 0.012);
    pare_text_add(data, "$stray << EOD\n");
    for (int64_t i = 0; i < p->rows.n; i++) {
        const struct pare_trial *trial = p->rows.trials[i];

        if (pare_trial_value(trial, p->y.metric) * p->y.scale.factor < p->y.low)
            pare_text_printf(data, "%.9g %.9g\n",
                             pare_trial_value(trial, p->x.metric) * p->x.scale.factor, edge);
    }
    pare_text_add(data, "EOD\n");
    pare_text_add(under, ", \\\n $stray with points pt 11 ps 0.6 lc rgb '#999999' notitle");
}

static const struct pare_trial *shown(const struct picture *p, const struct pare_trial *trial)
{
    for (int64_t i = 0; trial && i < p->rows.n; i++)
        if (p->rows.trials[i] == trial)
            return trial;
    return NULL;
}

/* The legend: pipelines, then what the signs mean. */
static void put_legend(struct pare_text *out, const struct picture *p)
{
    for (int i = 0; i < p->data->n_pipelines; i++) {
        struct pare_text label = {0};
        bool used = false, modeled = true;

        for (int64_t k = 0; k < p->rows.n; k++)
            if (p->rows.trials[k]->i_pipeline == i) {
                used = true;
                modeled = modeled && is_modeled(p, p->rows.trials[k]);
            }
        if (!used)
            continue;
        pare_text_cut(&label, p->data->pipelines[i], LONGEST_LABEL);
        pare_text_printf(out,
                         ", \\\n keyentry with points pt %d ps 1.15 lw 1.6 lc rgb '#%s' title ",
                         shape_of(i, modeled), color_of(i));
        pare_gnuplot_quote(out, label.s);
        pare_text_clear(&label);
    }
    if (p->front.n > 1)
        pare_text_add(out, ", \\\n keyentry with lines lw 1.8 lc rgb '#444444' title 'front'");
    if (shown(p, p->best) && p->best->id != 0)
        pare_text_printf(out,
                         ", \\\n keyentry with points " RING " title 'best in budget: trial %lld'",
                         (long long)p->best->id);
    if (p->has_dominated)
        pare_text_add(out, ", \\\n keyentry with points pt 7 ps 0.75 lc rgb '#A8444444' title "
                           "'dominated'");
    if (p->has_modeled && p->has_measured)
        pare_text_add(out, ", \\\n keyentry with points pt 6 ps 1.15 lw 1.6 lc rgb '#444444' title "
                           "'modeled (hollow)'");
}

/* A point of its own, as the block $NAME. */
static void put_named(struct pare_text *data, struct pare_text *over, const struct picture *p,
                      const struct pare_trial *trial, const char *name, const char *style)
{
    pare_text_printf(data, "$%s << EOD\n", name);
    put_point(data, p, trial);
    pare_text_add(data, "EOD\n");
    pare_text_printf(over, ", \\\n $%s using %s notitle", name, style);
}

/* Where a value stands along its axis, 0 to 1. */
static double place_of(const struct pare_axis *axis, double value)
{
    if (axis->is_log)
        return log(value / axis->low) / log(axis->high / axis->low);
    return (value - axis->low) / (axis->high - axis->low);
}

static void put_baseline(struct pare_text *data, struct pare_text *under, struct pare_text *over,
                         const struct picture *p)
{
    const struct pare_trial *trial = p->data->baseline;
    const struct pare_value *y = &trial->values[p->y.metric];
    bool is_high = pare_value_high(y) * p->y.scale.factor > p->y.high;
    double place = place_of(&p->x, trial->values[p->x.metric].value * p->x.scale.factor);

    put_named(data, over, p, trial, "baseline",
              "1:2:('★') with labels font ',22' textcolor rgb '#000000'");
    pare_text_add(under, ", \\\n $baseline using 1:2:3:4:5:6 with xyerrorbars ps 0 lw 1 lc rgb "
                         "'#78000000' notitle");
    /* above the whisker where that is in sight, and inside the frame */
    pare_text_printf(over,
                     ", \\\n $baseline using 1:%s:('baseline') with labels %s offset character "
                     "%s,%s font ',11' textcolor rgb '#000000' notitle",
                     is_high ? "2" : "6",
                     place < 0.08   ? "left"
                     : place > 0.92 ? "right"
                                    : "center",
                     place < 0.08 ? "1" : "0", is_high ? "1.15" : "0.65");
}

static void put_title(struct pare_text *out, const struct picture *p)
{
    struct pare_text line = {0};
    int64_t n_front = 0;

    for (int64_t i = 0; i < p->rows.n; i++)
        n_front += p->standing[i].rank == PARE_RANK_FRONT;
    pare_text_add(out, "set label ");
    pare_gnuplot_quote(out, p->data->name);
    pare_text_add(out,
                  " at graph 0, graph 1 left offset character 0,1.85 font 'DejaVu Sans Bold,13' "
                  "front\n");
    pare_text_printf(&line, "%lld trial%s, %lld on the front; whiskers: 95 %% intervals",
                     (long long)p->rows.n, p->rows.n == 1 ? "" : "s", (long long)n_front);
    if (p->y.n_below)
        pare_text_printf(&line, "; %lld below the axis", (long long)p->y.n_below);
    pare_text_add(out, "set label ");
    pare_gnuplot_quote(out, line.s);
    pare_text_add(out, " at graph 0, graph 1 left offset character 0,0.7 font ',10' textcolor rgb "
                       "'#666666' front\n");
    pare_text_clear(&line);
}

/* Beside the picture where the names are short, else below. */
static bool legend_is_below(const struct pare_dataset *data)
{
    for (int i = 0; i < data->n_pipelines; i++)
        if (pare_text_width(data->pipelines[i]) > LABEL_BESIDE)
            return true;
    return false;
}

static void put_frame(struct pare_text *out, const struct picture *p)
{
    pare_text_add(out, "set encoding utf8\n"
                       "set border 3 lw 1 lc rgb '#333333'\n"
                       "set tics textcolor rgb '#333333' scale 0.6\n"
                       "set grid lt 1 lw 0.6 lc rgb '#E4E4E4' back\n"
                       "set errorbars small\n"
                       "set tmargin 3.6\n");
    if (!legend_is_below(p->data))
        pare_text_add(
            out, "set key outside right center vertical maxcols 1 Left reverse samplen 1 spacing "
                 "1.35 width -2 font ',11' noautotitle\n");
    else
        pare_text_add(out, "set key outside below center vertical maxcols 1 Left reverse samplen "
                           "1 spacing 1.2 height 1 font ',11' noautotitle\n");
    put_axis(out, &p->x, 'x', p->data);
    put_axis(out, &p->y, 'y', p->data);
    put_limit(out, p, true);
    put_limit(out, p, false);
    put_title(out, p);
}

pare_status pare_plot_script(struct pare_text *out, const struct pare_dataset *data, int x, int y,
                             struct pare_error *err)
{
    struct pare_text under = {0}, over = {0};
    struct picture p;
    pare_status st = picture_init(&p, data, x, y, err);

    if (st)
        goto done;
    put_frame(out, &p);
    pare_text_add(out, "$front << EOD\n");
    for (int64_t i = 0; i < p.front.n; i++)
        put_point(out, &p, p.front.trials[i]);
    pare_text_add(out, "EOD\n");
    put_stray(out, &under, &p);
    put_blocks(out, &under, &over, &p);
    if (shown(&p, p.best) && p.best->id != 0)
        put_named(out, &over, &p, p.best, "best", "1:2 with points " RING);
    if (shown(&p, data->baseline))
        put_baseline(out, &under, &over, &p);
    /* What attains x also attains everything worse: a step goes along x first when x is a cost. */
    pare_text_printf(out, "plot $front using 1:2 with %s lw 1.8 lc rgb '#444444' notitle",
                     p.maximize_x ? "fsteps" : "steps");
    pare_text_printf(out, "%s%s", under.s ? under.s : "", over.s ? over.s : "");
    put_legend(out, &p);
    pare_text_add(out, "\n");
done:
    picture_clear(&p);
    pare_text_clear(&under);
    pare_text_clear(&over);
    return st;
}

/* ---- the files ---- */

static bool ends_with(const char *s, const char *ending)
{
    size_t n = strlen(s), m = strlen(ending);

    return n >= m && strcmp(s + n - m, ending) == 0;
}

static pare_status write_one(const char *plot, int height, const char *path, struct pare_error *err)
{
    struct pare_text script = {0}, partial = {0};
    pare_status st;

    pare_text_printf(&partial, "%s.tmp.%ld", path, (long)getpid());
    if (ends_with(path, ".png")) /* twice the size with everything twice as thick: sharp in print */
        pare_text_printf(&script,
                         "set terminal pngcairo noenhanced size %d,%d font 'DejaVu Sans,12' "
                         "fontscale 2 linewidth 2 pointscale 2 background '#FFFFFF'\n",
                         2 * 840, 2 * height);
    else
        pare_text_printf(&script,
                         "set terminal svg noenhanced size 840,%d dynamic font 'DejaVu Sans,12' "
                         "background '#FFFFFF'\n",
                         height);
    pare_text_add(&script, "set output ");
    pare_gnuplot_quote(&script, partial.s);
    pare_text_printf(&script, "\n%sset output\n", plot);
    st = pare_gnuplot_run(script.s, err);
    if (st == PARE_OK && rename(partial.s, path) != 0)
        st = pare_fail(err, PARE_EIO, "%s: %s", path, strerror(errno));
    if (st)
        unlink(partial.s);
    pare_text_clear(&script);
    pare_text_clear(&partial);
    return st;
}

pare_status pare_plot_front(const struct pare_dataset *data, int x, int y, const char *const *paths,
                            int n_paths, struct pare_error *err)
{
    int entries = data->n_pipelines + 4;
    int height = legend_is_below(data) ? 480 + 20 * entries
                 : entries > 14        ? 480 + 24 * (entries - 14)
                                       : 480;
    struct pare_text script = {0};
    pare_status st = pare_plot_script(&script, data, x, y, err);

    for (int i = 0; i < n_paths && st == PARE_OK; i++) {
        if (!ends_with(paths[i], ".png") && !ends_with(paths[i], ".svg"))
            st = pare_fail(err, PARE_EINVAL, "'%s': a plot is a .png or a .svg file", paths[i]);
        else
            st = write_one(script.s, height, paths[i], err);
    }
    pare_text_clear(&script);
    return st;
}
