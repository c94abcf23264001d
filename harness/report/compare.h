/* Two runs, or two trials, against each other: what became better or worse, as far as the data says.
 *
 * Trials with the same config are a pair; B is judged against A, metric by metric:
 *
 *   accuracy, accuracy_test  McNemar's exact test on the stored correctness bits of the same samples;
 *                            over all pairs of a comparison the p values are corrected (Holm 1979),
 *                            so that 150 pairs do not yield 7 false alarms; the difference with its
 *                            interval for paired data.  Without bits: intervals.
 *   measured, with samples   the ratio B/A of the medians, its interval from both medians' intervals;
 *                            a change counts when the interval lies beyond `threshold` (5 %: runs on
 *                            one machine differ by that much for reasons other than the program).
 *                            On another machine, or when a machine is unknown: unsure.
 *   counted, modeled         exact: any difference counts.
 *   anything else            a change counts when the intervals do not overlap (beyond the threshold
 *                            for times); without intervals, when it exceeds the threshold.
 *
 * A trial that is done in A but not in B is worse in "status". */
#ifndef PARE_REPORT_COMPARE_H
#define PARE_REPORT_COMPARE_H

#include "report/dataset.h"
#include "report/grid.h"

enum pare_verdict { PARE_SAME, PARE_BETTER, PARE_WORSE, PARE_UNSURE };

struct pare_change {
    const struct pare_trial *a, *b;
    const char *metric; /* "status": see above */
    double value_a, value_b;
    bool is_ratio;            /* change is B/A, else B - A */
    double change, low, high; /* low, high NAN: exact */
    double p;                 /* corrected; NAN: no test was made */
    enum pare_verdict verdict;
    enum pare_verdict apparent; /* what it would be on one machine */
    const char *evidence;       /* "p = 0.003, paired on 10000 samples" */
};

struct pare_comparison {
    struct pare_dataset *a, *b;
    struct pare_arena *arena;
    int64_t n_pairs, n_only_a, n_only_b;
    int n_metrics;
    const char *const *metrics; /* that any pair has, in A's order; "status" first if it changed */
    int64_t n_changes, capacity;
    struct pare_change *changes; /* every metric of every pair, by A's trial */
    enum pare_machines { PARE_SAME_MACHINE, PARE_OTHER_MACHINE, PARE_UNKNOWN_MACHINE } machines;
    bool is_same_data;
    bool any_worse; /* a confirmed regression */
};

struct pare_compare_options {
    double threshold;         /* of relative changes; 0.05 by default */
    int64_t trial_a, trial_b; /* compare these two, whatever their configs; -1: all pairs */
    const char *only_metric;  /* NULL: all */
};
void pare_compare_defaults(struct pare_compare_options *options);

pare_status pare_compare(struct pare_comparison **out, const char *folder_a, const char *folder_b,
                         const struct pare_compare_options *options, struct pare_error *err);
void pare_compare_free(struct pare_comparison *comparison);

/* Text: counts per metric, then the changes, the worst first, at most `max_rows` (0: all).  md and
 * latex: the changes.  csv and json: everything. */
void pare_compare_print(struct pare_text *out, const struct pare_comparison *comparison,
                        enum pare_table_format format, int max_rows, int columns, bool color);

#endif
