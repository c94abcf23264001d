/* pare plan: points, stages, expected time, memory and disk of a sweep. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/sweep_args.h"
#include "sweep/estimate.h"

static const struct pare_arg options[] = {
    PARE_SWEEP_ARGS,
    {"output", 'o', "FORMAT", "how to print", PARE_CHOICES("text", "json")},
    PARE_ARG_END,
};

static void print_count(const char *label, int64_t n, const char *more)
{
    if (n == INT64_MAX)
        printf("%-10s more than 9.2e18%s\n", label, more);
    else
        printf("%-10s %" PRId64 "%s\n", label, n, more);
}

static void print_stages(const struct pare_estimate *e)
{
    printf("%-10s %" PRId64 " (", "stages", e->n_stages);
    for (int i = 0; i < e->n_levels; i++)
        printf("%s%" PRId64, i ? " + " : "", e->stages[i]);
    printf(" by depth), %" PRId64 " without sharing\n", e->n_unshared);
}

static void print_pipelines(const struct pare_sweep *sweep)
{
    printf("\npipelines\n");
    for (int i = 0; i < sweep->space->n_chains; i++) {
        const struct pare_chain *chain = &sweep->space->chains[i];
        int64_t n = pare_chain_n_points(sweep->space, chain);

        printf("  %-56s ", chain->label);
        if (n == INT64_MAX)
            printf("more than 9.2e18 points\n");
        else
            printf("%" PRId64 " points\n", n);
    }
}

static void print_text(const struct pare_sweep *sweep, const struct pare_estimate *e)
{
    char a[32], b[32], more[96] = "";

    printf("%s: %s on %s\n\n", sweep->name, sweep->model_zoo ? sweep->model_zoo : sweep->model_path,
           sweep->data.name);
    print_count("points", e->n_points, "");
    if (e->n_open_constraints)
        snprintf(more, sizeof more, " (%d constraint%s need%s the network)", e->n_open_constraints,
                 e->n_open_constraints == 1 ? "" : "s", e->n_open_constraints == 1 ? "s" : "");
    print_count(e->legal_is_sampled ? "legal, ca." : "legal", e->n_legal, more);
    snprintf(more, sizeof more, " by %s", sweep->sampler->name);
    print_count("trials", e->n_trials, more);
    if (e->n_counted < e->n_trials)
        printf("%-10s the figures below are about the first %" PRId64 " trials\n", "",
               e->n_counted);
    print_stages(e);
    print_pipelines(sweep);

    printf("\nestimates, from %.0f samples/s of this training on one core and formulas\n",
           e->samples_per_s);
    printf("  %-10s %s with %d worker%s\n", "time", pare_text_seconds(e->total_s, a, sizeof a),
           e->n_workers, e->n_workers == 1 ? "" : "s");
    printf("  %-10s baseline %s, ", "", pare_text_seconds(e->baseline_s, a, sizeof a));
    printf("training %s, other stages %s,\n", pare_text_seconds(e->training_s, a, sizeof a),
           pare_text_seconds(e->other_s, b, sizeof b));
    printf("  %-10s evaluation %s, measuring %s (before sharing among workers)\n", "",
           pare_text_seconds(e->evaluation_s, a, sizeof a),
           pare_text_seconds(e->measuring_s, b, sizeof b));
    printf("  %-10s %s: %s for each worker, and the data\n", "memory",
           pare_text_bytes(e->memory_bytes, a, sizeof a),
           pare_text_bytes(e->worker_bytes, b, sizeof b));
    printf("  %-10s %s\n", "disk", pare_text_bytes(e->disk_bytes, a, sizeof a));
}

static void add_number(struct pare_text *out, const char *key, double value)
{
    pare_text_printf(out, ", \"%s\": ", key);
    pare_text_json_number(out, value);
}

static void print_json(const struct pare_sweep *sweep, const struct pare_estimate *e)
{
    struct pare_text out = {0};

    pare_text_add(&out, "[{\"name\": ");
    pare_text_json_string(&out, sweep->name);
    add_number(&out, "points", (double)e->n_points);
    add_number(&out, "legal_points", (double)e->n_legal);
    pare_text_printf(&out, ", \"legal_is_estimate\": %s", e->legal_is_sampled ? "true" : "false");
    add_number(&out, "trials", (double)e->n_trials);
    add_number(&out, "trials_counted", (double)e->n_counted);
    add_number(&out, "stages", (double)e->n_stages);
    pare_text_add(&out, ", \"stages_by_depth\": [");
    for (int i = 0; i < e->n_levels; i++)
        pare_text_printf(&out, "%s%" PRId64, i ? ", " : "", e->stages[i]);
    pare_text_add(&out, "]");
    add_number(&out, "stages_without_sharing", (double)e->n_unshared);
    add_number(&out, "training_samples_per_s", e->samples_per_s);
    add_number(&out, "workers", e->n_workers);
    add_number(&out, "estimated_time_s", e->total_s);
    add_number(&out, "estimated_baseline_s", e->baseline_s);
    add_number(&out, "estimated_training_s", e->training_s);
    add_number(&out, "estimated_other_s", e->other_s);
    add_number(&out, "estimated_evaluation_s", e->evaluation_s);
    add_number(&out, "estimated_measuring_s", e->measuring_s);
    add_number(&out, "estimated_memory_bytes", e->memory_bytes);
    add_number(&out, "estimated_disk_bytes", e->disk_bytes);
    pare_text_add(&out, "}]");
    puts(out.s);
    pare_text_clear(&out);
}

static int run(int argc, char **argv)
{
    struct pare_args args;
    struct pare_loaded_sweep loaded;
    struct pare_subject subject;
    struct pare_estimate estimate;
    struct pare_error err = {0};
    pare_status st;
    int code;

    if (!pare_args_parse(&args, &pare_cmd_plan, argc, argv, &code))
        return code;
    code = pare_sweep_args_load(&loaded, &args, args.operands[0]);
    if (code)
        return code;
    st = pare_subject_open(&subject, loaded.sweep, NULL, &err);
    if (!st)
        st = pare_estimate(&estimate, loaded.sweep, &subject, &err);
    if (st) {
        code = pare_command_fail(&pare_cmd_plan, st, &err);
    } else if (*pare_arg_get(&args, "output", "text") == 'j') {
        print_json(loaded.sweep, &estimate);
    } else {
        print_text(loaded.sweep, &estimate);
    }
    if (!st && estimate.n_legal == 0) {
        fprintf(stderr, "pare plan: no point fulfils the constraints\n");
        code = PARE_EXIT_INFEASIBLE;
    }
    pare_subject_close(&subject);
    pare_sweep_args_free(&loaded);
    return code;
}

const struct pare_command pare_cmd_plan = {
    .name = "plan",
    .summary = "points, legal points, unique stages; expected time, memory and disk",
    .usage = "[OPTION...] SWEEP",
    .details = "Points and stages are counted. A stage is shared by all trials that begin\n"
               "alike, and runs once. Time, memory and disk are estimates: a few steps of the\n"
               "baseline's training, taken now; MACs and parameters of the unpruned networks;\n"
               "formulas.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
