#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "infer/program.h"

void weights_clear(struct weights *weights)
{
    free(weights->w);
    free(weights->bias);
    free(weights->w_s8);
    free(weights->bias_s32);
    free(weights->scale);
    *weights = (struct weights){0};
}

void norm_factors(const struct pare_node *norm, int64_t C, double *factor, double *offset)
{
    const float *scale = pare_tensor_f32(norm->inputs[1]->data);
    const float *bias = pare_tensor_f32(norm->inputs[2]->data);
    const float *mean = pare_tensor_f32(norm->inputs[3]->data);
    const float *var = pare_tensor_f32(norm->inputs[4]->data);
    double epsilon = pare_node_float(norm, "epsilon", 1e-5);

    for (int64_t c = 0; c < C; c++) {
        factor[c] = (double)scale[c] / sqrt((double)var[c] + epsilon);
        offset[c] = (double)bias[c] - (double)mean[c] * factor[c];
    }
}

bool weights_are_integers(const struct pare_node *node, int64_t M)
{
    const struct pare_value *w = node->inputs[1];
    const struct pare_coding *coding = &w->coding;
    bool is_by_row = node->op == PARE_OP_CONV || pare_node_int(node, "transB", 0);

    if (coding->bits < 2 || coding->bits > 8 || !coding->is_symmetric || coding->zeros ||
        !coding->scales)
        return false;
    return coding->n_scales == 1 || (coding->n_scales == M && coding->axis == 0 && is_by_row);
}

/* Where element (m, r, s, c) of the kernels' order stands in the graph's weight. */
struct source {
    const float *data;
    int64_t m_stride, k_stride; /* Gemm: out, in */
    int64_t taps;               /* R * S; of a Gemm behind Flatten: H * W */
    int64_t channels;           /* C / group */
};

static float source_at(const struct source *from, int64_t m, int64_t tap, int64_t c)
{
    return from->data[m * from->m_stride + (c * from->taps + tap) * from->k_stride];
}

/* Both a convolution's [M, C, R, S] and a Gemm's [M, C*H*W] become channels last, the same way. */
static struct source source_of(const struct pare_node *node, const struct pare_conv2d *s,
                               const struct buffer *input)
{
    struct source from = {.data = pare_tensor_f32(node->inputs[1]->data), .k_stride = 1};

    if (node->op == PARE_OP_CONV) {
        from.taps = s->R * s->S;
        from.channels = s->C / s->group;
    } else {
        from.taps = input->is_flat ? input->H * input->W : 1;
        from.channels = s->C / from.taps;
        if (!pare_node_int(node, "transB", 0))
            from.k_stride = s->M;
    }
    from.m_stride = from.k_stride == 1 ? from.taps * from.channels : 1;
    return from;
}

static pare_status make_integers(struct weights *out, const struct pare_value *w,
                                 const struct source *from, const struct pare_conv2d *s,
                                 const double *factor, const double *bias,
                                 const struct buffer *input, float result_scale,
                                 struct pare_error *err)
{
    int64_t line = from->taps * from->channels;

    for (int64_t m = 0; m < s->M; m++) {
        double w_scale = w->coding.scales[w->coding.n_scales == 1 ? 0 : m];
        /* A norm's factor goes into the channel's scale.  One of zero leaves the bias alone, which
         * then needs a scale of its own: the weights become zero instead. */
        bool is_dead = factor[m] == 0 || w_scale == 0;
        double scale = (double)input->scale * (is_dead ? 1 : w_scale * factor[m]);
        for (int64_t tap = 0; tap < from->taps; tap++)
            for (int64_t c = 0; c < from->channels; c++) {
                float value = source_at(from, m, tap, c);
                double q = is_dead ? 0 : nearbyint((double)value / w_scale);
                if (!(fabs(q) <= 127))
                    return pare_fail(err, PARE_EINVAL,
                                     "weight '%s': %g is not on its grid of %d bits, scale %g",
                                     w->name, (double)value, w->coding.bits, w_scale);
                out->w_s8[m * line + tap * from->channels + c] = (int8_t)q;
            }
        double q = nearbyint(bias[m] / scale);
        out->bias_s32[m] = (int32_t)fmax(-1e9, fmin(1e9, q));
        out->bias[m] = (float)bias[m];
        out->scale[m] = (float)(result_scale > 0 ? scale / (double)result_scale : scale);
    }
    out->x_zero = input->range.zero;
    return PARE_OK;
}

pare_status weights_make(struct weights *out, const struct pare_node *node,
                         const struct pare_node *norm, const struct pare_conv2d *s,
                         const struct buffer *input, bool is_simulated, float result_scale,
                         struct pare_error *err)
{
    const struct pare_value *w = node->inputs[1];
    const float *given =
        node->n_inputs > 2 && node->inputs[2] ? pare_tensor_f32(node->inputs[2]->data) : NULL;
    struct source from = source_of(node, s, input);
    int64_t line = from.taps * from.channels;
    size_t n_w = (size_t)(s->M * line), n_m = (size_t)s->M;
    double *factor = pare_xcalloc(2 * n_m, sizeof *factor), *bias = factor + n_m;
    pare_status st = PARE_OK;

    *out = (struct weights){.is_sparse = w->coding.is_sparse};
    out->is_u8 = input->is_quantized && weights_are_integers(node, s->M) && !is_simulated;
    out->is_dequantized = !out->is_u8 && w->coding.bits >= 2 && w->coding.bits <= 8;
    out->bias = calloc(n_m, sizeof *out->bias);
    if (out->is_u8) {
        out->w_s8 = calloc(n_w, 1);
        out->bias_s32 = calloc(n_m, sizeof *out->bias_s32);
        out->scale = calloc(n_m, sizeof *out->scale);
    } else {
        out->w = calloc(n_w, sizeof *out->w);
    }
    if (!out->bias || (out->is_u8 ? !out->w_s8 || !out->bias_s32 || !out->scale : !out->w)) {
        st = pare_fail(err, PARE_ENOMEM, "no memory for weight '%s'", w->name);
        goto done;
    }
    for (size_t m = 0; m < n_m; m++)
        factor[m] = 1;
    if (norm)
        norm_factors(norm, s->M, factor, bias);
    for (int64_t m = 0; given && m < s->M; m++)
        bias[m] += (double)given[m] * factor[m];
    if (out->is_u8) {
        st = make_integers(out, w, &from, s, factor, bias, input, result_scale, err);
        goto done;
    }
    for (int64_t m = 0; m < s->M; m++) {
        for (int64_t tap = 0; tap < from.taps; tap++)
            for (int64_t c = 0; c < from.channels; c++)
                out->w[m * line + tap * from.channels + c] =
                    (float)((double)source_at(&from, m, tap, c) * factor[m]);
        out->bias[m] = (float)bias[m];
    }
done:
    free(factor);
    if (st)
        weights_clear(out);
    return st;
}
