/* The test split: a handle of its own that counts its uses.  Only the end of a sweep, `pare eval`
 * and `pare best` open it. */
#ifndef PARE_IO_DATA_TEST_H
#define PARE_IO_DATA_TEST_H

#include "io/data_open.h"

struct pare_data_test;
pare_status pare_data_test_open(struct pare_data_test **out, const struct pare_data *data,
                                struct pare_error *err);
void pare_data_test_close(struct pare_data_test *test);
int64_t pare_data_test_n(const struct pare_data_test *test);
void pare_data_test_fetch(struct pare_data_test *test, int64_t first, int64_t n, float *out,
                          int32_t *labels);
/* Passes over the split through this handle. */
int64_t pare_data_test_uses(const struct pare_data_test *test);
#endif
