#include "kernel/isa.h"

enum pare_isa pare_isa_best(void)
{
#ifdef PARE_HAVE_X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return PARE_ISA_ANY;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return PARE_ISA_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? PARE_ISA_VNNI : PARE_ISA_AVX512;
#else
    return PARE_ISA_ANY;
#endif
}

const char *pare_isa_name(enum pare_isa isa)
{
    static const char *const names[PARE_N_ISAS] = {"any", "avx2", "avx512", "vnni"};
    return names[isa];
}
