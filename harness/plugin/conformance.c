#include "plugin/conformance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "option/schema.h"
#include "plugin/table.h"

#define SEED   UINT64_C(20)
#define STREAM UINT64_C(0xc0f)

struct suite {
    const struct pare_method *method;
    const struct pare_conformance_host *host;
    struct pare_arena *arena;
    void *options;                /* all at their defaults */
    struct pare_graph *network;   /* what the method is given */
    unsigned char *network_bytes; /* its file */
    size_t n_network_bytes;
    struct pare_recipe recipe;
    int n_failed;
};

static void note(struct suite *s, const char *check, pare_status st, const struct pare_error *err)
{
    s->n_failed += st != PARE_OK;
    s->host->report(s->host->state, check, st ? PARE_CHECK_FAILED : PARE_CHECK_PASSED,
                    st ? err->text : "");
}

static void note_skipped(struct suite *s, const char *check, const char *why)
{
    s->host->report(s->host->state, check, PARE_CHECK_SKIPPED, why);
}

static void ignore_log(void *state, const char *text)
{
    (void)state;
    (void)text;
}

/* ---- The table ---- */

/* 0 outside of the limits is a usual way to write "off". */
static pare_status check_default(struct suite *s, const struct pare_option *row,
                                 struct pare_error *err)
{
    struct pare_text text = {0}, again = {0};
    pare_status st = PARE_OK;
    bool is_number =
        !row->choices && (row->type == PARE_OPTION_F64 || row->type == PARE_OPTION_INT ||
                          row->type == PARE_OPTION_I64);
    void *copy = pare_arena_alloc(s->arena, s->method->options_bytes);

    if (is_number && isfinite(row->def) && row->def != 0 && (row->min != 0 || row->max != 0) &&
        (row->def < row->min || row->def > row->max))
        return pare_fail(err, PARE_EINVAL, "option '%s': default %g is outside [%g, %g]", row->name,
                         row->def, row->min, row->max);
    pare_option_text(row, s->options, &text);
    if (row->type != PARE_OPTION_STRING || row->def_text) {
        st = pare_option_set(row, copy, text.s ? text.s : "", s->arena, err);
        if (!st)
            pare_option_text(row, copy, &again);
        if (!st && strcmp(text.s ? text.s : "", again.s ? again.s : "") != 0)
            st = pare_fail(err, PARE_EINVAL, "option '%s': default '%s' reads back as '%s'",
                           row->name, text.s, again.s);
    }
    pare_text_clear(&text);
    pare_text_clear(&again);
    return st;
}

static pare_status check_table(struct suite *s, struct pare_error *err)
{
    const struct pare_method *method = s->method;
    struct pare_text help = {0};
    pare_status st = pare_option_table_check(method->options, method->options_bytes, err);

    for (const struct pare_option *row = method->options; !st && row->name; row++)
        st = check_default(s, row, err);
    if (st)
        return st;
    pare_options_help(method->options, 80, &help);
    if (method->options[0].name && help.n == 0)
        st = pare_fail(err, PARE_EINVAL, "its options have no help");
    pare_text_clear(&help);
    return st;
}

/* ---- Running it ---- */

static pare_status run_attached(struct suite *s, const struct pare_context *ctx,
                                struct pare_graph **graph, struct pare_error *err)
{
    const struct pare_method *method = s->method;
    struct pare_trainer *trainer = NULL;
    pare_status st = PARE_OK;

    if (method->prepare)
        st = method->prepare(ctx, s->options, graph, err);
    if (!st)
        st = pare_graph_finish(*graph, err);
    if (!st)
        st = pare_trainer_new(&trainer, ctx, &s->recipe, *graph, err);
    if (!st)
        st = method->attach(ctx, s->options, s->network, trainer, err);
    if (!st)
        st = pare_trainer_run(trainer, err);
    pare_trainer_free(trainer);
    return st;
}

/* A copy of the network, after the method. */
static pare_status run(struct suite *s, bool attached, int n_threads, struct pare_graph **out,
                       struct pare_error *err)
{
    struct pare_graph *graph = pare_graph_copy(s->network);
    struct pare_rng rng;
    const struct pare_context ctx = {.seed = SEED,
                                     .rng = &rng,
                                     .data = s->host->data,
                                     .baseline = s->network,
                                     .recipe = &s->recipe,
                                     .n_threads = n_threads,
                                     .fidelity = 1,
                                     .log = ignore_log};
    pare_status st;

    pare_rng_init(&rng, SEED, STREAM);
    st = attached ? run_attached(s, &ctx, &graph, err)
                  : s->method->apply(&ctx, s->options, graph, err);
    if (st) {
        pare_graph_free(graph);
        return st;
    }
    *out = graph;
    return PARE_OK;
}

/* ---- What it left ---- */

static pare_status check_file(struct suite *s, const struct pare_graph *graph,
                              unsigned char **bytes, size_t *n_bytes, struct pare_error *err)
{
    struct pare_graph *again = NULL;
    unsigned char *second = NULL;
    size_t n_second;
    pare_status st;

    st = s->host->write(graph, bytes, n_bytes, err);
    if (!st)
        st = s->host->parse(&again, *bytes, *n_bytes, err);
    if (!st)
        st = s->host->write(again, &second, &n_second, err);
    if (!st && (*n_bytes != n_second || memcmp(*bytes, second, n_second) != 0))
        st = pare_fail(err, PARE_EFORMAT, "the network changes when it is written and read");
    free(second);
    pare_graph_free(again);
    return st;
}

static pare_status check_repeatable(struct suite *s, bool attached, const unsigned char *bytes,
                                    size_t n_bytes, struct pare_error *err)
{
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        struct pare_graph *graph = NULL;
        unsigned char *again = NULL;
        size_t n_again = 0;
        pare_status st = run(s, attached, n_threads, &graph, err);

        if (!st)
            st = pare_graph_finish(graph, err);
        if (!st)
            st = s->host->write(graph, &again, &n_again, err);
        if (!st && (n_again != n_bytes || memcmp(again, bytes, n_bytes) != 0))
            st = pare_fail(err, PARE_ENUMERIC,
                           "another run with the same seed%s gives another network",
                           n_threads > 1 ? " on two threads" : "");
        free(again);
        pare_graph_free(graph);
        if (st)
            return st;
    }
    return PARE_OK;
}

static pare_status check_others(struct suite *s, struct pare_error *err)
{
    unsigned char *bytes = NULL;
    size_t n_bytes = 0;
    pare_status st = s->host->write(s->network, &bytes, &n_bytes, err);

    if (!st && (n_bytes != s->n_network_bytes || memcmp(bytes, s->network_bytes, n_bytes) != 0))
        st = pare_fail(err, PARE_EINVAL, "it changed the baseline or the teacher, which are lent");
    free(bytes);
    return st;
}

static int64_t count_weights(const struct pare_graph *graph, bool sparse)
{
    int64_t n = 0;

    pare_each_weight(value, graph)
        n += sparse ? value->coding.is_sparse : value->coding.bits > 0 && value->coding.bits < 32;
    return n;
}

static int count_layers(const struct pare_graph *graph)
{
    int n = 0;

    pare_each_node(node, graph)
        n += node->op == PARE_OP_CONV || node->op == PARE_OP_GEMM;
    return n;
}

/* Output channels of the layers that both networks have, by name. */
static bool lost_channels(const struct pare_graph *before, const struct pare_graph *after)
{
    pare_each_node(node, before) {
        const struct pare_node *other = pare_graph_find_node(after, node->name);

        if ((node->op == PARE_OP_CONV || node->op == PARE_OP_GEMM) && other &&
            other->op == node->op &&
            other->outputs[0]->shape.dims[1] < node->outputs[0]->shape.dims[1])
            return true;
    }
    return false;
}

/* What happened but was not declared breaks the rules about the order of stages. */
static pare_status check_contract(struct suite *s, const struct pare_graph *after,
                                  struct pare_error *err)
{
    const unsigned leaves = s->method->leaves;
    int more = count_layers(after) - count_layers(s->network);

    if (leaves & PARE_STATE_STUDENT)
        return PARE_OK; /* another network altogether */
    if (count_weights(after, true) && !(leaves & PARE_STATE_SPARSE))
        return pare_fail(err, PARE_EINVAL,
                         "it leaves sparse weights but does not declare PARE_STATE_SPARSE");
    if (count_weights(after, false) && !(leaves & PARE_STATE_QUANTIZED))
        return pare_fail(err, PARE_EINVAL,
                         "it leaves integer weights but does not declare PARE_STATE_QUANTIZED");
    if (more > 0 && !(leaves & PARE_STATE_FACTORED))
        return pare_fail(err, PARE_EINVAL,
                         "it leaves %d more layers but does not declare PARE_STATE_FACTORED", more);
    if (more <= 0 && lost_channels(s->network, after) && !(leaves & PARE_STATE_NARROWED))
        return pare_fail(err, PARE_EINVAL,
                         "it removes channels but does not declare PARE_STATE_NARROWED");
    if ((leaves & PARE_STATE_QUANTIZED) && !count_weights(after, false))
        return pare_fail(err, PARE_EINVAL,
                         "it declares PARE_STATE_QUANTIZED but leaves no integer weights");
    return PARE_OK;
}

static void check_entry(struct suite *s, bool attached)
{
    struct pare_graph *graph = NULL;
    unsigned char *bytes = NULL;
    size_t n_bytes = 0;
    struct pare_error err = {0};
    pare_status st = run(s, attached, 1, &graph, &err);

    note(s, attached ? "attach" : "apply", st, &err);
    if (st)
        return;
    st = pare_graph_finish(graph, &err);
    note(s, "graph", st, &err);
    if (!st) {
        st = check_file(s, graph, &bytes, &n_bytes, &err);
        note(s, "file", st, &err);
    }
    if (!st)
        note(s, "repeatable", check_repeatable(s, attached, bytes, n_bytes, &err), &err);
    note(s, "keeps others", check_others(s, &err), &err);
    note(s, "contract", check_contract(s, graph, &err), &err);
    free(bytes);
    pare_graph_free(graph);
}

/* ---- The whole ---- */

static pare_status build_network(struct suite *s, struct pare_error *err)
{
    struct pare_shape input = pare_data_sample_shape(s->host->data);
    pare_status st = pare_zoo_build(&s->network, "lenet5-quarter", &input,
                                    pare_data_n_classes(s->host->data), SEED, err);

    if (!st)
        st = s->host->write(s->network, &s->network_bytes, &s->n_network_bytes, err);
    return st;
}

static const char *first_required(const struct pare_method *method)
{
    for (const struct pare_option *row = method->options; row->name; row++)
        if (row->required)
            return row->name;
    return NULL;
}

int pare_conformance_run(const struct pare_method *method, const struct pare_conformance_host *host)
{
    struct suite s = {.method = method, .host = host, .arena = pare_arena_new()};
    struct pare_error err = {0};
    pare_status st;

    s.options = pare_arena_alloc(s.arena, method->options_bytes ? method->options_bytes : 1);
    pare_options_defaults(method->options, s.options);
    pare_recipe_defaults(&s.recipe);
    s.recipe.epochs = 1;
    s.recipe.batch = 32;
    note(&s, "table", check_table(&s, &err), &err);
    st = build_network(&s, &err);
    if (st) {
        note(&s, "network", st, &err);
    } else if (first_required(method)) {
        note_skipped(&s, "apply", "it has an option without a default");
    } else {
        if (method->apply)
            check_entry(&s, false);
        if (method->attach)
            check_entry(&s, true);
    }
    pare_graph_free(s.network);
    free(s.network_bytes);
    pare_arena_free(s.arena);
    return s.n_failed;
}
