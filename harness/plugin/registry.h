/* All plugins this process knows: methods, hardware models (and device files), samplers. */
#ifndef PARE_PLUGIN_REGISTRY_H
#define PARE_PLUGIN_REGISTRY_H

#include <pare/hwmodel.h>
#include <pare/method.h>
#include <pare/sampler.h>

struct pare_registry;
struct pare_registry *pare_registry_new(void); /* empty */
/* Loads every .so beside the program (or libpare.so's ../lib/pare/plugins when installed), then
 * those in PARE_PLUGIN_PATH (colon-separated).  One that cannot be loaded is a warning. */
pare_status pare_registry_open(struct pare_registry **out, struct pare_error *err);
void pare_registry_close(struct pare_registry *registry);
int pare_registry_n_methods(const struct pare_registry *registry);
const struct pare_method *pare_registry_method_at(const struct pare_registry *registry, int i);
const struct pare_method *pare_registry_method(const struct pare_registry *registry,
                                               const char *name); /* or NULL */
int pare_registry_n_hwmodels(const struct pare_registry *registry);
const struct pare_hwmodel *pare_registry_hwmodel_at(const struct pare_registry *registry, int i);
const struct pare_hwmodel *pare_registry_hwmodel(const struct pare_registry *registry,
                                                 const char *name);
/* One .so alone (for `pare methods test`). */
pare_status pare_registry_load(struct pare_registry *registry, const char *path,
                               struct pare_error *err);

/* A device file: hwmodels/NAME.yaml beside the program, in PARE_HWMODEL_PATH or a path. */
struct pare_device {
    const char *id, *part;
    const struct pare_hwmodel *model;
    void *options; /* of the model's table */
    struct pare_arena *arena;
};
pare_status pare_device_open(struct pare_device *out, const struct pare_registry *registry,
                             const char *name, struct pare_error *err);
void pare_device_close(struct pare_device *device);
/* Names of all device files found; malloc'ed array of malloc'ed strings. */
int pare_device_names(char ***out);
#endif
