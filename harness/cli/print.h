/* Text for people, at most 80 columns wide. */
#ifndef PARE_CLI_PRINT_H
#define PARE_CLI_PRINT_H

#define PARE_COLUMNS 80

/* Words to stdout from `column` on, where the cursor stands; later lines are indented to it.  Ends
 * with a newline. */
void pare_print_wrapped(const char *text, int column);
/* Paragraphs, wrapped afresh; lines that begin with a space stay as they are. */
void pare_print_paragraphs(const char *text);
/* "  left      right ...", the right part wrapped at `column`. */
void pare_print_pair(const char *left, const char *right, int column);

#endif
