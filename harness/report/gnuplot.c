#include "report/gnuplot.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void pare_gnuplot_quote(struct pare_text *out, const char *s)
{
    pare_text_add(out, "'");
    for (; *s; s++)
        if (*s == '\'')
            pare_text_add(out, "''");
        else
            pare_text_add_n(out, *s == '\n' || *s == '\r' ? " " : s, 1);
    pare_text_add(out, "'");
}

/* Starts gnuplot reading from `script` and talking to `talk`; -d: no start-up files of the user,
 * so that a picture is the same everywhere. */
static int start(pid_t *child, FILE *script, FILE *talk)
{
    char *argv[] = {"gnuplot", "-d", "-", NULL};
    posix_spawn_file_actions_t actions;
    int rc;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(talk), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(talk), STDERR_FILENO);
    rc = posix_spawnp(child, "gnuplot", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* It repeats the command, then says what is wrong with it: the last line that is not blank. */
static const char *last_line(FILE *talk, char *line, int n)
{
    char next[512];

    snprintf(line, (size_t)n, "it said nothing");
    fseek(talk, 0, SEEK_SET);
    while (fgets(next, sizeof next, talk))
        if (next[strspn(next, " \t\r\n")]) {
            next[strcspn(next, "\r\n")] = '\0';
            snprintf(line, (size_t)n, "%s", next + strspn(next, " \t"));
        }
    return line;
}

pare_status pare_gnuplot_run(const char *script, struct pare_error *err)
{
    FILE *input = tmpfile(), *talk = tmpfile();
    pare_status st = PARE_OK;
    char said[512];
    int rc, status = 0;
    pid_t child;

    if (!input || !talk || fputs(script, input) == EOF || fflush(input) == EOF) {
        st = pare_fail(err, PARE_EIO, "no temporary file for gnuplot: %s", strerror(errno));
        goto done;
    }
    lseek(fileno(input), 0, SEEK_SET); /* the child shares the position */
    rc = start(&child, input, talk);
    if (rc == ENOENT) {
        st = pare_fail(err, PARE_EUNSUPPORTED,
                       "no plots: gnuplot is not installed (Debian, Ubuntu: apt-get install "
                       "gnuplot-nox)");
        goto done;
    }
    if (rc) {
        st = pare_fail(err, PARE_EIO, "gnuplot cannot be started: %s", strerror(rc));
        goto done;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        goto done;
    st = pare_fail(err, PARE_EIO, "gnuplot failed: %s", last_line(talk, said, sizeof said));
done:
    if (input)
        fclose(input);
    if (talk)
        fclose(talk);
    return st;
}
