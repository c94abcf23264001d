/* What every command that reads a sweep file does first. */
#ifndef PARE_CLI_SWEEP_ARGS_H
#define PARE_CLI_SWEEP_ARGS_H

#include "cli/args.h"
#include "sweep/file.h"

/* Rows for the command's table of options. */
#define PARE_SWEEP_ARGS                                                                  \
    {"data", 'd', "DIR", "folder of the data set: short for --set data.path=DIR", NULL}, \
    {                                                                                    \
        "set", 's', "KEY=VALUE",                                                         \
            "change an option of the file, as in search.trials=20 (may be "              \
            "repeated)",                                                                 \
            NULL                                                                         \
    }

struct pare_loaded_sweep {
    struct pare_registry *registry;
    struct pare_sweep *sweep;
};
/* Opens the plugins and reads the sweep with --data and --set applied.  When something is wrong,
 * every mistake is printed to stderr, and the exit code comes back. */
int pare_sweep_args_load(struct pare_loaded_sweep *out, const struct pare_args *args,
                         const char *path);
void pare_sweep_args_free(struct pare_loaded_sweep *loaded);

#endif
