/* Does a constraint make sense: conditions where conditions belong, numbers where numbers belong, units
 * that fit? */
#include "space/constraint_tree.h"

struct sense {
    struct pare_arena *arena;
    const char *problem; /* the first, NULL: none yet */
    int offset;
};

#define PROBLEM(S, OFFSET, ...)                                        \
    do {                                                               \
        if (!(S)->problem) {                                           \
            (S)->problem = pare_arena_printf((S)->arena, __VA_ARGS__); \
            (S)->offset = (OFFSET);                                    \
        }                                                              \
    } while (0)

static bool is_truth(const struct node *node)
{
    return node->kind == NOT || (node->kind >= AND && node->kind <= NE);
}

static const char *kind_words(const struct node *node)
{
    switch (node->kind) {
    case WORD: return "a word";
    case METRIC: return "a metric";
    default: return "a number";
    }
}

static void want_number(struct sense *s, const struct node *node)
{
    if (node->kind == WORD)
        PROBLEM(s, node->offset,
                "'%s' is a word: it can only be compared with == or !=", node->text);
    else if (is_truth(node))
        PROBLEM(s, node->offset, "a condition cannot be calculated with; a number must stand here");
}

static void want_truth(struct sense *s, const struct node *node)
{
    if (!is_truth(node) && node->kind != OPTION)
        PROBLEM(s, node->offset,
                "a condition is needed here, such as 'size_bytes <= 96 KiB', not %s",
                kind_words(node));
}

/* "size_bytes <= 5 ms" */
static void check_units(struct sense *s, const struct node *metric, const struct node *number)
{
    if (metric->kind == METRIC && number->kind == NUMBER && number->unit &&
        !pare_unit_fits(number->unit, metric->text))
        PROBLEM(s, number->offset, "'%s' is a unit of %s, and %s is none", number->unit->suffix,
                number->unit->of, metric->text);
}

static void check_comparison(struct sense *s, const struct node *node)
{
    if (node->kind != EQ && node->kind != NE) {
        want_number(s, node->a);
        want_number(s, node->b);
    } else if (is_truth(node->a) || is_truth(node->b)) {
        PROBLEM(s, node->offset, "conditions cannot be compared; use and, or, not");
    } else if ((node->a->kind == WORD && node->b->kind != OPTION) ||
               (node->b->kind == WORD && node->a->kind != OPTION)) {
        PROBLEM(s, node->offset,
                "a word can only be compared with an option, as in 'quant.scheme == W8A8'");
    }
    check_units(s, node->a, node->b);
    check_units(s, node->b, node->a);
}

static void check(struct sense *s, const struct node *node)
{
    if (node->a)
        check(s, node->a);
    if (node->b)
        check(s, node->b);
    switch (node->kind) {
    case NUMBER:
    case WORD:
    case OPTION:
    case METRIC: break;
    case NOT: want_truth(s, node->a); break;
    case AND:
    case OR:
        want_truth(s, node->a);
        want_truth(s, node->b);
        break;
    case LE:
    case LT:
    case GE:
    case GT:
    case EQ:
    case NE: check_comparison(s, node); break;
    case MINUS: want_number(s, node->a); break;
    case ADD:
    case SUB:
    case MUL:
    case DIV:
        want_number(s, node->a);
        want_number(s, node->b);
        break;
    }
}

const char *pare_constraint_nonsense(struct pare_arena *arena, const struct node *root, int *offset)
{
    struct sense s = {.arena = arena};

    want_truth(&s, root);
    if (!s.problem)
        check(&s, root);
    *offset = s.offset;
    return s.problem;
}
