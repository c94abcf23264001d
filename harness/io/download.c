#include "io/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "io/data_open.h"
#include "io/tar.h"

#define DEFAULT_TIMEOUT_S 30
#define HEX_CHARS         (2 * SHA256_DIGEST_SIZE + 1)

/* ---- The official files ---- */

static const struct pare_download_file mnist_files[] = {
    {"train-images-idx3-ubyte.gz",
     "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422},
    {"train-labels-idx1-ubyte.gz",
     "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881},
    {"t10k-images-idx3-ubyte.gz",
     "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877},
    {"t10k-labels-idx1-ubyte.gz",
     "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542},
    {NULL, NULL, 0},
};

static const struct pare_download_file fashion_files[] = {
    {"train-images-idx3-ubyte.gz",
     "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26421880},
    {"train-labels-idx1-ubyte.gz",
     "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515},
    {"t10k-images-idx3-ubyte.gz",
     "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102},
    {"t10k-labels-idx1-ubyte.gz",
     "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148},
    {NULL, NULL, 0},
};

static const struct pare_download_file cifar_files[] = {
    {"cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
     170052171},
    {NULL, NULL, 0},
};

static const char *const mnist_urls[] = {
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    NULL,
};
static const char *const fashion_urls[] = {
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    NULL,
};
static const char *const cifar_urls[] = {"https://www.cs.toronto.edu/~kriz/", NULL};
static const char *const cifar_members[] = {
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
    NULL,
};

static const struct pare_download_set sets[] = {
    {"mnist", mnist_urls, mnist_files, NULL},
    {"fashion-mnist", fashion_urls, fashion_files, NULL},
    {"cifar-10", cifar_urls, cifar_files, cifar_members},
};

const struct pare_download_set *pare_download_find(const char *name)
{
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(sets[i].name, name) == 0)
            return &sets[i];
    return NULL;
}

/* ---- Checksums ---- */

static void hex_of(char out[HEX_CHARS], struct sha256_ctx *sha)
{
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_digest(sha, sizeof digest, digest);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static bool is_there(const char *path, const struct pare_download_file *file)
{
    struct pare_file mapped;
    struct sha256_ctx sha;
    char hex[HEX_CHARS];
    bool is_right = false;

    if (!pare_file_exists(path) || pare_file_map(&mapped, path, NULL))
        return false;
    if ((int64_t)mapped.n_bytes == file->n_bytes) {
        sha256_init(&sha);
        sha256_update(&sha, mapped.n_bytes, mapped.data);
        hex_of(hex, &sha);
        is_right = strcmp(hex, file->sha256) == 0;
    }
    pare_file_unmap(&mapped);
    return is_right;
}

/* ---- One transfer ---- */

struct transfer {
    const struct pare_download_options *options;
    const struct pare_download_file *file;
    FILE *out;
    struct sha256_ctx sha;
    int64_t n_bytes;
    int write_errno;
    bool is_too_long;
};

static size_t receive(char *data, size_t size, size_t n, void *state)
{
    struct transfer *transfer = state;
    size_t n_bytes = size * n;

    if ((int64_t)n_bytes > transfer->file->n_bytes - transfer->n_bytes) {
        transfer->is_too_long = true;
        return 0;
    }
    if (fwrite(data, 1, n_bytes, transfer->out) != n_bytes) {
        transfer->write_errno = errno;
        return 0;
    }
    sha256_update(&transfer->sha, n_bytes, (const uint8_t *)data);
    transfer->n_bytes += (int64_t)n_bytes;
    return n_bytes;
}

static int show_progress(void *state, curl_off_t n_total, curl_off_t n_done, curl_off_t up_total,
                         curl_off_t up_done)
{
    const struct transfer *transfer = state;

    (void)up_total;
    (void)up_done;
    transfer->options->progress(transfer->options->state, transfer->file->name, (double)n_done,
                                (double)n_total);
    return 0;
}

static void set_up(CURL *curl, const char *url, struct transfer *transfer)
{
    double given = transfer->options->timeout_s;
    long timeout_ms = (long)(1000 * (given > 0 ? given : DEFAULT_TIMEOUT_S));

    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "pare");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (timeout_ms + 999) / 1000);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    if (transfer->options->progress) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, show_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    }
}

/* What curl's answer and the content say. */
static pare_status judge(struct transfer *transfer, CURL *curl, CURLcode code, const char *detail,
                         const char *url, struct pare_error *err)
{
    char hex[HEX_CHARS];
    long http = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http);
    if (transfer->write_errno)
        return pare_fail(err, PARE_EIO, "cannot write '%s': %s", transfer->file->name,
                         strerror(transfer->write_errno));
    if (transfer->is_too_long)
        return pare_fail(err, PARE_EFORMAT,
                         "%s: longer than the %lld bytes of the published file: not kept", url,
                         (long long)transfer->file->n_bytes);
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return pare_fail(err, PARE_EIO, "%s: the server answers %ld", url, http);
    if (code == CURLE_PARTIAL_FILE)
        return pare_fail(err, PARE_EIO, "%s: the transfer broke off after %lld of %lld bytes", url,
                         (long long)transfer->n_bytes, (long long)transfer->file->n_bytes);
    if (code)
        return pare_fail(err, PARE_EIO, "%s: %s", url,
                         detail[0] ? detail : curl_easy_strerror(code));
    hex_of(hex, &transfer->sha);
    if (transfer->n_bytes != transfer->file->n_bytes || strcmp(hex, transfer->file->sha256) != 0)
        return pare_fail(err, PARE_EFORMAT,
                         "%s: not the published file: %lld bytes with SHA-256 %s; expected %lld "
                         "bytes with %s: not kept",
                         url, (long long)transfer->n_bytes, hex, (long long)transfer->file->n_bytes,
                         transfer->file->sha256);
    return PARE_OK;
}

/* From the address into the open file `part`. */
static pare_status transfer_run(FILE *part, const char *url, const struct pare_download_file *file,
                                const struct pare_download_options *options, struct pare_error *err)
{
    struct transfer transfer = {.options = options, .file = file, .out = part};
    char detail[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    CURLcode code;
    pare_status st;

    if (!curl)
        return pare_fail(err, PARE_ENOMEM, "libcurl cannot start");
    sha256_init(&transfer.sha);
    set_up(curl, url, &transfer);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    code = curl_easy_perform(curl);
    st = judge(&transfer, curl, code, detail, url, err);
    curl_easy_cleanup(curl);
    return st;
}

static pare_status fetch(const char *path, const char *url, const struct pare_download_file *file,
                         const struct pare_download_options *options, struct pare_error *err)
{
    struct pare_text part_path = {0};
    pare_status st;
    FILE *part;

    pare_text_printf(&part_path, "%s.part.%ld", path, (long)getpid());
    part = fopen(part_path.s, "wb");
    if (!part) {
        st = pare_fail(err, PARE_EIO, "%s: cannot write: %s", part_path.s, strerror(errno));
        goto done;
    }
    st = transfer_run(part, url, file, options, err);
    if (fflush(part) != 0 || fsync(fileno(part)) != 0)
        st = st ? st : pare_fail(err, PARE_EIO, "%s: %s", part_path.s, strerror(errno));
    if (fclose(part) != 0 && !st)
        st = pare_fail(err, PARE_EIO, "%s: %s", part_path.s, strerror(errno));
    if (!st && rename(part_path.s, path) != 0)
        st = pare_fail(err, PARE_EIO, "%s: cannot rename: %s", path, strerror(errno));
    if (st)
        unlink(part_path.s);
done:
    pare_text_clear(&part_path);
    return st;
}

/* ---- A whole set ---- */

static char *folder_of(const struct pare_download_set *set,
                       const struct pare_download_options *options)
{
    const char *root = getenv("PARE_DATA");
    char *home, *path;

    if (options->dir)
        return pare_path_expand(options->dir);
    if (root && root[0])
        return pare_path_join(root, set->name);
    home = pare_path_expand("~/.local/share/pare");
    path = pare_path_join(home, set->name);
    free(home);
    return path;
}

/* Tries every address; the message keeps what each of them said. */
static pare_status fetch_from_any(const char *path, const struct pare_download_set *set,
                                  const struct pare_download_file *file,
                                  const struct pare_download_options *options,
                                  struct pare_error *err)
{
    const char *const own[] = {options->url_base, NULL};
    const char *const *urls = options->url_base ? own : set->urls;
    struct pare_text said = {0};
    pare_status st = PARE_EIO;

    for (int i = 0; urls[i] && st; i++) {
        struct pare_error one = {0};
        size_t n = strlen(urls[i]);
        struct pare_text url = {0};

        pare_text_printf(&url, "%s%s%s", urls[i], n && urls[i][n - 1] == '/' ? "" : "/",
                         file->name);
        st = fetch(path, url.s, file, options, &one);
        pare_text_printf(&said, "%s%s", i ? "; " : "", one.text);
        pare_text_clear(&url);
    }
    if (st)
        pare_fail(err, st, "%s", said.s);
    pare_text_clear(&said);
    return st;
}

static void add_by_hand(const struct pare_download_set *set, const char *folder,
                        struct pare_error *err)
{
    char cause[sizeof err->text];
    struct pare_text names = {0};

    if (!err)
        return;
    snprintf(cause, sizeof cause, "%s", err->text);
    for (int i = 0; set->files[i].name; i++)
        pare_text_printf(&names, "%s%s", i ? ", " : "", set->files[i].name);
    pare_fail(err, err->status, "%s. By hand: fetch %s from %s into %s%s", cause, names.s,
              set->urls[0], folder, set->members ? " and unpack it there" : "");
    pare_text_clear(&names);
}

static bool members_are_there(const struct pare_download_set *set, const char *folder)
{
    for (int i = 0; set->members[i]; i++) {
        char *path = pare_path_join(folder, set->members[i]);
        bool there = pare_file_exists(path);

        free(path);
        if (!there)
            return false;
    }
    return true;
}

static pare_status unpack(const struct pare_download_set *set, const char *folder,
                          struct pare_error *err)
{
    char *archive = pare_path_join(folder, set->files[0].name);
    pare_status st = pare_tar_extract(archive, folder, set->members, err);

    if (!st)
        unlink(archive);
    free(archive);
    return st;
}

pare_status pare_download(const struct pare_download_set *set,
                          const struct pare_download_options *options, char **folder,
                          struct pare_error *err)
{
    char *dir = folder_of(set, options);
    pare_status st;

    st = pare_dir_make(dir, err);
    if (st || (set->members && members_are_there(set, dir)))
        goto done;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (int i = 0; !st && set->files[i].name; i++) {
        char *path = pare_path_join(dir, set->files[i].name);

        if (!is_there(path, &set->files[i]))
            st = fetch_from_any(path, set, &set->files[i], options, err);
        free(path);
    }
    if (!st && set->members)
        st = unpack(set, dir, err);
    if (st)
        add_by_hand(set, dir, err);
done:
    if (!st && folder) {
        *folder = dir;
        dir = NULL;
    }
    free(dir);
    if (st)
        pare_error_prefix(err, "data '%s'", set->name);
    return st;
}

/* Nothing to download under this name: is it a set that needs none, or a slip of the pen? */
static pare_status no_download(const char *name, struct pare_error *err)
{
    const char *names[16];
    int n = pare_data_n_entries();
    const char *nearest;

    for (int i = 0; i < n; i++) {
        const struct pare_data_entry *entry = pare_data_entry(i);

        names[i] = entry->name;
        if (strcmp(entry->name, name) == 0)
            return pare_fail(err, PARE_EINVAL, "data '%s' %s", name,
                             entry->is_embedded ? "is built in: nothing to download"
                                                : "has no official address: put its files in place "
                                                  "by hand and say data.path");
    }
    nearest = pare_text_nearest(name, names, n);
    return pare_fail(err, PARE_EINVAL, "unknown data set '%s'%s%s%s; `pare data list` shows them",
                     name, nearest ? ", did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

pare_status pare_data_get(const char *name, const struct pare_download_options *options,
                          char **folder, struct pare_error *err)
{
    const struct pare_download_set *set = pare_download_find(name);

    return set ? pare_download(set, options, folder, err) : no_download(name, err);
}
