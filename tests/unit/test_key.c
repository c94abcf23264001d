/* Keys of stages: what changes them, and what does not. */
#include <string.h>

#include "../support/check.h"
#include "pipeline/key.h"

struct options {
    double sparsity;
    int round_to;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, sparsity, .def = 0.5, .max = 1),
    PARE_OPT(struct options, round_to, .def = 1, .min = 1, .max = 64),
    PARE_OPT_END,
};

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    (void)ctx, (void)options, (void)graph, (void)err;
    return PARE_OK;
}

static pare_status attach(const struct pare_context *ctx, const void *options,
                          const struct pare_graph *teacher, struct pare_trainer *trainer,
                          struct pare_error *err)
{
    (void)ctx, (void)options, (void)teacher, (void)trainer, (void)err;
    return PARE_OK;
}

static const struct pare_method cut = {
    .revision = 3,
    .name = "test.cut",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .apply = apply,
    .attach = attach,
};
static const struct pare_method cut_revised = {
    .revision = 4,
    .name = "test.cut",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .apply = apply,
};
static const struct pare_option no_options[] = {PARE_OPT_END};
static const struct pare_method tune = {
    .revision = 1,
    .name = "test.tune",
    .options = no_options,
    .attach = attach,
};

static struct pare_recipe recipe;
static struct pare_key_scope scope;

static int setup(void **state)
{
    (void)state;
    pare_recipe_defaults(&recipe);
    scope = (struct pare_key_scope){"data", "f32", 1, 1, &recipe};
    return 0;
}

static struct pare_digest key_of(const struct pare_task *task, const char *parent)
{
    struct pare_error err = {0};
    struct pare_digest key;

    assert_ok(pare_key_stage(&key, &scope, "base", parent, task, &err), &err);
    return key;
}

static struct pare_digest key_of_cut(const char *stage, const struct pare_method *method, int n,
                                     const char *const *names, const char *const *values)
{
    const struct pare_task_member member = {stage, method, n, names, values};
    const struct pare_task task = {1, &member, false};

    return key_of(&task, "parent");
}

#define assert_same(A, B)                      \
    do {                                       \
        struct pare_digest a_ = (A), b_ = (B); \
        assert_string_equal(a_.hex, b_.hex);   \
    } while (0)
#define assert_other(A, B)                       \
    do {                                         \
        struct pare_digest a_ = (A), b_ = (B);   \
        assert_string_not_equal(a_.hex, b_.hex); \
    } while (0)

static const char *const sparsity[] = {"sparsity"};
static const char *const half[] = {"0.5"};
static const char *const most[] = {"0.9"};

static void a_default_that_is_written_out_changes_nothing(void **state)
{
    (void)state;
    assert_same(key_of_cut("prune", &cut, 0, NULL, NULL),
                key_of_cut("prune", &cut, 1, sparsity, half));
    assert_other(key_of_cut("prune", &cut, 0, NULL, NULL),
                 key_of_cut("prune", &cut, 1, sparsity, most));
}

static void the_name_of_a_stage_changes_nothing(void **state)
{
    (void)state;
    assert_same(key_of_cut("prune", &cut, 1, sparsity, most),
                key_of_cut("shrink", &cut, 1, sparsity, most));
}

static void a_new_revision_of_a_method_is_another_key(void **state)
{
    (void)state;
    assert_other(key_of_cut("prune", &cut, 0, NULL, NULL),
                 key_of_cut("prune", &cut_revised, 0, NULL, NULL));
}

static void everything_that_all_stages_share_counts(void **state)
{
    struct pare_digest before = key_of_cut("p", &cut, 0, NULL, NULL);
    struct pare_key_scope kept = scope;

    (void)state;
    scope.seed = 2;
    assert_other(before, key_of_cut("p", &cut, 0, NULL, NULL));
    scope = kept;
    scope.fidelity = 0.5;
    assert_other(before, key_of_cut("p", &cut, 0, NULL, NULL));
    scope = kept;
    scope.data_digest = "other";
    assert_other(before, key_of_cut("p", &cut, 0, NULL, NULL));
    scope = kept;
    scope.numeric_mode = "avx2";
    assert_other(before, key_of_cut("p", &cut, 0, NULL, NULL));
    scope = kept;
    assert_same(before, key_of_cut("p", &cut, 0, NULL, NULL));
}

static void the_input_and_the_baseline_count(void **state)
{
    const struct pare_task_member member = {"p", &cut, 0, NULL, NULL};
    const struct pare_task task = {1, &member, false};
    struct pare_digest other;

    (void)state;
    assert_other(key_of(&task, "a"), key_of(&task, "b"));
    assert_ok(pare_key_stage(&other, &scope, "base2", "a", &task, NULL), NULL);
    assert_other(key_of(&task, "a"), other);
}

static void training_options_reach_the_key_through_the_recipe(void **state)
{
    static const char *const names[] = {"epochs"};
    static const char *const three[] = {"3"};
    const struct pare_task_member plain = {"t", &tune, 0, NULL, NULL};
    const struct pare_task_member longer = {"t", &tune, 1, names, three};
    const struct pare_task a = {1, &plain, false}, b = {1, &longer, false};
    struct pare_digest before = key_of(&a, "p"), with_option = key_of(&b, "p");

    (void)state;
    assert_other(before, with_option);
    recipe.epochs = 3;
    assert_same(key_of(&a, "p"), with_option);
}

static void alone_and_joint_differ(void **state)
{
    const struct pare_task_member members[] = {{"p", &cut, 0, NULL, NULL},
                                               {"t", &tune, 0, NULL, NULL}};
    const struct pare_task alone = {1, members, false}, joint = {2, members, true};

    (void)state;
    assert_other(key_of(&alone, "p"), key_of(&joint, "p"));
}

static void a_joint_run_with_two_recipes_is_refused(void **state)
{
    static const char *const names[] = {"epochs"};
    static const char *const three[] = {"3"}, *const four[] = {"4"};
    const struct pare_task_member members[] = {{"p", &cut, 1, names, three},
                                               {"t", &tune, 1, names, four}};
    const struct pare_task task = {2, members, true};
    struct pare_error err = {0};
    struct pare_digest key;

    (void)state;
    assert_int_equal(pare_key_stage(&key, &scope, "b", "p", &task, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "epochs"));
    assert_non_null(strstr(err.text, "test.tune"));
}

static void an_unknown_option_is_refused_with_its_name(void **state)
{
    static const char *const names[] = {"sparsety"};
    const struct pare_task_member member = {"p", &cut, 1, names, half};
    const struct pare_task task = {1, &member, false};
    struct pare_error err = {0};
    struct pare_digest key;

    (void)state;
    assert_int_equal(pare_key_stage(&key, &scope, "b", "p", &task, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "sparsety"));
}

static void the_baseline_has_a_key_of_its_own(void **state)
{
    struct pare_digest before = pare_key_baseline(&scope, "zoo lenet5");

    (void)state;
    assert_other(before, pare_key_baseline(&scope, "zoo lenet5-half"));
    recipe.lr *= 2;
    assert_other(before, pare_key_baseline(&scope, "zoo lenet5"));
}

static void equal_keys_draw_equal_seeds(void **state)
{
    (void)state;
    assert_true(pare_key_seed("a") == pare_key_seed("a"));
    assert_true(pare_key_seed("a") != pare_key_seed("b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_default_that_is_written_out_changes_nothing, setup),
        cmocka_unit_test_setup(the_name_of_a_stage_changes_nothing, setup),
        cmocka_unit_test_setup(a_new_revision_of_a_method_is_another_key, setup),
        cmocka_unit_test_setup(everything_that_all_stages_share_counts, setup),
        cmocka_unit_test_setup(the_input_and_the_baseline_count, setup),
        cmocka_unit_test_setup(training_options_reach_the_key_through_the_recipe, setup),
        cmocka_unit_test_setup(alone_and_joint_differ, setup),
        cmocka_unit_test_setup(a_joint_run_with_two_recipes_is_refused, setup),
        cmocka_unit_test_setup(an_unknown_option_is_refused_with_its_name, setup),
        cmocka_unit_test_setup(the_baseline_has_a_key_of_its_own, setup),
        cmocka_unit_test_setup(equal_keys_draw_equal_seeds, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
