/* Every fast kernel against its plain loop over random shapes, and the integer ones against
 * reference vectors. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/rng.h>

#include "../support/check.h"
#include "io/safetensors.h"
#include "kernel/conv_f32.h"
#include "kernel/conv_u8.h"
#include "kernel/depthwise.h"
#include "kernel/depthwise_packed.h"
#include "kernel/elementwise.h"
#include "kernel/onednn.h"
#include "kernel/pool.h"
#include "kernel/sparse.h"
#include "kernel/winograd.h"

enum { N_SHAPES = 120 };

/* ---- Random cases: buffers end where the data ends, so that asan sees overruns ---- */

static int64_t pick(struct pare_rng *rng, int64_t low, int64_t high)
{
    return low + pare_rng_below(rng, high - low + 1);
}

static struct pare_conv2d random_conv(struct pare_rng *rng, int i)
{
    struct pare_conv2d s = {.dilation_h = 1, .dilation_w = 1, .stride_h = 1, .stride_w = 1};

    if (i % 4 == 0) { /* a matrix product */
        s.H = s.W = s.R = s.S = 1;
        s.C = pick(rng, 1, 130);
        s.M = pick(rng, 1, 100);
        s.group = 1;
    } else {
        s.R = pick(rng, 1, 5);
        s.S = pick(rng, 1, 5);
        s.stride_h = pick(rng, 1, 3);
        s.stride_w = pick(rng, 1, 3);
        if (i % 5 == 0) {
            s.dilation_h = pick(rng, 1, 2);
            s.dilation_w = pick(rng, 1, 3);
        }
        s.pad_top = pick(rng, 0, s.R - 1);
        s.pad_left = pick(rng, 0, s.S - 1);
        s.pad_bottom = pick(rng, 0, s.R - 1);
        s.pad_right = pick(rng, 0, s.S - 1);
        s.H = (s.R - 1) * s.dilation_h + pick(rng, 1, 17);
        s.W = (s.S - 1) * s.dilation_w + pick(rng, 1, 19);
        s.group = i % 6 == 1 ? pick(rng, 2, 4) : 1;
        s.C = s.group * pick(rng, 1, 20);
        s.M = s.group * pick(rng, 1, i % 3 ? 40 : 90);
    }
    s.P = (s.H + s.pad_top + s.pad_bottom - (s.R - 1) * s.dilation_h - 1) / s.stride_h + 1;
    s.Q = (s.W + s.pad_left + s.pad_right - (s.S - 1) * s.dilation_w - 1) / s.stride_w + 1;
    return s;
}

static float *random_f32(struct pare_rng *rng, int64_t n)
{
    float *x = malloc(sizeof *x * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)pare_rng_normal(rng);
    return x;
}

/* `slack` bytes follow that no result may depend on. */
static uint8_t *random_u8(struct pare_rng *rng, int64_t n, int64_t slack)
{
    uint8_t *x = malloc((size_t)(n + slack));
    for (int64_t i = 0; i < n + slack; i++)
        x[i] = (uint8_t)pare_rng_below(rng, 256);
    return x;
}

static void *aligned(size_t n_bytes)
{
    return aligned_alloc(64, (n_bytes + 64) / 64 * 64);
}

struct conv_case {
    struct pare_conv2d s;
    int64_t n, x_elems, w_elems, y_elems;
    char text[200];
};

static struct conv_case conv_case(struct pare_rng *rng, int i)
{
    struct conv_case c = {.s = random_conv(rng, i), .n = i % 3 == 0 ? pick(rng, 1, 40) : 2};

    c.x_elems = c.n * c.s.C * c.s.H * c.s.W;
    c.w_elems = c.s.M * c.s.R * c.s.S * c.s.C / c.s.group;
    c.y_elems = c.n * c.s.M * c.s.P * c.s.Q;
    snprintf(c.text, sizeof c.text,
             "n %lld C %lld H %lld W %lld M %lld R %lld S %lld group %lld stride %lld %lld "
             "dilation %lld %lld pads %lld %lld %lld %lld",
             (long long)c.n, (long long)c.s.C, (long long)c.s.H, (long long)c.s.W, (long long)c.s.M,
             (long long)c.s.R, (long long)c.s.S, (long long)c.s.group, (long long)c.s.stride_h,
             (long long)c.s.stride_w, (long long)c.s.dilation_h, (long long)c.s.dilation_w,
             (long long)c.s.pad_top, (long long)c.s.pad_left, (long long)c.s.pad_bottom,
             (long long)c.s.pad_right);
    return c;
}

/* Sums of K unit normal products err by about K eps in the worst order. */
static double f32_atol(const struct pare_conv2d *s)
{
    return 4e-7 * (double)(s->R * s->S * s->C / s->group + 4);
}

static void conv2d_f32_on_every_instruction_set_matches_the_plain_loops(void **state)
{
    struct pare_rng rng;
    struct pare_error err = {0};

    (void)state;
    pare_rng_init(&rng, 1, 0);
    for (int i = 0; i < N_SHAPES; i++) {
        struct conv_case c = conv_case(&rng, i);
        float *x = random_f32(&rng, c.x_elems), *w = random_f32(&rng, c.w_elems);
        float *bias = i % 2 ? random_f32(&rng, c.s.M) : NULL;
        float *y = malloc(sizeof *y * (size_t)c.y_elems);
        float *expected = malloc(sizeof *y * (size_t)c.y_elems);
        float low = i % 3 ? 0 : -INFINITY, high = i % 5 ? INFINITY : 6;
        pare_conv2d_f32_ref(expected, x, w, bias, &c.s, c.n, low, high);
        for (int isa = 0; isa <= (int)pare_isa_best(); isa++) {
            struct pare_conv_f32 *conv = NULL;
            assert_ok(pare_conv_f32_new(&conv, &c.s, w, bias, low, high, isa, &err), &err);
            void *work = aligned(pare_conv_f32_work_bytes(conv));
            pare_conv_f32_run(conv, y, x, c.n, work);
            for (int64_t k = 0; k < c.y_elems; k++)
                if (!(fabs((double)y[k] - expected[k]) <= f32_atol(&c.s))) {
                    print_error("%s: %s\n", pare_isa_name(isa), c.text);
                    break;
                }
            assert_close(y, expected, c.y_elems, 1e-6, f32_atol(&c.s));
            free(work);
            pare_conv_f32_free(conv);
        }
        free(x), free(w), free(bias), free(y), free(expected);
    }
}

static void conv2d_f32_gives_a_sample_the_same_bits_in_any_batch(void **state)
{
    struct pare_rng rng;
    struct pare_error err = {0};

    (void)state;
    pare_rng_init(&rng, 2, 0);
    for (int i = 0; i < N_SHAPES; i++) {
        struct conv_case c = conv_case(&rng, i);
        float *x = random_f32(&rng, c.x_elems), *w = random_f32(&rng, c.w_elems);
        float *y = malloc(sizeof *y * (size_t)c.y_elems),
              *one = malloc(sizeof *y * (size_t)c.y_elems);
        struct pare_conv_f32 *conv = NULL;
        assert_ok(
            pare_conv_f32_new(&conv, &c.s, w, NULL, -INFINITY, INFINITY, pare_isa_best(), &err),
            &err);
        void *work = aligned(pare_conv_f32_work_bytes(conv));
        pare_conv_f32_run(conv, y, x, c.n, work);
        for (int64_t k = 0; k < c.n; k++)
            pare_conv_f32_run(conv, one + k * (c.y_elems / c.n), x + k * (c.x_elems / c.n), 1,
                              work);
        assert_memory_equal(y, one, sizeof *y * (size_t)c.y_elems);
        free(work);
        pare_conv_f32_free(conv);
        free(x), free(w), free(y), free(one);
    }
}

struct u8_case {
    uint8_t *x;
    int8_t *w;
    int32_t *bias, x_zero;
    float *scale, *bias_f32;
    struct pare_conv_u8_result result;
};

static struct u8_case u8_case(struct pare_rng *rng, const struct conv_case *c, int i)
{
    static const int32_t zeros[] = {0, 128, 3, 255, 77};
    struct u8_case u = {.x = random_u8(rng, c->x_elems, PARE_CONV_U8_SLACK),
                        .w = malloc((size_t)c->w_elems),
                        .bias = malloc(sizeof(int32_t) * (size_t)c->s.M),
                        .scale = malloc(sizeof(float) * (size_t)c->s.M),
                        .bias_f32 = random_f32(rng, c->s.M),
                        .x_zero = zeros[i % 5]};
    int32_t y_zero = zeros[(i / 5) % 5];
    double spread = 74 * 74 * sqrt((double)c->w_elems / (double)c->s.M);

    for (int64_t k = 0; k < c->w_elems; k++)
        u.w[k] = (int8_t)pick(rng, -127, 127);
    for (int64_t m = 0; m < c->s.M; m++) {
        u.bias[m] = (int32_t)pick(rng, -20000, 20000);
        /* Powers of two make exact ties. */
        u.scale[m] = i % 2 ? (float)((0.5 + pare_rng_uniform(rng)) * 60 / spread)
                           : ldexpf(1, ilogb(60 / spread));
    }
    u.result = (struct pare_conv_u8_result){
        .is_f32 = i % 7 == 3,
        .scale = u.scale,
        .range = {y_zero, i % 3 ? 0 : y_zero, i % 4 ? 255 : (y_zero + 255) / 2},
        .bias_f32 = i % 2 ? u.bias_f32 : NULL,
        .low_f32 = i % 2 ? 0 : -INFINITY,
        .high_f32 = INFINITY,
    };
    return u;
}

static void u8_case_free(struct u8_case *u)
{
    free(u->x), free(u->w), free(u->bias), free(u->scale), free(u->bias_f32);
}

static void conv2d_u8_on_every_instruction_set_is_equal_to_the_plain_loops(void **state)
{
    struct pare_rng rng;
    struct pare_error err = {0};
    int64_t n_varied = 0;

    (void)state;
    pare_rng_init(&rng, 3, 0);
    for (int i = 0; i < N_SHAPES; i++) {
        struct conv_case c = conv_case(&rng, i);
        struct u8_case u = u8_case(&rng, &c, i);
        size_t y_bytes = (size_t)c.y_elems * (u.result.is_f32 ? sizeof(float) : 1);
        unsigned char *y = malloc(y_bytes), *expected = malloc(y_bytes);
        pare_conv2d_u8_ref(expected, u.x, u.x_zero, u.w, u.bias, &c.s, c.n, &u.result);
        for (int isa = 0; isa <= (int)pare_isa_best(); isa++) {
            struct pare_conv_u8 *conv = NULL;
            assert_ok(pare_conv_u8_new(&conv, &c.s, u.x_zero, u.w, u.bias, &u.result, isa, &err),
                      &err);
            void *work = aligned(pare_conv_u8_work_bytes(conv));
            memset(y, 0x55, y_bytes);
            pare_conv_u8_run(conv, y, u.x, c.n, work);
            if (memcmp(y, expected, y_bytes) != 0)
                fail_msg("%s: %s", pare_isa_name(isa), c.text);
            free(work);
            pare_conv_u8_free(conv);
        }
        for (size_t k = 1; k < y_bytes; k++)
            n_varied += expected[k] != expected[0];
        free(y), free(expected);
        u8_case_free(&u);
    }
    assert_true(n_varied > 10000); /* the cases are not all saturated */
}

static void onednn_matches_the_plain_loops_in_f32(void **state)
{
    struct pare_rng rng;
    struct pare_error err = {0};
    int n_run = 0;

    (void)state;
    pare_rng_init(&rng, 4, 0);
    for (int i = 0; i < N_SHAPES; i++) {
        struct conv_case c = conv_case(&rng, i);
        float *x = random_f32(&rng, c.x_elems), *w = random_f32(&rng, c.w_elems);
        float *bias = i % 2 ? random_f32(&rng, c.s.M) : NULL;
        float *y = malloc(sizeof *y * (size_t)c.y_elems);
        float *expected = malloc(sizeof *y * (size_t)c.y_elems);
        float low = i % 3 ? 0 : -INFINITY, high = i % 5 ? INFINITY : 6;
        struct pare_onednn *conv = NULL;
        pare_status st = pare_onednn_f32_new(&conv, &c.s, w, bias, low, high, 1, &err);
        assert_true(st == PARE_OK || st == PARE_EUNSUPPORTED);
        if (!st) {
            void *work = aligned(pare_onednn_work_bytes(conv));
            pare_conv2d_f32_ref(expected, x, w, bias, &c.s, c.n, low, high);
            pare_onednn_run(conv, y, x, c.n, work, 0);
            /* Winograd and other orders of summation: a little wider. */
            assert_close(y, expected, c.y_elems, 1e-5, 2 * f32_atol(&c.s));
            free(work);
            n_run++;
        }
        pare_onednn_free(conv);
        free(x), free(w), free(bias), free(y), free(expected);
    }
#ifdef PARE_HAVE_DNNL
    assert_true(n_run > N_SHAPES / 2);
#else
    assert_int_equal(n_run, 0);
#endif
}

static void fast_convolution_matches_the_plain_loops(void **state)
{
    struct pare_rng rng;
    struct pare_error err = {0};
    int n_run = 0;

    (void)state;
    pare_rng_init(&rng, 10, 0);
    for (int i = 1; i < N_SHAPES; i += 2) {
        struct conv_case c = conv_case(&rng, i);
        c.s.R = c.s.S = i % 3 ? 3 : 5;
        c.s.group = c.s.stride_h = c.s.stride_w = c.s.dilation_h = c.s.dilation_w = 1;
        c.s.H += 5;
        c.s.W += 5;
        c.s.P = c.s.H + c.s.pad_top + c.s.pad_bottom - c.s.R + 1;
        c.s.Q = c.s.W + c.s.pad_left + c.s.pad_right - c.s.S + 1;
        c.x_elems = c.n * c.s.C * c.s.H * c.s.W;
        c.w_elems = c.s.M * c.s.R * c.s.S * c.s.C;
        c.y_elems = c.n * c.s.M * c.s.P * c.s.Q;
        float *x = random_f32(&rng, c.x_elems), *w = random_f32(&rng, c.w_elems);
        float *bias = i % 4 == 1 ? random_f32(&rng, c.s.M) : NULL;
        float *y = malloc(sizeof *y * (size_t)c.y_elems);
        float *expected = malloc(sizeof *y * (size_t)c.y_elems);
        float low = i % 5 ? 0 : -INFINITY, high = i % 7 ? INFINITY : 6;
        struct pare_winograd *conv = NULL;
        pare_status st = pare_winograd_new(&conv, &c.s, w, bias, low, high, pare_isa_best(), &err);
        assert_true(st == PARE_OK ||
                    (st == PARE_EUNSUPPORTED && pare_isa_best() < PARE_ISA_AVX512));
        if (!st) {
            void *work = aligned(pare_winograd_work_bytes(conv));
            pare_conv2d_f32_ref(expected, x, w, bias, &c.s, c.n, low, high);
            pare_winograd_run(conv, y, x, c.n, work);
            /* Filters go through factors from 1/24 to 256/576: one or two digits of f32. */
            assert_close(y, expected, c.y_elems, 1e-5,
                         5e-5 * sqrt((double)(c.s.R * c.s.S * c.s.C)));
            free(work);
            n_run++;
        }
        pare_winograd_free(conv);
        free(x), free(w), free(bias), free(y), free(expected);
    }
    assert_int_equal(n_run, pare_isa_best() < PARE_ISA_AVX512 ? 0 : N_SHAPES / 2);
}

static void sparse_products_match_the_plain_loops_in_any_batch(void **state)
{
    struct pare_rng rng;
    struct pare_error err = {0};
    int n_run = 0;

    (void)state;
    pare_rng_init(&rng, 12, 0);
    for (int i = 0; i < N_SHAPES; i++) {
        struct conv_case c = conv_case(&rng, i);
        double density = pare_rng_uniform(&rng);
        float *x = random_f32(&rng, c.x_elems), *w = random_f32(&rng, c.w_elems);
        float *bias = i % 2 ? random_f32(&rng, c.s.M) : NULL;
        float *y = malloc(sizeof *y * (size_t)c.y_elems),
              *one = malloc(sizeof *y * (size_t)c.y_elems);
        float *expected = malloc(sizeof *y * (size_t)c.y_elems);
        float low = i % 3 ? 0 : -INFINITY, high = i % 5 ? INFINITY : 6;
        for (int64_t k = 0; k < c.w_elems; k++)
            w[k] = pare_rng_uniform(&rng) < density ? w[k] : 0;
        pare_conv2d_f32_ref(expected, x, w, bias, &c.s, c.n, low, high);
        for (int isa = 0; isa <= (int)pare_isa_best(); isa++) {
            struct pare_sparse_f32 *conv = NULL;
            pare_status st = pare_sparse_f32_new(&conv, &c.s, w, bias, low, high, isa, &err);
            assert_true(st == PARE_OK ||
                        (st == PARE_EUNSUPPORTED && (c.s.group != 1 || c.s.stride_w != 1)));
            if (st)
                continue;
            void *work = aligned(pare_sparse_f32_work_bytes(conv));
            pare_sparse_f32_run(conv, y, x, c.n, work);
            assert_close(y, expected, c.y_elems, 1e-6, f32_atol(&c.s));
            for (int64_t k = 0; k < c.n; k++)
                pare_sparse_f32_run(conv, one + k * (c.y_elems / c.n), x + k * (c.x_elems / c.n), 1,
                                    work);
            assert_memory_equal(y, one, sizeof *y * (size_t)c.y_elems);
            free(work);
            pare_sparse_f32_free(conv);
            n_run++;
        }
        free(x), free(w), free(bias), free(y), free(one), free(expected);
    }
    assert_true(n_run > N_SHAPES / 3);
}

static void onednn_is_equal_to_the_plain_loops_on_integers(void **state)
{
    struct pare_rng rng;
    struct pare_error err = {0};
    int n_run = 0;

    (void)state;
    pare_rng_init(&rng, 5, 0);
    for (int i = 0; i < N_SHAPES; i++) {
        struct conv_case c = conv_case(&rng, i);
        struct u8_case u = u8_case(&rng, &c, i);
        uint8_t *y = malloc((size_t)c.y_elems), *expected = malloc((size_t)c.y_elems);
        struct pare_onednn *conv = NULL;
        pare_status st = pare_onednn_u8_new(&conv, &c.s, u.x_zero, u.w, u.bias, &u.result, 1, &err);
        assert_true(st == PARE_OK || st == PARE_EUNSUPPORTED);
        if (!st) {
            void *work = aligned(pare_onednn_work_bytes(conv));
            pare_conv2d_u8_ref(expected, u.x, u.x_zero, u.w, u.bias, &c.s, c.n, &u.result);
            pare_onednn_run(conv, y, u.x, c.n, work, 0);
            if (memcmp(y, expected, (size_t)c.y_elems) != 0)
                fail_msg("%s: %s", pare_onednn_kernel(conv), c.text);
            free(work);
            n_run++;
        }
        pare_onednn_free(conv);
        free(y), free(expected);
        u8_case_free(&u);
    }
#ifdef PARE_HAVE_DNNL
    if (pare_isa_best() >= PARE_ISA_VNNI)
        assert_true(n_run > N_SHAPES / 3);
#else
    assert_int_equal(n_run, 0);
#endif
}

static void depthwise_kernels_match_grouped_convolution(void **state)
{
    struct pare_rng rng;

    (void)state;
    pare_rng_init(&rng, 6, 0);
    for (int i = 1; i < N_SHAPES; i += 2) {
        struct conv_case c = conv_case(&rng, i);
        c.s.C = c.s.M = c.s.group = pick(&rng, 1, 100);
        c.x_elems = c.n * c.s.C * c.s.H * c.s.W;
        c.w_elems = c.s.C * c.s.R * c.s.S;
        c.y_elems = c.n * c.s.C * c.s.P * c.s.Q;
        struct u8_case u = u8_case(&rng, &c, i);
        float *x = random_f32(&rng, c.x_elems), *w = random_f32(&rng, c.w_elems);
        float *tap_major = malloc(sizeof *w * (size_t)c.w_elems);
        int8_t *tap_major_s8 = malloc((size_t)c.w_elems);
        float *y = malloc(sizeof *y * (size_t)c.y_elems);
        float *expected = malloc(sizeof *y * (size_t)c.y_elems);
        int64_t n_taps = c.s.R * c.s.S;
        for (int64_t k = 0; k < c.s.C; k++)
            for (int64_t t = 0; t < n_taps; t++) {
                tap_major[t * c.s.C + k] = w[k * n_taps + t];
                tap_major_s8[t * c.s.C + k] = u.w[k * n_taps + t];
            }
        pare_conv2d_f32_ref(expected, x, w, u.bias_f32, &c.s, c.n, 0, 6);
        pare_depthwise_f32(y, x, tap_major, u.bias_f32, &c.s, c.n, 0, 6);
        assert_close(y, expected, c.y_elems, 1e-6, f32_atol(&c.s));
        size_t y_bytes = (size_t)c.y_elems * (u.result.is_f32 ? sizeof(float) : 1);
        pare_conv2d_u8_ref(expected, u.x, u.x_zero, u.w, u.bias, &c.s, c.n, &u.result);
        pare_depthwise_u8(y, u.x, u.x_zero, tap_major_s8, u.bias, &c.s, c.n, &u.result);
        if (memcmp(y, expected, y_bytes) != 0)
            fail_msg("depthwise u8: %s", c.text);
        struct pare_depthwise *conv = NULL;
        struct pare_error err = {0};
        pare_status st = pare_depthwise_u8_new(&conv, &c.s, u.x_zero, tap_major_s8, u.bias,
                                               &u.result, pare_isa_best(), &err);
        assert_int_equal(st, u.result.is_f32 || pare_isa_best() < PARE_ISA_VNNI ? PARE_EUNSUPPORTED
                                                                                : PARE_OK);
        if (!st) {
            void *work = aligned(pare_depthwise_work_bytes(conv));
            memset(y, 0x55, y_bytes);
            pare_depthwise_run(conv, y, u.x, c.n, work);
            if (memcmp(y, expected, y_bytes) != 0)
                fail_msg("packed depthwise u8: %s", c.text);
            free(work);
        }
        pare_depthwise_free(conv);
        conv = NULL;
        st =
            pare_depthwise_f32_new(&conv, &c.s, tap_major, u.bias_f32, 0, 6, pare_isa_best(), &err);
        assert_int_equal(st, pare_isa_best() < PARE_ISA_AVX512 ? PARE_EUNSUPPORTED : PARE_OK);
        if (!st) {
            void *work = aligned(pare_depthwise_work_bytes(conv));
            pare_conv2d_f32_ref(expected, x, w, u.bias_f32, &c.s, c.n, 0, 6);
            pare_depthwise_run(conv, y, x, c.n, work);
            assert_close(y, expected, c.y_elems, 1e-6, f32_atol(&c.s));
            free(work);
        }
        pare_depthwise_free(conv);
        free(x), free(w), free(tap_major), free(tap_major_s8), free(y), free(expected);
        u8_case_free(&u);
    }
}

static void pools_match_the_plain_loops(void **state)
{
    struct pare_rng rng;

    (void)state;
    pare_rng_init(&rng, 7, 0);
    for (int i = 1; i < N_SHAPES; i += 2) {
        struct conv_case c = conv_case(&rng, i);
        c.s.group = 1;
        c.s.C = c.s.M = pick(&rng, 1, 150);
        c.s.count_include_pad = i % 4 == 1;
        if (i % 9 == 0)
            c.s = pare_pool_global(c.s.C, c.s.H, c.s.W);
        c.x_elems = c.n * c.s.C * c.s.H * c.s.W;
        c.y_elems = c.n * c.s.C * c.s.P * c.s.Q;
        float *x = random_f32(&rng, c.x_elems);
        uint8_t *xq = random_u8(&rng, c.x_elems, 0);
        float *y = malloc(sizeof *y * (size_t)c.y_elems),
              *e = malloc(sizeof *y * (size_t)c.y_elems);
        uint8_t *yq = malloc((size_t)c.y_elems), *eq = malloc((size_t)c.y_elems);
        struct pare_u8_range range = {i % 256, 0, 255};
        for (int isa = 0; isa <= (int)pare_isa_best(); isa++) {
            pare_maxpool_f32_ref(e, x, &c.s, c.n);
            pare_maxpool_f32(y, x, &c.s, c.n, isa);
            assert_memory_equal(y, e, sizeof *y * (size_t)c.y_elems);
            pare_maxpool_u8_ref(eq, xq, &c.s, c.n);
            pare_maxpool_u8(yq, xq, &c.s, c.n, isa);
            assert_memory_equal(yq, eq, (size_t)c.y_elems);
        }
        pare_avgpool_f32_ref(e, x, &c.s, c.n);
        pare_avgpool_f32(y, x, &c.s, c.n);
        assert_close(y, e, c.y_elems, 1e-6, 1e-7);
        pare_avgpool_u8_ref(eq, xq, 37, &c.s, c.n, 0.83, range);
        pare_avgpool_u8(yq, xq, 37, &c.s, c.n, 0.83, range);
        assert_memory_equal(yq, eq, (size_t)c.y_elems);
        free(x), free(xq), free(y), free(e), free(yq), free(eq);
    }
}

static void conversions_and_addition_match_the_plain_loops(void **state)
{
    struct pare_rng rng;

    (void)state;
    pare_rng_init(&rng, 8, 0);
    for (int64_t n = 1; n < 300; n += 7) {
        struct pare_u8_range range = {(int32_t)(n % 256), 0, n % 3 ? 255 : 200};
        float *x = random_f32(&rng, n), *f = malloc(sizeof *f * (size_t)n);
        float *fe = malloc(sizeof *f * (size_t)n);
        uint8_t *a = random_u8(&rng, n, 0), *b = random_u8(&rng, n, 0);
        uint8_t *y = malloc((size_t)n), *e = malloc((size_t)n);
        range.low = range.zero < 100 ? 0 : 5;
        range.zero = range.zero > range.high ? range.high : range.zero;
        x[0] = n % 2 ? 1e30f : -1e30f;
        for (int64_t k = 1; k < n; k += 5)
            x[k] = ((float)pick(&rng, -40, 40) + 0.5f) * 0.0625f; /* ties */
        pare_quantize_u8_ref(e, x, n, 0.0625f, range);
        pare_quantize_u8(y, x, n, 0.0625f, range);
        assert_memory_equal(y, e, (size_t)n);
        pare_dequantize_u8_ref(fe, a, n, 0.1f, 13);
        pare_dequantize_u8(f, a, n, 0.1f, 13);
        assert_memory_equal(f, fe, sizeof *f * (size_t)n);
        pare_add_u8_ref(e, a, b, n, 0.5f, 128, 0.3f, 9, range);
        pare_add_u8(y, a, b, n, 0.5f, 128, 0.3f, 9, range);
        assert_memory_equal(y, e, (size_t)n);
        free(x), free(f), free(fe), free(a), free(b), free(y), free(e);
    }
}

static void a_nan_is_not_lost_by_a_fused_clamp(void **state)
{
    struct pare_conv2d s = {.C = 1,
                            .H = 1,
                            .W = 1,
                            .M = 20,
                            .P = 1,
                            .Q = 1,
                            .R = 1,
                            .S = 1,
                            .group = 1,
                            .stride_h = 1,
                            .stride_w = 1,
                            .dilation_h = 1,
                            .dilation_w = 1};
    struct pare_error err = {0};
    float w[20], x = NAN, y[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        w[i] = 1;
    for (int isa = 0; isa <= (int)pare_isa_best(); isa++) {
        struct pare_conv_f32 *conv = NULL;
        assert_ok(pare_conv_f32_new(&conv, &s, w, NULL, 0, 6, isa, &err), &err);
        pare_conv_f32_run(conv, y, &x, 1, NULL);
        for (int i = 0; i < 20; i++)
            assert_true(isnan(y[i]));
        pare_conv_f32_free(conv);
    }
}

static void sums_that_could_overflow_are_refused(void **state)
{
    struct pare_conv2d s = {.C = 70000,
                            .H = 1,
                            .W = 1,
                            .M = 1,
                            .P = 1,
                            .Q = 1,
                            .R = 1,
                            .S = 1,
                            .group = 1,
                            .stride_h = 1,
                            .stride_w = 1,
                            .dilation_h = 1,
                            .dilation_w = 1};
    int8_t *w = calloc(70000, 1);
    float scale = 1;
    struct pare_conv_u8_result result = {.scale = &scale, .range = {0, 0, 255}};
    struct pare_conv_u8 *conv = NULL;
    struct pare_error err = {0};

    (void)state;
    assert_int_equal(pare_conv_u8_new(&conv, &s, 0, w, NULL, &result, PARE_ISA_ANY, &err),
                     PARE_EUNSUPPORTED);
    assert_null(conv);
    free(w);
}

/* ---- Reference vectors ---- */

static struct pare_safetensors *open_vector(const char *name)
{
    struct pare_safetensors *file = NULL;
    struct pare_error err = {0};
    char path[200];

    snprintf(path, sizeof path, "vectors/%s.safetensors", name);
    assert_ok(pare_safetensors_open(&file, check_test_data(path), &err), &err);
    return file;
}

/* An aligned copy of one tensor with room to read beyond. */
static void *tensor(const struct pare_safetensors *file, const char *name, struct pare_shape *shape)
{
    const struct pare_safetensors_entry *entry = pare_safetensors_find(file, name);

    assert_non_null(entry);
    if (shape)
        *shape = entry->shape;
    void *copy = calloc(1, entry->n_bytes + PARE_CONV_U8_SLACK);
    memcpy(copy, entry->data, entry->n_bytes);
    return copy;
}

static void int8_convolution_matches_the_reference_vector(void **state)
{
    struct pare_safetensors *file = open_vector("int8_conv");
    struct pare_error err = {0};
    struct pare_shape xs, ws;
    uint8_t *x = tensor(file, "in.x_q", &xs);
    int8_t *w = tensor(file, "in.w_q", &ws);
    int32_t *b = tensor(file, "in.b_q", NULL), *acc = tensor(file, "out.acc", NULL);
    int32_t *z = tensor(file, "in.z_x", NULL);
    int64_t N = xs.dims[0], C = xs.dims[1], H = xs.dims[2], W = xs.dims[3];
    int64_t M = ws.dims[0], R = ws.dims[2], S = ws.dims[3];
    struct pare_conv2d s = {.C = C,
                            .H = H,
                            .W = W,
                            .M = M,
                            .P = H,
                            .Q = W,
                            .R = R,
                            .S = S,
                            .group = 1,
                            .stride_h = 1,
                            .stride_w = 1,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .pad_top = 1,
                            .pad_left = 1,
                            .pad_bottom = 1,
                            .pad_right = 1};
    uint8_t *nhwc = calloc(1, (size_t)(N * C * H * W) + PARE_CONV_U8_SLACK);
    int8_t *ohwi = malloc((size_t)(M * C * R * S));
    float *y = malloc(sizeof *y * (size_t)(N * H * W * M)), scale[16], bias[16];

    (void)state;
    for (int64_t n = 0; n < N; n++)
        for (int64_t c = 0; c < C; c++)
            for (int64_t p = 0; p < H * W; p++)
                nhwc[(n * H * W + p) * C + c] = x[(n * C + c) * H * W + p];
    for (int64_t m = 0; m < M; m++) {
        for (int64_t c = 0; c < C; c++)
            for (int64_t t = 0; t < R * S; t++)
                ohwi[(m * R * S + t) * C + c] = w[(m * C + c) * R * S + t];
        scale[m] = 1;
        bias[m] = (float)b[m];
    }
    struct pare_conv_u8_result result = {.is_f32 = true,
                                         .scale = scale,
                                         .bias_f32 = bias,
                                         .low_f32 = -INFINITY,
                                         .high_f32 = INFINITY};
    for (int isa = -1; isa <= (int)pare_isa_best(); isa++) {
        struct pare_conv_u8 *conv = NULL;
        if (isa < 0) {
            pare_conv2d_u8_ref(y, nhwc, z[0], ohwi, NULL, &s, N, &result);
        } else {
            assert_ok(pare_conv_u8_new(&conv, &s, z[0], ohwi, NULL, &result, isa, &err), &err);
            void *work = aligned(pare_conv_u8_work_bytes(conv));
            pare_conv_u8_run(conv, y, nhwc, N, work);
            free(work);
        }
        for (int64_t n = 0; n < N; n++)
            for (int64_t m = 0; m < M; m++)
                for (int64_t p = 0; p < H * W; p++)
                    assert_true(y[(n * H * W + p) * M + m] == (float)acc[(n * M + m) * H * W + p]);
        pare_conv_u8_free(conv);
    }
    free(x), free(w), free(b), free(acc), free(z), free(nhwc), free(ohwi), free(y);
    pare_safetensors_close(file);
}

static void int8_linear_matches_the_reference_vector(void **state)
{
    struct pare_safetensors *file = open_vector("int8_linear");
    struct pare_error err = {0};
    struct pare_shape xs, ws;
    uint8_t *x = tensor(file, "in.x_q", &xs), *y_q = tensor(file, "out.y_q", NULL);
    int8_t *w = tensor(file, "in.w_q", &ws);
    int32_t *b = tensor(file, "in.b_q", NULL), *z_x = tensor(file, "in.z_x", NULL);
    int32_t *z_y = tensor(file, "in.z_y", NULL);
    float *s_w = tensor(file, "in.s_w", NULL), *s_x = tensor(file, "in.s_x", NULL);
    float *s_y = tensor(file, "in.s_y", NULL);
    int64_t N = xs.dims[0], K = xs.dims[1], M = ws.dims[0];
    struct pare_conv2d s = {.C = K,
                            .H = 1,
                            .W = 1,
                            .M = M,
                            .P = 1,
                            .Q = 1,
                            .R = 1,
                            .S = 1,
                            .group = 1,
                            .stride_h = 1,
                            .stride_w = 1,
                            .dilation_h = 1,
                            .dilation_w = 1};
    uint8_t *y = malloc((size_t)(N * M));
    float scale[16];

    (void)state;
    for (int64_t m = 0; m < M; m++)
        scale[m] = (float)((double)s_x[0] * s_w[m] / s_y[0]);
    struct pare_conv_u8_result result = {.scale = scale, .range = {z_y[0], 0, 255}};
    for (int isa = 0; isa <= (int)pare_isa_best(); isa++) {
        struct pare_conv_u8 *conv = NULL;
        assert_ok(pare_conv_u8_new(&conv, &s, z_x[0], w, b, &result, isa, &err), &err);
        pare_conv_u8_run(conv, y, x, N, NULL);
        for (int64_t k = 0; k < N * M; k++)
            assert_true(abs(y[k] - y_q[k]) <= 1); /* the vector's own rule: scales in f32 or f64 */
        pare_conv_u8_free(conv);
    }
    free(x), free(y_q), free(w), free(b), free(z_x), free(z_y), free(s_w), free(s_x), free(s_y);
    free(y);
    pare_safetensors_close(file);
}

static void quantizing_rounds_half_to_even(void **state)
{
    struct pare_safetensors *file = open_vector("quant_round_half_even");
    struct pare_shape shape;
    float *x = tensor(file, "in.x", &shape), *x_hat = tensor(file, "out.x_hat", NULL);
    int32_t *q = tensor(file, "out.q", NULL);
    int64_t n = shape.dims[0];
    struct pare_u8_range range = {3, 0, 15};
    uint8_t y[64];
    float back[64];

    (void)state;
    assert_true(n <= 64);
    pare_quantize_u8(y, x, n, 0.25f, range);
    pare_dequantize_u8(back, y, n, 0.25f, 3);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(y[i], q[i]);
        assert_true(back[i] == x_hat[i]);
    }
    pare_fake_quantize_ref(back, x, n, 0.25f, range);
    for (int64_t i = 0; i < n; i++)
        assert_true(back[i] == x_hat[i]);
    free(x), free(x_hat), free(q);
    pare_safetensors_close(file);
}

static void activations_match_their_formulas(void **state)
{
    struct pare_rng rng;
    static const enum pare_op ops[] = {PARE_OP_RELU,       PARE_OP_CLIP, PARE_OP_LEAKY_RELU,
                                       PARE_OP_SIGMOID,    PARE_OP_TANH, PARE_OP_HARD_SIGMOID,
                                       PARE_OP_HARD_SWISH, PARE_OP_GELU};

    (void)state;
    pare_rng_init(&rng, 9, 0);
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        struct pare_activation a = {ops[k], 0, ops[k] == PARE_OP_CLIP ? 6 : INFINITY, 0.2f, 0.5f};
        float *x = random_f32(&rng, 333), y[333], e[333];
        for (int i = 0; i < 333; i++)
            e[i] = pare_activate_ref(&a, x[i] *= 4);
        pare_activate_f32(y, x, 333, &a);
        assert_close(y, e, 333, 1e-6, 1e-7);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv2d_f32_on_every_instruction_set_matches_the_plain_loops),
        cmocka_unit_test(conv2d_f32_gives_a_sample_the_same_bits_in_any_batch),
        cmocka_unit_test(conv2d_u8_on_every_instruction_set_is_equal_to_the_plain_loops),
        cmocka_unit_test(onednn_matches_the_plain_loops_in_f32),
        cmocka_unit_test(fast_convolution_matches_the_plain_loops),
        cmocka_unit_test(sparse_products_match_the_plain_loops_in_any_batch),
        cmocka_unit_test(onednn_is_equal_to_the_plain_loops_on_integers),
        cmocka_unit_test(depthwise_kernels_match_grouped_convolution),
        cmocka_unit_test(pools_match_the_plain_loops),
        cmocka_unit_test(conversions_and_addition_match_the_plain_loops),
        cmocka_unit_test(a_nan_is_not_lost_by_a_fused_clamp),
        cmocka_unit_test(sums_that_could_overflow_are_refused),
        cmocka_unit_test(int8_convolution_matches_the_reference_vector),
        cmocka_unit_test(int8_linear_matches_the_reference_vector),
        cmocka_unit_test(quantizing_rounds_half_to_even),
        cmocka_unit_test(activations_match_their_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
