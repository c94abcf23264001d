#include "train/op/helpers.h"

#define LANES 16
#define CHUNK 256 /* rows summed in REAL before they go into a double */

PARE_CLONES
void FN(pare_column_sums)(REAL *out, const REAL *a, int64_t n_rows, int64_t n, int64_t stride)
{
    for (int64_t c = 0; c < n; c += LANES) {
        int64_t width = n - c < LANES ? n - c : LANES;
        double total[LANES] = {0};

        for (int64_t r0 = 0; r0 < n_rows; r0 += CHUNK) {
            int64_t r1 = r0 + CHUNK < n_rows ? r0 + CHUNK : n_rows;
            REAL sum[LANES] = {0};

            if (width == LANES)
                for (int64_t r = r0; r < r1; r++)
                    for (int i = 0; i < LANES; i++)
                        sum[i] += a[r * stride + c + i];
            else
                for (int64_t r = r0; r < r1; r++)
                    for (int64_t i = 0; i < width; i++)
                        sum[i] += a[r * stride + c + i];
            for (int i = 0; i < LANES; i++)
                total[i] += sum[i];
        }
        for (int64_t i = 0; i < width; i++)
            out[c + i] = (REAL)total[i];
    }
}
