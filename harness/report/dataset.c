#include "report/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/json.h"
#include "measure/stats.h"

/* ---- metrics ---- */

static enum pare_provenance provenance_of(const char *word, double value)
{
    if (isnan(value))
        return PARE_UNAVAILABLE;
    if (strcmp(word, "modeled") == 0)
        return PARE_MODELED;
    if (strcmp(word, "counted") == 0)
        return PARE_COUNTED;
    return PARE_MEASURED;
}

struct filling {
    struct pare_dataset *data;
    const char **units;
};

static void take_metric(void *state, const struct pare_metric_row *row)
{
    struct filling *f = state;
    struct pare_dataset *data = f->data;
    const struct pare_trial *trial = pare_dataset_trial(data, row->trial);
    int m = pare_dataset_metric(data, row->metric);

    if (!trial || m < 0)
        return;
    trial->values[m] = (struct pare_value){
        .value = row->value,
        .low = row->low,
        .high = row->high,
        .provenance = provenance_of(row->provenance, row->value),
        .note = pare_arena_strdup(data->arena, row->note),
    };
    if (!f->units[m][0] && row->unit[0])
        f->units[m] = pare_arena_strdup(data->arena, row->unit);
}

static struct pare_value derive_drop(struct pare_store *store, const struct pare_dataset *data,
                                     const struct pare_trial *trial, int accuracy,
                                     const uint8_t *base_bits, int64_t n_base)
{
    const struct pare_value *mine = &trial->values[accuracy];
    struct pare_value drop = {
        .value = data->baseline->values[accuracy].value - mine->value,
        .low = NAN,
        .high = NAN,
        .provenance = mine->provenance,
        .note = mine->note,
    };
    uint8_t *bits = NULL;
    int64_t n = pare_store_get_bits(store, trial->id, "validation", &bits);

    if (mine->provenance == PARE_ABSENT)
        drop.value = NAN;
    else if (isnan(drop.value))
        drop.provenance = PARE_UNAVAILABLE;
    if (trial == data->baseline && !isnan(drop.value)) {
        drop.provenance = PARE_COUNTED; /* zero by definition */
    } else if (n > 0 && n == n_base && !isnan(drop.value)) {
        struct pare_interval d = pare_paired_difference(base_bits, bits, n);

        drop.low = d.low;
        drop.high = d.high;
    }
    free(bits);
    return drop;
}

static void derive_drops(struct pare_store *store, struct pare_dataset *data, int drop)
{
    int accuracy = pare_dataset_metric(data, "accuracy");
    uint8_t *base_bits = NULL;
    int64_t n_base = pare_store_get_bits(store, 0, "validation", &base_bits);

    for (int64_t i = 0; i < data->n; i++)
        data->trials[i].values[drop] =
            derive_drop(store, data, &data->trials[i], accuracy, base_bits, n_base);
    free(base_bits);
}

static void read_metrics(struct pare_dataset *data, struct pare_store *store)
{
    char **names = NULL;
    int n = pare_store_metric_names(store, &names);
    const char **metrics = PARE_ARENA_NEW(data->arena, const char *, n + 1);
    struct filling filling = {data, PARE_ARENA_NEW(data->arena, const char *, n + 1)};
    bool has_accuracy = false, has_drop = false;

    for (int i = 0; i < n; i++) {
        metrics[i] = pare_arena_strdup(data->arena, names[i]);
        filling.units[i] = "";
        has_accuracy = has_accuracy || strcmp(names[i], "accuracy") == 0;
        has_drop = has_drop || strcmp(names[i], "accuracy_drop") == 0;
        free(names[i]);
    }
    free(names);
    data->metrics = metrics;
    data->units = filling.units;
    data->n_metrics = n;
    if (has_accuracy && !has_drop && data->baseline) {
        metrics[n] = "accuracy_drop";
        filling.units[n] = "1";
        data->n_metrics++;
    }
    for (int64_t i = 0; i < data->n; i++) {
        struct pare_value *values = PARE_ARENA_NEW(data->arena, struct pare_value, data->n_metrics);

        for (int m = 0; m < data->n_metrics; m++)
            values[m] = (struct pare_value){NAN, NAN, NAN, PARE_ABSENT, ""};
        data->trials[i].values = values;
    }
    pare_store_each_metric(store, -1, take_metric, &filling);
    if (data->n_metrics > n)
        derive_drops(store, data, n);
}

/* ---- trials ---- */

/* Values of any kind become the text that a sweep file would have. */
static const char *option_text(struct pare_arena *arena, const struct pare_json *json)
{
    const char *text = pare_json_string(json);
    struct pare_text number = {0};
    int64_t whole;
    double real;
    bool truth;

    if (text)
        return pare_arena_strdup(arena, text);
    if (pare_json_int(json, &whole))
        return pare_arena_printf(arena, "%lld", (long long)whole);
    if (pare_json_number(json, &real)) {
        pare_text_json_number(&number, real);
        text = pare_arena_strdup(arena, number.s);
        pare_text_clear(&number);
        return text;
    }
    if (pare_json_bool(json, &truth))
        return truth ? "true" : "false";
    return "";
}

static pare_status read_options(struct pare_dataset *data, struct pare_trial *trial,
                                struct pare_error *err)
{
    struct pare_json *json = NULL;
    const char **names, **values;
    pare_status st;
    int n = 0;

    if (!trial->options_json[0])
        return PARE_OK;
    st = pare_json_parse(&json, trial->options_json, strlen(trial->options_json), err);
    if (st) {
        pare_error_prefix(err, "trial %lld: options", (long long)trial->id);
        return st;
    }
    names = PARE_ARENA_NEW(data->arena, const char *, pare_json_n(json) + 1);
    values = PARE_ARENA_NEW(data->arena, const char *, pare_json_n(json) + 1);
    for (void *it = pare_json_first(json); it; it = pare_json_next(json, it)) {
        names[n] = pare_arena_strdup(data->arena, pare_json_key(it));
        values[n++] = option_text(data->arena, pare_json_value(it));
    }
    pare_json_free(json);
    trial->n_options = n;
    trial->option_names = names;
    trial->option_values = values;
    return PARE_OK;
}

static int pipeline_index(struct pare_dataset *data, const char ***pipelines, const char *label)
{
    for (int i = 0; i < data->n_pipelines; i++)
        if (strcmp((*pipelines)[i], label) == 0)
            return i;
    *pipelines = pare_xrealloc(*pipelines, (size_t)(data->n_pipelines + 1) * sizeof **pipelines);
    (*pipelines)[data->n_pipelines] = label;
    return data->n_pipelines++;
}

static pare_status read_trials(struct pare_dataset *data, struct pare_store *store,
                               struct pare_error *err)
{
    int64_t n = pare_store_n_trials(store);
    const char **pipelines = NULL, **kept;
    struct pare_trial_row row;
    pare_status st = PARE_OK;

    data->trials = PARE_ARENA_NEW(data->arena, struct pare_trial, n > 0 ? n : 1);
    for (int64_t id = 0; id < n && st == PARE_OK; id++) {
        struct pare_trial *trial = &data->trials[data->n];

        if (!pare_store_get_trial(store, id, &row))
            continue;
        trial->id = row.id;
        trial->config = pare_arena_strdup(data->arena, row.config);
        trial->pipeline = pare_arena_strdup(data->arena, id == 0 ? "baseline" : row.chain);
        trial->status = pare_arena_strdup(data->arena, row.status);
        trial->reason = pare_arena_strdup(data->arena, row.reason);
        trial->options_json = pare_arena_strdup(data->arena, row.options_json);
        trial->stage_key = pare_arena_strdup(data->arena, row.stage_key);
        trial->artifact_digest = pare_arena_strdup(data->arena, row.artifact_digest);
        trial->artifact_path = pare_arena_strdup(data->arena, row.artifact_path);
        trial->is_ok = strcmp(row.status, "ok") == 0;
        trial->i_pipeline = id == 0 ? -1 : pipeline_index(data, &pipelines, trial->pipeline);
        st = read_options(data, trial, err);
        data->n++;
    }
    if (data->n > 0 && data->trials[0].id == 0)
        data->baseline = &data->trials[0];
    kept = PARE_ARENA_NEW(data->arena, const char *, data->n_pipelines + 1);
    for (int i = 0; i < data->n_pipelines; i++)
        kept[i] = pipelines[i];
    data->pipelines = kept;
    free(pipelines);
    return st;
}

/* ---- objectives and budget ---- */

static pare_status parse_meta(struct pare_json **out, struct pare_store *store, const char *key,
                              struct pare_error *err)
{
    char *text = pare_store_get(store, key);
    pare_status st = PARE_OK;

    *out = NULL;
    if (text)
        st = pare_json_parse(out, text, strlen(text), err);
    if (st == PARE_OK && text && pare_json_kind(*out) != PARE_JSON_ARRAY) {
        pare_json_free(*out);
        *out = NULL;
        st = pare_fail(err, PARE_EFORMAT, "not a JSON array");
    }
    if (st)
        pare_error_prefix(err, "meta data '%s'", key);
    free(text);
    return st;
}

static pare_status read_goals(struct pare_dataset *data, struct pare_store *store,
                              struct pare_error *err)
{
    struct pare_json *json = NULL;
    struct pare_goal *goals;
    pare_status st = parse_meta(&json, store, "objectives", err);

    if (st)
        return st;
    goals = PARE_ARENA_NEW(data->arena, struct pare_goal, pare_json_n(json) + 1);
    for (int64_t i = 0; i < pare_json_n(json); i++) {
        const struct pare_json *item = pare_json_at(json, i);
        const char *name = pare_json_get_string(item, "metric", "");

        goals[i] = (struct pare_goal){
            .metric = pare_dataset_metric(data, name),
            .name = pare_arena_strdup(data->arena, name),
            .maximize = pare_json_get_bool(item, "maximize", false),
        };
    }
    data->n_goals = (int)pare_json_n(json);
    data->goals = goals;
    pare_json_free(json);
    return PARE_OK;
}

static pare_status read_limits(struct pare_dataset *data, struct pare_store *store,
                               struct pare_error *err)
{
    struct pare_json *json = NULL;
    struct pare_limit *limits;
    pare_status st = parse_meta(&json, store, "budget", err);

    if (st)
        return st;
    limits = PARE_ARENA_NEW(data->arena, struct pare_limit, pare_json_n(json) + 1);
    for (int64_t i = 0; i < pare_json_n(json) && st == PARE_OK; i++) {
        const struct pare_json *item = pare_json_at(json, i);
        const char *name = pare_json_get_string(item, "metric", "");

        limits[i] = (struct pare_limit){
            .metric = pare_dataset_metric(data, name),
            .name = pare_arena_strdup(data->arena, name),
            .limit = pare_json_get_number(item, "limit", NAN),
            .at_least = pare_json_get_bool(item, "at_least", false),
        };
        if (isnan(limits[i].limit))
            st = pare_fail(err, PARE_EFORMAT, "meta data 'budget': '%s' has no limit", name);
    }
    data->n_limits = (int)pare_json_n(json);
    data->limits = limits;
    pare_json_free(json);
    return st;
}

/* ---- the whole ---- */

static const char *base_name(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return path + n;
}

pare_status pare_dataset_read(struct pare_dataset **out, struct pare_store *store,
                              const char *folder, struct pare_error *err)
{
    struct pare_arena *arena = pare_arena_new();
    struct pare_dataset *data = PARE_ARENA_NEW(arena, struct pare_dataset, 1);
    char *name = pare_store_get(store, "name");
    pare_status st;

    data->arena = arena;
    data->folder = pare_arena_strdup(arena, folder);
    data->name = pare_arena_strdup(arena, name && name[0] ? name : base_name(folder));
    free(name);
    st = read_trials(data, store, err);
    if (st)
        goto done;
    read_metrics(data, store);
    st = read_goals(data, store, err);
    if (st == PARE_OK)
        st = read_limits(data, store, err);
    if (st == PARE_OK)
        st = pare_store_check(store, err);
done:
    if (st) {
        pare_error_prefix(err, "%s", folder);
        pare_dataset_free(data);
        return st;
    }
    *out = data;
    return PARE_OK;
}

pare_status pare_dataset_load(struct pare_dataset **out, const char *folder, struct pare_error *err)
{
    struct pare_store *store = NULL;
    pare_status st = pare_store_open(&store, folder, true, err);

    if (st)
        return st;
    st = pare_store_begin(store, err);
    if (st == PARE_OK)
        st = pare_dataset_read(out, store, folder, err);
    pare_store_close(store);
    return st;
}

void pare_dataset_free(struct pare_dataset *data)
{
    if (data)
        pare_arena_free(data->arena);
}

/* ---- asking ---- */

int pare_dataset_metric(const struct pare_dataset *data, const char *name)
{
    for (int i = 0; i < data->n_metrics; i++)
        if (strcmp(data->metrics[i], name) == 0)
            return i;
    return -1;
}

const struct pare_trial *pare_dataset_trial(const struct pare_dataset *data, int64_t id)
{
    int64_t low = 0, high = data->n;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (data->trials[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < data->n && data->trials[low].id == id ? &data->trials[low] : NULL;
}

const char *pare_trial_option(const struct pare_trial *trial, const char *name)
{
    for (int i = 0; i < trial->n_options; i++)
        if (strcmp(trial->option_names[i], name) == 0)
            return trial->option_values[i];
    return NULL;
}

double pare_trial_value(const struct pare_trial *trial, int metric)
{
    return metric < 0 ? NAN : trial->values[metric].value;
}

bool pare_dataset_maximizes(const struct pare_dataset *data, const char *metric)
{
    static const char *const more_is_better[] = {"accuracy", "auc", "samples_per_s", "sparsity",
                                                 "speedup"};
    size_t n = strcspn(metric, "@");

    for (int i = 0; i < data->n_goals; i++)
        if (strcmp(data->goals[i].name, metric) == 0)
            return data->goals[i].maximize;
    if (strncmp(metric, "accuracy_drop", 13) == 0)
        return false;
    for (size_t i = 0; i < sizeof more_is_better / sizeof *more_is_better; i++) {
        size_t k = strlen(more_is_better[i]);

        /* "accuracy" and "accuracy_test", not "accuracyless" */
        if (k <= n && strncmp(metric, more_is_better[i], k) == 0 && (k == n || metric[k] == '_'))
            return true;
    }
    return false;
}

pare_status pare_dataset_need_metric(const struct pare_dataset *data, const char *name, int *metric,
                                     struct pare_error *err)
{
    struct pare_text known = {0};
    const char *nearest;

    *metric = pare_dataset_metric(data, name);
    if (*metric >= 0)
        return PARE_OK;
    nearest = pare_text_nearest(name, data->metrics, data->n_metrics);
    for (int i = 0; i < data->n_metrics; i++)
        pare_text_printf(&known, "%s%s", i ? ", " : "", data->metrics[i]);
    pare_fail(err, PARE_EINVAL, "no trial has a metric '%s'%s%s%s; there are: %s", name,
              nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "",
              known.s ? known.s : "none");
    pare_text_clear(&known);
    return PARE_EINVAL;
}
