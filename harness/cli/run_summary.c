#include "cli/run_summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "report/best.h"
#include "report/summary.h"

/* A copy and no link: what is changed there must not reach into the cache. */
static pare_status copy_file(const char *from, const char *to, struct pare_error *err)
{
    struct pare_file file = {0};
    pare_status st = pare_file_map(&file, from, err);

    if (!st)
        st = pare_file_write(to, file.data, file.n_bytes, err);
    pare_file_unmap(&file);
    return st;
}

/* FOLDER/best.safetensors is the best trial's model, or absent. */
static pare_status keep_best(const char *folder, struct pare_text *out, struct pare_error *err)
{
    char *to = pare_path_join(folder, "best.safetensors"), *from = NULL;
    struct pare_dataset *data = NULL;
    struct pare_best best = {0};
    pare_status st = pare_dataset_load(&data, folder, err);

    if (!st)
        st = pare_best_find(&best, data, err);
    if (st)
        goto done;
    if (!best.trial || !best.trial->artifact_path[0]) {
        unlink(to);
        goto done;
    }
    from = pare_path_join(folder, best.trial->artifact_path);
    st = copy_file(from, to, err);
    if (!st)
        pare_text_printf(out, "kept as:    %s\n", to);
done:
    free(from);
    free(to);
    pare_best_clear(&best);
    pare_dataset_free(data);
    return st;
}

pare_status pare_run_summary(const char *folder, bool *has_best, struct pare_error *err)
{
    struct pare_text out = {0};
    int columns = pare_terminal_columns();
    pare_status st = pare_summary(&out, folder, columns, pare_color(STDOUT_FILENO), has_best, err);

    if (!st)
        st = keep_best(folder, &out, err);
    if (out.s)
        fputs(out.s, stdout);
    pare_text_clear(&out);
    return st;
}
