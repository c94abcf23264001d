/* One network: what it is made of, and how right it is. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/text.h"
#include "cli/args.h"
#include "cli/network.h"
#include "io/data_test.h"
#include "io/model.h"
#include "measure/evaluate.h"
#include "measure/stats.h"

/* ---- inspect ---- */

static const struct pare_arg inspect_options[] = {
    {"output", 'o', "FORMAT", "how to print", PARE_CHOICES("text", "json")},
    PARE_ARG_END,
};

/* "s8 per channel", "f32 sparse 80 %" of a node's weight. */
static void coding_words(const struct pare_node *node, struct pare_text *text)
{
    const struct pare_value *weight = NULL;
    int64_t n, n_zero = 0;

    for (int i = 1; !weight && i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->data)
            weight = node->inputs[i];
    pare_text_clear(text);
    if (!weight || (node->op != PARE_OP_CONV && node->op != PARE_OP_GEMM))
        return;
    if (weight->coding.bits == 32)
        pare_text_add(text, "f32");
    else
        pare_text_printf(text, "int%d per %s%s", weight->coding.bits,
                         weight->coding.axis < 0 ? "tensor" : "channel",
                         weight->coding.is_symmetric ? "" : ", zero points");
    if (!weight->coding.is_sparse)
        return;
    n = pare_tensor_elems(weight->data);
    for (int64_t i = 0; i < n; i++)
        n_zero += pare_tensor_f32(weight->data)[i] == 0;
    pare_text_printf(text, ", %.0f %% zeros", n ? 100.0 * (double)n_zero / (double)n : 0.0);
}

static int64_t node_params(const struct pare_graph *graph, const struct pare_node *node)
{
    int64_t n = 0;

    for (int i = 0; i < node->n_inputs; i++)
        if (node->inputs[i] && node->inputs[i]->data &&
            !pare_value_is_statistic(graph, node->inputs[i]))
            n += pare_tensor_elems(node->inputs[i]->data);
    return n;
}

static void inspect_text(const struct pare_graph *graph, int64_t n_bytes)
{
    struct pare_text coding = {0};
    char shape[64], size[32];

    printf("%s: %d nodes, input %s\n\n", graph->name, graph->n_nodes,
           pare_shape_text(&graph->inputs[0]->shape, shape, sizeof shape));
    printf("%-14s %-17s %-18s %12s %10s  %s\n", "node", "operator", "output", "MACs", "params",
           "weights");
    pare_each_node(node, graph) {
        coding_words(node, &coding);
        printf("%-14s %-17s %-18s %12" PRId64 " %10" PRId64 "%s%s\n", node->name,
               pare_op_name(node->op),
               pare_shape_text(&node->outputs[0]->shape, shape, sizeof shape), pare_node_macs(node),
               node_params(graph, node), coding.s ? "  " : "", coding.s ? coding.s : "");
    }
    printf("\nMACs    %" PRId64 "\nparams  %" PRId64 "\nfile    %s (%" PRId64 " bytes)\n",
           pare_graph_macs(graph), pare_graph_params(graph),
           pare_text_bytes((double)n_bytes, size, sizeof size), n_bytes);
    for (const struct pare_attr *meta = graph->meta; meta; meta = meta->next)
        if (meta->s && strlen(meta->s) < 200)
            printf("%-7s %s\n", meta->name, meta->s);
    pare_text_clear(&coding);
}

static void inspect_json(const struct pare_graph *graph, int64_t n_bytes)
{
    struct pare_text out = {0}, coding = {0};
    char shape[64];

    pare_text_add(&out, "[{\"name\": ");
    pare_text_json_string(&out, graph->name);
    pare_text_printf(&out,
                     ", \"macs\": %" PRId64 ", \"params\": %" PRId64 ", \"size_bytes\": %" PRId64
                     ", \"nodes\": [",
                     pare_graph_macs(graph), pare_graph_params(graph), n_bytes);
    pare_each_node(node, graph) {
        coding_words(node, &coding);
        pare_text_add(&out, node->index ? ",\n  {\"name\": " : "\n  {\"name\": ");
        pare_text_json_string(&out, node->name);
        pare_text_printf(
            &out,
            ", \"op\": \"%s\", \"output\": \"%s\", \"macs\": %" PRId64 ", \"params\": %" PRId64,
            pare_op_name(node->op), pare_shape_text(&node->outputs[0]->shape, shape, sizeof shape),
            pare_node_macs(node), node_params(graph, node));
        pare_text_add(&out, ", \"weights\": ");
        pare_text_json_string(&out, coding.s ? coding.s : "");
        pare_text_add(&out, "}");
    }
    pare_text_add(&out, "]}]");
    puts(out.s);
    pare_text_clear(&out);
    pare_text_clear(&coding);
}

static int run_inspect(int argc, char **argv)
{
    struct pare_args args;
    struct pare_graph *graph = NULL;
    struct pare_error err = {0};
    int64_t n_bytes = 0;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_inspect, argc, argv, &code))
        return code;
    st = pare_network_open(&graph, args.operands[0], NULL, 0, &err);
    if (!st)
        st = pare_network_bytes(&n_bytes, graph, args.operands[0], &err);
    if (st)
        code = pare_command_fail(&pare_cmd_inspect, st, &err);
    else if (*pare_arg_get(&args, "output", "text") == 'j')
        inspect_json(graph, n_bytes);
    else
        inspect_text(graph, n_bytes);
    pare_graph_free(graph);
    return code;
}

const struct pare_command pare_cmd_inspect = {
    .name = "inspect",
    .summary = "graph, shapes, MACs, parameters, codings and bytes of a network",
    .usage = "[OPTION...] MODEL",
    .details = "MODEL is a network of the zoo (lenet5, resnet8-half, ...) or a .safetensors file\n"
               "that pare wrote.",
    .options = inspect_options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_inspect,
};

/* ---- eval ---- */

static const struct pare_arg eval_options[] = {
    {"data", 'd', "NAME", "the data set: digits, fashion-mnist, ... (needed)", NULL},
    {"data-path", 'p', "DIR", "its folder", NULL},
    {"split", 's', "SPLIT", "which samples", PARE_CHOICES("test", "validation")},
    {"val-fraction", 0, "F", "part of training kept for validation (default 0.1)", NULL},
    {"data-seed", 0, "N", "of the split (default 0)", NULL},
    {"threads", 't', "N", "default: all cores", NULL},
    {"output", 'o', "FORMAT", "how to print", PARE_CHOICES("text", "json")},
    PARE_ARG_END,
};

static bool read_spec(struct pare_data_spec *spec, const struct pare_args *args)
{
    const char *fraction = pare_arg_get(args, "val-fraction", NULL);
    int64_t seed = 0;
    char *end;

    pare_data_spec_defaults(spec);
    spec->name = pare_arg_get(args, "data", NULL);
    spec->path = pare_arg_get(args, "data-path", NULL);
    if (!spec->name) {
        pare_usage_error(args->command, "--data is missing; write --data digits, for example");
        return false;
    }
    if (fraction) {
        spec->val_fraction = strtod(fraction, &end);
        if (end == fraction || *end || !(spec->val_fraction >= 0 && spec->val_fraction < 1)) {
            pare_usage_error(args->command, "--val-fraction: '%s' is no number in [0, 1)",
                             fraction);
            return false;
        }
    }
    if (!pare_arg_int(args, "data-seed", 0, INT64_MAX, &seed))
        return false;
    spec->seed = (uint64_t)seed;
    return true;
}

static void print_evaluation(const struct pare_evaluation *e, const char *model, const char *data,
                             const char *split, bool is_json)
{
    struct pare_interval interval = pare_wilson(e->n_correct, e->n);
    struct pare_text out = {0};
    bool has_labels = !isnan(e->accuracy);

    if (!is_json) {
        printf("%s on %s, %s split, %" PRId64 " samples\n", model, data, split, e->n);
        if (has_labels)
            printf("accuracy %.4f [%.4f, %.4f] (Wilson, 95 %%), %" PRId64 " right\n", e->accuracy,
                   interval.low, interval.high, e->n_correct);
        else
            printf("mean squared error %.6g\n", e->mse);
        return;
    }
    pare_text_add(&out, "[{\"model\": ");
    pare_text_json_string(&out, model);
    pare_text_add(&out, ", \"data\": ");
    pare_text_json_string(&out, data);
    pare_text_printf(&out, ", \"split\": \"%s\", \"n\": %" PRId64, split, e->n);
    if (has_labels) {
        pare_text_printf(&out, ", \"n_correct\": %" PRId64 ", \"accuracy\": ", e->n_correct);
        pare_text_json_number(&out, e->accuracy);
        pare_text_add(&out, ", \"accuracy_low\": ");
        pare_text_json_number(&out, interval.low);
        pare_text_add(&out, ", \"accuracy_high\": ");
        pare_text_json_number(&out, interval.high);
    } else {
        pare_text_add(&out, ", \"mse\": ");
        pare_text_json_number(&out, e->mse);
    }
    pare_text_add(&out, "}]");
    puts(out.s);
    pare_text_clear(&out);
}

static int run_eval(int argc, char **argv)
{
    struct pare_args args;
    struct pare_data_spec spec;
    struct pare_data *data = NULL;
    struct pare_data_test *test = NULL;
    struct pare_graph *graph = NULL;
    struct pare_evaluation evaluation = {0};
    struct pare_error err = {0};
    struct pare_shape sample;
    int64_t n_threads = pare_cpu_count();
    const char *split;
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_eval, argc, argv, &code))
        return code;
    if (!read_spec(&spec, &args) || !pare_arg_int(&args, "threads", 1, 1024, &n_threads))
        return PARE_EXIT_USAGE;
    split = pare_arg_get(&args, "split", "test");
    st = pare_data_open(&data, &spec, &err);
    if (st)
        goto done;
    sample = pare_data_sample_shape(data);
    st = pare_network_open(&graph, args.operands[0], &sample, pare_data_n_classes(data), &err);
    if (st)
        goto done;
    if (strcmp(split, "test") == 0) {
        st = pare_data_test_open(&test, data, &err);
        if (!st)
            st = pare_evaluate_test(&evaluation, graph, test, data, (int)n_threads, &err);
    } else {
        st = pare_evaluate(&evaluation, graph, data, (int)n_threads, &err);
    }
    if (st)
        goto done;
    print_evaluation(&evaluation, args.operands[0], spec.name, split,
                     *pare_arg_get(&args, "output", "text") == 'j');
done:
    if (st)
        code = pare_command_fail(&pare_cmd_eval, st, &err);
    pare_evaluation_clear(&evaluation);
    pare_data_test_close(test);
    pare_graph_free(graph);
    if (data)
        pare_data_close(data);
    return code;
}

const struct pare_command pare_cmd_eval = {
    .name = "eval",
    .summary = "accuracy (or reconstruction error) of a network on a data set",
    .usage = "--data NAME [OPTION...] MODEL",
    .details = "Runs the artifact as it is: integer layers on integer kernels. MODEL is a\n"
               ".safetensors file that pare wrote, or a network of the zoo (untrained).",
    .options = eval_options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_eval,
};
