/* The folder of a run's results, and the locks around it.
 *
 * Two runs never write into one folder, and two sweeps never measure at once.  Both are flock()s:
 * they vanish with the process that holds them, so nothing stale can stay behind. */
#ifndef PARE_SWEEP_FOLDER_H
#define PARE_SWEEP_FOLDER_H

#include <stdbool.h>

#include <pare/status.h>

/* Makes FOLDER with artifacts/, cache/ and plots/ and takes its lock; close(*lock_fd) gives it back.
 * PARE_EIO with the other run's pid when there is one. */
pare_status pare_folder_open(const char *folder, int *lock_fd, struct pare_error *err);

/* The lock of this machine's measurements, a file in the system's folder for temporary files; -1
 * when it cannot be opened (then measurements of several users may disturb each other). */
int pare_exclusive_open(void);
/* Takes it, waiting in steps: false when stop() says so or give_up_s have passed.  Giving it back
 * leaves others the time to take it. */
bool pare_exclusive_take(int fd, double give_up_s, bool (*stop)(void *state), void *state);
void pare_exclusive_give(int fd);
/* Somebody else measures right now. */
bool pare_exclusive_is_taken(int fd);

#endif
