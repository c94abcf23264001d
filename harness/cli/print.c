#include "cli/print.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

void pare_print_wrapped(const char *text, int column)
{
    int at = column;

    while (*text) {
        int n = (int)strcspn(text, " ");

        if (at > column && at + 1 + n > PARE_COLUMNS) {
            printf("\n%*s", column, "");
            at = column;
        } else if (at > column) {
            putchar(' ');
            at++;
        }
        printf("%.*s", n, text);
        at += n;
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

void pare_print_pair(const char *left, const char *right, int column)
{
    if ((int)strlen(left) + 4 > column)
        printf("  %s\n%*s", left, column, "");
    else
        printf("  %-*s", column - 2, left);
    pare_print_wrapped(right, column);
}

void pare_print_paragraphs(const char *text)
{
    struct pare_text paragraph = {0};

    while (*text) {
        const char *line = text;
        int n = (int)strcspn(text, "\n");
        bool is_flowing = n > 0 && *text != ' ';

        if (is_flowing) {
            if (paragraph.n)
                pare_text_add(&paragraph, " ");
            pare_text_add_n(&paragraph, text, (size_t)n);
        }
        text += n + (text[n] == '\n');
        if (paragraph.n && (!is_flowing || !*text)) {
            pare_print_wrapped(paragraph.s, 0);
            pare_text_clear(&paragraph);
        }
        if (!is_flowing)
            printf("%.*s\n", n, line);
    }
}
