#include "../support/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "base/file.h"
#include "base/text.h"
#include "measure/evaluate.h"

static char *dir;
static struct pare_data *digits;

static int setup(void **state)
{
    struct pare_data_spec spec;
    struct pare_error err = {0};

    (void)state;
    dir = check_make_dir();
    pare_data_spec_defaults(&spec);
    spec.name = "digits";
    spec.cache_dir = dir;
    spec.limit_train = 2000;
    spec.limit_test = 333; /* neither a multiple of the batch nor of eight */
    return pare_data_open(&digits, &spec, &err) != PARE_OK;
}

static int teardown(void **state)
{
    (void)state;
    pare_data_close(digits);
    check_remove_dir(dir);
    return 0;
}

static struct pare_graph *build(const char *name)
{
    struct pare_error err = {0};
    struct pare_graph *graph;

    assert_ok(pare_zoo_build(&graph, name, NULL, 0, 3, &err), &err);
    return graph;
}

/* flatten -> Gemm with the given weights [out, in] and bias. */
static struct pare_graph *build_linear(const struct pare_shape *input, int64_t n_in, int64_t n_out,
                                       const float *weights, const float *bias)
{
    struct pare_shape w_shape = pare_shape_of(2, n_out, n_in), b_shape = pare_shape_of(1, n_out);
    struct pare_shape x_shape = {.n_dims = input->n_dims + 1, .dims = {PARE_DIM_BATCH}};
    struct pare_graph *graph = pare_graph_new("linear");
    struct pare_error err = {0};
    struct pare_tensor *w, *b;
    struct pare_value *x;
    struct pare_node *node;

    for (int i = 0; i < input->n_dims; i++)
        x_shape.dims[i + 1] = input->dims[i];
    assert_ok(pare_tensor_new(&w, PARE_F32, &w_shape, &err), &err);
    assert_ok(pare_tensor_new(&b, PARE_F32, &b_shape, &err), &err);
    if (weights)
        memcpy(w->data, weights, w->n_bytes);
    if (bias)
        memcpy(b->data, bias, b->n_bytes);
    x = pare_graph_input(graph, "x", &x_shape);
    if (input->n_dims > 1) {
        node = pare_graph_node(graph, PARE_OP_FLATTEN, NULL, (struct pare_value *[]){x}, 1);
        pare_node_set_int(graph, node, "axis", 1);
        x = node->outputs[0];
    }
    node = pare_graph_node(graph, PARE_OP_GEMM, NULL,
                           (struct pare_value *[]){x, pare_graph_weight(graph, "w", w),
                                                   pare_graph_weight(graph, "b", b)},
                           3);
    pare_node_set_int(graph, node, "transB", 1);
    pare_graph_output(graph, node->outputs[0]);
    assert_ok(pare_graph_finish(graph, &err), &err);
    return graph;
}

static void a_network_that_always_says_three_is_right_on_the_threes(void **state)
{
    struct pare_shape sample = pare_data_sample_shape(digits);
    int64_t n = pare_data_n(digits, PARE_VALIDATION), n_threes = 0;
    struct pare_graph *graph =
        build_linear(&sample, 784, 10, NULL, (float[]){0, 0, 0, 1, 0, 0, 0, 0, 0, 0});
    struct pare_evaluation e;
    struct pare_error err = {0};
    float *input = malloc(784 * sizeof *input);

    (void)state;
    assert_ok(pare_evaluate(&e, graph, digits, 2, &err), &err);
    assert_int_equal(e.n, n);
    for (int64_t i = 0; i < n; i++) {
        int32_t label;

        pare_data_fetch(digits, PARE_VALIDATION, &i, 1, NULL, NULL, input, &label);
        n_threes += label == 3;
        assert_int_equal(e.bits[i / 8] >> (i % 8) & 1, label == 3);
    }
    assert_int_equal(e.n_correct, n_threes);
    assert_true(n_threes > 0 && e.accuracy == (double)n_threes / (double)n);
    assert_true(isnan(e.mse));
    pare_evaluation_clear(&e);
    pare_graph_free(graph);
    free(input);
}

static void results_do_not_depend_on_threads(void **state)
{
    struct pare_graph *graph = build("lenet5-half");
    struct pare_evaluation one, many;
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_evaluate(&one, graph, digits, 1, &err), &err);
    for (int threads = 2; threads <= 5; threads++) {
        assert_ok(pare_evaluate(&many, graph, digits, threads, &err), &err);
        assert_int_equal(one.n_correct, many.n_correct);
        assert_memory_equal(one.bits, many.bits, (size_t)(one.n + 7) / 8);
        pare_evaluation_clear(&many);
    }
    pare_evaluation_clear(&one);
    pare_graph_free(graph);
}

static void a_test_evaluation_is_one_use_of_the_split(void **state)
{
    struct pare_graph *graph = build("lenet5-quarter");
    struct pare_data_test *test;
    struct pare_evaluation e;
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_data_test_open(&test, digits, &err), &err);
    assert_int_equal(pare_data_test_uses(test), 0);
    assert_ok(pare_evaluate_test(&e, graph, test, digits, 2, &err), &err);
    assert_int_equal(e.n, 333);
    assert_int_equal(pare_data_test_uses(test), 1);
    pare_evaluation_clear(&e);
    assert_ok(pare_evaluate_test(&e, graph, test, digits, 1, &err), &err);
    assert_int_equal(pare_data_test_uses(test), 2);
    pare_evaluation_clear(&e);
    pare_data_test_close(test);
    pare_graph_free(graph);
}

static void data_without_labels_gives_a_reconstruction_error(void **state)
{
    char *path = pare_path_join(dir, "plain.csv");
    struct pare_shape sample = pare_shape_of(1, (int64_t)3);
    float identity[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, half[3] = {0.5, 0.5, 0.5};
    struct pare_error err = {0};
    struct pare_text csv = {0};
    struct pare_data_spec spec;
    struct pare_data *data;
    struct pare_graph *graph;
    struct pare_evaluation e;

    (void)state;
    for (int i = 0; i < 500; i++)
        pare_text_printf(&csv, "%d,%d,%d\n", i, i % 7, -i);
    assert_ok(pare_file_write(path, csv.s, csv.n, &err), &err);
    pare_data_spec_defaults(&spec);
    spec.name = "csv";
    spec.path = path;
    spec.label = "none";
    spec.cache_dir = dir;
    assert_ok(pare_data_open(&data, &spec, &err), &err);
    graph = build_linear(&sample, 3, 3, identity, half); /* every element is off by a half */
    assert_ok(pare_evaluate(&e, graph, data, 2, &err), &err);
    assert_true(fabs(e.mse - 0.25) < 1e-5);
    assert_true(isnan(e.accuracy));
    assert_null(e.bits);
    pare_evaluation_clear(&e);
    pare_graph_free(graph);
    pare_data_close(data);
    pare_text_clear(&csv);
    free(path);
}

static void outputs_that_are_no_numbers_are_an_error(void **state)
{
    struct pare_shape sample = pare_data_sample_shape(digits);
    struct pare_graph *graph =
        build_linear(&sample, 784, 10, NULL, (float[]){0, 0, NAN, 0, 0, 0, 0, 0, 0, 0});
    struct pare_evaluation e;
    struct pare_error err = {0};

    (void)state;
    assert_int_equal(pare_evaluate(&e, graph, digits, 2, &err), PARE_ENUMERIC);
    assert_non_null(strstr(err.text, "sample 0"));
    pare_evaluation_clear(&e);
    pare_graph_free(graph);
}

static void a_network_for_other_data_is_refused(void **state)
{
    struct pare_graph *graph = build("resnet8"); /* 32x32x3 */
    struct pare_shape sample = pare_data_sample_shape(digits);
    struct pare_evaluation e;
    struct pare_error err = {0};

    (void)state;
    assert_int_equal(pare_evaluate(&e, graph, digits, 1, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "3072"));
    assert_non_null(strstr(err.text, "784"));
    pare_graph_free(graph);
    graph = build_linear(&sample, 784, 7, NULL, NULL);
    assert_int_equal(pare_evaluate(&e, graph, digits, 1, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "7 numbers"));
    assert_non_null(strstr(err.text, "10 classes"));
    pare_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_that_always_says_three_is_right_on_the_threes),
        cmocka_unit_test(results_do_not_depend_on_threads),
        cmocka_unit_test(a_test_evaluation_is_one_use_of_the_split),
        cmocka_unit_test(data_without_labels_gives_a_reconstruction_error),
        cmocka_unit_test(outputs_that_are_no_numbers_are_an_error),
        cmocka_unit_test(a_network_for_other_data_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
