#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"

static pare_status open_regular(int *fd, size_t *n_bytes, const char *path, struct pare_error *err)
{
    struct stat st;

    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return pare_fail(err, PARE_EIO, "%s: cannot open: %s", path, strerror(errno));
    if (fstat(*fd, &st) != 0) {
        close(*fd);
        return pare_fail(err, PARE_EIO, "%s: cannot stat: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        close(*fd);
        return pare_fail(err, PARE_EIO, "%s: %s, not a file", path,
                         S_ISDIR(st.st_mode) ? "is a folder" : "is a device or pipe");
    }
    *n_bytes = (size_t)st.st_size;
    return PARE_OK;
}

pare_status pare_file_map(struct pare_file *out, const char *path, struct pare_error *err)
{
    pare_status st;
    size_t n_bytes = 0;
    void *data;
    int fd;

    *out = (struct pare_file){0};
    st = open_regular(&fd, &n_bytes, path, err);
    if (st || n_bytes == 0) {
        if (!st)
            close(fd);
        return st;
    }
    data = mmap(NULL, n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        st = pare_fail(err, PARE_EIO, "%s: cannot map %zu bytes: %s", path, n_bytes,
                       strerror(errno));
    else
        *out = (struct pare_file){data, n_bytes};
    close(fd);
    return st;
}

void pare_file_unmap(struct pare_file *file)
{
    if (file && file->data)
        munmap((void *)file->data, file->n_bytes);
    if (file)
        *file = (struct pare_file){0};
}

pare_status pare_file_read(char **out, size_t *n_bytes, const char *path, size_t max_bytes,
                           struct pare_error *err)
{
    char *text = NULL;
    size_t n = 0, n_done = 0;
    pare_status st;
    int fd;

    st = open_regular(&fd, &n, path, err);
    if (st)
        return st;
    if (n > max_bytes) {
        st = pare_fail(err, PARE_EFORMAT, "%s: has %zu bytes; at most %zu are allowed", path, n,
                       max_bytes);
        goto done;
    }
    text = malloc(n + 1);
    if (!text) {
        st = pare_fail(err, PARE_ENOMEM, "%s: no memory for %zu bytes", path, n);
        goto done;
    }
    while (n_done < n) {
        ssize_t got = read(fd, text + n_done, n - n_done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            st = pare_fail(err, PARE_EIO, "%s: cannot read: %s", path, strerror(errno));
            goto done;
        }
        if (got == 0) /* it became shorter meanwhile */
            break;
        n_done += (size_t)got;
    }
    text[n_done] = '\0';
    *out = text;
    text = NULL;
    if (n_bytes)
        *n_bytes = n_done;
done:
    free(text);
    close(fd);
    return st;
}

/* The folder of a path, malloc'ed. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder;

    if (!slash)
        return pare_xstrdup(".");
    if (slash == path)
        return pare_xstrdup("/");
    folder = pare_xstrdup(path);
    folder[slash - path] = '\0';
    return folder;
}

static pare_status cannot_write(const char *path, int why, struct pare_error *err)
{
    char *folder = folder_of(path);
    pare_status st;

    if (why == ENOSPC || why == EDQUOT)
        st = pare_fail(err, PARE_EIO, "%s: the disk of folder '%s' is full (%s): make room there",
                       path, folder, strerror(why));
    else if (why == ENOENT)
        st = pare_fail(err, PARE_EIO, "%s: cannot write: folder '%s' does not exist", path, folder);
    else
        st = pare_fail(err, PARE_EIO, "%s: cannot write: %s", path, strerror(why));
    free(folder);
    return st;
}

static bool write_all(int fd, const char *data, size_t n_bytes)
{
    while (n_bytes) {
        ssize_t n = write(fd, data, n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

/* Makes a rename in this folder survive a power cut; file systems that cannot are left alone. */
static void sync_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

pare_status pare_file_write(const char *path, const void *data, size_t n_bytes,
                            struct pare_error *err)
{
    struct pare_text temporary = {0};
    pare_status st = PARE_OK;
    bool is_good;
    int fd, why;

    pare_text_printf(&temporary, "%s.tmp.%ld", path, (long)getpid());
    fd = open(temporary.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        st = cannot_write(path, errno, err);
        goto done;
    }
    is_good = write_all(fd, data, n_bytes) && fsync(fd) == 0;
    why = errno;
    if (close(fd) != 0 && is_good) {
        is_good = false;
        why = errno;
    }
    if (is_good && rename(temporary.s, path) != 0) {
        is_good = false;
        why = errno;
    }
    if (is_good) {
        sync_folder(path);
    } else {
        unlink(temporary.s);
        st = cannot_write(path, why, err);
    }
done:
    pare_text_clear(&temporary);
    return st;
}

pare_status pare_dir_make(const char *path, struct pare_error *err)
{
    char *copy = pare_xstrdup(path);
    pare_status st = PARE_OK;
    struct stat info;

    for (char *p = copy + 1; copy[0]; p++) {
        bool is_last = *p == '\0';

        if (!is_last && *p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0777) != 0) {
            int why = errno;

            if (stat(copy, &info) != 0 || !S_ISDIR(info.st_mode)) {
                st = pare_fail(err, PARE_EIO, "%s: cannot make the folder: %s", copy,
                               why == EEXIST ? "a file has this name" : strerror(why));
                break;
            }
        }
        if (is_last)
            break;
        *p = '/';
    }
    free(copy);
    return st;
}

bool pare_file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Appends the value of the variable at p ("$NAME" or "${NAME}") and returns what follows it; one
 * that is not set stays as it was written, so that a message about the path shows it. */
static const char *expand_variable(struct pare_text *out, const char *p)
{
    bool has_brace = p[1] == '{';
    const char *name = p + 1 + has_brace, *end = name, *value = NULL;

    while (is_word(*end))
        end++;
    if (end > name && (!has_brace || *end == '}')) {
        char *copy = strndup(name, (size_t)(end - name));

        value = copy ? getenv(copy) : NULL;
        free(copy);
    }
    if (value) {
        pare_text_add(out, value);
        return end + has_brace;
    }
    pare_text_add_n(out, p, 1);
    return p + 1;
}

char *pare_path_expand(const char *path)
{
    struct pare_text out = {0};
    const char *p = path;

    if (p[0] == '~' && (p[1] == '/' || p[1] == '\0')) {
        const char *home = getenv("HOME");

        if (!home || !home[0]) {
            const struct passwd *user = getpwuid(getuid());

            home = user ? user->pw_dir : "~";
        }
        pare_text_add(&out, home);
        p++;
    }
    while (*p) {
        size_t n = strcspn(p, "$");

        pare_text_add_n(&out, p, n);
        p += n;
        if (*p)
            p = expand_variable(&out, p);
    }
    return pare_text_take(&out);
}

char *pare_path_join(const char *dir, const char *name)
{
    struct pare_text out = {0};
    size_t n = strlen(dir);

    pare_text_add(&out, dir);
    if (n && dir[n - 1] != '/')
        pare_text_add(&out, "/");
    pare_text_add(&out, name);
    return pare_text_take(&out);
}
