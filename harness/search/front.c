/* Fronts and the volume under them. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "search/samplers.h"

static bool has_nan(const double *point, int k)
{
    for (int j = 0; j < k; j++)
        if (isnan(point[j]))
            return true;
    return false;
}

static bool dominates(const double *a, const double *b, int k)
{
    bool better = false;

    for (int j = 0; j < k; j++) {
        if (a[j] > b[j])
            return false;
        better |= a[j] < b[j];
    }
    return better;
}

void pare_front_find(const double *points, int n, int k, unsigned char *on_front)
{
    for (int i = 0; i < n; i++) {
        on_front[i] = !has_nan(points + (ptrdiff_t)i * k, k);
        for (int other = 0; on_front[i] && other < n; other++)
            if (!has_nan(points + (ptrdiff_t)other * k, k) &&
                dominates(points + (ptrdiff_t)other * k, points + (ptrdiff_t)i * k, k))
                on_front[i] = 0;
    }
}

/* qsort has no context: the column to sort by stands in front of each row. */
struct row {
    double key;
    const double *point;
};

static int by_key(const void *a, const void *b)
{
    double x = ((const struct row *)a)->key, y = ((const struct row *)b)->key;

    return (x > y) - (x < y);
}

static void sort_rows(struct row *rows, int n, int column)
{
    for (int i = 0; i < n; i++)
        rows[i].key = rows[i].point[column];
    qsort(rows, (size_t)n, sizeof *rows, by_key);
}

/* Hypervolume by slicing objectives: sorted by the last one, each slab between two neighbours has
 * the cross-section of the points below it.  work holds k arrays of n rows. */
static double slice(const struct row *rows, int n, int k, const double *reference, struct row *work,
                    int capacity)
{
    double volume = 0;

    if (k == 1) {
        double best = reference[0];

        for (int i = 0; i < n; i++)
            best = fmin(best, rows[i].point[0]);
        return reference[0] - best;
    }
    memcpy(work, rows, (size_t)n * sizeof *rows);
    sort_rows(work, n, k - 1);
    if (k == 2) { /* a staircase: from the lowest second objective up, the first one must improve */
        double edge = reference[0];

        for (int i = 0; i < n; i++) {
            const double *p = work[i].point;

            if (p[0] < edge) {
                volume += (edge - p[0]) * (reference[1] - p[1]);
                edge = p[0];
            }
        }
        return volume;
    }
    for (int i = 0; i < n; i++) {
        double top = i + 1 < n ? work[i + 1].point[k - 1] : reference[k - 1];
        double height = top - work[i].point[k - 1];

        if (height > 0)
            volume += height * slice(work, i + 1, k - 1, reference, work + capacity, capacity);
    }
    return volume;
}

double pare_hypervolume(const double *points, int n, int k, const double *reference)
{
    struct row *rows = pare_xcalloc((size_t)n + 1, sizeof *rows);
    struct row *work = pare_xcalloc((size_t)n * (size_t)k + 1, sizeof *work);
    unsigned char *on_front = pare_xcalloc((size_t)n + 1, 1);
    double volume;
    int m = 0;

    assert(k >= 1 && k <= 4);
    pare_front_find(points, n, k, on_front);
    for (int i = 0; i < n; i++) {
        const double *point = points + (ptrdiff_t)i * k;
        bool inside = on_front[i];

        for (int j = 0; j < k; j++)
            inside &= point[j] < reference[j];
        if (inside)
            rows[m++].point = point;
    }
    volume = m ? slice(rows, m, k, reference, work, n) : 0;
    free(rows);
    free(work);
    free(on_front);
    return volume;
}
