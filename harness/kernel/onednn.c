#include "kernel/onednn.h"

#ifdef PARE_HAVE_DNNL
#include <dnnl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/simd.h"
#include "kernel/walk.h"

enum { SRC, WEIGHTS, BIAS, DST, SCRATCH, N_ARGS };

/* What one thread needs to execute: memory objects carry the pointers. */
struct slot {
    dnnl_stream_t stream;
    dnnl_memory_t memory[N_ARGS];
};

struct pare_onednn {
    struct pare_walk walk; /* of the caller's convolution */
    bool is_u8, is_via_f32;
    int32_t x_zero;
    struct pare_u8_range range;
    int64_t x_elems, y_elems; /* of one sample */
    dnnl_engine_t engine;
    dnnl_primitive_t primitive;
    char kernel[96];
    void *weights, *bias;
    size_t weight_bytes, bias_bytes, scratch_bytes;
    int n_slots;
    struct slot *slots;
};

/* oneDNN's strides for `n` logical dims whose memory order is given from outermost to innermost. */
static dnnl_status_t strided_md(dnnl_memory_desc_t *md, int n, const dnnl_dims_t dims,
                                dnnl_data_type_t type, const int *order)
{
    dnnl_dims_t strides;
    dnnl_dim_t stride = 1;

    for (int i = n - 1; i >= 0; i--) {
        strides[order[i]] = stride;
        stride *= dims[order[i]];
    }
    return dnnl_memory_desc_init_by_strides(md, n, dims, type, strides);
}

struct descriptors {
    dnnl_memory_desc_t src, weights_any, weights_plain, bias, dst;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t post_ops;
    dnnl_primitive_desc_t pd;
};

/* A fused clamp; integers are clamped by their own range instead. */
static dnnl_status_t add_clamp(struct descriptors *d, float low, float high)
{
    dnnl_status_t status;

    if (low == -INFINITY && high == INFINITY)
        return dnnl_success;
    status = dnnl_post_ops_create(&d->post_ops);
    if (!status && low == 0 && high == INFINITY)
        status = dnnl_post_ops_append_eltwise(d->post_ops, 1, dnnl_eltwise_relu, 0, 0);
    else if (!status)
        status = dnnl_post_ops_append_eltwise(d->post_ops, 1, dnnl_eltwise_clip, low, high);
    return status ? status : dnnl_primitive_attr_set_post_ops(d->attr, d->post_ops);
}

static dnnl_status_t describe(struct pare_onednn *conv, struct descriptors *d, const float *scale,
                              bool has_bias)
{
    const struct pare_conv2d *s = &conv->walk.s;
    const int nhwc[] = {0, 2, 3, 1}, ohwi[] = {0, 2, 3, 1}, gohwi[] = {0, 1, 3, 4, 2};
    const int nc[] = {0, 1};
    dnnl_data_type_t x_type = conv->is_u8 ? dnnl_u8 : dnnl_f32;
    dnnl_data_type_t w_type = conv->is_u8 ? dnnl_s8 : dnnl_f32;
    dnnl_data_type_t y_type = conv->is_u8 && !conv->is_via_f32 ? dnnl_u8 : dnnl_f32;
    bool is_matrix = conv->walk.is_matrix && s->H == 1 && s->W == 1 && s->group == 1;
    int n_dims = is_matrix ? 2 : 4;
    /* An integer border is in the frame already. */
    bool is_framed = conv->is_u8 && conv->walk.is_framed;
    dnnl_dims_t x_dims = {1, s->C, is_framed ? conv->walk.frame_h : s->H,
                          is_framed ? conv->walk.frame_w : s->W};
    dnnl_dims_t y_dims = {1, s->M, s->P, s->Q}, b_dims = {s->M};
    dnnl_dims_t w_dims = {s->M, s->C, s->R, s->S};
    dnnl_dims_t wg_dims = {s->group, s->M / s->group, s->C / s->group, s->R, s->S};
    dnnl_dims_t strides = {s->stride_h, s->stride_w};
    dnnl_dims_t dilations = {s->dilation_h - 1, s->dilation_w - 1};
    dnnl_dims_t before = {is_framed ? 0 : s->pad_top, is_framed ? 0 : s->pad_left};
    /* What the last windows reach; may be negative when the stride leaves a rest. */
    dnnl_dims_t after = {
        (s->P - 1) * s->stride_h + (s->R - 1) * s->dilation_h + 1 - x_dims[2] - before[0],
        (s->Q - 1) * s->stride_w + (s->S - 1) * s->dilation_w + 1 - x_dims[3] - before[1]};
    dnnl_convolution_desc_t conv_desc;
    dnnl_inner_product_desc_t product_desc;
    dnnl_status_t status;

    status = strided_md(&d->src, n_dims, x_dims, x_type, is_matrix ? nc : nhwc);
    if (!status)
        status = strided_md(&d->dst, n_dims, y_dims, y_type, is_matrix ? nc : nhwc);
    if (!status && s->group > 1) {
        status = strided_md(&d->weights_plain, 5, wg_dims, w_type, gohwi);
        if (!status)
            status = dnnl_memory_desc_init_by_tag(&d->weights_any, 5, wg_dims, w_type,
                                                  dnnl_format_tag_any);
    } else if (!status) {
        status = strided_md(&d->weights_plain, n_dims, w_dims, w_type, is_matrix ? nc : ohwi);
        if (!status)
            status = dnnl_memory_desc_init_by_tag(&d->weights_any, n_dims, w_dims, w_type,
                                                  dnnl_format_tag_any);
    }
    if (!status && has_bias)
        status = dnnl_memory_desc_init_by_tag(&d->bias, 1, b_dims,
                                              conv->is_u8 ? dnnl_s32 : dnnl_f32, dnnl_a);
    if (!status && scale)
        status = dnnl_primitive_attr_set_output_scales(d->attr, s->M, 1 << 1, scale);
    if (!status)
        status = dnnl_primitive_attr_set_scratchpad_mode(d->attr, dnnl_scratchpad_mode_user);
    if (status)
        return status;
    if (is_matrix) {
        status = dnnl_inner_product_forward_desc_init(&product_desc, dnnl_forward_inference,
                                                      &d->src, &d->weights_any,
                                                      has_bias ? &d->bias : NULL, &d->dst);
        return status
                   ? status
                   : dnnl_primitive_desc_create(&d->pd, &product_desc, d->attr, conv->engine, NULL);
    }
    status = dnnl_dilated_convolution_forward_desc_init(
        &conv_desc, dnnl_forward_inference, dnnl_convolution_direct, &d->src, &d->weights_any,
        has_bias ? &d->bias : NULL, &d->dst, strides, dilations, before, after);
    return status ? status
                  : dnnl_primitive_desc_create(&d->pd, &conv_desc, d->attr, conv->engine, NULL);
}

/* The weights in the order that the primitive asked for. */
static dnnl_status_t reorder_weights(struct pare_onednn *conv, const struct descriptors *d,
                                     const void *w)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(d->pd, dnnl_query_weights_md, 0);
    dnnl_memory_t from = NULL, to = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_status_t status;

    conv->weight_bytes = dnnl_memory_desc_get_size(md);
    conv->weights = aligned_alloc(64, (conv->weight_bytes + 63) / 64 * 64);
    if (!conv->weights)
        return dnnl_out_of_memory;
    status = dnnl_memory_create(&from, &d->weights_plain, conv->engine, (void *)(uintptr_t)w);
    if (!status)
        status = dnnl_memory_create(&to, md, conv->engine, conv->weights);
    if (!status)
        status = dnnl_reorder_primitive_desc_create(&pd, &d->weights_plain, conv->engine, md,
                                                    conv->engine, NULL);
    if (!status)
        status = dnnl_primitive_create(&reorder, pd);
    if (!status)
        status = dnnl_stream_create(&stream, conv->engine, dnnl_stream_default_flags);
    if (!status) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        status = dnnl_primitive_execute(reorder, stream, 2, args);
    }
    if (!status)
        status = dnnl_stream_wait(stream);
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(from);
    dnnl_memory_destroy(to);
    dnnl_stream_destroy(stream);
    return status;
}

static dnnl_status_t make_slots(struct pare_onednn *conv, const struct descriptors *d)
{
    const dnnl_memory_desc_t *weights =
        dnnl_primitive_desc_query_md(d->pd, dnnl_query_weights_md, 0);
    const dnnl_memory_desc_t *scratch =
        dnnl_primitive_desc_query_md(d->pd, dnnl_query_scratchpad_md, 0);
    dnnl_status_t status = dnnl_success;

    conv->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    for (int i = 0; i < conv->n_slots && !status; i++) {
        struct slot *slot = &conv->slots[i];
        status = dnnl_stream_create(&slot->stream, conv->engine, dnnl_stream_default_flags);
        if (!status)
            status = dnnl_memory_create(&slot->memory[SRC], &d->src, conv->engine, NULL);
        if (!status)
            status =
                dnnl_memory_create(&slot->memory[WEIGHTS], weights, conv->engine, conv->weights);
        if (!status)
            status = dnnl_memory_create(&slot->memory[DST], &d->dst, conv->engine, NULL);
        if (!status && conv->bias)
            status = dnnl_memory_create(&slot->memory[BIAS], &d->bias, conv->engine, conv->bias);
        if (!status && conv->scratch_bytes)
            status = dnnl_memory_create(&slot->memory[SCRATCH], scratch, conv->engine, NULL);
    }
    return status;
}

static pare_status make(struct pare_onednn **out, struct pare_onednn *conv, const void *w,
                        const float *scale, float low, float high, int n_threads,
                        struct pare_error *err)
{
    const struct pare_conv2d *s = &conv->walk.s;
    struct descriptors d = {0};
    const char *info = "onednn";
    dnnl_status_t status;
    pare_status st = PARE_OK;

    pare_onednn_one_thread();
    conv->x_elems = s->C * s->H * s->W;
    conv->y_elems = s->M * s->P * s->Q;
    conv->n_slots = n_threads;
    conv->slots = pare_xcalloc((size_t)n_threads, sizeof *conv->slots);
    status = dnnl_engine_create(&conv->engine, dnnl_cpu, 0);
    if (!status)
        status = dnnl_primitive_attr_create(&d.attr);
    if (!status && !conv->is_u8)
        status = add_clamp(&d, low, high);
    if (!status)
        status = describe(conv, &d, scale, conv->bias != NULL);
    if (!status)
        status = dnnl_primitive_desc_query(d.pd, dnnl_query_impl_info_str, 0, (void *)&info);
    if (!status)
        snprintf(conv->kernel, sizeof conv->kernel, "%s", info);
    /* Its reference loops allocate and are slower than ours. */
    if (!status && strncmp(info, "ref", 3) == 0)
        status = dnnl_unimplemented;
    if (!status)
        status = dnnl_primitive_create(&conv->primitive, d.pd);
    if (!status)
        status = reorder_weights(conv, &d, w);
    if (!status)
        status = make_slots(conv, &d);
    dnnl_primitive_desc_destroy(d.pd);
    dnnl_primitive_attr_destroy(d.attr);
    dnnl_post_ops_destroy(d.post_ops);
    if (status) {
        st = pare_fail(err, status == dnnl_out_of_memory ? PARE_ENOMEM : PARE_EUNSUPPORTED,
                       "oneDNN has no kernel for this convolution (%s)",
                       status == dnnl_out_of_memory ? "out of memory" : "unimplemented");
        pare_onednn_free(conv);
        return st;
    }
    *out = conv;
    return PARE_OK;
}

static pare_status start(struct pare_onednn **out, const struct pare_conv2d *s, const void *bias,
                         size_t bias_bytes, struct pare_error *err)
{
    struct pare_onednn *conv = pare_xcalloc(1, sizeof *conv);
    pare_status st = pare_walk_init(&conv->walk, s, err);

    if (!st && bias) {
        conv->bias_bytes = bias_bytes;
        conv->bias = aligned_alloc(64, (bias_bytes + 63) / 64 * 64);
        if (!conv->bias)
            st = pare_fail(err, PARE_ENOMEM, "no memory for %zu bytes of bias", bias_bytes);
        else
            memcpy(conv->bias, bias, bias_bytes);
    }
    if (st) {
        pare_onednn_free(conv);
        return st;
    }
    *out = conv;
    return PARE_OK;
}

pare_status pare_onednn_f32_new(struct pare_onednn **out, const struct pare_conv2d *s,
                                const float *w, const float *bias, float low, float high,
                                int n_threads, struct pare_error *err)
{
    struct pare_onednn *conv = NULL;
    pare_status st = start(&conv, s, bias, (size_t)s->M * sizeof *bias, err);

    return st ? st : make(out, conv, w, NULL, low, high, n_threads, err);
}

/* The largest |sum| that channel m can reach, bias and zero point included. */
static double largest_sum(const struct pare_walk *walk, const int8_t *w, int32_t bias)
{
    double sum = fabs((double)bias);

    for (int64_t k = 0; k < walk->n_runs * walk->run_elems; k++)
        sum += 255.0 * abs(w[k]);
    return sum;
}

pare_status pare_onednn_u8_new(struct pare_onednn **out, const struct pare_conv2d *s,
                               int32_t x_zero, const int8_t *w, const int32_t *bias,
                               const struct pare_conv_u8_result *result, int n_threads,
                               struct pare_error *err)
{
    int32_t *full_bias = pare_xcalloc((size_t)s->M, sizeof *full_bias);
    struct pare_onednn *conv = NULL;
    pare_status st = start(&conv, s, full_bias, (size_t)s->M * sizeof *full_bias, err);

    if (st)
        goto done;
    if (result->is_f32 || pare_isa_best() < PARE_ISA_VNNI) {
        st = pare_fail(err, PARE_EUNSUPPORTED, "oneDNN is used for u8 results on VNNI only");
        goto done;
    }
    int64_t line = conv->walk.n_runs * conv->walk.run_elems;
    for (int64_t m = 0; m < s->M; m++) {
        int32_t sum = 0;
        for (int64_t k = 0; k < line; k++)
            sum += w[m * line + k];
        full_bias[m] = (bias ? bias[m] : 0) - x_zero * sum;
        if (largest_sum(&conv->walk, w + m * line, full_bias[m]) >= 1 << 24) {
            st = pare_fail(err, PARE_EUNSUPPORTED, "sums of channel %lld may exceed 24 bits",
                           (long long)m);
            goto done;
        }
    }
    memcpy(conv->bias, full_bias, conv->bias_bytes);
    conv->is_u8 = true;
    conv->x_zero = x_zero;
    conv->range = result->range;
    /* It would add the zero point before it rounds, which moves ties: then we round ourselves. */
    conv->is_via_f32 =
        result->range.zero != 0 || result->range.low != 0 || result->range.high != 255;
    st = make(out, conv, w, result->scale, 0, 0, n_threads, err);
    conv = NULL; /* taken */
done:
    pare_onednn_free(conv);
    free(full_bias);
    return st;
}

void pare_onednn_free(struct pare_onednn *conv)
{
    if (!conv)
        return;
    for (int i = 0; i < conv->n_slots; i++) {
        for (int k = 0; k < N_ARGS; k++)
            dnnl_memory_destroy(conv->slots[i].memory[k]);
        dnnl_stream_destroy(conv->slots[i].stream);
    }
    dnnl_primitive_destroy(conv->primitive);
    dnnl_engine_destroy(conv->engine);
    pare_walk_clear(&conv->walk);
    free(conv->slots);
    free(conv->weights);
    free(conv->bias);
    free(conv);
}

const char *pare_onednn_kernel(const struct pare_onednn *conv)
{
    return conv->kernel;
}

size_t pare_onednn_weight_bytes(const struct pare_onednn *conv)
{
    return conv->weight_bytes + conv->bias_bytes;
}

static size_t up64(size_t n_bytes)
{
    return (n_bytes + 63) / 64 * 64;
}

static size_t frame_bytes(const struct pare_onednn *conv)
{
    return conv->is_u8 ? up64((size_t)pare_walk_frame_elems(&conv->walk)) : 0;
}

static size_t real_bytes(const struct pare_onednn *conv)
{
    return conv->is_via_f32 ? up64((size_t)conv->y_elems * sizeof(float)) : 0;
}

/* The frame, f32 results, and oneDNN's own scratch. */
size_t pare_onednn_work_bytes(const struct pare_onednn *conv)
{
    return frame_bytes(conv) + real_bytes(conv) + conv->scratch_bytes;
}

PARE_CLONES static void round_all(uint8_t *y, const float *t, int64_t n, struct pare_u8_range range)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = pare_round_u8(t[i], range);
}

static void run_sample(const struct pare_onednn *conv, const struct slot *slot, void *y,
                       const void *x, char *work)
{
    char *real = work + frame_bytes(conv), *scratch = real + real_bytes(conv);
    dnnl_exec_arg_t args[N_ARGS];
    int n = 0;

    if (conv->is_u8 && conv->walk.is_framed) {
        pare_walk_frame(&conv->walk, work, x, 1, conv->x_zero);
        x = work;
    }
    dnnl_memory_set_data_handle(slot->memory[SRC], (void *)(uintptr_t)x);
    dnnl_memory_set_data_handle(slot->memory[DST], conv->is_via_f32 ? (void *)real : y);
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SRC, slot->memory[SRC]};
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, slot->memory[WEIGHTS]};
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_DST, slot->memory[DST]};
    if (conv->bias)
        args[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, slot->memory[BIAS]};
    if (conv->scratch_bytes) {
        dnnl_memory_set_data_handle(slot->memory[SCRATCH], scratch);
        args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, slot->memory[SCRATCH]};
    }
    dnnl_primitive_execute(conv->primitive, slot->stream, n, args);
    if (conv->is_via_f32)
        round_all(y, (const float *)(const void *)real, conv->y_elems, conv->range);
}

void pare_onednn_run(const struct pare_onednn *conv, void *y, const void *x, int64_t n, void *work,
                     int thread)
{
    int64_t elem = conv->is_u8 ? 1 : (int64_t)sizeof(float);

    for (int64_t i = 0; i < n; i++)
        run_sample(conv, &conv->slots[thread], (char *)y + i * conv->y_elems * elem,
                   (const char *)x + i * conv->x_elems * elem, work);
}

void pare_onednn_one_thread(void)
{
    omp_set_num_threads(1);
}

#else /* without oneDNN */

static pare_status missing(struct pare_error *err)
{
    return pare_fail(err, PARE_EUNSUPPORTED, "this pare was built without oneDNN");
}

pare_status pare_onednn_f32_new(struct pare_onednn **out, const struct pare_conv2d *s,
                                const float *w, const float *bias, float low, float high,
                                int n_threads, struct pare_error *err)
{
    (void)out, (void)s, (void)w, (void)bias, (void)low, (void)high, (void)n_threads;
    return missing(err);
}

pare_status pare_onednn_u8_new(struct pare_onednn **out, const struct pare_conv2d *s,
                               int32_t x_zero, const int8_t *w, const int32_t *bias,
                               const struct pare_conv_u8_result *result, int n_threads,
                               struct pare_error *err)
{
    (void)out, (void)s, (void)x_zero, (void)w, (void)bias, (void)result, (void)n_threads;
    return missing(err);
}

void pare_onednn_free(struct pare_onednn *conv)
{
    (void)conv;
}

const char *pare_onednn_kernel(const struct pare_onednn *conv)
{
    (void)conv;
    return "";
}

size_t pare_onednn_weight_bytes(const struct pare_onednn *conv)
{
    (void)conv;
    return 0;
}

size_t pare_onednn_work_bytes(const struct pare_onednn *conv)
{
    (void)conv;
    return 0;
}

void pare_onednn_run(const struct pare_onednn *conv, void *y, const void *x, int64_t n, void *work,
                     int thread)
{
    (void)conv, (void)y, (void)x, (void)n, (void)work, (void)thread;
}

void pare_onednn_one_thread(void) {}
#endif
