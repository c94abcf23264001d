/* Which instruction sets the kernels may use on this machine, asked at run time: one binary runs on
 * any x86-64 and on arm64. */
#ifndef PARE_KERNEL_ISA_H
#define PARE_KERNEL_ISA_H

/* In ascending order; each includes those before it. */
enum pare_isa {
    PARE_ISA_ANY,    /* what the compiler may assume */
    PARE_ISA_AVX2,   /* with FMA */
    PARE_ISA_AVX512, /* F, BW, DQ, VL */
    PARE_ISA_VNNI,   /* AVX-512 with u8 x s8 dot products */
    PARE_N_ISAS
};
enum pare_isa pare_isa_best(void);
const char *pare_isa_name(enum pare_isa isa); /* "any", "avx2", "avx512", "vnni" */

#if defined(__x86_64__) && defined(__GNUC__)
#define PARE_HAVE_X86   1
#define PARE_FOR_AVX2   __attribute__((target("avx2,fma")))
#define PARE_FOR_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define PARE_FOR_VNNI \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")))
#endif

#endif
