#include "sweep/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/zoo.h>

#include "base/pool.h"
#include "option/schema.h"
#include "search/samplers.h"

enum {
    MAX_COUNTED = 100000, /* trials and points that are looked at one by one */
    MAX_REPEATS = 100000, /* a sampler that only repeats itself has nothing more to say */
    CALIBRATION = 1024,   /* samples that a method without training looks at */
    PROBE_STEPS = 12,
};

/* What is assumed, not measured: the cost of starting a worker's job, what one trial's latency takes
 * until its interval is narrow, and a worker's memory before it has a network. */
#define JOB_S      0.15
#define LATENCY_S  1.5
#define WORKER_MIB 60

/* ---- Legal points ---- */

static const char *get_option(void *state, const char *name)
{
    return pare_config_get(state, name);
}

static bool no_metric(void *state, const char *name, double *value)
{
    (void)state, (void)name, (void)value;
    return false;
}

bool pare_config_is_legal(const struct pare_sweep *sweep, const struct pare_config *config)
{
    const struct pare_constraint_env env = {(void *)config, get_option, no_metric};

    for (int i = 0; i < sweep->n_constraints; i++)
        if (pare_constraint_eval(sweep->constraints[i], &env) == PARE_FALSE)
            return false;
    return true;
}

static int count_open(const struct pare_sweep *sweep)
{
    int n = 0;

    for (int i = 0; i < sweep->n_constraints; i++) {
        struct pare_constraint_use use;

        for (int k = 0; pare_constraint_use(sweep->constraints[i], k, &use); k++)
            if (!use.is_option) {
                n++;
                break;
            }
    }
    return n;
}

/* All points where they are few; else as many drawn without repetition, and their share. */
static void count_legal(struct pare_estimate *e, const struct pare_sweep *sweep, int64_t *flat)
{
    const bool is_ordered = true;
    const struct pare_sampler_space line = {1, &e->n_points, &is_ordered};
    const struct pare_sampler *order =
        e->n_points <= MAX_COUNTED ? &pare_sampler_grid : &pare_sampler_random;
    int64_t n = e->n_points < MAX_COUNTED ? e->n_points : MAX_COUNTED, point, n_legal = 0;
    void *state = NULL;

    e->n_legal = e->n_points;
    if (sweep->n_constraints == e->n_open_constraints ||
        order->open(&state, NULL, &line, 1, sweep->seed, NULL))
        return;
    for (int64_t i = 0; i < n && order->ask(state, &point); i++) {
        struct pare_config *config;

        pare_space_point(sweep->space, point, flat);
        config = pare_config_new(sweep->space, flat);
        n_legal += pare_config_is_legal(sweep, config);
        pare_config_free(config);
    }
    order->close(state);
    e->legal_is_sampled = e->n_points > n;
    e->n_legal = e->legal_is_sampled
                     ? (int64_t)((double)e->n_points * ((double)n_legal / (double)n))
                     : n_legal;
}

/* ---- A set of digests ---- */

struct set {
    size_t n, capacity;
    uint64_t *slots; /* 0: free */
};

/* false: it was there. */
static bool set_add(struct set *set, const char *text)
{
    struct pare_digest digest = pare_hash_bytes(text, strlen(text));
    uint64_t key = pare_digest_u64(&digest) | 1;
    size_t i;

    if (2 * set->n >= set->capacity) {
        struct set bigger = {0, set->capacity ? 2 * set->capacity : 1024, NULL};

        bigger.slots = pare_xcalloc(bigger.capacity, sizeof *bigger.slots);
        for (size_t k = 0; k < set->capacity; k++)
            if (set->slots[k]) {
                for (i = set->slots[k] % bigger.capacity; bigger.slots[i];)
                    i = (i + 1) % bigger.capacity;
                bigger.slots[i] = set->slots[k];
            }
        bigger.n = set->n;
        free(set->slots);
        *set = bigger;
    }
    for (i = key % set->capacity; set->slots[i]; i = (i + 1) % set->capacity)
        if (set->slots[i] == key)
            return false;
    set->slots[i] = key;
    set->n++;
    return true;
}

/* ---- Costs ---- */

/* What a network costs, as far as the stages of one trial changed it. */
struct network {
    double macs, params, activations; /* activations: elements of one sample */
    double bits;                      /* of a weight */
};

static struct network network_of(const struct pare_graph *graph)
{
    struct network net = {.macs = (double)pare_graph_macs(graph),
                          .params = (double)pare_graph_params(graph),
                          .bits = 32};

    for (int i = 0; i < graph->n_values; i++)
        if (!graph->values[i]->data)
            net.activations += (double)pare_shape_elems(&graph->values[i]->shape);
    return net;
}

static double recipe_f64(const struct pare_config_stage *stage, const char *name, double def)
{
    for (int i = 0; i < stage->n_options; i++)
        if (strcmp(stage->names[i], name) == 0)
            return strtod(stage->values[i], NULL);
    return def;
}

enum { MAX_STUDENTS = 64 };

struct costs {
    struct pare_estimate *e;
    const struct pare_sweep *sweep;
    const struct pare_subject *subject;
    struct network baseline;
    struct set seen;
    double n_train, n_val;
    double flops;   /* of training, one thread */
    int n_students; /* networks that were built once to be counted */
    struct student {
        const char *name; /* lent by the space */
        struct network net;
    } students[MAX_STUDENTS];
};

/* Forward and backward: 3 x 2 FLOP for every MAC. */
static double training_s(const struct costs *c, const struct network *net, double epochs)
{
    return epochs * c->n_train * net->macs * 6 / c->flops;
}

static double forward_s(const struct costs *c, const struct network *net, double n)
{
    return n * net->macs * 2 / c->flops;
}

static const struct network *student_of(struct costs *c, const char *name)
{
    struct pare_shape sample = pare_data_sample_shape(c->subject->data);
    struct pare_graph *graph = NULL;

    for (int i = 0; i < c->n_students; i++)
        if (strcmp(c->students[i].name, name) == 0)
            return &c->students[i].net;
    if (c->n_students == MAX_STUDENTS ||
        pare_zoo_build(&graph, name, &sample, pare_data_n_classes(c->subject->data), 0, NULL))
        return NULL;
    c->students[c->n_students] = (struct student){name, network_of(graph)};
    pare_graph_free(graph);
    return &c->students[c->n_students++].net;
}

/* A student takes the place of the network; quantized weights are stored in a byte.  What pruning
 * and factors save is not foreseen, so costs are upper ends there. */
static void apply_stage(struct costs *c, const struct pare_config_stage *stage, struct network *net)
{
    for (int i = 0; i < stage->n_options; i++)
        if (strcmp(stage->names[i], "student") == 0 && stage->values[i][0]) {
            const struct network *student = student_of(c, stage->values[i]);

            if (student)
                *net = *student;
        }
    if (stage->method->leaves & PARE_STATE_QUANTIZED)
        net->bits = 8;
}

static double artifact_bytes(const struct network *net)
{
    return net->params * net->bits / 8 + 8192; /* the graph in the header */
}

/* One new node of the stage tree: the stages first..first+n of the config. */
static void add_node(struct costs *c, const struct pare_config *config, int first, int n,
                     const struct network *net)
{
    double epochs = c->sweep->train.epochs;
    bool trains = pare_step_trains(&config->chain->steps[config->step_of[first]],
                                   config->stages[first].method);

    for (int i = first; i < first + n; i++)
        epochs = recipe_f64(&config->stages[i], "epochs", epochs);
    if (trains)
        c->e->training_s += training_s(c, net, epochs) + JOB_S;
    else
        c->e->other_s += forward_s(c, net, CALIBRATION) + JOB_S;
    c->e->disk_bytes += artifact_bytes(net);
}

static void add_trial(struct costs *c, const struct pare_config *config)
{
    struct network net = c->baseline;
    struct pare_text prefix = {0};
    int i = 0;

    for (int s = 0; s < config->chain->n_steps; s++) {
        int n = config->chain->steps[s].n_stages, level = s;

        for (int k = 0; k < n; k++) {
            const struct pare_config_stage *stage = &config->stages[i + k];

            pare_text_printf(&prefix, "%s%s:%s", k ? "," : " > ", stage->stage->name,
                             stage->method->name);
            for (int o = 0; o < stage->n_options; o++)
                pare_text_printf(&prefix, "\n%s=%s", stage->names[o], stage->values[o]);
            apply_stage(c, stage, &net);
        }
        c->e->n_unshared++;
        if (set_add(&c->seen, prefix.s)) {
            add_node(c, config, i, n, &net);
            c->e->stages[level]++;
            c->e->n_stages++;
            if (c->e->n_levels < level + 1)
                c->e->n_levels = level + 1;
        }
        i += n;
    }
    c->e->evaluation_s += forward_s(c, &net, c->n_val) + JOB_S;
    for (int t = 0; t < c->sweep->n_targets; t++)
        for (int m = 0; m < c->sweep->n_metrics; m++)
            if (c->sweep->targets[t].is_host && c->sweep->metrics[m].target == t &&
                strncmp(c->sweep->metrics[m].name, "latency", 7) == 0) {
                c->e->measuring_s += LATENCY_S;
                break;
            }
    c->e->disk_bytes += c->n_val / 8 + 8192; /* correctness bits and rows of the store */
    pare_text_clear(&prefix);
}

/* Asks the sampler as a run would. */
static void walk_trials(struct costs *c, int64_t *flat)
{
    const struct pare_sweep *sweep = c->sweep;
    const struct pare_space *space = sweep->space;
    const bool is_ordered = true;
    bool is_grid = sweep->sampler == &pare_sampler_grid;
    const struct pare_sampler_space line = {1, &c->e->n_points, &is_ordered};
    const struct pare_sampler_space whole = {space->n_flat, space->flat_n, space->flat_ordered};
    int64_t n =
        sweep->n_trials < c->e->n_legal || c->e->legal_is_sampled ? sweep->n_trials : c->e->n_legal;
    struct set configs = {0};
    void *state = NULL;
    int64_t point = 0;
    int repeats = 0;

    c->e->n_trials = n;
    if (sweep->sampler->open(&state, sweep->sampler_options, is_grid ? &line : &whole,
                             sweep->n_objectives, sweep->seed, NULL))
        return;
    while (c->e->n_counted < n && c->e->n_counted < MAX_COUNTED && repeats < MAX_REPEATS &&
           sweep->sampler->ask(state, is_grid ? &point : flat)) {
        struct pare_config *config;

        if (is_grid)
            pare_space_point(space, point, flat);
        config = pare_config_new(space, flat);
        if (set_add(&configs, config->canonical) && pare_config_is_legal(sweep, config)) {
            add_trial(c, config);
            c->e->n_counted++;
            repeats = 0;
        } else {
            repeats++;
        }
        pare_config_free(config);
    }
    if (c->e->n_counted < MAX_COUNTED)
        c->e->n_trials = c->e->n_counted; /* the sampler had no more */
    sweep->sampler->close(state);
    free(configs.slots);
}

static void say_nothing(void *state, const char *text)
{
    (void)state, (void)text;
}

/* A few steps of the baseline's training, one thread. */
static pare_status probe_training(double *samples_per_s, const struct pare_sweep *sweep,
                                  const struct pare_subject *subject, struct pare_error *err)
{
    struct pare_recipe recipe = sweep->train;
    struct pare_graph *graph = pare_graph_copy(subject->graph);
    struct pare_trainer *trainer = NULL;
    struct pare_train_result result = {0};
    struct pare_rng rng;
    const struct pare_context ctx = {.seed = sweep->seed,
                                     .rng = &rng,
                                     .data = subject->data,
                                     .baseline = subject->graph,
                                     .recipe = &recipe,
                                     .n_threads = 1,
                                     .fidelity = 1,
                                     .log = say_nothing};
    double n_train = (double)pare_data_n(subject->data, PARE_TRAIN);
    pare_status st;

    pare_rng_init(&rng, sweep->seed, 0);
    recipe.epochs = fmin(1, PROBE_STEPS * (double)recipe.batch / n_train);
    recipe.warmup = 0;
    st = pare_trainer_new(&trainer, &ctx, &recipe, graph, err);
    if (!st)
        st = pare_trainer_run(trainer, err);
    if (!st)
        pare_trainer_result(trainer, &result);
    *samples_per_s = result.samples_per_s;
    pare_trainer_free(trainer);
    pare_graph_free(graph);
    return st;
}

pare_status pare_estimate(struct pare_estimate *e, const struct pare_sweep *sweep,
                          const struct pare_subject *subject, struct pare_error *err)
{
    struct costs c = {.e = e, .sweep = sweep, .subject = subject};
    struct pare_shape sample = pare_data_sample_shape(subject->data);
    int64_t *flat = pare_xcalloc((size_t)sweep->space->n_flat + 1, sizeof *flat);
    double parallel, data_bytes;
    pare_status st;

    *e = (struct pare_estimate){.n_points = pare_space_n_points(sweep->space)};
    e->n_open_constraints = count_open(sweep);
    e->n_workers = sweep->n_workers ? sweep->n_workers : pare_cpu_count();
    c.baseline = network_of(subject->graph);
    c.n_train = (double)pare_data_n(subject->data, PARE_TRAIN);
    c.n_val = (double)pare_data_n(subject->data, PARE_VALIDATION);
    st = probe_training(&e->samples_per_s, sweep, subject, err);
    if (st)
        goto done;
    c.flops = e->samples_per_s * c.baseline.macs * 6;
    count_legal(e, sweep, flat);
    e->baseline_s = training_s(&c, &c.baseline, sweep->train.epochs) + JOB_S;
    e->disk_bytes = artifact_bytes(&c.baseline);
    walk_trials(&c, flat);

    /* The baseline trains alone, with all cores; then workers share the stages; measuring is
     * exclusive. */
    parallel = e->training_s + e->other_s + e->evaluation_s;
    e->total_s = (e->baseline_s + parallel) / e->n_workers + e->measuring_s;
    /* Weights, gradients and two moments; activations forward and backward; and the program. */
    data_bytes = (c.n_train + c.n_val) * (double)pare_shape_elems(&sample);
    e->worker_bytes = c.baseline.params * 4 * 4 +
                      c.baseline.activations * 4 * 2 * sweep->train.batch + WORKER_MIB * 1048576.0;
    e->memory_bytes = e->n_workers * e->worker_bytes + data_bytes;
done:
    free(c.seen.slots);
    free(flat);
    return st;
}
