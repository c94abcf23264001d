/* Constraints: characters to a tree, by recursive descent. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "space/constraint_tree.h"

/* Evaluation walks the tree by recursion: its depth is bounded by these. */
enum { MAX_DEPTH = 100, MAX_LENGTH = 2000 };

struct parser {
    struct pare_constraint *c;
    struct pare_problems *problems;
    const char *s;
    int at, depth;
    bool failed;
};

/* ---- Characters to nodes ---- */

#define PROBLEM(P, OFFSET, ...)                                                \
    do {                                                                       \
        if (!(P)->failed) {                                                    \
            struct pare_yaml place_ = pare_constraint_place((P)->c, (OFFSET)); \
            pare_problem_add((P)->problems, &place_, __VA_ARGS__);             \
        }                                                                      \
        (P)->failed = true;                                                    \
    } while (0)

static struct node *node_new(struct parser *p, enum kind kind, int offset, struct node *a,
                             struct node *b)
{
    struct node *node = PARE_ARENA_NEW(p->c->arena, struct node, 1);

    node->kind = kind;
    node->offset = offset;
    node->a = a;
    node->b = b;
    return node;
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)p->s[p->at]))
        p->at++;
}

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static int name_length(const char *s)
{
    int n = 0;

    while (isalnum((unsigned char)s[n]) || (s[n] && strchr("_.@:-", s[n])))
        n++;
    while (n > 0 && strchr(".:-", s[n - 1]))
        n--;
    return n;
}

static bool take_text(struct parser *p, const char *text)
{
    size_t n = strlen(text);

    skip_space(p);
    if (strncmp(p->s + p->at, text, n) != 0)
        return false;
    p->at += (int)n;
    return true;
}

/* A word of the grammar: "and" but not the beginning of "android". */
static bool take_word(struct parser *p, const char *word)
{
    skip_space(p);
    if (name_length(p->s + p->at) != (int)strlen(word))
        return false;
    return take_text(p, word);
}

static bool is_grammar_word(const char *s, int n)
{
    return (n == 3 && (strncmp(s, "and", 3) == 0 || strncmp(s, "not", 3) == 0)) ||
           (n == 2 && strncmp(s, "or", 2) == 0);
}

static struct node *parse_number(struct parser *p)
{
    struct node *node = node_new(p, NUMBER, p->at, NULL, NULL);
    int n = pare_number_length(p->s + p->at), m;

    node->number = strtod(p->s + p->at, NULL);
    p->at += n;
    skip_space(p);
    m = pare_suffix_length(p->s + p->at);
    if (m == 0 || is_grammar_word(p->s + p->at, m))
        return node;
    node->unit = pare_unit_find(p->s + p->at, m);
    if (!node->unit)
        PROBLEM(p, p->at, "'%.*s' is no unit; known are %s", m, p->s + p->at, PARE_UNIT_LIST);
    else
        node->number *= node->unit->factor;
    p->at += m;
    return node;
}

static void remember_name(struct parser *p, struct node *node)
{
    struct pare_constraint *c = p->c;

    if (c->n_names == c->capacity) {
        struct node **old = c->names;

        c->capacity = c->capacity ? 2 * c->capacity : 8;
        c->names = PARE_ARENA_NEW(c->arena, struct node *, c->capacity);
        if (c->n_names)
            memcpy(c->names, old, (size_t)c->n_names * sizeof *old);
    }
    c->names[c->n_names++] = node;
}

static bool is_metric_name(const char *name)
{
    return !strchr(name, '.') || strncmp(name, "baseline.", 9) == 0 || strchr(name, '@');
}

static struct node *parse_name(struct parser *p)
{
    struct node *node = node_new(p, METRIC, p->at, NULL, NULL);
    int n = name_length(p->s + p->at);

    node->text = pare_arena_printf(p->c->arena, "%.*s", n, p->s + p->at);
    node->kind = is_metric_name(node->text) ? METRIC : OPTION;
    p->at += n;
    remember_name(p, node);
    return node;
}

static struct node *parse_quoted(struct parser *p, char quote)
{
    struct node *node = node_new(p, WORD, p->at, NULL, NULL);
    const char *start = p->s + p->at + 1, *end = strchr(start, quote);

    if (!end) {
        PROBLEM(p, p->at, "a closing %c is missing", quote);
        return node;
    }
    node->text = pare_arena_printf(p->c->arena, "%.*s", (int)(end - start), start);
    p->at += (int)(end - start) + 2;
    return node;
}

/* ---- The grammar ---- */

static struct node *parse_or(struct parser *p);

static struct node *parse_primary(struct parser *p)
{
    char c;

    skip_space(p);
    c = p->s[p->at];
    if (c == '(') {
        int open = p->at;
        struct node *node;

        p->at++;
        node = parse_or(p);
        if (!take_text(p, ")"))
            PROBLEM(p, p->at, "')' is missing, for the '(' at column %d",
                    pare_constraint_place(p->c, open).column);
        return node;
    }
    if (c == '\'' || c == '"')
        return parse_quoted(p, c);
    if (pare_number_length(p->s + p->at) > 0)
        return parse_number(p);
    if (is_name_start(c) && !is_grammar_word(p->s + p->at, name_length(p->s + p->at)))
        return parse_name(p);
    if (!c)
        PROBLEM(p, p->at, "the expression ends here, but a number or a name must follow");
    else
        PROBLEM(p, p->at, "a number or a name must stand here, not '%.*s'",
                is_name_start(c) ? name_length(p->s + p->at) : 1, p->s + p->at);
    return node_new(p, NUMBER, p->at, NULL, NULL);
}

static struct node *parse_unary(struct parser *p)
{
    struct node *node;

    skip_space(p);
    if (p->s[p->at] != '-')
        return parse_primary(p);
    if (++p->depth > MAX_DEPTH) {
        PROBLEM(p, p->at, "nested more than %d deep", MAX_DEPTH);
        return node_new(p, NUMBER, p->at, NULL, NULL);
    }
    node = node_new(p, MINUS, p->at, NULL, NULL);
    p->at++;
    node->a = parse_unary(p);
    p->depth--;
    return node;
}

static struct node *parse_product(struct parser *p)
{
    struct node *a = parse_unary(p);

    for (;;) {
        int offset;

        skip_space(p);
        offset = p->at;
        if (take_text(p, "*"))
            a = node_new(p, MUL, offset, a, parse_unary(p));
        else if (take_text(p, "/"))
            a = node_new(p, DIV, offset, a, parse_unary(p));
        else
            return a;
        if (p->failed)
            return a;
    }
}

static struct node *parse_sum(struct parser *p)
{
    struct node *a = parse_product(p);

    for (;;) {
        int offset;

        skip_space(p);
        offset = p->at;
        if (take_text(p, "+"))
            a = node_new(p, ADD, offset, a, parse_product(p));
        else if (take_text(p, "-"))
            a = node_new(p, SUB, offset, a, parse_product(p));
        else
            return a;
        if (p->failed)
            return a;
    }
}

static bool take_relation(struct parser *p, enum kind *kind)
{
    static const struct {
        const char *text;
        enum kind kind;
    } relations[] = {{"<=", LE}, {"<", LT}, {">=", GE}, {">", GT}, {"==", EQ}, {"!=", NE}};

    skip_space(p);
    for (size_t i = 0; i < sizeof relations / sizeof relations[0]; i++)
        if (take_text(p, relations[i].text)) {
            *kind = relations[i].kind;
            return true;
        }
    if (p->s[p->at] == '=')
        PROBLEM(p, p->at, "'=' is no comparison; write '=='");
    return false;
}

static void make_word(struct parser *p, struct node *node)
{
    struct pare_constraint *c = p->c;

    for (int i = 0; i < c->n_names; i++)
        if (c->names[i] == node) {
            memmove(c->names + i, c->names + i + 1,
                    (size_t)(c->n_names - i - 1) * sizeof c->names[0]);
            c->n_names--;
            break;
        }
    node->kind = WORD;
}

static bool names_a_method(const struct node *node)
{
    size_t n = node->kind == OPTION ? strlen(node->text) : 0;

    return n > 7 && strcmp(node->text + n - 7, ".method") == 0;
}

/* "quant.scheme == W4A8": which names are words? */
static void find_words(struct parser *p, struct node *a, struct node *b)
{
    for (int side = 0; side < 2; side++) {
        struct node *option = side ? b : a, *other = side ? a : b;

        if (option->kind != OPTION)
            continue;
        if (other->kind == METRIC && !strpbrk(other->text, ".@"))
            make_word(p, other);
        else if (other->kind == OPTION && names_a_method(option) && !names_a_method(other))
            make_word(p, other);
    }
}

static struct node *parse_comparison(struct parser *p)
{
    struct node *a = parse_sum(p), *b;
    enum kind kind, again;
    int offset, next;

    skip_space(p);
    offset = p->at;
    if (p->failed || !take_relation(p, &kind))
        return a;
    b = parse_sum(p);
    if (kind == EQ || kind == NE)
        find_words(p, a, b);
    skip_space(p);
    next = p->at;
    if (!p->failed && take_relation(p, &again))
        PROBLEM(p, next, "comparisons do not chain; write 'a <= b and b <= c'");
    return node_new(p, kind, offset, a, b);
}

static struct node *parse_not(struct parser *p)
{
    struct node *node;
    int offset;

    skip_space(p);
    offset = p->at;
    if (++p->depth > MAX_DEPTH) {
        PROBLEM(p, p->at, "nested more than %d deep", MAX_DEPTH);
        return node_new(p, NUMBER, p->at, NULL, NULL);
    }
    if (take_word(p, "not"))
        node = node_new(p, NOT, offset, parse_not(p), NULL);
    else
        node = parse_comparison(p);
    p->depth--;
    return node;
}

static struct node *parse_and(struct parser *p)
{
    struct node *a = parse_not(p);
    int offset;

    while (!p->failed && (skip_space(p), offset = p->at, take_word(p, "and")))
        a = node_new(p, AND, offset, a, parse_not(p));
    return a;
}

static struct node *parse_or(struct parser *p)
{
    struct node *a = parse_and(p);
    int offset;

    while (!p->failed && (skip_space(p), offset = p->at, take_word(p, "or")))
        a = node_new(p, OR, offset, a, parse_and(p));
    return a;
}

struct pare_constraint *pare_constraint_parse(const struct pare_yaml *where,
                                              struct pare_problems *problems)
{
    struct pare_constraint *c;
    struct parser p = {.problems = problems};
    const char *nonsense;
    int offset;

    if (where->kind != PARE_YAML_SCALAR || !where->text[0]) {
        pare_problem_add(problems, where,
                         "a constraint is one line such as 'size_bytes <= 96 KiB'");
        return NULL;
    }
    if (strlen(where->text) > MAX_LENGTH) {
        pare_problem_add(problems, where,
                         "longer than %d characters; split it: all constraints must hold",
                         MAX_LENGTH);
        return NULL;
    }
    c = pare_xcalloc(1, sizeof *c);
    c->arena = pare_arena_new();
    c->where = *where;
    c->text = pare_arena_strdup(c->arena, where->text);
    p.c = c;
    p.s = c->text;
    c->root = parse_or(&p);
    skip_space(&p);
    if (!p.failed && p.s[p.at])
        PROBLEM(&p, p.at, "'%s' is left over here; join conditions with and, or", p.s + p.at);
    if (!p.failed) {
        nonsense = pare_constraint_nonsense(c->arena, c->root, &offset);
        if (nonsense)
            PROBLEM(&p, offset, "%s", nonsense);
    }
    if (p.failed) {
        pare_constraint_free(c);
        return NULL;
    }
    return c;
}
