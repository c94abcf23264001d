/* The number type of a file that is compiled twice: f32 for work, f64 for the proofs by finite
 * differences.  INT is an integer as wide.  FN(name) is name_f32 or name_f64. */
#ifndef PARE_TRAIN_REAL_H
#define PARE_TRAIN_REAL_H

#include <stdint.h>

#if PARE_REAL_BITS == 64
#define REAL     double
#define INT      int64_t
#define FN(NAME) NAME##_f64
#elif PARE_REAL_BITS == 32
#define REAL     float
#define INT      int32_t
#define FN(NAME) NAME##_f32
#else
#error "compile with -DPARE_REAL_BITS=32 or 64"
#endif

#endif
