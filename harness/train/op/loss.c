#include "train/loss.h"

#include <math.h>

#include "train/real.h"

/* Maximum of a row over the temperature, and log sum exp(x / T - max). */
static double log_sum(const REAL *x, int64_t k, double t, double *high)
{
    double sum = 0;

    *high = (double)x[0] / t;
    for (int64_t i = 1; i < k; i++)
        *high = (double)x[i] / t > *high ? (double)x[i] / t : *high;
    for (int64_t i = 0; i < k; i++)
        sum += exp((double)x[i] / t - *high);
    return log(sum);
}

double FN(pare_loss_cross_entropy)(REAL *d, const REAL *logits, const int32_t *labels, int64_t n,
                                   int64_t k, double smoothing, double scale)
{
    double total = 0, share = smoothing / (double)k;

    for (int64_t r = 0; r < n; r++, d += k, logits += k) {
        double high, log_z = log_sum(logits, k, 1, &high), sum_log_p = 0;

        for (int64_t i = 0; i < k; i++) {
            double log_p = (double)logits[i] - high - log_z;
            double target = share + (i == labels[r] ? 1 - smoothing : 0);

            sum_log_p += log_p;
            d[i] = (REAL)(scale * (exp(log_p) - target));
        }
        total -= (1 - smoothing) * ((double)logits[labels[r]] - high - log_z) + share * sum_log_p;
    }
    return total;
}

double FN(pare_loss_mse)(REAL *d, const REAL *y, const REAL *target, int64_t n, int64_t k,
                         double scale)
{
    double total = 0;

    for (int64_t i = 0; i < n * k; i++) {
        double e = (double)y[i] - (double)target[i];

        total += e * e;
        d[i] = (REAL)(scale * 2 * e / (double)k);
    }
    return total / (double)k;
}

/* d/ds_i of T^2 KL = T (softmax(s / T)_i - softmax(t / T)_i). */
double FN(pare_loss_kl)(REAL *d, const REAL *student, const REAL *teacher, int64_t n, int64_t k,
                        double temperature, double scale)
{
    double total = 0, t = temperature;

    for (int64_t r = 0; r < n; r++, d += k, student += k, teacher += k) {
        double high_s, high_t;
        double log_s = log_sum(student, k, t, &high_s), log_t = log_sum(teacher, k, t, &high_t);

        for (int64_t i = 0; i < k; i++) {
            double lp = (double)teacher[i] / t - high_t - log_t;
            double lq = (double)student[i] / t - high_s - log_s, p = exp(lp);

            total += p > 0 ? t * t * p * (lp - lq) : 0;
            d[i] += (REAL)(scale * t * (exp(lq) - p));
        }
    }
    return total;
}
