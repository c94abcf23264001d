#include "kernel/conv_f32_tile.h"

#include <string.h>

#include "kernel/walk.h"

#ifdef PARE_HAVE_X86
#include <immintrin.h>
#endif

enum { MAX_PIXELS = 16, MAX_PARTS = 4, MAX_VECTORS = 4 };

/* Vectors in GCC's own notation: one source for every instruction set. */
typedef float vec4 __attribute__((vector_size(16)));

#define CLAMP(v, low, high)                                  \
    for (int lane = 0; lane < LANES; lane++) {               \
        (v)[lane] = (v)[lane] < (low) ? (low) : (v)[lane];   \
        (v)[lane] = (v)[lane] > (high) ? (high) : (v)[lane]; \
    }
#define STORE_SOME(p, v, n)                    \
    for (int64_t lane = 0; lane < (n); lane++) \
    (p)[lane] = (v)[lane]

#define V            vec4
#define LANES        4
#define H            V
#define CLAMP_H      CLAMP
#define STORE_SOME_H STORE_SOME
#define NAME(x)      any_##x
#define TARGET
#include "kernel/conv_f32_tile.inc.c"
#undef NAME
#undef TARGET
#undef CLAMP
#undef V
#undef LANES

#ifdef PARE_HAVE_X86
/* The maximum's second operand wins over a NaN in the first: a NaN in v stays. */
#define V     __m256
#define LANES 8
#define CLAMP(v, low, high) \
    (v = _mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), v)))
#define NAME(x) avx2_##x
#define TARGET  PARE_FOR_AVX2
#include "kernel/conv_f32_tile.inc.c"
#undef NAME
#undef TARGET
#undef STORE_SOME
#undef CLAMP
#undef V
#undef LANES
#undef H
#undef CLAMP_H
#undef STORE_SOME_H

#define V     __m512
#define LANES 16
#define CLAMP(v, low, high) \
    (v = _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), v)))
#define STORE_SOME(p, v, n) _mm512_mask_storeu_ps((p), (__mmask16)((1u << (n)) - 1), (v))
#define H                   __m256
#define CLAMP_H(v, low, high) \
    (v = _mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), v)))
#define STORE_SOME_H(p, v, n) _mm256_mask_storeu_ps((p), (__mmask8)((1u << (n)) - 1), (v))
#define HAS_32_WIDE
#define NAME(x) avx512_##x
#define TARGET  PARE_FOR_AVX512
#include "kernel/conv_f32_tile.inc.c"
#endif

/* What the table has: by instruction set, number of panels, split or not. */
#if defined(PARE_NO_CLONES)
enum { WIDE_PANELS = 2, NARROW_PIXELS = 3, AVX2_PIXELS = 3, SPLIT_PIXELS = 2 };
static const int wide_pixels[] = {0, 3, 2};
#else
enum { WIDE_PANELS = 4, NARROW_PIXELS = 3, AVX2_PIXELS = 6, SPLIT_PIXELS = 6 };
static const int wide_pixels[] = {0, 16, 12, 8, 6};
#endif

int pare_tile_f32_panels(enum pare_isa isa)
{
    return isa >= PARE_ISA_AVX512 ? WIDE_PANELS : 1;
}

int pare_tile_f32_pixels(enum pare_isa isa, int n_panels, bool is_split)
{
    if (isa >= PARE_ISA_AVX512)
        /* cppcheck-suppress arrayIndexOutOfBoundsCond ; n_panels is at most WIDE_PANELS */
        return is_split && n_panels <= 2 ? SPLIT_PIXELS : wide_pixels[n_panels];
    return is_split ? 1 : isa == PARE_ISA_AVX2 ? AVX2_PIXELS : NARROW_PIXELS;
}

pare_tile_f32_fn *pare_tile_f32(enum pare_isa isa, int n_pixels, int n_panels, bool is_half,
                                bool is_split)
{
    bool has_split = n_panels == 1 || (n_panels == 2 && isa >= PARE_ISA_AVX512);
    int split = is_split && has_split;

#ifdef PARE_HAVE_X86
    if (isa >= PARE_ISA_AVX512)
        return avx512_kernels[is_half][split][n_panels][n_pixels];
    if (isa == PARE_ISA_AVX2)
        return avx2_kernels[is_half][split][n_panels][n_pixels];
#endif
    return any_kernels[is_half][split][n_panels][n_pixels];
}
