#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define SECONDS_BETWEEN_PIPED_LINES 10.0

/* There is one stderr per process, so what stands on its last line is the process's state too. */
static struct {
    pthread_mutex_t lock;
    bool is_drawn;      /* a progress line stands on the terminal */
    double last_line_s; /* when one was last printed into a pipe */
    bool has_printed;
} screen = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool pare_color(int fd)
{
    const char *off = getenv("NO_COLOR"), *terminal = getenv("TERM");

    return isatty(fd) && !(off && off[0]) && !(terminal && strcmp(terminal, "dumb") == 0);
}

int pare_terminal_columns(void)
{
    const char *given = getenv("COLUMNS");
    struct winsize size;
    int n;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    n = given ? atoi(given) : 0;
    return n > 0 ? n : 80;
}

/* The chattiest level that is shown: $PARE_LOG (error, warn, info, debug), else info. */
static enum pare_log_level shown_level(void)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const char *given = getenv("PARE_LOG");

    for (int i = 0; given && i < 4; i++)
        if (strcmp(given, names[i]) == 0)
            return (enum pare_log_level)i;
    return PARE_LOG_INFO;
}

static void wipe(void)
{
    if (screen.is_drawn)
        fputs("\r\033[K", stderr);
    screen.is_drawn = false;
}

void pare_log(enum pare_log_level level, const char *format, ...)
{
    static const char *const word[] = {"error: ", "warning: ", "", "debug: "};
    static const char *const color[] = {"\033[31m", "\033[33m", "", "\033[2m"};
    bool has_color = word[level][0] && pare_color(STDERR_FILENO);
    struct pare_text line = {0};
    va_list args;
    char *text;

    if (level > shown_level())
        return;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    pare_text_printf(&line, "%s%s%s%s\n", has_color ? color[level] : "", word[level],
                     has_color ? "\033[0m" : "", text ? text : format);
    free(text);
    pthread_mutex_lock(&screen.lock);
    wipe();
    fputs(line.s, stderr); /* in one piece: other processes write here too */
    fflush(stderr);
    pthread_mutex_unlock(&screen.lock);
    pare_text_clear(&line);
}

/* Cuts UTF-8 text after so many characters. */
static void cut(char *text, int n_columns)
{
    char *p = text;

    for (int n = 0; *p; p++) {
        bool starts_character = ((unsigned char)*p & 0xC0) != 0x80;

        if (starts_character && ++n > n_columns)
            break;
    }
    *p = '\0';
}

void pare_progress(const char *format, ...)
{
    va_list args;
    char *text;

    if (shown_level() < PARE_LOG_INFO)
        return;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (!text)
        return;
    pthread_mutex_lock(&screen.lock);
    if (isatty(STDERR_FILENO)) {
        cut(text, pare_terminal_columns() - 1);
        fprintf(stderr, "\r\033[K%s", text);
        screen.is_drawn = true;
    } else if (!screen.has_printed ||
               pare_clock_s() - screen.last_line_s >= SECONDS_BETWEEN_PIPED_LINES) {
        fprintf(stderr, "%s\n", text);
        screen.has_printed = true;
        screen.last_line_s = pare_clock_s();
    }
    fflush(stderr);
    pthread_mutex_unlock(&screen.lock);
    free(text);
}

void pare_progress_end(void)
{
    pthread_mutex_lock(&screen.lock);
    if (screen.is_drawn)
        fputs("\n", stderr);
    screen.is_drawn = false;
    screen.has_printed = false;
    fflush(stderr);
    pthread_mutex_unlock(&screen.lock);
}
