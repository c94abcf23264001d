#include "cli/sweep_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static int n_lines(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

int pare_sweep_args_load(struct pare_loaded_sweep *out, const struct pare_args *args,
                         const char *path)
{
    const char *overrides[PARE_ARG_MAX + 1], *data = pare_arg_get(args, "data", NULL);
    struct pare_arena *arena = pare_arena_new();
    struct pare_error err = {0};
    char *report = NULL;
    int n = pare_arg_all(args, "set", overrides), code = PARE_EXIT_DONE;
    pare_status st;

    memset(out, 0, sizeof *out);
    if (data)
        overrides[n++] = pare_arena_printf(arena, "data.path=%s", data);
    st = pare_registry_open(&out->registry, &err);
    if (!st)
        st = pare_sweep_load(&out->sweep, path, out->registry, overrides, n, &report, &err);
    if (report) {
        fputs(report, stderr);
        fprintf(stderr, "%d mistake%s in %s\n", n_lines(report), n_lines(report) == 1 ? "" : "s",
                path);
        code = PARE_EXIT_USAGE;
    } else if (st) {
        code = pare_command_fail(args->command, st, &err);
    }
    if (code)
        pare_sweep_args_free(out);
    free(report);
    pare_arena_free(arena);
    return code;
}

void pare_sweep_args_free(struct pare_loaded_sweep *loaded)
{
    pare_sweep_free(loaded->sweep);
    if (loaded->registry)
        pare_registry_close(loaded->registry);
    memset(loaded, 0, sizeof *loaded);
}
