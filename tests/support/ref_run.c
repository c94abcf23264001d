#include "ref_run.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <pare/graph.h>

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

static void pool(const struct pare_node *node, const double *x, double *y)
{
    struct pare_conv2d c = pare_node_conv2d(node);

    for (int64_t m = 0; m < c.M; m++)
        for (int64_t p = 0; p < c.P; p++)
            for (int64_t q = 0; q < c.Q; q++) {
                double sum = 0, max = -INFINITY;
                int64_t n = 0;

                for (int64_t r = 0; r < c.R; r++)
                    for (int64_t s = 0; s < c.S; s++) {
                        int64_t h = p * c.stride_h - c.pad_top + r;
                        int64_t v = q * c.stride_w - c.pad_left + s;
                        double value;

                        if (h < 0 || h >= c.H || v < 0 || v >= c.W)
                            continue;
                        value = x[(m * c.H + h) * c.W + v];
                        sum += value;
                        max = value > max ? value : max;
                        n++;
                    }
                if (c.count_include_pad)
                    n = c.R * c.S;
                y[(m * c.P + p) * c.Q + q] = node->op == PARE_OP_MAXPOOL ? max : sum / (double)n;
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
    case PARE_OP_FLATTEN:
    case PARE_OP_IDENTITY: return x;
    default: break;
    }
    fprintf(stderr, "ref_run: operator %s is not known\n", pare_op_name(node->op));
    abort();
}

static void softmax(const double *x, double *y, int64_t n)
{
    double max = -INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int64_t i = 0; i < n; i++)
        sum += y[i] = exp(x[i] - max);
    for (int64_t i = 0; i < n; i++)
        y[i] /= sum;
}

static void run_node(const struct pare_node *node, double *const *values)
{
    const double *x = values[node->inputs[0]->id];
    double *y = values[node->outputs[0]->id];
    int64_t n = elems(node->outputs[0]);

    switch (node->op) {
    case PARE_OP_CONV: conv(node, x, y); break;
    case PARE_OP_GEMM: gemm(node, x, y); break;
    case PARE_OP_BATCHNORM: batchnorm(node, x, y); break;
    case PARE_OP_MAXPOOL:
    case PARE_OP_AVGPOOL: pool(node, x, y); break;
    case PARE_OP_GLOBAL_AVGPOOL: {
        int64_t inner = elems(node->inputs[0]) / n;

        for (int64_t c = 0; c < n; c++) {
            double sum = 0;

            for (int64_t i = 0; i < inner; i++)
                sum += x[c * inner + i];
            y[c] = sum / (double)inner;
        }
        break;
    }
    case PARE_OP_ADD:
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] + values[node->inputs[1]->id][i];
        break;
    case PARE_OP_SOFTMAX: softmax(x, y, n); break;
    default:
        for (int64_t i = 0; i < n; i++)
            y[i] = elementwise(node, x[i]);
    }
}

void ref_run_f64(const struct pare_graph *g, const double *input_nchw, int64_t n, const char *value,
                 double *output)
{
    const struct pare_value *wanted = pare_graph_find_value(g, value);
    int64_t n_in = elems(g->inputs[0]), n_out;
    double **values = calloc((size_t)g->n_values, sizeof *values);

    if (!wanted || wanted->data || !values) {
        fprintf(stderr, "ref_run: there is no activation '%s'\n", value);
        abort();
    }
    n_out = elems(wanted);
    for (int i = 0; i < g->n_values; i++) {
        values[i] = malloc((size_t)(elems(g->values[i]) + 1) * sizeof **values);
        if (!values[i])
            abort();
    }
    for (int64_t k = 0; k < n; k++) {
        for (int64_t i = 0; i < n_in; i++)
            values[g->inputs[0]->id][i] = input_nchw[k * n_in + i];
        for (int i = 0; i < g->n_nodes; i++)
            run_node(g->nodes[i], values);
        for (int64_t i = 0; i < n_out; i++)
            output[k * n_out + i] = values[wanted->id][i];
    }
    for (int i = 0; i < g->n_values; i++)
        free(values[i]);
    free(values);
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
