/* The table of an analytic hardware model: one descriptor `pare_hwmodel_entry` in one .so.
 * A device's YAML (hwmodels/NAME.yaml) fills the option table of its model. */
#ifndef PARE_HWMODEL_H
#define PARE_HWMODEL_H

#include <pare/method.h>

/* One executed kernel, after fusion, of one sample. */
struct pare_hw_kernel {
    const char *name;
    enum { PARE_HW_CONV, PARE_HW_DEPTHWISE, PARE_HW_GEMM, PARE_HW_ELEMENTWISE, PARE_HW_POOL } kind;
    int64_t macs;                     /* dense multiply-accumulates */
    double density;                   /* fraction of weights that are not zero */
    int64_t m, n, k;                  /* GEMM view: m output pixels, n output channels, k window */
    int weight_bits, activation_bits; /* 32: f32 */
    int64_t channels;                 /* input channels per group: the length of a contiguous run */
    int64_t weight_bytes;             /* as stored in memory, with metadata and biases */
    int64_t input_bytes, output_bytes;
};

struct pare_hw_network {
    int n_kernels;
    const struct pare_hw_kernel *kernels;
    int64_t peak_activation_bytes;
    int64_t weight_bytes;
};

/* A prediction with its interval; the value is NAN where the model has nothing to say. */
struct pare_hw_estimate {
    double value, low, high;
};

struct pare_hw_result {
    struct pare_hw_estimate latency_ms, energy_mj, cycles, memory_bytes, flash_bytes;
    const char *tier; /* "calibrated", "transferred" or "datasheet" */
    char limit[128];  /* "" or why it does not fit: "needs 400 KiB SRAM, has 320" */
};

struct pare_hwmodel {
    int abi, revision;
    const char *name, *summary, *source;
    const struct pare_option *options; /* the device's numbers */
    size_t options_bytes;
    /* Never allocates.  kernel_ms may be NULL, else n_kernels entries. */
    pare_status (*estimate)(const void *device, const struct pare_hw_network *network,
                            struct pare_hw_result *out, double *kernel_ms, struct pare_error *err);
};

#endif
