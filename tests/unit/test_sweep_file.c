/* sweep/file: what a good sweep file becomes, overrides, and the plan made from it.  Mistakes are
 * tested through the program, in e2e/test_wrong_files.c. */
#include "../support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "search/samplers.h"
#include "sweep/estimate.h"

static struct pare_registry *registry;
static char *folder;

static char *write_sweep(const char *text)
{
    char *path = pare_path_join(folder, "my-sweep.yaml");
    struct pare_error err;

    assert_ok(pare_file_write(path, text, strlen(text), &err), &err);
    return path;
}

static pare_status load(struct pare_sweep **sweep, const char *text, const char *const *overrides,
                        char **report)
{
    char *path = write_sweep(text);
    struct pare_error err = {0};
    int n = 0;
    pare_status st;

    while (overrides && overrides[n])
        n++;
    st = pare_sweep_load(sweep, path, registry, overrides, n, report, &err);
    if (st && !*report)
        *report = strdup(err.text);
    free(path);
    return st;
}

static struct pare_sweep *load_good(const char *text, const char *const *overrides)
{
    struct pare_sweep *sweep = NULL;
    char *report = NULL;

    if (load(&sweep, text, overrides, &report))
        fail_msg("%s", report);
    assert_null(report);
    return sweep;
}

#define OVERRIDES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void refused(const char *text, const char *const *overrides, const char *fragment)
{
    struct pare_sweep *sweep = NULL;
    char *report = NULL;

    assert_int_equal(load(&sweep, text, overrides, &report), PARE_EINVAL);
    assert_null(sweep);
    if (!strstr(report, fragment))
        fail_msg("'%s' is not in:\n%s", fragment, report);
    free(report);
}

static const char *const whole =
    "version: 1\n"
    "name: everything\n"
    "model: {zoo: lenet5-half}\n"
    "data: {name: digits, val_fraction: 0.2, seed: 7, normalize: unit}\n"
    "train: {epochs: 3, batch: 32, optimizer: sgd, lr: 0.05, flip: false}\n"
    "stages:\n"
    "  kd: {method: distill.logits, student: [lenet5-half, lenet5-quarter]}\n"
    "  prune: {method: prune.channels, sparsity: {min: 0.1, max: 0.5, step: 0.1}}\n"
    "  quant: {method: quant.ptq, granularity: [per_tensor, per_channel],\n"
    "          calibrator: [minmax, percentile, mse]}\n"
    "pipelines:\n"
    "  - [kd, prune, quant]\n"
    "targets:\n"
    "  host: {threads: 2}\n"
    "  m7: {hwmodel: stm32f746}\n"
    "metrics: [accuracy, latency_ms@host, energy_mj@m7, peak_memory_bytes@host]\n"
    "objectives: {accuracy: max, latency_ms@host: min, size_bytes: min}\n"
    "constraints:\n"
    "  - size_bytes <= 96 KiB\n"
    "  - macs <= 0.5 * baseline.macs\n"
    "  - not (quant.granularity == per_tensor and prune.sparsity > 0.35)\n"
    "budget: {accuracy_drop: 1 %, latency_ms@host: 800 us, size_bytes: 64 KiB, accuracy: 0.9}\n"
    "search: {sampler: grid, seed: 5, workers: 3, timeout: 2h, stage_timeout: 90s,\n"
    "         stage_memory: 512 MiB}\n";

static void every_section_arrives(void **state)
{
    struct pare_sweep *s = load_good(whole, NULL);
    static const char *const metrics[] = {
        "accuracy",   "latency_ms@host", "energy_mj@m7", "peak_memory_bytes@host",
        "size_bytes", "accuracy_drop",   "macs"};

    (void)state;
    assert_string_equal(s->name, "everything");
    assert_string_equal(s->model_zoo, "lenet5-half");
    assert_null(s->model_path);
    assert_string_equal(s->text, whole);
    assert_int_equal(s->data.seed, 7);
    assert_true(s->data.val_fraction == 0.2);
    assert_string_equal(s->data.normalize, "unit");
    assert_true(s->train.epochs == 3 && s->train.batch == 32 && s->train.lr == 0.05);
    assert_int_equal(s->train.optimizer, PARE_SGD);
    assert_true(s->train.momentum == 0.9); /* a default */
    assert_int_equal(s->n_targets, 2);
    assert_true(s->targets[0].is_host && s->targets[0].threads == 2);
    assert_false(s->targets[1].is_host);
    assert_string_equal(s->targets[1].name, "m7");
    /* Those of objectives, budget and constraints come after those asked for, each once. */
    assert_int_equal(s->n_metrics, 7);
    for (int i = 0; i < 7; i++)
        assert_string_equal(s->metrics[i].text, metrics[i]);
    assert_string_equal(s->metrics[2].name, "energy_mj");
    assert_int_equal(s->metrics[2].target, 1);
    assert_int_equal(s->metrics[0].target, -1);
    assert_int_equal(s->n_objectives, 3);
    assert_true(s->objectives[0].maximize && !s->objectives[1].maximize);
    assert_int_equal(s->n_constraints, 3);
    assert_false(pare_constraint_is_cheap(s->constraints[0]));
    assert_true(pare_constraint_is_cheap(s->constraints[1]));
    assert_int_equal(s->n_budget, 4);
    assert_true(s->budget[0].limit == 0.01 && !s->budget[0].at_least);
    assert_true(fabs(s->budget[1].limit - 0.8) < 1e-12);
    assert_true(s->budget[2].limit == 65536);
    assert_true(s->budget[3].limit == 0.9 && s->budget[3].at_least);
    assert_ptr_equal(s->sampler, &pare_sampler_grid);
    assert_int_equal(s->n_trials, 2 * 5 * 6); /* the whole grid */
    assert_int_equal(s->seed, 5);
    assert_int_equal(s->n_workers, 3);
    assert_true(s->timeout_s == 7200 && s->stage_timeout_s == 90);
    assert_int_equal(s->stage_memory_bytes, 512 << 20);
    pare_sweep_free(s);
}

static const char *const small = "version: 1\n"
                                 "model: {zoo: mlp}\n"
                                 "data: {name: digits}\n"
                                 "pipeline: [{method: prune.magnitude, sparsity: [0.5, 0.7]}]\n"
                                 "objectives: {accuracy: max}\n";

static void a_small_sweep_has_defaults(void **state)
{
    struct pare_sweep *s = load_good(small, NULL);

    (void)state;
    assert_string_equal(s->name, "my-sweep"); /* of the file */
    assert_int_equal(s->n_targets, 1);
    assert_true(s->targets[0].is_host && s->targets[0].threads == 1);
    assert_int_equal(s->n_metrics, 4);
    assert_int_equal(s->n_trials, 100);
    assert_int_equal(s->n_workers, 0);
    assert_true(s->timeout_s == 0 && s->stage_timeout_s == 1800);
    assert_true(s->stage_memory_bytes == INT64_C(4) << 30);
    assert_ptr_equal(s->sampler, &pare_sampler_sobol);
    pare_sweep_free(s);
}

static void overrides_change_and_add_options(void **state)
{
    struct pare_sweep *s =
        load_good(small, OVERRIDES("search.trials=7", "search.sampler={name: random}",
                                   "data.val_fraction=0.3", "name=other", "train.epochs=2"));

    (void)state;
    assert_int_equal(s->n_trials, 7);
    assert_ptr_equal(s->sampler, &pare_sampler_random);
    assert_true(s->data.val_fraction == 0.3);
    assert_string_equal(s->name, "other");
    assert_true(s->train.epochs == 2);
    assert_string_equal(s->text, small);
    pare_sweep_free(s);
    refused(small, OVERRIDES("search.trails=7"), "did you mean 'trials'?");
    refused(small, OVERRIDES("data.val_fraction=2"), ":3:7: val_fraction: 2 is outside");
    refused(small, OVERRIDES("trials"), "write SECTION.OPTION=VALUE");
    refused(small, OVERRIDES("version.a=1"), "is not inside a section");
    refused(small, OVERRIDES("data.name=mnist", "data.path=/no such: place"), "/no such: place");
}

static void the_plan_counts_stages_once(void **state)
{
    struct pare_sweep *s = load_good(whole, OVERRIDES("constraints=[]"));
    struct pare_subject subject;
    struct pare_estimate e;
    struct pare_error err;

    (void)state;
    assert_ok(pare_subject_open(&subject, s, NULL, &err), &err);
    assert_ok(pare_estimate(&e, s, &subject, &err), &err);
    /* 2 students x 5 sparsities x 6 quantizers: 2 + 10 + 60 stages, not 180. */
    assert_int_equal(e.n_points, 60);
    assert_int_equal(e.n_legal, 60);
    assert_int_equal(e.n_trials, 60);
    assert_int_equal(e.n_levels, 3);
    assert_int_equal(e.stages[0], 2);
    assert_int_equal(e.stages[1], 10);
    assert_int_equal(e.stages[2], 60);
    assert_int_equal(e.n_stages, 72);
    assert_int_equal(e.n_unshared, 180);
    assert_true(e.samples_per_s > 0 && e.total_s > 0 && e.memory_bytes > 0 && e.disk_bytes > 0);
    assert_true(isfinite(e.total_s));
    pare_subject_close(&subject);
    pare_sweep_free(s);
}

static void constraints_over_options_cut_the_plan(void **state)
{
    struct pare_sweep *s = load_good(whole, NULL);
    struct pare_subject subject;
    struct pare_estimate e;
    struct pare_error err;

    (void)state;
    assert_ok(pare_subject_open(&subject, s, NULL, &err), &err);
    assert_ok(pare_estimate(&e, s, &subject, &err), &err);
    /* per_tensor (3 calibrators) falls away for sparsities 0.4 and 0.5 of 2 students. */
    assert_int_equal(e.n_points, 60);
    assert_int_equal(e.n_legal, 60 - 2 * 2 * 3);
    assert_int_equal(e.n_trials, 48);
    assert_int_equal(e.stages[2], 48);
    assert_int_equal(e.n_open_constraints, 2);
    pare_subject_close(&subject);
    pare_sweep_free(s);
}

static void the_sampler_is_asked_as_a_run_would(void **state)
{
    struct pare_sweep *s =
        load_good(whole, OVERRIDES("constraints=[]", "search.sampler=sobol", "search.trials=17"));
    struct pare_subject subject;
    struct pare_estimate e;
    struct pare_error err;

    (void)state;
    assert_ok(pare_subject_open(&subject, s, NULL, &err), &err);
    assert_ok(pare_estimate(&e, s, &subject, &err), &err);
    assert_int_equal(e.n_trials, 17);
    assert_int_equal(e.stages[2], 17);
    assert_in_range(e.stages[1], 8, 10);
    assert_int_equal(e.stages[0], 2);
    pare_subject_close(&subject);
    pare_sweep_free(s);
}

static int open_all(void **state)
{
    struct pare_error err;

    (void)state;
    folder = check_make_dir();
    setenv("XDG_CACHE_HOME", folder, 1);
    return pare_registry_open(&registry, &err);
}

static int close_all(void **state)
{
    (void)state;
    pare_registry_close(registry);
    check_remove_dir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section_arrives),
        cmocka_unit_test(a_small_sweep_has_defaults),
        cmocka_unit_test(overrides_change_and_add_options),
        cmocka_unit_test(the_plan_counts_stages_once),
        cmocka_unit_test(constraints_over_options_cut_the_plan),
        cmocka_unit_test(the_sampler_is_asked_as_a_run_would),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
