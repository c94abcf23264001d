/* space/constraint: expressions over options and metrics. */
#include "../support/check.h"

#include <math.h>
#include <string.h>

#include "space/constraint.h"

struct world {
    const char *options[8][2];
    struct {
        const char *name;
        double value;
    } metrics[8];
};

static const char *get_option(void *state, const char *name)
{
    const struct world *w = state;

    for (int i = 0; i < 8 && w->options[i][0]; i++)
        if (strcmp(w->options[i][0], name) == 0)
            return w->options[i][1];
    return NULL;
}

static bool get_metric(void *state, const char *name, double *value)
{
    const struct world *w = state;

    for (int i = 0; i < 8 && w->metrics[i].name; i++)
        if (strcmp(w->metrics[i].name, name) == 0) {
            *value = w->metrics[i].value;
            return true;
        }
    return false;
}

static struct pare_constraint *parse(const char *text, struct pare_problems *problems)
{
    const struct pare_yaml node = {.kind = PARE_YAML_SCALAR, .line = 7, .column = 5, .text = text};

    return pare_constraint_parse(&node, problems);
}

static enum pare_truth eval(const char *text, struct world *w)
{
    struct pare_constraint_env env = {w, get_option, get_metric};
    struct pare_problems problems = {0};
    struct pare_constraint *c = parse(text, &problems);
    enum pare_truth truth;

    if (!c) {
        char *report = pare_problems_text(&problems, "x");
        fail_msg("'%s': %s", text, report);
    }
    truth = pare_constraint_eval(c, &env);
    pare_constraint_free(c);
    pare_problems_clear(&problems);
    return truth;
}

/* The text must be refused with `column` and a message that holds `fragment`. */
static void refused(const char *text, int column, const char *fragment)
{
    struct pare_problems problems = {0};

    if (parse(text, &problems))
        fail_msg("'%s' was accepted", text);
    assert_int_equal(problems.n, 1);
    assert_int_equal(problems.items[0].line, 7);
    if (problems.items[0].column != column || !strstr(problems.items[0].text, fragment))
        fail_msg("'%s': column %d: %s (expected column %d: %s)", text, problems.items[0].column,
                 problems.items[0].text, column, fragment);
    pare_problems_clear(&problems);
}

static struct world small = {
    .options = {{"quant.scheme", "W8A8"},
                {"quant.granularity", "per_tensor"},
                {"quant.method", "quant.ptq"},
                {"prune.sparsity", "0.5"},
                {"kd.student", "lenet5-half"},
                {"quant.fold", "true"}},
    .metrics = {{"size_bytes", 65536},
                {"macs", 1000000},
                {"baseline.macs", 4000000},
                {"latency_ms@host", 0.75},
                {"accuracy_drop", 0.012}},
};

static void comparisons_and_arithmetic_follow_precedence(void **state)
{
    (void)state;
    assert_int_equal(eval("macs <= 0.5 * baseline.macs", &small), PARE_TRUE);
    assert_int_equal(eval("macs <= 0.2 * baseline.macs", &small), PARE_FALSE);
    assert_int_equal(eval("2 + 3 * 4 == 14", &small), PARE_TRUE);
    assert_int_equal(eval("(2 + 3) * 4 == 20", &small), PARE_TRUE);
    assert_int_equal(eval("10 - 4 - 3 == 3", &small), PARE_TRUE);
    assert_int_equal(eval("-2 * -3 == 6", &small), PARE_TRUE);
    assert_int_equal(eval("8 / 4 / 2 == 1", &small), PARE_TRUE);
    assert_int_equal(eval("1 == 1 or 1 == 2 and 1 == 3", &small), PARE_TRUE);
    assert_int_equal(eval("not 1 == 2 and 2 == 2", &small), PARE_TRUE);
    assert_int_equal(eval("not (1 == 1 and 2 == 2)", &small), PARE_FALSE);
    assert_int_equal(eval("macs - 1 < macs", &small), PARE_TRUE);
}

static void units_scale_to_the_unit_of_the_metric(void **state)
{
    (void)state;
    assert_int_equal(eval("size_bytes == 64 KiB", &small), PARE_TRUE);
    assert_int_equal(eval("size_bytes == 0.0625MiB", &small), PARE_TRUE);
    assert_int_equal(eval("size_bytes < 66 KB", &small), PARE_TRUE);
    assert_int_equal(eval("macs == 1M", &small), PARE_TRUE);
    assert_int_equal(eval("macs == 1000 k", &small), PARE_TRUE);
    assert_int_equal(eval("latency_ms@host == 750 us", &small), PARE_TRUE);
    assert_int_equal(eval("latency_ms@host < 1e-3 s", &small), PARE_TRUE);
    assert_int_equal(eval("accuracy_drop <= 1.5 %", &small), PARE_TRUE);
    assert_int_equal(eval("accuracy_drop <= 1%", &small), PARE_FALSE);
}

static void words_compare_with_options(void **state)
{
    (void)state;
    assert_int_equal(eval("quant.scheme == W8A8", &small), PARE_TRUE);
    assert_int_equal(eval("W8A8 == quant.scheme", &small), PARE_TRUE);
    assert_int_equal(eval("quant.scheme != W8A8", &small), PARE_FALSE);
    assert_int_equal(eval("quant.scheme == 'W4A8'", &small), PARE_FALSE);
    assert_int_equal(eval("kd.student == lenet5-half", &small), PARE_TRUE);
    assert_int_equal(eval("quant.method == quant.ptq", &small), PARE_TRUE);
    assert_int_equal(eval("quant.fold == true", &small), PARE_TRUE);
    assert_int_equal(eval("quant.fold", &small), PARE_TRUE);
    assert_int_equal(eval("not quant.fold", &small), PARE_FALSE);
    assert_int_equal(eval("prune.sparsity == 0.50", &small), PARE_TRUE);
    assert_int_equal(eval("prune.sparsity >= 0.3 and prune.sparsity < 0.6", &small), PARE_TRUE);
    assert_int_equal(eval("not (quant.scheme == W4A8 and quant.granularity == per_tensor)", &small),
                     PARE_TRUE);
    assert_int_equal(eval("not (quant.scheme == W8A8 and quant.granularity == per_tensor)", &small),
                     PARE_FALSE);
}

static void a_constraint_about_an_option_that_is_not_there_holds(void **state)
{
    (void)state;
    assert_int_equal(eval("factor.energy >= 0.99", &small), PARE_TRUE);
    assert_int_equal(eval("not (factor.energy >= 0.99)", &small), PARE_TRUE);
    assert_int_equal(eval("factor.energy >= 0.99 and size_bytes < 1", &small), PARE_TRUE);
}

static void what_is_unknown_stays_unknown_unless_the_rest_decides(void **state)
{
    (void)state;
    assert_int_equal(eval("energy_mj@m7 < 1", &small), PARE_UNKNOWN);
    assert_int_equal(eval("not energy_mj@m7 < 1", &small), PARE_UNKNOWN);
    assert_int_equal(eval("energy_mj@m7 < 1 and size_bytes < 1", &small), PARE_FALSE);
    assert_int_equal(eval("size_bytes < 1 and energy_mj@m7 < 1", &small), PARE_FALSE);
    assert_int_equal(eval("energy_mj@m7 < 1 or macs > 1", &small), PARE_TRUE);
    assert_int_equal(eval("energy_mj@m7 < 1 and macs > 1", &small), PARE_UNKNOWN);
    assert_int_equal(eval("energy_mj@m7 + macs < 1", &small), PARE_UNKNOWN);
}

static void only_options_macs_and_params_are_cheap(void **state)
{
    static const struct {
        const char *text;
        bool is_cheap;
    } cases[] = {
        {"macs <= 0.5 * baseline.macs", true},
        {"params < 10k or quant.scheme == W8A8", true},
        {"size_bytes <= 96 KiB", false},
        {"macs < 1M and accuracy > 0.9", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pare_problems problems = {0};
        struct pare_constraint *c = parse(cases[i].text, &problems);

        assert_non_null(c);
        assert_int_equal(pare_constraint_is_cheap(c), cases[i].is_cheap);
        assert_string_equal(pare_constraint_text(c), cases[i].text);
        pare_constraint_free(c);
    }
}

static void names_come_with_their_place_and_use(void **state)
{
    struct pare_problems problems = {0};
    struct pare_constraint *c =
        parse("prune.sparsity > 0.3 and quant.scheme == W4A8 or size_bytes < 1", &problems);
    struct pare_constraint_use use;

    (void)state;
    assert_non_null(c);
    assert_string_equal(pare_constraint_name(c, 0), "prune.sparsity");
    assert_string_equal(pare_constraint_name(c, 1), "quant.scheme");
    assert_string_equal(pare_constraint_name(c, 2), "size_bytes");
    assert_null(pare_constraint_name(c, 3));
    assert_true(pare_constraint_use(c, 0, &use));
    assert_true(use.is_option && use.is_number);
    assert_int_equal(use.place.column, 5);
    assert_true(pare_constraint_use(c, 1, &use));
    assert_true(use.is_option && !use.is_number);
    assert_string_equal(use.word, "W4A8");
    assert_int_equal(use.place.column, 5 + 25);
    assert_int_equal(use.word_place.column, 5 + 41);
    assert_true(pare_constraint_use(c, 2, &use));
    assert_true(!use.is_option && use.is_number);
    assert_false(pare_constraint_use(c, 3, &use));
    pare_constraint_free(c);
}

static void mistakes_are_answered_with_their_column(void **state)
{
    char long_one[3001], deep[301];

    (void)state;
    refused("size_bytes <= 96 KaB", 5 + 17, "'KaB' is no unit");
    refused("size_bytes <= ", 5 + 14, "the expression ends here");
    refused("size_bytes <= 5 ms", 5 + 14, "'ms' is a unit of time");
    refused("latency_ms@host <= 5 KiB", 5 + 19, "unit of size");
    refused("size_bytes = 5", 5 + 11, "write '=='");
    refused("(macs < 5", 5 + 9, "')' is missing");
    refused("macs < 5)", 5 + 8, "')' is left over");
    refused("1 < macs < 5", 5 + 9, "do not chain");
    refused("macs", 5, "a condition is needed");
    refused("macs < 5 and params", 5 + 13, "a condition is needed");
    refused("quant.scheme < 'W8A8'", 5 + 15, "is a word");
    refused("macs == 'many'", 5 + 5, "a word can only be compared with an option");
    refused("macs + (1 < 2) < 3", 5 + 10, "a condition cannot be calculated with");
    refused("(1 < 2) == (2 < 3)", 5 + 8, "conditions cannot be compared");
    refused("macs < 5 & params < 3", 5 + 9, "left over");
    refused("quant.scheme == 'W8", 5 + 16, "closing '");
    refused("and macs < 5", 5, "not 'and'");
    memset(long_one, ' ', 3000);
    memcpy(long_one, "macs < 5", 8);
    long_one[3000] = '\0';
    refused(long_one, 5, "longer than");
    memset(deep, '(', 300);
    deep[300] = '\0';
    refused(deep, 5 + 100, "nested");
}

static void quantities_are_read_in_the_unit_of_their_metric(void **state)
{
    double value;

    (void)state;
    assert_null(pare_quantity_read("64 KiB", "size_bytes", &value));
    assert_true(value == 65536);
    assert_null(pare_quantity_read("800 us", "latency_ms@host", &value));
    assert_true(fabs(value - 0.8) < 1e-12);
    assert_null(pare_quantity_read("1 %", "accuracy_drop", &value));
    assert_true(value == 0.01);
    assert_null(pare_quantity_read("0.8", "latency_ms@host", &value));
    assert_non_null(pare_quantity_read("64 KiB", "latency_ms@host", &value));
    assert_non_null(pare_quantity_read("64 apples", "size_bytes", &value));
    assert_non_null(pare_quantity_read("lots", "size_bytes", &value));
    assert_non_null(pare_quantity_read("1 2", "size_bytes", &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons_and_arithmetic_follow_precedence),
        cmocka_unit_test(units_scale_to_the_unit_of_the_metric),
        cmocka_unit_test(words_compare_with_options),
        cmocka_unit_test(a_constraint_about_an_option_that_is_not_there_holds),
        cmocka_unit_test(what_is_unknown_stays_unknown_unless_the_rest_decides),
        cmocka_unit_test(only_options_macs_and_params_are_cheap),
        cmocka_unit_test(names_come_with_their_place_and_use),
        cmocka_unit_test(mistakes_are_answered_with_their_column),
        cmocka_unit_test(quantities_are_read_in_the_unit_of_their_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
