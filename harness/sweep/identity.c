#include "sweep/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "io/json.h"
#include "measure/machine.h"
#include "option/schema.h"

enum { MAX_PARTS = 16 };

struct identity {
    int n;
    const char *names[MAX_PARTS];
    struct pare_digest digests[MAX_PARTS];
};

/* Takes the text. */
static void add_part(struct identity *id, const char *name, struct pare_text *text)
{
    struct pare_hash *hash = pare_hash_new();

    pare_hash_add_text(hash, text->s ? text->s : "");
    id->names[id->n] = name;
    id->digests[id->n++] = pare_hash_finish(hash);
    pare_text_clear(text);
}

static void add_stages(struct identity *id, const struct pare_space *space)
{
    struct pare_text text = {0};

    for (int s = 0; s < space->n_stages; s++) {
        const struct pare_stage *stage = &space->stages[s];

        pare_text_printf(&text, "%s\n", stage->name);
        for (int m = 0; m < stage->n_methods; m++) {
            const struct pare_stage_method *choice = &stage->methods[m];

            pare_text_printf(&text, " %s@%d\n", choice->method->name, choice->method->revision);
            for (int d = 0; d < choice->n_dims; d++) {
                pare_text_printf(&text, "  %s", choice->dims[d].name);
                for (int v = 0; v < choice->dims[d].n_values; v++)
                    pare_text_printf(&text, " '%s'", choice->dims[d].values[v]);
                pare_text_add(&text, "\n");
            }
        }
    }
    add_part(id, "stages", &text);
    for (int c = 0; c < space->n_chains; c++)
        pare_text_printf(&text, "%s\n", space->chains[c].label);
    add_part(id, "pipelines", &text);
}

/* Trials' latencies stand side by side in one table: they must come from one machine. */
static bool measures_this_machine(const struct pare_sweep *sweep)
{
    for (int i = 0; i < sweep->n_metrics; i++)
        if (sweep->metrics[i].target >= 0 && sweep->targets[sweep->metrics[i].target].is_host)
            return true;
    return false;
}

static void describe(struct identity *id, const struct pare_sweep *sweep, const char *source,
                     const char *data_digest, const char *numeric_mode)
{
    struct pare_text text = {0};
    char machine[64];

    pare_text_add(&text, source);
    add_part(id, "model", &text);
    pare_text_add(&text, data_digest);
    add_part(id, "data", &text);
    pare_options_canonical(pare_recipe_options, &sweep->train, &text);
    add_part(id, "train", &text);
    add_stages(id, sweep->space);
    for (int i = 0; i < sweep->n_constraints; i++)
        pare_text_printf(&text, "%s\n", pare_constraint_text(sweep->constraints[i]));
    add_part(id, "constraints", &text);
    pare_text_printf(&text, "%s@%d(", sweep->sampler->name, sweep->sampler->revision);
    if (sweep->sampler->options)
        pare_options_canonical(sweep->sampler->options, sweep->sampler_options, &text);
    pare_text_printf(&text, ") seed %llu", (unsigned long long)sweep->seed);
    add_part(id, "search", &text);
    pare_text_add(&text, numeric_mode);
    if (measures_this_machine(sweep))
        pare_text_add(&text, pare_machine_digest(machine, sizeof machine));
    add_part(id, "the machine", &text);
}

static char *to_json(const struct identity *id)
{
    struct pare_text text = {0};

    for (int i = 0; i < id->n; i++)
        pare_text_printf(&text, "%s\"%s\": \"%s\"", i ? ", " : "{", id->names[i],
                         id->digests[i].hex);
    pare_text_add(&text, "}");
    return pare_text_take(&text);
}

static pare_status compare(const struct identity *id, const char *stored, struct pare_error *err)
{
    struct pare_json *json = NULL;
    struct pare_text parts = {0};
    pare_status st = pare_json_parse(&json, stored, strlen(stored), err);

    for (int i = 0; !st && i < id->n; i++)
        if (strcmp(pare_json_get_string(json, id->names[i], ""), id->digests[i].hex) != 0)
            pare_text_printf(&parts, "%s%s", parts.n ? ", " : "", id->names[i]);
    if (parts.n)
        st = pare_fail(err, PARE_EINVAL,
                       "holds the results of a sweep that differs in: %s.  Give --results DIR to "
                       "keep both, or --restart to drop its tables (stages that did not change "
                       "come from the cache)",
                       parts.s);
    pare_text_clear(&parts);
    pare_json_free(json);
    return st;
}

pare_status pare_identity_check(struct pare_store *store, const struct pare_sweep *sweep,
                                const char *source, const char *data_digest,
                                const char *numeric_mode, struct pare_error *err)
{
    struct identity id = {0};
    char *stored = pare_store_get(store, "identity"), *now;
    pare_status st;

    describe(&id, sweep, source, data_digest, numeric_mode);
    now = to_json(&id);
    st = stored ? compare(&id, stored, err) : pare_store_set(store, "identity", now, err);
    free(stored);
    free(now);
    return st;
}

/* Libraries that calculate or write the bytes of artifacts. */
static bool shapes_artifacts(const char *library)
{
    static const char *const stems[] = {"libopenblas.", "libdnnl.", "libgomp.", "libz."};

    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
        if (strncmp(library, stems[i], strlen(stems[i])) == 0)
            return true;
    return strcmp(library, "libc") == 0;
}

static const char *json_text(void *it)
{
    const char *text = pare_json_string(pare_json_value(it));

    return text ? text : "";
}

char *pare_identity_numeric_mode(void)
{
    struct pare_text machine = {0}, mode = {0};
    struct pare_json *json = NULL;
    const struct pare_json *libraries;

    pare_machine_json(&machine);
    pare_text_add(&mode, "f32");
    if (pare_json_parse(&json, machine.s, machine.n, NULL) == PARE_OK) {
        pare_text_printf(&mode, "; %s; compiler %s", pare_json_get_string(json, "isa", ""),
                         pare_json_get_string(json, "compiler", ""));
        libraries = pare_json_get(json, "libraries");
        for (void *it = pare_json_first(libraries); it; it = pare_json_next(libraries, it))
            if (shapes_artifacts(pare_json_key(it)))
                pare_text_printf(&mode, "; %s", json_text(it));
    }
    pare_json_free(json);
    pare_text_clear(&machine);
    return pare_text_take(&mode);
}
