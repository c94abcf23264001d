/* Patches of an image as rows of a matrix, for the convolutions that cannot be read in place: groups,
 * gaps between taps, and input gradients of strided ones.
 *
 * Lines l0 .. l1-1 of the outputs of consecutive samples (line = sample * P + p) give (l1 - l0) * Q
 * rows of R S C/group numbers; taps outside the image are 0. */
#ifndef PARE_TRAIN_OP_PATCHES_H
#define PARE_TRAIN_OP_PATCHES_H

#include "train/layer.h"
#include "train/real.h"

/* Copies image to patches. */
void FN(pare_patches_gather)(REAL *patches, const REAL *image, const struct pare_conv2d *k,
                             int64_t group, int64_t l0, int64_t l1);
/* Adds patches to the image where they came from. */
void FN(pare_patches_scatter)(REAL *image, const REAL *patches, const struct pare_conv2d *k,
                              int64_t group, int64_t l0, int64_t l1);
/* Lines whose patches stay in the second-level cache; at least 1. */
int64_t FN(pare_patches_lines)(const struct pare_conv2d *k);

#endif
