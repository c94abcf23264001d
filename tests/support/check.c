#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFINE_CHECK_CLOSE(NAME, TYPE)                                                             \
    void NAME(const TYPE *a, const TYPE *b, int64_t n, double rtol, double atol, const char *file, \
              int line)                                                                            \
    {                                                                                              \
        int64_t worst = -1;                                                                        \
        double worst_excess = 0;                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            double difference = fabs((double)a[i] - (double)b[i]);                                 \
            double excess = difference - (atol + rtol * fabs((double)b[i]));                       \
            if (isnan(difference))                                                                 \
                excess = INFINITY;                                                                 \
            if (excess > worst_excess) {                                                           \
                worst = i;                                                                         \
                worst_excess = excess;                                                             \
            }                                                                                      \
        }                                                                                          \
        if (worst >= 0) {                                                                          \
            print_error("element %lld of %lld: %.9g, expected %.9g (rtol %g, atol %g)\n",          \
                        (long long)worst, (long long)n, (double)a[worst], (double)b[worst], rtol,  \
                        atol);                                                                     \
            _fail(file, line);                                                                     \
        }                                                                                          \
    }

DEFINE_CHECK_CLOSE(check_close_f32, float)
DEFINE_CHECK_CLOSE(check_close_f64, double)

void check_ok(pare_status status, const struct pare_error *err, const char *file, int line)
{
    if (status) {
        print_error("%s: %s\n", pare_status_name(status), err ? err->text : "");
        _fail(file, line);
    }
}

char *check_make_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *path = NULL;

    if (asprintf(&path, "%s/pare-test-XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path))
        fail_msg("cannot make a temporary folder");
    return path;
}

void check_remove_dir(char *path)
{
    char *command = NULL;

    if (asprintf(&command, "rm -rf '%s'", path) < 0 || system(command) != 0)
        fail_msg("cannot remove %s", path);
    free(command);
    free(path);
}

static const char *checkout(void)
{
    const char *top = getenv("PARE_TOP");
    return top ? top : ".";
}

const char *check_data_dir(void)
{
    static char path[4096];
    const char *given = getenv("PARE_DATA");
    struct stat st;

    if (given)
        snprintf(path, sizeof path, "%s", given);
    else
        snprintf(path, sizeof path, "%s/../shared/data", checkout());
    return stat(path, &st) == 0 ? path : NULL;
}

const char *check_test_data(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s/tests/data/%s", checkout(), name);
    return path;
}
