#include "io/data_test.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "io/data_impl.h"

struct pare_data_test {
    const struct pare_data *data;
    _Atomic int64_t n_fetched;
};

pare_status pare_data_test_open(struct pare_data_test **out, const struct pare_data *data,
                                struct pare_error *err)
{
    if (data->n_test == 0)
        return pare_fail(err, PARE_EINVAL, "data '%s' has no test samples", data->name);
    *out = pare_xcalloc(1, sizeof **out);
    (*out)->data = data;
    return PARE_OK;
}

void pare_data_test_close(struct pare_data_test *test)
{
    free(test);
}

int64_t pare_data_test_n(const struct pare_data_test *test)
{
    return test->data->n_test;
}

void pare_data_test_fetch(struct pare_data_test *test, int64_t first, int64_t n, float *out,
                          int32_t *labels)
{
    const struct pare_data *data = test->data;
    const struct pare_decoded_header *header = data->decoded.header;
    const size_t elements = (size_t)(header->c * header->h * header->w);

    atomic_fetch_add(&test->n_fetched, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t position = data->test_order[first + i];

        pare_data_copy_sample(data, position, out + (size_t)i * elements);
        if (labels)
            labels[i] = data->decoded.labels[position];
    }
}

int64_t pare_data_test_uses(const struct pare_data_test *test)
{
    int64_t n = test->data->n_test;

    return (atomic_load(&test->n_fetched) + n - 1) / n;
}
