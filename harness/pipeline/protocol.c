#include "pipeline/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "option/schema.h"

enum { READ_BYTES = 64 << 10 };

/* ---- lines ---- */

void pare_channel_clear(struct pare_channel *channel)
{
    pare_text_clear(&channel->buffer);
    *channel = (struct pare_channel){.fd = -1};
}

static bool send_all(int fd, const char *data, size_t n)
{
    while (n) {
        /* A dead worker is an answer, not a SIGPIPE. */
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        n -= (size_t)sent;
    }
    return true;
}

pare_status pare_channel_send(struct pare_channel *channel, const char *line,
                              struct pare_error *err)
{
    if (send_all(channel->fd, line, strlen(line)) && send_all(channel->fd, "\n", 1))
        return PARE_OK;
    return pare_fail(err, PARE_ECRASH, "the other side is gone: %s", strerror(errno));
}

bool pare_channel_fill(struct pare_channel *channel)
{
    struct pare_text *buffer = &channel->buffer;
    char piece[READ_BYTES];
    ssize_t n;

    if (channel->n_taken) {
        buffer->n -= channel->n_taken;
        memmove(buffer->s, buffer->s + channel->n_taken, buffer->n);
        buffer->s[buffer->n] = '\0';
        channel->n_taken = channel->n_scanned = 0;
    }
    do
        n = read(channel->fd, piece, sizeof piece);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    pare_text_add_n(buffer, piece, (size_t)n);
    return true;
}

char *pare_channel_line(struct pare_channel *channel)
{
    struct pare_text *buffer = &channel->buffer;
    size_t from = channel->n_scanned > channel->n_taken ? channel->n_scanned : channel->n_taken;
    char *end, *line;

    if (!buffer->s || from >= buffer->n)
        return NULL;
    end = memchr(buffer->s + from, '\n', buffer->n - from);
    if (!end) {
        channel->n_scanned = buffer->n;
        return NULL;
    }
    *end = '\0';
    line = buffer->s + channel->n_taken;
    channel->n_taken = channel->n_scanned = (size_t)(end - buffer->s) + 1;
    return line;
}

/* ---- options and tasks ---- */

static bool is_set(const struct pare_option *row, const void *options)
{
    const char *field = (const char *)options + row->offset;

    return row->type != PARE_OPTION_STRING || *(const char *const *)field;
}

void pare_protocol_add_options(struct pare_text *out, const struct pare_option *table,
                               const void *options)
{
    bool is_first = true;

    pare_text_add(out, "{");
    for (const struct pare_option *row = table; row->name; row++) {
        struct pare_text value = {0};

        if (!is_set(row, options))
            continue;
        pare_option_text(row, options, &value);
        pare_text_add(out, is_first ? "" : ", ");
        pare_text_json_string(out, row->name);
        pare_text_add(out, ": ");
        pare_text_json_string(out, value.s ? value.s : "");
        pare_text_clear(&value);
        is_first = false;
    }
    pare_text_add(out, "}");
}

pare_status pare_protocol_read_options(void *options, const struct pare_option *table,
                                       const struct pare_json *json, struct pare_arena *arena,
                                       struct pare_error *err)
{
    for (void *it = pare_json_first(json); it; it = pare_json_next(json, it)) {
        const struct pare_option *row = pare_option_find(table, pare_json_key(it));
        const char *value = pare_json_string(pare_json_value(it));
        pare_status st;

        if (!row || !value)
            return pare_fail(err, PARE_EFORMAT, "option '%s' is not understood", pare_json_key(it));
        st = pare_option_set(row, options, value, arena, err);
        if (st)
            return st;
    }
    return PARE_OK;
}

void pare_protocol_add_task(struct pare_text *out, const struct pare_task *task)
{
    pare_text_printf(out, "{\"joint\": %s, \"members\": [", task->is_joint ? "true" : "false");
    for (int m = 0; m < task->n_members; m++) {
        const struct pare_task_member *member = &task->members[m];

        pare_text_add(out, m ? ", {\"stage\": " : "{\"stage\": ");
        pare_text_json_string(out, member->stage);
        pare_text_add(out, ", \"method\": ");
        pare_text_json_string(out, member->method->name);
        pare_text_add(out, ", \"options\": {");
        for (int i = 0; i < member->n_options; i++) {
            pare_text_add(out, i ? ", " : "");
            pare_text_json_string(out, member->names[i]);
            pare_text_add(out, ": ");
            pare_text_json_string(out, member->values[i]);
        }
        pare_text_add(out, "}}");
    }
    pare_text_add(out, "]}");
}

static pare_status read_member(struct pare_task_member *out, const struct pare_json *json,
                               const struct pare_method *(*find)(void *state, const char *name),
                               void *state, struct pare_arena *arena, struct pare_error *err)
{
    const struct pare_json *options = pare_json_get(json, "options");
    const char *method = pare_json_get_string(json, "method", ""), **names, **values;
    int n = (int)pare_json_n(options), i = 0;

    out->stage = pare_arena_strdup(arena, pare_json_get_string(json, "stage", ""));
    out->method = find(state, method);
    if (!out->method)
        return pare_fail(err, PARE_EINVAL, "this worker has no method '%s'", method);
    names = PARE_ARENA_NEW(arena, const char *, n + 1);
    values = PARE_ARENA_NEW(arena, const char *, n + 1);
    for (void *it = pare_json_first(options); it; it = pare_json_next(options, it), i++) {
        names[i] = pare_arena_strdup(arena, pare_json_key(it));
        values[i] = pare_arena_strdup(arena, pare_json_string(pare_json_value(it)));
        if (!values[i])
            return pare_fail(err, PARE_EFORMAT, "option '%s' is not a text", names[i]);
    }
    out->n_options = n;
    out->names = names;
    out->values = values;
    return PARE_OK;
}

pare_status pare_protocol_read_task(struct pare_task *out, const struct pare_json *json,
                                    const struct pare_method *(*find)(void *state,
                                                                      const char *name),
                                    void *state, struct pare_arena *arena, struct pare_error *err)
{
    const struct pare_json *list = pare_json_get(json, "members");
    int n = (int)pare_json_n(list);
    struct pare_task_member *members = PARE_ARENA_NEW(arena, struct pare_task_member, n + 1);

    if (n < 1)
        return pare_fail(err, PARE_EFORMAT, "a task without members");
    for (int m = 0; m < n; m++) {
        pare_status st = read_member(&members[m], pare_json_at(list, m), find, state, arena, err);

        if (st)
            return st;
    }
    *out = (struct pare_task){n, members, pare_json_get_bool(json, "joint", false)};
    return PARE_OK;
}

/* ---- numbers ---- */

void pare_protocol_add_bytes(struct pare_text *out, const uint8_t *bytes, int64_t n)
{
    static const char digits[] = "0123456789abcdef";

    pare_text_add(out, "\"");
    for (int64_t i = 0; i < n; i++) {
        const char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};

        pare_text_add_n(out, pair, 2);
    }
    pare_text_add(out, "\"");
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint8_t *pare_protocol_read_bytes(const struct pare_json *json, int64_t n)
{
    const char *text = pare_json_string(json);
    uint8_t *bytes;

    if (!text || n < 1 || strlen(text) != 2 * (size_t)n)
        return NULL;
    bytes = pare_xcalloc((size_t)n, 1);
    for (int64_t i = 0; i < n; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            free(bytes);
            return NULL;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return bytes;
}

void pare_protocol_add_u64(struct pare_text *out, uint64_t value)
{
    pare_text_printf(out, "\"%016llx\"", (unsigned long long)value);
}

bool pare_protocol_read_u64(const struct pare_json *json, uint64_t *out)
{
    const char *text = pare_json_string(json);
    char *end;

    if (!text || !*text)
        return false;
    *out = strtoull(text, &end, 16);
    return *end == '\0';
}

pare_status pare_protocol_read_status(const char *word)
{
    for (int s = PARE_OK; s <= PARE_ECRASH; s++)
        if (strcmp(word, pare_status_name((pare_status)s)) == 0)
            return (pare_status)s;
    return PARE_ECRASH;
}
