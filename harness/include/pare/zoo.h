/* Networks that come with pare.
 *
 * Names: lenet-300-100, lenet5 (Caffe's 20-50-500), resnet8, ds-cnn, mobilenetv1-0.25, fc-autoencoder, and
 * mlp / linear for tests.  A width factor follows the name: "lenet5-half", "lenet5-quarter", "lenet5-x0.3". */
#ifndef PARE_ZOO_H
#define PARE_ZOO_H

#include <pare/graph.h>

struct pare_zoo_entry {
    const char *name, *summary, *source;
    struct pare_shape input; /* natural input, without batch */
    int n_classes;           /* 0: reconstruction */
};
int pare_zoo_n(void);
const struct pare_zoo_entry *pare_zoo_get(int i);
/* True when the name (with width suffix) is known; PARE_EINVAL else, with the nearest name. */
pare_status pare_zoo_check(const char *name, struct pare_error *err);
/* Builds and initialises (He normal for ReLU layers, from `seed`).  `input` without batch and
 * n_classes may be NULL / 0: the natural ones; a network that reconstructs takes no notice of
 * classes.  PARE_EINVAL when the input is too small. */
pare_status pare_zoo_build(struct pare_graph **out, const char *name,
                           const struct pare_shape *input, int n_classes, uint64_t seed,
                           struct pare_error *err);
#endif
