/* Loops that the compiler vectorises: one source, one copy per instruction set, chosen when the
 * library is loaded.  Sanitizer builds and other machines get the plain copy. */
#ifndef PARE_BASE_SIMD_H
#define PARE_BASE_SIMD_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(PARE_NO_CLONES)
#define PARE_CLONES __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define PARE_CLONES
#endif

#endif
