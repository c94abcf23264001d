#include "measure/counters.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <papi.h>

#include "base/clock.h"

#define N_PAGES 256

/* PAPI keeps process-wide state of its own; it is set up once, by whoever asks first. */
static pthread_once_t papi_once = PTHREAD_ONCE_INIT;
static int papi_version;

static void start_papi(void)
{
    papi_version = PAPI_library_init(PAPI_VER_CURRENT);
    if (papi_version == PAPI_VER_CURRENT)
        PAPI_set_domain(PAPI_DOM_ALL); /* user mode alone never sees a context switch */
}

static bool papi_is_there(void)
{
    pthread_once(&papi_once, start_papi);
    return papi_version == PAPI_VER_CURRENT;
}

/* PAPI prints some refusals itself; the causes say them already. */
static bool find_event(int *code, const char *name)
{
    char copy[PAPI_MAX_STR_LEN];

    if (strlen(name) >= sizeof copy)
        return false;
    strcpy(copy, name);
    return PAPI_event_name_to_code(copy, code) == PAPI_OK;
}

bool pare_counter_name_is_valid(const char *event)
{
    int code;

    return papi_is_there() && find_event(&code, event);
}

/* Does a little of everything that a counter may count: instructions, branches, floating point,
 * cache misses, page faults, context switches, moves between cores. */
static void known_workload(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *pages =
        mmap(NULL, N_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile double sum = 1;
    cpu_set_t old, one;

    for (int i = 0; i < 300000; i++)
        sum = i % 3 ? sum * 1.0000001 : sum + 1e-9;
    if (pages != MAP_FAILED) {
        for (int i = 0; i < N_PAGES; i++)
            pages[(size_t)(i * 37 % N_PAGES) * page] = 1;
        munmap(pages, N_PAGES * page);
    }
    for (int i = 0; i < 3; i++)
        pare_sleep_s(1e-4);
    if (sched_getaffinity(0, sizeof old, &old) != 0)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &old)) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
        }
    sched_setaffinity(0, sizeof old, &old);
}

static bool machine_is_virtual(void)
{
    const PAPI_hw_info_t *info = PAPI_get_hardware_info();

    return info && info->virtualized;
}

/* The kernel's own counts need no hardware. */
static bool is_hardware_event(const char *name)
{
    static const char *const kernels[] = {"CLOCK", "FAULT", "SWITCH", "MIGRATION"};

    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
        if (strcasestr(name, kernels[i]))
            return false;
    return true;
}

static void refuse(struct pare_counter *counter, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void refuse(struct pare_counter *counter, const char *format, ...)
{
    va_list args;

    counter->value = NAN;
    va_start(args, format);
    vsnprintf(counter->cause, sizeof counter->cause, format, args);
    va_end(args);
}

/* The event cannot be counted: says so in terms of the machine where that is the reason. */
static void refuse_event(struct pare_counter *counter, const char *why)
{
    if (machine_is_virtual() && is_hardware_event(counter->event))
        refuse(counter, "this virtual machine exposes no hardware counter for it (%s)", why);
    else
        refuse(counter, "this machine does not count it (%s)", why);
}

/* Runs fn n_calls times between start and stop; false when PAPI refused. */
static bool count(int set, long long *value, void (*fn)(void *arg), void *arg, int n_calls)
{
    *value = 0;
    if (PAPI_start(set) != PAPI_OK)
        return false;
    for (int i = 0; i < n_calls; i++)
        fn(arg);
    return PAPI_stop(set, value) == PAPI_OK;
}

static void run_known(void *arg)
{
    (void)arg;
    known_workload();
}

static void read_one(struct pare_counter *counter, void (*fn)(void *arg), void *arg, int n_calls)
{
    int set = PAPI_NULL, code, result;
    long long value;

    if (!find_event(&code, counter->event)) {
        refuse(counter, "PAPI knows no event of this name");
        return;
    }
    if (PAPI_create_eventset(&set) != PAPI_OK) {
        refuse(counter, "PAPI cannot make an event set");
        return;
    }
    result = PAPI_add_event(set, code);
    if (result != PAPI_OK) {
        refuse_event(counter, PAPI_strerror(result));
    } else if (!count(set, &value, run_known, NULL, 1)) {
        refuse_event(counter, "it cannot be started");
    } else if (value <= 0) {
        refuse_event(counter, "it stands still while known work is done");
    } else if (!count(set, &value, fn, arg, n_calls) || value < 0) {
        refuse(counter, "it could not be read");
    } else {
        counter->value = (double)value / n_calls;
        counter->cause[0] = '\0';
    }
    PAPI_cleanup_eventset(set);
    PAPI_destroy_eventset(&set);
}

void pare_counters_read(struct pare_counter *counters, int n, void (*fn)(void *arg), void *arg,
                        int n_calls)
{
    if (n > 0 && n_calls > 0)
        fn(arg); /* what happens only the first time is not counted */
    for (int i = 0; i < n; i++) {
        if (!papi_is_there())
            refuse(&counters[i], "the PAPI library cannot be initialised");
        else if (n_calls <= 0)
            refuse(&counters[i], "nothing was run");
        else
            read_one(&counters[i], fn, arg, n_calls);
    }
}
