/* A YAML document as a tree that remembers where every node stood. */
#ifndef PARE_OPTION_YAML_H
#define PARE_OPTION_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include <pare/status.h>

enum pare_yaml_kind { PARE_YAML_NULL, PARE_YAML_SCALAR, PARE_YAML_LIST, PARE_YAML_MAP };

struct pare_yaml {
    enum pare_yaml_kind kind;
    int line, column; /* 1-based */
    bool is_quoted;   /* "1" is text */
    const char *text; /* of a scalar */
    int n;            /* items of a list, pairs of a map */
    struct pare_yaml **items;
    struct pare_yaml **keys; /* of a map; scalars */
};
struct pare_yaml_doc; /* owns the tree */

/* One document of at most 1 MiB and depth 64; anchors and aliases are refused, duplicate keys too:
 * the message says line and column. */
pare_status pare_yaml_parse(struct pare_yaml_doc **out, const char *text, size_t n_bytes,
                            const char *path, struct pare_error *err);
pare_status pare_yaml_load(struct pare_yaml_doc **out, const char *path, struct pare_error *err);
void pare_yaml_free(struct pare_yaml_doc *doc);
const struct pare_yaml *pare_yaml_root(const struct pare_yaml_doc *doc);
const char *pare_yaml_path(const struct pare_yaml_doc *doc);
const struct pare_yaml *pare_yaml_get(const struct pare_yaml *map, const char *key); /* or NULL */
bool pare_yaml_to_f64(const struct pare_yaml *node,
                      double *out); /* also 1e-3, .5; not "1" quoted */
bool pare_yaml_to_i64(const struct pare_yaml *node, int64_t *out); /* 3, 3.0; not 3.5 */
bool pare_yaml_to_bool(const struct pare_yaml *node, bool *out);   /* true false yes no on off */

/* All mistakes of a file, gathered, so that one `check` reports every one. */
struct pare_problems {
    int n, capacity;
    struct pare_problem {
        int line, column;
        char *text;
    } * items;
};
void pare_problem_add(struct pare_problems *problems, const struct pare_yaml *where,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));
void pare_problems_clear(struct pare_problems *problems);
/* Sorted by place, without repetition: "path:line:column: text\n" each; malloc'ed. */
char *pare_problems_text(struct pare_problems *problems, const char *path);
#endif
