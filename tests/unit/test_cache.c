/* The artifact cache: what is whole is found, what is damaged is noticed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/check.h"
#include "base/file.h"
#include "pipeline/cache.h"

static const char key[] = "0123456789abcdef0123456789abcdef";

/* x [N, 3] -> Gemm -> [N, 2] */
static struct pare_graph *small_graph(float first)
{
    struct pare_graph *graph = pare_graph_new("small");
    struct pare_shape in = pare_shape_of(2, (int64_t)PARE_DIM_BATCH, (int64_t)3);
    struct pare_shape shape = pare_shape_of(2, (int64_t)2, (int64_t)3);
    struct pare_tensor *data = NULL;
    struct pare_value *inputs[2];
    struct pare_node *node;
    struct pare_error err = {0};

    assert_ok(pare_tensor_new(&data, PARE_F32, &shape, &err), &err);
    for (int i = 0; i < 6; i++)
        pare_tensor_f32(data)[i] = first + (float)i;
    inputs[0] = pare_graph_input(graph, "x", &in);
    inputs[1] = pare_graph_weight(graph, "w", data);
    node = pare_graph_node(graph, PARE_OP_GEMM, "fc", inputs, 2);
    pare_node_set_int(graph, node, "transB", 1);
    pare_graph_output(graph, node->outputs[0]);
    assert_ok(pare_graph_finish(graph, &err), &err);
    return graph;
}

static struct pare_cache_entry put(const char *folder, float first)
{
    struct pare_graph *graph = small_graph(first);
    struct pare_cache_entry entry = {.wall_s = 1.5, .peak_rss_mib = 20, .log = strdup("a\nb\n")};
    struct pare_error err = {0};

    assert_ok(pare_cache_open(folder, &err), &err);
    assert_ok(pare_cache_put(folder, key, graph, &entry, &err), &err);
    pare_graph_free(graph);
    return entry;
}

static void what_was_put_is_found_with_its_record(void **state)
{
    char *folder = check_make_dir();
    struct pare_cache_entry entry = put(folder, 1), found = {0};

    (void)state;
    assert_int_equal(pare_cache_find(&found, folder, key), PARE_CACHE_HIT);
    assert_string_equal(found.digest.hex, entry.digest.hex);
    assert_int_equal(found.size_bytes, entry.size_bytes);
    assert_int_equal(found.macs, 6);
    assert_int_equal(found.params, 6);
    assert_string_equal(found.log, "a\nb\n");
    assert_float_equal(found.wall_s, 1.5, 0);
    pare_cache_entry_clear(&found);
    pare_cache_entry_clear(&entry);
    check_remove_dir(folder);
}

static void what_was_not_put_is_missing(void **state)
{
    char *folder = check_make_dir();
    struct pare_cache_entry found = {0};

    (void)state;
    assert_int_equal(pare_cache_find(&found, folder, key), PARE_CACHE_MISS);
    check_remove_dir(folder);
}

static void the_same_network_gives_the_same_bytes(void **state)
{
    char *folder = check_make_dir();
    struct pare_cache_entry a = put(folder, 1), b = put(folder, 1), c = put(folder, 2);

    (void)state;
    assert_string_equal(a.digest.hex, b.digest.hex);
    assert_string_not_equal(a.digest.hex, c.digest.hex);
    pare_cache_entry_clear(&a);
    pare_cache_entry_clear(&b);
    pare_cache_entry_clear(&c);
    check_remove_dir(folder);
}

static void one_flipped_bit_is_noticed(void **state)
{
    char *folder = check_make_dir(), *path = pare_cache_path(folder, key);
    struct pare_cache_entry entry = put(folder, 1), found = {0};
    int fd = open(path, O_RDWR);
    unsigned char byte;

    (void)state;
    assert_int_equal(pread(fd, &byte, 1, entry.size_bytes - 1), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, entry.size_bytes - 1), 1);
    close(fd);
    assert_int_equal(pare_cache_find(&found, folder, key), PARE_CACHE_DAMAGED);
    pare_cache_entry_clear(&entry);
    free(path);
    check_remove_dir(folder);
}

static void a_network_that_is_gone_is_noticed(void **state)
{
    char *folder = check_make_dir(), *path = pare_cache_path(folder, key);
    struct pare_cache_entry entry = put(folder, 1), found = {0};

    (void)state;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pare_cache_find(&found, folder, key), PARE_CACHE_DAMAGED);
    pare_cache_entry_clear(&entry);
    free(path);
    check_remove_dir(folder);
}

static void a_network_without_its_record_was_never_finished(void **state)
{
    char *folder = check_make_dir(), *path = NULL;
    struct pare_cache_entry entry = put(folder, 1), found = {0};

    (void)state;
    assert_true(asprintf(&path, "%s/artifacts/%s.json", folder, key) > 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pare_cache_find(&found, folder, key), PARE_CACHE_MISS);
    pare_cache_entry_clear(&entry);
    free(path);
    check_remove_dir(folder);
}

static void a_damaged_record_is_noticed(void **state)
{
    char *folder = check_make_dir(), *path = NULL;
    struct pare_cache_entry entry = put(folder, 1), found = {0};
    struct pare_error err = {0};

    (void)state;
    assert_true(asprintf(&path, "%s/artifacts/%s.json", folder, key) > 0);
    assert_ok(pare_file_write(path, "{\"digest\": 7", 12, &err), &err);
    assert_int_equal(pare_cache_find(&found, folder, key), PARE_CACHE_DAMAGED);
    pare_cache_entry_clear(&entry);
    free(path);
    check_remove_dir(folder);
}

static void opening_removes_what_a_killed_writer_left(void **state)
{
    char *folder = check_make_dir(), *path = NULL;
    struct pare_cache_entry entry = put(folder, 1), found = {0};
    struct pare_error err = {0};

    (void)state;
    assert_true(asprintf(&path, "%s/artifacts/%s.safetensors.tmp.99", folder, key) > 0);
    assert_ok(pare_file_write(path, "half", 4, &err), &err);
    assert_ok(pare_cache_open(folder, &err), &err);
    assert_false(pare_file_exists(path));
    assert_int_equal(pare_cache_find(&found, folder, key), PARE_CACHE_HIT);
    pare_cache_entry_clear(&found);
    pare_cache_entry_clear(&entry);
    free(path);
    check_remove_dir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_with_its_record),
        cmocka_unit_test(what_was_not_put_is_missing),
        cmocka_unit_test(the_same_network_gives_the_same_bytes),
        cmocka_unit_test(one_flipped_bit_is_noticed),
        cmocka_unit_test(a_network_that_is_gone_is_noticed),
        cmocka_unit_test(a_network_without_its_record_was_never_finished),
        cmocka_unit_test(a_damaged_record_is_noticed),
        cmocka_unit_test(opening_removes_what_a_killed_writer_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
