/* search/front: fronts against brute force, hypervolume against geometry. */
#include "../support/check.h"

#include <math.h>
#include <string.h>

#include <pare/rng.h>

#include "search/samplers.h"

static void the_front_of_a_small_set_is_known(void **state)
{
    const double points[] = {1, 5, 2, 3, 3, 3, 4, 1, 5, 5, 2, 3, NAN, 0};
    unsigned char on_front[7];

    (void)state;
    pare_front_find(points, 7, 2, on_front);
    /* (3, 3) is dominated by (2, 3); the two equal ones both stay; NaN never enters. */
    assert_memory_equal(on_front, ((unsigned char[]){1, 1, 0, 1, 0, 1, 0}), 7);
}

/* The definition, written the other way round: no other point is at least as good everywhere and
 * different. */
static int stays(const double *points, int n, int k, int i)
{
    for (int other = 0; other < n; other++) {
        int not_worse = 1;

        for (int j = 0; j < k; j++)
            not_worse &= points[other * k + j] <= points[i * k + j];
        if (not_worse && memcmp(points + other * k, points + i * k, sizeof(double) * (size_t)k))
            return 0;
    }
    return 1;
}

static void random_fronts_match_brute_force(void **state)
{
    struct pare_rng rng;

    (void)state;
    pare_rng_init(&rng, 3, 0);
    for (int round = 0; round < 200; round++) {
        int n = 1 + (int)pare_rng_below(&rng, 60), k = 1 + (int)pare_rng_below(&rng, 4);
        double points[60 * 4];
        unsigned char on_front[60];

        for (int i = 0; i < n * k; i++) /* coarse, so that ties happen */
            points[i] = (double)pare_rng_below(&rng, 6);
        pare_front_find(points, n, k, on_front);
        for (int i = 0; i < n; i++)
            assert_int_equal(on_front[i], stays(points, n, k, i));
    }
}

static void the_volume_of_boxes_is_exact(void **state)
{
    const double one[] = {0.25, 0.5, 0.5, 0}, ref[] = {1, 1, 1, 1};
    const double stairs[] = {0, 2, 1, 1, 2, 0}, ref3[] = {3, 3, 3};
    const double corners[] = {0, 0, 1, 0, 1, 0, 1, 0, 0};
    const double beyond[] = {2, 2}, nothing[] = {NAN, 0};

    (void)state;
    assert_close(((double[]){pare_hypervolume(one, 1, 4, ref)}), ((double[]){0.75 * 0.5 * 0.5}), 1,
                 1e-14, 0);
    assert_close(((double[]){pare_hypervolume(stairs, 3, 2, ref3)}), ((double[]){3 + 2 + 1}), 1,
                 1e-14, 0);
    /* Three boxes 3 x 3 x 2, pairwise overlapping in 3 x 2 x 2, all in 2 x 2 x 2. */
    assert_close(((double[]){pare_hypervolume(corners, 3, 3, ref3)}),
                 ((double[]){3 * 18 - 3 * 12 + 8}), 1, 1e-14, 0);
    assert_true(pare_hypervolume(beyond, 1, 2, ref) == 0);
    assert_true(pare_hypervolume(nothing, 1, 2, ref) == 0);
    assert_true(pare_hypervolume(one, 0, 2, ref) == 0);
}

static void the_volume_agrees_with_monte_carlo(void **state)
{
    struct pare_rng rng;

    (void)state;
    pare_rng_init(&rng, 11, 0);
    for (int k = 1; k <= 4; k++) {
        const double ref[] = {1, 1, 1, 1};
        double points[12 * 4], volume, share, error;
        int n_hit = 0;
        enum { SAMPLES = 200000 };

        for (int i = 0; i < 12 * k; i++)
            points[i] = pare_rng_uniform(&rng);
        volume = pare_hypervolume(points, 12, k, ref);
        for (int s = 0; s < SAMPLES; s++) {
            double x[4];
            int hit = 0;

            for (int j = 0; j < k; j++)
                x[j] = pare_rng_uniform(&rng);
            for (int i = 0; i < 12 && !hit; i++) {
                hit = 1;
                for (int j = 0; j < k; j++)
                    hit &= points[i * k + j] <= x[j];
            }
            n_hit += hit;
        }
        share = (double)n_hit / SAMPLES;
        error = sqrt(share * (1 - share) / SAMPLES);
        assert_true(fabs(volume - share) <= 5 * error + 1e-12);
    }
}

/* ZDT1's true front is f2 = 1 - sqrt(f1): with reference (11, 11) its volume is
 * 11^2 - 1 + 2/3 = 120.667, with (1.1, 1.1) it is 0.876. */
static void the_front_of_zdt1_has_its_known_volume(void **state)
{
    enum { N = 4000 };
    static double points[N * 2];

    (void)state;
    for (int i = 0; i < N; i++) {
        double f1 = (double)i / (N - 1);

        f1 *= f1; /* dense where the front is steep */
        points[2 * i] = f1;
        points[2 * i + 1] = 1 - sqrt(f1);
    }
    assert_close(((double[]){pare_hypervolume(points, N, 2, (double[]){11, 11})}),
                 ((double[]){121 - 1.0 / 3}), 1, 0, 1e-3);
    assert_close(((double[]){pare_hypervolume(points, N, 2, (double[]){1.1, 1.1})}),
                 ((double[]){1.21 - 1.0 / 3}), 1, 0, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_front_of_a_small_set_is_known),
        cmocka_unit_test(random_fronts_match_brute_force),
        cmocka_unit_test(the_volume_of_boxes_is_exact),
        cmocka_unit_test(the_volume_agrees_with_monte_carlo),
        cmocka_unit_test(the_front_of_zdt1_has_its_known_volume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
