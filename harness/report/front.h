/* The Pareto front, with ties.
 *
 * Trial A *dominates* B when A is at least as good in every objective and better in one, by value.
 * An objective of A is *clearly* better than B's when their intervals do not overlap; an exact value
 * is an interval of one point.
 *
 *   FRONT      no trial dominates it
 *   TIE        dominated by value, but by none that is clearly better in any objective: the data
 *              cannot tell it from its dominators (or it has the very same values as an earlier one)
 *   DOMINATED  some trial dominates it and is clearly better in an objective
 *   OFF        not done, or an objective is unavailable: it cannot be compared */
#ifndef PARE_REPORT_FRONT_H
#define PARE_REPORT_FRONT_H

#include "report/filter.h"

enum pare_rank { PARE_RANK_OFF, PARE_RANK_DOMINATED, PARE_RANK_TIE, PARE_RANK_FRONT };

struct pare_standing {
    enum pare_rank rank;
    int64_t by; /* id of the trial that it ties with or is dominated by; -1: none */
};

/* standing[rows->n], for the trials of `rows` among each other.  Goals whose metric is -1 leave
 * every trial OFF. */
void pare_front_rank(const struct pare_rows *rows, const struct pare_goal *goals, int n_goals,
                     struct pare_standing *standing);

/* Keeps the front and its ties, in their order, in both arrays; with `reference` the trial of that
 * id too, wherever it stands (-1: none). */
void pare_front_keep(struct pare_rows *rows, struct pare_standing *standing, int64_t reference);

/* Ends of the interval; the value itself when it is exact. */
double pare_value_low(const struct pare_value *value);
double pare_value_high(const struct pare_value *value);
/* a better than b by value; clearly: the intervals do not overlap. */
bool pare_value_better(const struct pare_value *a, const struct pare_value *b, bool maximize);
bool pare_value_clearly_better(const struct pare_value *a, const struct pare_value *b,
                               bool maximize);

#endif
