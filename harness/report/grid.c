#include "report/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/format.h"

enum { GAP = 2, SHORTEST = 12 };

const char *const pare_table_formats[] = {"table", "md", "csv", "json", "latex", NULL};

bool pare_table_format_find(const char *word, enum pare_table_format *out)
{
    for (int i = 0; pare_table_formats[i]; i++)
        if (strcmp(pare_table_formats[i], word) == 0) {
            *out = (enum pare_table_format)i;
            return true;
        }
    return false;
}

/* ---- filling ---- */

struct pare_grid *pare_grid_new(void)
{
    struct pare_grid *grid = pare_xcalloc(1, sizeof *grid);

    grid->arena = pare_arena_new();
    return grid;
}

void pare_grid_free(struct pare_grid *grid)
{
    if (!grid)
        return;
    pare_arena_free(grid->arena);
    free(grid->columns);
    free(grid->cells);
    free(grid->emphasis);
    free(grid->legend);
    free(grid->notes);
    free(grid);
}

void pare_grid_column(struct pare_grid *grid, const char *head, const char *unit, bool is_number,
                      bool may_shrink, bool is_needed)
{
    grid->columns =
        pare_xrealloc(grid->columns, (size_t)(grid->n_columns + 1) * sizeof *grid->columns);
    grid->columns[grid->n_columns++] = (struct pare_grid_column){
        pare_arena_strdup(grid->arena, head), pare_arena_strdup(grid->arena, unit), is_number,
        may_shrink, is_needed};
}

int pare_grid_row(struct pare_grid *grid, enum pare_emphasis emphasis)
{
    if (grid->n_rows == grid->row_capacity) {
        grid->row_capacity = grid->row_capacity ? 2 * grid->row_capacity : 64;
        grid->cells = pare_xrealloc(grid->cells, (size_t)grid->row_capacity *
                                                     (size_t)grid->n_columns * sizeof(char *));
        grid->emphasis =
            pare_xrealloc(grid->emphasis, (size_t)grid->row_capacity * sizeof *grid->emphasis);
    }
    for (int c = 0; c < grid->n_columns; c++)
        grid->cells[grid->n_rows * grid->n_columns + c] = "";
    grid->emphasis[grid->n_rows] = emphasis;
    return grid->n_rows++;
}

void pare_grid_set(struct pare_grid *grid, int row, int column, const char *text)
{
    grid->cells[row * grid->n_columns + column] = pare_arena_strdup(grid->arena, text);
}

static int add_line(struct pare_grid *grid, const char ***lines, int *n, const char *text)
{
    for (int i = 0; i < *n; i++)
        if (strcmp((*lines)[i], text) == 0)
            return i;
    *lines = pare_xrealloc(*lines, (size_t)(*n + 1) * sizeof **lines);
    (*lines)[*n] = pare_arena_strdup(grid->arena, text);
    return (*n)++;
}

void pare_grid_legend(struct pare_grid *grid, const char *text)
{
    add_line(grid, &grid->legend, &grid->n_legend, text);
}

int pare_grid_note(struct pare_grid *grid, const char *text)
{
    return add_line(grid, &grid->notes, &grid->n_notes, text) + 1;
}

static const char *cell(const struct pare_grid *grid, int row, int column)
{
    return grid->cells[row * grid->n_columns + column];
}

/* ---- terminal ---- */

static int column_width(const struct pare_grid *grid, int c)
{
    int width = pare_text_width(grid->columns[c].head);
    int unit = pare_text_width(grid->columns[c].unit);

    if (unit > width)
        width = unit;
    for (int r = 0; r < grid->n_rows; r++) {
        int w = pare_text_width(cell(grid, r, c));

        if (w > width)
            width = w;
    }
    return width;
}

static int total_width(const struct pare_grid *grid, const int *widths)
{
    int total = -GAP;

    for (int c = 0; c < grid->n_columns; c++)
        if (widths[c] > 0)
            total += widths[c] + GAP;
    return total;
}

static int narrowest(const struct pare_grid *grid, int c)
{
    int head = pare_text_width(grid->columns[c].head);

    return head > SHORTEST ? head : SHORTEST;
}

/* Takes `excess` columns from those that may shrink, the widest first; gives what is left over. */
static int shrink(const struct pare_grid *grid, int *widths, int excess)
{
    while (excess > 0) {
        int widest = -1;

        for (int c = 0; c < grid->n_columns; c++)
            if (grid->columns[c].may_shrink && widths[c] > narrowest(grid, c) &&
                (widest < 0 || widths[c] > widths[widest]))
                widest = c;
        if (widest < 0)
            return excess;
        widths[widest]--;
        excess--;
    }
    return 0;
}

/* Leaves out columns until the rest, shrunk as far as it goes, fits. */
static void drop(const struct pare_grid *grid, int *widths, int columns)
{
    int *tried = pare_xcalloc((size_t)grid->n_columns + 1, sizeof *tried);

    for (int c = grid->n_columns - 1; c >= 0; c--) {
        memcpy(tried, widths, (size_t)grid->n_columns * sizeof *tried);
        if (shrink(grid, tried, total_width(grid, widths) - columns) == 0)
            break;
        if (!grid->columns[c].is_needed)
            widths[c] = 0;
    }
    free(tried);
    if (shrink(grid, widths, total_width(grid, widths) - columns) == 0)
        return;
    /* Needed columns alone are too wide: cut the widest, whatever it is. */
    while (total_width(grid, widths) > columns) {
        int widest = 0;

        for (int c = 1; c < grid->n_columns; c++)
            if (widths[c] > widths[widest])
                widest = c;
        if (widths[widest] <= 1)
            return;
        widths[widest]--;
    }
}

bool pare_grid_fits(const struct pare_grid *grid, int columns)
{
    int *widths = pare_xcalloc((size_t)grid->n_columns + 1, sizeof *widths);
    bool fits;

    for (int c = 0; c < grid->n_columns; c++)
        if (grid->columns[c].is_needed || !grid->columns[c].may_shrink)
            widths[c] = column_width(grid, c);
    fits = shrink(grid, widths, total_width(grid, widths) - columns) == 0;
    free(widths);
    return fits;
}

static void pad(struct pare_text *out, int n)
{
    while (n-- > 0)
        pare_text_add(out, " ");
}

static void blank_controls(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
}

static void text_line(struct pare_text *out, const struct pare_grid *grid, const int *widths,
                      const char *(*get)(const struct pare_grid *grid, int row, int column),
                      int row, enum pare_emphasis emphasis, bool color)
{
    struct pare_text line = {0};
    int blank = 0;
    size_t start;

    for (int c = 0; c < grid->n_columns; c++) {
        const char *s = get(grid, row, c);
        int w = pare_text_width(s);

        if (widths[c] == 0)
            continue;
        if (w > widths[c])
            w = widths[c];
        if (grid->columns[c].is_number)
            blank += widths[c] - w;
        if (w > 0) {
            pad(&line, blank); /* so that lines end without blanks */
            blank = 0;
            start = line.n;
            pare_text_cut(&line, s, widths[c]);
            blank_controls(line.s + start); /* a message of several lines stays in its cell */
        }
        blank += GAP + (grid->columns[c].is_number ? 0 : widths[c] - w);
    }
    if (color && emphasis != PARE_PLAIN)
        pare_text_printf(out, "\033[%dm%s\033[0m\n", emphasis == PARE_BOLD ? 1 : 2,
                         line.s ? line.s : "");
    else
        pare_text_printf(out, "%s\n", line.s ? line.s : "");
    pare_text_clear(&line);
}

static const char *get_head(const struct pare_grid *grid, int row, int column)
{
    (void)row;
    return grid->columns[column].head;
}

static const char *get_unit(const struct pare_grid *grid, int row, int column)
{
    (void)row;
    return grid->columns[column].unit;
}

static bool has_units(const struct pare_grid *grid)
{
    for (int c = 0; c < grid->n_columns; c++)
        if (grid->columns[c].unit[0])
            return true;
    return false;
}

static void wrap(struct pare_text *out, const char *first, const char *s, int columns)
{
    int indent = pare_text_width(first), at = indent;

    pare_text_add(out, first);
    while (*s) {
        size_t n = strcspn(s, " ");
        char *word = strndup(s, n);
        int w = pare_text_width(word);

        if (at > indent && at + 1 + w > columns) {
            pare_text_add(out, "\n");
            pad(out, indent);
            at = indent;
        } else if (at > indent) {
            pare_text_add(out, " ");
            at++;
        }
        /* a word without end, such as a path, is cut into lines */
        for (const char *c = word; *c; c++) {
            if (((unsigned char)*c & 0xc0) != 0x80 && at++ >= columns && columns > indent) {
                pare_text_add(out, "\n");
                pad(out, indent);
                at = indent + 1;
            }
            pare_text_add_n(out, c, 1);
        }
        free(word);
        s += n;
        while (*s == ' ')
            s++;
    }
    pare_text_add(out, "\n");
}

void pare_grid_text(struct pare_text *out, const struct pare_grid *grid, int columns, bool color)
{
    int *widths = pare_xcalloc((size_t)grid->n_columns + 1, sizeof *widths);
    struct pare_text left_out = {0};
    char mark[16];

    for (int c = 0; c < grid->n_columns; c++)
        widths[c] = column_width(grid, c);
    drop(grid, widths, columns);
    text_line(out, grid, widths, get_head, 0, PARE_BOLD, color);
    if (has_units(grid))
        text_line(out, grid, widths, get_unit, 0, PARE_FAINT, color);
    for (int r = 0; r < grid->n_rows; r++)
        text_line(out, grid, widths, cell, r, grid->emphasis[r], color);
    for (int c = 0; c < grid->n_columns; c++)
        if (widths[c] == 0 && grid->columns[c].head[0])
            pare_text_printf(&left_out, "%s%s",
                             left_out.n ? ", " : "no room for: ", grid->columns[c].head);
    for (int i = 0; i < grid->n_legend; i++)
        wrap(out, "", grid->legend[i], columns);
    for (int i = 0; i < grid->n_notes; i++) {
        snprintf(mark, sizeof mark, "[%d] ", i + 1);
        wrap(out, mark, grid->notes[i], columns);
    }
    if (left_out.n)
        wrap(out, "", left_out.s, columns);
    pare_text_clear(&left_out);
    free(widths);
}

/* ---- Markdown ---- */

static void md_cell(struct pare_text *out, const char *s)
{
    pare_text_add(out, " ");
    for (; *s; s++) {
        if (*s == '|' || *s == '\\' || *s == '*' || *s == '_' || *s == '<' || *s == '`' ||
            *s == '~')
            pare_text_add(out, "\\");
        pare_text_add_n(out, *s == '\n' ? " " : s, 1);
    }
    pare_text_add(out, " |");
}

void pare_grid_md(struct pare_text *out, const struct pare_grid *grid)
{
    pare_text_add(out, "|");
    for (int c = 0; c < grid->n_columns; c++) {
        const struct pare_grid_column *column = &grid->columns[c];
        struct pare_text head = {0};

        pare_text_printf(&head, column->unit[0] ? "%s (%s)" : "%s", column->head, column->unit);
        md_cell(out, head.s);
        pare_text_clear(&head);
    }
    pare_text_add(out, "\n|");
    for (int c = 0; c < grid->n_columns; c++)
        pare_text_add(out, grid->columns[c].is_number ? " ---: |" : " --- |");
    pare_text_add(out, "\n");
    for (int r = 0; r < grid->n_rows; r++) {
        pare_text_add(out, "|");
        for (int c = 0; c < grid->n_columns; c++)
            md_cell(out, cell(grid, r, c));
        pare_text_add(out, "\n");
    }
    for (int i = 0; i < grid->n_legend; i++)
        pare_text_printf(out, "\n%s\n", grid->legend[i]);
    for (int i = 0; i < grid->n_notes; i++)
        pare_text_printf(out, "\n[%d] %s\n", i + 1, grid->notes[i]);
}

/* ---- CSV ---- */

static void csv_cell(struct pare_text *out, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        pare_text_add(out, s);
        return;
    }
    pare_text_add(out, "\"");
    for (; *s; s++) {
        if (*s == '"')
            pare_text_add(out, "\"");
        pare_text_add_n(out, s, 1);
    }
    pare_text_add(out, "\"");
}

void pare_grid_csv(struct pare_text *out, const struct pare_grid *grid)
{
    for (int r = -1; r < grid->n_rows; r++) {
        for (int c = 0; c < grid->n_columns; c++) {
            if (c)
                pare_text_add(out, ",");
            csv_cell(out, r < 0 ? grid->columns[c].head : cell(grid, r, c));
        }
        pare_text_add(out, "\n");
    }
}

/* ---- LaTeX ---- */

static void latex_text(struct pare_text *out, const char *s)
{
    static const struct {
        const char *from, *to;
    } special[] = {
        {"\\", "\\textbackslash{}"},
        {"~", "\\textasciitilde{}"},
        {"^", "\\textasciicircum{}"},
        {"&", "\\&"},
        {"%", "\\%"},
        {"$", "\\$"},
        {"#", "\\#"},
        {"_", "\\_"},
        {"{", "\\{"},
        {"}", "\\}"},
        {"<", "\\textless{}"},
        {">", "\\textgreater{}"},
        {"|", "\\textbar{}"},
        {"±", "$\\pm$"},
        {"µ", "$\\mu$"},
        {"…", "\\dots{}"},
        {"\n", " "},
    };

    while (*s) {
        size_t i, n = sizeof special / sizeof *special;

        for (i = 0; i < n && strncmp(s, special[i].from, strlen(special[i].from)) != 0; i++)
            ;
        if (i < n) {
            pare_text_add(out, special[i].to);
            s += strlen(special[i].from);
        } else {
            pare_text_add_n(out, s++, 1);
        }
    }
}

void pare_grid_latex(struct pare_text *out, const struct pare_grid *grid)
{
    pare_text_add(out, "\\begin{tabular}{");
    for (int c = 0; c < grid->n_columns; c++)
        pare_text_add(out, grid->columns[c].is_number ? "r" : "l");
    pare_text_add(out, "}\n\\toprule\n");
    for (int r = has_units(grid) ? -2 : -1; r < grid->n_rows; r++) {
        bool units = r == -1 && has_units(grid);

        for (int c = 0; c < grid->n_columns; c++) {
            const struct pare_grid_column *column = &grid->columns[c];

            if (c)
                pare_text_add(out, " & ");
            if (r >= 0)
                latex_text(out, cell(grid, r, c));
            else
                latex_text(out, units ? column->unit : column->head);
        }
        pare_text_add(out, " \\\\\n");
        if (r == -1)
            pare_text_add(out, "\\midrule\n");
    }
    pare_text_add(out, "\\bottomrule\n");
    for (int i = 0; i < grid->n_legend; i++) {
        pare_text_printf(out, "\\multicolumn{%d}{l}{\\footnotesize ", grid->n_columns);
        latex_text(out, grid->legend[i]);
        pare_text_add(out, "} \\\\\n");
    }
    for (int i = 0; i < grid->n_notes; i++) {
        pare_text_printf(out, "\\multicolumn{%d}{l}{\\footnotesize [%d] ", grid->n_columns, i + 1);
        latex_text(out, grid->notes[i]);
        pare_text_add(out, "} \\\\\n");
    }
    pare_text_add(out, "\\end{tabular}\n");
}

void pare_grid_print(struct pare_text *out, const struct pare_grid *grid,
                     enum pare_table_format format, int columns, bool color)
{
    switch (format) {
    case PARE_TABLE_MD: pare_grid_md(out, grid); break;
    case PARE_TABLE_CSV: pare_grid_csv(out, grid); break;
    case PARE_TABLE_LATEX: pare_grid_latex(out, grid); break;
    default: pare_grid_text(out, grid, columns, color); break;
    }
}
