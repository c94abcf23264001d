/* Loops that the compiler vectorises: one source, one copy per instruction set, chosen when the
 * library is loaded.  Sanitizer builds and other machines get the plain copy. */
#ifndef PARE_BASE_SIMD_H
#define PARE_BASE_SIMD_H

/* By level, not by the name of a processor: "arch=haswell" is not chosen on one of another maker. */
#if defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) && \
    !defined(PARE_NO_CLONES)
#define PARE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define PARE_CLONES
#endif

#endif
