/* A grid of texts, printed for a terminal, Markdown, CSV or LaTeX. */
#ifndef PARE_REPORT_GRID_H
#define PARE_REPORT_GRID_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/text.h"

enum pare_table_format {
    PARE_TABLE_TEXT, /* "table" */
    PARE_TABLE_MD,
    PARE_TABLE_CSV,
    PARE_TABLE_JSON,
    PARE_TABLE_LATEX
};
extern const char *const pare_table_formats[]; /* their words, NULL at the end */
/* false: no such word. */
bool pare_table_format_find(const char *word, enum pare_table_format *out);

enum pare_emphasis { PARE_PLAIN, PARE_BOLD, PARE_FAINT };

struct pare_grid_column {
    const char *head, *unit; /* unit "" or what stands below the head */
    bool is_number;          /* right-aligned */
    bool may_shrink;         /* long text that may be cut to make room */
    bool is_needed;          /* never left out */
};

struct pare_grid {
    struct pare_arena *arena;
    int n_columns, n_rows, row_capacity;
    struct pare_grid_column *columns;
    const char **cells;           /* [n_rows][n_columns] */
    enum pare_emphasis *emphasis; /* [n_rows] */
    int n_legend;
    const char **legend; /* plain lines below */
    int n_notes;
    const char **notes; /* numbered lines below */
};

struct pare_grid *pare_grid_new(void);
void pare_grid_free(struct pare_grid *grid);
/* All columns before the first row. Texts are copied. */
void pare_grid_column(struct pare_grid *grid, const char *head, const char *unit, bool is_number,
                      bool may_shrink, bool is_needed);
int pare_grid_row(struct pare_grid *grid, enum pare_emphasis emphasis); /* its index */
void pare_grid_set(struct pare_grid *grid, int row, int column, const char *text);
/* A line that explains a sign; the same text is added once. */
void pare_grid_legend(struct pare_grid *grid, const char *text);
/* The number of the note, from 1; the same text is the same note. */
int pare_grid_note(struct pare_grid *grid, const char *text);

/* For a terminal, never wider than `columns`.  First the columns that may shrink are cut, then
 * columns that are not needed are left out from the right, and a line says which. */
/* Would every column find room, but for those that may shrink and are not needed? */
bool pare_grid_fits(const struct pare_grid *grid, int columns);
void pare_grid_text(struct pare_text *out, const struct pare_grid *grid, int columns, bool color);
void pare_grid_md(struct pare_text *out, const struct pare_grid *grid);
void pare_grid_csv(struct pare_text *out,
                   const struct pare_grid *grid); /* quoted as in RFC 4180, lines end with LF */
void pare_grid_latex(struct pare_text *out, const struct pare_grid *grid); /* booktabs */
/* Any of the four. */
void pare_grid_print(struct pare_text *out, const struct pare_grid *grid,
                     enum pare_table_format format, int columns, bool color);

#endif
