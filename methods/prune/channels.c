/* prune.channels: remove whole channels, physically.
 *
 * Channels that residual adds, batch norm or depthwise layers tie together form one group and go
 * together.  The score of a channel is taken from the filters that produce it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <pare/method.h>
#include <pare/select.h>

enum criterion { L1, L2, BN_SCALE };
enum scope { PER_LAYER, GLOBAL };
struct options {
    double sparsity;
    int criterion; /* enum criterion */
    int scope;     /* enum scope */
    int round_to;
    int min_channels;
    struct pare_strings ignore;
};

static const struct pare_option schema[] = {
    PARE_OPT(struct options, sparsity, .def = 0.5, .min = 0, .max = 0.99,
             .help = "fraction of the channels removed"),
    PARE_OPT(struct options, criterion, .choices = PARE_CHOICES("l1", "l2", "bn_scale"), .def = L1,
             .help = "a channel's score: norm of its filters, or |scale| of its batch norm"),
    PARE_OPT(struct options, scope, .choices = PARE_CHOICES("layer", "global"), .def = PER_LAYER,
             .help = "where channels compete; global scores are divided by their layer's mean"),
    PARE_OPT(struct options, round_to, .def = 1, .min = 1, .max = 1024,
             .help = "kept channels are rounded up to a multiple of this"),
    PARE_OPT(struct options, min_channels, .def = 2, .min = 1, .max = 65536,
             .help = "no layer is left with fewer channels (unless it has fewer)"),
    PARE_OPT(struct options, ignore, .help = "names of nodes whose channels stay"),
    PARE_OPT_END,
};

static bool is_ignored(const struct options *o, const struct pare_channel_group *group)
{
    for (int m = 0; m < group->n_members; m++) {
        const struct pare_channel_member *member = &group->members[m];
        if (member->role == PARE_MEMBER_IN)
            continue;
        if (pare_select_has(&o->ignore, member->node))
            return true;
    }
    return false;
}

/* Adds member's share to the score of every channel; false when it has none. */
static bool add_scores(double *score, int64_t n_channels, const struct pare_channel_member *member,
                       int criterion)
{
    const struct pare_node *node = member->node;

    if (criterion == BN_SCALE) {
        if (member->role != PARE_MEMBER_NORM)
            return false;
        const float *scale = pare_tensor_f32(node->inputs[1]->data);
        for (int64_t c = 0; c < n_channels; c++)
            score[c] += fabsf(scale[c]);
        return true;
    }
    if (member->role != PARE_MEMBER_OUT && member->role != PARE_MEMBER_DEPTHWISE)
        return false;
    const struct pare_tensor *weight = node->inputs[1]->data;
    const float *w = pare_tensor_f32(weight);
    int64_t n_elems = pare_tensor_elems(weight), per_channel = n_elems / n_channels;
    bool is_by_column = node->op == PARE_OP_GEMM && !pare_node_int(node, "transB", 0);
    for (int64_t c = 0; c < n_channels; c++) {
        double sum = 0;
        for (int64_t i = 0; i < per_channel; i++) {
            double x = is_by_column ? w[i * n_channels + c] : w[c * per_channel + i];
            sum += criterion == L1 ? fabs(x) : x * x;
        }
        score[c] += criterion == L1 ? sum : sqrt(sum);
    }
    return true;
}

struct ranked {
    double score;
    int group;
    int64_t channel;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    if (x->group != y->group)
        return x->group - y->group;
    return x->channel < y->channel ? -1 : x->channel > y->channel;
}

/* How many channels a group must keep at least. */
static int64_t floor_of(const struct options *o, int64_t n_channels)
{
    return n_channels < o->min_channels ? n_channels : o->min_channels;
}

/* Sorts the channels of the groups that may be cut and marks those that go. */
static pare_status choose(const struct options *o, const struct pare_channel_groups *groups,
                          uint8_t **keep, struct pare_error *err)
{
    int64_t n = 0, n_open = 0;
    pare_status st = PARE_OK;
    struct ranked *ranked;
    int64_t *n_kept = calloc((size_t)groups->n_groups + 1, sizeof *n_kept);

    for (int g = 0; g < groups->n_groups; g++)
        if (keep[g])
            n += groups->groups[g].n_channels;
    ranked = malloc((size_t)(n + 1) * sizeof *ranked);
    if (!ranked || !n_kept) {
        st = pare_fail(err, PARE_ENOMEM, "no memory to rank %lld channels", (long long)n);
        goto done;
    }
    n = 0;
    for (int g = 0; g < groups->n_groups; g++) {
        const struct pare_channel_group *group = &groups->groups[g];
        if (!keep[g])
            continue;
        double *score = calloc((size_t)group->n_channels, sizeof *score), mean = 0;
        bool has_score = false;
        if (!score) {
            st = pare_fail(err, PARE_ENOMEM, "no memory to rank channels");
            goto done;
        }
        for (int m = 0; m < group->n_members; m++)
            has_score |= add_scores(score, group->n_channels, &group->members[m], o->criterion);
        if (!has_score) {
            free(score);
            st = pare_fail(err, PARE_EINFEASIBLE,
                           "criterion bn_scale: node '%s' has no batch norm; use l1",
                           group->members[0].node->name);
            goto done;
        }
        for (int64_t c = 0; c < group->n_channels; c++)
            mean += score[c] / (double)group->n_channels;
        for (int64_t c = 0; c < group->n_channels; c++)
            ranked[n++] = (struct ranked){mean > 0 ? score[c] / mean : 0, g, c};
        free(score);
        n_kept[g] = group->n_channels;
        n_open += group->n_channels;
    }
    qsort(ranked, (size_t)n, sizeof *ranked, by_score);
    /* Layer scope: every group gives up its own share; global: the lowest of all go, as far as the
     * floors allow. */
    int64_t to_go = (int64_t)nearbyint(o->sparsity * (double)n_open);
    for (int64_t i = 0; i < n; i++) {
        int g = ranked[i].group;
        int64_t n_channels = groups->groups[g].n_channels;
        int64_t share = (int64_t)nearbyint(o->sparsity * (double)n_channels);
        int64_t least = o->scope == PER_LAYER ? n_channels - share : 0;
        if (o->scope == GLOBAL && to_go == 0)
            break;
        if (n_kept[g] <= least || n_kept[g] <= floor_of(o, n_channels))
            continue;
        keep[g][ranked[i].channel] = 0;
        n_kept[g]--;
        to_go--;
    }
    /* Round up: the best of the removed channels return. */
    for (int64_t i = n - 1; i >= 0; i--) {
        int g = ranked[i].group;
        if (!keep[g][ranked[i].channel] && n_kept[g] % o->round_to != 0) {
            keep[g][ranked[i].channel] = 1;
            n_kept[g]++;
        }
    }
done:
    free(ranked);
    free(n_kept);
    return st;
}

static pare_status apply(const struct pare_context *ctx, const void *options,
                         struct pare_graph *graph, struct pare_error *err)
{
    const struct options *o = options;
    struct pare_channel_groups groups = {0};
    uint8_t **keep = NULL;
    int n_open = 0;
    pare_status st;

    (void)ctx;
    st = pare_select_check(&o->ignore, graph, err);
    if (st)
        return st;
    st = pare_channel_groups_find(&groups, graph, err);
    if (st)
        return st;
    keep = calloc((size_t)groups.n_groups + 1, sizeof *keep);
    for (int g = 0; keep && g < groups.n_groups; g++) {
        if (groups.groups[g].is_fixed || is_ignored(o, &groups.groups[g]))
            continue;
        keep[g] = malloc((size_t)groups.groups[g].n_channels);
        if (!keep[g])
            break;
        memset(keep[g], 1, (size_t)groups.groups[g].n_channels);
        n_open++;
    }
    if (!keep)
        st = pare_fail(err, PARE_ENOMEM, "no memory for %d channel groups", groups.n_groups);
    else if (n_open == 0)
        st = pare_fail(err, PARE_EINFEASIBLE, "the network has no channels that may be removed");
    if (!st)
        st = choose(o, &groups, keep, err);
    for (int g = 0; !st && g < groups.n_groups; g++)
        if (keep[g])
            st = pare_channel_group_cut(graph, &groups.groups[g], keep[g], err);
    if (!st)
        st = pare_graph_finish(graph, err);
    for (int g = 0; keep && g < groups.n_groups; g++)
        free(keep[g]);
    free(keep);
    pare_channel_groups_clear(&groups);
    return st;
}

const struct pare_method pare_entry = {
    .abi = PARE_ABI,
    .revision = 1,
    .name = "prune.channels",
    .summary = "remove whole channels, through residual adds, batch norm and depthwise layers",
    .source = "Li et al., ICLR 2017 (l1); Liu et al., ICCV 2017 (bn_scale)",
    .options = schema,
    .options_bytes = sizeof(struct options),
    .refuses = PARE_STATE_QUANTIZED,
    .leaves = PARE_STATE_NARROWED,
    .apply = apply,
};
