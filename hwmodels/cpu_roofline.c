/* cpu-roofline: every kernel takes as long as the slower of its arithmetic and its memory traffic.
 *
 *   latency = sum over kernels of
 *       max( MACs / (cores x clock x peak MACs per cycle x efficiency),  bytes / bandwidth ) + overhead
 *
 * Bytes are inputs, weights and outputs, each once.  The bandwidth is the cache's when all weights
 * and the live activations fit there together, else that of main memory.  The integer peak counts
 * when weights and activations have at most 8 bits.  Zeros are not skipped: unstructured sparsity
 * shows only in the bytes.
 *
 * Source: Williams, Waterman, Patterson, CACM 2009; efficiencies and overheads are fitted. */
#include <math.h>
#include <stdio.h>

#include <pare/hwmodel.h>

/* 80 % of a normal distribution lie within so many deviations. */
#define Z80 1.2815515655446004

struct device {
    double clock_ghz;
    int cores;
    double peak_mac_per_cycle_f32, peak_mac_per_cycle_int8;
    double efficiency_conv_f32, efficiency_depthwise_f32, efficiency_gemm_f32;
    double efficiency_conv_int8, efficiency_depthwise_int8, efficiency_gemm_int8;
    double cache_mib, cache_gb_s, memory_gb_s, memory_mib;
    double overhead_us_f32, overhead_us_int8;
    double active_power_w;
    double latency_rel_sd, power_rel_sd;
    int tier; /* index into tiers */
};

static const char *const tiers[] = {"calibrated", "transferred", "datasheet", NULL};

#define EFFICIENCY(FIELD, DEFAULT, WHAT)                                                       \
    PARE_OPT(struct device, FIELD, .def = (DEFAULT), .min = 1e-4, .max = 1, .unit = "of peak", \
             .help = WHAT)

static const struct pare_option schema[] = {
    PARE_OPT(struct device, clock_ghz, .required = true, .min = 0.01, .max = 100, .unit = "GHz",
             .help = "sustained core clock"),
    PARE_OPT(struct device, cores, .def = 1, .min = 1, .max = 1024,
             .help = "cores that one inference uses"),
    PARE_OPT(struct device, peak_mac_per_cycle_f32, .required = true, .min = 0.1, .max = 1e5,
             .help = "f32 multiply-accumulates per cycle and core"),
    PARE_OPT(struct device, peak_mac_per_cycle_int8, .required = true, .min = 0.1, .max = 1e5,
             .help = "int8 multiply-accumulates per cycle and core"),
    EFFICIENCY(efficiency_conv_f32, 0.4, "convolution in f32"),
    EFFICIENCY(efficiency_depthwise_f32, 0.05, "depthwise convolution in f32"),
    EFFICIENCY(efficiency_gemm_f32, 0.4, "fully connected in f32, where arithmetic limits it"),
    EFFICIENCY(efficiency_conv_int8, 0.3, "convolution in int8"),
    EFFICIENCY(efficiency_depthwise_int8, 0.02, "depthwise convolution in int8"),
    EFFICIENCY(efficiency_gemm_int8, 0.3, "fully connected in int8, where arithmetic limits it"),
    PARE_OPT(struct device, cache_mib, .def = 0, .min = 0, .max = 1e6, .unit = "MiB",
             .help = "last cache level of those cores; 0: all comes from main memory"),
    PARE_OPT(struct device, cache_gb_s, .def = 0, .min = 0, .max = 1e6, .unit = "GB/s",
             .help = "bandwidth of that cache; 0: as main memory"),
    PARE_OPT(struct device, memory_gb_s, .required = true, .min = 0.01, .max = 1e6, .unit = "GB/s",
             .help = "sustained bandwidth of main memory"),
    PARE_OPT(struct device, memory_mib, .def = 0, .min = 0, .max = 1e9, .unit = "MiB",
             .help = "main memory; 0: never the limit"),
    PARE_OPT(struct device, overhead_us_f32, .def = 2, .min = 0, .max = 1e6, .unit = "us",
             .help = "per kernel with f32 activations"),
    PARE_OPT(struct device, overhead_us_int8, .def = 2, .min = 0, .max = 1e6, .unit = "us",
             .help = "per kernel with integer activations"),
    PARE_OPT(struct device, active_power_w, .def = 0, .min = 0, .max = 1e5, .unit = "W",
             .help = "power while inferring; 0: not known, energy is not estimated"),
    PARE_OPT(struct device, latency_rel_sd, .def = 0.4, .min = 0, .max = 3,
             .help = "deviation of log(measured / estimated) on networks not fitted"),
    PARE_OPT(struct device, power_rel_sd, .def = 0.2, .min = 0, .max = 3,
             .help = "deviation of log(power) between networks"),
    PARE_OPT(struct device, tier, .choices = tiers, .def = 2,
             .help = "where the efficiencies come from"),
    PARE_OPT_END,
};

static double efficiency(const struct device *device, const struct pare_hw_kernel *kernel,
                         bool integer)
{
    switch (kernel->kind) {
    case PARE_HW_DEPTHWISE:
        return integer ? device->efficiency_depthwise_int8 : device->efficiency_depthwise_f32;
    case PARE_HW_GEMM: return integer ? device->efficiency_gemm_int8 : device->efficiency_gemm_f32;
    default: return integer ? device->efficiency_conv_int8 : device->efficiency_conv_f32;
    }
}

/* Seconds of one kernel. */
static double kernel_s(const struct device *device, const struct pare_hw_kernel *kernel,
                       double bytes_per_s)
{
    bool integer = kernel->weight_bits <= 8 && kernel->activation_bits <= 8;
    double peak = integer ? device->peak_mac_per_cycle_int8 : device->peak_mac_per_cycle_f32;
    double rate = device->clock_ghz * 1e9 * device->cores * peak;
    double bytes =
        (double)kernel->input_bytes + (double)kernel->weight_bytes + (double)kernel->output_bytes;
    double compute = (double)kernel->macs / (rate * efficiency(device, kernel, integer));
    double overhead =
        kernel->activation_bits <= 8 ? device->overhead_us_int8 : device->overhead_us_f32;

    return fmax(compute, bytes / bytes_per_s) + overhead * 1e-6;
}

static struct pare_hw_estimate interval(double value, double log_sd)
{
    return (struct pare_hw_estimate){value, value * exp(-Z80 * log_sd), value * exp(Z80 * log_sd)};
}

static pare_status estimate(const void *options, const struct pare_hw_network *network,
                            struct pare_hw_result *out, double *kernel_ms, struct pare_error *err)
{
    const struct device *device = options;
    const double footprint = (double)network->peak_activation_bytes + (double)network->weight_bytes;
    const bool fits = footprint <= device->cache_mib * 1048576 && device->cache_gb_s > 0;
    const double bytes_per_s = (fits ? device->cache_gb_s : device->memory_gb_s) * 1e9;
    const double sd = device->latency_rel_sd;
    double seconds = 0;

    (void)err;
    for (int i = 0; i < network->n_kernels; i++) {
        double own = kernel_s(device, &network->kernels[i], bytes_per_s);

        seconds += own;
        if (kernel_ms)
            kernel_ms[i] = own * 1000;
    }
    out->tier = tiers[device->tier];
    out->latency_ms = interval(seconds * 1000, sd);
    out->cycles = interval(seconds * device->clock_ghz * 1e9, sd);
    out->energy_mj = interval(NAN, 0);
    if (device->active_power_w > 0)
        out->energy_mj = interval(seconds * 1000 * device->active_power_w,
                                  sqrt(sd * sd + device->power_rel_sd * device->power_rel_sd));
    out->memory_bytes = (struct pare_hw_estimate){footprint, footprint, footprint};
    out->flash_bytes = (struct pare_hw_estimate){NAN, NAN, NAN};
    out->limit[0] = '\0';
    if (device->memory_mib > 0 && footprint > device->memory_mib * 1048576)
        snprintf(out->limit, sizeof out->limit, "needs %.1f MiB memory, has %.1f",
                 footprint / 1048576, device->memory_mib);
    return PARE_OK;
}

const struct pare_hwmodel pare_hwmodel_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "cpu-roofline",
    .summary = "CPU: the slower of arithmetic and memory traffic for each kernel, plus overhead",
    .source = "Williams, Waterman, Patterson, CACM 52(4), 2009",
    .options = schema,
    .options_bytes = sizeof(struct device),
    .estimate = estimate,
};
