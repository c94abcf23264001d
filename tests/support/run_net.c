#include "run_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "check.h"
#include "ref_run.h"

static int64_t elems(const struct pare_value *value)
{
    return pare_shape_elems(&value->shape);
}

static bool has_batch(const struct pare_value *value)
{
    return value->shape.n_dims > 0 && value->shape.dims[0] == PARE_DIM_BATCH;
}

static int64_t total(const struct pare_value *value, int64_t n)
{
    return has_batch(value) ? n * elems(value) : elems(value);
}

static void store(void *data, enum pare_dtype dtype, int64_t i, double x)
{
    switch (dtype) {
    case PARE_F32: ((float *)data)[i] = (float)x; break;
    case PARE_F64: ((double *)data)[i] = x; break;
    case PARE_S8: ((int8_t *)data)[i] = (int8_t)x; break;
    case PARE_S32: ((int32_t *)data)[i] = (int32_t)x; break;
    case PARE_S64: ((int64_t *)data)[i] = (int64_t)x; break;
    case PARE_U8:
    case PARE_BOOL: ((uint8_t *)data)[i] = (uint8_t)x; break;
    }
}

static double load(const void *data, enum pare_dtype dtype, int64_t i)
{
    switch (dtype) {
    case PARE_F32: return ((const float *)data)[i];
    case PARE_F64: return ((const double *)data)[i];
    case PARE_S8: return ((const int8_t *)data)[i];
    case PARE_S32: return ((const int32_t *)data)[i];
    case PARE_S64: return (double)((const int64_t *)data)[i];
    case PARE_U8:
    case PARE_BOOL: return ((const uint8_t *)data)[i];
    }
    return NAN;
}

static double random_number(struct pare_rng *rng, enum pare_dtype dtype, const struct run_net *how)
{
    int64_t limit = how->limit ? how->limit : 10;

    switch (dtype) {
    case PARE_F32:
        return (float)(how->is_positive ? 0.1 + 2.9 * pare_rng_uniform(rng) : pare_rng_normal(rng));
    case PARE_F64: return pare_rng_normal(rng);
    case PARE_S8: return (double)pare_rng_below(rng, 256) - 128;
    case PARE_U8: return (double)pare_rng_below(rng, 256);
    case PARE_BOOL: return (double)pare_rng_below(rng, 2);
    default: return (double)pare_rng_below(rng, 2 * limit) - (double)limit;
    }
}

struct pare_plan *net_plan(const struct pare_graph *g, enum pare_plan_kernels kernels, int64_t n)
{
    struct pare_plan_options options = {.kernels = kernels,
                                        .max_batch = n,
                                        .n_threads = 1,
                                        .onnx_io = true};
    struct pare_plan *plan = NULL;
    struct pare_error err = {0};

    if (pare_plan_new(&plan, g, &options, &err))
        fail_msg("%s: %s", g->name, err.text);
    return plan;
}

/* The memory of every input or output, exactly as long as it must be, for asan. */
static void **arrays_new(struct pare_value *const *values, int n_values, int64_t n, size_t bytes)
{
    void **arrays = calloc((size_t)n_values, sizeof *arrays);

    for (int k = 0; k < n_values; k++)
        arrays[k] = malloc((size_t)total(values[k], n) *
                           (bytes ? bytes : pare_dtype_bytes(values[k]->dtype)));
    return arrays;
}

static void arrays_free(void **arrays, int n)
{
    for (int k = 0; k < n; k++)
        free(arrays[k]);
    free(arrays);
}

/* What the formulas give, sample after sample, as doubles. */
static void expect(const struct pare_graph *g, void *const *inputs, int64_t n, void **expected)
{
    double **in = calloc((size_t)g->n_inputs, sizeof *in);
    double **out = calloc((size_t)g->n_outputs, sizeof *out);

    for (int k = 0; k < g->n_inputs; k++)
        in[k] = malloc((size_t)(elems(g->inputs[k]) + 1) * sizeof **in);
    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < g->n_inputs; k++) {
            const struct pare_value *x = g->inputs[k];
            for (int64_t e = 0; e < elems(x); e++)
                in[k][e] = load(inputs[k], x->dtype, has_batch(x) ? i * elems(x) + e : e);
        }
        for (int k = 0; k < g->n_outputs; k++)
            out[k] =
                (double *)expected[k] + (has_batch(g->outputs[k]) ? i * elems(g->outputs[k]) : 0);
        ref_run_many(g, (const double *const *)in, out);
    }
    arrays_free((void **)in, g->n_inputs);
    free(out);
}

static void compare(const struct pare_graph *g, int k, const void *y, const double *expected,
                    int64_t n, const struct run_net *how, int kernels)
{
    const struct pare_value *value = g->outputs[k];
    bool is_real = value->dtype == PARE_F32 || value->dtype == PARE_F64;
    double rtol = !is_real ? 0 : how->rtol ? how->rtol : 1e-5;
    double atol = !is_real ? 0 : how->atol ? how->atol : 2e-6;

    for (int64_t i = 0; i < total(value, n); i++) {
        double got = load(y, value->dtype, i);
        bool is_same = got == expected[i] || (isnan(got) && isnan(expected[i]));
        if (!is_same && !(fabs(got - expected[i]) <= atol + rtol * fabs(expected[i])))
            fail_msg("%s, output %d, kernels %d: element %lld of %lld is %.9g, expected %.9g",
                     g->name, k, kernels, (long long)i, (long long)total(value, n), got,
                     expected[i]);
    }
}

void check_net(const struct pare_graph *g, const struct run_net *how)
{
    static const enum pare_plan_kernels kernels[] = {PARE_KERNELS_DEFAULT, PARE_KERNELS_PORTABLE};
    int64_t n = how->n ? how->n : 1;
    void **inputs = arrays_new(g->inputs, g->n_inputs, n, 0);
    void **outputs = arrays_new(g->outputs, g->n_outputs, n, 0);
    void **expected = arrays_new(g->outputs, g->n_outputs, n, sizeof(double));
    struct pare_rng rng;

    pare_rng_init(&rng, how->seed, 77);
    for (int k = 0; k < g->n_inputs; k++)
        for (int64_t i = 0; i < total(g->inputs[k], n); i++)
            store(inputs[k], g->inputs[k]->dtype, i, random_number(&rng, g->inputs[k]->dtype, how));
    expect(g, inputs, n, expected);
    for (int i = 0; i < 2; i++) {
        struct pare_plan *plan = net_plan(g, kernels[i], n);

        for (int k = 0; k < g->n_outputs; k++)
            memset(outputs[k], 0x5a,
                   (size_t)total(g->outputs[k], n) * pare_dtype_bytes(g->outputs[k]->dtype));
        pare_plan_run_many(plan, (const void *const *)inputs, n, outputs);
        for (int k = 0; k < g->n_outputs; k++)
            compare(g, k, outputs[k], expected[k], n, how, (int)kernels[i]);
        pare_plan_free(plan);
    }
    arrays_free(inputs, g->n_inputs);
    arrays_free(outputs, g->n_outputs);
    arrays_free(expected, g->n_outputs);
}
