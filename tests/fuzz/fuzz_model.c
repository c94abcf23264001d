/* A model file of any bytes: it must be refused with a message or give a sound network, one that
 * can be written and read again with the same bytes.
 *
 * The corpus is written by
 *     PARE_MAKE_CORPUS=1 build/release/tests/unit/test_model
 * and answered by that test at every `make test`. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct pare_graph *graph = NULL, *again = NULL;
    unsigned char *first = NULL, *second = NULL;
    size_t n_first, n_second;
    struct pare_error err = {0};

    if (pare_model_parse(&graph, data, n_bytes, &err)) {
        if (!err.text[0])
            abort();
        return 0;
    }
    /* Weights that are nearly all zero may shrink below what a file may hold: then it says so. */
    if (pare_model_write(graph, &first, &n_first, &err) == PARE_OK) {
        if (pare_model_parse(&again, first, n_first, &err) ||
            pare_model_write(again, &second, &n_second, &err))
            abort();
        if (n_first != n_second || memcmp(first, second, n_first) != 0)
            abort();
    } else if (!strstr(err.text, "nearly all zero")) {
        abort();
    }
    free(first);
    free(second);
    pare_graph_free(graph);
    pare_graph_free(again);
    return 0;
}
