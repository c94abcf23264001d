#include "io/data_csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "io/data_bytes.h"
#include "io/data_source.h"

#define MAX_BYTES   ((size_t)4 << 30)
#define MAX_COLUMNS 1000000
#define MAX_CLASSES 65536
#define MAX_NUMBER  64 /* characters of a cell that is a number */

struct reader {
    const char *p, *end;
    char separator;
    int64_t line;
    int64_t n_cells; /* of every row */
    enum pare_csv_label label;
    int64_t capacity; /* rows */
};

/* One cell; [text, text + n) without quotes and outer blanks. */
struct cell {
    const char *text;
    size_t n;
    bool is_last; /* of its line */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\r' || c == '\t';
}

static void cell_trim(struct cell *cell, char separator)
{
    while (cell->n && is_blank(*cell->text) && *cell->text != separator)
        cell->text++, cell->n--;
    while (cell->n && is_blank(cell->text[cell->n - 1]))
        cell->n--;
    if (cell->n >= 2 && cell->text[0] == '"' && cell->text[cell->n - 1] == '"')
        cell->text++, cell->n -= 2;
}

/* Takes a cell and what ends it; at the end of a line the line number rises. */
static struct cell take_cell(struct reader *in)
{
    struct cell cell = {.text = in->p, .is_last = true};
    bool is_quoted = false;

    while (in->p < in->end && *in->p != '\n' && (is_quoted || *in->p != in->separator)) {
        is_quoted ^= *in->p == '"';
        in->p++;
    }
    cell.n = (size_t)(in->p - cell.text);
    if (in->p < in->end) {
        cell.is_last = *in->p == '\n';
        in->p++;
    }
    in->line += cell.is_last;
    cell_trim(&cell, in->separator);
    return cell;
}

static bool cell_number(const struct cell *cell, double *out)
{
    char text[MAX_NUMBER + 1], *end;

    if (cell->n == 0 || cell->n > MAX_NUMBER || memchr(cell->text, 'x', cell->n) ||
        memchr(cell->text, 'X', cell->n)) /* no hexadecimal */
        return false;
    memcpy(text, cell->text, cell->n);
    text[cell->n] = '\0';
    *out = strtod(text, &end);
    return *end == '\0' && end != text && isfinite(*out);
}

/* The best of those that the first line has outside of quotes. */
static char find_separator(const char *text, size_t n)
{
    static const char best_first[] = ",;\t";
    bool is_quoted = false, seen[3] = {0};

    for (size_t i = 0; i < n && text[i] != '\n'; i++) {
        is_quoted ^= text[i] == '"';
        for (int k = 0; k < 3; k++)
            seen[k] |= !is_quoted && text[i] == best_first[k];
    }
    for (int k = 0; k < 3; k++)
        if (seen[k])
            return best_first[k];
    return best_first[0];
}

/* A first line with any cell that is no number is a header.  Counts the cells. */
static void read_first_line(struct reader *in)
{
    const char *start = in->p;
    bool is_header = false;
    struct cell cell;
    double number;

    do {
        cell = take_cell(in);
        in->n_cells++;
        is_header |= !cell_number(&cell, &number);
    } while (!cell.is_last);
    if (is_header)
        return;
    in->p = start;
    in->line = 1;
}

static bool skip_empty_line(struct reader *in)
{
    const char *p = in->p;

    while (p < in->end && (*p == ' ' || *p == '\r'))
        p++;
    if (p < in->end && *p != '\n')
        return false;
    in->p = p < in->end ? p + 1 : p;
    in->line++;
    return true;
}

static pare_status reserve_row(struct pare_csv *out, struct reader *in, struct pare_error *err)
{
    int64_t capacity = in->capacity ? 2 * in->capacity : 256;
    float *values;
    int32_t *labels;

    if (out->n_rows < in->capacity)
        return PARE_OK;
    values = realloc(out->values, (size_t)capacity * (size_t)out->n_columns * sizeof *values);
    if (values)
        out->values = values;
    labels = realloc(out->labels, (size_t)capacity * sizeof *labels);
    if (labels)
        out->labels = labels;
    if (!values || !labels)
        return pare_fail(err, PARE_ENOMEM, "no memory for %lld rows of %lld numbers",
                         (long long)capacity, (long long)out->n_columns);
    in->capacity = capacity;
    return PARE_OK;
}

static pare_status add_label(struct pare_csv *out, double number, int64_t line, int64_t column,
                             struct pare_error *err)
{
    if (number != floor(number) || number < 0 || number >= MAX_CLASSES)
        return pare_fail(err, PARE_EFORMAT,
                         "line %lld, column %lld: label %g is not a class number 0, 1, 2, ...",
                         (long long)line, (long long)column, number);
    out->labels[out->n_rows] = (int32_t)number;
    if ((int)number >= out->n_classes)
        out->n_classes = (int)number + 1;
    return PARE_OK;
}

static pare_status read_row(struct pare_csv *out, struct reader *in, struct pare_error *err)
{
    const int64_t line = in->line;
    const int64_t label_at = in->label == PARE_CSV_FIRST  ? 0
                             : in->label == PARE_CSV_LAST ? in->n_cells - 1
                                                          : -1;
    float *row = out->values + out->n_rows * out->n_columns;
    struct cell cell;
    int64_t column = 0;

    out->labels[out->n_rows] = -1;
    do {
        double number;
        pare_status st = PARE_OK;

        if (column == in->n_cells)
            return pare_fail(err, PARE_EFORMAT, "line %lld: more than %lld cells", (long long)line,
                             (long long)in->n_cells);
        cell = take_cell(in);
        if (!cell_number(&cell, &number))
            return pare_fail(err, PARE_EFORMAT,
                             "line %lld, column %lld: '%.*s' is not a finite number",
                             (long long)line, (long long)column + 1,
                             (int)(cell.n < MAX_NUMBER ? cell.n : MAX_NUMBER), cell.text);
        if (column == label_at)
            st = add_label(out, number, line, column + 1, err);
        else
            *row++ = (float)number;
        if (st)
            return st;
        column++;
    } while (!cell.is_last);
    if (column < in->n_cells)
        return pare_fail(err, PARE_EFORMAT, "line %lld: %lld cells; expected %lld", (long long)line,
                         (long long)column, (long long)in->n_cells);
    out->n_rows++;
    return PARE_OK;
}

pare_status pare_csv_parse(struct pare_csv *out, const char *text, size_t n,
                           enum pare_csv_label label, struct pare_error *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct reader in = {.end = text + n, .line = 1, .label = label};
    pare_status st = PARE_OK;

    *out = (struct pare_csv){0};
    in.p = n >= 3 && memcmp(text, bom, 3) == 0 ? text + 3 : text;
    while (in.p < in.end && skip_empty_line(&in))
        ;
    in.separator = find_separator(in.p, (size_t)(in.end - in.p));
    if (in.p < in.end)
        read_first_line(&in);
    out->n_columns = in.n_cells - (label != PARE_CSV_NONE);
    if (out->n_columns < 1 || in.n_cells > MAX_COLUMNS)
        return pare_fail(err, PARE_EFORMAT,
                         "%lld columns; expected %s and at most %d, separated by comma, semicolon "
                         "or tab",
                         (long long)in.n_cells,
                         label == PARE_CSV_NONE ? "at least one" : "a label and at least one other",
                         MAX_COLUMNS);
    while (!st && in.p < in.end) {
        if (skip_empty_line(&in))
            continue;
        st = reserve_row(out, &in, err);
        if (!st)
            st = read_row(out, &in, err);
    }
    if (!st && out->n_rows == 0)
        st = pare_fail(err, PARE_EFORMAT, "no rows of numbers");
    if (st)
        pare_csv_clear(out);
    return st;
}

void pare_csv_clear(struct pare_csv *csv)
{
    free(csv->values);
    free(csv->labels);
    *csv = (struct pare_csv){0};
}

/* ---- As a data set ---- */

bool pare_csv_find(struct pare_data_files *files, const char *dir)
{
    struct stat st;

    if (stat(dir, &st) == 0 && S_ISREG(st.st_mode)) {
        files->paths[files->n++] = pare_xstrdup(dir);
        return true;
    }
    if (!pare_data_files_add(files, dir, "train.csv"))
        return false;
    pare_data_files_add(files, dir, "test.csv"); /* without it the first is split */
    return true;
}

static pare_status load(struct pare_csv *out, const char *path, const struct pare_data_spec *spec,
                        struct pare_error *err)
{
    enum pare_csv_label label = strcmp(spec->label, "first") == 0  ? PARE_CSV_FIRST
                                : strcmp(spec->label, "last") == 0 ? PARE_CSV_LAST
                                                                   : PARE_CSV_NONE;
    struct pare_data_bytes bytes;
    pare_status st;

    st = pare_data_bytes_open(&bytes, path, MAX_BYTES, err);
    if (st)
        return st;
    st = pare_csv_parse(out, (const char *)bytes.data, bytes.n, label, err);
    if (st)
        pare_error_prefix(err, "%s", path);
    pare_data_bytes_close(&bytes);
    return st;
}

static void copy_rows(struct pare_decoded *out, int64_t first, const struct pare_csv *csv,
                      const int64_t *order)
{
    float *samples = out->samples;

    for (int64_t i = 0; i < csv->n_rows; i++) {
        int64_t from = order ? order[i] : i;

        memcpy(samples + (first + i) * csv->n_columns, csv->values + from * csv->n_columns,
               (size_t)csv->n_columns * sizeof *samples);
        out->labels[first + i] = csv->labels[from];
    }
}

pare_status pare_csv_decode(struct pare_decoded *out, const struct pare_data_files *files,
                            const struct pare_data_spec *spec, struct pare_error *err)
{
    struct pare_csv train = {0}, test = {0};
    struct pare_decoded_header like = {.type = PARE_SAMPLE_F32,
                                       .n_dims = 1,
                                       .h = 1,
                                       .w = 1,
                                       .raw_scale = 1};
    int64_t *order = NULL;
    pare_status st;

    st = load(&train, files->paths[0], spec, err);
    if (!st && files->n > 1)
        st = load(&test, files->paths[1], spec, err);
    if (st)
        goto done;
    if (files->n > 1 && test.n_columns != train.n_columns) {
        st = pare_fail(err, PARE_EFORMAT, "%s: %lld feature columns; %s has %lld", files->paths[1],
                       (long long)test.n_columns, files->paths[0], (long long)train.n_columns);
        goto done;
    }
    like.c = train.n_columns;
    like.n_classes = train.n_classes > test.n_classes ? train.n_classes : test.n_classes;
    like.n_test =
        files->n > 1 ? test.n_rows : (int64_t)(spec->test_fraction * (double)train.n_rows + 0.5);
    like.n_train = files->n > 1 ? train.n_rows : train.n_rows - like.n_test;
    if (like.n_train < 1) {
        st = pare_fail(err, PARE_EFORMAT, "%s: %lld rows are too few to split", files->paths[0],
                       (long long)train.n_rows);
        goto done;
    }
    st = pare_decoded_new(out, &like, err);
    if (st)
        goto done;
    if (files->n == 1)
        order = pare_data_fixed_order(train.n_rows);
    copy_rows(out, 0, &train, order);
    if (files->n > 1)
        copy_rows(out, like.n_train, &test, NULL);
done:
    free(order);
    pare_csv_clear(&train);
    pare_csv_clear(&test);
    return st;
}
