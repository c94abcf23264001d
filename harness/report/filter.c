#include "report/filter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "space/constraint.h"

void pare_rows_init(struct pare_rows *rows, const struct pare_dataset *data, bool all)
{
    rows->trials = pare_xcalloc((size_t)data->n + 1, sizeof(struct pare_trial *));
    rows->n = 0;
    for (int64_t i = 0; i < data->n; i++)
        if (all || data->trials[i].is_ok)
            rows->trials[rows->n++] = &data->trials[i];
}

void pare_rows_clear(struct pare_rows *rows)
{
    free(rows->trials);
    *rows = (struct pare_rows){0};
}

/* ---- where ---- */

struct subject {
    const struct pare_dataset *data;
    const struct pare_trial *trial;
    char id[24];
};

/* What an option reads as where the trial has none: equal to no word and no number. */
static const char no_option[] = "\x01";

static const char *ask_option(void *state, const char *name)
{
    struct subject *s = state;
    const char *text;

    if (strcmp(name, "trial.id") == 0) {
        snprintf(s->id, sizeof s->id, "%lld", (long long)s->trial->id);
        return s->id;
    }
    if (strcmp(name, "trial.status") == 0)
        return s->trial->status;
    if (strcmp(name, "trial.pipeline") == 0)
        return s->trial->pipeline;
    text = pare_trial_option(s->trial, name);
    return text ? text : no_option;
}

static bool ask_metric(void *state, const char *name, double *value)
{
    const struct subject *s = state;
    const struct pare_trial *trial = s->trial;

    if (strncmp(name, "baseline.", 9) == 0) {
        trial = s->data->baseline;
        name += 9;
    }
    *value = trial ? pare_trial_value(trial, pare_dataset_metric(s->data, name)) : NAN;
    return !isnan(*value);
}

/* All option names of all trials, without repetition. */
static int option_names(const struct pare_dataset *data, const char ***out)
{
    static const char *const own[] = {"trial.id", "trial.status", "trial.pipeline"};
    const char **names = pare_xcalloc(3, sizeof *names);
    int n = 3;

    memcpy(names, own, sizeof own);
    for (int64_t i = 0; i < data->n; i++)
        for (int k = 0; k < data->trials[i].n_options; k++) {
            const char *name = data->trials[i].option_names[k];
            bool known = false;

            for (int j = 0; j < n && !known; j++)
                known = strcmp(names[j], name) == 0;
            if (known)
                continue;
            names = pare_xrealloc(names, (size_t)(n + 1) * sizeof *names);
            names[n++] = name;
        }
    *out = names;
    return n;
}

static pare_status check_names(const struct pare_dataset *data,
                               const struct pare_constraint *expression, struct pare_error *err)
{
    struct pare_constraint_use use;
    const char **names = NULL;
    int n = option_names(data, &names), metric;
    pare_status st = PARE_OK;

    for (int i = 0; st == PARE_OK && pare_constraint_use(expression, i, &use); i++) {
        const char *name = use.name, *nearest;
        bool known = false;

        if (!use.is_option) {
            st = pare_dataset_need_metric(
                data, strncmp(name, "baseline.", 9) == 0 ? name + 9 : name, &metric, err);
            continue;
        }
        for (int k = 0; k < n && !known; k++)
            known = strcmp(names[k], name) == 0;
        if (known)
            continue;
        nearest = pare_text_nearest(name, names, n);
        st = pare_fail(err, PARE_EINVAL, "no trial has an option '%s'%s%s%s", name,
                       nearest ? "; did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
    }
    free(names);
    return st;
}

pare_status pare_rows_where(struct pare_rows *rows, const struct pare_dataset *data,
                            const char *expression, struct pare_error *err)
{
    struct pare_yaml node = {.kind = PARE_YAML_SCALAR, .line = 1, .column = 1, .text = expression};
    struct pare_problems problems = {0};
    struct pare_constraint *constraint = pare_constraint_parse(&node, &problems);
    struct subject subject = {.data = data};
    struct pare_constraint_env env = {&subject, ask_option, ask_metric};
    pare_status st = PARE_OK;
    int64_t n = 0;

    if (!constraint) {
        st = pare_fail(err, PARE_EINVAL, "character %d: %s",
                       problems.n ? problems.items[0].column : 1,
                       problems.n ? problems.items[0].text : "not an expression");
        goto done;
    }
    st = check_names(data, constraint, err);
    if (st)
        goto done;
    for (int64_t i = 0; i < rows->n; i++) {
        subject.trial = rows->trials[i];
        if (pare_constraint_eval(constraint, &env) == PARE_TRUE)
            rows->trials[n++] = rows->trials[i];
    }
    rows->n = n;
done:
    if (st)
        pare_error_prefix(err, "'%s'", expression);
    pare_constraint_free(constraint);
    pare_problems_clear(&problems);
    return st;
}

/* ---- sort ---- */

struct order {
    int metric; /* -1: by id */
    bool descending;
};

static int compare(const void *a, const void *b, void *state)
{
    const struct pare_trial *s = *(const struct pare_trial *const *)a;
    const struct pare_trial *t = *(const struct pare_trial *const *)b;
    const struct order *order = state;
    double x = pare_trial_value(s, order->metric), y = pare_trial_value(t, order->metric);

    if (isnan(x) != isnan(y))
        return isnan(x) ? 1 : -1;
    if (x != y && !isnan(x))
        return (x < y) != order->descending ? -1 : 1;
    if (s->id == t->id)
        return 0;
    return (s->id < t->id) != (order->metric < 0 && order->descending) ? -1 : 1;
}

pare_status pare_rows_sort(struct pare_rows *rows, const struct pare_dataset *data, const char *by,
                           struct pare_error *err)
{
    struct order order = {.metric = -1};
    const char *direction = strrchr(by, ':');
    char name[256];
    size_t n = direction ? (size_t)(direction - by) : strlen(by);
    pare_status st;

    if (n >= sizeof name)
        return pare_fail(err, PARE_EINVAL, "no trial has a metric of that name");
    memcpy(name, by, n);
    name[n] = '\0';
    if (strcmp(name, "id") != 0) {
        st = pare_dataset_need_metric(data, name, &order.metric, err);
        if (st)
            return st;
        order.descending = pare_dataset_maximizes(data, name);
    }
    if (direction) {
        if (strcmp(direction, ":asc") != 0 && strcmp(direction, ":desc") != 0)
            return pare_fail(err, PARE_EINVAL, "'%s': the order is asc or desc, as in '%s:asc'", by,
                             name);
        order.descending = strcmp(direction, ":desc") == 0;
    }
    qsort_r(rows->trials, (size_t)rows->n, sizeof(struct pare_trial *), compare, &order);
    return PARE_OK;
}
