/* KERNEL(pixels, panels, parts) for every shape that fits the registers: sums, one vector of each
 * panel, one broadcast.  Sanitizer builds have the same text in few sizes, for the compiler's sake. */
/* clang-format off */
#if defined(PARE_NO_CLONES)
KERNEL(1, 1, 1) KERNEL(2, 1, 1) KERNEL(3, 1, 1)
KERNEL(1, 1, 4)
#else
KERNEL(1, 1, 1) KERNEL(2, 1, 1) KERNEL(3, 1, 1) KERNEL(4, 1, 1) KERNEL(5, 1, 1) KERNEL(6, 1, 1)
KERNEL(1, 1, 4)
#endif
#if defined(HAS_32_WIDE) && defined(PARE_NO_CLONES)
KERNEL(2, 1, 4)
KERNEL(1, 2, 1) KERNEL(2, 2, 1)
KERNEL(1, 2, 2) KERNEL(2, 2, 2)
#elif defined(HAS_32_WIDE)
KERNEL(7, 1, 1) KERNEL(8, 1, 1) KERNEL(9, 1, 1) KERNEL(10, 1, 1) KERNEL(11, 1, 1) KERNEL(12, 1, 1)
KERNEL(13, 1, 1) KERNEL(14, 1, 1) KERNEL(15, 1, 1) KERNEL(16, 1, 1)
KERNEL(1, 2, 1) KERNEL(2, 2, 1) KERNEL(3, 2, 1) KERNEL(4, 2, 1) KERNEL(5, 2, 1) KERNEL(6, 2, 1)
KERNEL(7, 2, 1) KERNEL(8, 2, 1) KERNEL(9, 2, 1) KERNEL(10, 2, 1) KERNEL(11, 2, 1) KERNEL(12, 2, 1)
KERNEL(1, 3, 1) KERNEL(2, 3, 1) KERNEL(3, 3, 1) KERNEL(4, 3, 1) KERNEL(5, 3, 1) KERNEL(6, 3, 1)
KERNEL(7, 3, 1) KERNEL(8, 3, 1)
KERNEL(1, 4, 1) KERNEL(2, 4, 1) KERNEL(3, 4, 1) KERNEL(4, 4, 1) KERNEL(5, 4, 1) KERNEL(6, 4, 1)
KERNEL(2, 1, 4) KERNEL(3, 1, 4) KERNEL(4, 1, 4) KERNEL(5, 1, 4) KERNEL(6, 1, 4)
KERNEL(1, 2, 2) KERNEL(2, 2, 2) KERNEL(3, 2, 2) KERNEL(4, 2, 2) KERNEL(5, 2, 2) KERNEL(6, 2, 2)
#endif
    /* clang-format on */
