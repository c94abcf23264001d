#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <time.h>

static double read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double pare_clock_s(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double pare_clock_unix_s(void)
{
    return read_clock(CLOCK_REALTIME);
}

void pare_sleep_s(double seconds)
{
    struct timespec t;

    if (!(seconds > 0))
        return;
    t.tv_sec = (time_t)floor(seconds);
    t.tv_nsec = (long)((seconds - floor(seconds)) * 1e9);
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}
