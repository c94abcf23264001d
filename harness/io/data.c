#include <pare/data.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "io/data_cache.h"
#include "io/data_impl.h"
#include "io/data_source.h"

#define DIGEST_VERSION "data-1" /* raise it when the same files give other samples */
#define SPLIT_STREAM   0x5917
#define TEST_STREAM    0x7e57

/* ---- Splits ---- */

/* The seeded order of the training samples, cut to the limit; its end is for validation. */
static pare_status split(struct pare_data *data, const struct pare_data_spec *spec,
                         struct pare_error *err)
{
    int64_t n = data->decoded.header->n_train, n_val;
    int64_t *order = pare_xcalloc((size_t)n, sizeof *order);
    struct pare_rng rng;

    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    pare_rng_init(&rng, spec->seed, SPLIT_STREAM);
    pare_rng_shuffle(&rng, order, n);
    if (spec->limit_train && spec->limit_train < n)
        n = spec->limit_train;
    n_val = (int64_t)(spec->val_fraction * (double)n + 0.5);
    data->order[PARE_TRAIN] = order;
    if (n_val >= n)
        return pare_fail(err, PARE_EINVAL,
                         "val_fraction %g of %lld samples leaves none for training",
                         spec->val_fraction, (long long)n);
    data->n[PARE_TRAIN] = n - n_val;
    data->n[PARE_VALIDATION] = n_val;
    data->order[PARE_VALIDATION] = order + data->n[PARE_TRAIN];
    return PARE_OK;
}

static void select_test(struct pare_data *data, const struct pare_data_spec *spec)
{
    int64_t n = data->decoded.header->n_test;
    struct pare_rng rng;

    data->n_test = n;
    data->test_order = pare_xcalloc((size_t)n + 1, sizeof *data->test_order);
    for (int64_t i = 0; i < n; i++)
        data->test_order[i] = data->decoded.header->n_train + i;
    if (!spec->limit_test || spec->limit_test >= n)
        return;
    pare_rng_init(&rng, spec->seed, TEST_STREAM);
    pare_rng_shuffle(&rng, data->test_order, n);
    data->n_test = spec->limit_test;
}

/* ---- Normalisation ---- */

/* What the training samples of one channel are like, in stored numbers. */
struct channel {
    double mean, deviation, min, max;
};

/* Exact: whole numbers, whatever the order. */
static void look_at_u8(struct channel *out, const struct pare_data *data)
{
    const struct pare_decoded_header *header = data->decoded.header;
    const uint8_t *samples = data->decoded.samples;
    const size_t n_c = (size_t)header->c, sample = pare_decoded_sample_bytes(header);
    int64_t *counts = pare_xcalloc(256 * n_c, sizeof *counts);

    for (int64_t i = 0; i < data->n[PARE_TRAIN]; i++) {
        const uint8_t *p = samples + (size_t)data->order[PARE_TRAIN][i] * sample;

        for (size_t k = 0; k < sample; k += n_c)
            for (size_t c = 0; c < n_c; c++)
                counts[256 * c + p[k + c]]++;
    }
    for (size_t c = 0; c < n_c; c++) {
        double n = (double)(data->n[PARE_TRAIN] * header->h * header->w), sum = 0, square = 0;

        for (int q = 0; q < 256; q++)
            sum += (double)(q * counts[256 * c + (size_t)q]);
        out[c].mean = sum / n;
        for (int q = 0; q < 256; q++)
            square += (double)counts[256 * c + (size_t)q] * (q - out[c].mean) * (q - out[c].mean);
        out[c].deviation = sqrt(square / n);
        out[c].min = 0; /* the range of the type, not of the samples: 1/255 of black to white */
        out[c].max = 255;
    }
    free(counts);
}

static void look_at_f32(struct channel *out, const struct pare_data *data)
{
    const int64_t n = data->n[PARE_TRAIN], n_c = data->decoded.header->c;
    const float *samples = data->decoded.samples;

    for (int64_t c = 0; c < n_c; c++) {
        double sum = 0, square = 0;

        out[c].min = INFINITY;
        out[c].max = -INFINITY;
        for (int64_t i = 0; i < n; i++) {
            double x = samples[data->order[PARE_TRAIN][i] * n_c + c];

            sum += x;
            out[c].min = x < out[c].min ? x : out[c].min;
            out[c].max = x > out[c].max ? x : out[c].max;
        }
        out[c].mean = sum / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double x = samples[data->order[PARE_TRAIN][i] * n_c + c] - out[c].mean;

            square += x * x;
        }
        out[c].deviation = sqrt(square / (double)n);
    }
}

static void normalize(struct pare_data *data, const char *how)
{
    const struct pare_decoded_header *header = data->decoded.header;
    const size_t n_c = (size_t)header->c;
    struct channel *channels = pare_xcalloc(n_c, sizeof *channels);
    const bool is_standard = strcmp(how, "standard") == 0, is_unit = strcmp(how, "unit") == 0;

    data->scale = pare_xcalloc(n_c, sizeof *data->scale);
    data->offset = pare_xcalloc(n_c, sizeof *data->offset);
    if (header->type == PARE_SAMPLE_U8) {
        data->table = pare_xcalloc(256 * n_c, sizeof *data->table);
        look_at_u8(channels, data);
    } else {
        look_at_f32(channels, data);
    }
    for (size_t c = 0; c < n_c; c++) {
        double center = is_standard ? channels[c].mean : channels[c].min;
        double width = is_standard ? channels[c].deviation : channels[c].max - channels[c].min;
        double scale = 1, offset = 0;

        if (is_standard || is_unit) {
            /* a constant channel becomes zero */
            scale = width > 0 ? 1 / (width * header->raw_scale) : 1;
            offset = -scale * (header->raw_scale * center + header->raw_offset);
        }
        data->scale[c] = (float)scale;
        data->offset[c] = (float)offset;
        for (int q = 0; data->table && q < 256; q++)
            data->table[256 * c + (size_t)q] =
                (float)(scale * (header->raw_scale * q + header->raw_offset) + offset);
    }
    free(channels);
}

/* ---- Opening ---- */

static void find_digest(struct pare_data *data, const struct pare_data_spec *spec)
{
    struct pare_hash *hash = pare_hash_new();
    const struct pare_decoded_header *header = data->decoded.header;

    pare_hash_add_text(hash, DIGEST_VERSION);
    pare_hash_add_text(hash, spec->name);
    pare_hash_add_text(hash, spec->normalize);
    pare_hash_add(hash, header, sizeof *header); /* holds the digest of the samples */
    pare_hash_add(hash, &spec->seed, sizeof spec->seed);
    pare_hash_add(hash, data->n, sizeof data->n);
    pare_hash_add(hash, &data->n_test, sizeof data->n_test);
    data->digest = pare_hash_finish(hash);
}

pare_status pare_data_open(struct pare_data **out, const struct pare_data_spec *spec,
                           struct pare_error *err)
{
    struct pare_data *data = NULL;
    pare_status st;

    st = pare_data_check(spec, err);
    if (st)
        return st;
    data = pare_xcalloc(1, sizeof *data);
    data->name = pare_xstrdup(spec->name);
    st = pare_data_cache_open(&data->decoded, spec, err);
    if (!st)
        st = split(data, spec, err);
    if (st) {
        pare_error_prefix(err, "data '%s'", spec->name);
        pare_data_close(data);
        return st;
    }
    select_test(data, spec);
    normalize(data, spec->normalize);
    find_digest(data, spec);
    *out = data;
    return PARE_OK;
}

void pare_data_close(struct pare_data *data)
{
    if (!data)
        return;
    pare_decoded_clear(&data->decoded);
    free(data->name);
    free(data->order[PARE_TRAIN]);
    free(data->test_order);
    free(data->scale);
    free(data->offset);
    free(data->table);
    free(data);
}

/* ---- Facts ---- */

const char *pare_data_name(const struct pare_data *data)
{
    return data->name;
}

const char *pare_data_digest(const struct pare_data *data)
{
    return data->digest.hex;
}

int64_t pare_data_n(const struct pare_data *data, enum pare_split which)
{
    return data->n[which];
}

int pare_data_n_classes(const struct pare_data *data)
{
    return data->decoded.header->n_classes;
}

struct pare_shape pare_data_sample_shape(const struct pare_data *data)
{
    const struct pare_decoded_header *header = data->decoded.header;

    return (struct pare_shape){.n_dims = header->n_dims,
                               .dims = {header->c, header->n_dims == 3 ? header->h : 0,
                                        header->n_dims == 3 ? header->w : 0}};
}

void pare_data_normalization(const struct pare_data *data, const float **scale,
                             const float **offset)
{
    *scale = data->scale;
    *offset = data->offset;
}

/* ---- Fetching ---- */

void pare_data_copy_sample(const struct pare_data *data, int64_t position, float *out)
{
    const struct pare_decoded_header *header = data->decoded.header;
    const size_t n_c = (size_t)header->c, n = n_c * (size_t)(header->h * header->w);

    if (header->type == PARE_SAMPLE_F32) {
        const float *in = (const float *)data->decoded.samples + (size_t)position * n;

        for (size_t k = 0; k < n; k++)
            out[k] = data->scale[k] * in[k] + data->offset[k]; /* vectors: n == n_c */
    } else if (n_c == 1) {
        const uint8_t *in = (const uint8_t *)data->decoded.samples + (size_t)position * n;
        const float *table = data->table;

        for (size_t k = 0; k < n; k++)
            out[k] = table[in[k]];
    } else {
        const uint8_t *in = (const uint8_t *)data->decoded.samples + (size_t)position * n;

        for (size_t k = 0; k < n; k += n_c)
            for (size_t c = 0; c < n_c; c++)
                out[k + c] = data->table[256 * c + in[k + c]];
    }
}

/* Where the window of one augmented image lies in the stored one. */
struct window {
    int64_t dx, dy;
    bool flip;
};

static struct window window_draw(const struct pare_augment *augment, struct pare_rng *rng)
{
    struct window window = {0};

    if (augment->shift > 0) {
        window.dy += pare_rng_below(rng, 2 * augment->shift + 1) - augment->shift;
        window.dx += pare_rng_below(rng, 2 * augment->shift + 1) - augment->shift;
    }
    if (augment->crop_padding > 0) {
        window.dy += pare_rng_below(rng, 2 * augment->crop_padding + 1) - augment->crop_padding;
        window.dx += pare_rng_below(rng, 2 * augment->crop_padding + 1) - augment->crop_padding;
    }
    if (augment->flip)
        window.flip = pare_rng_u32(rng) >> 31;
    return window;
}

static void copy_window(const struct pare_data *data, int64_t position, const struct window *window,
                        float *out)
{
    const struct pare_decoded_header *header = data->decoded.header;
    const int64_t n_c = header->c, n_h = header->h, n_w = header->w;
    const uint8_t *in = (const uint8_t *)data->decoded.samples + position * n_c * n_h * n_w;

    for (int64_t y = 0; y < n_h; y++) {
        int64_t from_y = y + window->dy;

        for (int64_t x = 0; x < n_w; x++) {
            int64_t from_x = (window->flip ? n_w - 1 - x : x) + window->dx;
            bool inside = from_y >= 0 && from_y < n_h && from_x >= 0 && from_x < n_w;
            const uint8_t *pixel = inside ? in + (from_y * n_w + from_x) * n_c : NULL;

            for (int64_t c = 0; c < n_c; c++)
                *out++ = data->table[256 * c + (pixel ? pixel[c] : header->background)];
        }
    }
}

void pare_data_fetch(const struct pare_data *data, enum pare_split which, const int64_t *indices,
                     int64_t n, const struct pare_augment *augment, struct pare_rng *rng,
                     float *out, int32_t *labels)
{
    const struct pare_decoded_header *header = data->decoded.header;
    const size_t elements = (size_t)(header->c * header->h * header->w);
    const bool moves = augment && header->n_dims == 3 &&
                       (augment->shift > 0 || augment->flip || augment->crop_padding > 0);

    for (int64_t i = 0; i < n; i++, out += elements) {
        int64_t position = data->order[which][indices[i]];

        if (moves) {
            struct window window = window_draw(augment, rng);

            copy_window(data, position, &window, out);
        } else {
            pare_data_copy_sample(data, position, out);
        }
        if (labels)
            labels[i] = data->decoded.labels[position];
    }
}

pare_status pare_data_check_augment(const struct pare_data *data,
                                    const struct pare_augment *augment, struct pare_error *err)
{
    const struct pare_decoded_header *header = data->decoded.header;
    int64_t smaller = header->h < header->w ? header->h : header->w;

    if (augment->shift == 0 && augment->crop_padding == 0 && !augment->flip)
        return PARE_OK;
    if (header->n_dims != 3)
        return pare_fail(err, PARE_EINVAL,
                         "data '%s' are vectors: shift, flip and crop are for images", data->name);
    if (augment->shift + augment->crop_padding >= smaller)
        return pare_fail(err, PARE_EINVAL,
                         "shift %d and crop_padding %d would move images of data '%s' (%lld x %lld)"
                         " out of sight",
                         augment->shift, augment->crop_padding, data->name, (long long)header->h,
                         (long long)header->w);
    return PARE_OK;
}
