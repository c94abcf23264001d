#include "space/constraint.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

/* Evaluation walks the tree by recursion: its depth is bounded by these. */
enum { MAX_DEPTH = 100, MAX_LENGTH = 2000 };

enum kind {
    NUMBER,
    WORD,
    OPTION,
    METRIC,
    NOT,
    MINUS,
    AND,
    OR,
    LE,
    LT,
    GE,
    GT,
    EQ,
    NE,
    ADD,
    SUB,
    MUL,
    DIV
};

struct node {
    enum kind kind;
    int offset; /* of its first character (operators: of the operator) */
    double number;
    int quantity;     /* index into units: of a number with a suffix, else -1 */
    const char *text; /* of names and words */
    bool is_quoted;
    struct node *a, *b;
};

struct pare_constraint {
    struct pare_arena *arena;
    struct pare_yaml where;
    const char *text;
    struct node *root;
    int n_names, capacity;
    struct node **names; /* options and metrics, in the order of the text */
};

struct parser {
    struct pare_constraint *c;
    struct pare_problems *problems;
    const char *s;
    int at, depth;
    bool failed;
};

static const struct unit {
    const char *suffix;
    double factor;
    const char *of; /* what it measures; NULL: a plain factor */
    const char *name_ending;
} units[] = {
    {"KiB", 1024, "size", "_bytes"},
    {"MiB", 1048576, "size", "_bytes"},
    {"GiB", 1073741824, "size", "_bytes"},
    {"KB", 1e3, "size", "_bytes"},
    {"kB", 1e3, "size", "_bytes"},
    {"MB", 1e6, "size", "_bytes"},
    {"GB", 1e9, "size", "_bytes"},
    {"B", 1, "size", "_bytes"},
    {"ns", 1e-6, "time", "_ms"},
    {"us", 1e-3, "time", "_ms"},
    {"ms", 1, "time", "_ms"},
    {"s", 1e3, "time", "_ms"},
    {"uJ", 1e-3, "energy", "_mj"},
    {"mJ", 1, "energy", "_mj"},
    {"J", 1e3, "energy", "_mj"},
    {"%", 0.01, NULL, NULL},
    {"k", 1e3, NULL, NULL},
    {"M", 1e6, NULL, NULL},
    {"G", 1e9, NULL, NULL},
};
enum { N_UNITS = sizeof units / sizeof units[0] };

/* ---- Characters to nodes ---- */

static struct pare_yaml place_at(const struct pare_constraint *c, int offset)
{
    struct pare_yaml place = c->where;

    /* Exact for a scalar on one line, which is how constraints are written. */
    place.column += offset + (c->where.is_quoted ? 1 : 0);
    return place;
}

#define PROBLEM(P, OFFSET, ...)                                    \
    do {                                                           \
        if (!(P)->failed) {                                        \
            struct pare_yaml place_ = place_at((P)->c, (OFFSET));  \
            pare_problem_add((P)->problems, &place_, __VA_ARGS__); \
        }                                                          \
        (P)->failed = true;                                        \
    } while (0)

static struct node *node_new(struct parser *p, enum kind kind, int offset, struct node *a,
                             struct node *b)
{
    struct node *node = PARE_ARENA_NEW(p->c->arena, struct node, 1);

    node->kind = kind;
    node->offset = offset;
    node->quantity = -1;
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

static int unit_find(const char *s, int n)
{
    for (int i = 0; i < N_UNITS; i++)
        if ((int)strlen(units[i].suffix) == n && strncmp(units[i].suffix, s, (size_t)n) == 0)
            return i;
    return -1;
}

static int suffix_length(const char *s)
{
    int n = 0;

    if (*s == '%')
        return 1;
    while (isalnum((unsigned char)s[n]) || s[n] == '_')
        n++;
    return n;
}

static bool is_grammar_word(const char *s, int n)
{
    return (n == 3 && (strncmp(s, "and", 3) == 0 || strncmp(s, "not", 3) == 0)) ||
           (n == 2 && strncmp(s, "or", 2) == 0);
}

/* strtod also knows hexadecimal, inf and nan: here a number is decimal. */
static int number_length(const char *s)
{
    int n = 0, digits = 0;

    for (; isdigit((unsigned char)s[n]); n++)
        digits++;
    if (s[n] == '.')
        for (n++; isdigit((unsigned char)s[n]); n++)
            digits++;
    if (!digits)
        return 0;
    if (s[n] == 'e' || s[n] == 'E') {
        int e = n + 1;

        if (s[e] == '+' || s[e] == '-')
            e++;
        if (isdigit((unsigned char)s[e])) {
            while (isdigit((unsigned char)s[e]))
                e++;
            n = e;
        }
    }
    return n;
}

static struct node *parse_number(struct parser *p)
{
    struct node *node = node_new(p, NUMBER, p->at, NULL, NULL);
    int n = number_length(p->s + p->at), m;

    node->number = strtod(p->s + p->at, NULL);
    p->at += n;
    skip_space(p);
    m = suffix_length(p->s + p->at);
    if (m == 0 || is_grammar_word(p->s + p->at, m))
        return node;
    node->quantity = unit_find(p->s + p->at, m);
    if (node->quantity < 0)
        PROBLEM(p, p->at,
                "'%.*s' is no unit; known are B, KiB, MiB, GiB, KB, MB, GB, ns, us, ms, s, "
                "uJ, mJ, J, %%, k, M, G",
                m, p->s + p->at);
    else
        node->number *= units[node->quantity].factor;
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
    node->is_quoted = true;
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
                    place_at(p->c, open).column);
        return node;
    }
    if (c == '\'' || c == '"')
        return parse_quoted(p, c);
    if (number_length(p->s + p->at) > 0)
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

/* ---- Does it make sense? ---- */

static bool is_truth(const struct node *node)
{
    return node->kind == NOT || (node->kind >= AND && node->kind <= NE);
}

static const char *kind_words(const struct node *node)
{
    switch (node->kind) {
    case NUMBER: return "a number";
    case WORD: return "a word";
    case METRIC: return "a metric";
    case OPTION: return "an option";
    default: return is_truth(node) ? "a condition" : "a number";
    }
}

static void want_number(struct parser *p, const struct node *node)
{
    if (node->kind == WORD)
        PROBLEM(p, node->offset,
                "'%s' is a word: it can only be compared with == or !=", node->text);
    else if (is_truth(node))
        PROBLEM(p, node->offset, "a condition cannot be calculated with; a number must stand here");
}

static void want_truth(struct parser *p, const struct node *node)
{
    if (!is_truth(node) && node->kind != OPTION)
        PROBLEM(p, node->offset,
                "a condition is needed here, such as 'size_bytes <= 96 KiB', not %s",
                kind_words(node));
}

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);

    return n >= m && strcmp(text + n - m, ending) == 0;
}

/* "size_bytes <= 5 ms" */
static void check_units(struct parser *p, const struct node *metric, const struct node *number)
{
    const struct unit *unit;
    char name[64];

    if (metric->kind != METRIC || number->kind != NUMBER || number->quantity < 0)
        return;
    unit = &units[number->quantity];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(metric->text, "@"), metric->text);
    if (unit->of && !ends_with(name, unit->name_ending))
        PROBLEM(p, number->offset, "'%s' is a unit of %s, and %s is none", unit->suffix, unit->of,
                metric->text);
}

static void check_sense(struct parser *p, const struct node *node)
{
    if (node->a)
        check_sense(p, node->a);
    if (node->b)
        check_sense(p, node->b);
    switch (node->kind) {
    case NOT: want_truth(p, node->a); break;
    case AND:
    case OR:
        want_truth(p, node->a);
        want_truth(p, node->b);
        break;
    case EQ:
    case NE:
        if (is_truth(node->a) || is_truth(node->b))
            PROBLEM(p, node->offset, "conditions cannot be compared; use and, or, not");
        if ((node->a->kind == WORD && node->b->kind != OPTION) ||
            (node->b->kind == WORD && node->a->kind != OPTION))
            PROBLEM(p, node->offset,
                    "a word can only be compared with an option, as in "
                    "'quant.scheme == W8A8'");
        break;
    case MINUS: want_number(p, node->a); break;
    case NUMBER:
    case WORD:
    case OPTION:
    case METRIC: break;
    default: want_number(p, node->a); want_number(p, node->b);
    }
    if (node->kind >= LE && node->kind <= NE) {
        check_units(p, node->a, node->b);
        check_units(p, node->b, node->a);
    }
}

struct pare_constraint *pare_constraint_parse(const struct pare_yaml *where,
                                              struct pare_problems *problems)
{
    struct pare_constraint *c;
    struct parser p = {.problems = problems};

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
    if (!p.failed)
        want_truth(&p, c->root);
    if (!p.failed)
        check_sense(&p, c->root);
    if (p.failed) {
        pare_constraint_free(c);
        return NULL;
    }
    return c;
}

void pare_constraint_free(struct pare_constraint *constraint)
{
    if (!constraint)
        return;
    pare_arena_free(constraint->arena);
    free(constraint);
}

const char *pare_quantity_read(const char *text, const char *metric, double *value)
{
    static const char no_number[] =
        "a number must stand here, with or without a unit such as KiB, ms, %";
    char name[64];
    int n, m, unit;

    while (isspace((unsigned char)*text))
        text++;
    n = number_length(text);
    if (!n)
        return no_number;
    *value = strtod(text, NULL);
    text += n;
    while (isspace((unsigned char)*text))
        text++;
    if (!*text)
        return NULL;
    m = suffix_length(text);
    unit = unit_find(text, m);
    if (unit < 0 || text[m])
        return "no known unit; known are B, KiB, MiB, GiB, KB, MB, GB, ns, us, ms, s, uJ, mJ, J, %, k, "
               "M, G";
    snprintf(name, sizeof name, "%.*s", (int)strcspn(metric, "@"), metric);
    if (units[unit].of && !ends_with(name, units[unit].name_ending))
        return "the unit does not fit this metric; sizes take KiB, times ms, energies mJ";
    *value *= units[unit].factor;
    return NULL;
}

/* ---- Asking ---- */

const char *pare_constraint_text(const struct pare_constraint *constraint)
{
    return constraint->text;
}

const char *pare_constraint_name(const struct pare_constraint *constraint, int i)
{
    return i >= 0 && i < constraint->n_names ? constraint->names[i]->text : NULL;
}

/* The node whose operand `node` is, or NULL at the root. */
static const struct node *parent_of(const struct node *root, const struct node *node)
{
    const struct node *found = NULL;

    if (root->a == node || root->b == node)
        return root;
    if (root->a)
        found = parent_of(root->a, node);
    if (!found && root->b)
        found = parent_of(root->b, node);
    return found;
}

bool pare_constraint_use(const struct pare_constraint *constraint, int i,
                         struct pare_constraint_use *out)
{
    const struct node *node, *parent;

    memset(out, 0, sizeof *out);
    if (i < 0 || i >= constraint->n_names)
        return false;
    node = constraint->names[i];
    parent = parent_of(constraint->root, node);
    out->name = node->text;
    out->is_option = node->kind == OPTION;
    out->place = place_at(constraint, node->offset);
    if (parent && parent->kind != NOT && parent->kind != AND && parent->kind != OR) {
        const struct node *other = parent->a == node ? parent->b : parent->a;

        out->is_number = parent->kind != EQ && parent->kind != NE;
        if (!out->is_number && other->kind == WORD) {
            out->word = other->text;
            out->word_place = place_at(constraint, other->offset);
        }
    }
    return true;
}

bool pare_constraint_is_cheap(const struct pare_constraint *constraint)
{
    static const char *const cheap[] = {"macs", "params", "baseline.macs", "baseline.params"};

    for (int i = 0; i < constraint->n_names; i++) {
        bool found = constraint->names[i]->kind == OPTION;

        for (size_t k = 0; !found && k < sizeof cheap / sizeof cheap[0]; k++)
            found = strcmp(constraint->names[i]->text, cheap[k]) == 0;
        if (!found)
            return false;
    }
    return true;
}

/* ---- Evaluation: a value is a text, a number or unknown ---- */

struct value {
    bool is_known, is_number;
    double number;
    const char *text;
};

static struct value number_value(double number)
{
    return (struct value){.is_known = true, .is_number = true, .number = number};
}

static struct value text_value(const char *text)
{
    struct value value = {.is_known = true, .text = text};
    char *end;

    value.number = strtod(text, &end);
    value.is_number = end != text && *end == '\0';
    return value;
}

static struct value value_of(const struct node *node, const struct pare_constraint_env *env)
{
    struct value a = {0}, b = {0};
    const char *text;

    switch (node->kind) {
    case NUMBER: return number_value(node->number);
    case WORD: return text_value(node->text);
    case OPTION: text = env->option(env->state, node->text); return text ? text_value(text) : a;
    case METRIC:
        a.is_known = a.is_number = env->metric(env->state, node->text, &a.number);
        return a;
    default: break;
    }
    a = value_of(node->a, env);
    if (!a.is_known || !a.is_number)
        return (struct value){0};
    if (node->kind == MINUS)
        return number_value(-a.number);
    b = value_of(node->b, env);
    if (!b.is_known || !b.is_number)
        return (struct value){0};
    switch (node->kind) {
    case ADD: return number_value(a.number + b.number);
    case SUB: return number_value(a.number - b.number);
    case MUL: return number_value(a.number * b.number);
    default: return number_value(a.number / b.number);
    }
}

static enum pare_truth truth_of(const struct node *node, const struct pare_constraint_env *env)
{
    enum pare_truth s, t;
    struct value a, b;
    bool equal;

    switch (node->kind) {
    case NOT:
        s = truth_of(node->a, env);
        return s == PARE_UNKNOWN ? s : s == PARE_FALSE ? PARE_TRUE : PARE_FALSE;
    case AND:
    case OR: {
        enum pare_truth decides = node->kind == AND ? PARE_FALSE : PARE_TRUE;

        s = truth_of(node->a, env);
        if (s == decides)
            return s;
        t = truth_of(node->b, env);
        return t == decides || s != PARE_UNKNOWN ? t : s;
    }
    default: break;
    }
    a = value_of(node->kind == OPTION ? node : node->a, env);
    if (!a.is_known)
        return PARE_UNKNOWN;
    if (node->kind == OPTION)
        return (a.is_number ? a.number != 0 : strcmp(a.text, "true") == 0) ? PARE_TRUE : PARE_FALSE;
    b = value_of(node->b, env);
    if (!b.is_known)
        return PARE_UNKNOWN;
    if (a.is_number && b.is_number) {
        switch (node->kind) {
        case LE: return a.number <= b.number ? PARE_TRUE : PARE_FALSE;
        case LT: return a.number < b.number ? PARE_TRUE : PARE_FALSE;
        case GE: return a.number >= b.number ? PARE_TRUE : PARE_FALSE;
        case GT: return a.number > b.number ? PARE_TRUE : PARE_FALSE;
        default: equal = a.number == b.number;
        }
    } else if (node->kind != EQ && node->kind != NE) {
        return PARE_FALSE; /* words have no order: refused by the sweep reader */
    } else {
        equal = a.text && b.text && strcmp(a.text, b.text) == 0;
    }
    return equal == (node->kind == EQ) ? PARE_TRUE : PARE_FALSE;
}

enum pare_truth pare_constraint_eval(const struct pare_constraint *constraint,
                                     const struct pare_constraint_env *env)
{
    for (int i = 0; i < constraint->n_names; i++)
        if (constraint->names[i]->kind == OPTION &&
            !env->option(env->state, constraint->names[i]->text))
            return PARE_TRUE;
    return truth_of(constraint->root, env);
}
