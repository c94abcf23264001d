/* mcu: a microcontroller that runs one kernel after the other, with nothing overlapped.
 *
 *   cycles of a kernel = MACs x cycles per MAC (by kind and type)
 *                      + outputs x cycles per output (requantisation, activation, store)
 *                      + weight bytes x cycles to stream a byte from flash
 *                      + a fixed cost
 *   latency = (sum + a fixed cost per inference) / clock
 *   energy  = active power x latency
 *   memory  = peak of the live activations + the runtime's own;  flash = weights + the runtime's
 *
 * A kernel runs on the integer path when its weights and activations have at most 8 bits, else on
 * floats.  Weights of fewer bits than their path's type, or stored sparse, are unpacked first.
 * The numbers belong to one chip with one engine: engines differ by 4x on the same chip. */
#include <math.h>
#include <stdio.h>

#include <pare/hwmodel.h>

/* 80 % of a normal distribution lie within so many deviations. */
#define Z80 1.2815515655446004

struct device {
    double clock_mhz, sram_kib, flash_kib;
    double runtime_sram_kib, runtime_flash_kib;
    double cycles_per_mac_conv_int8, cycles_per_mac_narrow_int8, cycles_per_mac_depthwise_int8;
    double cycles_per_mac_gemm_int8, cycles_per_output_int8;
    double cycles_per_mac_conv_f32, cycles_per_mac_depthwise_f32, cycles_per_mac_gemm_f32;
    double cycles_per_output_f32;
    double cycles_per_element, cycles_per_kernel, cycles_per_inference;
    double flash_cycles_per_byte, unpack_cycles_per_weight;
    bool skips_zeros;
    double active_power_mw;
    double latency_rel_sd, f32_rel_sd, power_rel_sd;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct device, clock_mhz, .required = true, .min = 1, .max = 10000, .unit = "MHz",
             .help = "core clock while inferring"),
    PARE_OPT(struct device, sram_kib, .required = true, .min = 1, .max = 1e6, .unit = "KiB",
             .help = "RAM for activations and the runtime"),
    PARE_OPT(struct device, flash_kib, .required = true, .min = 1, .max = 1e6, .unit = "KiB",
             .help = "flash for weights and code"),
    PARE_OPT(struct device, runtime_sram_kib, .def = 4, .min = 0, .max = 1e6, .unit = "KiB",
             .help = "RAM that the engine itself needs"),
    PARE_OPT(struct device, runtime_flash_kib, .def = 64, .min = 0, .max = 1e6, .unit = "KiB",
             .help = "flash that the engine's code needs"),
    PARE_OPT(struct device, cycles_per_mac_conv_int8, .def = 1, .min = 0.01, .max = 1000,
             .help = "convolution on at least 4 channels per group"),
    PARE_OPT(struct device, cycles_per_mac_narrow_int8, .def = 2, .min = 0.01, .max = 1000,
             .help = "convolution on fewer channels (the first layer): no SIMD along channels"),
    PARE_OPT(struct device, cycles_per_mac_depthwise_int8, .def = 3.5, .min = 0.01, .max = 1000,
             .help = "depthwise convolution"),
    PARE_OPT(struct device, cycles_per_mac_gemm_int8, .def = 1, .min = 0.01, .max = 1000,
             .help = "fully connected, without the streaming of its weights"),
    PARE_OPT(struct device, cycles_per_output_int8, .def = 8, .min = 0, .max = 10000,
             .help = "requantisation, activation and store of one output"),
    PARE_OPT(struct device, cycles_per_mac_conv_f32, .def = 4, .min = 0.01, .max = 1000,
             .help = "convolution in floats"),
    PARE_OPT(struct device, cycles_per_mac_depthwise_f32, .def = 6, .min = 0.01, .max = 1000,
             .help = "depthwise convolution in floats"),
    PARE_OPT(struct device, cycles_per_mac_gemm_f32, .def = 4, .min = 0.01, .max = 1000,
             .help = "fully connected in floats, without the streaming of its weights"),
    PARE_OPT(struct device, cycles_per_output_f32, .def = 4, .min = 0, .max = 10000,
             .help = "activation and store of one float output"),
    PARE_OPT(struct device, cycles_per_element, .def = 4, .min = 0, .max = 10000,
             .help = "pooling, addition, softmax: per input element"),
    PARE_OPT(struct device, cycles_per_kernel, .def = 1000, .min = 0, .max = 1e9,
             .help = "call, set-up and loop prologues of one kernel"),
    PARE_OPT(struct device, cycles_per_inference, .def = 0, .min = 0, .max = 1e12,
             .help = "once per inference"),
    PARE_OPT(struct device, flash_cycles_per_byte, .def = 0.4, .min = 0, .max = 1000,
             .help = "stall per byte of weights read from flash"),
    PARE_OPT(struct device, unpack_cycles_per_weight, .def = 2, .min = 0, .max = 1000,
             .help = "to unpack one weight of fewer bits, or to place one that is stored sparse"),
    PARE_OPT(struct device, skips_zeros, .help = "does the engine leave out zero weights?"),
    PARE_OPT(struct device, active_power_mw, .def = 0, .min = 0, .max = 1e6, .unit = "mW",
             .help = "board power while inferring; 0: not known, energy is not estimated"),
    PARE_OPT(struct device, latency_rel_sd, .def = 0.3, .min = 0, .max = 3,
             .help = "deviation of log(measured / estimated) on networks not fitted"),
    PARE_OPT(struct device, f32_rel_sd, .def = 0.5, .min = 0, .max = 3,
             .help = "the same where floats are computed, which nobody has published"),
    PARE_OPT(struct device, power_rel_sd, .def = 0.1, .min = 0, .max = 3,
             .help = "deviation of log(power) between networks"),
    PARE_OPT_END,
};

static bool is_integer(const struct pare_hw_kernel *kernel)
{
    return kernel->weight_bits <= 8 && kernel->activation_bits <= 8;
}

static double cycles_per_mac(const struct device *device, const struct pare_hw_kernel *kernel)
{
    bool integer = is_integer(kernel);

    switch (kernel->kind) {
    case PARE_HW_DEPTHWISE:
        return integer ? device->cycles_per_mac_depthwise_int8
                       : device->cycles_per_mac_depthwise_f32;
    case PARE_HW_GEMM:
        return integer ? device->cycles_per_mac_gemm_int8 : device->cycles_per_mac_gemm_f32;
    default:
        if (!integer)
            return device->cycles_per_mac_conv_f32;
        return kernel->channels < 4 ? device->cycles_per_mac_narrow_int8
                                    : device->cycles_per_mac_conv_int8;
    }
}

static double kernel_cycles(const struct device *device, const struct pare_hw_kernel *kernel)
{
    const int native_bits = is_integer(kernel) ? 8 : 32;
    double macs = (double)kernel->macs, outputs = (double)kernel->m * (double)kernel->n, cycles;

    if (kernel->kind == PARE_HW_ELEMENTWISE || kernel->kind == PARE_HW_POOL)
        return device->cycles_per_kernel +
               device->cycles_per_element *
                   ((double)kernel->input_bytes * 8 / kernel->activation_bits);
    if (device->skips_zeros)
        macs *= kernel->density;
    cycles = macs * cycles_per_mac(device, kernel);
    cycles += outputs *
              (is_integer(kernel) ? device->cycles_per_output_int8 : device->cycles_per_output_f32);
    cycles += (double)kernel->weight_bytes * device->flash_cycles_per_byte;
    if (kernel->weight_bits != native_bits || kernel->density < 1) {
        /* m = outputs per channel; every weight is used m times but unpacked once */
        double weights = kernel->m > 0 ? (double)kernel->macs / (double)kernel->m : 0;

        cycles += weights * kernel->density * device->unpack_cycles_per_weight;
    }
    return cycles + device->cycles_per_kernel;
}

static struct pare_hw_estimate interval(double value, double log_sd)
{
    return (struct pare_hw_estimate){value, value * exp(-Z80 * log_sd), value * exp(Z80 * log_sd)};
}

static void find_limit(const struct device *device, struct pare_hw_result *out)
{
    const double sram = device->sram_kib * 1024, flash = device->flash_kib * 1024;
    bool no_sram = out->memory_bytes.value > sram, no_flash = out->flash_bytes.value > flash;
    int n = 0;

    out->limit[0] = '\0';
    if (no_sram)
        n = snprintf(out->limit, sizeof out->limit, "needs %.0f KiB SRAM, has %.0f",
                     ceil(out->memory_bytes.value / 1024), device->sram_kib);
    if (no_flash)
        snprintf(out->limit + n, sizeof out->limit - (size_t)n, "%sneeds %.0f KiB flash, has %.0f",
                 no_sram ? "; " : "", ceil(out->flash_bytes.value / 1024), device->flash_kib);
}

static pare_status estimate(const void *options, const struct pare_hw_network *network,
                            struct pare_hw_result *out, double *kernel_ms, struct pare_error *err)
{
    const struct device *device = options;
    const double cycles_per_ms = device->clock_mhz * 1000;
    const double runtime = device->runtime_sram_kib * 1024;
    double cycles = device->cycles_per_inference, sd = device->latency_rel_sd;

    (void)err;
    out->tier = "calibrated";
    for (int i = 0; i < network->n_kernels; i++) {
        const struct pare_hw_kernel *kernel = &network->kernels[i];
        double own = kernel_cycles(device, kernel);

        if (kernel->macs > 0 && !is_integer(kernel)) {
            out->tier = "datasheet";
            sd = device->f32_rel_sd;
        }
        cycles += own;
        if (kernel_ms)
            kernel_ms[i] = own / cycles_per_ms;
    }
    out->cycles = interval(cycles, sd);
    out->latency_ms = interval(cycles / cycles_per_ms, sd);
    out->energy_mj = interval(NAN, 0);
    if (device->active_power_mw > 0)
        out->energy_mj = interval(out->latency_ms.value * device->active_power_mw / 1000,
                                  sqrt(sd * sd + device->power_rel_sd * device->power_rel_sd));
    /* The activations are counted, the runtime's share is a guess: from none to twice. */
    out->memory_bytes = (struct pare_hw_estimate){
        (double)network->peak_activation_bytes + runtime, (double)network->peak_activation_bytes,
        (double)network->peak_activation_bytes + 2 * runtime};
    out->flash_bytes = (struct pare_hw_estimate){
        (double)network->weight_bytes + device->runtime_flash_kib * 1024,
        (double)network->weight_bytes,
        (double)network->weight_bytes + 2 * device->runtime_flash_kib * 1024};
    find_limit(device, out);
    return PARE_OK;
}

const struct pare_hwmodel pare_hwmodel_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "mcu",
    .summary = "microcontroller: cycles per MAC by kind and type, flash streaming, peak SRAM",
    .source = "Lin et al., NeurIPS 2020 (MCUNet); Banbury et al., MLSys 2021 (MicroNets)",
    .options = schema,
    .options_bytes = sizeof(struct device),
    .estimate = estimate,
};
