/* Batch norm over all rows (samples times pixels) of each channel.
 *
 * Training normalises by the batch's biased variance and moves the running statistics by
 * running = momentum running + (1 - momentum) batch (ONNX), with the unbiased variance.
 * p: epsilon, momentum.  w: scale, bias, mean, variance.  saved: mean[C], 1/deviation[C].
 * sums: of each shard, forward mean[C] and squared deviations[C]; backward sum dy[C], sum dy x^[C].
 * Source: Ioffe and Szegedy, ICML 2015; shards are joined as in Chan, Golub and LeVeque 1979. */
#include "train/op/helpers.h"
#include "train/shard.h"

#define LANES 16
#define CHUNK 128 /* rows summed in REAL before they go into a double */

int64_t FN(pare_batchnorm_scratch)(const struct pare_layer *layer)
{
    return 4 * layer->y->channels;
}

static const REAL *numbers(const struct pare_layer *layer, int i)
{
    return layer->w[i]->w;
}

/* Mean and squared deviations of one stretch of channels.  The first row is taken off before
 * squares are summed, so that a large mean costs no digits. */
PARE_CLONES
static void moments(double *mean, double *m2, const REAL *x, int64_t n_rows, int64_t C)
{
    for (int64_t c = 0; c < C; c += LANES) {
        int64_t width = C - c < LANES ? C - c : LANES;
        double total[LANES] = {0}, squares[LANES] = {0};
        REAL shift[LANES] = {0};

        for (int64_t i = 0; i < width; i++)
            shift[i] = x[c + i];
        for (int64_t r0 = 0; r0 < n_rows; r0 += CHUNK) {
            int64_t r1 = r0 + CHUNK < n_rows ? r0 + CHUNK : n_rows;
            REAL s1[LANES] = {0}, s2[LANES] = {0};

            if (width == LANES)
                for (int64_t r = r0; r < r1; r++)
                    for (int i = 0; i < LANES; i++) {
                        REAL d = x[r * C + c + i] - shift[i];

                        s1[i] += d;
                        s2[i] += d * d;
                    }
            else
                for (int64_t r = r0; r < r1; r++)
                    for (int64_t i = 0; i < width; i++) {
                        REAL d = x[r * C + c + i] - shift[i];

                        s1[i] += d;
                        s2[i] += d * d;
                    }
            for (int i = 0; i < LANES; i++) {
                total[i] += s1[i];
                squares[i] += s2[i];
            }
        }
        for (int64_t i = 0; i < width; i++) {
            double d = total[i] / (double)n_rows;

            mean[c + i] = (double)shift[i] + d;
            m2[c + i] = squares[i] - total[i] * d;
        }
    }
}

void FN(pare_batchnorm_statistics)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->y->channels;
    double *sums = layer->sums + span->shard * layer->n_sums;

    moments(sums, sums + C, ROWS(layer->x[0], a, span), (span->n1 - span->n0) * layer->y->pixels,
            C);
}

PARE_CLONES
static void normalise(REAL *restrict y, const REAL *restrict x, int64_t n_rows, int64_t C,
                      const REAL *mean, const REAL *scale, const REAL *bias)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < C; c++)
            y[r * C + c] = (x[r * C + c] - mean[c]) * scale[c] + bias[c];
}

/* The statistics of the whole batch, from those of the shards, in their order. */
static void join(const struct pare_layer *layer, const struct pare_span *span, int64_t c,
                 double *mean, double *m2, double *count)
{
    int64_t C = layer->y->channels;

    *mean = *m2 = *count = 0;
    for (int s = 0; s < span->n_shards; s++) {
        const double *sums = layer->sums + s * layer->n_sums;
        double n = (double)((pare_shard_begin(span->n, s + 1, span->n_shards) -
                             pare_shard_begin(span->n, s, span->n_shards)) *
                            layer->y->pixels);
        double delta = sums[c] - *mean;

        *count += n;
        *mean += delta * n / *count;
        *m2 += sums[C + c] + delta * delta * n * (*count - n) / *count;
    }
}

void FN(pare_batchnorm_apply)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->y->channels, n_rows = (span->n1 - span->n0) * layer->y->pixels;
    const REAL *gamma = numbers(layer, 0);
    REAL *mean = span->scratch, *scale = mean + C;
    REAL *saved_mean = layer->saved, *saved_inverse = saved_mean + C;
    REAL *running_mean = layer->w[2]->w, *running_var = layer->w[3]->w;
    double momentum = layer->p[1];

    for (int64_t c = 0; c < C; c++) {
        double batch_mean, m2, count, inverse;

        join(layer, span, c, &batch_mean, &m2, &count);
        inverse = 1 / sqrt(m2 / count + layer->p[0]);
        mean[c] = (REAL)batch_mean;
        scale[c] = (REAL)(gamma[c] * inverse);
        if (span->shard == 0) {
            double unbiased = m2 / (count > 1 ? count - 1 : 1);

            saved_mean[c] = mean[c];
            saved_inverse[c] = (REAL)inverse;
            running_mean[c] = (REAL)(momentum * running_mean[c] + (1 - momentum) * batch_mean);
            running_var[c] = (REAL)(momentum * running_var[c] + (1 - momentum) * unbiased);
        }
    }
    normalise(ROWS(layer->y, a, span), ROWS(layer->x[0], a, span), n_rows, C, mean, scale,
              numbers(layer, 1));
    FN(pare_act_forward)(layer, span);
}

/* Evaluation: by the running statistics. */
void FN(pare_batchnorm_forward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->y->channels, n_rows = (span->n1 - span->n0) * layer->y->pixels;
    const REAL *gamma = numbers(layer, 0), *variance = numbers(layer, 3);
    REAL *scale = span->scratch;

    for (int64_t c = 0; c < C; c++)
        scale[c] = (REAL)(gamma[c] / sqrt((double)variance[c] + layer->p[0]));
    normalise(ROWS(layer->y, a, span), ROWS(layer->x[0], a, span), n_rows, C, numbers(layer, 2),
              scale, numbers(layer, 1));
    FN(pare_act_forward)(layer, span);
}

PARE_CLONES
static void gradient_sums(double *sum_dy, double *sum_dy_x, const REAL *dy, const REAL *x,
                          int64_t n_rows, int64_t C, const REAL *mean, const REAL *inverse)
{
    for (int64_t c = 0; c < C; c += LANES) {
        int64_t width = C - c < LANES ? C - c : LANES;
        double total[LANES] = {0}, products[LANES] = {0};
        REAL m[LANES] = {0};

        for (int64_t i = 0; i < width; i++)
            m[i] = mean[c + i];
        for (int64_t r0 = 0; r0 < n_rows; r0 += CHUNK) {
            int64_t r1 = r0 + CHUNK < n_rows ? r0 + CHUNK : n_rows;
            REAL s1[LANES] = {0}, s2[LANES] = {0};

            if (width == LANES)
                for (int64_t r = r0; r < r1; r++)
                    for (int i = 0; i < LANES; i++) {
                        s1[i] += dy[r * C + c + i];
                        s2[i] += dy[r * C + c + i] * (x[r * C + c + i] - m[i]);
                    }
            else
                for (int64_t r = r0; r < r1; r++)
                    for (int64_t i = 0; i < width; i++) {
                        s1[i] += dy[r * C + c + i];
                        s2[i] += dy[r * C + c + i] * (x[r * C + c + i] - m[i]);
                    }
            for (int i = 0; i < LANES; i++) {
                total[i] += s1[i];
                products[i] += s2[i];
            }
        }
        for (int64_t i = 0; i < width; i++) {
            sum_dy[c + i] = total[i];
            sum_dy_x[c + i] = products[i] * (double)inverse[c + i];
        }
    }
}

void FN(pare_batchnorm_backward_sums)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->y->channels;
    const REAL *mean = layer->saved;
    double *sums = layer->sums + span->shard * layer->n_sums;

    FN(pare_act_backward)(layer, span);
    gradient_sums(sums, sums + C, ROWS(layer->y, g, span), ROWS(layer->x[0], a, span),
                  (span->n1 - span->n0) * layer->y->pixels, C, mean, mean + C);
}

/* dx = scale dy - k0 - (x - mean) k1 */
PARE_CLONES
static void input_gradient(REAL *restrict dx, const REAL *restrict dy, const REAL *restrict x,
                           int64_t n_rows, int64_t C, const REAL *mean, const REAL *scale,
                           const REAL *k0, const REAL *k1)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < C; c++)
            dx[r * C + c] = scale[c] * dy[r * C + c] - k0[c] - (x[r * C + c] - mean[c]) * k1[c];
}

PARE_CLONES
static void input_gradient_add(REAL *restrict dx, const REAL *restrict dy, const REAL *restrict x,
                               int64_t n_rows, int64_t C, const REAL *mean, const REAL *scale,
                               const REAL *k0, const REAL *k1)
{
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < C; c++)
            dx[r * C + c] += scale[c] * dy[r * C + c] - k0[c] - (x[r * C + c] - mean[c]) * k1[c];
}

void FN(pare_batchnorm_backward)(const struct pare_layer *layer, const struct pare_span *span)
{
    int64_t C = layer->y->channels, n_rows = (span->n1 - span->n0) * layer->y->pixels;
    const REAL *mean = layer->saved, *inverse = mean + C, *gamma = numbers(layer, 0);
    REAL *scale = span->scratch, *k0 = scale + C, *k1 = k0 + C;
    double count = (double)(span->n * layer->y->pixels);

    for (int64_t c = 0; c < C; c++) {
        double sum_dy = 0, sum_dy_x = 0, s = (double)gamma[c] * inverse[c];

        for (int i = 0; i < span->n_shards; i++) {
            sum_dy += layer->sums[i * layer->n_sums + c];
            sum_dy_x += layer->sums[i * layer->n_sums + C + c];
        }
        scale[c] = (REAL)s;
        k0[c] = (REAL)(s * sum_dy / count);
        k1[c] = (REAL)(s * inverse[c] * sum_dy_x / count);
        if (span->shard == 0) {
            ((REAL *)layer->w[0]->g)[c] = (REAL)sum_dy_x;
            ((REAL *)layer->w[1]->g)[c] = (REAL)sum_dy;
        }
    }
    if (layer->x[0]->g)
        (layer->adds[0] ? input_gradient_add : input_gradient)(
            ROWS(layer->x[0], g, span), ROWS(layer->y, g, span), ROWS(layer->x[0], a, span), n_rows,
            C, mean, scale, k0, k1);
}
