/* The methods, against reference vectors of the original implementations and their own laws. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/linalg.h>
#include <pare/method.h>
#include <pare/quantize.h>
#include <pare/zoo.h>

#include "../support/check.h"
#include "base/arena.h"
#include "io/data_open.h"
#include "io/safetensors.h"
#include "option/schema.h"
#include "plugin/registry.h"

static struct pare_registry *registry;

static int open_registry(void **state)
{
    struct pare_error err = {0};
    (void)state;
    assert_ok(pare_registry_open(&registry, &err), &err);
    return 0;
}

static int close_registry(void **state)
{
    (void)state;
    pare_registry_close(registry);
    return 0;
}

/* ---- Help: vectors, and running a method with options "name=value" ---- */

static struct pare_safetensors *open_vector(const char *name)
{
    struct pare_safetensors *file = NULL;
    struct pare_error err = {0};
    char path[256];

    snprintf(path, sizeof path, "vectors/%s.safetensors", name);
    assert_ok(pare_safetensors_open(&file, check_test_data(path), &err), &err);
    return file;
}

static struct pare_tensor *tensor_of(const struct pare_safetensors *file, const char *name)
{
    struct pare_tensor *tensor = NULL;
    struct pare_error err = {0};
    const struct pare_safetensors_entry *entry = pare_safetensors_find(file, name);

    assert_non_null(entry);
    assert_ok(pare_safetensors_tensor(&tensor, entry, &err), &err);
    return tensor;
}

static int32_t int_of(const struct pare_safetensors *file, const char *name, int i)
{
    int32_t value;
    const struct pare_safetensors_entry *entry = pare_safetensors_find(file, name);

    assert_non_null(entry);
    memcpy(&value, entry->data + 4 * i, 4);
    return value;
}

static void quiet(void *state, const char *text)
{
    (void)state, (void)text;
}

/* Options from NULL-terminated pairs; the table's defaults for the rest. */
static void *options_of(const struct pare_method *method, struct pare_arena *arena,
                        const char *const *pairs)
{
    struct pare_error err = {0};
    void *options = pare_arena_alloc(arena, method->options_bytes);

    pare_options_defaults(method->options, options);
    for (; *pairs; pairs += 2) {
        const struct pare_option *row = pare_option_find(method->options, pairs[0]);
        assert_non_null(row);
        assert_ok(pare_option_set(row, options, pairs[1], arena, &err), &err);
    }
    return options;
}

static pare_status apply_method(const char *name, struct pare_graph *graph,
                                const struct pare_data *data, const char *const *pairs,
                                struct pare_error *err)
{
    const struct pare_method *method = pare_registry_method(registry, name);
    struct pare_arena *arena = pare_arena_new();
    struct pare_rng rng;
    pare_status st;

    assert_non_null(method);
    pare_rng_init(&rng, 1, 1);
    st = method->apply(&(struct pare_context){.seed = 1,
                                              .rng = &rng,
                                              .data = data,
                                              .baseline = graph,
                                              .n_threads = 1,
                                              .fidelity = 1,
                                              .log = quiet},
                       options_of(method, arena, pairs), graph, err);
    pare_arena_free(arena);
    return st;
}
#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A Gemm or Conv of its own input and output around a weight. */
static void add_layer(struct pare_graph *graph, const char *name, struct pare_tensor *weight)
{
    bool is_conv = weight->shape.n_dims == 4;
    struct pare_shape shape =
        is_conv ? pare_shape_of(4, (int64_t)PARE_DIM_BATCH, weight->shape.dims[1], (int64_t)8,
                                (int64_t)8)
                : pare_shape_of(2, (int64_t)PARE_DIM_BATCH, weight->shape.dims[1]);
    struct pare_value *inputs[2] = {pare_graph_input(graph, NULL, &shape),
                                    pare_graph_weight(graph, name, weight)};
    struct pare_node *node =
        pare_graph_node(graph, is_conv ? PARE_OP_CONV : PARE_OP_GEMM, name, inputs, 2);

    if (is_conv)
        pare_node_set_ints(graph, node, "kernel_shape", &weight->shape.dims[2], 2);
    else
        pare_node_set_int(graph, node, "transB", 1);
    pare_graph_output(graph, node->outputs[0]);
}

static void assert_mask(const struct pare_value *weight, const struct pare_tensor *mask)
{
    const float *w = pare_tensor_f32(weight->data), *m = pare_tensor_f32(mask);

    for (int64_t i = 0; i < pare_tensor_elems(mask); i++)
        assert_int_equal(w[i] != 0, m[i] != 0);
}

/* ---- Quantizers ---- */

static void rounding_is_half_to_even_then_zero_point_then_clamp(void **state)
{
    struct pare_safetensors *file = open_vector("quant_round_half_even");
    struct pare_tensor *x = tensor_of(file, "in.x"), *x_hat = tensor_of(file, "out.x_hat");
    struct pare_quant quant = {.bits = 4, .scale = 0.25f, .zero = 3};

    (void)state;
    for (int i = 0; i < 49; i++) {
        int32_t q = pare_quantize(&quant, pare_tensor_f32(x)[i]);
        assert_int_equal(q, int_of(file, "out.q", i));
        assert_true(pare_dequantize(&quant, q) == pare_tensor_f32(x_hat)[i]);
    }
    pare_tensor_unref(x);
    pare_tensor_unref(x_hat);
    pare_safetensors_close(file);
}

static void check_observer(const char *name, int bits, bool is_symmetric)
{
    struct pare_safetensors *file = open_vector(name);
    struct pare_tensor *scale = tensor_of(file, "out.scale"), *x0 = tensor_of(file, "in.x0");
    struct pare_observer *observer = calloc(1, sizeof *observer);
    int64_t n = pare_tensor_elems(x0), n_wrong = 0;

    pare_observer_range(observer, pare_tensor_f32(x0), n);
    if (pare_safetensors_find(file, "in.x1")) {
        struct pare_tensor *x1 = tensor_of(file, "in.x1");
        pare_observer_range(observer, pare_tensor_f32(x1), pare_tensor_elems(x1));
        pare_tensor_unref(x1);
    }
    struct pare_quant quant =
        pare_observer_quant(observer, bits, is_symmetric, PARE_CALIBRATE_MINMAX, 0);
    assert_close(&quant.scale, pare_tensor_f32(scale), 1, 1e-5, 0);
    assert_int_equal(quant.zero, int_of(file, "out.zero_point", 0));
    for (int64_t i = 0; i < n; i++)
        n_wrong += pare_quantize(&quant, pare_tensor_f32(x0)[i]) != int_of(file, "out.q", (int)i);
    assert_in_range(n_wrong, 0, n / 100); /* the rule of the vectors: mismatch 0.01 */
    free(observer);
    pare_tensor_unref(scale);
    pare_tensor_unref(x0);
    pare_safetensors_close(file);
}

static void observers_match_torch(void **state)
{
    (void)state;
    check_observer("observer__minmax_u8_asym", 8, false);
    check_observer("observer__minmax_relu_u8", 8, false);
    check_observer("observer__minmax_4bit_asym", 4, false);
    check_observer("observer__minmax_s8_sym_narrow", 8, true);
}

static void percentile_and_mse_ignore_a_lone_outlier(void **state)
{
    struct pare_observer *observer = calloc(1, sizeof *observer);
    float *x = malloc(sizeof(float) * 100000);
    struct pare_rng rng;

    (void)state;
    pare_rng_init(&rng, 3, 0);
    for (int i = 0; i < 100000; i++)
        x[i] = (float)fabs(pare_rng_normal(&rng));
    x[500] = 100;
    pare_observer_range(observer, x, 100000);
    pare_observer_count(observer, x, 100000);
    struct pare_quant all = pare_observer_quant(observer, 8, false, PARE_CALIBRATE_MINMAX, 0);
    struct pare_quant cut =
        pare_observer_quant(observer, 8, false, PARE_CALIBRATE_PERCENTILE, 99.99);
    struct pare_quant mse = pare_observer_quant(observer, 4, false, PARE_CALIBRATE_MSE, 0);
    assert_close(&all.scale, &(float){100.0f / 255}, 1, 1e-6, 0);
    assert_true(cut.scale < 6.0f / 255);
    assert_true(mse.scale < 60.0f / 15);
    free(x);
    free(observer);
}

static void weight_rounding_errs_by_at_most_half_a_step(void **state)
{
    struct pare_error err = {0};

    (void)state;
    for (int bits = 2; bits <= 8; bits += 2)
        for (int axis = -1; axis <= 0; axis++) {
            struct pare_graph *graph = NULL;
            assert_ok(pare_zoo_build(&graph, "lenet5-quarter", NULL, 0, 5, &err), &err);
            struct pare_value *w = pare_graph_find_value(graph, "conv2.weight");
            struct pare_tensor *before = NULL;
            assert_non_null(w);
            assert_ok(pare_tensor_copy(&before, w->data, &err), &err);
            assert_ok(pare_quantize_weight(graph, w, bits, axis, false, &err), &err);
            int64_t n = pare_tensor_elems(before), per = n / w->coding.n_scales;
            for (int64_t i = 0; i < n; i++) {
                double step = w->coding.scales[i / per];
                double error = fabs(pare_tensor_f32(before)[i] - pare_tensor_f32(w->data)[i]);
                assert_true(error <= 0.5 * step * (1 + 1e-5));
            }
            pare_tensor_unref(before);
            pare_graph_free(graph);
        }
}

/* ---- prune.magnitude ---- */

static void one_shot_masks_match_the_reference(void **state)
{
    struct pare_error err = {0};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pare_safetensors *file =
            open_vector(i ? "magnitude_unstructured__1" : "magnitude_unstructured__0");
        struct pare_tensor *mask = tensor_of(file, "out.mask");
        struct pare_graph *graph = pare_graph_new("vector");
        add_layer(graph, "w", tensor_of(file, "in.W"));
        assert_ok(pare_graph_finish(graph, &err), &err);
        assert_ok(apply_method("prune.magnitude", graph, NULL, PAIRS("sparsity", i ? "0.9" : "0.5"),
                               &err),
                  &err);
        struct pare_value *w = graph->nodes[0]->inputs[1];
        assert_mask(w, mask);
        assert_true(w->coding.is_sparse);
        pare_tensor_unref(mask);
        pare_graph_free(graph);
        pare_safetensors_close(file);
    }
}

static void global_masks_match_the_reference(void **state)
{
    struct pare_error err = {0};
    struct pare_safetensors *file = open_vector("magnitude_global");
    struct pare_graph *graph = pare_graph_new("vector");
    const char *names[3] = {"in.W0", "in.W1", "in.W2"},
               *masks[3] = {"out.mask0", "out.mask1", "out.mask2"};

    (void)state;
    for (int i = 0; i < 3; i++)
        add_layer(graph, names[i], tensor_of(file, names[i]));
    assert_ok(pare_graph_finish(graph, &err), &err);
    assert_ok(apply_method("prune.magnitude", graph, NULL,
                           PAIRS("sparsity", "0.8", "scope", "global"), &err),
              &err);
    for (int i = 0; i < 3; i++) {
        struct pare_tensor *mask = tensor_of(file, masks[i]);
        assert_mask(graph->nodes[i]->inputs[1], mask);
        pare_tensor_unref(mask);
    }
    pare_graph_free(graph);
    pare_safetensors_close(file);
}

static void weights_equal(const struct pare_graph *a, const struct pare_graph *b)
{
    assert_int_equal(a->n_values, b->n_values);
    for (int v = 0; v < a->n_values; v++) {
        const struct pare_tensor *x = a->values[v]->data, *y = b->values[v]->data;
        assert_int_equal(x != NULL, y != NULL);
        if (x) {
            assert_int_equal(x->n_bytes, y->n_bytes);
            assert_memory_equal(x->data, y->data, x->n_bytes);
        }
    }
}

static void neutral_settings_leave_the_network_as_it_was(void **state)
{
    struct pare_error err = {0};
    static const struct {
        const char *method, *option, *value;
    } neutral[] = {{"prune.magnitude", "sparsity", "0"},
                   {"prune.channels", "sparsity", "0"},
                   {"lowrank.svd", "energy", "1"},
                   {"lowrank.svd", "rank", "1000"}};

    (void)state;
    for (size_t i = 0; i < sizeof neutral / sizeof *neutral; i++) {
        struct pare_graph *graph = NULL, *before;
        assert_ok(pare_zoo_build(&graph, "resnet8-half", NULL, 0, 2, &err), &err);
        before = pare_graph_copy(graph);
        assert_ok(apply_method(neutral[i].method, graph, NULL,
                               PAIRS(neutral[i].option, neutral[i].value), &err),
                  &err);
        weights_equal(before, graph);
        pare_graph_free(before);
        pare_graph_free(graph);
    }
}

/* ---- prune.channels ---- */

static void filters_go_by_their_l1_norm(void **state)
{
    struct pare_error err = {0};
    struct pare_safetensors *file = open_vector("structured_ln__filters_l1");
    struct pare_tensor *w = tensor_of(file, "in.W"), *mask = tensor_of(file, "out.mask"), *next;
    struct pare_graph *graph = pare_graph_new("vector");
    struct pare_shape input = pare_shape_of(4, (int64_t)PARE_DIM_BATCH, (int64_t)3, (int64_t)9,
                                            (int64_t)9),
                      second = pare_shape_of(4, (int64_t)2, (int64_t)8, (int64_t)1, (int64_t)1);
    struct pare_value *inputs[2] = {pare_graph_input(graph, "x", &input),
                                    pare_graph_weight(graph, "w1", pare_tensor_ref(w))};

    (void)state;
    assert_ok(pare_tensor_new(&next, PARE_F32, &second, &err), &err);
    struct pare_node *node = pare_graph_node(graph, PARE_OP_CONV, "conv1", inputs, 2);
    inputs[0] = node->outputs[0];
    inputs[1] = pare_graph_weight(graph, "w2", next);
    node = pare_graph_node(graph, PARE_OP_CONV, "conv2", inputs, 2);
    pare_graph_output(graph, node->outputs[0]);
    assert_ok(pare_graph_finish(graph, &err), &err);
    assert_ok(apply_method("prune.channels", graph, NULL, PAIRS("sparsity", "0.5"), &err), &err);
    const struct pare_tensor *cut = pare_graph_find_node(graph, "conv1")->inputs[1]->data;
    assert_int_equal(cut->shape.dims[0], 4);
    for (int64_t c = 0, kept = 0; c < 8; c++)
        if (pare_tensor_f32(mask)[c * 27] != 0) {
            assert_memory_equal(pare_tensor_f32(cut) + kept * 27, pare_tensor_f32(w) + c * 27,
                                27 * sizeof(float));
            kept++;
        }
    pare_tensor_unref(w);
    pare_tensor_unref(mask);
    pare_graph_free(graph);
    pare_safetensors_close(file);
}

static void channels_really_go_in_every_zoo_network(void **state)
{
    struct pare_error err = {0};

    (void)state;
    for (int i = 0; i < pare_zoo_n(); i++)
        for (int scope = 0; scope < 2; scope++) {
            struct pare_graph *graph = NULL;
            const char *name = pare_zoo_get(i)->name;
            assert_ok(pare_zoo_build(&graph, name, NULL, 0, 2, &err), &err);
            int64_t macs = pare_graph_macs(graph), params = pare_graph_params(graph);
            pare_status st = apply_method(
                "prune.channels", graph, NULL,
                PAIRS("sparsity", "0.5", "round_to", "4", "scope", scope ? "global" : "layer"),
                &err);
            if (strcmp(name, "linear") == 0) {
                assert_int_equal(st, PARE_EINFEASIBLE);
            } else {
                assert_ok(st, &err);
                assert_true((double)pare_graph_macs(graph) < 0.75 * (double)macs);
                assert_true((double)pare_graph_params(graph) < 0.75 * (double)params);
            }
            pare_graph_free(graph);
        }
}

/* ---- lowrank.svd ---- */

static void factors_multiply_to_the_best_approximation(void **state)
{
    struct pare_error err = {0};

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct pare_safetensors *file = open_vector(k ? "svd_truncate__1" : "svd_truncate__0");
        struct pare_tensor *best = tensor_of(file, "out.W_r");
        int64_t m = best->shape.dims[0], n = best->shape.dims[1], rank = k ? 5 : 4;
        struct pare_graph *graph = pare_graph_new("vector");
        float *product = calloc((size_t)(m * n), sizeof *product);

        add_layer(graph, "fc", tensor_of(file, "in.W"));
        assert_ok(pare_graph_finish(graph, &err), &err);
        assert_ok(apply_method("lowrank.svd", graph, NULL, PAIRS("rank", k ? "5" : "4"), &err),
                  &err);
        assert_int_equal(graph->n_nodes, 2);
        const float *inner = pare_tensor_f32(graph->nodes[0]->inputs[1]->data);
        const float *outer = pare_tensor_f32(graph->nodes[1]->inputs[1]->data);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                for (int64_t r = 0; r < rank; r++)
                    product[i * n + j] += outer[i * rank + r] * inner[r * n + j];
        assert_close(product, pare_tensor_f32(best), m * n, 1e-4, 1e-5);
        assert_int_equal(pare_graph_params(graph), int_of(file, "out.params", 0));
        free(product);
        pare_tensor_unref(best);
        pare_graph_free(graph);
        pare_safetensors_close(file);
    }
}

static void energy_chooses_the_reference_rank(void **state)
{
    struct pare_error err = {0};
    struct pare_safetensors *file = open_vector("svd_truncate__0");
    struct pare_graph *graph = pare_graph_new("vector");
    int32_t rank = int_of(file, "out.rank_energy_90", 0);

    (void)state;
    add_layer(graph, "fc", tensor_of(file, "in.W"));
    assert_ok(pare_graph_finish(graph, &err), &err);
    assert_ok(apply_method("lowrank.svd", graph, NULL, PAIRS("energy", "0.9"), &err), &err);
    if (rank * (12 + 9) < 12 * 9) {
        assert_int_equal(graph->n_nodes, 2);
        assert_int_equal(graph->nodes[0]->inputs[1]->data->shape.dims[0], rank);
    } else {
        assert_int_equal(graph->n_nodes, 1);
    }
    pare_graph_free(graph);
    pare_safetensors_close(file);
}

static void rank_and_energy_together_are_refused(void **state)
{
    struct pare_error err = {0};
    struct pare_graph *graph = NULL;

    (void)state;
    assert_ok(pare_zoo_build(&graph, "mlp", NULL, 0, 2, &err), &err);
    assert_int_equal(
        apply_method("lowrank.svd", graph, NULL, PAIRS("rank", "3", "energy", "0.5"), &err),
        PARE_EINVAL);
    assert_non_null(strstr(err.text, "one of rank, ratio and energy"));
    pare_graph_free(graph);
}

/* ---- On data: the embedded digits ---- */

static struct pare_data *open_digits(void)
{
    struct pare_data_spec spec;
    struct pare_data *data = NULL;
    struct pare_error err = {0};

    pare_data_spec_defaults(&spec);
    spec.name = "digits";
    spec.limit_train = 1200;
    spec.limit_test = 100;
    assert_ok(pare_data_open(&data, &spec, &err), &err);
    return data;
}

static void ptq_puts_weights_on_their_grid_and_ranges_where_integers_flow(void **state)
{
    struct pare_error err = {0};
    struct pare_graph *graph = NULL;
    struct pare_data *data = open_digits();
    struct pare_shape input = pare_shape_of(3, (int64_t)1, (int64_t)28, (int64_t)28);

    (void)state;
    assert_ok(pare_zoo_build(&graph, "resnet8-half", &input, 10, 2, &err), &err);
    assert_ok(apply_method("quant.ptq", graph, data, PAIRS("samples", "100"), &err), &err);
    pare_each_node(node, graph) {
        assert_int_not_equal(node->op, PARE_OP_BATCHNORM);
        if (node->op != PARE_OP_CONV && node->op != PARE_OP_GEMM)
            continue;
        const struct pare_value *w = node->inputs[1];
        assert_int_equal(w->coding.bits, 8);
        assert_int_equal(w->coding.n_scales, w->data->shape.dims[0]);
        assert_int_equal(node->inputs[0]->quant.bits, 8);
        int64_t n = pare_tensor_elems(w->data), per = n / w->coding.n_scales;
        for (int64_t i = 0; i < n; i++) {
            double q = pare_tensor_f32(w->data)[i] / w->coding.scales[i / per];
            assert_true(fabs(q - nearbyint(q)) < 1e-3 && fabs(q) < 127.5);
        }
    }
    assert_int_equal(graph->outputs[0]->quant.bits, 0);
    pare_graph_free(graph);
    pare_data_close(data);
}

/* Trains `zoo` for a little on digits with one attached method; returns the trained graph. */
static struct pare_graph *train_with(const char *method_name, const char *const *pairs,
                                     const char *zoo, struct pare_train_result *result)
{
    const struct pare_method *method = pare_registry_method(registry, method_name);
    struct pare_error err = {0};
    struct pare_graph *graph = NULL, *teacher;
    struct pare_data *data = open_digits();
    struct pare_arena *arena = pare_arena_new();
    struct pare_trainer *trainer = NULL;
    struct pare_recipe recipe;
    struct pare_rng rng;
    struct pare_shape input = pare_shape_of(3, (int64_t)1, (int64_t)28, (int64_t)28);
    void *options = options_of(method, arena, pairs);

    pare_rng_init(&rng, 1, 1);
    pare_recipe_defaults(&recipe);
    recipe.epochs = 12;
    recipe.lr = 5e-3;
    recipe.batch = 32;
    assert_ok(pare_zoo_build(&graph, zoo, &input, 10, 2, &err), &err);
    teacher = pare_graph_copy(graph);
    struct pare_context ctx = {.seed = 1,
                               .rng = &rng,
                               .data = data,
                               .baseline = teacher,
                               .recipe = &recipe,
                               .n_threads = 1,
                               .fidelity = 1,
                               .log = quiet};
    if (method->prepare)
        assert_ok(method->prepare(&ctx, options, &graph, &err), &err);
    assert_ok(pare_trainer_new(&trainer, &ctx, &recipe, graph, &err), &err);
    assert_ok(method->attach(&ctx, options, teacher, trainer, &err), &err);
    assert_ok(pare_trainer_run(trainer, &err), &err);
    pare_trainer_result(trainer, result);
    pare_trainer_free(trainer);
    pare_graph_free(teacher);
    pare_arena_free(arena);
    pare_data_close(data);
    return graph;
}

static void the_cubic_schedule_ends_at_the_asked_sparsity_and_still_learns(void **state)
{
    struct pare_train_result result;
    struct pare_graph *graph =
        train_with("prune.magnitude", PAIRS("sparsity", "0.9"), "mlp", &result);

    (void)state;
    pare_each_node(node, graph) {
        if (node->op != PARE_OP_GEMM)
            continue;
        const struct pare_tensor *w = node->inputs[1]->data;
        int64_t n = pare_tensor_elems(w), n_zero = 0;
        for (int64_t i = 0; i < n; i++)
            n_zero += pare_tensor_f32(w)[i] == 0;
        assert_int_equal(n_zero, (int64_t)nearbyint(0.9 * (double)n));
        assert_true(node->inputs[1]->coding.is_sparse);
    }
    assert_true(result.val_accuracy > 0.5); /* ten classes: chance is 0.1 */
    pare_graph_free(graph);
}

static void a_student_takes_the_place_of_the_network(void **state)
{
    struct pare_train_result result;
    struct pare_graph *graph =
        train_with("distill.logits", PAIRS("student", "mlp-half", "alpha", "0.1"), "mlp", &result);

    (void)state;
    assert_string_equal(pare_graph_meta(graph, "zoo", ""), "mlp-half");
    assert_true(result.val_accuracy > 0.5);
    pare_graph_free(graph);
}

static void singular_vectors_are_orthonormal_and_restore_the_matrix(void **state)
{
    enum { M = 7, N = 11 };
    double a[M * N], u[M * M], s[M], vt[M * N], back[M * N], gram[M * M], eye[M * M] = {0};
    struct pare_rng rng;
    struct pare_error err = {0};

    (void)state;
    pare_rng_init(&rng, 9, 0);
    for (int i = 0; i < M * N; i++)
        a[i] = pare_rng_normal(&rng);
    assert_ok(pare_svd(a, M, N, u, s, vt, &err), &err);
    for (int i = 0; i < M; i++) {
        eye[i * M + i] = 1;
        for (int j = 0; j < N; j++) {
            back[i * N + j] = 0;
            for (int r = 0; r < M; r++)
                back[i * N + j] += u[i * M + r] * s[r] * vt[r * N + j];
        }
        for (int j = 0; j < M; j++) {
            gram[i * M + j] = 0;
            for (int r = 0; r < N; r++)
                gram[i * M + j] += vt[i * N + r] * vt[j * N + r];
        }
    }
    assert_close(back, a, M * N, 0, 1e-12);
    assert_close(gram, eye, M * M, 0, 1e-12);
    a[3] = NAN;
    assert_int_equal(pare_svd(a, M, N, u, s, vt, &err), PARE_ENUMERIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding_is_half_to_even_then_zero_point_then_clamp),
        cmocka_unit_test(observers_match_torch),
        cmocka_unit_test(percentile_and_mse_ignore_a_lone_outlier),
        cmocka_unit_test(weight_rounding_errs_by_at_most_half_a_step),
        cmocka_unit_test(one_shot_masks_match_the_reference),
        cmocka_unit_test(global_masks_match_the_reference),
        cmocka_unit_test(neutral_settings_leave_the_network_as_it_was),
        cmocka_unit_test(filters_go_by_their_l1_norm),
        cmocka_unit_test(channels_really_go_in_every_zoo_network),
        cmocka_unit_test(factors_multiply_to_the_best_approximation),
        cmocka_unit_test(energy_chooses_the_reference_rank),
        cmocka_unit_test(rank_and_energy_together_are_refused),
        cmocka_unit_test(singular_vectors_are_orthonormal_and_restore_the_matrix),
        cmocka_unit_test(ptq_puts_weights_on_their_grid_and_ranges_where_integers_flow),
        cmocka_unit_test(the_cubic_schedule_ends_at_the_asked_sparsity_and_still_learns),
        cmocka_unit_test(a_student_takes_the_place_of_the_network),
    };
    return cmocka_run_group_tests(tests, open_registry, close_registry);
}
