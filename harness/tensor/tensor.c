#include <pare/tensor.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define ALIGN_BYTES 64

size_t pare_dtype_bytes(enum pare_dtype dtype)
{
    switch (dtype) {
    case PARE_F32:
    case PARE_S32: return 4;
    case PARE_F64:
    case PARE_S64: return 8;
    case PARE_S8:
    case PARE_U8:
    case PARE_BOOL: return 1;
    }
    return 0;
}

const char *pare_dtype_name(enum pare_dtype dtype)
{
    switch (dtype) {
    case PARE_F32: return "F32";
    case PARE_F64: return "F64";
    case PARE_S8: return "I8";
    case PARE_U8: return "U8";
    case PARE_S32: return "I32";
    case PARE_S64: return "I64";
    case PARE_BOOL: return "BOOL";
    }
    return "?";
}

struct pare_shape pare_shape_of(int n_dims, ...)
{
    struct pare_shape shape = {.n_dims = n_dims};
    va_list args;

    va_start(args, n_dims);
    for (int i = 0; i < n_dims && i < PARE_MAX_DIMS; i++)
        shape.dims[i] = va_arg(args, int64_t);
    va_end(args);
    return shape;
}

bool pare_shape_equal(const struct pare_shape *a, const struct pare_shape *b)
{
    if (a->n_dims != b->n_dims)
        return false;
    for (int i = 0; i < a->n_dims; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

int64_t pare_shape_elems(const struct pare_shape *shape)
{
    int64_t n = 1;

    if (shape->n_dims < 0 || shape->n_dims > PARE_MAX_DIMS)
        return -1;
    for (int i = 0; i < shape->n_dims; i++) {
        int64_t extent = i == 0 && shape->dims[0] == PARE_DIM_BATCH ? 1 : shape->dims[i];

        if (extent < 0 || __builtin_mul_overflow(n, extent, &n))
            return -1;
    }
    return n;
}

char *pare_shape_text(const struct pare_shape *shape, char *buffer, size_t n_bytes)
{
    size_t n = 0;

    for (int i = 0; i <= shape->n_dims && n < n_bytes; i++) {
        const char *before = i == 0 ? "[" : i < shape->n_dims ? ", " : "";

        if (i == shape->n_dims)
            n += (size_t)snprintf(buffer + n, n_bytes - n, "%s]", before);
        else if (i == 0 && shape->dims[0] == PARE_DIM_BATCH)
            n += (size_t)snprintf(buffer + n, n_bytes - n, "%sN", before);
        else
            n += (size_t)snprintf(buffer + n, n_bytes - n, "%s%lld", before,
                                  (long long)shape->dims[i]);
    }
    return buffer;
}

pare_status pare_tensor_new(struct pare_tensor **out, enum pare_dtype dtype,
                            const struct pare_shape *shape, struct pare_error *err)
{
    struct pare_tensor *tensor;
    char text[128];
    int64_t n = pare_shape_elems(shape);
    size_t n_bytes;
    void *data;

    if (n < 0 || (shape->n_dims > 0 && shape->dims[0] == PARE_DIM_BATCH))
        return pare_fail(err, PARE_EINVAL, "a tensor cannot have the shape %s",
                         shape->n_dims < 0 || shape->n_dims > PARE_MAX_DIMS
                             ? "of more than 8 dimensions"
                             : pare_shape_text(shape, text, sizeof text));
    if (__builtin_mul_overflow((size_t)n, pare_dtype_bytes(dtype), &n_bytes) ||
        n_bytes > PTRDIFF_MAX - ALIGN_BYTES)
        return pare_fail(err, PARE_ENOMEM, "a tensor of shape %s does not fit into memory",
                         pare_shape_text(shape, text, sizeof text));
    if (posix_memalign(&data, ALIGN_BYTES, n_bytes ? n_bytes : ALIGN_BYTES) != 0)
        return pare_fail(err, PARE_ENOMEM, "no memory for a tensor of shape %s (%zu bytes)",
                         pare_shape_text(shape, text, sizeof text), n_bytes);
    memset(data, 0, n_bytes);
    tensor = pare_xcalloc(1, sizeof *tensor);
    *tensor = (struct pare_tensor){.dtype = dtype,
                                   .shape = *shape,
                                   .data = data,
                                   .n_bytes = n_bytes,
                                   .n_refs = 1};
    *out = tensor;
    return PARE_OK;
}

pare_status pare_tensor_copy(struct pare_tensor **out, const struct pare_tensor *src,
                             struct pare_error *err)
{
    pare_status st = pare_tensor_new(out, src->dtype, &src->shape, err);

    if (!st && src->n_bytes)
        memcpy((*out)->data, src->data, src->n_bytes);
    return st;
}

struct pare_tensor *pare_tensor_ref(struct pare_tensor *tensor)
{
    __atomic_add_fetch(&tensor->n_refs, 1, __ATOMIC_RELAXED);
    return tensor;
}

void pare_tensor_unref(struct pare_tensor *tensor)
{
    if (!tensor || __atomic_sub_fetch(&tensor->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(tensor->data);
    free(tensor);
}

int64_t pare_tensor_elems(const struct pare_tensor *tensor)
{
    return pare_shape_elems(&tensor->shape);
}
