#include "pipeline/cache.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "io/json.h"
#include "io/model.h"

enum { MAX_RECORD_BYTES = 16 << 20 };

void pare_cache_entry_clear(struct pare_cache_entry *entry)
{
    free(entry->log);
    *entry = (struct pare_cache_entry){0};
}

static char *path_of(const char *folder, const char *key, const char *ending)
{
    struct pare_text path = {0};

    pare_text_printf(&path, "%s/artifacts/%s.%s", folder, key, ending);
    return pare_text_take(&path);
}

char *pare_cache_path(const char *folder, const char *key)
{
    return path_of(folder, key, "safetensors");
}

pare_status pare_cache_open(const char *folder, struct pare_error *err)
{
    char *artifacts = pare_path_join(folder, "artifacts");
    pare_status st = pare_dir_make(artifacts, err);
    DIR *dir = st ? NULL : opendir(artifacts);

    for (struct dirent *item; dir && (item = readdir(dir));)
        if (strstr(item->d_name, ".tmp."))
            unlinkat(dirfd(dir), item->d_name, 0);
    if (dir)
        closedir(dir);
    free(artifacts);
    return st;
}

static bool read_record(struct pare_cache_entry *out, const char *path)
{
    struct pare_json *record = NULL;
    char *text = NULL;
    size_t n = 0;
    const char *digest;
    bool is_good = false;

    if (pare_file_read(&text, &n, path, MAX_RECORD_BYTES, NULL) == PARE_OK &&
        pare_json_parse(&record, text, n, NULL) == PARE_OK) {
        digest = pare_json_get_string(record, "digest", "");
        is_good = strlen(digest) == PARE_DIGEST_CHARS - 1;
        if (is_good)
            memcpy(out->digest.hex, digest, PARE_DIGEST_CHARS);
        out->size_bytes = pare_json_get_int(record, "size_bytes", -1);
        out->macs = pare_json_get_int(record, "macs", -1);
        out->params = pare_json_get_int(record, "params", -1);
        out->wall_s = pare_json_get_number(record, "wall_s", NAN);
        out->peak_rss_mib = pare_json_get_number(record, "peak_rss_mib", NAN);
        out->log = pare_xstrdup(pare_json_get_string(record, "log", ""));
        is_good = is_good && out->size_bytes >= 0 && out->macs >= 0 && out->params >= 0;
    }
    pare_json_free(record);
    free(text);
    return is_good;
}

enum pare_cache_state pare_cache_find(struct pare_cache_entry *out, const char *folder,
                                      const char *key)
{
    char *record_path = path_of(folder, key, "json"), *path = pare_cache_path(folder, key);
    struct pare_cache_entry entry = {0};
    enum pare_cache_state state = PARE_CACHE_DAMAGED;
    struct pare_digest digest;

    if (!pare_file_exists(record_path))
        state = PARE_CACHE_MISS; /* a network without a record was never finished */
    else if (read_record(&entry, record_path) && pare_hash_file(&digest, path, NULL) == PARE_OK &&
             strcmp(digest.hex, entry.digest.hex) == 0)
        state = PARE_CACHE_HIT;
    if (state == PARE_CACHE_HIT)
        *out = entry;
    else
        pare_cache_entry_clear(&entry);
    free(record_path);
    free(path);
    return state;
}

static char *record_text(const struct pare_cache_entry *entry)
{
    struct pare_text text = {0};

    pare_text_printf(&text, "{\"digest\": \"%s\", \"size_bytes\": %lld, \"macs\": %lld, ",
                     entry->digest.hex, (long long)entry->size_bytes, (long long)entry->macs);
    pare_text_printf(&text, "\"params\": %lld, \"wall_s\": ", (long long)entry->params);
    pare_text_json_number(&text, entry->wall_s);
    pare_text_add(&text, ", \"peak_rss_mib\": ");
    pare_text_json_number(&text, entry->peak_rss_mib);
    pare_text_add(&text, ", \"log\": ");
    pare_text_json_string(&text, entry->log ? entry->log : "");
    pare_text_add(&text, "}\n");
    return pare_text_take(&text);
}

pare_status pare_cache_put(const char *folder, const char *key, const struct pare_graph *graph,
                           struct pare_cache_entry *entry, struct pare_error *err)
{
    char *path = pare_cache_path(folder, key), *record_path = path_of(folder, key, "json");
    char *record = NULL;
    pare_status st;

    unlink(record_path); /* of an artifact that was damaged */
    st = pare_model_save(graph, path, &entry->size_bytes, err);
    if (!st)
        st = pare_hash_file(&entry->digest, path, err);
    if (st)
        goto done;
    entry->macs = pare_graph_macs(graph);
    entry->params = pare_graph_params(graph);
    record = record_text(entry);
    st = pare_file_write(record_path, record, strlen(record), err);
done:
    free(path);
    free(record_path);
    free(record);
    return st;
}
