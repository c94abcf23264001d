#include "pipeline/worker_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define WATCH_S 0.1 /* how often memory is looked at: 0.1 s of writing is some 200 MB */
enum { MAX_CORES = 1024 };

struct worker {
    pid_t pid; /* 0: not running */
    struct pare_channel channel;
    char *log_path;
    bool is_busy;
    int64_t job;
    double begin_s, deadline_s; /* INFINITY: none */
    double peak_mib;            /* seen from here */
    pare_status killed_for;     /* PARE_OK unless we killed it */
    char killed_text[160];
};

struct pare_worker_pool {
    struct pare_worker_pool_options options;
    struct worker *workers;
    struct pare_json *reply; /* of the last event */
    char *tail;              /* of the last event: end of a lost worker's log */
};

/* ---- processes ---- */

struct pare_worker_pool *pare_worker_pool_new(const struct pare_worker_pool_options *options)
{
    struct pare_worker_pool *pool = pare_xcalloc(1, sizeof *pool);

    pool->options = *options;
    pool->workers = pare_xcalloc((size_t)options->n_workers, sizeof *pool->workers);
    for (int i = 0; i < options->n_workers; i++) {
        char name[32];

        snprintf(name, sizeof name, "worker-%d.log", i);
        pool->workers[i].log_path = pare_path_join(options->log_folder, name);
        pool->workers[i].channel.fd = -1;
    }
    return pool;
}

/* Between fork and exec: system calls only. */
static void become_worker(const struct pare_worker_pool *pool, int fd, int log_fd, pid_t parent)
{
    struct rlimit none = {0, 0}, data;
    sigset_t all_signals;

    /* The limit of the system is a second line: the coordinator watches resident memory, but a
     * single huge request should fail at once.  Libraries reserve more than they use. */
    data.rlim_cur = data.rlim_max = 2 * (rlim_t)pool->options.memory_bytes + ((rlim_t)1 << 30);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* the coordinator died before prctl() */
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&all_signals);
    sigprocmask(SIG_SETMASK, &all_signals, NULL);
    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory counts as data */
    if (pool->options.memory_bytes > 0)
        setrlimit(RLIMIT_DATA, &data);
#endif
    /* First out of the way of each other's targets, then into place. */
    fd = fcntl(fd, F_DUPFD, PARE_WORKER_FD + 1);
    log_fd = fcntl(log_fd, F_DUPFD, PARE_WORKER_FD + 1);
    if (fd < 0 || log_fd < 0 || dup2(fd, PARE_WORKER_FD) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0)
        _exit(127);
    close_range(PARE_WORKER_FD + 1, ~0U, 0);
    execv(pool->options.argv[0], (char *const *)(uintptr_t)pool->options.argv);
    _exit(127);
}

static pare_status spawn(struct pare_worker_pool *pool, struct worker *w, struct pare_error *err)
{
    pid_t parent = getpid(), pid;
    int ends[2] = {-1, -1}, log_fd = -1;
    pare_status st = PARE_OK;

    log_fd = open(w->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (log_fd < 0)
        st = pare_fail(err, PARE_EIO, "%s: cannot write: %s", w->log_path, strerror(errno));
    else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        st = pare_fail(err, PARE_EIO, "cannot make a socket for a worker: %s", strerror(errno));
    if (st)
        goto done;
    pid = fork();
    if (pid == 0)
        become_worker(pool, ends[1], log_fd, parent);
    if (pid < 0) {
        st = pare_fail(err, PARE_EIO, "cannot start a worker: %s", strerror(errno));
        goto done;
    }
    w->pid = pid;
    w->killed_for = PARE_OK;
    w->channel = (struct pare_channel){.fd = ends[0]};
    ends[0] = -1;
done:
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    if (log_fd >= 0)
        close(log_fd);
    return st;
}

/* Forgets the process, which is dead or leaves because its stream ended. */
static int reap(struct worker *w)
{
    int status = 0;

    if (w->channel.fd >= 0)
        close(w->channel.fd);
    pare_channel_clear(&w->channel);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    w->pid = 0;
    return status;
}

void pare_worker_pool_kill(struct pare_worker_pool *pool)
{
    for (int i = 0; i < pool->options.n_workers; i++) {
        struct worker *w = &pool->workers[i];

        if (w->pid && w->is_busy) {
            kill(w->pid, SIGKILL);
            reap(w);
        }
        w->is_busy = false;
    }
}

void pare_worker_pool_free(struct pare_worker_pool *pool)
{
    if (!pool)
        return;
    pare_worker_pool_kill(pool);
    for (int i = 0; i < pool->options.n_workers; i++) {
        if (pool->workers[i].pid)
            reap(&pool->workers[i]);
        free(pool->workers[i].log_path);
    }
    pare_json_free(pool->reply);
    free(pool->tail);
    free(pool->workers);
    free(pool);
}

/* ---- jobs ---- */

int pare_worker_pool_n(const struct pare_worker_pool *pool)
{
    return pool->options.n_workers;
}

int pare_worker_pool_idle(const struct pare_worker_pool *pool)
{
    for (int i = 0; i < pool->options.n_workers; i++)
        if (!pool->workers[i].is_busy)
            return i;
    return -1;
}

int pare_worker_pool_n_busy(const struct pare_worker_pool *pool)
{
    int n = 0;

    for (int i = 0; i < pool->options.n_workers; i++)
        n += pool->workers[i].is_busy;
    return n;
}

/* Starts the process when there is none and sends it the line. */
static pare_status deliver(struct pare_worker_pool *pool, struct worker *w, const char *line,
                           struct pare_error *err)
{
    pare_status st = PARE_OK;

    if (!w->pid) {
        st = spawn(pool, w, err);
        if (!st)
            st = pare_channel_send(&w->channel, pool->options.hello, err);
    }
    return st ? st : pare_channel_send(&w->channel, line, err);
}

pare_status pare_worker_pool_send(struct pare_worker_pool *pool, int worker, int64_t job,
                                  const char *what, const char *body, double timeout_s,
                                  struct pare_error *err)
{
    struct worker *w = &pool->workers[worker];
    struct pare_text line = {0};
    pare_status st;

    pare_text_printf(&line, "{\"do\": \"%s\", \"id\": %lld%s%s}", what, (long long)job,
                     *body ? ", " : "", body);
    st = deliver(pool, w, line.s, err);
    if (st == PARE_ECRASH) { /* an idle worker that died meanwhile: one more try with a new one */
        kill(w->pid, SIGKILL);
        reap(w);
        st = deliver(pool, w, line.s, err);
    }
    pare_text_clear(&line);
    if (st)
        return st;
    w->is_busy = true;
    w->job = job;
    w->begin_s = pare_clock_s();
    w->deadline_s = timeout_s > 0 ? w->begin_s + timeout_s : INFINITY;
    w->peak_mib = 0;
    return PARE_OK;
}

/* ---- watching ---- */

static double resident_mib(pid_t pid)
{
    char path[64];
    FILE *file;
    long total = 0, resident = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* Kills workers over a limit; their end then comes like any other. */
static void enforce(struct pare_worker_pool *pool, double now)
{
    double limit_mib = (double)pool->options.memory_bytes / (1 << 20);

    for (int i = 0; i < pool->options.n_workers; i++) {
        struct worker *w = &pool->workers[i];
        double mib;

        if (!w->is_busy || w->killed_for)
            continue;
        mib = resident_mib(w->pid);
        if (mib > w->peak_mib)
            w->peak_mib = mib;
        if (limit_mib > 0 && mib > limit_mib) {
            w->killed_for = PARE_ENOMEM;
            snprintf(w->killed_text, sizeof w->killed_text,
                     "oom: took %.0f MiB, the limit is %.0f MiB", mib, limit_mib);
        } else if (now >= w->deadline_s) {
            w->killed_for = PARE_ETIMEOUT;
            snprintf(w->killed_text, sizeof w->killed_text, "timeout after %.4g s",
                     w->deadline_s - w->begin_s);
        }
        if (w->killed_for)
            kill(w->pid, SIGKILL);
    }
}

/* The last words of a worker: they often say more than the signal. */
static char *log_tail(const char *path)
{
    char *text = NULL;
    size_t n = 0;
    enum { KEEP = 4000 };

    if (pare_file_read(&text, &n, path, (size_t)1 << 30, NULL) != PARE_OK)
        return pare_xstrdup("");
    if (n > KEEP)
        memmove(text, text + n - KEEP, KEEP + 1);
    return text;
}

static void lost(struct pare_worker_pool *pool, struct worker *w, struct pare_worker_event *event)
{
    pid_t pid = w->pid;
    int status;

    kill(pid, SIGKILL); /* its stream is over: whatever it is, it is no worker any more */
    status = reap(w);
    event->status = w->killed_for ? w->killed_for : PARE_ECRASH;
    if (w->killed_for)
        snprintf(event->error, sizeof event->error, "%s", w->killed_text);
    else if (WIFSIGNALED(status))
        snprintf(event->error, sizeof event->error, "crash: killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(event->error, sizeof event->error, "crash: left with exit code %d",
                 WEXITSTATUS(status));
    event->wall_s = pare_clock_s() - w->begin_s;
    event->peak_rss_mib = w->peak_mib;
    free(pool->tail);
    pool->tail = log_tail(w->log_path);
    event->log = pool->tail;
    event->result = NULL;
}

static void answered(struct pare_worker_pool *pool, struct worker *w, const char *line,
                     struct pare_worker_event *event)
{
    struct pare_error err = {0};

    pare_json_free(pool->reply);
    pool->reply = NULL;
    if (pare_json_parse(&pool->reply, line, strlen(line), &err) != PARE_OK ||
        pare_json_get_int(pool->reply, "id", -1) != w->job) {
        kill(w->pid, SIGKILL);
        lost(pool, w, event);
        snprintf(event->error, sizeof event->error, "crash: the worker's answer is damaged");
        return;
    }
    event->status = pare_protocol_read_status(pare_json_get_string(pool->reply, "status", ""));
    snprintf(event->error, sizeof event->error, "%s",
             pare_json_get_string(pool->reply, "error", ""));
    event->wall_s = pare_json_get_number(pool->reply, "wall_s", NAN);
    event->peak_rss_mib = pare_json_get_number(pool->reply, "peak_rss_mib", NAN);
    event->log = pare_json_get_string(pool->reply, "log", "");
    event->result = event->status ? NULL : pare_json_get(pool->reply, "result");
}

/* Takes what the worker sent; true when its job has ended. */
static bool receive(struct pare_worker_pool *pool, int i, struct pare_worker_event *event)
{
    struct worker *w = &pool->workers[i];
    bool is_alive = pare_channel_fill(&w->channel);
    char *line = is_alive ? pare_channel_line(&w->channel) : NULL;

    if (is_alive && !line)
        return false;
    *event = (struct pare_worker_event){.worker = i, .job = w->job};
    if (!w->is_busy) { /* an idle worker died, or says what nobody asked */
        kill(w->pid, SIGKILL);
        reap(w);
        return false;
    }
    if (line)
        answered(pool, w, line, event);
    else
        lost(pool, w, event);
    w->is_busy = false;
    return true;
}

static double nearest_deadline(const struct pare_worker_pool *pool, double until)
{
    for (int i = 0; i < pool->options.n_workers; i++) {
        const struct worker *w = &pool->workers[i];

        if (w->is_busy && !w->killed_for && w->deadline_s < until)
            until = w->deadline_s;
    }
    return until;
}

bool pare_worker_pool_wait(struct pare_worker_pool *pool, double timeout_s, int wake_fd,
                           struct pare_worker_event *event)
{
    struct pollfd fds[MAX_CORES + 1];
    int owner[MAX_CORES + 1];
    double end_s = pare_clock_s() + timeout_s;

    for (;;) {
        double now = pare_clock_s(), until = nearest_deadline(pool, end_s);
        nfds_t n = 0;
        int n_ready;

        enforce(pool, now);
        if (until > now + WATCH_S)
            until = now + WATCH_S;
        for (int i = 0; i < pool->options.n_workers && i < MAX_CORES; i++)
            if (pool->workers[i].pid) {
                owner[n] = i;
                fds[n++] = (struct pollfd){.fd = pool->workers[i].channel.fd, .events = POLLIN};
            }
        owner[n] = -1;
        fds[n++] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
        n_ready = poll(fds, n, until > now ? (int)ceil((until - now) * 1e3) : 0);
        if (n_ready > 0 && fds[n - 1].revents)
            return false;
        for (nfds_t k = 0; n_ready > 0 && k + 1 < n; k++)
            if (fds[k].revents && receive(pool, owner[k], event))
                return true;
        if (pare_clock_s() >= end_s)
            return false;
    }
}
