/* Terms of the loss that methods add to a training run. */
#ifndef PARE_LOSS_H
#define PARE_LOSS_H

#include <stdint.h>

/* Distillation: weight T^2 KL(softmax(teacher / T) || softmax(student / T)), summed over the k
 * classes, mean over the n rows.  Adds the gradient by the student's logits to d_student and
 * returns the term's value.
 * Source: Hinton, Vinyals and Dean, 2015, arXiv:1503.02531, sec. 2. */
double pare_kl_distill(const float *student, const float *teacher, int64_t n, int64_t k,
                       double temperature, double weight, float *d_student);

#endif
