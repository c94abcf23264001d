/* Numbers below 1e-38 count as 0 while a network computes: momentum that fades away would otherwise
 * make every step slow on many processors.  Of the calling thread; give the old mode back. */
#ifndef PARE_TRAIN_DENORMAL_H
#define PARE_TRAIN_DENORMAL_H

#if defined(__SSE2__)
#include <xmmintrin.h>

static inline unsigned pare_denormals_off(void)
{
    unsigned old = _mm_getcsr();

    _mm_setcsr(old | 0x8040); /* flush to zero, denormals are zero */
    return old;
}

static inline void pare_denormals_restore(unsigned old)
{
    _mm_setcsr(old);
}
#else
static inline unsigned pare_denormals_off(void)
{
    return 0;
}

static inline void pare_denormals_restore(unsigned old)
{
    (void)old;
}
#endif

#endif
