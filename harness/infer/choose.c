/* Which kernel runs a Conv or Gemm.
 *
 * PORTABLE: the plain loops.  DEFAULT: by shape alone.  TUNED: every kernel that applies is timed on
 * made-up data at this shape and batch; one must be faster by a margin to displace those before it,
 * so that equals give the same choice every time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "infer/program.h"
#include "kernel/blas.h"
#include "kernel/conv_f32.h"
#include "kernel/conv_u8.h"
#include "kernel/depthwise.h"
#include "kernel/depthwise_packed.h"
#include "kernel/onednn.h"
#include "kernel/sparse.h"
#include "kernel/winograd.h"

static struct pare_conv_u8_result result_of(const struct step *step, bool is_f32)
{
    return (struct pare_conv_u8_result){.is_f32 = is_f32,
                                        .scale = step->weights.scale,
                                        .range = step->range,
                                        .bias_f32 = step->weights.bias,
                                        .low_f32 = step->low,
                                        .high_f32 = step->high};
}

static bool is_f32_result(const struct program *program, const struct step *step)
{
    return !program->buffers[step->y].is_u8;
}

static bool is_product(const struct step *step)
{
    const struct pare_conv2d *s = &step->s;
    return s->R == 1 && s->S == 1 && s->H == 1 && s->W == 1 && s->group == 1;
}

static bool is_depthwise(const struct step *step)
{
    return step->s.group > 1 && step->s.group == step->s.C && step->s.M == step->s.C;
}

/* ---- Plain loops and depthwise: they read the weights as they are ---- */

struct plain {
    struct weights weights;
    struct pare_conv2d s;
    float low, high;
    struct pare_conv_u8_result result;
};

static void plain_free(void *state)
{
    struct plain *plain = state;

    weights_clear(&plain->weights);
    free(plain);
}

static void *copy_of(const void *data, size_t n_bytes)
{
    void *copy = data ? malloc(n_bytes) : NULL;

    if (copy)
        memcpy(copy, data, n_bytes);
    return copy;
}

/* A copy of the weights, [M, R, S, C/G], or for depthwise kernels [R, S, C]. */
static pare_status plain_new(struct plain **out, const struct program *program,
                             const struct step *step, bool is_tap_major, size_t *n_bytes,
                             struct pare_error *err)
{
    const struct weights *from = &step->weights;
    const struct pare_conv2d *s = &step->s;
    size_t n_m = (size_t)s->M, n_w = n_m * (size_t)(s->R * s->S * (s->C / s->group));
    struct plain *plain = pare_xcalloc(1, sizeof *plain);
    struct weights *w = &plain->weights;

    w->is_u8 = from->is_u8;
    w->x_zero = from->x_zero;
    w->w = copy_of(from->w, n_w * sizeof *w->w);
    w->bias = copy_of(from->bias, n_m * sizeof *w->bias);
    w->w_s8 = copy_of(from->w_s8, n_w);
    w->bias_s32 = copy_of(from->bias_s32, n_m * sizeof *w->bias_s32);
    w->scale = copy_of(from->scale, n_m * sizeof *w->scale);
    if (!w->bias || (from->is_u8 ? !w->w_s8 || !w->bias_s32 || !w->scale : !w->w)) {
        plain_free(plain);
        return pare_fail(err, PARE_ENOMEM, "no memory for the weights of '%s'", step->name);
    }
    int64_t n_taps = s->R * s->S;
    for (int64_t m = 0; is_tap_major && m < s->M; m++)
        for (int64_t t = 0; t < n_taps; t++) {
            if (from->is_u8)
                w->w_s8[t * s->M + m] = from->w_s8[m * n_taps + t];
            else
                w->w[t * s->M + m] = from->w[m * n_taps + t];
        }
    plain->s = *s;
    plain->low = step->low;
    plain->high = step->high;
    plain->result = result_of(step, is_f32_result(program, step));
    plain->result.scale = w->scale;
    plain->result.bias_f32 = w->bias;
    *n_bytes = from->is_u8 ? n_w + n_m * (sizeof(int32_t) + 2 * sizeof(float))
                           : (n_w + n_m) * sizeof(float);
    *out = plain;
    return PARE_OK;
}

static void portable_run(const void *state, void *y, const void *x, int64_t n, void *work,
                         int thread)
{
    const struct plain *plain = state;
    const struct weights *w = &plain->weights;

    (void)work, (void)thread;
    if (w->is_u8)
        pare_conv2d_u8_ref(y, x, w->x_zero, w->w_s8, w->bias_s32, &plain->s, n, &plain->result);
    else
        pare_conv2d_f32_ref(y, x, w->w, w->bias, &plain->s, n, plain->low, plain->high);
}

static pare_status portable_new(struct conv_kernel *out, const struct program *program,
                                const struct step *step, struct pare_error *err)
{
    struct plain *plain = NULL;
    pare_status st = plain_new(&plain, program, step, false, &out->weight_bytes, err);

    if (st)
        return st;
    out->state = plain;
    out->run = portable_run;
    out->free = plain_free;
    snprintf(out->name, sizeof out->name, "portable:conv_%s", step->weights.is_u8 ? "u8" : "f32");
    return PARE_OK;
}

static void depthwise_run(const void *state, void *y, const void *x, int64_t n, void *work,
                          int thread)
{
    const struct plain *plain = state;
    const struct weights *w = &plain->weights;

    (void)work, (void)thread;
    if (w->is_u8)
        pare_depthwise_u8(y, x, w->x_zero, w->w_s8, w->bias_s32, &plain->s, n, &plain->result);
    else
        pare_depthwise_f32(y, x, w->w, w->bias, &plain->s, n, plain->low, plain->high);
}

static pare_status depthwise_new(struct conv_kernel *out, const struct program *program,
                                 const struct step *step, struct pare_error *err)
{
    struct plain *plain = NULL;

    if (!is_depthwise(step))
        return PARE_EUNSUPPORTED;
    pare_status st = plain_new(&plain, program, step, true, &out->weight_bytes, err);
    if (st)
        return st;
    out->state = plain;
    out->run = depthwise_run;
    out->free = plain_free;
    snprintf(out->name, sizeof out->name, "pare:depthwise_%s", step->weights.is_u8 ? "u8" : "f32");
    return PARE_OK;
}

static void long_depthwise_run(const void *state, void *y, const void *x, int64_t n, void *work,
                               int thread)
{
    (void)thread;
    pare_depthwise_run(state, y, x, n, work);
}

static void long_depthwise_free(void *state)
{
    pare_depthwise_free(state);
}

static pare_status long_depthwise_new(struct conv_kernel *out, const struct program *program,
                                      const struct step *step, struct pare_error *err)
{
    const struct weights *w = &step->weights;
    struct pare_conv_u8_result result = result_of(step, is_f32_result(program, step));
    struct pare_depthwise *conv = NULL;
    struct plain *plain = NULL;
    size_t n_bytes;
    pare_status st;

    if (!is_depthwise(step))
        return PARE_EUNSUPPORTED;
    /* For its weights in the order of taps. */
    st = plain_new(&plain, program, step, true, &n_bytes, err);
    if (st)
        return st;
    if (w->is_u8)
        st = pare_depthwise_u8_new(&conv, &step->s, w->x_zero, plain->weights.w_s8, w->bias_s32,
                                   &result, program->isa, err);
    else
        st = pare_depthwise_f32_new(&conv, &step->s, plain->weights.w, w->bias, step->low,
                                    step->high, program->isa, err);
    plain_free(plain);
    if (st)
        return st;
    out->state = conv;
    out->run = long_depthwise_run;
    out->free = long_depthwise_free;
    out->weight_bytes = pare_depthwise_weight_bytes(conv);
    out->work_bytes = pare_depthwise_work_bytes(conv);
    snprintf(out->name, sizeof out->name, "pare:depthwise_%s_%s", w->is_u8 ? "u8" : "f32",
             pare_isa_name(program->isa));
    return PARE_OK;
}

/* ---- The packed direct kernels ---- */

static void direct_f32_run(const void *state, void *y, const void *x, int64_t n, void *work,
                           int thread)
{
    (void)thread;
    pare_conv_f32_run(state, y, x, n, work);
}

static void direct_f32_free(void *state)
{
    pare_conv_f32_free(state);
}

static void direct_u8_run(const void *state, void *y, const void *x, int64_t n, void *work,
                          int thread)
{
    (void)thread;
    pare_conv_u8_run(state, y, x, n, work);
}

static void direct_u8_free(void *state)
{
    pare_conv_u8_free(state);
}

static pare_status direct_new(struct conv_kernel *out, const struct program *program,
                              const struct step *step, struct pare_error *err)
{
    const struct weights *w = &step->weights;
    const char *shape = is_product(step) ? "gemm" : "conv";
    pare_status st;

    if (w->is_u8) {
        struct pare_conv_u8_result result = result_of(step, is_f32_result(program, step));
        struct pare_conv_u8 *conv = NULL;
        st = pare_conv_u8_new(&conv, &step->s, w->x_zero, w->w_s8, w->bias_s32, &result,
                              program->isa, err);
        if (st)
            return st;
        out->state = conv;
        out->run = direct_u8_run;
        out->free = direct_u8_free;
        out->weight_bytes = pare_conv_u8_weight_bytes(conv);
        out->work_bytes = pare_conv_u8_work_bytes(conv);
    } else {
        struct pare_conv_f32 *conv = NULL;
        st = pare_conv_f32_new(&conv, &step->s, w->w, w->bias, step->low, step->high, program->isa,
                               err);
        if (st)
            return st;
        out->state = conv;
        out->run = direct_f32_run;
        out->free = direct_f32_free;
        out->weight_bytes = pare_conv_f32_weight_bytes(conv);
        out->work_bytes = pare_conv_f32_work_bytes(conv);
    }
    snprintf(out->name, sizeof out->name, "pare:%s_%s_%s", shape, w->is_u8 ? "u8" : "f32",
             pare_isa_name(program->isa));
    return PARE_OK;
}

/* ---- Fast convolution ---- */

static void winograd_run(const void *state, void *y, const void *x, int64_t n, void *work,
                         int thread)
{
    (void)thread;
    pare_winograd_run(state, y, x, n, work);
}

static void winograd_free(void *state)
{
    pare_winograd_free(state);
}

static pare_status winograd_new(struct conv_kernel *out, const struct program *program,
                                const struct step *step, struct pare_error *err)
{
    const struct weights *w = &step->weights;
    struct pare_winograd *conv = NULL;
    pare_status st;

    if (w->is_u8)
        return PARE_EUNSUPPORTED;
    st =
        pare_winograd_new(&conv, &step->s, w->w, w->bias, step->low, step->high, program->isa, err);
    if (st)
        return st;
    out->state = conv;
    out->run = winograd_run;
    out->free = winograd_free;
    out->weight_bytes = pare_winograd_weight_bytes(conv);
    out->work_bytes = pare_winograd_work_bytes(conv);
    snprintf(out->name, sizeof out->name, "pare:winograd_f32_%s", pare_isa_name(program->isa));
    return PARE_OK;
}

/* ---- Sparse weights ---- */

static void sparse_run(const void *state, void *y, const void *x, int64_t n, void *work, int thread)
{
    (void)thread;
    pare_sparse_f32_run(state, y, x, n, work);
}

static void sparse_free(void *state)
{
    pare_sparse_f32_free(state);
}

static pare_status sparse_new(struct conv_kernel *out, const struct program *program,
                              const struct step *step, struct pare_error *err)
{
    const struct weights *w = &step->weights;
    struct pare_sparse_f32 *conv = NULL;
    pare_status st;

    if (w->is_u8 || !w->is_sparse)
        return PARE_EUNSUPPORTED;
    st = pare_sparse_f32_new(&conv, &step->s, w->w, w->bias, step->low, step->high, program->isa,
                             err);
    if (st)
        return st;
    out->state = conv;
    out->run = sparse_run;
    out->free = sparse_free;
    out->weight_bytes = pare_sparse_f32_weight_bytes(conv);
    out->work_bytes = pare_sparse_f32_work_bytes(conv);
    snprintf(out->name, sizeof out->name, "pare:spmm_csr_f32");
    return PARE_OK;
}

static double density_of(const struct step *step)
{
    const struct pare_conv2d *s = &step->s;
    int64_t n = s->M * s->R * s->S * (s->C / s->group), n_nonzero = 0;

    for (int64_t i = 0; i < n; i++)
        n_nonzero += step->weights.w[i] != 0;
    return (double)n_nonzero / (double)n;
}

/* ---- oneDNN ---- */

static void onednn_run(const void *state, void *y, const void *x, int64_t n, void *work, int thread)
{
    pare_onednn_run(state, y, x, n, work, thread);
}

static void onednn_free(void *state)
{
    pare_onednn_free(state);
}

static pare_status onednn_new(struct conv_kernel *out, const struct program *program,
                              const struct step *step, struct pare_error *err)
{
    const struct weights *w = &step->weights;
    struct pare_conv_u8_result result = result_of(step, is_f32_result(program, step));
    int n_threads = program->options.n_threads;
    struct pare_onednn *conv = NULL;
    pare_status st;

    if (w->is_u8)
        st = pare_onednn_u8_new(&conv, &step->s, w->x_zero, w->w_s8, w->bias_s32, &result,
                                n_threads, err);
    else
        st = pare_onednn_f32_new(&conv, &step->s, w->w, w->bias, step->low, step->high, n_threads,
                                 err);
    if (st)
        return st;
    out->state = conv;
    out->run = onednn_run;
    out->free = onednn_free;
    out->weight_bytes = pare_onednn_weight_bytes(conv);
    out->work_bytes = pare_onednn_work_bytes(conv);
    snprintf(out->name, sizeof out->name, "onednn:%s", pare_onednn_kernel(conv));
    return PARE_OK;
}

/* ---- OpenBLAS, for matrix products ---- */

static void blas_run(const void *state, void *y, const void *x, int64_t n, void *work, int thread)
{
    const struct plain *plain = state;
    int64_t M = plain->s.M, K = plain->s.C;
    float *to = y;

    (void)work, (void)thread;
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * M, plain->weights.bias, (size_t)M * sizeof *to);
    if (n == 1)
        pare_gemv_f32(false, M, K, plain->weights.w, K, x, 1, to);
    else
        pare_gemm_f32(false, true, n, M, K, x, K, plain->weights.w, K, 1, to, M);
    if (plain->low > -INFINITY || plain->high < INFINITY) {
        struct pare_activation clip = {.op = PARE_OP_CLIP, .low = plain->low, .high = plain->high};
        pare_activate_f32(to, to, n * M, &clip);
    }
}

static pare_status blas_new(struct conv_kernel *out, const struct program *program,
                            const struct step *step, struct pare_error *err)
{
    struct plain *plain = NULL;

    if (!is_product(step) || step->weights.is_u8)
        return PARE_EUNSUPPORTED;
    pare_status st = plain_new(&plain, program, step, false, &out->weight_bytes, err);
    if (st)
        return st;
    out->state = plain;
    out->run = blas_run;
    out->free = plain_free;
    snprintf(out->name, sizeof out->name, "openblas:%s",
             program->options.max_batch == 1 ? "sgemv" : "sgemm");
    return PARE_OK;
}

/* ---- Choosing ---- */

typedef pare_status maker(struct conv_kernel *out, const struct program *program,
                          const struct step *step, struct pare_error *err);

/* In the order of preference among equals. */
static maker *const makers[] = {long_depthwise_new, depthwise_new, direct_new, winograd_new,
                                sparse_new,         onednn_new,    blas_new};
enum { N_MAKERS = sizeof makers / sizeof *makers };

struct candidate {
    struct conv_kernel kernel;
    void *work;
    int n_runs;   /* per sample */
    double least; /* seconds per run */
};

static double time_runs(const struct candidate *c, void *y, const void *x, int64_t n)
{
    double start = pare_clock_s();

    for (int i = 0; i < c->n_runs; i++)
        c->kernel.run(c->kernel.state, y, x, n, c->work, 0);
    return pare_clock_s() - start;
}

/* Samples of 30 us or one run, in rounds that visit all candidates: what disturbs one disturbs the
 * others.  The least sample counts; about a millisecond is spent on each. */
static void time_all(struct candidate *candidates, int n_candidates, void *y, const void *x,
                     int64_t n)
{
    enum { ROUNDS = 30 };
    double end;

    for (int i = 0; i < n_candidates; i++) {
        struct candidate *c = &candidates[i];
        c->least = INFINITY;
        for (c->n_runs = 1; time_runs(c, y, x, n) < 30e-6 && c->n_runs < 1 << 12;)
            c->n_runs *= 2;
    }
    end = pare_clock_s() + 0.02;
    for (int round = 0; round < ROUNDS && (round < 3 || pare_clock_s() < end); round++)
        for (int i = 0; i < n_candidates; i++) {
            struct candidate *c = &candidates[i];
            double seconds = time_runs(c, y, x, n) / c->n_runs;
            c->least = seconds < c->least ? seconds : c->least;
        }
}

static void *zeroed(size_t n_bytes)
{
    size_t rounded = (n_bytes + 2 * 64) / 64 * 64;
    void *data = aligned_alloc(64, rounded);

    if (data)
        memset(data, 0, rounded);
    return data;
}

static void kernel_clear(struct conv_kernel *kernel)
{
    if (kernel->free)
        kernel->free(kernel->state);
    *kernel = (struct conv_kernel){0};
}

static pare_status choose_fastest(const struct program *program, const struct step *step,
                                  struct conv_kernel *out, struct pare_error *err)
{
    /* To displace an earlier kernel, a later one must be this much faster. */
    const double margin = 0.96;
    const struct buffer *px = &program->buffers[step->x], *py = &program->buffers[step->y];
    /* Batches beyond this do not change which kernel is best. */
    int64_t n = program->options.max_batch < 32 ? program->options.max_batch : 32;
    void *x = zeroed((size_t)(n * px->n_elems) * (px->is_u8 ? 1 : sizeof(float)));
    void *y = zeroed((size_t)(n * py->n_elems) * (py->is_u8 ? 1 : sizeof(float)));
    struct candidate candidates[N_MAKERS] = {0};
    int n_candidates = 0, best = 0;
    pare_status st = PARE_OK;

    if (!x || !y)
        st = pare_fail(err, PARE_ENOMEM, "no memory to time '%s'", step->name);
    for (int i = 0; !st && i < N_MAKERS; i++) {
        struct candidate *c = &candidates[n_candidates];
        st = makers[i](&c->kernel, program, step, err);
        if (st == PARE_EUNSUPPORTED) {
            st = PARE_OK;
            continue;
        }
        n_candidates += !st;
        c->work = st ? NULL : zeroed(c->kernel.work_bytes);
        if (!st && !c->work)
            st = pare_fail(err, PARE_ENOMEM, "no memory to time '%s'", step->name);
    }
    if (!st && n_candidates > 1)
        time_all(candidates, n_candidates, y, x, n);
    for (int i = 1; !st && i < n_candidates; i++)
        if (candidates[i].least < margin * candidates[best].least)
            best = i;
    for (int i = 0; i < n_candidates; i++) {
        free(candidates[i].work);
        if (!st && i == best)
            *out = candidates[i].kernel;
        else
            kernel_clear(&candidates[i].kernel);
    }
    free(x);
    free(y);
    return st;
}

static pare_status choose_by_shape(const struct program *program, const struct step *step,
                                   struct conv_kernel *out, struct pare_error *err)
{
    /* Without AVX the packed kernels are no match for oneDNN's. */
    bool prefers_library = program->isa < PARE_ISA_AVX2 && !is_product(step);
    pare_status st = PARE_EUNSUPPORTED;

    if (is_depthwise(step)) {
        st = long_depthwise_new(out, program, step, err);
        return st == PARE_EUNSUPPORTED ? depthwise_new(out, program, step, err) : st;
    }
    /* Where the measured break-even lies: a product of one row is bound by picking elements. */
    if (step->weights.is_sparse && !step->weights.is_u8 &&
        density_of(step) <= (is_product(step) ? 0.1 : 0.3))
        st = sparse_new(out, program, step, err);
    if (st != PARE_EUNSUPPORTED)
        return st;
    if (prefers_library)
        st = onednn_new(out, program, step, err);
    return st == PARE_EUNSUPPORTED ? direct_new(out, program, step, err) : st;
}

pare_status step_choose_kernel(const struct program *program, struct step *step,
                               struct pare_error *err)
{
    pare_status st;

    if (program->is_portable)
        st = portable_new(&step->kernel, program, step, err);
    else if (program->options.kernels == PARE_KERNELS_TUNED)
        st = choose_fastest(program, step, &step->kernel, err);
    else
        st = choose_by_shape(program, step, &step->kernel, err);
    if (!st && step->weights.is_dequantized) {
        size_t n = strlen(step->kernel.name);
        snprintf(step->kernel.name + n, sizeof step->kernel.name - n, " (dequantized weights)");
    }
    step->work_bytes = step->kernel.work_bytes;
    weights_clear(&step->weights);
    return st;
}
