/* The decoders of data files on any bytes: the first byte says which. */
#include <stdint.h>
#include <stdlib.h>

#include "io/data_bytes.h"
#include "io/data_csv.h"
#include "io/data_idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void try_idx(const uint8_t *data, size_t n, int n_dims)
{
    struct pare_idx idx;
    struct pare_error err = {0};
    volatile unsigned sum = 0;
    int64_t n_elements = 1;

    if (pare_idx_parse(&idx, data, n, n_dims, &err))
        return;
    for (int d = 0; d < n_dims; d++)
        n_elements *= idx.dims[d];
    for (int64_t i = 0; i < n_elements; i++) /* all that it announces must be there */
        sum += idx.elements[i];
}

static void try_csv(const uint8_t *data, size_t n, enum pare_csv_label label)
{
    struct pare_csv csv;
    struct pare_error err = {0};
    volatile double sum = 0;

    if (pare_csv_parse(&csv, (const char *)data, n, label, &err))
        return;
    for (int64_t i = 0; i < csv.n_rows; i++) {
        if (csv.n_classes && (csv.labels[i] < 0 || csv.labels[i] >= csv.n_classes))
            abort();
        for (int64_t c = 0; c < csv.n_columns; c++)
            sum += csv.values[i * csv.n_columns + c];
    }
    pare_csv_clear(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    unsigned char *unpacked = NULL;
    struct pare_error err = {0};
    size_t n;

    if (n_bytes == 0)
        return 0;
    switch (data[0] % 7) {
    case 0: try_idx(data + 1, n_bytes - 1, 1); break;
    case 1: try_idx(data + 1, n_bytes - 1, 3); break;
    case 2: try_csv(data + 1, n_bytes - 1, PARE_CSV_FIRST); break;
    case 3: try_csv(data + 1, n_bytes - 1, PARE_CSV_LAST); break;
    case 4: try_csv(data + 1, n_bytes - 1, PARE_CSV_NONE); break;
    case 5:
        if (!pare_gzip_unpack(&unpacked, &n, data + 1, n_bytes - 1, 1 << 20, &err))
            free(unpacked);
        break;
    default:
        if (!pare_xz_unpack(&unpacked, &n, data + 1, n_bytes - 1, 1 << 20, &err))
            free(unpacked);
        break;
    }
    return 0;
}
