/* prune.magnitude: set the smallest weights to zero.
 *
 * Alone it prunes once.  In a joint training run it follows the cubic schedule: the sparsity rises
 * from 0 to the asked one between two fractions of the run, masks are drawn again every few steps
 * from the present magnitudes, and what is masked stays zero until the next drawing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/method.h>
#include <pare/select.h>

enum scope { PER_LAYER, GLOBAL };
struct options {
    double sparsity;
    int scope; /* enum scope */
    double begin, end;
    int update_every;
    struct pare_strings ignore;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, sparsity, .def = 0.5, .min = 0, .max = 0.995,
             .help = "fraction of the Conv and Gemm weights set to zero"),
    PARE_OPT(struct options, scope, .choices = PARE_CHOICES("layer", "global"), .def = PER_LAYER,
             .help = "where weights compete"),
    PARE_OPT(struct options, begin, .def = 0.0, .min = 0, .max = 1,
             .help = "joint training: where the cubic schedule begins, as a fraction of the run"),
    PARE_OPT(struct options, end, .def = 0.6, .min = 0, .max = 1,
             .help = "joint training: where the full sparsity is reached"),
    PARE_OPT(struct options, update_every, .def = 20, .min = 1, .max = 100000, .unit = "steps",
             .help = "joint training: steps between two drawings of the masks"),
    PARE_OPT(struct options, ignore, .help = "names of nodes that are not pruned"),
    PARE_OPT_END,
};

/* One tensor whose weights compete. */
struct candidate {
    const float *w;
    int64_t n;
    uint8_t *keep;
};

/* The k-th smallest (0-based) of n values; reorders them.  Hoare's selection with the middle of
 * three as pivot: masks are drawn a hundred times in a run, sorting would cost as much as training. */
static float kth_smallest(float *x, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;

    while (low < high) {
        float a = x[low], b = x[low + (high - low) / 2], c = x[high];
        float pivot = fmaxf(fminf(a, b), fminf(fmaxf(a, b), c));
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                float t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return x[k];
}

/* Clears keep[] of the round_half_even(sparsity * n) smallest of all weights of the candidates; of
 * equal ones the first go first. */
static pare_status draw_masks(const struct candidate *candidates, int n_candidates, double sparsity,
                              struct pare_error *err)
{
    int64_t n = 0, k = 0, n_ties;
    float threshold, *magnitudes;

    for (int c = 0; c < n_candidates; c++) {
        memset(candidates[c].keep, 1, (size_t)candidates[c].n);
        n += candidates[c].n;
    }
    int64_t n_removed = (int64_t)nearbyint(sparsity * (double)n);
    if (n_removed == 0)
        return PARE_OK;
    magnitudes = malloc((size_t)n * sizeof *magnitudes);
    if (!magnitudes)
        return pare_fail(err, PARE_ENOMEM, "no memory to rank %lld weights", (long long)n);
    for (int c = 0; c < n_candidates; c++)
        for (int64_t i = 0; i < candidates[c].n; i++)
            magnitudes[k++] = fabsf(candidates[c].w[i]);
    threshold = kth_smallest(magnitudes, n, n_removed - 1);
    n_ties = n_removed;
    for (int64_t i = 0; i < n; i++)
        n_ties -= magnitudes[i] < threshold;
    free(magnitudes);
    for (int c = 0; c < n_candidates; c++)
        for (int64_t i = 0; i < candidates[c].n; i++) {
            float magnitude = fabsf(candidates[c].w[i]);
            if (magnitude < threshold || (magnitude == threshold && n_ties-- > 0))
                candidates[c].keep[i] = 0;
        }
    return PARE_OK;
}

/* In a layer's own competition or all together. */
static pare_status draw(const struct options *o, const struct candidate *candidates, int n,
                        double sparsity, struct pare_error *err)
{
    if (o->scope == GLOBAL)
        return draw_masks(candidates, n, sparsity, err);
    for (int c = 0; c < n; c++) {
        pare_status st = draw_masks(&candidates[c], 1, sparsity, err);
        if (st)
            return st;
    }
    return PARE_OK;
}

/* The node whose weight this is, when it is one that may be pruned; else NULL. */
static struct pare_node *prunable_user(const struct options *o, const struct pare_graph *graph,
                                       const struct pare_value *value)
{
    struct pare_node *user = pare_value_user(graph, value, 0);

    if (!user || (user->op != PARE_OP_CONV && user->op != PARE_OP_GEMM) ||
        user->inputs[1] != value || pare_select_has(&o->ignore, user))
        return NULL;
    return user;
}

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    const struct options *o = options;
    pare_status st = pare_select_check(&o->ignore, graph, err);
    struct candidate *candidates = calloc((size_t)graph->n_values + 1, sizeof *candidates);
    struct pare_value **weights = calloc((size_t)graph->n_values + 1, sizeof(*weights));
    int n = 0;

    (void)ctx;
    if (!candidates || !weights)
        st = pare_fail(err, PARE_ENOMEM, "no memory for %d weights", graph->n_values);
    if (st || o->sparsity == 0)
        goto done;
    pare_each_weight(value, graph) {
        if (!prunable_user(o, graph, value))
            continue;
        st = pare_value_own_data(value, err);
        if (st)
            goto done;
        weights[n] = value;
        candidates[n].w = pare_tensor_f32(value->data);
        candidates[n].n = pare_tensor_elems(value->data);
        candidates[n].keep = malloc((size_t)candidates[n].n);
        if (!candidates[n++].keep) {
            st = pare_fail(err, PARE_ENOMEM, "no memory for the mask of '%s'", value->name);
            goto done;
        }
    }
    if (n == 0) {
        st = pare_fail(err, PARE_EINFEASIBLE, "the network has no weights to prune");
        goto done;
    }
    st = draw(o, candidates, n, o->sparsity, err);
    if (st)
        goto done;
    for (int c = 0; c < n; c++) {
        float *w = pare_tensor_f32(weights[c]->data);
        for (int64_t i = 0; i < candidates[c].n; i++)
            if (!candidates[c].keep[i])
                w[i] = 0;
        weights[c]->coding.is_sparse = true;
    }
done:
    for (int c = 0; candidates && c < n; c++)
        free(candidates[c].keep);
    free(candidates);
    free(weights);
    return st;
}

/* ---- While training ---- */

struct schedule {
    struct options o; /* ignore's strings are lent by the host for the whole run */
    int n;
    struct candidate *candidates;
    struct pare_param **params;
    double drawn; /* sparsity of the present masks */
    bool is_failed;
};

/* Zhu and Gupta 2017, eq. 1, from 0 to the final sparsity. */
static double sparsity_at(const struct options *o, double progress)
{
    if (progress >= o->end)
        return o->sparsity;
    if (progress <= o->begin)
        return 0;
    double rest = 1 - (progress - o->begin) / (o->end - o->begin);
    return o->sparsity * (1 - rest * rest * rest);
}

static void apply_masks(const struct schedule *s)
{
    for (int c = 0; c < s->n; c++) {
        float *w = s->params[c]->master;
        for (int64_t i = 0; i < s->candidates[c].n; i++)
            w[i] = s->candidates[c].keep[i] ? w[i] : 0.0f;
    }
}

static pare_status start(void *state, struct pare_trainer *trainer, struct pare_error *err)
{
    struct schedule *s = state;
    int n_params = pare_trainer_n_params(trainer);

    s->candidates = calloc((size_t)n_params + 1, sizeof *s->candidates);
    s->params = calloc((size_t)n_params + 1, sizeof(*s->params));
    if (!s->candidates || !s->params)
        return pare_fail(err, PARE_ENOMEM, "no memory for the masks");
    for (int i = 0; i < n_params; i++) {
        struct pare_param *p = pare_trainer_param(trainer, i);
        if (!p->is_matrix || !p->node || pare_select_has(&s->o.ignore, p->node))
            continue;
        struct candidate *c = &s->candidates[s->n];
        c->w = p->master;
        c->n = p->n;
        c->keep = malloc((size_t)p->n);
        if (!c->keep)
            return pare_fail(err, PARE_ENOMEM, "no memory for the mask of '%s'", p->value->name);
        memset(c->keep, 1, (size_t)p->n);
        s->params[s->n++] = p;
    }
    return PARE_OK;
}

static void mask_gradient(void *state, struct pare_trainer *trainer, struct pare_param *p)
{
    const struct schedule *s = state;

    (void)trainer;
    for (int c = 0; c < s->n; c++) {
        if (s->params[c] != p)
            continue;
        for (int64_t i = 0; i < p->n; i++)
            p->grad[i] = s->candidates[c].keep[i] ? p->grad[i] : 0.0f;
    }
}

static void after_step(void *state, struct pare_trainer *trainer)
{
    struct schedule *s = state;
    int64_t step = pare_trainer_step(trainer), n_steps = pare_trainer_n_steps(trainer);
    double sparsity = sparsity_at(&s->o, (double)(step + 1) / (double)n_steps);
    bool is_due = (step + 1) % s->o.update_every == 0 || sparsity == s->o.sparsity;

    if (sparsity > s->drawn && is_due) {
        if (draw(&s->o, s->candidates, s->n, sparsity, NULL))
            s->is_failed = true;
        else
            s->drawn = sparsity;
    }
    apply_masks(s);
}

static pare_status finish(void *state, struct pare_trainer *trainer, struct pare_graph *graph,
                          struct pare_error *err)
{
    struct schedule *s = state;

    (void)trainer, (void)graph;
    if (s->is_failed)
        return pare_fail(err, PARE_ENOMEM, "no memory to rank the weights");
    if (s->o.sparsity > 0 && s->drawn < s->o.sparsity)
        return pare_fail(err, PARE_EINVAL,
                         "the run ended at sparsity %.3g of %.3g; set 'end' below 1", s->drawn,
                         s->o.sparsity);
    for (int c = 0; c < s->n; c++)
        s->params[c]->value->coding.is_sparse = s->o.sparsity > 0;
    return PARE_OK;
}

static void free_schedule(void *state)
{
    struct schedule *s = state;

    for (int c = 0; s->candidates && c < s->n; c++)
        free(s->candidates[c].keep);
    free(s->candidates);
    free(s->params);
    free(s);
}

static pare_status attach(const struct pare_context *ctx, const void *options,
                          const struct pare_graph *teacher, struct pare_trainer *trainer,
                          struct pare_error *err)
{
    const struct options *o = options;
    struct schedule *s;

    (void)ctx, (void)teacher;
    if (o->begin >= o->end)
        return pare_fail(err, PARE_EINVAL, "begin: %g must be smaller than end: %g", o->begin,
                         o->end);
    s = calloc(1, sizeof *s);
    if (!s)
        return pare_fail(err, PARE_ENOMEM, "no memory for the schedule");
    s->o = *o;
    /* cppcheck-suppress memleak ; the trainer takes it */
    return pare_trainer_attach(trainer,
                               &(struct pare_attachment){.name = "prune.magnitude",
                                                         .state = s,
                                                         .start = start,
                                                         .gradients = mask_gradient,
                                                         .after_step = after_step,
                                                         .finish = finish,
                                                         .free = free_schedule},
                               err);
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "prune.magnitude",
    .summary = "set the smallest weights to zero, once or on a cubic schedule while training",
    .source = "Han et al., NeurIPS 2015, sec. 3; schedule: Zhu and Gupta 2017, eq. 1",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .refuses = PARE_STATE_QUANTIZED,
    .leaves = PARE_STATE_SPARSE,
    .apply = apply,
    .attach = attach,
};
