#include "pipeline/worker.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"

void pare_worker_log(void *job, const char *line)
{
    struct pare_worker_job *j = job;

    pare_text_printf(&j->log, "%s\n", line);
}

double pare_worker_peak_rss_mib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kib = NAN;

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lf", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib / 1024;
}

/* Linux: "5" sets the high-water mark back to what is resident now. */
static void reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, "5", 1) != 1)
        fprintf(stderr, "the peak of memory cannot be reset; it counts earlier stages too\n");
    close(fd);
}

static pare_status answer(struct pare_channel *channel, const struct pare_json *message,
                          const struct pare_worker_job *job, pare_status status,
                          const struct pare_error *failure, struct pare_error *err)
{
    struct pare_text line = {0};
    pare_status st;

    pare_text_printf(&line, "{\"id\": %lld, \"status\": \"%s\", \"error\": ",
                     (long long)pare_json_get_int(message, "id", -1), pare_status_name(status));
    pare_text_json_string(&line, status ? failure->text : "");
    pare_text_add(&line, ", \"log\": ");
    pare_text_json_string(&line, job->log.s ? job->log.s : "");
    pare_text_add(&line, ", \"wall_s\": ");
    pare_text_json_number(&line, pare_clock_s() - job->begin_s);
    pare_text_add(&line, ", \"peak_rss_mib\": ");
    pare_text_json_number(&line, pare_worker_peak_rss_mib());
    pare_text_printf(&line, ", \"result\": %s}",
                     status == PARE_OK && job->result.s ? job->result.s : "{}");
    st = pare_channel_send(channel, line.s, err);
    pare_text_clear(&line);
    return st;
}

static bool serve_line(struct pare_channel *channel, const char *line,
                       const struct pare_worker_handler *handler, struct pare_error *hello_error)
{
    struct pare_json *message = NULL;
    struct pare_worker_job job = {.begin_s = pare_clock_s()};
    struct pare_error err = {0}, send_error = {0};
    pare_status st = pare_json_parse(&message, line, strlen(line), &err);
    bool goes_on = true;

    job.what = pare_json_get_string(message, "do", "");
    job.message = message;
    if (!st && strcmp(job.what, "hello") == 0) {
        hello_error->status = handler->hello(handler->state, message, hello_error);
    } else {
        reset_peak();
        if (!st && hello_error->status) {
            err = *hello_error;
            st = err.status;
        }
        if (!st)
            st = handler->run(handler->state, &job, &err);
        goes_on = answer(channel, message, &job, st, &err, &send_error) == PARE_OK;
    }
    pare_text_clear(&job.result);
    pare_text_clear(&job.log);
    pare_json_free(message);
    return goes_on;
}

int pare_worker_serve(int fd, const struct pare_worker_handler *handler)
{
    struct pare_channel channel = {.fd = fd};
    struct pare_error hello_error = {0};
    bool goes_on = true;

    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (goes_on && pare_channel_fill(&channel))
        for (char *line; goes_on && (line = pare_channel_line(&channel));)
            goes_on = serve_line(&channel, line, handler, &hello_error);
    pare_channel_clear(&channel);
    return 0;
}
