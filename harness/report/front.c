#include "report/front.h"

#include <math.h>

double pare_value_low(const struct pare_value *value)
{
    return isnan(value->low) ? value->value : value->low;
}

double pare_value_high(const struct pare_value *value)
{
    return isnan(value->high) ? value->value : value->high;
}

bool pare_value_better(const struct pare_value *a, const struct pare_value *b, bool maximize)
{
    return maximize ? a->value > b->value : a->value < b->value;
}

bool pare_value_clearly_better(const struct pare_value *a, const struct pare_value *b,
                               bool maximize)
{
    if (maximize)
        return pare_value_low(a) > pare_value_high(b);
    return pare_value_high(a) < pare_value_low(b);
}

enum relation { NEITHER, DOMINATES, DOMINATES_CLEARLY, SAME };

static enum relation relate(const struct pare_trial *a, const struct pare_trial *b,
                            const struct pare_goal *goals, int n_goals)
{
    bool better = false, clearly = false;

    for (int g = 0; g < n_goals; g++) {
        const struct pare_value *x = &a->values[goals[g].metric];
        const struct pare_value *y = &b->values[goals[g].metric];

        if (pare_value_better(y, x, goals[g].maximize))
            return NEITHER;
        better = better || pare_value_better(x, y, goals[g].maximize);
        clearly = clearly || pare_value_clearly_better(x, y, goals[g].maximize);
    }
    return clearly ? DOMINATES_CLEARLY : better ? DOMINATES : SAME;
}

static bool is_comparable(const struct pare_trial *trial, const struct pare_goal *goals,
                          int n_goals)
{
    for (int g = 0; g < n_goals; g++)
        if (isnan(pare_trial_value(trial, goals[g].metric)))
            return false;
    return trial->is_ok && n_goals > 0;
}

static struct pare_standing stand(const struct pare_rows *rows, int64_t i,
                                  const struct pare_goal *goals, int n_goals)
{
    struct pare_standing standing = {PARE_RANK_FRONT, -1};
    const struct pare_trial *me = rows->trials[i];

    if (!is_comparable(me, goals, n_goals))
        return (struct pare_standing){PARE_RANK_OFF, -1};
    for (int64_t k = 0; k < rows->n; k++) {
        const struct pare_trial *other = rows->trials[k];
        enum relation r;

        if (k == i || !is_comparable(other, goals, n_goals))
            continue;
        r = relate(other, me, goals, n_goals);
        if (r == DOMINATES_CLEARLY)
            return (struct pare_standing){PARE_RANK_DOMINATED, other->id};
        /* Of equals the first is the front and the others tie with it. */
        if ((r == DOMINATES || (r == SAME && other->id < me->id)) && standing.by < 0)
            standing = (struct pare_standing){PARE_RANK_TIE, other->id};
    }
    return standing;
}

void pare_front_rank(const struct pare_rows *rows, const struct pare_goal *goals, int n_goals,
                     struct pare_standing *standing)
{
    for (int64_t i = 0; i < rows->n; i++)
        standing[i] = stand(rows, i, goals, n_goals);
}

void pare_front_keep(struct pare_rows *rows, struct pare_standing *standing, int64_t reference)
{
    int64_t n = 0;

    for (int64_t i = 0; i < rows->n; i++)
        if (standing[i].rank >= PARE_RANK_TIE || rows->trials[i]->id == reference) {
            rows->trials[n] = rows->trials[i];
            standing[n++] = standing[i];
        }
    rows->n = n;
}
