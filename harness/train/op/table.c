/* Which functions carry out which operator. */
#include "train/op/helpers.h"

static bool is_depthwise(const struct pare_layer *layer)
{
    const struct pare_conv2d *c = &layer->conv;

    return c->group > 1 && c->group == c->C && c->M == c->C;
}

static void conv_forward(const struct pare_layer *layer, const struct pare_span *span)
{
    (is_depthwise(layer) ? FN(pare_depthwise_forward) : FN(pare_conv_forward))(layer, span);
}

static void conv_backward(const struct pare_layer *layer, const struct pare_span *span)
{
    (is_depthwise(layer) ? FN(pare_depthwise_backward) : FN(pare_conv_backward))(layer, span);
}

static int64_t conv_scratch(const struct pare_layer *layer)
{
    return (is_depthwise(layer) ? FN(pare_depthwise_scratch) : FN(pare_conv_scratch))(layer);
}

static void conv_prepare(const struct pare_layer *layer, int64_t row0, int64_t row1)
{
    if (!is_depthwise(layer))
        FN(pare_conv_prepare)(layer, row0, row1);
}

static void conv_copies(const struct pare_layer *layer, int64_t *turned, int64_t *flipped)
{
    *turned = *flipped = 0;
    if (!is_depthwise(layer))
        FN(pare_conv_copies)(layer, turned, flipped);
}

#define ACTIVATION                                                                       \
    {                                                                                    \
        .forward = FN(pare_activation_forward), .backward = FN(pare_activation_backward) \
    }

const struct pare_op_impl FN(pare_op_impls)[PARE_N_OPS] = {
    [PARE_OP_CONV] = {.prepare = conv_prepare,
                      .copies = conv_copies,
                      .forward = conv_forward,
                      .backward = conv_backward,
                      .scratch = conv_scratch},
    [PARE_OP_GEMM] = {.prepare = FN(pare_dense_prepare),
                      .copies = FN(pare_dense_copies),
                      .forward = FN(pare_dense_forward),
                      .backward = FN(pare_dense_backward),
                      .weight_rows = FN(pare_dense_weight_rows)},
    [PARE_OP_BATCHNORM] = {.forward = FN(pare_batchnorm_forward),
                           .backward = FN(pare_batchnorm_backward),
                           .statistics = FN(pare_batchnorm_statistics),
                           .apply = FN(pare_batchnorm_apply),
                           .backward_sums = FN(pare_batchnorm_backward_sums),
                           .scratch = FN(pare_batchnorm_scratch)},
    [PARE_OP_RELU] = ACTIVATION,
    [PARE_OP_CLIP] = ACTIVATION,
    [PARE_OP_LEAKY_RELU] = ACTIVATION,
    [PARE_OP_SIGMOID] = ACTIVATION,
    [PARE_OP_TANH] = ACTIVATION,
    [PARE_OP_HARD_SIGMOID] = ACTIVATION,
    [PARE_OP_HARD_SWISH] = ACTIVATION,
    [PARE_OP_GELU] = ACTIVATION,
    [PARE_OP_ADD] = {.forward = FN(pare_add_forward), .backward = FN(pare_add_backward)},
    [PARE_OP_MAXPOOL] = {.forward = FN(pare_maxpool_forward),
                         .backward = FN(pare_maxpool_backward)},
    [PARE_OP_AVGPOOL] = {.forward = FN(pare_avgpool_forward),
                         .backward = FN(pare_avgpool_backward)},
    [PARE_OP_GLOBAL_AVGPOOL] = {.forward = FN(pare_global_avgpool_forward),
                                .backward = FN(pare_global_avgpool_backward)},
    [PARE_OP_FLATTEN] = {.forward = FN(pare_flatten_forward),
                         .backward = FN(pare_flatten_backward)},
    [PARE_OP_SOFTMAX] = {.forward = FN(pare_softmax_forward),
                         .backward = FN(pare_softmax_backward)},
    [PARE_OP_IDENTITY] = ACTIVATION,
};
