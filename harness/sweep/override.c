/* "search.trials=20": options of the command line, put into the tree before it is checked. */
#include <string.h>

#include "sweep/reader.h"

struct pare_yaml *pare_yaml_copy(struct pare_arena *arena, const struct pare_yaml *node)
{
    struct pare_yaml *copy = PARE_ARENA_NEW(arena, struct pare_yaml, 1);

    *copy = *node;
    copy->text = pare_arena_strdup(arena, node->text);
    copy->items = PARE_ARENA_NEW(arena, struct pare_yaml *, node->n + 1);
    copy->keys = PARE_ARENA_NEW(arena, struct pare_yaml *, node->n + 1);
    for (int i = 0; i < node->n; i++) {
        copy->items[i] = pare_yaml_copy(arena, node->items[i]);
        if (node->kind == PARE_YAML_MAP)
            copy->keys[i] = pare_yaml_copy(arena, node->keys[i]);
    }
    return copy;
}

/* The place of everything below `node` is that of the option it replaces. */
static void set_place(struct pare_yaml *node, const struct pare_yaml *place)
{
    node->line = place->line;
    node->column = place->column;
    for (int i = 0; i < node->n; i++) {
        set_place(node->items[i], place);
        if (node->kind == PARE_YAML_MAP)
            set_place(node->keys[i], place);
    }
}

static struct pare_yaml *scalar(struct pare_arena *arena, const char *text)
{
    struct pare_yaml *node = PARE_ARENA_NEW(arena, struct pare_yaml, 1);

    node->kind = PARE_YAML_SCALAR;
    node->text = pare_arena_strdup(arena, text);
    return node;
}

/* A value is YAML in flow style; what is none (a path with odd characters) is text. */
static struct pare_yaml *parse_value(struct pare_arena *arena, const char *text)
{
    struct pare_yaml_doc *doc = NULL;
    struct pare_error err;
    struct pare_yaml *value;
    bool is_flow = *text == '{' || *text == '[';

    if (pare_yaml_parse(&doc, text, strlen(text), "override", &err))
        return scalar(arena, text);
    value = pare_yaml_copy(arena, pare_yaml_root(doc));
    pare_yaml_free(doc);
    if ((value->kind == PARE_YAML_MAP || value->kind == PARE_YAML_LIST) && !is_flow)
        return scalar(arena, text);
    return value;
}

/* The index of a key, added at the end when it is not there. */
static int key_index(struct pare_yaml *map, struct pare_arena *arena, const char *key)
{
    struct pare_yaml **keys, **items;

    for (int i = 0; i < map->n; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return i;
    keys = PARE_ARENA_NEW(arena, struct pare_yaml *, map->n + 1);
    items = PARE_ARENA_NEW(arena, struct pare_yaml *, map->n + 1);
    if (map->n) {
        memcpy(keys, map->keys, (size_t)map->n * sizeof *keys);
        memcpy(items, map->items, (size_t)map->n * sizeof *items);
    }
    keys[map->n] = scalar(arena, key);
    items[map->n] = PARE_ARENA_NEW(arena, struct pare_yaml, 1); /* null */
    set_place(keys[map->n], map);
    set_place(items[map->n], map);
    map->keys = keys;
    map->items = items;
    return map->n++;
}

pare_status pare_yaml_override(struct pare_yaml *root, struct pare_arena *arena,
                               const char *assignment, struct pare_error *err)
{
    const char *equals = strchr(assignment, '=');
    char *path, *key, *save = NULL;
    struct pare_yaml *map = root;

    if (!equals || equals == assignment)
        return pare_fail(err, PARE_EINVAL,
                         "'%s' is no setting; write SECTION.OPTION=VALUE, as in search.trials=20",
                         assignment);
    path = pare_arena_printf(arena, "%.*s", (int)(equals - assignment), assignment);
    key = strtok_r(path, ".", &save);
    while (key) {
        char *next = strtok_r(NULL, ".", &save);
        int i;

        if (map->kind == PARE_YAML_NULL)
            map->kind = PARE_YAML_MAP;
        if (map->kind != PARE_YAML_MAP)
            return pare_fail(err, PARE_EINVAL, "'%s': '%s' is not inside a section", assignment,
                             key);
        i = key_index(map, arena, key);
        if (!next) {
            struct pare_yaml place = *map->items[i];

            map->items[i] = parse_value(arena, equals + 1);
            set_place(map->items[i], &place);
        }
        map = map->items[i];
        key = next;
    }
    return PARE_OK;
}
