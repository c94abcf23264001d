#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "io/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensor data is copied as it lies");

#define MAX_ENTRIES 1000000

struct pare_safetensors {
    struct pare_file map; /* of open(); empty after parse() */
    struct pare_json *header;
    const struct pare_json *meta;
    int n;
    struct pare_safetensors_entry *entries; /* by data, names lent by the header */
    const struct pare_safetensors_entry **by_name;
};

static bool dtype_from_name(enum pare_dtype *out, const char *name)
{
    static const enum pare_dtype all[] = {PARE_F32, PARE_F64, PARE_S8,  PARE_U8,
                                          PARE_S32, PARE_S64, PARE_BOOL};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(name, pare_dtype_name(all[i])) == 0) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

static pare_status read_shape(struct pare_shape *out, const struct pare_json *json,
                              struct pare_error *err)
{
    if (pare_json_kind(json) != PARE_JSON_ARRAY || pare_json_n(json) > PARE_MAX_DIMS)
        return pare_fail(err, PARE_EFORMAT, "shape is not a list of at most %d numbers",
                         PARE_MAX_DIMS);
    out->n_dims = (int)pare_json_n(json);
    for (int i = 0; i < out->n_dims; i++) {
        if (!pare_json_int(pare_json_at(json, i), &out->dims[i]) || out->dims[i] < 0)
            return pare_fail(err, PARE_EFORMAT, "dimension %d of shape is not a whole number", i);
    }
    return PARE_OK;
}

static pare_status read_entry(struct pare_safetensors_entry *entry, const struct pare_json *json,
                              const unsigned char *data, size_t n_bytes, struct pare_error *err)
{
    const char *dtype = pare_json_string(pare_json_get(json, "dtype"));
    const struct pare_json *offsets = pare_json_get(json, "data_offsets");
    int64_t begin, end, n;
    size_t expected;
    pare_status st;

    if (!dtype)
        return pare_fail(err, PARE_EFORMAT, "dtype is missing");
    if (!dtype_from_name(&entry->dtype, dtype))
        return pare_fail(err, PARE_EFORMAT, "dtype '%.16s' is not known", dtype);
    st = read_shape(&entry->shape, pare_json_get(json, "shape"), err);
    if (st)
        return st;
    if (pare_json_n(offsets) != 2 || !pare_json_int(pare_json_at(offsets, 0), &begin) ||
        !pare_json_int(pare_json_at(offsets, 1), &end))
        return pare_fail(err, PARE_EFORMAT, "data_offsets is not a pair of numbers");
    if (begin < 0 || end < begin || (uint64_t)end > n_bytes)
        return pare_fail(err, PARE_EFORMAT,
                         "data_offsets [%lld, %lld] are outside the %zu bytes of data",
                         (long long)begin, (long long)end, n_bytes);
    n = pare_shape_elems(&entry->shape);
    if (n < 0 || __builtin_mul_overflow((size_t)n, pare_dtype_bytes(entry->dtype), &expected) ||
        expected != (size_t)(end - begin))
        return pare_fail(err, PARE_EFORMAT, "its shape and dtype do not make %lld bytes",
                         (long long)(end - begin));
    entry->data = data + begin;
    entry->n_bytes = expected;
    return PARE_OK;
}

static int compare_data(const void *a, const void *b)
{
    const struct pare_safetensors_entry *x = a, *y = b;

    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->n_bytes != y->n_bytes) /* empty tensors stand before the one that begins there */
        return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int compare_name(const void *a, const void *b)
{
    const struct pare_safetensors_entry *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static pare_status check_meta(const struct pare_json *meta, struct pare_error *err)
{
    if (pare_json_kind(meta) != PARE_JSON_OBJECT)
        return pare_fail(err, PARE_EFORMAT, "__metadata__ is not an object");
    for (void *it = pare_json_first(meta); it; it = pare_json_next(meta, it)) {
        if (!pare_json_string(pare_json_value(it)))
            return pare_fail(err, PARE_EFORMAT, "__metadata__: '%.64s' is not a text",
                             pare_json_key(it));
    }
    return PARE_OK;
}

static pare_status read_entries(struct pare_safetensors *file, const unsigned char *data,
                                size_t n_bytes, struct pare_error *err)
{
    const unsigned char *end = data;
    int64_t n_members = pare_json_n(file->header);

    if (pare_json_kind(file->header) != PARE_JSON_OBJECT)
        return pare_fail(err, PARE_EFORMAT, "the header is not a JSON object");
    if (n_members > MAX_ENTRIES)
        return pare_fail(err, PARE_EFORMAT, "%lld tensors, at most %d are read",
                         (long long)n_members, MAX_ENTRIES);
    file->entries = pare_xcalloc((size_t)n_members + 1, sizeof *file->entries);
    file->by_name = pare_xcalloc((size_t)n_members + 1, sizeof *file->by_name);
    for (void *it = pare_json_first(file->header); it; it = pare_json_next(file->header, it)) {
        struct pare_safetensors_entry *entry = &file->entries[file->n];
        pare_status st;

        if (strcmp(pare_json_key(it), "__metadata__") == 0) {
            file->meta = pare_json_value(it);
            st = check_meta(file->meta, err);
            if (st)
                return st;
            continue;
        }
        entry->name = pare_json_key(it);
        st = read_entry(entry, pare_json_value(it), data, n_bytes, err);
        if (st) {
            pare_error_prefix(err, "tensor '%.128s'", entry->name);
            return st;
        }
        file->n++;
    }
    qsort(file->entries, (size_t)file->n, sizeof *file->entries, compare_data);
    for (int i = 0; i < file->n; i++) {
        const struct pare_safetensors_entry *entry = &file->entries[i];

        if (entry->data != end)
            return pare_fail(err, PARE_EFORMAT, "tensor '%.128s': its data %s", entry->name,
                             entry->data < end ? "overlaps another's" : "leaves a hole before it");
        end = entry->data + entry->n_bytes;
        file->by_name[i] = entry;
    }
    if (end != data + n_bytes)
        return pare_fail(err, PARE_EFORMAT, "%zu bytes behind the last tensor",
                         (size_t)(data + n_bytes - end));
    qsort(file->by_name, (size_t)file->n, sizeof *file->by_name, compare_name);
    return PARE_OK;
}

pare_status pare_safetensors_parse(struct pare_safetensors **out, const void *data, size_t n_bytes,
                                   struct pare_error *err)
{
    const unsigned char *bytes = data;
    struct pare_safetensors *file;
    uint64_t n_header;
    pare_status st;

    if (n_bytes < 8 + 2)
        return pare_fail(err, PARE_EFORMAT, "%zu bytes are too few for a .safetensors file",
                         n_bytes);
    memcpy(&n_header, bytes, 8);
    if (n_header > n_bytes - 8)
        return pare_fail(err, PARE_EFORMAT,
                         "it says that its header has %llu bytes, but %zu follow: truncated, or no "
                         ".safetensors file",
                         (unsigned long long)n_header, n_bytes - 8);
    if (bytes[8] != '{')
        return pare_fail(err, PARE_EFORMAT, "its header does not begin with '{'");
    file = pare_xcalloc(1, sizeof *file);
    st = pare_json_parse(&file->header, (const char *)bytes + 8, (size_t)n_header, err);
    if (st)
        pare_error_prefix(err, "header");
    else
        st = read_entries(file, bytes + 8 + n_header, n_bytes - 8 - (size_t)n_header, err);
    if (st) {
        pare_safetensors_close(file);
        return st;
    }
    *out = file;
    return PARE_OK;
}

pare_status pare_safetensors_open(struct pare_safetensors **out, const char *path,
                                  struct pare_error *err)
{
    struct pare_file map = {0};
    pare_status st;

    st = pare_file_map(&map, path, err);
    if (st)
        return st;
    st = pare_safetensors_parse(out, map.data, map.n_bytes, err);
    if (st) {
        pare_error_prefix(err, "%s", path);
        pare_file_unmap(&map);
        return st;
    }
    (*out)->map = map;
    return PARE_OK;
}

void pare_safetensors_close(struct pare_safetensors *file)
{
    if (!file)
        return;
    pare_json_free(file->header);
    pare_file_unmap(&file->map);
    free(file->entries);
    free(file->by_name);
    free(file);
}

int pare_safetensors_n(const struct pare_safetensors *file)
{
    return file->n;
}

const struct pare_safetensors_entry *pare_safetensors_get(const struct pare_safetensors *file,
                                                          int i)
{
    return &file->entries[i];
}

const struct pare_safetensors_entry *pare_safetensors_find(const struct pare_safetensors *file,
                                                           const char *name)
{
    struct pare_safetensors_entry wanted = {.name = name};
    const struct pare_safetensors_entry *key = &wanted;
    const struct pare_safetensors_entry *const *found =
        bsearch(&key, file->by_name, (size_t)file->n, sizeof *file->by_name, compare_name);

    return found ? *found : NULL;
}

const char *pare_safetensors_meta(const struct pare_safetensors *file, const char *key)
{
    return pare_json_string(pare_json_get(file->meta, key));
}

pare_status pare_safetensors_tensor(struct pare_tensor **out,
                                    const struct pare_safetensors_entry *entry,
                                    struct pare_error *err)
{
    struct pare_tensor *tensor;
    pare_status st;

    if (entry->dtype != PARE_F32 && entry->dtype != PARE_F64)
        return pare_fail(err, PARE_EINVAL, "tensor '%s' is %s, needs F32 or F64", entry->name,
                         pare_dtype_name(entry->dtype));
    st = pare_tensor_new(&tensor, PARE_F32, &entry->shape, err);
    if (st) {
        pare_error_prefix(err, "tensor '%s'", entry->name);
        return st;
    }
    if (entry->dtype == PARE_F32) {
        if (entry->n_bytes)
            memcpy(tensor->data, entry->data, entry->n_bytes);
    } else {
        for (size_t i = 0; i < entry->n_bytes / 8; i++) {
            double value;

            memcpy(&value, entry->data + 8 * i, 8);
            pare_tensor_f32(tensor)[i] = (float)value;
        }
    }
    *out = tensor;
    return PARE_OK;
}

pare_status pare_safetensors_write(unsigned char **out, size_t *n_bytes,
                                   const struct pare_safetensors_entry *entries, int n,
                                   const char *const *meta_keys, const char *const *meta_values,
                                   int n_meta, struct pare_error *err)
{
    struct pare_text header = {0};
    size_t n_data = 0;
    uint64_t n_header;
    unsigned char *bytes, *to;

    pare_text_add(&header, "{");
    for (int i = 0; i < n_meta; i++) {
        pare_text_add(&header, i ? "," : "\"__metadata__\":{");
        pare_text_json_string(&header, meta_keys[i]);
        pare_text_add(&header, ":");
        pare_text_json_string(&header, meta_values[i]);
    }
    if (n_meta)
        pare_text_add(&header, "}");
    for (int i = 0; i < n; i++) {
        const struct pare_safetensors_entry *entry = &entries[i];

        if (i || n_meta)
            pare_text_add(&header, ",");
        pare_text_json_string(&header, entry->name);
        pare_text_printf(&header, ":{\"dtype\":\"%s\",\"shape\":[", pare_dtype_name(entry->dtype));
        for (int d = 0; d < entry->shape.n_dims; d++)
            pare_text_printf(&header, "%s%lld", d ? "," : "", (long long)entry->shape.dims[d]);
        pare_text_printf(&header, "],\"data_offsets\":[%zu,%zu]}", n_data, n_data + entry->n_bytes);
        n_data += entry->n_bytes;
    }
    pare_text_add(&header, "}");
    while (header.n % 8)
        pare_text_add(&header, " ");
    bytes = malloc(8 + header.n + n_data);
    if (!bytes) {
        pare_text_clear(&header);
        return pare_fail(err, PARE_ENOMEM, "no memory for a file of %zu bytes", n_data);
    }
    n_header = header.n;
    memcpy(bytes, &n_header, 8);
    memcpy(bytes + 8, header.s, header.n);
    to = bytes + 8 + header.n;
    for (int i = 0; i < n; i++) {
        if (entries[i].n_bytes)
            memcpy(to, entries[i].data, entries[i].n_bytes);
        to += entries[i].n_bytes;
    }
    *out = bytes;
    *n_bytes = 8 + header.n + n_data;
    pare_text_clear(&header);
    return PARE_OK;
}
