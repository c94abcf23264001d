/* search: grid, random and sobol, over numbers alone. */
#include "../support/check.h"

#include <stdlib.h>
#include <string.h>

#include "search/samplers.h"

static void *open_sampler(const struct pare_sampler *sampler, int n_dims, const int64_t *n_values,
                          uint64_t seed)
{
    const bool is_ordered[64] = {false};
    struct pare_sampler_space space = {n_dims, n_values, is_ordered};
    struct pare_error err;
    void *state = NULL;

    assert_ok(sampler->open(&state, NULL, &space, 2, seed, &err), &err);
    return state;
}

static int64_t index_of(const int64_t *point, const int64_t *n_values, int n_dims)
{
    int64_t i = 0;

    for (int d = 0; d < n_dims; d++) {
        assert_in_range(point[d], 0, n_values[d] - 1);
        i = i * n_values[d] + point[d];
    }
    return i;
}

static void grid_visits_every_point_once_in_order(void **state)
{
    const int64_t n_values[] = {3, 1, 4, 2};
    void *grid = open_sampler(&pare_sampler_grid, 4, n_values, 9);
    int64_t point[4];

    (void)state;
    for (int64_t i = 0; i < 24; i++) {
        assert_true(pare_sampler_grid.ask(grid, point));
        assert_int_equal(index_of(point, n_values, 4), i);
        pare_sampler_grid.tell(grid, point, NULL);
    }
    assert_false(pare_sampler_grid.ask(grid, point));
    assert_false(pare_sampler_grid.ask(grid, point));
    pare_sampler_grid.close(grid);
}

static void random_and_sobol_cover_small_spaces_without_repetition(void **state)
{
    const struct pare_sampler *const samplers[] = {&pare_sampler_random, &pare_sampler_sobol};
    const int64_t spaces[][3] = {{3, 5, 7}, {1, 1, 1}, {2, 2, 2}, {16, 16, 4}, {1000, 1, 1}};

    (void)state;
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < 5; k++)
            for (uint64_t seed = 0; seed < 3; seed++) {
                void *sampler = open_sampler(samplers[s], 3, spaces[k], seed);
                int64_t n = spaces[k][0] * spaces[k][1] * spaces[k][2], point[3];
                char *seen = calloc((size_t)n, 1);

                for (int64_t i = 0; i < n; i++) {
                    int64_t at;

                    assert_true(samplers[s]->ask(sampler, point));
                    at = index_of(point, spaces[k], 3);
                    assert_false(seen[at]);
                    seen[at] = 1;
                }
                assert_false(samplers[s]->ask(sampler, point));
                samplers[s]->close(sampler);
                free(seen);
            }
}

static void the_same_seed_gives_the_same_points_and_another_gives_others(void **state)
{
    const struct pare_sampler *const samplers[] = {&pare_sampler_random, &pare_sampler_sobol};
    const int64_t n_values[] = {100, 100, 100, 100};

    (void)state;
    for (int s = 0; s < 2; s++) {
        void *a = open_sampler(samplers[s], 4, n_values, 1);
        void *b = open_sampler(samplers[s], 4, n_values, 1);
        void *c = open_sampler(samplers[s], 4, n_values, 2);
        int n_same = 0;

        for (int i = 0; i < 500; i++) {
            int64_t p[4], q[4], r[4];
            double told[] = {i, -i};

            assert_true(samplers[s]->ask(a, p) && samplers[s]->ask(b, q) && samplers[s]->ask(c, r));
            samplers[s]->tell(a, p, told); /* b is told nothing: that must not matter */
            assert_memory_equal(p, q, sizeof p);
            n_same += memcmp(p, r, sizeof p) == 0;
        }
        assert_true(n_same < 5);
        samplers[s]->close(a);
        samplers[s]->close(b);
        samplers[s]->close(c);
    }
}

static void random_uses_every_value_equally_often(void **state)
{
    const int64_t n_values[] = {10, 1000000, 7};
    void *random = open_sampler(&pare_sampler_random, 3, n_values, 5);
    int counts[10] = {0}, last[7] = {0};
    int64_t point[3];

    (void)state;
    for (int i = 0; i < 10000; i++) {
        assert_true(pare_sampler_random.ask(random, point));
        counts[point[0]]++;
        last[point[2]]++;
    }
    for (int v = 0; v < 10; v++) /* 1000 +- 5 deviations of sqrt(900) */
        assert_in_range(counts[v], 850, 1150);
    for (int v = 0; v < 7; v++)
        assert_in_range(last[v], 1250, 1610);
    pare_sampler_random.close(random);
}

static void random_draws_from_spaces_beyond_any_count(void **state)
{
    int64_t n_values[20], point[20];
    void *random;

    (void)state;
    for (int d = 0; d < 20; d++)
        n_values[d] = 1000;
    random = open_sampler(&pare_sampler_random, 20, n_values, 1);
    for (int i = 0; i < 1000; i++) {
        assert_true(pare_sampler_random.ask(random, point));
        for (int d = 0; d < 20; d++)
            assert_in_range(point[d], 0, 999);
    }
    pare_sampler_random.close(random);
}

/* Of 2^m points each of 2^m equal intervals holds exactly one, in every tabled dimension, for every
 * seed: the digital shift keeps nets. */
static void sobol_is_stratified_in_every_dimension(void **state)
{
    enum { M = 8, N = 1 << M, DIMS = 37 };
    int64_t n_values[DIMS], point[DIMS];

    (void)state;
    for (int d = 0; d < DIMS; d++)
        n_values[d] = N;
    for (uint64_t seed = 0; seed < 4; seed++) {
        void *sobol = open_sampler(&pare_sampler_sobol, DIMS, n_values, seed);
        static char seen[DIMS][N];

        memset(seen, 0, sizeof seen);
        for (int i = 0; i < N; i++) {
            assert_true(pare_sampler_sobol.ask(sobol, point));
            for (int d = 0; d < DIMS; d++) {
                assert_false(seen[d][point[d]]);
                seen[d][point[d]] = 1;
            }
        }
        pare_sampler_sobol.close(sobol);
    }
}

/* Fine cells, so that none comes twice and the sequence is seen as it is. */
enum { FINE_BITS = 20 };

/* The first two dimensions form a (0, 2)-sequence: 2^m points hit each box 2^-a x 2^-b, a + b = m,
 * once. */
static void sobol_is_stratified_in_two_dimensions(void **state)
{
    enum { M = 8, N = 1 << M };

    (void)state;
    for (int a = 0; a <= M; a++) {
        const int64_t n_values[] = {1 << FINE_BITS, 1 << FINE_BITS};
        void *sobol = open_sampler(&pare_sampler_sobol, 2, n_values, 77);
        int64_t point[2];
        char seen[N] = {0};

        for (int i = 0; i < N; i++) {
            int64_t box;

            assert_true(pare_sampler_sobol.ask(sobol, point));
            box = ((point[0] >> (FINE_BITS - a)) << (M - a)) | point[1] >> (FINE_BITS - (M - a));
            assert_false(seen[box]);
            seen[box] = 1;
        }
        pare_sampler_sobol.close(sobol);
    }
}

/* Property A (Sobol' 1976), which Joe and Kuo's numbers have: the first 2^d points put one into
 * each of the 2^d corners of the cube.  A wrong entry of the table would break it. */
static void sobol_has_property_a_up_to_sixteen_dimensions(void **state)
{
    (void)state;
    for (int d = 1; d <= 16; d++) {
        int64_t n_values[16], point[16];
        char *seen = calloc((size_t)1 << d, 1);
        void *sobol;

        for (int j = 0; j < d; j++)
            n_values[j] = 1 << FINE_BITS;
        sobol = open_sampler(&pare_sampler_sobol, d, n_values, 3);
        for (int i = 0; i < 1 << d; i++) {
            int64_t corner = 0;

            assert_true(pare_sampler_sobol.ask(sobol, point));
            for (int j = 0; j < d; j++)
                corner = corner << 1 | point[j] >> (FINE_BITS - 1);
            assert_false(seen[corner]);
            seen[corner] = 1;
        }
        pare_sampler_sobol.close(sobol);
        free(seen);
    }
}

static void sobol_goes_on_beyond_its_table(void **state)
{
    int64_t n_values[60], point[60];
    int counts[4] = {0};
    void *sobol;

    (void)state;
    for (int d = 0; d < 60; d++)
        n_values[d] = 4;
    sobol = open_sampler(&pare_sampler_sobol, 60, n_values, 1);
    for (int i = 0; i < 1000; i++) {
        assert_true(pare_sampler_sobol.ask(sobol, point));
        index_of(point, n_values, 20);
        counts[point[59]]++;
    }
    for (int v = 0; v < 4; v++)
        assert_in_range(counts[v], 180, 320);
    pare_sampler_sobol.close(sobol);
}

static void samplers_are_found_by_name(void **state)
{
    (void)state;
    for (int i = 0; pare_sampler_names[i]; i++)
        assert_string_equal(pare_sampler_find(pare_sampler_names[i])->name, pare_sampler_names[i]);
    assert_null(pare_sampler_find("tea-leaves"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_visits_every_point_once_in_order),
        cmocka_unit_test(random_and_sobol_cover_small_spaces_without_repetition),
        cmocka_unit_test(the_same_seed_gives_the_same_points_and_another_gives_others),
        cmocka_unit_test(random_uses_every_value_equally_often),
        cmocka_unit_test(random_draws_from_spaces_beyond_any_count),
        cmocka_unit_test(sobol_is_stratified_in_every_dimension),
        cmocka_unit_test(sobol_is_stratified_in_two_dimensions),
        cmocka_unit_test(sobol_has_property_a_up_to_sixteen_dimensions),
        cmocka_unit_test(sobol_goes_on_beyond_its_table),
        cmocka_unit_test(samplers_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
