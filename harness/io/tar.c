#include "io/tar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"

#define BLOCK      512
#define MAX_MEMBER ((int64_t)1 << 30)
#define MAX_NAMES  64

/* Octal digits, filled with blanks or NULs; -1 when anything else stands there. */
static int64_t octal(const unsigned char *field, int n)
{
    int64_t value = 0;
    int i = 0;

    while (i < n && field[i] == ' ')
        i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++)
        value = value * 8 + (field[i] - '0');
    for (; i < n; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return -1;
    return value;
}

/* The sum of the header's bytes, its own field counted as blanks. */
static bool checksum_is_right(const unsigned char *header)
{
    int64_t sum = 0;

    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    return octal(header + 148, 8) == sum;
}

static bool is_zero(const unsigned char *block)
{
    for (int i = 0; i < BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

static pare_status read_exactly(gzFile in, void *out, int64_t n, struct pare_error *err)
{
    char *p = out;

    while (n > 0) {
        int got = gzread(in, p, n > BLOCK * 2048 ? BLOCK * 2048 : (unsigned)n);
        int code;

        if (got <= 0) {
            const char *text = gzerror(in, &code);

            if (code == Z_OK || code == Z_BUF_ERROR)
                return pare_fail(err, PARE_EFORMAT, "the archive ends early: it is truncated");
            return pare_fail(err, PARE_EFORMAT, "the archive is damaged: %s", text);
        }
        p += got;
        n -= got;
    }
    return PARE_OK;
}

static int find_name(const char *const *names, const unsigned char *header)
{
    char path[101];
    const char *slash;

    memcpy(path, header, 100);
    path[100] = '\0';
    slash = strrchr(path, '/');
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], slash ? slash + 1 : path) == 0)
            return i;
    return -1;
}

static pare_status take_member(gzFile in, int64_t n_bytes, const char *dir, const char *name,
                               struct pare_error *err)
{
    int64_t padded = (n_bytes + BLOCK - 1) / BLOCK * BLOCK;
    char *content = malloc(padded ? (size_t)padded : 1);
    char *path = pare_path_join(dir, name);
    pare_status st;

    if (!content)
        st = pare_fail(err, PARE_ENOMEM, "no memory for '%s'", name);
    else
        st = read_exactly(in, content, padded, err);
    if (!st)
        st = pare_file_write(path, content, (size_t)n_bytes, err);
    free(content);
    free(path);
    return st;
}

static pare_status skip_member(gzFile in, int64_t n_bytes, struct pare_error *err)
{
    char block[BLOCK];
    pare_status st = PARE_OK;

    for (int64_t done = 0; !st && done < n_bytes; done += BLOCK)
        st = read_exactly(in, block, BLOCK, err);
    return st;
}

static pare_status extract(gzFile in, const char *dir, const char *const *names, bool *found,
                           struct pare_error *err)
{
    unsigned char header[BLOCK];
    pare_status st;

    for (;;) {
        int64_t n_bytes;
        int which;

        st = read_exactly(in, header, BLOCK, err);
        if (st || is_zero(header))
            return st;
        n_bytes = octal(header + 124, 12);
        if (!checksum_is_right(header) || n_bytes < 0 || n_bytes > MAX_MEMBER)
            return pare_fail(err, PARE_EFORMAT, "a member's header is damaged: not a tar archive?");
        which = header[156] == '0' || header[156] == '\0' ? find_name(names, header) : -1;
        if (which >= 0) {
            st = take_member(in, n_bytes, dir, names[which], err);
            found[which] = true;
        } else {
            st = skip_member(in, n_bytes, err);
        }
        if (st)
            return st;
    }
}

pare_status pare_tar_extract(const char *archive, const char *dir, const char *const *names,
                             struct pare_error *err)
{
    bool found[MAX_NAMES] = {0};
    gzFile in = gzopen(archive, "rb");
    pare_status st;

    if (!in)
        return pare_fail(err, PARE_EIO, "%s: cannot open: %s", archive, strerror(errno));
    st = extract(in, dir, names, found, err);
    gzclose(in);
    for (int i = 0; !st && names[i] && i < MAX_NAMES; i++)
        if (!found[i])
            st = pare_fail(err, PARE_EFORMAT, "'%s' is not in the archive", names[i]);
    if (st)
        pare_error_prefix(err, "%s", archive);
    return st;
}
