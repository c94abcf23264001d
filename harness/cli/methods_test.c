#include "cli/methods_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "io/data_open.h"
#include "io/model.h"
#include "plugin/conformance.h"
#include "plugin/registry.h"

static void print_check(void *state, const char *check, enum pare_conformance_result result,
                        const char *text)
{
    static const char *const words[] = {"passed ", "FAILED ", "skipped"};

    (void)state;
    printf("%s  %s%s%s\n", words[result], check, *text ? ": " : "", text);
    /* A later check may crash the process: what was found must be out by then. */
    fflush(stdout);
}

/* In the child, with nothing else loaded: our own plugins can be tested too. */
static int test_in_this_process(const char *path)
{
    struct pare_registry *registry = pare_registry_new();
    struct pare_data *data = NULL;
    struct pare_data_spec spec;
    struct pare_error err = {0};
    int n_failed = 0;
    pare_status st;

    pare_data_spec_defaults(&spec);
    spec.name = "digits";
    spec.limit_train = 400;
    spec.limit_test = 50;
    st = pare_registry_load(registry, path, &err);
    if (!st && pare_registry_n_methods(registry) == 0)
        st = pare_fail(&err, PARE_EFORMAT, "%s: it holds no method (symbol 'pare_entry')", path);
    if (!st)
        st = pare_data_open(&data, &spec, &err);
    if (!st) {
        struct pare_conformance_host host = {.write = pare_model_write,
                                             .parse = pare_model_parse,
                                             .data = data,
                                             .report = print_check};
        n_failed = pare_conformance_run(pare_registry_method_at(registry, 0), &host);
    }
    pare_data_close(data);
    pare_registry_close(registry);
    return st         ? pare_command_fail(&pare_cmd_methods, st, &err)
           : n_failed ? PARE_EXIT_USAGE
                      : PARE_EXIT_DONE;
}

int pare_methods_test(const char *path)
{
    int status;
    pid_t child;

    /* A child of its own, since a method may crash; nothing has started a thread yet. */
    fflush(NULL);
    child = fork();
    if (child == 0) {
        int code = test_in_this_process(path);
        fflush(NULL);
        _exit(code);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        perror("pare methods test");
        return PARE_EXIT_USAGE;
    }
    if (WIFSIGNALED(status)) {
        printf("FAILED   the process was killed by signal %d (%s)\n", WTERMSIG(status),
               strsignal(WTERMSIG(status)));
        return PARE_EXIT_USAGE;
    }
    return WEXITSTATUS(status);
}
