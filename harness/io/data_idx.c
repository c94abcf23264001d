#include "io/data_idx.h"

#include <string.h>

#include "io/data_bytes.h"
#include "io/data_source.h"

#define MAX_BYTES ((size_t)1 << 30)

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

pare_status pare_idx_parse(struct pare_idx *out, const unsigned char *data, size_t n, int n_dims,
                           struct pare_error *err)
{
    const uint32_t magic = 0x800u + (uint32_t)n_dims;
    const size_t header = 4 + 4 * (size_t)n_dims;
    uint64_t n_elements = 1;

    if (n < header)
        return pare_fail(err, PARE_EFORMAT, "truncated: %zu bytes, the IDX header alone has %zu", n,
                         header);
    if (big_endian(data) != magic)
        return pare_fail(err, PARE_EFORMAT,
                         "the IDX magic is 0x%08x; expected 0x%08x (unsigned bytes in %d "
                         "dimension%s)",
                         big_endian(data), magic, n_dims, n_dims == 1 ? "" : "s");
    *out = (struct pare_idx){.n_dims = n_dims, .elements = data + header};
    for (int d = 0; d < n_dims; d++) {
        out->dims[d] = big_endian(data + 4 + 4 * d);
        if (out->dims[d] == 0)
            return pare_fail(err, PARE_EFORMAT, "dimension %d has size 0", d + 1);
        if (__builtin_mul_overflow(n_elements, (uint64_t)out->dims[d], &n_elements))
            return pare_fail(err, PARE_EFORMAT, "the sizes in the IDX header overflow");
    }
    if (n_elements > n - header)
        return pare_fail(err, PARE_EFORMAT,
                         "truncated: the header announces %llu elements, %zu are there",
                         (unsigned long long)n_elements, n - header);
    if (n_elements < n - header)
        return pare_fail(err, PARE_EFORMAT, "%llu bytes follow the %llu announced elements",
                         (unsigned long long)(n - header - n_elements),
                         (unsigned long long)n_elements);
    return PARE_OK;
}

bool pare_idx_find(struct pare_data_files *files, const char *dir)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
    bool all = true;

    for (int i = 0; i < 4; i++)
        all &= pare_data_files_add(files, dir, names[i]);
    return all;
}

/* One part: images and their labels. */
struct part {
    struct pare_data_bytes image_bytes, label_bytes;
    struct pare_idx images, labels;
};

static void part_close(struct part *part)
{
    pare_data_bytes_close(&part->image_bytes);
    pare_data_bytes_close(&part->label_bytes);
}

static pare_status part_open(struct part *part, const char *images, const char *labels,
                             struct pare_error *err)
{
    pare_status st;

    st = pare_data_bytes_open(&part->image_bytes, images, MAX_BYTES, err);
    if (st)
        return st;
    st = pare_idx_parse(&part->images, part->image_bytes.data, part->image_bytes.n, 3, err);
    if (st) {
        pare_error_prefix(err, "%s", images);
        return st;
    }
    st = pare_data_bytes_open(&part->label_bytes, labels, MAX_BYTES, err);
    if (st)
        return st;
    st = pare_idx_parse(&part->labels, part->label_bytes.data, part->label_bytes.n, 1, err);
    if (st) {
        pare_error_prefix(err, "%s", labels);
        return st;
    }
    if (part->images.dims[0] != part->labels.dims[0])
        return pare_fail(err, PARE_EFORMAT, "%s: %lld labels, but %s has %lld images", labels,
                         (long long)part->labels.dims[0], images, (long long)part->images.dims[0]);
    return PARE_OK;
}

static pare_status copy_part(struct pare_decoded *out, int64_t first, const struct part *part,
                             const char *labels, struct pare_error *err)
{
    const int64_t n = part->images.dims[0];
    const size_t sample = pare_decoded_sample_bytes(out->header);

    for (int64_t i = 0; i < n; i++) {
        int label = part->labels.elements[i];

        if (label >= out->header->n_classes)
            return pare_fail(err, PARE_EFORMAT,
                             "%s: label %d of sample %lld is out of range: expected 0..%d", labels,
                             label, (long long)i, out->header->n_classes - 1);
        out->labels[first + i] = label;
    }
    memcpy((unsigned char *)out->samples + (size_t)first * sample, part->images.elements,
           (size_t)n * sample);
    return PARE_OK;
}

pare_status pare_idx_decode(struct pare_decoded *out, const struct pare_data_files *files,
                            const struct pare_data_spec *spec, struct pare_error *err)
{
    struct part parts[2] = {0};
    struct pare_decoded_header like = {.type = PARE_SAMPLE_U8,
                                       .n_dims = 3,
                                       .c = 1,
                                       .n_classes = 10,
                                       .raw_scale = 1};
    pare_status st;

    (void)spec;
    for (int i = 0; i < 2; i++) {
        st = part_open(&parts[i], files->paths[2 * i], files->paths[2 * i + 1], err);
        if (st)
            goto done;
    }
    for (int d = 1; d < 3; d++)
        if (parts[0].images.dims[d] != parts[1].images.dims[d]) {
            st = pare_fail(err, PARE_EFORMAT,
                           "%s: images of %lld x %lld; the training images have "
                           "%lld x %lld",
                           files->paths[2], (long long)parts[1].images.dims[1],
                           (long long)parts[1].images.dims[2], (long long)parts[0].images.dims[1],
                           (long long)parts[0].images.dims[2]);
            goto done;
        }
    like.h = parts[0].images.dims[1];
    like.w = parts[0].images.dims[2];
    like.n_train = parts[0].images.dims[0];
    like.n_test = parts[1].images.dims[0];
    st = pare_decoded_new(out, &like, err);
    for (int i = 0; !st && i < 2; i++)
        st = copy_part(out, i ? like.n_train : 0, &parts[i], files->paths[2 * i + 1], err);
done:
    part_close(&parts[0]);
    part_close(&parts[1]);
    return st;
}
