#include "cli/print.h"

#include <stdio.h>
#include <string.h>

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
