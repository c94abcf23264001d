#include "io/data_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "io/data_locate.h"
#include "io/digits.h"

#define DECODER_VERSION "decoder-1" /* raise it when a decoder gives other samples */
#define DIGITS_IN_KEY   8

static char *cache_folder(const struct pare_data_spec *spec)
{
    const char *xdg = getenv("XDG_CACHE_HOME");

    if (spec->cache_dir)
        return pare_path_expand(spec->cache_dir);
    if (xdg && xdg[0] == '/')
        return pare_path_join(xdg, "pare");
    return pare_path_expand("~/.cache/pare");
}

/* A drawing that changes must miss the cache: the first images stand for all. */
static void add_digits(struct pare_hash *hash)
{
    uint8_t pixels[PARE_DIGITS_SIDE * PARE_DIGITS_SIDE];

    for (uint64_t i = 0; i < DIGITS_IN_KEY; i++) {
        pare_digits_draw(pixels, 0, i);
        pare_hash_add(hash, pixels, sizeof pixels);
    }
}

static pare_status find_key(struct pare_digest *key, const struct pare_data_source *source,
                            const struct pare_data_files *files, const struct pare_data_spec *spec,
                            struct pare_error *err)
{
    struct pare_hash *hash = pare_hash_new();
    pare_status st = PARE_OK;

    pare_hash_add_text(hash, DECODER_VERSION);
    pare_hash_add_text(hash, spec->name);
    if (source->entry.is_embedded)
        add_digits(hash);
    if (source->decode == pare_csv_decode) {
        pare_hash_add_text(hash, spec->label);
        pare_hash_add(hash, &spec->test_fraction, sizeof spec->test_fraction);
    }
    for (int i = 0; !st && i < files->n; i++) {
        struct pare_digest content;

        st = pare_hash_file(&content, files->paths[i], err);
        if (!st)
            pare_hash_add_text(hash, content.hex);
    }
    *key = pare_hash_finish(hash);
    return st;
}

static pare_status build(const struct pare_data_source *source, const struct pare_data_files *files,
                         const struct pare_data_spec *spec, const char *folder, const char *path,
                         struct pare_error *err)
{
    struct pare_decoded decoded = {0};
    pare_status st;

    st = pare_dir_make(folder, err);
    if (!st)
        st = source->decode(&decoded, files, spec, err);
    if (!st) {
        st = pare_decoded_save(&decoded, path, err);
        if (st)
            pare_error_prefix(err, "decoded copy (data.cache_dir or XDG_CACHE_HOME moves it)");
    }
    pare_decoded_clear(&decoded);
    return st;
}

pare_status pare_data_cache_open(struct pare_decoded *out, const struct pare_data_spec *spec,
                                 struct pare_error *err)
{
    const struct pare_data_source *source;
    struct pare_data_files files = {0};
    struct pare_text file_name = {0};
    struct pare_digest key;
    struct pare_error damage = {0};
    char *folder = cache_folder(spec), *path = NULL;
    pare_status st;

    st = pare_data_locate(&source, &files, spec, err);
    if (!st)
        st = find_key(&key, source, &files, spec, err);
    if (st)
        goto done;
    pare_text_printf(&file_name, "%s-%s.data", spec->name, key.hex);
    path = pare_path_join(folder, file_name.s);
    if (pare_file_exists(path)) {
        if (!pare_decoded_map(out, path, &damage))
            goto done;
        pare_log(PARE_LOG_WARN, "%s; decoding again", damage.text);
    }
    st = build(source, &files, spec, folder, path, err);
    if (!st)
        st = pare_decoded_map(out, path, err);
done:
    pare_data_files_clear(&files);
    pare_text_clear(&file_name);
    free(folder);
    free(path);
    return st;
}
