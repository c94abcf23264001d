#include "sweep/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "pipeline/cache.h"

#define STEP_S 0.05 /* between two tries to take a lock */

/* ---- results ---- */

static pare_status take_lock(const char *path, int *out, struct pare_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    char pid[32] = "";
    ssize_t n;

    if (fd < 0)
        return pare_fail(err, PARE_EIO, "%s: cannot open: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        n = read(fd, pid, sizeof pid - 1);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
        close(fd);
        return pare_fail(err, PARE_EIO,
                         "another run (process %s) is writing there; wait for it, or give "
                         "--results DIR",
                         *pid ? pid : "unknown");
    }
    n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, pid, (size_t)n) != n) {
        close(fd);
        return pare_fail(err, PARE_EIO, "%s: cannot write: %s", path, strerror(errno));
    }
    *out = fd;
    return PARE_OK;
}

pare_status pare_folder_open(const char *folder, int *lock_fd, struct pare_error *err)
{
    static const char *const parts[] = {"cache", "plots"};
    char *lock = pare_path_join(folder, "lock");
    pare_status st = pare_dir_make(folder, err);

    if (!st)
        st = take_lock(lock, lock_fd, err);
    for (size_t i = 0; !st && i < sizeof parts / sizeof *parts; i++) {
        char *part = pare_path_join(folder, parts[i]);

        st = pare_dir_make(part, err);
        free(part);
    }
    if (!st)
        st = pare_cache_open(folder, err);
    free(lock);
    if (st)
        pare_error_prefix(err, "%s", folder);
    return st;
}

/* ---- measurements ---- */

int pare_exclusive_open(void)
{
    const char *tmp = getenv("TMPDIR");
    char *path = pare_path_join(tmp && *tmp ? tmp : "/tmp", "pare-measure.lock");
    mode_t mask = umask(0);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

    umask(mask);
    if (fd < 0) /* another user's, in a folder that protects it: reading suffices for flock() */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(path);
    return fd;
}

bool pare_exclusive_take(int fd, double give_up_s, bool (*stop)(void *state), void *state)
{
    double end_s = pare_clock_s() + give_up_s;

    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (stop(state) || pare_clock_s() > end_s)
            return false;
        pare_sleep_s(STEP_S);
    }
    return true;
}

void pare_exclusive_give(int fd)
{
    if (fd < 0)
        return;
    flock(fd, LOCK_UN);
    pare_sleep_s(1.5 * STEP_S); /* whoever waits gets it before we take it again */
}

bool pare_exclusive_is_taken(int fd)
{
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0)
        return true;
    flock(fd, LOCK_UN);
    return false;
}
