#include "train/loss.h"

double pare_kl_distill(const float *student, const float *teacher, int64_t n, int64_t k,
                       double temperature, double weight, float *d_student)
{
    if (n < 1)
        return 0;
    return weight / (double)n *
           pare_loss_kl_f32(d_student, student, teacher, n, k, temperature, weight / (double)n);
}
