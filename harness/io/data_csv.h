/* Numbers in columns, separated by comma, semicolon or tab (whichever the first line has), with or
 * without a header line.  Cells may stand in double quotes. */
#ifndef PARE_IO_DATA_CSV_H
#define PARE_IO_DATA_CSV_H

#include <stddef.h>
#include <stdint.h>

#include <pare/status.h>

enum pare_csv_label { PARE_CSV_FIRST, PARE_CSV_LAST, PARE_CSV_NONE };

struct pare_csv {
    int64_t n_rows, n_columns; /* columns of features */
    float *values;             /* malloc'ed [n_rows, n_columns] */
    int32_t *labels;           /* malloc'ed [n_rows]; all -1 without a label column */
    int n_classes;             /* largest label + 1; 0 without */
};

/* PARE_EFORMAT with line and column: a cell that is not a finite number, a row with too few or too
 * many cells, a label that is not a class number 0, 1, 2, ..., no rows. */
pare_status pare_csv_parse(struct pare_csv *out, const char *text, size_t n,
                           enum pare_csv_label label, struct pare_error *err);
void pare_csv_clear(struct pare_csv *csv);

#endif
