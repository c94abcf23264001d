/* What every test includes: cmocka, and comparisons that name the worst element. */
#ifndef PARE_TESTS_CHECK_H
#define PARE_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pare/status.h>

/* |a[i] - b[i]| <= atol + rtol * |b[i]| for all i; NaN is never close. */
void check_close_f32(const float *a, const float *b, int64_t n, double rtol, double atol,
                     const char *file, int line);
void check_close_f64(const double *a, const double *b, int64_t n, double rtol, double atol,
                     const char *file, int line);
#define assert_close(A, B, N, RTOL, ATOL) \
    _Generic((A), float *                                                                          \
             : check_close_f32, const float *                                                      \
             : check_close_f32, double *                                                           \
             : check_close_f64, const double *                                                     \
             : check_close_f64)(A, B, N, RTOL, ATOL, __FILE__, __LINE__)

/* The call gave PARE_OK; prints the message else. */
void check_ok(pare_status status, const struct pare_error *err, const char *file, int line);
#define assert_ok(CALL, ERR) check_ok((CALL), (ERR), __FILE__, __LINE__)

/* A new empty folder below $TMPDIR, removed by check_remove_dir(). */
char *check_make_dir(void);
void check_remove_dir(char *path); /* with all content; frees */

/* Folder of data sets and reference vectors: $PARE_DATA, else ../shared/data from the checkout; NULL when absent.
 * Committed reference vectors stand in tests/data/. */
const char *check_data_dir(void);
/* Path of a file in tests/data; static buffer. */
const char *check_test_data(const char *name);

#endif
