/* KERNEL(pixels, panels) for every shape that fits 32 registers.  Sanitizer builds have the same text
 * in few sizes, for the compiler's sake. */
/* clang-format off */
#if defined(PARE_NO_CLONES)
KERNEL(1, 1) KERNEL(2, 1) KERNEL(3, 1)
KERNEL(1, 2) KERNEL(2, 2)
#else
KERNEL(1, 1) KERNEL(2, 1) KERNEL(3, 1) KERNEL(4, 1) KERNEL(5, 1) KERNEL(6, 1) KERNEL(7, 1)
KERNEL(8, 1) KERNEL(9, 1) KERNEL(10, 1) KERNEL(11, 1) KERNEL(12, 1) KERNEL(13, 1) KERNEL(14, 1)
KERNEL(15, 1) KERNEL(16, 1)
KERNEL(1, 2) KERNEL(2, 2) KERNEL(3, 2) KERNEL(4, 2) KERNEL(5, 2) KERNEL(6, 2) KERNEL(7, 2)
KERNEL(8, 2) KERNEL(9, 2) KERNEL(10, 2) KERNEL(11, 2) KERNEL(12, 2)
KERNEL(1, 3) KERNEL(2, 3) KERNEL(3, 3) KERNEL(4, 3) KERNEL(5, 3) KERNEL(6, 3) KERNEL(7, 3)
KERNEL(8, 3)
KERNEL(1, 4) KERNEL(2, 4) KERNEL(3, 4) KERNEL(4, 4) KERNEL(5, 4) KERNEL(6, 4)
#endif
    /* clang-format on */
