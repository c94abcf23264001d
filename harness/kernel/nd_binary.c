#include "kernel/nd_binary.h"

#include <assert.h>
#include <math.h>

#include "base/simd.h"
#include "kernel/nd_loop.h"

/* One row in the three forms that matter, for the compiler to vectorise each: both operands dense,
 * or one of them a single number; then any strides. */
#define ROW(NAME, TYPE, EXPRESSION)                                                          \
    PARE_CLONES static void NAME(void *y_, const void *a_, int64_t a_stride, const void *b_, \
                                 int64_t b_stride, int64_t n)                                \
    {                                                                                        \
        TYPE *y = y_;                                                                        \
        const TYPE *as = a_, *bs = b_;                                                       \
        if (a_stride == 1 && b_stride == 1) {                                                \
            for (int64_t i = 0; i < n; i++) {                                                \
                TYPE a = as[i], b = bs[i];                                                   \
                y[i] = EXPRESSION;                                                           \
            }                                                                                \
        } else if (a_stride == 1 && b_stride == 0) {                                         \
            TYPE b = bs[0];                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                \
                TYPE a = as[i];                                                              \
                y[i] = EXPRESSION;                                                           \
            }                                                                                \
        } else if (a_stride == 0 && b_stride == 1) {                                         \
            TYPE a = as[0];                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                \
                TYPE b = bs[i];                                                              \
                y[i] = EXPRESSION;                                                           \
            }                                                                                \
        } else {                                                                             \
            for (int64_t i = 0; i < n; i++) {                                                \
                TYPE a = as[i * a_stride], b = bs[i * b_stride];                             \
                y[i] = EXPRESSION;                                                           \
            }                                                                                \
        }                                                                                    \
    }

/* Unsigned arithmetic wraps where signed overflow is undefined; -128 / -1 likewise. */
#define INTEGER_ROWS(NAME, TYPE)                                  \
    ROW(add_##NAME, TYPE, (TYPE)((uint64_t)a + (uint64_t)b))      \
    ROW(sub_##NAME, TYPE, (TYPE)((uint64_t)a - (uint64_t)b))      \
    ROW(mul_##NAME, TYPE, (TYPE)((uint64_t)a * (uint64_t)b))      \
    ROW(div_##NAME, TYPE,                                         \
        b == 0                          ? (TYPE)0                 \
        : b == (TYPE)-1 && (TYPE)-1 < 0 ? (TYPE)(0 - (uint64_t)a) \
                                        : (TYPE)(a / b))          \
    ROW(min_##NAME, TYPE, b < a ? b : a)                          \
    ROW(max_##NAME, TYPE, b > a ? b : a)

#define REAL_ROWS(NAME, TYPE)                        \
    ROW(add_##NAME, TYPE, a + b)                     \
    ROW(sub_##NAME, TYPE, a - b)                     \
    ROW(mul_##NAME, TYPE, a *b)                      \
    ROW(div_##NAME, TYPE, a / b)                     \
    ROW(min_##NAME, TYPE, b < a || isnan(b) ? b : a) \
    ROW(max_##NAME, TYPE, b > a || isnan(b) ? b : a)

REAL_ROWS(f32, float)
REAL_ROWS(f64, double)
ROW(prelu_f32, float, a < 0 ? a * b : a)
ROW(pow_f32, float, powf(a, b))
INTEGER_ROWS(s8, int8_t)
INTEGER_ROWS(u8, uint8_t)
INTEGER_ROWS(s32, int32_t)
INTEGER_ROWS(s64, int64_t)

/* Half of all powers in networks are squares. */
ROW(square_f32, float, ((void)b, a *a))

typedef void row(void *y, const void *a, int64_t a_stride, const void *b, int64_t b_stride,
                 int64_t n);

#define FOR_TYPES(NAME)                                                          \
    {                                                                            \
        [PARE_F32] = NAME##_f32, [PARE_F64] = NAME##_f64, [PARE_S8] = NAME##_s8, \
        [PARE_U8] = NAME##_u8, [PARE_S32] = NAME##_s32, [PARE_S64] = NAME##_s64  \
    }

static row *find_row(enum pare_op op, enum pare_dtype type)
{
    static row *const add[PARE_BOOL + 1] = FOR_TYPES(add), *const sub[PARE_BOOL + 1] =
                                                               FOR_TYPES(sub);
    static row *const mul[PARE_BOOL + 1] = FOR_TYPES(mul), *const div[PARE_BOOL + 1] =
                                                               FOR_TYPES(div);
    static row *const min[PARE_BOOL + 1] = FOR_TYPES(min), *const max[PARE_BOOL + 1] =
                                                               FOR_TYPES(max);

    switch (op) {
    case PARE_OP_ADD: return add[type];
    case PARE_OP_SUB: return sub[type];
    case PARE_OP_MUL: return mul[type];
    case PARE_OP_DIV: return div[type];
    case PARE_OP_MIN: return min[type];
    case PARE_OP_MAX: return max[type];
    case PARE_OP_PRELU: return type == PARE_F32 ? prelu_f32 : NULL;
    case PARE_OP_POW: return type == PARE_F32 ? pow_f32 : NULL;
    default: return NULL;
    }
}

void pare_nd_binary(enum pare_op op, enum pare_dtype type, void *y,
                    const struct pare_shape *y_shape, const void *a,
                    const struct pare_shape *a_shape, const void *b,
                    const struct pare_shape *b_shape)
{
    const struct pare_shape *shapes[] = {a_shape, b_shape};
    int64_t bytes = (int64_t)pare_dtype_bytes(type);
    row *run = find_row(op, type);
    struct pare_nd_cursor c = {0};
    struct pare_nd_loop loop;

    assert(run);
    if (op == PARE_OP_POW && pare_shape_elems(b_shape) == 1 && *(const float *)b == 2)
        run = square_f32;
    pare_nd_loop_broadcast(&loop, y_shape, shapes, 2);
    if (!loop.n_elems)
        return;
    do {
        run((char *)y + c.at[0] * bytes, (const char *)a + c.at[1] * bytes,
            pare_nd_stride(&loop, 1), (const char *)b + c.at[2] * bytes, pare_nd_stride(&loop, 2),
            pare_nd_row(&loop));
    } while (pare_nd_next(&loop, &c));
}

void pare_nd_unary_f32(enum pare_op op, float *y, const float *x, int64_t n, float alpha)
{
    switch (op) {
    case PARE_OP_ELU:
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] < 0 ? alpha * expm1f(x[i]) : x[i];
        break;
    case PARE_OP_ERF:
        for (int64_t i = 0; i < n; i++)
            y[i] = erff(x[i]);
        break;
    case PARE_OP_SQRT:
        for (int64_t i = 0; i < n; i++)
            y[i] = sqrtf(x[i]);
        break;
    case PARE_OP_EXP:
        for (int64_t i = 0; i < n; i++)
            y[i] = expf(x[i]);
        break;
    case PARE_OP_LOG:
        for (int64_t i = 0; i < n; i++)
            y[i] = logf(x[i]);
        break;
    case PARE_OP_NEG:
        for (int64_t i = 0; i < n; i++)
            y[i] = -x[i];
        break;
    case PARE_OP_ABS:
        for (int64_t i = 0; i < n; i++)
            y[i] = fabsf(x[i]);
        break;
    default: assert(!"a unary operator");
    }
}
