#include <string.h>

#include "infer/nd.h"
#include "kernel/nd_binary.h"
#include "kernel/nd_loop.h"
#include "kernel/nd_matmul.h"
#include "kernel/nd_quant.h"
#include "kernel/nd_reduce.h"

/* A step while it runs. */
struct run {
    const struct program *program;
    const struct nd *nd;
    const struct step_memory *memory;
    void *work;
};

/* One of its arrays: memory, and shape with the number of samples put in. */
struct array {
    void *data;
    enum pare_dtype dtype;
    struct pare_shape shape;
};

static struct pare_shape with_batch(const struct pare_shape *shape, int64_t n)
{
    struct pare_shape full = *shape;

    if (full.n_dims && full.dims[0] == PARE_DIM_BATCH)
        full.dims[0] = n;
    return full;
}

static struct array input(const struct run *r, int k)
{
    const struct nd_operand *in = &r->nd->in[k];

    if (in->constant)
        return (struct array){in->constant->data, in->constant->dtype, in->shape};
    return (struct array){.data = buffer_data(r->program, in->buffer, r->memory),
                          .dtype = r->program->buffers[in->buffer].dtype,
                          .shape = with_batch(&in->shape, r->memory->n)};
}

static struct array output(const struct run *r, int k)
{
    const struct buffer *buffer = &r->program->buffers[r->nd->out[k]];

    return (struct array){.data = buffer_data(r->program, r->nd->out[k], r->memory),
                          .dtype = buffer->dtype,
                          .shape = with_batch(&buffer->shape, r->memory->n)};
}

static bool has_input(const struct run *r, int k)
{
    return k < r->nd->n_in && (r->nd->in[k].buffer >= 0 || r->nd->in[k].constant);
}

/* The array as [outer, shape[axis], inner]. */
static void around(const struct pare_shape *shape, int axis, int64_t *outer, int64_t *inner)
{
    *outer = *inner = 1;
    for (int d = 0; d < axis; d++)
        *outer *= shape->dims[d];
    for (int d = axis + 1; d < shape->n_dims; d++)
        *inner *= shape->dims[d];
}

/* ---- Movement ---- */

static void run_slice(const struct run *r, const struct array *x, const struct array *y)
{
    struct pare_nd_slice s = r->nd->slice;

    if (s.n && s.in[0] == PARE_DIM_BATCH)
        s.in[0] = s.out[0] = r->memory->n;
    pare_nd_slice(y->data, x->data, &s, pare_dtype_bytes(x->dtype));
}

static void run_pad(const struct run *r, const struct array *x, const struct array *y)
{
    struct pare_nd_pad p = r->nd->pad;

    if (p.n && p.in[0] == PARE_DIM_BATCH)
        p.in[0] = p.out[0] = r->memory->n;
    pare_nd_pad(y->data, x->data, &p, &r->nd->fill, pare_dtype_bytes(x->dtype));
}

/* Concat, or Split turned round: the parts lie behind one another along the axis of the whole. */
static void run_parts(const struct run *r, bool is_split)
{
    struct array whole = is_split ? input(r, 0) : output(r, 0);
    int64_t bytes = (int64_t)pare_dtype_bytes(whole.dtype), outer, inner;
    char *at = whole.data;

    around(&whole.shape, r->nd->axis, &outer, &inner);
    int64_t stride = whole.shape.dims[r->nd->axis] * inner * bytes;
    for (int k = 0; k < (is_split ? r->nd->n_out : r->nd->n_in); k++) {
        struct array part = is_split ? output(r, k) : input(r, k);
        int64_t run_bytes = part.shape.dims[r->nd->axis] * inner * bytes;

        if (is_split)
            pare_nd_copy_runs(part.data, run_bytes, at, stride, run_bytes, outer);
        else
            pare_nd_copy_runs(at, stride, part.data, run_bytes, run_bytes, outer);
        at += run_bytes;
    }
}

static void run_gather(const struct run *r, const struct array *x, const struct array *y)
{
    struct array indices = input(r, 1);
    int64_t outer, inner;

    around(&x->shape, r->nd->axis, &outer, &inner);
    pare_nd_gather(y->data, x->data, outer, x->shape.dims[r->nd->axis], inner, indices.data,
                   indices.dtype, pare_shape_elems(&indices.shape), pare_dtype_bytes(x->dtype));
}

static void run_where(const struct run *r, const struct array *condition, const struct array *y)
{
    struct array a = input(r, 1), b = input(r, 2);

    pare_nd_where(y->data, &y->shape, condition->data, &condition->shape, a.data, &a.shape, b.data,
                  &b.shape, pare_dtype_bytes(y->dtype));
}

/* ---- Sums and norms ---- */

static void run_matmul(const struct run *r, const struct array *a, const struct array *y)
{
    struct array b = input(r, 1);

    if (r->program->is_portable)
        pare_nd_matmul_f32_ref(y->data, a->data, &a->shape, b.data, &b.shape);
    else
        pare_nd_matmul_f32(y->data, a->data, &a->shape, b.data, &b.shape);
}

static void run_layer_norm(const struct run *r, const struct array *x, const struct array *y)
{
    int64_t outer, inner;

    around(&x->shape, r->nd->axis, &outer, &inner);
    pare_nd_layer_norm_f32(y->data, r->nd->n_out > 1 ? output(r, 1).data : NULL,
                           r->nd->n_out > 2 ? output(r, 2).data : NULL, x->data, input(r, 1).data,
                           has_input(r, 2) ? input(r, 2).data : NULL, outer,
                           x->shape.dims[r->nd->axis] * inner, r->nd->epsilon);
}

static void run_lrn(const struct run *r, const struct array *x, const struct array *y)
{
    const struct nd *nd = r->nd;
    int64_t outer, inner;

    around(&x->shape, nd->axis, &outer, &inner);
    pare_nd_lrn_f32(y->data, x->data, outer, x->shape.dims[nd->axis], inner, nd->size, nd->alpha,
                    nd->beta, nd->bias);
}

static void run_softmax(const struct run *r, const struct array *x, const struct array *y)
{
    int64_t outer, inner;

    around(&x->shape, r->nd->axis, &outer, &inner);
    pare_nd_softmax_f32(y->data, x->data, outer, x->shape.dims[r->nd->axis], inner,
                        r->nd->op == PARE_OP_LOG_SOFTMAX);
}

static void run_affine(const struct run *r, const struct array *x, const struct array *y)
{
    int64_t outer, inner;

    around(&x->shape, r->nd->axis, &outer, &inner);
    pare_nd_affine_f32(y->data, x->data, outer, x->shape.dims[r->nd->axis], inner, r->nd->scale,
                       r->nd->shift);
}

/* ---- Sample by sample ---- */

static void run_windows(const struct run *r, const struct array *x, const struct array *y)
{
    const struct pare_nd_window *w = &r->nd->window;
    int64_t n = x->shape.dims[0];
    int64_t x_elems = n ? pare_shape_elems(&x->shape) / n : 0;
    int64_t y_elems = n ? pare_shape_elems(&y->shape) / n : 0;
    const float *weight = r->nd->n_in > 1 ? input(r, 1).data : NULL;
    const float *bias = has_input(r, 2) ? input(r, 2).data : NULL;
    int64_t *indices = r->nd->n_out > 1 ? output(r, 1).data : NULL;

    for (int64_t i = 0; i < n; i++) {
        const float *from = (const float *)x->data + i * x_elems;
        float *to = (float *)y->data + i * y_elems;

        switch (r->nd->op) {
        case PARE_OP_CONV:
            if (r->program->is_portable)
                pare_nd_conv_f32_ref(to, from, weight, bias, w);
            else
                pare_nd_conv_f32(to, from, weight, bias, w, r->work);
            break;
        case PARE_OP_CONV_TRANSPOSE:
            if (r->program->is_portable)
                pare_nd_conv_transpose_f32_ref(to, from, weight, bias, w);
            else
                pare_nd_conv_transpose_f32(to, from, weight, bias, w, r->work);
            break;
        case PARE_OP_MAXPOOL:
            pare_nd_maxpool_f32(to, indices ? indices + i * y_elems : NULL, from, w, i * x_elems);
            break;
        default: pare_nd_avgpool_f32(to, from, w); break;
        }
    }
}

/* The resolved step is for one sample, or for a whole without a batch. */
static void run_resize(const struct run *r, const struct array *x, const struct array *y)
{
    const struct pare_nd_resize *s = &r->nd->resize;
    int64_t x_elems = 1, y_elems = 1;

    for (int d = 0; d < s->n; d++) {
        x_elems *= s->in[d];
        y_elems *= s->out[d];
    }
    for (int64_t i = 0; i < pare_shape_elems(&x->shape) / x_elems; i++)
        pare_nd_resize_f32((float *)y->data + i * y_elems, (const float *)x->data + i * x_elems, s,
                           r->work);
}

static void run_scales(const struct run *r, const struct array *x, const struct array *y)
{
    const float *scale = input(r, 1).data;
    const void *zero = has_input(r, 2) ? input(r, 2).data : NULL;
    int64_t C = pare_shape_elems(&r->nd->in[1].shape), outer = 1;
    int64_t inner = pare_shape_elems(&x->shape);

    if (C > 1)
        around(&x->shape, r->nd->axis, &outer, &inner);
    if (r->nd->op == PARE_OP_QUANTIZE_LINEAR)
        pare_nd_quantize(y->data, y->dtype, x->data, outer, C, inner, scale, zero);
    else
        pare_nd_dequantize(y->data, x->data, x->dtype, outer, C, inner, scale, zero);
}

void nd_run(const struct program *program, const struct step *step,
            const struct step_memory *memory)
{
    const struct nd *nd = step->nd;
    const struct run r = {program, nd, memory, memory->arena + step->work_offset};
    struct array x = input(&r, 0), y = output(&r, 0);
    size_t bytes = pare_dtype_bytes(y.dtype);

    switch (nd->op) {
    case PARE_OP_ADD:
    case PARE_OP_SUB:
    case PARE_OP_MUL:
    case PARE_OP_DIV:
    case PARE_OP_POW:
    case PARE_OP_MIN:
    case PARE_OP_MAX:
    case PARE_OP_PRELU: {
        struct array b = input(&r, 1);
        pare_nd_binary(nd->op, y.dtype, y.data, &y.shape, x.data, &x.shape, b.data, &b.shape);
        break;
    }
    case PARE_OP_ELU:
    case PARE_OP_ERF:
    case PARE_OP_SQRT:
    case PARE_OP_EXP:
    case PARE_OP_LOG:
    case PARE_OP_NEG:
    case PARE_OP_ABS:
        pare_nd_unary_f32(nd->op, y.data, x.data, pare_shape_elems(&y.shape), (float)nd->alpha);
        break;
    case PARE_OP_CAST:
        pare_nd_cast(y.data, y.dtype, x.data, x.dtype, pare_shape_elems(&y.shape));
        break;
    case PARE_OP_EXPAND: pare_nd_expand(y.data, &y.shape, x.data, &x.shape, bytes); break;
    case PARE_OP_IDENTITY: /* and every other view, of a constant */
        if (pare_shape_elems(&y.shape))
            memcpy(y.data, x.data, (size_t)pare_shape_elems(&y.shape) * bytes);
        break;
    case PARE_OP_TRANSPOSE: pare_nd_transpose(y.data, x.data, &x.shape, nd->perm, bytes); break;
    case PARE_OP_SLICE: run_slice(&r, &x, &y); break;
    case PARE_OP_PAD: run_pad(&r, &x, &y); break;
    case PARE_OP_CONCAT: run_parts(&r, false); break;
    case PARE_OP_SPLIT: run_parts(&r, true); break;
    case PARE_OP_GATHER: run_gather(&r, &x, &y); break;
    case PARE_OP_WHERE: run_where(&r, &x, &y); break;
    case PARE_OP_REDUCE_MEAN:
    case PARE_OP_REDUCE_SUM:
    case PARE_OP_REDUCE_MAX:
        pare_nd_reduce_f32(nd->op, y.data, x.data, &x.shape, nd->is_axis);
        break;
    case PARE_OP_SOFTMAX:
    case PARE_OP_LOG_SOFTMAX: run_softmax(&r, &x, &y); break;
    case PARE_OP_MATMUL: run_matmul(&r, &x, &y); break;
    case PARE_OP_LAYER_NORM: run_layer_norm(&r, &x, &y); break;
    case PARE_OP_LRN: run_lrn(&r, &x, &y); break;
    case PARE_OP_BATCHNORM: run_affine(&r, &x, &y); break;
    case PARE_OP_RESIZE: run_resize(&r, &x, &y); break;
    case PARE_OP_QUANTIZE_LINEAR:
    case PARE_OP_DEQUANTIZE_LINEAR: run_scales(&r, &x, &y); break;
    default: run_windows(&r, &x, &y); break;
    }
}

bool nd_works_in_place(const struct nd *nd)
{
    switch (nd->op) {
    case PARE_OP_ADD:
    case PARE_OP_SUB:
    case PARE_OP_MUL:
    case PARE_OP_DIV:
    case PARE_OP_POW:
    case PARE_OP_MIN:
    case PARE_OP_MAX:
    case PARE_OP_PRELU:
    case PARE_OP_ELU:
    case PARE_OP_ERF:
    case PARE_OP_SQRT:
    case PARE_OP_EXP:
    case PARE_OP_LOG:
    case PARE_OP_NEG:
    case PARE_OP_ABS: return true;
    default: return false;
    }
}

const char *nd_kernel_name(const struct program *program, const struct step *step)
{
    bool is_product = step->nd->op == PARE_OP_MATMUL || step->nd->op == PARE_OP_CONV ||
                      step->nd->op == PARE_OP_CONV_TRANSPOSE;

    if (program->is_portable)
        return "portable:nd";
    return is_product ? "openblas:nd" : "pare:nd";
}

void nd_count_bytes(const struct program *program, const struct step *step,
                    struct pare_plan_layer *layer)
{
    const struct nd *nd = step->nd;

    layer->input_bytes = layer->output_bytes = 0;
    for (int k = 0; k < nd->n_in; k++) {
        if (nd->in[k].constant)
            layer->weight_bytes += (int64_t)nd->in[k].constant->n_bytes;
        else if (nd->in[k].buffer >= 0)
            layer->input_bytes +=
                program->buffers[nd->in[k].buffer].n_elems *
                (int64_t)pare_dtype_bytes(program->buffers[nd->in[k].buffer].dtype);
    }
    for (int k = 0; k < nd->n_out; k++)
        layer->output_bytes += program->buffers[nd->out[k]].n_elems *
                               (int64_t)pare_dtype_bytes(program->buffers[nd->out[k]].dtype);
}

void nd_clear(struct nd *nd)
{
    for (int k = 0; nd && k < nd->n_in; k++)
        pare_tensor_unref(nd->in[k].constant);
}
