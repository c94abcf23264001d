#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "../support/check.h"
#include "../support/nets.h"

/* Totals with batch norm folded, from the layer tables of the published networks. */
static const struct {
    const char *zoo, *table;
    int64_t macs, params;
    int n_nodes; /* with batch norm */
} networks[] = {
    {"lenet-300-100", "lenet300_100", 266200, 266610, 6},
    {"lenet5", "lenet5_caffe", 2293000, 431080, 8},
    {"resnet8", "mlperf_tiny_ic_resnet8", 12501632, 77706, 29},
    {"ds-cnn", "mlperf_tiny_kws_dscnn", 2656768, 22604, 30},
    {"mobilenetv1-0.25", "mlperf_tiny_vww_mobilenetv1_0.25_96", 7489664, 210850, 84},
    {"fc-autoencoder", "mlperf_tiny_ad_fcae", 264192, 265864, 28},
};
enum { N_NETWORKS = sizeof networks / sizeof *networks };

static struct pare_graph *build(const char *name, uint64_t seed)
{
    struct pare_graph *g = NULL;
    struct pare_error err = {0};

    assert_ok(pare_zoo_build(&g, name, NULL, 0, seed, &err), &err);
    return g;
}

static void totals_are_those_of_the_published_networks(void **state)
{
    (void)state;
    for (int i = 0; i < N_NETWORKS; i++) {
        struct pare_graph *g = build(networks[i].zoo, 1);
        struct pare_error err = {0};

        assert_int_equal(g->n_nodes, networks[i].n_nodes);
        assert_int_equal(pare_graph_macs(g), networks[i].macs);
        assert_ok(pare_graph_fold_batchnorm(g, &err), &err);
        assert_int_equal(pare_graph_macs(g), networks[i].macs);
        assert_int_equal(pare_graph_params(g), networks[i].params);
        pare_graph_free(g);
    }
}

/* ---- Layer by layer ---- */

/* The k-th field of a line of plain CSV, as a number; empty is 0. */
static int64_t field(const char *line, int k)
{
    while (k--)
        line = strchr(line, ',') + 1;
    return strtoll(line, NULL, 10);
}

/* The k-th field's column by its name in the header. */
static int column(const char *header, const char *name)
{
    int k = 0;
    size_t n = strlen(name);

    while (strncmp(header, name, n) != 0 || (header[n] != ',' && header[n] != '\n')) {
        header = strchr(header, ',');
        if (!header)
            fail_msg("the table has no column %s", name);
        header++;
        k++;
    }
    return k;
}

static void check_line(const char *header, const char *line, const struct pare_node *node)
{
    struct pare_conv2d c;
    int64_t bias = node->n_inputs > 2 ? pare_shape_elems(&node->inputs[2]->shape) : 0;

#define FIELD(NAME) field(line, column(header, NAME))
    assert_int_equal(pare_node_macs(node), FIELD("macs"));
    assert_int_equal(pare_shape_elems(&node->inputs[1]->shape), FIELD("weight_params"));
    assert_int_equal(bias, FIELD("bias_params"));
    assert_int_equal(pare_shape_elems(&node->inputs[0]->shape), FIELD("input_elems"));
    assert_int_equal(pare_shape_elems(&node->outputs[0]->shape), FIELD("output_elems"));
    if (node->op != PARE_OP_CONV)
        return;
    c = pare_node_conv2d(node);
    assert_int_equal(c.H, FIELD("in_h"));
    assert_int_equal(c.W, FIELD("in_w"));
    assert_int_equal(c.C, FIELD("in_c"));
    assert_int_equal(c.R, FIELD("kernel_h"));
    assert_int_equal(c.S, FIELD("kernel_w"));
    assert_int_equal(c.stride_h, FIELD("stride_h"));
    assert_int_equal(c.pad_top, FIELD("pad_top"));
    assert_int_equal(c.pad_bottom, FIELD("pad_bottom"));
    assert_int_equal(c.pad_left, FIELD("pad_left"));
    assert_int_equal(c.pad_right, FIELD("pad_right"));
    assert_int_equal(c.group, FIELD("groups"));
    assert_int_equal(c.M, FIELD("out_c"));
    assert_int_equal(c.P, FIELD("out_h"));
    assert_int_equal(c.Q, FIELD("out_w"));
#undef FIELD
}

static void every_layer_is_that_of_the_tables(void **state)
{
    const char *data = check_data_dir();

    (void)state;
    if (!data) {
        print_message("SKIPPED: no data folder (PARE_DATA): the layer tables are not there\n");
        skip();
    }
    for (int i = 0; i < N_NETWORKS; i++) {
        struct pare_graph *g = build(networks[i].zoo, 1);
        struct pare_error err = {0};
        char path[4500], header[1024], line[1024], name[64];
        int n_layers = 0, n_checked = 0;
        FILE *table;

        assert_ok(pare_graph_fold_batchnorm(g, &err), &err);
        snprintf(path, sizeof path, "%s/hw/layers/%s.csv", data, networks[i].table);
        table = fopen(path, "r");
        assert_non_null(table);
        assert_non_null(fgets(header, sizeof header, table));
        while (fgets(line, sizeof line, table)) {
            const struct pare_node *node;

            assert_int_equal(sscanf(strchr(line, ',') + 1, "%63[^,]", name), 1);
            node = pare_graph_find_node(g, name);
            if (field(line, column(header, "weight_params")) == 0)
                continue;
            if (!node)
                fail_msg("%s has no layer %s", networks[i].zoo, name);
            check_line(header, line, node);
            n_checked++;
        }
        fclose(table);
        pare_each_node(node, g)
            n_layers += node->op == PARE_OP_CONV || node->op == PARE_OP_GEMM;
        assert_int_equal(n_checked, n_layers);
        pare_graph_free(g);
    }
}

/* ---- Names, widths, inputs ---- */

static void widths_scale_hidden_channels_only(void **state)
{
    struct pare_graph *g = build("lenet5-half", 1);

    (void)state;
    assert_int_equal(pare_graph_find_value(g, "conv1.weight")->shape.dims[0], 10);
    assert_int_equal(pare_graph_find_value(g, "conv2.weight")->shape.dims[0], 25);
    assert_int_equal(pare_graph_find_value(g, "fc1.weight")->shape.dims[0], 250);
    assert_int_equal(pare_graph_find_value(g, "fc2.weight")->shape.dims[0], 10);
    assert_string_equal(pare_graph_meta(g, "zoo", ""), "lenet5-half");
    assert_string_equal(pare_graph_meta(g, "output", ""), "logits");
    pare_graph_free(g);
    g = build("lenet5-quarter", 1);
    assert_int_equal(pare_graph_find_value(g, "conv2.weight")->shape.dims[0], 13); /* 12.5 up */
    pare_graph_free(g);
    g = build("lenet5-x0.3", 1);
    assert_int_equal(pare_graph_find_value(g, "conv1.weight")->shape.dims[0], 6);
    pare_graph_free(g);
    g = build("mlp-x0.001", 1);
    assert_int_equal(pare_graph_find_value(g, "fc1.weight")->shape.dims[0], 1);
    pare_graph_free(g);
    g = build("mobilenetv1-0.25-half", 1);
    assert_int_equal(pare_graph_find_value(g, "pw13.weight")->shape.dims[0], 128);
    assert_int_equal(pare_node_int(pare_graph_find_node(g, "dw13"), "group", 1), 128);
    pare_graph_free(g);
}

static void every_network_has_every_width(void **state)
{
    static const char *const widths[] = {"", "-half", "-quarter", "-x0.3", "-x2"};

    (void)state;
    for (int i = 0; i < pare_zoo_n(); i++) {
        for (size_t k = 0; k < sizeof widths / sizeof *widths; k++) {
            const struct pare_zoo_entry *entry = pare_zoo_get(i);
            struct pare_error err = {0};
            struct pare_graph *g;
            char name[64];

            snprintf(name, sizeof name, "%s%s", entry->name, widths[k]);
            assert_ok(pare_zoo_check(name, &err), &err);
            g = build(name, 1);
            assert_int_equal(net_n_in(g), pare_shape_elems(&entry->input));
            assert_int_equal(net_n_out(g), entry->n_classes ? entry->n_classes : net_n_in(g));
            pare_graph_free(g);
        }
    }
}

static void unknown_names_get_the_nearest(void **state)
{
    static const char *const rows[][2] = {
        {"lenet-5", "'lenet5'"},
        {"resnet-8", "'resnet8'"},
        {"lenet5-haf", "'lenet5-half'"},
        {"lenet5-x", "lenet5"},
        {"lenet5-x0", "lenet5"},
        {"lenet5-x-1", "lenet5"},
        {"lenet5-xnan", "lenet5"},
        {"lenet5-x99", "lenet5"},
        {"lenet5-half-half", "lenet5"},
        {"transformer", "known are lenet-300-100"},
        {"", "known are"},
        {"lenet5-x0.5.5", "lenet5"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pare_error err = {0};
        struct pare_graph *g;

        assert_int_equal(pare_zoo_check(rows[i][0], &err), PARE_EINVAL);
        if (!strstr(err.text, rows[i][1]))
            fail_msg("\"%s\" does not name %s", err.text, rows[i][1]);
        assert_int_equal(pare_zoo_build(&g, rows[i][0], NULL, 0, 1, &err), PARE_EINVAL);
    }
}

static void input_and_classes_can_be_given(void **state)
{
    struct pare_shape colour = pare_shape_of(3, (int64_t)3, (int64_t)32, (int64_t)32);
    struct pare_shape tiny = pare_shape_of(3, (int64_t)1, (int64_t)12, (int64_t)12);
    struct pare_shape vector = pare_shape_of(1, (int64_t)20);
    struct pare_shape hostile = pare_shape_of(3, (int64_t)1, (int64_t)-4, (int64_t)28);
    struct pare_error err = {0};
    struct pare_graph *g;

    (void)state;
    assert_ok(pare_zoo_build(&g, "lenet5", &colour, 100, 1, &err), &err);
    assert_int_equal(pare_graph_find_value(g, "fc1.weight")->shape.dims[1], 50 * 5 * 5);
    assert_int_equal(net_n_out(g), 100);
    pare_graph_free(g);
    assert_ok(pare_zoo_build(&g, "mlp", &vector, 3, 1, &err), &err);
    assert_null(pare_graph_find_node(g, "flatten"));
    assert_int_equal(pare_graph_params(g), 20 * 32 + 32 + 32 * 3 + 3);
    pare_graph_free(g);
    assert_ok(pare_zoo_build(&g, "fc-autoencoder", &vector, 10, 1, &err), &err);
    assert_int_equal(net_n_out(g), 20); /* reconstructs; classes do not matter */
    assert_string_equal(pare_graph_meta(g, "output", ""), "reconstruction");
    pare_graph_free(g);

    assert_int_equal(pare_zoo_build(&g, "lenet5", &tiny, 0, 1, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "lenet5 on input [1, 12, 12]: node 'conv2'"));
    assert_int_equal(pare_zoo_build(&g, "lenet5", &vector, 0, 1, &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "[channels, height, width]"));
    assert_int_equal(pare_zoo_build(&g, "lenet5", &hostile, 0, 1, &err), PARE_EINVAL);
    assert_int_equal(pare_zoo_build(&g, "lenet5", NULL, -1, 1, &err), PARE_EINVAL);
}

/* Any image that is not smaller than a window gives a network that runs. */
static void networks_for_images_take_other_sizes(void **state)
{
    static const char *const names[] = {"resnet8-quarter", "ds-cnn-quarter",
                                        "mobilenetv1-0.25-quarter"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int64_t size = 4; size < 40; size += 5) {
            struct pare_shape shape = pare_shape_of(3, (int64_t)1, size, size + 1);
            struct pare_error err = {0};
            struct pare_graph *g;
            float *in, *out;

            assert_ok(pare_zoo_build(&g, names[i], &shape, 7, 1, &err), &err);
            in = net_random(1, net_n_in(g));
            out = net_output(g, in, 1);
            for (int k = 0; k < 7; k++)
                assert_true(isfinite(out[k]));
            free(in);
            free(out);
            pare_graph_free(g);
        }
    }
}

/* ---- Weights ---- */

static void the_seed_decides_the_weights(void **state)
{
    struct pare_graph *a = build("lenet5", 1), *b = build("lenet5", 1), *c = build("lenet5", 2);

    (void)state;
    pare_each_weight(x, a) {
        const struct pare_value *y = pare_graph_find_value(b, x->name);
        const struct pare_value *z = pare_graph_find_value(c, x->name);

        assert_memory_equal(x->data->data, y->data->data, x->data->n_bytes);
        if (x->shape.n_dims > 1)
            assert_memory_not_equal(x->data->data, z->data->data, x->data->n_bytes);
    }
    pare_graph_free(a);
    pare_graph_free(b);
    pare_graph_free(c);
}

/* Deviation sqrt(2 / fan in) before a Relu; its estimate from n numbers errs by 1 / sqrt(2 n), and
 * the mean by deviation / sqrt(n): five of these. */
static void weights_start_as_he_et_al_say(void **state)
{
    struct pare_graph *g = build("lenet5", 3);
    const struct pare_value *w = pare_graph_find_value(g, "fc1.weight");
    int64_t n = pare_tensor_elems(w->data);
    double sum = 0, squares = 0, wanted = sqrt(2.0 / 800), mean, deviation;

    (void)state;
    for (int64_t i = 0; i < n; i++) {
        sum += pare_tensor_f32(w->data)[i];
        squares += pow(pare_tensor_f32(w->data)[i], 2);
    }
    mean = sum / (double)n;
    deviation = sqrt(squares / (double)n - mean * mean);
    assert_true(fabs(deviation / wanted - 1) < 5 / sqrt(2.0 * (double)n));
    assert_true(fabs(mean) < 5 * wanted / sqrt((double)n));
    w = pare_graph_find_value(g, "fc1.bias");
    for (int64_t i = 0; i < 500; i++)
        assert_true(pare_tensor_f32(w->data)[i] == 0);
    pare_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_are_those_of_the_published_networks),
        cmocka_unit_test(every_layer_is_that_of_the_tables),
        cmocka_unit_test(widths_scale_hidden_channels_only),
        cmocka_unit_test(every_network_has_every_width),
        cmocka_unit_test(unknown_names_get_the_nearest),
        cmocka_unit_test(input_and_classes_can_be_given),
        cmocka_unit_test(networks_for_images_take_other_sizes),
        cmocka_unit_test(the_seed_decides_the_weights),
        cmocka_unit_test(weights_start_as_he_et_al_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
