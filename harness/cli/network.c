#include "cli/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pare/zoo.h>

#include "base/file.h"
#include "io/model.h"

static bool is_file_name(const char *model)
{
    return strchr(model, '/') || strstr(model, ".safetensors") || pare_file_exists(model);
}

pare_status pare_network_open(struct pare_graph **out, const char *model,
                              const struct pare_shape *sample, int n_classes,
                              struct pare_error *err)
{
    struct pare_error zoo_err = {0};

    if (is_file_name(model))
        return pare_model_load(out, model, err);
    if (pare_zoo_check(model, &zoo_err))
        return pare_fail(err, PARE_EINVAL, "'%s' is neither a file nor a network of the zoo: %s",
                         model, zoo_err.text);
    return pare_zoo_build(out, model, sample, n_classes, 0, err);
}

pare_status pare_network_bytes(int64_t *out, const struct pare_graph *graph, const char *model,
                               struct pare_error *err)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    struct stat file;
    pare_status st;
    int fd;

    if (is_file_name(model)) {
        if (stat(model, &file))
            return pare_fail(err, PARE_EIO, "%s: cannot be read", model);
        *out = file.st_size;
        return PARE_OK;
    }
    snprintf(path, sizeof path, "%s/pare-inspect-XXXXXX", folder ? folder : "/tmp");
    fd = mkstemp(path);
    if (fd < 0)
        return pare_fail(err, PARE_EIO, "%s: cannot be written; set TMPDIR to another folder",
                         path);
    close(fd);
    st = pare_model_save(graph, path, out, err);
    unlink(path);
    return st;
}
