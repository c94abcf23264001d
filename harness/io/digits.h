/* Handwritten-style digits that pare draws itself: a data set without a download.
 *
 * Image `index` of the series `seed`: strokes of one of the class's templates, with control points
 * moved, bent, slanted, turned, scaled and shifted at random, drawn with a pen of random width,
 * sometimes with specks and missing ends, then noise.
 *
 *   pixels  u8 [28, 28]  out; 0 paper, 255 ink
 *
 * Returns the label, 0..9.  The same arguments give the same bytes on every machine: only + - * /
 * and sqrt in double, which IEEE 754 rounds exactly (this file is compiled without contraction). */
#ifndef PARE_IO_DIGITS_H
#define PARE_IO_DIGITS_H

#include <stdint.h>

#define PARE_DIGITS_SIDE    28
#define PARE_DIGITS_CLASSES 10

int pare_digits_draw(uint8_t *pixels, uint64_t seed, uint64_t index);

#endif
