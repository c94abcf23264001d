/* space: stages, values, pipelines, contracts, and the points they span. */
#include "../support/check.h"
#include "../support/fake_methods.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "space/space.h"

/* The fuzz target itself: its corpus is replayed here. */
#include "../fuzz/fuzz_sweep.c"

struct loaded {
    struct pare_yaml_doc *doc;
    struct pare_space *space;
    struct pare_problems problems;
    char *report; /* NULL: no problems */
};

static struct loaded load(const char *text)
{
    struct loaded l = {0};
    struct pare_error err;
    const char *names[N_FAKE_METHODS];

    assert_ok(pare_yaml_parse(&l.doc, text, strlen(text), "s.yaml", &err), &err);
    pare_space_read(&l.space, pare_yaml_root(l.doc), fake_find, names, fake_names(names), NULL,
                    &l.problems);
    l.report = l.problems.n ? pare_problems_text(&l.problems, "s.yaml") : NULL;
    return l;
}

static struct loaded load_good(const char *text)
{
    struct loaded l = load(text);

    if (l.report)
        fail_msg("%s", l.report);
    return l;
}

static void unload(struct loaded *l)
{
    pare_space_free(l->space);
    pare_yaml_free(l->doc);
    pare_problems_clear(&l->problems);
    free(l->report);
}

/* The text is refused, and the report holds every fragment (NULL-terminated). */
static void refused_all(const char *text, const char *const *fragments)
{
    struct loaded l = load(text);

    if (!l.report)
        fail_msg("accepted:\n%s", text);
    for (; *fragments; fragments++)
        if (!strstr(l.report, *fragments))
            fail_msg("'%s' is not in:\n%s", *fragments, l.report);
    unload(&l);
}
#define refused(TEXT, ...) refused_all(TEXT, (const char *const[]){__VA_ARGS__, NULL})

/* All configs of a space in order; free each and the array. */
static int64_t all_configs(const struct pare_space *space, char ***out)
{
    int64_t n = pare_space_n_points(space);
    int64_t *flat = calloc((size_t)space->n_flat + 1, sizeof *flat);

    *out = calloc((size_t)n, sizeof **out);
    for (int64_t i = 0; i < n; i++) {
        struct pare_config *config;

        pare_space_point(space, i, flat);
        for (int d = 0; d < space->n_flat; d++)
            assert_in_range(flat[d], 0, space->flat_n[d] - 1);
        config = pare_config_new(space, flat);
        (*out)[i] = strdup(config->canonical);
        pare_config_free(config);
    }
    free(flat);
    return n;
}

static void free_configs(char **configs, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        free(configs[i]);
    free(configs);
}

/* ---- Reading ---- */

static void scalars_lists_and_ranges_become_canonical_values(void **state)
{
    struct loaded l =
        load_good("stages:\n"
                  "  kd: {method: distill.fake, student: [half, quarter], alpha: 0.50,\n"
                  "       temperature: {min: 1, max: 100, log: true, n: 3}}\n"
                  "  prune: {method: prune.channels, ignore: [fc2, 'a,b'],\n"
                  "          sparsity: {min: 0.3, max: 0.9, step: 0.1}, scope: global}\n"
                  "  factor: {method: lowrank.svd, rank: {min: 1, max: 5},\n"
                  "           energy: {min: 0, max: 1}}\n"
                  "pipelines: [[kd, prune, factor]]\n");
    const struct pare_dim *dims = l.space->stages[0].methods[0].dims;

    (void)state;
    assert_int_equal(l.space->n_stages, 3);
    assert_int_equal(l.space->stages[0].methods[0].n_dims, 3);
    assert_string_equal(dims[0].name, "student");
    assert_int_equal(dims[0].n_values, 2);
    assert_false(dims[0].is_ordered);
    assert_string_equal(dims[1].name, "temperature"); /* table order, not the file's */
    assert_int_equal(dims[1].n_values, 3);
    assert_string_equal(dims[1].values[0], "1");
    assert_string_equal(dims[1].values[1], "10");
    assert_string_equal(dims[1].values[2], "100");
    assert_true(dims[1].is_ordered);
    assert_string_equal(dims[2].values[0], "0.5");
    assert_int_equal(dims[2].n_values, 1);
    dims = l.space->stages[1].methods[0].dims;
    assert_int_equal(dims[0].n_values, 7);
    for (int i = 0; i < 7; i++) {
        char want[16];

        snprintf(want, sizeof want, "0.%d", 3 + i);
        assert_string_equal(dims[0].values[i], want);
    }
    assert_string_equal(dims[1].values[0], "global");
    assert_string_equal(dims[2].values[0], "[fc2, \"a,b\"]"); /* the list is the value */
    dims = l.space->stages[2].methods[0].dims;
    assert_int_equal(dims[0].n_values, 9); /* energy, without a step */
    assert_string_equal(dims[0].values[4], "0.5");
    assert_int_equal(dims[1].n_values, 5); /* whole numbers: each one */
    assert_string_equal(dims[1].values[4], "5");
    unload(&l);
}

static void whole_ranges_have_no_value_twice(void **state)
{
    struct loaded l =
        load_good("pipeline: [{method: lowrank.svd, rank: {min: 1, max: 8, log: true, "
                  "n: 12}}]\n");
    const struct pare_dim *dim = &l.space->stages[0].methods[0].dims[0];

    (void)state;
    assert_true(dim->n_values <= 8);
    for (int i = 1; i < dim->n_values; i++)
        assert_true(atoi(dim->values[i - 1]) < atoi(dim->values[i]));
    assert_string_equal(dim->values[0], "1");
    assert_string_equal(dim->values[dim->n_values - 1], "8");
    unload(&l);
}

static void lists_of_numbers_are_ordered_when_they_rise(void **state)
{
    struct loaded l = load_good("pipeline:\n- {method: lowrank.svd, energy: [0.5, 0.9, 0.7]}\n"
                                "- {method: prune.channels, sparsity: [0.1, 0.2]}\n"
                                "- {method: prune.magnitude, ignore: [[fc1], [fc1, fc2], []]}\n");

    (void)state;
    assert_false(l.space->stages[0].methods[0].dims[0].is_ordered);
    assert_true(l.space->stages[1].methods[0].dims[0].is_ordered);
    assert_int_equal(l.space->stages[2].methods[0].dims[0].n_values, 3);
    assert_string_equal(l.space->stages[2].methods[0].dims[0].values[1], "[fc1, fc2]");
    assert_int_equal(pare_space_n_points(l.space), 3 * 2 * 3);
    unload(&l);
}

static void the_short_form_names_stages_by_family(void **state)
{
    struct loaded l = load_good("pipeline:\n"
                                "- {method: prune.channels, sparsity: 0.5}\n"
                                "- {method: prune.magnitude, sparsity: [0.5, 0.6]}\n"
                                "- {name: last, method: quant.ptq, bits: 8}\n");
    int64_t flat[1] = {1};
    struct pare_config *config = pare_config_new(l.space, flat);

    (void)state;
    assert_int_equal(l.space->n_flat, 1);
    assert_string_equal(l.space->chains[0].label, "prune > prune2 > last");
    assert_string_equal(config->canonical,
                        "prune:prune.channels(sparsity=0.5) > prune2:prune.magnitude(sparsity=0.6)"
                        " > last:quant.ptq(bits=8)");
    pare_config_free(config);
    unload(&l);
}

static void a_fidelity_is_one_value_with_a_low_end(void **state)
{
    struct loaded l =
        load_good("pipeline: [{method: train.finetune, epochs: {fidelity: [1, 9]}}]\n");
    const struct pare_dim *dim = &l.space->stages[0].methods[0].dims[0];

    (void)state;
    assert_true(dim->has_fidelity && dim->is_recipe);
    assert_string_equal(dim->values[0], "9");
    assert_true(dim->fidelity_low == 1);
    assert_int_equal(pare_space_n_points(l.space), 1);
    unload(&l);
}

static void several_methods_share_the_options_they_have(void **state)
{
    struct loaded l = load_good(
        "stages:\n"
        "  sparsify: {method: [prune.magnitude, prune.movement], sparsity: [0.5, 0.6, 0.7],\n"
        "             scope: [layer, global], warm: [true, false], epochs: [1, 2]}\n"
        "pipelines: [[sparsify]]\n");
    char **configs;
    int64_t n = all_configs(l.space, &configs);

    (void)state;
    /* magnitude: 3 sparsities x 2 scopes (alone it does not train: no epochs);
     * movement: 3 sparsities x 2 warm x 2 epochs. */
    assert_int_equal(n, 6 + 12);
    assert_int_equal(l.space->n_flat, 5); /* method, sparsity (shared), scope, warm, epochs */
    assert_string_equal(configs[0], "sparsify:prune.magnitude(sparsity=0.5,scope=layer)");
    assert_string_equal(configs[6], "sparsify:prune.movement(sparsity=0.5,warm=true,epochs=1)");
    free_configs(configs, n);
    unload(&l);
}

static void recipe_options_belong_to_stages_that_train(void **state)
{
    (void)state;
    struct loaded l = load_good("stages:\n"
                                "  kd: {method: distill.fake, student: half, epochs: 3}\n"
                                "  sparsify: {method: prune.magnitude, lr: [0.1, 0.01]}\n"
                                "pipelines: [{joint: [kd, sparsify]}, [sparsify]]\n");

    /* Alone, prune.magnitude changes the network once: its lr does not exist there. */
    assert_int_equal(pare_space_n_points(l.space), 2 + 1);
    unload(&l);
    refused("stages:\n  prune: {method: prune.channels, epochs: 3}\npipelines: [[prune]]\n",
            "s.yaml:2:35: 'epochs' is an option of training, and prune.channels does not train");
    refused("stages:\n"
            "  kd: {method: distill.fake, student: half, epochs: 3}\n"
            "  sparsify: {method: prune.magnitude, epochs: 4}\n"
            "pipelines: [{joint: [kd, sparsify]}]\n",
            "s.yaml:4:26: pipelines[0]: 'kd' and 'sparsify' share one training run and both give "
            "'epochs'");
}

/* ---- Pipelines ---- */

static const char *const five_stages =
    "stages:\n"
    "  kd: {method: distill.fake, student: [half, quarter]}\n"
    "  prune: {method: prune.channels, sparsity: [0.1, 0.2, 0.3]}\n"
    "  factor: {method: lowrank.svd, energy: 0.9}\n"
    "  sparsify: {method: prune.magnitude, sparsity: 0.5}\n"
    "  tune: {method: train.finetune}\n"
    "  quant: {method: quant.ptq, bits: 8}\n";

static struct loaded load_chains(const char *pipelines)
{
    char text[4096];

    snprintf(text, sizeof text, "%spipelines:\n%s", five_stages, pipelines);
    return load(text);
}

static void refused_chain(const char *pipelines, const char *fragment)
{
    struct loaded l = load_chains(pipelines);

    if (!l.report || !strstr(l.report, fragment))
        fail_msg("'%s' is not in:\n%s", fragment, l.report ? l.report : "(accepted)");
    unload(&l);
}

static void any_order_is_expanded_between_first_and_then(void **state)
{
    struct loaded l = load_chains("- [kd, prune]\n"
                                  "- {first: kd, any_order: [prune, factor, tune], then: [quant]}\n"
                                  "- [{joint: [kd, sparsify]}, quant]\n");
    static const char *const labels[] = {
        "kd > prune",
        "kd > prune > factor > tune > quant",
        "kd > prune > tune > factor > quant",
        "kd > factor > prune > tune > quant",
        "kd > factor > tune > prune > quant",
        "kd > tune > prune > factor > quant",
        "kd > tune > factor > prune > quant",
        "joint(kd, sparsify) > quant",
    };

    (void)state;
    assert_null(l.report);
    assert_int_equal(l.space->n_chains, 8);
    for (int i = 0; i < 8; i++)
        assert_string_equal(l.space->chains[i].label, labels[i]);
    assert_int_equal(l.space->chains[7].n_steps, 2);
    assert_int_equal(l.space->chains[7].steps[0].n_stages, 2);
    unload(&l);
}

static void mistakes_in_pipelines_name_the_place(void **state)
{
    (void)state;
    refused_chain("- [prune, qaunt]\n", "s.yaml:9:11: there is no stage 'qaunt'; did you mean "
                                        "'quant'?");
    refused_chain("- [prune, tune, prune]\n",
                  "s.yaml:9:17: pipelines[0]: stage 'prune' stands twice");
    refused_chain("- [prune]\n- [prune]\n", "s.yaml:10:3: pipelines[1] holds the same pipeline as "
                                            "pipelines[0]");
    refused_chain("- [prune]\n", "s.yaml:2:3: stage 'kd' is in no pipeline; remove it or use it");
    refused_chain("- {any_oder: [prune, factor]}\n", "did you mean 'any_order'?");
    refused_chain("- {joint: [kd]}\n", "a list of at least two stages");
    refused_chain("- prune\n", "pipelines[0]: a list of stages must stand here");
    refused_chain("- []\n", "a list of 1 to");
    refused_chain("- [[prune]]\n", "the name of a stage must stand here");
    refused("stages: {prune: {method: prune.channels}}\n", "pipelines: is missing");
    refused("version: 1\n", "stages: and pipelines: are missing");
    refused("stages: {p: {method: prune.channels}}\npipeline: [{method: prune.channels}]\n",
            "s.yaml:2:11: pipeline: is the short form");
}

/* ---- Contracts ---- */

static void illegal_orders_are_refused_with_rule_and_remedy(void **state)
{
    (void)state;
    refused_chain("- [kd, factor, sparsify, tune]\n- [tune]\n- [quant, prune]\n",
                  "s.yaml:11:11: pipelines[2]: prune after quant: prune.channels cannot change "
                  "integer weights; move 'prune' before 'quant'");
    refused_chain("- [quant, tune]\n",
                  "tune after quant: train.finetune cannot change integer weights");
    refused_chain("- {any_order: [prune, quant]}\n", "prune after quant");
    refused_chain("- [prune, kd]\n",
                  "pipelines[0]: kd after prune: distill.fake starts afresh, so that what 'prune' "
                  "left (removed channels) is lost; move 'kd' before 'prune'");
    refused_chain("- [sparsify, factor]\n", "(weights held at zero) is lost");
    refused_chain("- {joint: [kd, prune]}\n",
                  "s.yaml:9:16: pipelines[0]: 'prune' cannot be joint: prune.channels changes the "
                  "network once");
    refused_chain("- [quant, {joint: [tune, sparsify]}]\n", "pipelines[0]: tune after quant");
}

static void a_student_is_only_new_when_it_is_given(void **state)
{
    (void)state;
    /* Without a student the network teaches itself: nothing is lost. */
    struct loaded l = load_good("stages:\n"
                                "  prune: {method: prune.channels}\n"
                                "  heal: {method: distill.fake, alpha: 0.9}\n"
                                "pipelines: [[prune, heal]]\n");

    unload(&l);
    refused("stages:\n"
            "  a: {method: distill.fake, student: half}\n"
            "  b: {method: distill.fake, student: quarter}\n"
            "pipelines: [{joint: [a, b]}]\n",
            "s.yaml:4:25: pipelines[0]: 'a' and 'b' both bring a student");
}

static void a_stage_with_several_methods_is_checked_for_each(void **state)
{
    (void)state;
    refused("stages:\n"
            "  thin: {method: [prune.channels, prune.magnitude]}\n"
            "  kd: {method: distill.fake, student: half}\n"
            "pipelines: [{joint: [thin, kd]}]\n",
            "'thin' cannot be joint: prune.channels");
}

/* ---- Options ---- */

static void mistakes_in_options_name_the_place_and_the_nearest(void **state)
{
    (void)state;
    refused("pipeline: [{method: prune.chanels}]\n",
            "s.yaml:1:21: method: there is no 'prune.chanels'; did you mean 'prune.channels'?");
    refused("pipeline: [{method: prune.channels, sparcity: 0.5}]\n",
            "s.yaml:1:37: prune.channels has no option 'sparcity'; did you mean 'sparsity'?");
    refused("pipeline: [{method: prune.channels, sparsity: 1.2}]\n",
            "s.yaml:1:47: sparsity: 1.2 is outside [0, 0.99]");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0.5, max: 1.2, step: 0.1}}]\n",
            "s.yaml:1:63: sparsity: 1.2 is outside");
    refused("pipeline: [{method: prune.channels, scope: golbal}]\n", "did you mean 'global'?");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0.5, max: 0.9, setp: 0.1}}]\n",
            "a range has no 'setp'; did you mean 'step'?");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0.5}}]\n", "'max' is missing");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0.9, max: 0.5}}]\n", "swap them");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0, max: 0.5, log: true}}]\n",
            "must start above 0");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0, max: 0.9, step: 1.0e-6}}]\n",
            "more than 10000 values");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0, max: 0.9, step: -1}}]\n",
            "step must be above 0");
    refused("pipeline: [{method: prune.channels, sparsity: {min: 0, max: 0.9, step: 0.1, n: 4}}]\n",
            "exclude each other");
    refused("pipeline: [{method: prune.channels, scope: {min: 0, max: 1}}]\n", "has no range");
    refused("pipeline: [{method: prune.channels, sparsity: [0.5, 0.50]}]\n", "stands twice");
    refused("pipeline: [{method: prune.channels, sparsity: []}]\n", "a list of 1 to");
    refused("pipeline: [{method: prune.channels, sparsity: {fidelity: [0.1, 0.5]}}]\n",
            "takes no fidelity");
    refused("pipeline: [{method: train.finetune, epochs: {fidelity: [5, 1]}}]\n",
            "not above the high");
    refused("pipeline: [{method: quant.ptq}]\n", "quant.ptq needs 'bits'");
    refused("pipeline: [{sparsity: 0.5}]\n", "has no method");
    refused("pipeline: [{method: [prune.channels, prune.channels]}]\n", "stands twice");
    refused("stages: {'a b': {method: prune.channels}}\npipelines: [['a b']]\n",
            "cannot name a stage");
    refused("stages: {baseline: {method: prune.channels}}\npipelines: [[baseline]]\n",
            "meaning of its own");
}

static void one_reading_reports_every_mistake(void **state)
{
    (void)state;
    refused("stages:\n"
            "  prune: {method: prune.channels, sparcity: 0.5, scope: golbal}\n"
            "  quant: {method: quant.pqt, bits: 8}\n"
            "  tune: {method: train.finetune, lr: fast}\n"
            "pipelines:\n"
            "  - [prune, tnue, quant]\n"
            "  - [quant, prune, tune]\n",
            "s.yaml:2:35: ", "s.yaml:2:57: ", "s.yaml:3:19: ", "s.yaml:4:38: ", "s.yaml:6:13: ");
}

/* ---- Points ---- */

static void points_are_distinct_and_share_prefixes(void **state)
{
    struct loaded l = load_good(
        "stages:\n"
        "  kd: {method: distill.fake, student: [half, quarter]}\n"
        "  sparsify: {method: [prune.magnitude, prune.movement], sparsity: [0.1, 0.2, 0.3],\n"
        "             scope: [layer, global], warm: [true, false]}\n"
        "  factor: {method: lowrank.svd, energy: {min: 0.5, max: 0.9, step: 0.1}}\n"
        "  quant: {method: quant.ptq, bits: [4, 8], scheme: [W8A8, W4A8]}\n"
        "pipelines:\n"
        "  - [kd, sparsify, quant]\n"
        "  - [factor, quant]\n"
        "  - {joint: [kd, sparsify], then: [quant]}\n");
    int64_t expected = 2 * (6 + 6) * 4 + 5 * 4 + 2 * 12 * 4;
    char **configs;
    int64_t n = all_configs(l.space, &configs);

    (void)state;
    assert_int_equal(n, expected);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < i; k++)
            assert_string_not_equal(configs[i], configs[k]);
    /* The last stage runs fastest: four neighbours differ in `quant` alone. */
    for (int64_t i = 0; i < n; i += 4) {
        size_t prefix = (size_t)(strstr(configs[i], "quant:") - configs[i]);

        for (int k = 1; k < 4; k++)
            assert_memory_equal(configs[i], configs[i + k], prefix);
    }
    free_configs(configs, n);
    unload(&l);
}

static void counts_saturate_instead_of_wrapping(void **state)
{
    struct loaded l;
    char text[8192] = "pipeline:\n";
    int64_t *flat, n;

    (void)state;
    for (int i = 0; i < 20; i++)
        strcat(text, "- {method: prune.channels, sparsity: {min: 0, max: 0.99, n: 1000}}\n");
    l = load_good(text);
    assert_true(pare_space_n_points(l.space) == INT64_MAX);
    flat = calloc((size_t)l.space->n_flat, sizeof *flat);
    n = INT64_MAX - 1;
    pare_space_point(l.space, n, flat);
    for (int d = l.space->n_flat - 1; d >= 0; d--) {
        assert_int_equal(flat[d], n % 1000);
        n /= 1000;
    }
    free(flat);
    unload(&l);
}

static void configs_answer_for_options_given_and_not(void **state)
{
    struct loaded l =
        load_good("stages:\n"
                  "  prune: {method: [prune.channels, prune.movement], sparsity: 0.25}\n"
                  "  tune: {method: train.finetune, lr: 0.1}\n"
                  "pipelines: [[prune, tune], [tune]]\n");
    int64_t flat[2] = {0, 1};
    struct pare_config *config = pare_config_new(l.space, flat);

    (void)state;
    assert_int_equal(config->n_stages, 2);
    assert_int_equal(config->step_of[1], 1);
    assert_string_equal(pare_config_get(config, "prune.method"), "prune.movement");
    assert_string_equal(pare_config_get(config, "prune.sparsity"), "0.25");
    assert_string_equal(pare_config_get(config, "prune.warm"), "true"); /* the default */
    assert_string_equal(pare_config_get(config, "tune.lr"), "0.1");
    assert_null(pare_config_get(config, "prune.scope")); /* the other method's */
    assert_null(pare_config_get(config, "tune.batch"));  /* the sweep's recipe knows */
    assert_null(pare_config_get(config, "quant.bits"));
    assert_null(pare_config_get(config, "prune"));
    pare_config_free(config);
    flat[0] = 1;
    config = pare_config_new(l.space, flat);
    assert_null(pare_config_get(config, "prune.sparsity"));
    assert_string_equal(config->canonical, "tune:train.finetune(lr=0.1)");
    pare_config_free(config);
    unload(&l);
}

static void the_fuzz_corpus_and_every_prefix_of_it_do_no_harm(void **state)
{
    const char *top = getenv("PARE_TOP");
    char folder[1024];
    struct dirent **names;
    int n, n_files = 0;

    (void)state;
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/sweep", top ? top : ".");
    n = scandir(folder, &names, NULL, alphasort);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        struct pare_error err;
        size_t n_bytes;
        char *text, *path = pare_path_join(folder, names[i]->d_name);

        if (names[i]->d_name[0] != '.') {
            assert_ok(pare_file_read(&text, &n_bytes, path, 1 << 20, &err), &err);
            for (size_t k = 0; k <= n_bytes; k++)
                LLVMFuzzerTestOneInput((const uint8_t *)text, k);
            free(text);
            n_files++;
        }
        free(path);
        free(names[i]);
    }
    free(names);
    assert_true(n_files >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_lists_and_ranges_become_canonical_values),
        cmocka_unit_test(whole_ranges_have_no_value_twice),
        cmocka_unit_test(lists_of_numbers_are_ordered_when_they_rise),
        cmocka_unit_test(the_short_form_names_stages_by_family),
        cmocka_unit_test(a_fidelity_is_one_value_with_a_low_end),
        cmocka_unit_test(several_methods_share_the_options_they_have),
        cmocka_unit_test(recipe_options_belong_to_stages_that_train),
        cmocka_unit_test(any_order_is_expanded_between_first_and_then),
        cmocka_unit_test(mistakes_in_pipelines_name_the_place),
        cmocka_unit_test(illegal_orders_are_refused_with_rule_and_remedy),
        cmocka_unit_test(a_student_is_only_new_when_it_is_given),
        cmocka_unit_test(a_stage_with_several_methods_is_checked_for_each),
        cmocka_unit_test(mistakes_in_options_name_the_place_and_the_nearest),
        cmocka_unit_test(one_reading_reports_every_mistake),
        cmocka_unit_test(points_are_distinct_and_share_prefixes),
        cmocka_unit_test(counts_saturate_instead_of_wrapping),
        cmocka_unit_test(configs_answer_for_options_given_and_not),
        cmocka_unit_test(the_fuzz_corpus_and_every_prefix_of_it_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
