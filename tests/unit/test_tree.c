/* The stage tree: sharing, order, failures. */
#include <stdio.h>
#include <string.h>

#include "../support/check.h"
#include "pipeline/tree.h"

struct options {
    int64_t value;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, value, .def = 0, .max = 1000),
    PARE_OPT_END,
};

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    (void)ctx, (void)options, (void)graph, (void)err;
    return PARE_OK;
}

static const struct pare_method method = {
    .revision = 1,
    .name = "test.step",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .apply = apply,
};

static int add(struct pare_tree *tree, int parent, int value, int64_t trial)
{
    static const char *const names[] = {"value"};
    struct pare_error err = {0};
    char text[16];
    const char *values[] = {text};
    const struct pare_task_member member = {"s", &method, 1, names, values};
    const struct pare_task task = {1, &member, false};
    int node = -1;

    snprintf(text, sizeof text, "%d", value);
    assert_ok(pare_tree_add(&node, tree, parent, &task, trial, &err), &err);
    return node;
}

static void equal_prefixes_are_one_node(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");
    int64_t trial = 0;

    (void)state;
    for (int student = 0; student < 2; student++)
        for (int sparsity = 0; sparsity < 5; sparsity++)
            for (int quantizer = 0; quantizer < 6; quantizer++) {
                int kd = add(tree, 0, student, ++trial);
                int prune = add(tree, kd, sparsity, trial);

                add(tree, prune, quantizer, trial);
            }
    assert_int_equal(pare_tree_n(tree), 1 + 2 + 10 + 60);
    pare_tree_free(tree);
}

static void nothing_runs_before_its_parent_is_done(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");
    int a = add(tree, 0, 1, 1), b = add(tree, a, 2, 1);

    (void)state;
    assert_int_equal(pare_tree_take(tree), 0);
    assert_int_equal(pare_tree_take(tree), -1);
    pare_tree_done(tree, 0);
    assert_int_equal(pare_tree_n_runnable(tree), 1);
    assert_int_equal(pare_tree_take(tree), a);
    assert_int_equal(pare_tree_take(tree), -1);
    pare_tree_done(tree, a);
    assert_int_equal(pare_tree_take(tree), b);
    pare_tree_free(tree);
}

static void a_child_of_a_node_that_is_done_runs_at_once(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");

    (void)state;
    pare_tree_done(tree, pare_tree_take(tree));
    assert_int_equal(pare_tree_take(tree), -1);
    assert_int_equal(add(tree, 0, 1, 1), 1);
    assert_int_equal(pare_tree_take(tree), 1);
    pare_tree_free(tree);
}

static void earlier_trials_go_first_and_deeper_nodes_of_the_same(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");
    int first, second, deep;

    (void)state;
    pare_tree_done(tree, pare_tree_take(tree));
    second = add(tree, 0, 2, 2);
    first = add(tree, 0, 1, 1);
    deep = add(tree, first, 3, 1);
    assert_int_equal(pare_tree_take(tree), first);
    pare_tree_done(tree, first);
    assert_int_equal(pare_tree_take(tree), deep);
    assert_int_equal(pare_tree_take(tree), second);
    pare_tree_free(tree);
}

static void a_node_that_no_trial_needs_is_not_run(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");
    int shared = add(tree, 0, 1, 1), a = add(tree, shared, 1, 1);
    int b;

    (void)state;
    assert_int_equal(add(tree, 0, 1, 2), shared);
    b = add(tree, shared, 2, 2);
    pare_tree_release(tree, a);
    pare_tree_done(tree, pare_tree_take(tree));
    assert_int_equal(pare_tree_take(tree), shared);
    pare_tree_done(tree, shared);
    assert_int_equal(pare_tree_take(tree), b);
    assert_int_equal(pare_tree_take(tree), -1);
    pare_tree_free(tree);
}

static void a_failure_is_found_from_every_leaf_below_it(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");
    int a = add(tree, 0, 1, 1), deep = add(tree, a, 1, 1), other = add(tree, 0, 2, 2);

    (void)state;
    pare_tree_done(tree, pare_tree_take(tree));
    assert_int_equal(pare_tree_take(tree), a);
    pare_tree_fail(tree, a, PARE_ENUMERIC, "NaN");
    assert_int_equal(pare_tree_failed_on(tree, deep), a);
    assert_string_equal(pare_tree_get(tree, a)->reason, "NaN");
    assert_int_equal(pare_tree_failed_on(tree, other), -1);
    assert_int_equal(pare_tree_take(tree), other);
    assert_int_equal(pare_tree_take(tree), -1);
    pare_tree_free(tree);
}

static void a_node_that_was_put_back_is_taken_again(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");
    int node = pare_tree_take(tree);

    (void)state;
    pare_tree_put_back(tree, node);
    assert_int_equal(pare_tree_take(tree), node);
    assert_int_equal(pare_tree_take(tree), -1);
    pare_tree_free(tree);
}

static void labels_name_stage_method_and_options(void **state)
{
    struct pare_tree *tree = pare_tree_new("baseline");
    int node = add(tree, 0, 7, 1);

    (void)state;
    assert_string_equal(pare_tree_get(tree, node)->label, "s:test.step(value=7)");
    pare_tree_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_prefixes_are_one_node),
        cmocka_unit_test(nothing_runs_before_its_parent_is_done),
        cmocka_unit_test(a_child_of_a_node_that_is_done_runs_at_once),
        cmocka_unit_test(earlier_trials_go_first_and_deeper_nodes_of_the_same),
        cmocka_unit_test(a_node_that_no_trial_needs_is_not_run),
        cmocka_unit_test(a_failure_is_found_from_every_leaf_below_it),
        cmocka_unit_test(a_node_that_was_put_back_is_taken_again),
        cmocka_unit_test(labels_name_stage_method_and_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
