#include "option/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yaml.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"

#define MAX_BYTES ((size_t)1 << 20)
#define MAX_DEPTH 64

struct pare_yaml_doc {
    struct pare_arena *arena;
    const char *path;
    struct pare_yaml *root;
};

struct reader {
    yaml_parser_t parser;
    struct pare_arena *arena;
    const char *path, *text;
    size_t n_bytes;
    struct pare_error *err;
};

static pare_status fail_at(struct reader *r, yaml_mark_t mark, const char *what)
{
    return pare_fail(r->err, PARE_EFORMAT, "%s:%zu:%zu: %s", r->path, mark.line + 1,
                     mark.column + 1, what);
}

/* Line and column of a byte: the decoder's errors know no other place. */
static yaml_mark_t mark_of_offset(const struct reader *r, size_t offset)
{
    yaml_mark_t mark = {.index = offset};

    for (size_t i = 0; i < offset && i < r->n_bytes; i++) {
        if (r->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else {
            mark.column++;
        }
    }
    return mark;
}

/* The parser's own message, with what most often lies behind it. */
static pare_status syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    yaml_mark_t mark = p->problem_mark;
    const char *problem = p->problem ? p->problem : "cannot be read", *hint = "";
    size_t at;
    char what[256];

    if (p->error == YAML_MEMORY_ERROR)
        return pare_fail(r->err, PARE_ENOMEM, "%s: no memory to read it", r->path);
    if (p->error == YAML_READER_ERROR)
        mark = mark_of_offset(r, p->problem_offset);
    at = 0;
    for (size_t line = 0; line < mark.line && at < r->n_bytes; at++)
        line += r->text[at] == '\n';
    at += mark.column;
    if (at < r->n_bytes && r->text[at] == '\t')
        hint = " (a tab: indent with spaces)";
    else if (strstr(problem, "mapping values are not allowed"))
        hint = " (a text with ': ' in it needs quotes; or the indentation is off)";
    else if (at < r->n_bytes && (r->text[at] == '%' || r->text[at] == '@' || r->text[at] == '`'))
        hint = " (a text that begins so needs quotes)";
    snprintf(what, sizeof what, "%s%s%s%s", p->context ? p->context : "", p->context ? ", " : "",
             problem, hint);
    return fail_at(r, mark, what);
}

static pare_status next_event(struct reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? PARE_OK : syntax_error(r);
}

static struct pare_yaml *node_new(struct reader *r, enum pare_yaml_kind kind, yaml_mark_t mark)
{
    struct pare_yaml *node = PARE_ARENA_NEW(r->arena, struct pare_yaml, 1);

    node->kind = kind;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    return node;
}

static bool is_null_text(const char *text)
{
    return !text[0] || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
           strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static pare_status read_scalar(struct reader *r, const yaml_event_t *event, struct pare_yaml **out)
{
    const char *text = (const char *)event->data.scalar.value;
    bool is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    struct pare_yaml *node;

    if (event->data.scalar.anchor)
        return fail_at(r, event->start_mark, "anchors (&name) are not supported: write it out");
    if (event->data.scalar.tag)
        return fail_at(r, event->start_mark, "tags (!name) are not supported");
    if (strlen(text) != event->data.scalar.length)
        return fail_at(r, event->start_mark, "a text must not hold the character NUL");
    node = node_new(r, !is_quoted && is_null_text(text) ? PARE_YAML_NULL : PARE_YAML_SCALAR,
                    event->start_mark);
    node->is_quoted = is_quoted;
    node->text = pare_arena_strdup(r->arena, text);
    *out = node;
    return PARE_OK;
}

/* A growing array of nodes while a collection is read. */
struct nodes {
    struct pare_yaml **items;
    int n, capacity;
};

static void nodes_add(struct nodes *nodes, struct pare_yaml *node)
{
    if (nodes->n == nodes->capacity) {
        nodes->capacity = nodes->capacity ? 2 * nodes->capacity : 8;
        nodes->items = pare_xrealloc(nodes->items, (size_t)nodes->capacity * sizeof *nodes->items);
    }
    nodes->items[nodes->n++] = node;
}

static struct pare_yaml **nodes_keep(struct nodes *nodes, struct pare_arena *arena)
{
    struct pare_yaml **items = PARE_ARENA_NEW(arena, struct pare_yaml *, nodes->n);

    if (nodes->n)
        memcpy(items, nodes->items, (size_t)nodes->n * sizeof *items);
    return items;
}

static int by_text_then_place(const void *a, const void *b)
{
    const struct pare_yaml *x = *(struct pare_yaml *const *)a, *y = *(struct pare_yaml *const *)b;
    int order = strcmp(x->text, y->text);

    if (order)
        return order;
    return x->line != y->line ? (x->line < y->line ? -1 : 1) : x->column - y->column;
}

/* The first key in the file that says again what an earlier one said is the fault. */
static pare_status refuse_duplicates(struct reader *r, const struct nodes *keys)
{
    struct pare_yaml **sorted, *first = NULL, *again = NULL;

    if (keys->n < 2)
        return PARE_OK;
    sorted = pare_xcalloc((size_t)keys->n, sizeof *sorted);
    memcpy(sorted, keys->items, (size_t)keys->n * sizeof *sorted);
    qsort(sorted, (size_t)keys->n, sizeof *sorted, by_text_then_place);
    for (int i = 1; i < keys->n; i++) {
        struct pare_yaml *key = sorted[i];

        if (strcmp(key->text, sorted[i - 1]->text) != 0)
            continue;
        if (!again || key->line < again->line ||
            (key->line == again->line && key->column < again->column)) {
            again = key;
            first = sorted[i - 1];
        }
    }
    free(sorted);
    if (!again)
        return PARE_OK;
    return pare_fail(r->err, PARE_EFORMAT,
                     "%s:%d:%d: '%.100s' is given twice (first in line %d): remove one", r->path,
                     again->line, again->column, again->text, first->line);
}

static pare_status read_node(struct reader *r, yaml_event_t *event, int depth,
                             struct pare_yaml **out);

static pare_status read_list(struct reader *r, struct pare_yaml *list, int depth)
{
    struct nodes items = {0};
    struct pare_yaml *item;
    yaml_event_t event;
    pare_status st;

    for (;;) {
        st = next_event(r, &event);
        if (st)
            break;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        st = read_node(r, &event, depth, &item);
        if (st)
            break;
        nodes_add(&items, item);
    }
    if (!st) {
        list->n = items.n;
        list->items = nodes_keep(&items, r->arena);
    }
    free(items.items);
    return st;
}

static pare_status read_map(struct reader *r, struct pare_yaml *map, int depth)
{
    struct nodes keys = {0}, values = {0};
    struct pare_yaml *key, *value;
    yaml_event_t event;
    pare_status st;

    for (;;) {
        st = next_event(r, &event);
        if (st)
            break;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            st = refuse_duplicates(r, &keys);
            break;
        }
        if (event.type != YAML_SCALAR_EVENT && event.type != YAML_ALIAS_EVENT) {
            st = fail_at(r, event.start_mark, "a key must be a plain word, not a list or a map");
            yaml_event_delete(&event);
            break;
        }
        st = read_node(r, &event, depth, &key);
        if (st)
            break;
        st = next_event(r, &event);
        if (st)
            break;
        st = read_node(r, &event, depth, &value);
        if (st)
            break;
        nodes_add(&keys, key);
        nodes_add(&values, value);
    }
    if (!st) {
        map->n = keys.n;
        map->keys = nodes_keep(&keys, r->arena);
        map->items = nodes_keep(&values, r->arena);
    }
    free(keys.items);
    free(values.items);
    return st;
}

/* Reads the node that begins with this event; deletes the event. */
static pare_status read_node(struct reader *r, yaml_event_t *event, int depth,
                             struct pare_yaml **out)
{
    yaml_mark_t mark = event->start_mark;
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    pare_status st = PARE_OK;

    if (event->type == YAML_SCALAR_EVENT) {
        st = read_scalar(r, event, out);
        yaml_event_delete(event);
        return st;
    }
    if (event->type == YAML_ALIAS_EVENT)
        st = fail_at(r, mark, "aliases (*name) are not supported: write it out");
    else if (is_map)
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
    else
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
    if (anchor)
        st = fail_at(r, mark, "anchors (&name) are not supported: write it out");
    else if (tag)
        st = fail_at(r, mark, "tags (!name) are not supported");
    else if (!st && depth >= MAX_DEPTH)
        st = fail_at(r, mark, "is nested more than 64 levels deep");
    yaml_event_delete(event);
    if (st)
        return st;
    *out = node_new(r, is_map ? PARE_YAML_MAP : PARE_YAML_LIST, mark);
    return is_map ? read_map(r, *out, depth + 1) : read_list(r, *out, depth + 1);
}

/* stream start, document start, the root, document end, stream end. */
static pare_status read_document(struct reader *r, struct pare_yaml **root)
{
    yaml_event_t event;
    pare_status st;

    st = next_event(r, &event);
    if (st)
        return st;
    yaml_event_delete(&event);
    st = next_event(r, &event);
    if (st)
        return st;
    if (event.type == YAML_STREAM_END_EVENT) {
        yaml_event_delete(&event);
        return pare_fail(r->err, PARE_EFORMAT, "%s: is empty", r->path);
    }
    yaml_event_delete(&event);
    st = next_event(r, &event);
    if (st)
        return st;
    st = read_node(r, &event, 0, root);
    if (st)
        return st;
    st = next_event(r, &event);
    if (st)
        return st;
    yaml_event_delete(&event);
    st = next_event(r, &event);
    if (st)
        return st;
    if (event.type != YAML_STREAM_END_EVENT)
        st = fail_at(r, event.start_mark, "a second document begins here; one file holds one");
    yaml_event_delete(&event);
    return st;
}

pare_status pare_yaml_parse(struct pare_yaml_doc **out, const char *text, size_t n_bytes,
                            const char *path, struct pare_error *err)
{
    struct reader r = {.path = path, .text = text, .n_bytes = n_bytes, .err = err};
    struct pare_yaml_doc *doc;
    struct pare_yaml *root = NULL;
    pare_status st;

    if (n_bytes > MAX_BYTES)
        return pare_fail(err, PARE_EFORMAT, "%s: has %zu bytes; at most 1 MiB is allowed", path,
                         n_bytes);
    if (!yaml_parser_initialize(&r.parser))
        return pare_fail(err, PARE_ENOMEM, "%s: no memory to read it", path);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n_bytes);
    r.arena = pare_arena_new();
    st = read_document(&r, &root);
    yaml_parser_delete(&r.parser);
    if (st) {
        pare_arena_free(r.arena);
        return st;
    }
    doc = PARE_ARENA_NEW(r.arena, struct pare_yaml_doc, 1);
    doc->arena = r.arena;
    doc->path = pare_arena_strdup(r.arena, path);
    doc->root = root;
    *out = doc;
    return PARE_OK;
}

pare_status pare_yaml_load(struct pare_yaml_doc **out, const char *path, struct pare_error *err)
{
    char *text;
    size_t n_bytes;
    pare_status st = pare_file_read(&text, &n_bytes, path, MAX_BYTES, err);

    if (st)
        return st;
    st = pare_yaml_parse(out, text, n_bytes, path, err);
    free(text);
    return st;
}

void pare_yaml_free(struct pare_yaml_doc *doc)
{
    if (doc)
        pare_arena_free(doc->arena);
}

const struct pare_yaml *pare_yaml_root(const struct pare_yaml_doc *doc)
{
    return doc->root;
}

const char *pare_yaml_path(const struct pare_yaml_doc *doc)
{
    return doc->path;
}

const struct pare_yaml *pare_yaml_get(const struct pare_yaml *map, const char *key)
{
    if (!map || map->kind != PARE_YAML_MAP)
        return NULL;
    for (int i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

bool pare_yaml_to_f64(const struct pare_yaml *node, double *out)
{
    double value;
    char *end;

    if (!node || node->kind != PARE_YAML_SCALAR || node->is_quoted)
        return false;
    /* strtod would also take "inf", "nan" and hexadecimal. */
    if (strspn(node->text, "0123456789+-.eE") != strlen(node->text))
        return false;
    value = strtod(node->text, &end);
    if (end == node->text || *end || !isfinite(value))
        return false;
    *out = value;
    return true;
}

bool pare_yaml_to_i64(const struct pare_yaml *node, int64_t *out)
{
    double value;
    long long exact;
    char *end;

    if (!pare_yaml_to_f64(node, &value))
        return false;
    errno = 0;
    exact = strtoll(node->text, &end, 10);
    if (*end == '\0') {
        if (errno == ERANGE)
            return false;
        *out = exact;
        return true;
    }
    if (value != floor(value) || fabs(value) > 0x1p53)
        return false;
    *out = (int64_t)value;
    return true;
}

bool pare_yaml_to_bool(const struct pare_yaml *node, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    if (!node || node->kind != PARE_YAML_SCALAR || node->is_quoted)
        return false;
    for (int i = 0; i < 6; i++)
        if (strcasecmp(node->text, words[i]) == 0) {
            *out = i & 1;
            return true;
        }
    return false;
}

void pare_problem_add(struct pare_problems *problems, const struct pare_yaml *where,
                      const char *format, ...)
{
    struct pare_problem *problem;
    va_list args;

    if (problems->n == problems->capacity) {
        problems->capacity = problems->capacity ? 2 * problems->capacity : 8;
        problems->items =
            pare_xrealloc(problems->items, (size_t)problems->capacity * sizeof *problems->items);
    }
    problem = &problems->items[problems->n++];
    *problem = (struct pare_problem){0};
    if (where) {
        problem->line = where->line;
        problem->column = where->column;
    }
    va_start(args, format);
    if (vasprintf(&problem->text, format, args) < 0)
        problem->text = pare_xstrdup(format);
    va_end(args);
}

void pare_problems_clear(struct pare_problems *problems)
{
    for (int i = 0; i < problems->n; i++)
        free(problems->items[i].text);
    free(problems->items);
    *problems = (struct pare_problems){0};
}

static int by_place(const void *a, const void *b)
{
    const struct pare_problem *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->text, y->text);
}

char *pare_problems_text(struct pare_problems *problems, const char *path)
{
    struct pare_text out = {0};

    if (problems->n)
        qsort(problems->items, (size_t)problems->n, sizeof *problems->items, by_place);
    for (int i = 0; i < problems->n; i++) {
        const struct pare_problem *p = &problems->items[i];

        if (i && by_place(p, p - 1) == 0)
            continue;
        if (p->line)
            pare_text_printf(&out, "%s:%d:%d: %s\n", path, p->line, p->column, p->text);
        else
            pare_text_printf(&out, "%s: %s\n", path, p->text);
    }
    return pare_text_take(&out);
}
