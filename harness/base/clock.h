/* Time. */
#ifndef PARE_BASE_CLOCK_H
#define PARE_BASE_CLOCK_H

double pare_clock_s(void);      /* monotonic, seconds */
double pare_clock_unix_s(void); /* wall clock */
void pare_sleep_s(double seconds);
#endif
