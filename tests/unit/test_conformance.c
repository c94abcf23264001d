#include "../support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/data_open.h"
#include "io/model.h"
#include "plugin/conformance.h"
#include "plugin/registry.h"

static struct pare_data *data;

static int open_data(void **state)
{
    struct pare_data_spec spec;
    struct pare_error err = {0};

    (void)state;
    pare_data_spec_defaults(&spec);
    spec.name = "digits";
    spec.limit_train = 200;
    spec.limit_test = 10;
    return pare_data_open(&data, &spec, &err) ? -1 : 0;
}

static int close_data(void **state)
{
    (void)state;
    pare_data_close(data);
    return 0;
}

/* The first failure, as "check: cause"; "" when none. */
struct outcome {
    char failure[256];
    int n_checks;
};

static void collect(void *state, const char *check, enum pare_conformance_result result,
                    const char *text)
{
    struct outcome *outcome = state;

    outcome->n_checks++;
    if (result == PARE_CHECK_FAILED && !outcome->failure[0])
        snprintf(outcome->failure, sizeof outcome->failure, "%s: %.200s", check, text);
}

static int run(const struct pare_method *method, struct outcome *outcome)
{
    const struct pare_conformance_host host = {.write = pare_model_write,
                                               .parse = pare_model_parse,
                                               .data = data,
                                               .report = collect,
                                               .state = outcome};

    *outcome = (struct outcome){.n_checks = 0};
    return pare_conformance_run(method, &host);
}

static void methods_that_pare_brings_conform(void **state)
{
    struct pare_registry *registry;
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_registry_open(&registry, &err), &err);
    if (pare_registry_n_methods(registry) == 0) {
        pare_registry_close(registry);
        print_message("SKIPPED: the plugins are not built\n");
        skip();
    }
    for (int i = 0; i < pare_registry_n_methods(registry); i++) {
        const struct pare_method *method = pare_registry_method_at(registry, i);
        struct outcome outcome;

        if (run(method, &outcome) != 0)
            fail_msg("%s: %s", method->name, outcome.failure);
        assert_true(outcome.n_checks >= 1);
    }
    pare_registry_close(registry);
}

/* ---- Methods that break one rule each ---- */

struct options {
    double amount;
};
static const struct pare_option schema[] = {
    PARE_OPT(struct options, amount, .def = 0.5, .min = 0, .max = 1, .help = "how much"),
    PARE_OPT_END,
};
static const struct pare_option bad_default[] = {
    PARE_OPT(struct options, amount, .def = 2, .min = 0, .max = 1, .help = "how much"),
    PARE_OPT_END,
};

static pare_status do_nothing(const struct pare_context *ctx, const void *options,
                              struct pare_graph *graph, struct pare_error *err)
{
    (void)ctx;
    (void)options;
    (void)graph;
    (void)err;
    return PARE_OK;
}

static pare_status refuse(const struct pare_context *ctx, const void *options,
                          struct pare_graph *graph, struct pare_error *err)
{
    (void)ctx;
    (void)options;
    (void)graph;
    return pare_fail(err, PARE_EINFEASIBLE, "not today");
}

static struct pare_value *first_weight(const struct pare_graph *graph)
{
    return graph->nodes[0]->inputs[1];
}

static pare_status mark_sparse(const struct pare_context *ctx, const void *options,
                               struct pare_graph *graph, struct pare_error *err)
{
    (void)ctx;
    (void)options;
    (void)err;
    first_weight(graph)->coding.is_sparse = true;
    return PARE_OK;
}

static pare_status scribble(const struct pare_context *ctx, const void *options,
                            struct pare_graph *graph, struct pare_error *err)
{
    (void)ctx;
    (void)options;
    (void)err;
    pare_tensor_f32(first_weight(graph)->data)[0] += 1; /* shared with the baseline */
    return PARE_OK;
}

static pare_status add_noise(const struct pare_context *ctx, const void *options,
                             struct pare_graph *graph, struct pare_error *err)
{
    static int n_calls;
    pare_status st = pare_value_own_data(first_weight(graph), err);

    (void)ctx;
    (void)options;
    if (!st)
        pare_tensor_f32(first_weight(graph)->data)[0] = (float)++n_calls;
    return st;
}

static struct pare_method method_of(pare_status (*apply)(const struct pare_context *, const void *,
                                                         struct pare_graph *, struct pare_error *))
{
    return (struct pare_method){.abi = PARE_ABI,
                                .revision = 1,
                                .name = "test.method",
                                .summary = "a test",
                                .source = "nowhere",
                                .options = schema,
                                .options_bytes = sizeof(struct options),
                                .apply = apply};
}

static void check_breaks(const struct pare_method *method, const char *failure)
{
    struct outcome outcome;

    assert_true(run(method, &outcome) > 0);
    if (!strstr(outcome.failure, failure))
        fail_msg("expected '%s' in: %s", failure, outcome.failure);
}

static void a_method_that_does_nothing_conforms(void **state)
{
    struct pare_method method = method_of(do_nothing);
    struct outcome outcome;

    (void)state;
    assert_int_equal(run(&method, &outcome), 0);
    assert_int_equal(outcome.n_checks, 7);
}

static void broken_rules_are_found(void **state)
{
    struct pare_method method = method_of(refuse);

    (void)state;
    check_breaks(&method, "apply: not today");
    method = method_of(mark_sparse);
    check_breaks(&method, "contract: it leaves sparse weights but does not declare");
    method = method_of(scribble);
    check_breaks(&method, "repeatable");
    method = method_of(add_noise);
    check_breaks(&method, "repeatable: another run with the same seed");
    method = method_of(do_nothing);
    method.leaves = PARE_STATE_QUANTIZED;
    check_breaks(&method, "contract: it declares PARE_STATE_QUANTIZED");
    method = method_of(do_nothing);
    method.options = bad_default;
    check_breaks(&method, "table: option 'amount': default 2 is outside [0, 1]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_that_pare_brings_conform),
        cmocka_unit_test(a_method_that_does_nothing_conforms),
        cmocka_unit_test(broken_rules_are_found),
    };
    return cmocka_run_group_tests(tests, open_data, close_data);
}
