/* Shapes and reference-counted tensor data.
 *
 * Data is dense, row-major, 64-byte aligned.  Graph tensors keep ONNX order: activations N C H W,
 * convolution weights M C R S, Gemm weights as their node's transB says. */
#ifndef PARE_TENSOR_H
#define PARE_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include <pare/status.h>

#define PARE_MAX_DIMS  8
#define PARE_DIM_BATCH (-1) /* the symbolic batch: only as first dimension of an activation */

enum pare_dtype { PARE_F32, PARE_F64, PARE_S8, PARE_U8, PARE_S32, PARE_S64, PARE_BOOL };

struct pare_shape {
    int n_dims; /* 0 for a scalar */
    int64_t dims[PARE_MAX_DIMS];
};

struct pare_tensor {
    enum pare_dtype dtype;
    struct pare_shape shape;
    void *data;
    size_t n_bytes;
    int n_refs;
};

size_t pare_dtype_bytes(enum pare_dtype dtype);
const char *pare_dtype_name(enum pare_dtype dtype); /* safetensors names: "F32", "I8", ... */

struct pare_shape pare_shape_of(int n_dims, ...); /* int64_t each */
bool pare_shape_equal(const struct pare_shape *a, const struct pare_shape *b);
/* Number of elements, the symbolic batch counted as 1; -1 when it overflows or is negative. */
int64_t pare_shape_elems(const struct pare_shape *shape);
/* "[N, 20, 24, 24]" into buffer; returns buffer. */
char *pare_shape_text(const struct pare_shape *shape, char *buffer, size_t n_bytes);

/* A new tensor with one reference; data is zero.  PARE_ENOMEM, or PARE_EINVAL on a bad shape. */
pare_status pare_tensor_new(struct pare_tensor **out, enum pare_dtype dtype,
                            const struct pare_shape *shape, struct pare_error *err);
pare_status pare_tensor_copy(struct pare_tensor **out, const struct pare_tensor *src,
                             struct pare_error *err);
struct pare_tensor *pare_tensor_ref(struct pare_tensor *tensor);
void pare_tensor_unref(struct pare_tensor *tensor); /* NULL is fine */
int64_t pare_tensor_elems(const struct pare_tensor *tensor);
static inline float *pare_tensor_f32(const struct pare_tensor *tensor)
{
    return (float *)tensor->data;
}

#endif
