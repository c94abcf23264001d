#include "../support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "base/arena.h"
#include "base/file.h"
#include "measure/hw.h"
#include "option/schema.h"

#define MAX_OPTIONS 128

static struct pare_registry *registry;

static int open_all(void **state)
{
    struct pare_error err = {0};

    (void)state;
    return pare_registry_open(&registry, &err) ? -1 : 0;
}

static int close_all(void **state)
{
    (void)state;
    pare_registry_close(registry);
    return 0;
}

static struct pare_device open_device(const char *name)
{
    struct pare_device device;
    struct pare_error err = {0};

    assert_ok(pare_device_open(&device, registry, name, &err), &err);
    return device;
}

/* ---- The formulas, by hand ---- */

/* A model's options, all at their defaults but those a test sets. */
struct machine {
    const struct pare_hwmodel *model;
    double options[MAX_OPTIONS]; /* most fields are doubles */
};

static struct machine machine_of(const char *name)
{
    struct machine machine = {.model = pare_registry_hwmodel(registry, name)};

    assert_non_null(machine.model);
    assert_true(machine.model->options_bytes <= sizeof machine.options);
    pare_options_defaults(machine.model->options, machine.options);
    return machine;
}

static double *number(const struct pare_hwmodel *model, void *options, const char *name)
{
    const struct pare_option *row = pare_option_find(model->options, name);

    assert_non_null(row);
    assert_int_equal(row->type, PARE_OPTION_F64);
    return (double *)((char *)options + row->offset);
}

static void set(struct machine *machine, const char *name, double value)
{
    *number(machine->model, machine->options, name) = value;
}

static struct machine small_mcu(void)
{
    struct machine m = machine_of("mcu");

    set(&m, "clock_mhz", 100);
    set(&m, "sram_kib", 64);
    set(&m, "flash_kib", 256);
    set(&m, "runtime_sram_kib", 10);
    set(&m, "runtime_flash_kib", 50);
    set(&m, "cycles_per_mac_conv_int8", 1.5);
    set(&m, "cycles_per_mac_narrow_int8", 3);
    set(&m, "cycles_per_mac_depthwise_int8", 5);
    set(&m, "cycles_per_mac_gemm_int8", 2);
    set(&m, "cycles_per_output_int8", 10);
    set(&m, "cycles_per_mac_conv_f32", 7);
    set(&m, "cycles_per_output_f32", 6);
    set(&m, "cycles_per_element", 4);
    set(&m, "cycles_per_kernel", 100);
    set(&m, "cycles_per_inference", 1000);
    set(&m, "flash_cycles_per_byte", 0.5);
    set(&m, "unpack_cycles_per_weight", 2);
    set(&m, "latency_rel_sd", 0.1);
    set(&m, "f32_rel_sd", 0.5);
    return m;
}

static struct pare_hw_result ask(const struct machine *m, const struct pare_hw_network *network,
                                 double *kernel_ms)
{
    struct pare_hw_result result;
    struct pare_error err = {0};

    assert_ok(m->model->estimate(m->options, network, &result, kernel_ms, &err), &err);
    return result;
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * fabs(b)))
        fail_msg("%.12g, expected %.12g", a, b);
}

/* 3x3 convolution, 8 -> 16 channels, 10x10 outputs, int8 */
static const struct pare_hw_kernel conv8 = {.name = "conv",
                                            .kind = PARE_HW_CONV,
                                            .macs = 100 * 16 * 72,
                                            .density = 1,
                                            .m = 100,
                                            .n = 16,
                                            .k = 72,
                                            .weight_bits = 8,
                                            .activation_bits = 8,
                                            .channels = 8,
                                            .weight_bytes = 16 * 72 + 64,
                                            .input_bytes = 1152,
                                            .output_bytes = 1600};

static void mcu_adds_up_what_each_kind_of_kernel_costs(void **state)
{
    struct machine m = small_mcu();
    struct pare_hw_kernel kernels[6];
    struct pare_hw_network network = {.n_kernels = 6,
                                      .kernels = kernels,
                                      .peak_activation_bytes = 20480,
                                      .weight_bytes = 30720};
    double ms[6], sum = 1000 / 1e5;
    struct pare_hw_result r;

    (void)state;
    for (int i = 0; i < 6; i++)
        kernels[i] = conv8;
    kernels[1].channels = 3;
    kernels[2].kind = PARE_HW_DEPTHWISE;
    kernels[2].macs = 100 * 16 * 9;
    kernels[2].weight_bytes = 16 * 9 + 64;
    kernels[3].kind = PARE_HW_GEMM;
    kernels[3].m = 1;
    kernels[3].macs = 16 * 72;
    kernels[4].kind = PARE_HW_POOL;
    kernels[4].macs = kernels[4].weight_bytes = 0;
    kernels[5].kind = PARE_HW_ELEMENTWISE;
    kernels[5].macs = kernels[5].weight_bytes = 0;
    kernels[5].activation_bits = 32;
    r = ask(&m, &network, ms);
    /* cycles: MACs, outputs, flash, call; at 100 MHz 1e5 cycles are a millisecond */
    assert_near(ms[0], (115200 * 1.5 + 1600 * 10 + 1216 * 0.5 + 100) / 1e5);
    assert_near(ms[1], (115200 * 3.0 + 1600 * 10 + 1216 * 0.5 + 100) / 1e5);
    assert_near(ms[2], (14400 * 5.0 + 1600 * 10 + 208 * 0.5 + 100) / 1e5);
    assert_near(ms[3], (1152 * 2.0 + 16 * 10 + 1216 * 0.5 + 100) / 1e5);
    assert_near(ms[4], (1152 * 4.0 + 100) / 1e5);
    assert_near(ms[5], (288 * 4.0 + 100) / 1e5);
    for (int i = 0; i < 6; i++)
        sum += ms[i];
    assert_near(r.latency_ms.value, sum);
    assert_near(r.cycles.value, sum * 1e5);
    assert_near(log(r.latency_ms.high / r.latency_ms.value), 1.2815515655446004 * 0.1);
    assert_near(log(r.latency_ms.value / r.latency_ms.low), 1.2815515655446004 * 0.1);
    assert_near(r.memory_bytes.value, 20480 + 10240);
    assert_near(r.flash_bytes.value, 30720 + 51200);
    assert_true(isnan(r.energy_mj.value) && isnan(r.energy_mj.low));
    assert_string_equal(r.tier, "calibrated");
    assert_string_equal(r.limit, "");
}

static void mcu_energy_is_power_times_time(void **state)
{
    struct machine m = small_mcu();
    struct pare_hw_network network = {.n_kernels = 1, .kernels = &conv8};
    struct pare_hw_result r;

    (void)state;
    set(&m, "active_power_mw", 40);
    set(&m, "power_rel_sd", 0.2);
    r = ask(&m, &network, NULL);
    assert_near(r.energy_mj.value, r.latency_ms.value * 40 / 1000);
    assert_near(log(r.energy_mj.high / r.energy_mj.value),
                1.2815515655446004 * sqrt(0.1 * 0.1 + 0.2 * 0.2));
}

static void mcu_computes_floats_where_not_all_is_integer(void **state)
{
    struct machine m = small_mcu();
    struct pare_hw_kernel kernel = conv8;
    struct pare_hw_network network = {.n_kernels = 1, .kernels = &kernel};
    struct pare_hw_result r;
    double ms;

    (void)state;
    kernel.weight_bits = kernel.activation_bits = 32;
    kernel.weight_bytes *= 4;
    r = ask(&m, &network, &ms);
    assert_near(ms, (115200 * 7.0 + 1600 * 6 + 4864 * 0.5 + 100) / 1e5);
    assert_string_equal(r.tier, "datasheet");
    assert_near(log(r.latency_ms.high / r.latency_ms.value), 1.2815515655446004 * 0.5);
    kernel.weight_bits = 8; /* unpacked to floats */
    kernel.weight_bytes = 1216;
    r = ask(&m, &network, &ms);
    assert_near(ms, (115200 * 7.0 + 1600 * 6 + 1216 * 0.5 + 1152 * 2 + 100) / 1e5);
}

static void mcu_unpacks_small_and_sparse_weights(void **state)
{
    struct machine m = small_mcu();
    struct pare_hw_kernel kernel = conv8;
    struct pare_hw_network network = {.n_kernels = 1, .kernels = &kernel};
    const struct pare_option *skips = pare_option_find(m.model->options, "skips_zeros");
    double ms;

    (void)state;
    kernel.weight_bits = 4;
    kernel.weight_bytes = 576 + 64;
    ask(&m, &network, &ms);
    assert_near(ms, (115200 * 1.5 + 16000 + 640 * 0.5 + 1152 * 2 + 100) / 1e5);
    kernel.weight_bits = 8;
    kernel.density = 0.25;
    kernel.weight_bytes = 288 + 144 + 64;
    ask(&m, &network, &ms);
    assert_near(ms, (115200 * 1.5 + 16000 + 496 * 0.5 + 288 * 2 + 100) / 1e5);
    memcpy((char *)m.options + skips->offset, &(bool){true}, sizeof(bool));
    ask(&m, &network, &ms);
    assert_near(ms, (28800 * 1.5 + 16000 + 496 * 0.5 + 288 * 2 + 100) / 1e5);
}

static void mcu_says_what_does_not_fit(void **state)
{
    struct machine m = small_mcu();
    struct pare_hw_network network = {.n_kernels = 1,
                                      .kernels = &conv8,
                                      .peak_activation_bytes = 54 * 1024 + 1,
                                      .weight_bytes = 1000};
    struct pare_hw_result r;

    (void)state;
    r = ask(&m, &network, NULL);
    assert_string_equal(r.limit, "needs 65 KiB SRAM, has 64");
    network.weight_bytes = 207 * 1024;
    r = ask(&m, &network, NULL);
    assert_string_equal(r.limit, "needs 65 KiB SRAM, has 64; needs 257 KiB flash, has 256");
    network.peak_activation_bytes = 54 * 1024;
    r = ask(&m, &network, NULL);
    assert_string_equal(r.limit, "needs 257 KiB flash, has 256");
}

static void roofline_takes_the_slower_of_arithmetic_and_traffic(void **state)
{
    struct machine m = machine_of("cpu-roofline");
    struct pare_hw_kernel kernels[4];
    struct pare_hw_network network = {.n_kernels = 4,
                                      .kernels = kernels,
                                      .peak_activation_bytes = 100000,
                                      .weight_bytes = 900000};
    struct pare_hw_result r;
    double ms[4];

    (void)state;
    set(&m, "clock_ghz", 2);
    memcpy((char *)m.options + pare_option_find(m.model->options, "cores")->offset, &(int){3},
           sizeof(int));
    set(&m, "peak_mac_per_cycle_f32", 10);
    set(&m, "peak_mac_per_cycle_int8", 40);
    set(&m, "efficiency_conv_f32", 0.5);
    set(&m, "efficiency_depthwise_f32", 0.1);
    set(&m, "efficiency_gemm_int8", 0.25);
    set(&m, "memory_gb_s", 4);
    set(&m, "overhead_us_f32", 3);
    set(&m, "overhead_us_int8", 1);
    for (int i = 0; i < 4; i++) {
        kernels[i] = conv8;
        kernels[i].weight_bits = kernels[i].activation_bits = 32;
    }
    kernels[0].macs = 30000000; /* 30e6 / (60e9 * 0.5) = 1 ms */
    kernels[1].macs = 600000;   /* 600e3 / (60e9 * 0.1) = 0.1 ms */
    kernels[1].kind = PARE_HW_DEPTHWISE;
    kernels[2].macs = 1000; /* traffic: 4e6 / 4e9 = 1 ms */
    kernels[2].weight_bytes = 4000000 - kernels[2].input_bytes - kernels[2].output_bytes;
    kernels[3].macs = 6000000; /* 6e6 / (240e9 * 0.25) = 0.1 ms */
    kernels[3].kind = PARE_HW_GEMM;
    kernels[3].weight_bits = kernels[3].activation_bits = 8;
    r = ask(&m, &network, ms);
    assert_near(ms[0], 1.003);
    assert_near(ms[1], 0.103);
    assert_near(ms[2], 1.003);
    assert_near(ms[3], 0.101);
    assert_near(r.latency_ms.value, 1.003 + 0.103 + 1.003 + 0.101);
    assert_near(r.cycles.value, r.latency_ms.value * 2e6);
    assert_near(r.memory_bytes.value, 1e6);
    assert_true(isnan(r.energy_mj.value));
    assert_string_equal(r.tier, "datasheet");
    set(&m, "cache_mib", 1); /* now all fits into the cache */
    set(&m, "cache_gb_s", 40);
    set(&m, "memory_mib", 0.5);
    set(&m, "active_power_w", 2);
    r = ask(&m, &network, ms);
    assert_near(ms[2], 0.103);
    assert_near(r.energy_mj.value, r.latency_ms.value * 2);
    assert_string_equal(r.limit, "needs 1.0 MiB memory, has 0.5");
}

static void tables_of_the_models_are_complete(void **state)
{
    (void)state;
    assert_non_null(pare_registry_hwmodel(registry, "mcu"));
    assert_non_null(pare_registry_hwmodel(registry, "cpu-roofline"));
    assert_null(pare_registry_hwmodel(registry, "gpu"));
}

/* ---- Lowering ---- */

static struct pare_graph *zoo(const char *name)
{
    struct pare_graph *graph;
    struct pare_error err = {0};

    assert_ok(pare_zoo_build(&graph, name, NULL, 0, 1, &err), &err);
    return graph;
}

/* As a quantizer would leave it, without the numbers. */
static void make_int8(struct pare_graph *graph)
{
    for (int i = 0; i < graph->n_values; i++) {
        struct pare_value *value = graph->values[i];

        if (!value->data) {
            value->quant.bits = 8;
            value->quant.scale = 1;
        } else if (value->data->shape.n_dims >= 2) {
            value->coding.bits = 8;
            value->coding.is_symmetric = true;
        }
    }
}

static struct pare_hw_lowered lower(const struct pare_graph *graph)
{
    struct pare_hw_lowered lowered;
    struct pare_error err = {0};

    assert_ok(pare_hw_lower(&lowered, graph, &err), &err);
    return lowered;
}

static void lenet5_becomes_six_kernels(void **state)
{
    struct pare_graph *graph = zoo("lenet5");
    struct pare_hw_lowered lowered = lower(graph);
    const struct pare_hw_network *network = &lowered.network;
    const struct pare_hw_kernel *k = network->kernels;

    (void)state;
    /* conv 20, pool, conv 50, pool, 500 with relu, 10; flatten is a view */
    assert_int_equal(k[0].kind, PARE_HW_CONV);
    assert_int_equal(k[0].m, 24 * 24);
    assert_int_equal(k[0].n, 20);
    assert_int_equal(k[0].k, 25);
    assert_int_equal(k[0].channels, 1);
    assert_int_equal(k[0].macs, 576 * 20 * 25);
    assert_int_equal(k[0].weight_bytes, (500 + 20) * 4);
    assert_int_equal(k[0].input_bytes, 784 * 4);
    assert_int_equal(k[0].output_bytes, 11520 * 4);
    assert_int_equal(k[0].weight_bits, 32);
    assert_int_equal(k[1].kind, PARE_HW_POOL);
    assert_int_equal(k[2].channels, 20);
    assert_int_equal(network->n_kernels, 6);
    assert_int_equal(k[4].kind, PARE_HW_GEMM);
    assert_int_equal(k[4].n, 500);
    assert_int_equal(k[4].k, 800);
    assert_int_equal(network->weight_bytes, 431080 * 4);
    /* the first convolution with its input, or the pool behind it */
    assert_int_equal(network->peak_activation_bytes, (11520 + 2880) * 4);
    pare_hw_lowered_clear(&lowered);
    pare_graph_free(graph);
}

static void macs_of_the_kernels_are_those_of_the_graph(void **state)
{
    static const char *const names[] = {"lenet-300-100", "lenet5",           "resnet8",
                                        "ds-cnn",        "mobilenetv1-0.25", "fc-autoencoder"};

    (void)state;
    for (int i = 0; i < 6; i++) {
        struct pare_graph *graph = zoo(names[i]);
        struct pare_hw_lowered lowered = lower(graph);
        int64_t macs = 0;

        for (int k = 0; k < lowered.network.n_kernels; k++)
            macs += lowered.network.kernels[k].macs;
        assert_int_equal(macs, pare_graph_macs(graph));
        pare_hw_lowered_clear(&lowered);
        pare_graph_free(graph);
    }
}

static void batch_norm_and_relu_are_no_kernels_of_their_own(void **state)
{
    struct pare_graph *graph = zoo("ds-cnn");
    struct pare_hw_lowered lowered = lower(graph);
    int n_depthwise = 0, n_conv = 0;

    (void)state;
    for (int i = 0; i < lowered.network.n_kernels; i++) {
        n_depthwise += lowered.network.kernels[i].kind == PARE_HW_DEPTHWISE;
        n_conv += lowered.network.kernels[i].kind == PARE_HW_CONV;
    }
    assert_int_equal(n_depthwise, 4);
    assert_int_equal(n_conv, 5);
    /* also: average pool, Gemm, and Softmax where the zoo's network has one */
    assert_in_range(lowered.network.n_kernels, 11, 12);
    pare_hw_lowered_clear(&lowered);
    pare_graph_free(graph);
}

static void a_residual_keeps_its_input_alive(void **state)
{
    struct pare_graph *graph = zoo("resnet8");
    struct pare_hw_lowered lowered;

    (void)state;
    make_int8(graph);
    lowered = lower(graph);
    /* three maps of 32x32x16 bytes live while the second convolution of the first stack runs */
    assert_int_equal(lowered.network.peak_activation_bytes, 3 * 16384);
    pare_hw_lowered_clear(&lowered);
    pare_graph_free(graph);
}

static void codings_decide_the_bytes(void **state)
{
    struct pare_graph *graph = zoo("lenet-300-100");
    struct pare_hw_lowered lowered;
    struct pare_value *w = NULL;
    float *data;
    struct pare_error err = {0};

    (void)state;
    for (int i = 0; !w; i++)
        if (graph->nodes[i]->op == PARE_OP_GEMM)
            w = graph->nodes[i]->inputs[1];
    make_int8(graph);
    w->coding.bits = 4;
    w->coding.n_scales = 300;
    lowered = lower(graph);
    assert_int_equal(lowered.network.kernels[0].weight_bits, 4);
    assert_int_equal(lowered.network.kernels[0].weight_bytes, 784 * 300 / 2 + 300 * 4 + 300 * 4);
    assert_int_equal(lowered.network.kernels[0].input_bytes, 784);
    assert_int_equal(lowered.network.kernels[0].output_bytes, 300);
    pare_hw_lowered_clear(&lowered);

    assert_ok(pare_value_own_data(w, &err), &err);
    data = pare_tensor_f32(w->data);
    for (int64_t i = 0; i < 784 * 300; i++)
        data[i] = i % 10 == 0 ? 1 : 0;
    w->coding = (struct pare_coding){.bits = 32, .axis = -1, .is_sparse = true};
    lowered = lower(graph);
    assert_true(fabs(lowered.network.kernels[0].density - 0.1) < 1e-12);
    assert_int_equal(lowered.network.kernels[0].weight_bytes,
                     784 * 300 / 10 * 4 + 784 * 300 / 8 + 300 * 4);
    pare_hw_lowered_clear(&lowered);
    pare_graph_free(graph);
}

static struct pare_value *weight_of(struct pare_graph *graph, int64_t rows, int64_t columns)
{
    struct pare_shape shape = pare_shape_of(2, rows, columns);
    struct pare_tensor *data;
    struct pare_error err = {0};

    assert_ok(pare_tensor_new(&data, PARE_F32, &shape, &err), &err);
    for (int64_t i = 0; i < rows * columns; i++)
        pare_tensor_f32(data)[i] = 1;
    return pare_graph_weight(graph, NULL, data);
}

/* [N, 12, 8] x [8, 6] -> view [N, 72] -> twice the same, added */
static void matrix_products_views_and_sums_are_lowered(void **state)
{
    struct pare_graph *graph = pare_graph_new("products");
    struct pare_shape shape = pare_shape_of(3, (int64_t)PARE_DIM_BATCH, (int64_t)12, (int64_t)8);
    struct pare_value *x = pare_graph_input(graph, "x", &shape);
    struct pare_value *y = pare_graph_node(graph, PARE_OP_MATMUL, "product",
                                           (struct pare_value *[]){x, weight_of(graph, 8, 6)}, 2)
                               ->outputs[0];
    struct pare_node *view = pare_graph_node(graph, PARE_OP_RESHAPE, "view", &y, 1);
    struct pare_value *z = view->outputs[0], *sum;
    struct pare_hw_lowered lowered;
    const struct pare_hw_kernel *k;
    struct pare_error err = {0};

    (void)state;
    pare_node_set_ints(graph, view, "shape", (const int64_t[]){-1, 72}, 2);
    sum = pare_graph_node(graph, PARE_OP_ADD, "sum", (struct pare_value *[]){z, z}, 2)->outputs[0];
    pare_graph_output(graph, sum);
    assert_ok(pare_graph_finish(graph, &err), &err);
    lowered = lower(graph);
    k = lowered.network.kernels;
    assert_int_equal(lowered.network.n_kernels, 2);
    assert_int_equal(k[0].kind, PARE_HW_GEMM);
    assert_int_equal(k[0].m, 12);
    assert_int_equal(k[0].n, 6);
    assert_int_equal(k[0].k, 8);
    assert_int_equal(k[0].weight_bytes, 48 * 4);
    assert_int_equal(k[1].kind, PARE_HW_ELEMENTWISE);
    assert_int_equal(k[1].input_bytes, 2 * 72 * 4);
    assert_int_equal(lowered.network.peak_activation_bytes, (96 + 72) * 4);
    pare_hw_lowered_clear(&lowered);
    pare_graph_free(graph);
}

/* ---- Against published measurements ---- */

#define MAX_POINTS 16
#define MAX_COSTS  6

/* One measured latency of one network. */
struct point {
    const struct pare_hw_network *network;
    int group; /* points of one network are left out together */
    double latency_ms;
};

/* A cost that is fitted; `tied` has the same value. */
struct cost {
    const char *name, *tied;
    double prior, log_sd;
};

struct fit {
    const struct pare_hwmodel *model;
    double options[MAX_OPTIONS];
    int n_costs, n_points;
    const struct cost *costs;
    struct point points[MAX_POINTS];
};

static void put_costs(struct fit *fit, const double *log_costs)
{
    for (int i = 0; i < fit->n_costs; i++) {
        *number(fit->model, fit->options, fit->costs[i].name) = exp(log_costs[i]);
        if (fit->costs[i].tied)
            *number(fit->model, fit->options, fit->costs[i].tied) = exp(log_costs[i]);
    }
}

static double log_latency(const struct fit *fit, const struct point *point)
{
    struct pare_hw_result result;

    fit->model->estimate(fit->options, point->network, &result, NULL, NULL);
    return log(result.latency_ms.value);
}

/* x := A^-1 b for a positive definite n x n matrix. */
static void solve(double *a, double *b, int n)
{
    for (int p = 0; p < n; p++)
        for (int i = 0; i < n; i++) {
            double factor = a[i * n + p] / a[p * n + p];

            if (i == p)
                continue;
            for (int j = 0; j < n; j++)
                a[i * n + j] -= factor * a[p * n + j];
            b[i] -= factor * b[p];
        }
    for (int i = 0; i < n; i++)
        b[i] /= a[i * n + i];
}

/* Gauss-Newton on log costs: residuals of log latency over `noise`, and of the costs to their
 * priors; points of `left_out` are not seen. */
static void fit_costs(struct fit *fit, int left_out, double noise)
{
    double x[MAX_COSTS];
    const int n = fit->n_costs;

    for (int i = 0; i < n; i++)
        x[i] = log(fit->costs[i].prior);
    for (int round = 0; round < 40; round++) {
        double a[MAX_COSTS * MAX_COSTS] = {0}, b[MAX_COSTS] = {0};

        for (int i = 0; i < n; i++) {
            double weight = 1 / (fit->costs[i].log_sd * fit->costs[i].log_sd);

            a[i * n + i] = weight;
            b[i] = -weight * (x[i] - log(fit->costs[i].prior));
        }
        for (int p = 0; p < fit->n_points; p++) {
            double slope[MAX_COSTS], residual;

            if (fit->points[p].group == left_out)
                continue;
            put_costs(fit, x);
            residual = log(fit->points[p].latency_ms) - log_latency(fit, &fit->points[p]);
            for (int i = 0; i < n; i++) {
                double keep = x[i], low;

                x[i] = keep - 1e-5;
                put_costs(fit, x);
                low = log_latency(fit, &fit->points[p]);
                x[i] = keep + 1e-5;
                put_costs(fit, x);
                slope[i] = (log_latency(fit, &fit->points[p]) - low) / 2e-5;
                x[i] = keep;
            }
            for (int i = 0; i < n; i++) {
                b[i] += slope[i] * residual / (noise * noise);
                for (int j = 0; j < n; j++)
                    a[i * n + j] += slope[i] * slope[j] / (noise * noise);
            }
        }
        solve(a, b, n);
        for (int i = 0; i < n; i++)
            x[i] += fmax(-0.5, fmin(0.5, b[i]));
    }
    put_costs(fit, x);
}

struct errors {
    double mape, log_rms;
};

/* Each network estimated from the others. */
static struct errors leave_one_out(struct fit *fit, double noise)
{
    struct errors errors = {0};

    for (int p = 0; p < fit->n_points; p++) {
        double residual;

        fit_costs(fit, fit->points[p].group, noise);
        residual = log_latency(fit, &fit->points[p]) - log(fit->points[p].latency_ms);
        errors.mape += fabs(exp(residual) - 1) / fit->n_points;
        errors.log_rms += residual * residual / fit->n_points;
    }
    errors.log_rms = sqrt(errors.log_rms);
    return errors;
}

/* MACs times one constant: what any model has to beat. */
static double baseline_mape(const struct fit *fit)
{
    double mape = 0;

    for (int p = 0; p < fit->n_points; p++) {
        double sum = 0, macs[2] = {0};
        int n = 0;

        for (int q = 0; q < fit->n_points; q++) {
            double m = 0;

            for (int k = 0; k < fit->points[q].network->n_kernels; k++)
                m += (double)fit->points[q].network->kernels[k].macs;
            if (q == p)
                macs[0] = m;
            if (fit->points[q].group != fit->points[p].group) {
                sum += log(fit->points[q].latency_ms / m);
                n++;
            }
        }
        mape += fabs(macs[0] * exp(sum / n) / fit->points[p].latency_ms - 1) / fit->n_points;
    }
    return mape;
}

/* Splits a line of CSV in place; a cell may stand in quotes. */
static int split_line(char *line, char **cells, int max)
{
    int n = 0;

    while (n < max) {
        bool is_quoted = *line == '"';

        cells[n++] = line + is_quoted;
        line += is_quoted;
        line += strcspn(line, is_quoted ? "\"" : ",\r\n");
        if (is_quoted && *line)
            *line++ = '\0';
        if (*line != ',')
            break;
        *line++ = '\0';
    }
    line[strcspn(line, "\r\n")] = '\0';
    return n;
}

static FILE *open_published(const char *name)
{
    const char *root = check_data_dir();
    char path[4096];
    FILE *file = NULL;

    snprintf(path, sizeof path, "%s/hw/published/%s", root ? root : "", name);
    if (root)
        file = fopen(path, "r");
    if (!file) {
        print_message("SKIPPED: no file %s\n", path);
        skip();
    }
    return file;
}

/* Skips before anything is opened that a skip would leave behind. */
static void need_published(const char *name)
{
    fclose(open_published(name));
}

static const char *const tiny_names[] = {"ic", "kws", "vww", "ad"};

/* Adds Bosch's rows for one board: "DISCO_F746NG", "NUCLEO_L4R5ZI". */
static void add_tiny_rows(struct fit *fit, const struct pare_hw_lowered *networks,
                          const char *board)
{
    FILE *file = open_published("mlperf_tiny.csv");
    char line[4096], *c[32];

    while (fgets(line, sizeof line, file)) {
        if (split_line(line, c, 32) < 24 || strcmp(c[1], "closed") != 0 ||
            strcmp(c[2], "bosch") != 0 || strncmp(c[3], board, strlen(board)) != 0 ||
            strstr(c[3], "max_performance") || strstr(c[3], "min_ram") ||
            strcmp(c[12], "int8") != 0 || strcmp(c[23], "yes") != 0)
            continue;
        for (int i = 0; i < 4; i++)
            if (strcmp(c[10], tiny_names[i]) == 0 && fit->n_points < MAX_POINTS)
                fit->points[fit->n_points++] = (struct point){&networks[i].network, i, atof(c[15])};
    }
    fclose(file);
}

static void lower_tiny(struct pare_hw_lowered *out)
{
    static const char *const zoo_names[] = {"resnet8", "ds-cnn", "mobilenetv1-0.25",
                                            "fc-autoencoder"};

    for (int i = 0; i < 4; i++) {
        struct pare_graph *graph = zoo(zoo_names[i]);

        make_int8(graph);
        out[i] = lower(graph);
        pare_graph_free(graph);
    }
}

/* The device file holds what the fit gives. */
static void check_costs(const struct fit *fit, const struct pare_device *device)
{
    bool is_good = true;

    for (int i = 0; i < fit->n_costs; i++) {
        double fitted = *number(fit->model, (double *)fit->options, fit->costs[i].name);
        double stated = *number(fit->model, device->options, fit->costs[i].name);

        print_message("  %s: fitted %.4g, device file %.4g\n", fit->costs[i].name, fitted, stated);
        is_good &= fabs(log(fitted / stated)) < 0.02;
        if (fit->costs[i].tied)
            is_good &= *number(fit->model, device->options, fit->costs[i].tied) == stated;
    }
    assert_true(is_good);
}

/* The stated interval holds most of the measured points. */
static void check_intervals(const struct fit *fit, const struct pare_device *device)
{
    int n_inside = 0;

    for (int p = 0; p < fit->n_points; p++) {
        struct pare_hw_result r;

        device->model->estimate(device->options, fit->points[p].network, &r, NULL, NULL);
        n_inside += fit->points[p].latency_ms >= r.latency_ms.low &&
                    fit->points[p].latency_ms <= r.latency_ms.high;
    }
    assert_true(n_inside >= 0.7 * fit->n_points);
}

static void check_tiny(const char *device_name, const char *board, const struct cost *costs)
{
    struct pare_device device = open_device(device_name);
    struct pare_hw_lowered networks[4];
    struct fit fit = {.model = device.model, .n_costs = 5, .costs = costs};
    struct errors errors;
    double baseline, stated_sd = *number(device.model, device.options, "latency_rel_sd");

    memcpy(fit.options, device.options, device.model->options_bytes);
    lower_tiny(networks);
    add_tiny_rows(&fit, networks, board);
    assert_int_equal(fit.n_points, 8);
    baseline = baseline_mape(&fit);
    errors = leave_one_out(&fit, 0.05);
    print_message("%s: each network from the other three: MAPE %.1f %% (MACs x constant: %.1f %%), "
                  "log deviation %.3f (device file: %.3f)\n",
                  device_name, 100 * errors.mape, 100 * baseline, errors.log_rms, stated_sd);
    fit_costs(&fit, -1, 0.05);
    check_costs(&fit, &device);
    check_intervals(&fit, &device);
    assert_true(errors.mape < 0.12);
    assert_true(errors.mape < baseline);
    assert_true(fabs(stated_sd - errors.log_rms) < 0.011);
    for (int i = 0; i < 4; i++)
        pare_hw_lowered_clear(&networks[i]);
    pare_device_close(&device);
}

static void stm32f746_reproduces_mlperf_tiny(void **state)
{
    static const struct cost costs[] = {
        {"cycles_per_mac_conv_int8", "cycles_per_mac_gemm_int8", 1, 0.3},
        {"cycles_per_mac_narrow_int8", NULL, 2, 0.5},
        {"cycles_per_mac_depthwise_int8", NULL, 3.5, 0.7},
        {"cycles_per_output_int8", NULL, 8, 0.5},
        {"flash_cycles_per_byte", NULL, 0.4, 0.5},
    };

    (void)state;
    need_published("mlperf_tiny.csv");
    check_tiny("stm32f746", "DISCO_F746NG", costs);
}

/* The Cortex-M4 issues one instruction where the M7 issues up to two: 1.6 times the cycles. */
static void nucleo_l4r5zi_reproduces_mlperf_tiny(void **state)
{
    static const struct cost costs[] = {
        {"cycles_per_mac_conv_int8", "cycles_per_mac_gemm_int8", 1.6, 0.3},
        {"cycles_per_mac_narrow_int8", NULL, 3.2, 0.5},
        {"cycles_per_mac_depthwise_int8", NULL, 5.6, 0.7},
        {"cycles_per_output_int8", NULL, 12.8, 0.5},
        {"flash_cycles_per_byte", NULL, 0.64, 0.5},
    };

    (void)state;
    need_published("mlperf_tiny.csv");
    check_tiny("nucleo-l4r5zi", "NUCLEO_L4R5ZI", costs);
}

/* Energy runs of every submitter on this board: power is nearly the same for all networks. */
static void check_power(void)
{
    struct pare_device device = open_device("nucleo-l4r5zi");
    double power = *number(device.model, device.options, "active_power_mw");
    double sum = 0, square = 0, mape = 0;
    FILE *file = open_published("mlperf_tiny.csv");
    char line[4096], *c[32];
    int n = 0;

    while (fgets(line, sizeof line, file)) {
        double measured;

        if (split_line(line, c, 32) < 24 || strcmp(c[1], "closed") != 0 || !strstr(c[4], "L4R5") ||
            strcmp(c[12], "int8") != 0 || strcmp(c[23], "yes") != 0 || !*c[17] || !*c[18])
            continue;
        measured = atof(c[17]) * atof(c[18]) / 1000; /* uJ x 1/s */
        sum += log(measured);
        square += log(measured) * log(measured);
        mape += fabs(power / measured - 1);
        n++;
    }
    fclose(file);
    assert_int_equal(n, 44);
    print_message("nucleo-l4r5zi: power of %d energy runs: MAPE %.1f %%\n", n, 100 * mape / n);
    assert_true(fabs(sum / n - log(power)) < 0.01);
    assert_true(fabs(sqrt(square / n - sum / n * sum / n) -
                     *number(device.model, device.options, "power_rel_sd")) < 0.01);
    assert_true(mape / n < 0.2);
    pare_device_close(&device);
}

static void nucleo_l4r5zi_power_is_that_of_the_energy_runs(void **state)
{
    (void)state;
    need_published("mlperf_tiny.csv");
    check_power();
}

/* MobileNetV1 of any width and resolution, as TFLite runs it. */
static int mobilenet_kernels(struct pare_hw_kernel *out, double alpha, int resolution, int bits)
{
    static const int blocks[13][2] = {{1, 64},  {2, 128},  {1, 128}, {2, 256}, {1, 256},
                                      {2, 512}, {1, 512},  {1, 512}, {1, 512}, {1, 512},
                                      {1, 512}, {2, 1024}, {1, 1024}};
    const int bytes = bits == 8 ? 1 : 4;
    int64_t side = (resolution + 1) / 2, c = (int64_t)(32 * alpha);
    int n = 0;

#define KERNEL(KIND, M, N, K, INPUT)                                            \
    out[n++] = (struct pare_hw_kernel){.kind = KIND,                            \
                                       .macs = (M) * (N) * (K),                 \
                                       .density = 1,                            \
                                       .m = M,                                  \
                                       .n = N,                                  \
                                       .k = K,                                  \
                                       .weight_bits = bits,                     \
                                       .activation_bits = bits,                 \
                                       .weight_bytes = (N) * (K)*bytes + (N)*4, \
                                       .input_bytes = (INPUT)*bytes,            \
                                       .output_bytes = (M) * (N)*bytes}
    KERNEL(PARE_HW_CONV, side * side, c, 27, 3L * resolution * resolution);
    for (int b = 0; b < 13; b++) {
        int64_t next = (side + blocks[b][0] - 1) / blocks[b][0];
        int64_t wide = (int64_t)(blocks[b][1] * alpha);

        KERNEL(PARE_HW_DEPTHWISE, next * next, c, 9, side * side * c);
        KERNEL(PARE_HW_CONV, next * next, wide, c, next * next * c);
        side = next;
        c = wide;
    }
    KERNEL(PARE_HW_POOL, 0, c, 0, side * side * c);
    KERNEL(PARE_HW_GEMM, 1, 1001, c, c);
#undef KERNEL
    return n;
}

static void check_pixel3(const char *dtype, int bits, const struct cost *costs)
{
    static struct pare_hw_kernel kernels[12][32];
    static struct pare_hw_network networks[12];
    struct pare_device device = open_device("pixel3");
    struct fit fit = {.model = device.model, .n_costs = 3, .costs = costs};
    FILE *file = open_published("mobile_cpu.csv");
    char line[4096], *c[32];
    struct errors errors;
    double baseline;

    memcpy(fit.options, device.options, device.model->options_bytes);
    while (fgets(line, sizeof line, file)) {
        double alpha;
        int resolution;

        if (split_line(line, c, 32) < 19 || strcmp(c[0], "Pixel 3") != 0 ||
            strcmp(c[3], "TFLite CPU") != 0 || strcmp(c[7], dtype) != 0 ||
            strcmp(c[9], "latency") != 0 || strcmp(c[18], "yes") != 0 || fit.n_points == 12 ||
            sscanf(c[4], "MobileNetV1_%lf_%d", &alpha, &resolution) != 2)
            continue;
        networks[fit.n_points].kernels = kernels[fit.n_points];
        networks[fit.n_points].n_kernels =
            mobilenet_kernels(kernels[fit.n_points], alpha, resolution, bits);
        fit.points[fit.n_points] =
            (struct point){&networks[fit.n_points], fit.n_points, atof(c[10])};
        fit.n_points++;
    }
    fclose(file);
    assert_int_equal(fit.n_points, 12);
    baseline = baseline_mape(&fit);
    errors = leave_one_out(&fit, 0.05);
    print_message("pixel3 %s: each network from the other eleven: MAPE %.1f %% (MACs x constant: "
                  "%.1f %%), log deviation %.3f\n",
                  dtype, 100 * errors.mape, 100 * baseline, errors.log_rms);
    fit_costs(&fit, -1, 0.05);
    check_costs(&fit, &device);
    check_intervals(&fit, &device);
    assert_true(errors.mape < 0.12);
    assert_true(errors.mape < baseline);
    assert_true(*number(device.model, device.options, "latency_rel_sd") >= errors.log_rms - 0.011);
    pare_device_close(&device);
}

static void pixel3_reproduces_tflite_in_floats(void **state)
{
    static const struct cost costs[] = {
        {"efficiency_conv_f32", "efficiency_gemm_f32", 0.4, 0.7},
        {"efficiency_depthwise_f32", NULL, 0.05, 1},
        {"overhead_us_f32", NULL, 2, 1},
    };

    (void)state;
    need_published("mobile_cpu.csv");
    check_pixel3("fp32", 32, costs);
}

static void pixel3_reproduces_tflite_in_integers(void **state)
{
    static const struct cost costs[] = {
        {"efficiency_conv_int8", "efficiency_gemm_int8", 0.3, 0.7},
        {"efficiency_depthwise_int8", NULL, 0.02, 1},
        {"overhead_us_int8", NULL, 2, 1},
    };

    (void)state;
    need_published("mobile_cpu.csv");
    check_pixel3("int8", 8, costs);
}

/* Every device file that pare brings opens and answers for a real network. */
static void every_device_file_answers(void **state)
{
    struct pare_graph *graph = zoo("lenet5");
    char **names;
    int n = pare_device_names(&names);

    (void)state;
    assert_true(n >= 3);
    for (int i = 0; i < n; i++) {
        struct pare_device device = open_device(names[i]);
        struct pare_hw_result r;
        struct pare_error err = {0};

        assert_string_equal(device.id, names[i]);
        assert_ok(pare_hw_estimate(&r, &device, graph, &err), &err);
        assert_true(r.latency_ms.value > 0 && r.latency_ms.low <= r.latency_ms.value &&
                    r.latency_ms.high >= r.latency_ms.value);
        pare_device_close(&device);
        free(names[i]);
    }
    free(names);
    pare_graph_free(graph);
}

static void lenet5_in_floats_does_not_fit_a_megabyte_of_flash(void **state)
{
    struct pare_device device = open_device("stm32f746");
    struct pare_graph *graph = zoo("lenet5");
    struct pare_hw_result r;
    struct pare_error err = {0};

    (void)state;
    assert_ok(pare_hw_estimate(&r, &device, graph, &err), &err);
    assert_non_null(strstr(r.limit, "KiB flash, has 1024"));
    assert_string_equal(r.tier, "datasheet");
    make_int8(graph);
    assert_ok(pare_hw_estimate(&r, &device, graph, &err), &err);
    assert_string_equal(r.limit, "");
    assert_string_equal(r.tier, "calibrated");
    pare_device_close(&device);
    pare_graph_free(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_the_models_are_complete),
        cmocka_unit_test(mcu_adds_up_what_each_kind_of_kernel_costs),
        cmocka_unit_test(mcu_energy_is_power_times_time),
        cmocka_unit_test(mcu_computes_floats_where_not_all_is_integer),
        cmocka_unit_test(mcu_unpacks_small_and_sparse_weights),
        cmocka_unit_test(mcu_says_what_does_not_fit),
        cmocka_unit_test(roofline_takes_the_slower_of_arithmetic_and_traffic),
        cmocka_unit_test(lenet5_becomes_six_kernels),
        cmocka_unit_test(macs_of_the_kernels_are_those_of_the_graph),
        cmocka_unit_test(batch_norm_and_relu_are_no_kernels_of_their_own),
        cmocka_unit_test(a_residual_keeps_its_input_alive),
        cmocka_unit_test(codings_decide_the_bytes),
        cmocka_unit_test(matrix_products_views_and_sums_are_lowered),
        cmocka_unit_test(every_device_file_answers),
        cmocka_unit_test(lenet5_in_floats_does_not_fit_a_megabyte_of_flash),
        cmocka_unit_test(stm32f746_reproduces_mlperf_tiny),
        cmocka_unit_test(nucleo_l4r5zi_reproduces_mlperf_tiny),
        cmocka_unit_test(nucleo_l4r5zi_power_is_that_of_the_energy_runs),
        cmocka_unit_test(pixel3_reproduces_tflite_in_floats),
        cmocka_unit_test(pixel3_reproduces_tflite_in_integers),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
