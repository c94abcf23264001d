#include "ref_run.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <pare/graph.h>

#include "ref_nd.h"

static int64_t elems(const struct pare_value *value)
{
    return pare_shape_elems(&value->shape);
}

static void conv(const struct pare_node *node, const double *x, double *y)
{
    struct pare_conv2d c = pare_node_conv2d(node);
    const float *w = pare_tensor_f32(node->inputs[1]->data);
    const float *bias =
        node->n_inputs > 2 && node->inputs[2] ? pare_tensor_f32(node->inputs[2]->data) : NULL;
    int64_t in_group = c.C / c.group, out_group = c.M / c.group;

    for (int64_t m = 0; m < c.M; m++)
        for (int64_t p = 0; p < c.P; p++)
            for (int64_t q = 0; q < c.Q; q++) {
                double sum = bias ? bias[m] : 0;

                for (int64_t k = 0; k < in_group; k++)
                    for (int64_t r = 0; r < c.R; r++)
                        for (int64_t s = 0; s < c.S; s++) {
                            int64_t h = p * c.stride_h - c.pad_top + r * c.dilation_h;
                            int64_t v = q * c.stride_w - c.pad_left + s * c.dilation_w;
                            int64_t channel = m / out_group * in_group + k;

                            if (h < 0 || h >= c.H || v < 0 || v >= c.W)
                                continue;
                            sum += x[(channel * c.H + h) * c.W + v] *
                                   w[((m * in_group + k) * c.R + r) * c.S + s];
                        }
                y[(m * c.P + p) * c.Q + q] = sum;
            }
}

static void gemm(const struct pare_node *node, const double *x, double *y)
{
    const struct pare_value *b = node->inputs[1];
    const float *w = pare_tensor_f32(b->data);
    int trans = pare_node_int(node, "transB", 0) != 0;
    int64_t n = b->shape.dims[trans ? 0 : 1], k = b->shape.dims[trans ? 1 : 0];

    for (int64_t i = 0; i < n; i++) {
        double sum = 0;

        if (node->n_inputs > 2 && node->inputs[2])
            sum = pare_tensor_f32(node->inputs[2]->data)[i];
        for (int64_t j = 0; j < k; j++)
            sum += x[j] * (trans ? w[i * k + j] : w[j * n + i]);
        y[i] = sum;
    }
}

static void batchnorm(const struct pare_node *node, const double *x, double *y)
{
    int64_t C = node->inputs[0]->shape.dims[1], inner = elems(node->inputs[0]) / C;
    double epsilon = pare_node_float(node, "epsilon", 1e-5);
    const float *p[4];

    for (int i = 0; i < 4; i++)
        p[i] = pare_tensor_f32(node->inputs[1 + i]->data);
    for (int64_t c = 0; c < C; c++)
        for (int64_t i = 0; i < inner; i++)
            y[c * inner + i] =
                (x[c * inner + i] - p[2][c]) / sqrt(p[3][c] + epsilon) * p[0][c] + p[1][c];
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double elementwise(const struct pare_node *node, double x)
{
    switch (node->op) {
    case PARE_OP_RELU: return x > 0 ? x : 0;
    case PARE_OP_CLIP:
        return clamp(x, pare_node_float(node, "min", -FLT_MAX),
                     pare_node_float(node, "max", FLT_MAX));
    case PARE_OP_LEAKY_RELU: return x < 0 ? x * pare_node_float(node, "alpha", 0.01) : x;
    case PARE_OP_SIGMOID: return 1 / (1 + exp(-x));
    case PARE_OP_TANH: return tanh(x);
    case PARE_OP_HARD_SIGMOID:
        return clamp(pare_node_float(node, "alpha", 0.2) * x + pare_node_float(node, "beta", 0.5),
                     0, 1);
    case PARE_OP_HARD_SWISH: return x * clamp(x / 6 + 0.5, 0, 1);
    case PARE_OP_GELU: return 0.5 * x * (1 + erf(x / sqrt(2)));
    default: return NAN;
    }
}

static bool is_elementwise(enum pare_op op)
{
    switch (op) {
    case PARE_OP_RELU:
    case PARE_OP_CLIP:
    case PARE_OP_LEAKY_RELU:
    case PARE_OP_SIGMOID:
    case PARE_OP_TANH:
    case PARE_OP_HARD_SIGMOID:
    case PARE_OP_HARD_SWISH:
    case PARE_OP_GELU: return true;
    default: return false;
    }
}

/* Every output, element by element. */
static void run_nd(const struct pare_node *node, double *const *values)
{
    for (int k = 0; k < node->n_outputs; k++) {
        const struct pare_shape *shape = &node->outputs[k]->shape;
        int64_t n = elems(node->outputs[k]);

        for (int64_t i = 0; i < n; i++) {
            int64_t index[PARE_MAX_DIMS] = {0}, rest = i;

            for (int d = shape->n_dims - 1; d >= 0; d--) {
                int64_t extent = shape->dims[d] == PARE_DIM_BATCH ? 1 : shape->dims[d];
                index[d] = rest % extent;
                rest /= extent;
            }
            values[node->outputs[k]->id][i] = ref_nd_element(node, k, index, values);
        }
    }
}

static void run_node(const struct pare_node *node, double *const *values)
{
    const double *x = values[node->inputs[0]->id];
    double *y = values[node->outputs[0]->id];
    int64_t n = elems(node->outputs[0]);

    if (is_elementwise(node->op)) {
        for (int64_t i = 0; i < n; i++)
            y[i] = elementwise(node, x[i]);
        return;
    }
    /* One sample of the core operators: several times faster than by elements. */
    if (node->inputs[0]->shape.n_dims < 2 || node->inputs[0]->shape.dims[0] != PARE_DIM_BATCH) {
        run_nd(node, values);
        return;
    }
    switch (node->op) {
    case PARE_OP_CONV: conv(node, x, y); break;
    case PARE_OP_GEMM: gemm(node, x, y); break;
    case PARE_OP_BATCHNORM: batchnorm(node, x, y); break;
    default: run_nd(node, values);
    }
}

static double number_at(const struct pare_tensor *tensor, int64_t i)
{
    switch (tensor->dtype) {
    case PARE_F32: return ((const float *)tensor->data)[i];
    case PARE_F64: return ((const double *)tensor->data)[i];
    case PARE_S8: return ((const int8_t *)tensor->data)[i];
    case PARE_S32: return ((const int32_t *)tensor->data)[i];
    case PARE_S64: return (double)((const int64_t *)tensor->data)[i];
    case PARE_U8:
    case PARE_BOOL: return ((const uint8_t *)tensor->data)[i];
    }
    return NAN;
}

/* Room for every value; weights filled in. */
static double **values_new(const struct pare_graph *g)
{
    double **values = calloc((size_t)g->n_values, sizeof *values);

    for (int i = 0; i < g->n_values; i++) {
        int64_t n = elems(g->values[i]);

        values[i] = malloc((size_t)(n + 1) * sizeof **values);
        for (int64_t k = 0; g->values[i]->data && k < n; k++)
            values[i][k] = number_at(g->values[i]->data, k);
    }
    return values;
}

static void values_free(const struct pare_graph *g, double **values)
{
    for (int i = 0; i < g->n_values; i++)
        free(values[i]);
    free(values);
}

void ref_run_many(const struct pare_graph *g, const double *const *inputs, double *const *outputs)
{
    double **values = values_new(g);

    for (int k = 0; k < g->n_inputs; k++)
        for (int64_t i = 0; i < elems(g->inputs[k]); i++)
            values[g->inputs[k]->id][i] = inputs[k][i];
    for (int i = 0; i < g->n_nodes; i++)
        run_node(g->nodes[i], values);
    for (int k = 0; k < g->n_outputs; k++)
        for (int64_t i = 0; i < elems(g->outputs[k]); i++)
            outputs[k][i] = values[g->outputs[k]->id][i];
    values_free(g, values);
}

void ref_run_f64(const struct pare_graph *g, const double *input_nchw, int64_t n, const char *value,
                 double *output)
{
    const struct pare_value *wanted = pare_graph_find_value(g, value);
    int64_t n_in = elems(g->inputs[0]), n_out;
    double **values;

    if (!wanted || wanted->data) {
        fprintf(stderr, "ref_run: there is no activation '%s'\n", value);
        abort();
    }
    n_out = elems(wanted);
    values = values_new(g);
    for (int64_t k = 0; k < n; k++) {
        for (int64_t i = 0; i < n_in; i++)
            values[g->inputs[0]->id][i] = input_nchw[k * n_in + i];
        for (int i = 0; i < g->n_nodes; i++)
            run_node(g->nodes[i], values);
        for (int64_t i = 0; i < n_out; i++)
            output[k * n_out + i] = values[wanted->id][i];
    }
    values_free(g, values);
}

void ref_run_value(const struct pare_graph *g, const float *input_nchw, int64_t n,
                   const char *value, float *output)
{
    const struct pare_value *wanted = pare_graph_find_value(g, value);
    int64_t n_in = n * elems(g->inputs[0]), n_out = wanted ? n * elems(wanted) : 0;
    double *in = malloc((size_t)(n_in + 1) * sizeof *in);
    double *out = malloc((size_t)(n_out + 1) * sizeof *out);

    if (!in || !out)
        abort();
    for (int64_t i = 0; i < n_in; i++)
        in[i] = input_nchw[i];
    ref_run_f64(g, in, n, value, out);
    for (int64_t i = 0; i < n_out; i++)
        output[i] = (float)out[i];
    free(in);
    free(out);
}

void ref_run(const struct pare_graph *g, const float *input_nchw, int64_t n, float *output)
{
    ref_run_value(g, input_nchw, n, g->outputs[0]->name, output);
}
