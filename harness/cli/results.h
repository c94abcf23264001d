/* Finding the results that a command is asked about, and printing to stdout. */
#ifndef PARE_CLI_RESULTS_H
#define PARE_CLI_RESULTS_H

#include "base/text.h"
#include "cli/args.h"
#include "report/dataset.h"
#include "report/grid.h"

/* Rows for the command's table of options. */
#define PARE_RESULTS_ARG                                                                \
    {                                                                                   \
        "results", 'r', "DIR", "the results folder, where it is not results/NAME", NULL \
    }
#define PARE_OUTPUT_ARG                                         \
    {                                                           \
        "output", 'o', "FORMAT", "how to print it",             \
            PARE_CHOICES("table", "md", "csv", "json", "latex") \
    }

/* The results folder that `operand` means: a results folder; a folder of results folders that holds
 * exactly one; a sweep file (then `results`, or results/NAME); the NAME of a folder in results/.
 * NULL: `results`, or the only one in ./results.  malloc'ed.  PARE_EINVAL says what there is. */
pare_status pare_results_find(char **folder, const char *operand, const char *results,
                              struct pare_error *err);
/* "FOLDER:12" to folder and trial; -1 where there is none.  The folder is malloc'ed. */
void pare_results_split(const char *text, char **folder, int64_t *trial);

/* Columns of the terminal behind stdout; of a pipe $COLUMNS or 80. */
int pare_stdout_columns(void);
/* Writes and clears the text; PARE_EXIT_USAGE with a message when stdout refuses. */
int pare_stdout_put(const struct pare_command *command, struct pare_text *text);

#endif
