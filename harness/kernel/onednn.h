/* Convolution and matrix product through oneDNN's C API, for shapes where its blocking wins.
 *
 * The meaning is that of conv_f32.h and conv_u8.h, bit for bit for integers; weights come in their
 * order too.  One primitive works on one sample.  Every thread has its own slot, so that several may
 * run one object.  Where oneDNN is missing at compile time every _new gives PARE_EUNSUPPORTED. */
#ifndef PARE_KERNEL_ONEDNN_H
#define PARE_KERNEL_ONEDNN_H

#include "kernel/conv_u8.h"

struct pare_onednn;
pare_status pare_onednn_f32_new(struct pare_onednn **out, const struct pare_conv2d *s,
                                const float *w, const float *bias, float low, float high,
                                int n_threads, struct pare_error *err);
/* PARE_EUNSUPPORTED also without VNNI (its u8 x s8 products saturate then), for f32 results, and
 * when sums may leave the 24 bits within which its f32 arithmetic is exact. */
pare_status pare_onednn_u8_new(struct pare_onednn **out, const struct pare_conv2d *s,
                               int32_t x_zero, const int8_t *w, const int32_t *bias,
                               const struct pare_conv_u8_result *result, int n_threads,
                               struct pare_error *err);
void pare_onednn_free(struct pare_onednn *conv);
const char *pare_onednn_kernel(const struct pare_onednn *conv); /* "jit:avx512_core_vnni", ... */
size_t pare_onednn_weight_bytes(const struct pare_onednn *conv);
size_t pare_onednn_work_bytes(const struct pare_onednn *conv); /* 64-byte aligned scratch */
void pare_onednn_run(const struct pare_onednn *conv, void *y, const void *x, int64_t n, void *work,
                     int thread);
/* The calling thread's OpenMP teams have one member from now on: oneDNN and OpenBLAS are called by
 * threads of ours. */
void pare_onednn_one_thread(void);
#endif
