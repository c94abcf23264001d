#include "option/schema.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *field(const struct pare_option *row, void *options)
{
    return (char *)options + row->offset;
}

static const void *field_of(const struct pare_option *row, const void *options)
{
    return (const char *)options + row->offset;
}

static int n_words(const char *const *words)
{
    int n = 0;

    while (words && words[n])
        n++;
    return n;
}

static int find_word(const char *const *words, const char *word)
{
    for (int i = 0; words && words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static void add_words(struct pare_text *out, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        pare_text_printf(out, "%s%s", i ? ", " : "", words[i]);
}

static bool is_number(const struct pare_option *row)
{
    return row->type == PARE_OPTION_F64 || row->type == PARE_OPTION_I64 ||
           (row->type == PARE_OPTION_INT && !row->choices);
}

/* ---- Lists: "[a, b]"; an item that could be misread stands in quotes, with \" and \\. ---- */

static bool item_needs_quotes(const char *item)
{
    size_t n = strlen(item);

    return n == 0 || item[strcspn(item, ",[]\"\\\n")] || item[0] == ' ' || item[n - 1] == ' ';
}

static void add_item(struct pare_text *out, const char *item, bool is_first)
{
    pare_text_add(out, is_first ? "" : ", ");
    if (!item_needs_quotes(item)) {
        pare_text_add(out, item);
        return;
    }
    pare_text_add(out, "\"");
    for (; *item; item++) {
        if (*item == '"' || *item == '\\')
            pare_text_add(out, "\\");
        pare_text_add_n(out, item, 1);
    }
    pare_text_add(out, "\"");
}

/* Takes one item off *p into `item`; false when it is not well formed. */
static bool take_item(const char **p, struct pare_text *item)
{
    const char *s = *p;

    if (*s != '"') {
        size_t n = strcspn(s, ",]");

        pare_text_add_n(item, s, n);
        *p = s + n;
        return n > 0;
    }
    pare_text_add(item, "");
    for (s++; *s != '"'; s++) {
        if (*s == '\\')
            s++;
        if (!*s)
            return false;
        pare_text_add_n(item, s, 1);
    }
    *p = s + 1;
    return true;
}

static bool parse_list(struct pare_strings *out, const char *text, struct pare_arena *arena)
{
    const char **items = PARE_ARENA_NEW(arena, const char *, strlen(text) / 2 + 1);
    const char *p = text + 1;
    int n = 0;

    if (text[0] != '[')
        return false;
    while (*p != ']') {
        struct pare_text item = {0};
        bool is_good = take_item(&p, &item);

        if (is_good)
            items[n++] = pare_arena_strdup(arena, item.s);
        pare_text_clear(&item);
        if (!is_good || (*p != ',' && *p != ']'))
            return false;
        if (*p == ',')
            p += strspn(p + 1, " ") + 1;
    }
    *out = (struct pare_strings){n, items};
    return p[1] == '\0';
}

/* ---- Values ---- */

void pare_options_defaults(const struct pare_option *table, void *options)
{
    for (const struct pare_option *row = table; row->name; row++) {
        void *f = field(row, options);

        switch (row->type) {
        case PARE_OPTION_F64: *(double *)f = row->def; break;
        case PARE_OPTION_INT: *(int *)f = (int)row->def; break;
        case PARE_OPTION_I64: *(int64_t *)f = (int64_t)row->def; break;
        case PARE_OPTION_BOOL: *(bool *)f = row->def != 0; break;
        case PARE_OPTION_STRING: *(const char **)f = row->def_text; break;
        case PARE_OPTION_STRINGS:
            *(struct pare_strings *)f =
                (struct pare_strings){.n = row->def_text ? 1 : 0,
                                      .items = row->def_text ? &row->def_text : NULL};
            break;
        }
    }
}

const struct pare_option *pare_option_find(const struct pare_option *table, const char *name)
{
    for (const struct pare_option *row = table; row->name; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

static void add_number(struct pare_text *out, double value)
{
    if (isfinite(value))
        pare_text_json_number(out, value);
    else
        pare_text_add(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
}

void pare_option_text(const struct pare_option *row, const void *options, struct pare_text *out)
{
    const void *f = field_of(row, options);
    const struct pare_strings *list;

    switch (row->type) {
    case PARE_OPTION_F64: add_number(out, *(const double *)f); break;
    case PARE_OPTION_INT:
        if (row->choices) {
            assert(*(const int *)f >= 0 && *(const int *)f < n_words(row->choices));
            pare_text_add(out, row->choices[*(const int *)f]);
        } else {
            pare_text_printf(out, "%d", *(const int *)f);
        }
        break;
    case PARE_OPTION_I64: pare_text_printf(out, "%lld", (long long)*(const int64_t *)f); break;
    case PARE_OPTION_BOOL: pare_text_add(out, *(const bool *)f ? "true" : "false"); break;
    case PARE_OPTION_STRING:
        pare_text_add(out, *(const char *const *)f ? *(const char *const *)f : "");
        break;
    case PARE_OPTION_STRINGS:
        list = f;
        pare_text_add(out, "[");
        for (int i = 0; i < list->n; i++)
            add_item(out, list->items[i], i == 0);
        pare_text_add(out, "]");
        break;
    }
}

void pare_options_canonical(const struct pare_option *table, const void *options,
                            struct pare_text *out)
{
    for (const struct pare_option *row = table; row->name; row++) {
        struct pare_text value = {0};

        pare_option_text(row, options, &value);
        pare_text_printf(out, "%s=", row->name);
        if (value.s && value.s[strcspn(value.s, ";\"\n")]) /* it could be taken for another row */
            pare_text_json_string(out, value.s);
        else if (value.s)
            pare_text_add(out, value.s);
        pare_text_add(out, ";");
        pare_text_clear(&value);
    }
}

/* ---- Checks.  Each writes what is wrong, without the option's name. ---- */

/* "[0, 0.99]", "at least 1", "at most 3"; nothing when unbounded. */
static void add_range(struct pare_text *out, const struct pare_option *row)
{
    if (row->min == 0 && row->max == 0)
        return;
    if (isinf(row->max) || (row->type != PARE_OPTION_F64 && row->max >= INT_MAX)) {
        pare_text_add(out, "at least ");
        add_number(out, row->min);
    } else if (isinf(row->min)) {
        pare_text_add(out, "at most ");
        add_number(out, row->max);
    } else {
        pare_text_add(out, "[");
        add_number(out, row->min);
        pare_text_add(out, ", ");
        add_number(out, row->max);
        pare_text_add(out, "]");
    }
}

static bool in_range(const struct pare_option *row, double value, struct pare_text *why)
{
    bool is_outside =
        !(row->min == 0 && row->max == 0) && !(value >= row->min && value <= row->max);
    struct pare_text range = {0};

    if (!is_outside)
        return true;
    add_range(&range, row);
    add_number(why, value);
    pare_text_printf(why, range.s[0] == '[' ? " is outside %s" : " must be %s", range.s);
    pare_text_clear(&range);
    return false;
}

static void say_expected_number(const struct pare_option *row, const struct pare_yaml *value,
                                struct pare_text *why)
{
    const char *kind = row->type == PARE_OPTION_F64 ? "a number" : "a whole number";
    struct pare_text range = {0};

    add_range(&range, row);
    if (value->is_quoted)
        pare_text_printf(why, "\"%.100s\" is a text, not %s: write it without quotes", value->text,
                         kind);
    else
        pare_text_printf(why, "'%.100s' is not %s", value->text, kind);
    if (range.s)
        pare_text_printf(why, " (%s)", range.s);
    pare_text_clear(&range);
}

static bool check_number(const struct pare_option *row, const struct pare_yaml *value,
                         struct pare_text *canonical, struct pare_text *why)
{
    int64_t whole = 0;
    double number = 0;

    if (row->type == PARE_OPTION_F64) {
        if (!pare_yaml_to_f64(value, &number)) {
            say_expected_number(row, value, why);
            return false;
        }
        if (number == 0)
            number = 0; /* -0 and 0 have one canonical text */
        add_number(canonical, number);
        return in_range(row, number, why);
    }
    if (!pare_yaml_to_i64(value, &whole)) {
        say_expected_number(row, value, why);
        return false;
    }
    if (row->type == PARE_OPTION_INT && (whole < INT_MIN || whole > INT_MAX)) {
        pare_text_printf(why, "%lld is too large", (long long)whole);
        return false;
    }
    pare_text_printf(canonical, "%lld", (long long)whole);
    return in_range(row, (double)whole, why);
}

static bool check_word(const struct pare_option *row, const char *word, struct pare_text *why)
{
    const char *near;

    if (!row->choices || find_word(row->choices, word) >= 0)
        return true;
    near = pare_text_nearest(word, row->choices, n_words(row->choices));
    pare_text_printf(why, "'%.100s' is not one of ", word);
    add_words(why, row->choices);
    if (near)
        pare_text_printf(why, "; did you mean '%s'?", near);
    return false;
}

static bool check_list(const struct pare_option *row, const struct pare_yaml *value,
                       struct pare_text *canonical, struct pare_text *why)
{
    int n = value->kind == PARE_YAML_LIST ? value->n : 1;

    pare_text_add(canonical, "[");
    for (int i = 0; i < n; i++) {
        const struct pare_yaml *item = value->kind == PARE_YAML_LIST ? value->items[i] : value;

        if (item->kind != PARE_YAML_SCALAR) {
            pare_text_add(why, "needs a list of names, as in [a, b]");
            return false;
        }
        if (!check_word(row, item->text, why))
            return false;
        add_item(canonical, item->text, i == 0);
    }
    pare_text_add(canonical, "]");
    return true;
}

/* Says what the option wants, when it got nothing, a map or a list. */
static void say_expected_kind(const struct pare_option *row, const struct pare_yaml *value,
                              struct pare_text *why)
{
    static const char *const found[] = {"has no value", "", "is a list", "is a map"};

    pare_text_printf(why, "%s; it needs ", found[value->kind]);
    if (row->choices) {
        pare_text_add(why, "one of ");
        add_words(why, row->choices);
    } else if (is_number(row)) {
        struct pare_text range = {0};

        add_range(&range, row);
        pare_text_printf(why, "one %snumber%s%s", row->type == PARE_OPTION_F64 ? "" : "whole ",
                         range.s ? ", " : "", range.s ? range.s : "");
        pare_text_clear(&range);
    } else if (row->type == PARE_OPTION_BOOL) {
        pare_text_add(why, "true or false");
    } else if (row->type == PARE_OPTION_STRINGS) {
        pare_text_add(why, "a list of names, as in [a, b]");
    } else {
        pare_text_add(why, "one text");
    }
}

static bool check_value(const struct pare_option *row, const struct pare_yaml *value,
                        struct pare_text *canonical, struct pare_text *why)
{
    bool is_true;

    if (row->type == PARE_OPTION_STRINGS &&
        (value->kind == PARE_YAML_SCALAR || value->kind == PARE_YAML_LIST))
        return check_list(row, value, canonical, why);
    if (value->kind != PARE_YAML_SCALAR) {
        say_expected_kind(row, value, why);
        return false;
    }
    if (is_number(row))
        return check_number(row, value, canonical, why);
    if (row->type == PARE_OPTION_BOOL) {
        if (!pare_yaml_to_bool(value, &is_true)) {
            pare_text_printf(why, "'%.100s' is neither true nor false", value->text);
            return false;
        }
        pare_text_add(canonical, is_true ? "true" : "false");
        return true;
    }
    pare_text_add(canonical, value->text);
    return check_word(row, value->text, why);
}

bool pare_option_check(const struct pare_option *row, const struct pare_yaml *value,
                       struct pare_problems *problems, struct pare_arena *arena,
                       const char **canonical)
{
    struct pare_text text = {0}, why = {0};
    bool is_good = check_value(row, value, &text, &why);

    if (is_good)
        *canonical = pare_arena_strdup(arena, text.s ? text.s : "");
    else
        pare_problem_add(problems, value, "%s: %s", row->name, why.s);
    pare_text_clear(&text);
    pare_text_clear(&why);
    return is_good;
}

/* Numbers and booleans are read as if they stood in a file, so both ways have one rule. */
static bool set_checked(const struct pare_option *row, void *f, const char *canonical,
                        struct pare_text *why)
{
    struct pare_yaml scalar = {.kind = PARE_YAML_SCALAR, .text = canonical};
    struct pare_text unused = {0};
    bool is_good = check_value(row, &scalar, &unused, why);
    int64_t whole = 0;

    pare_text_clear(&unused);
    if (!is_good)
        return false;
    if (row->type == PARE_OPTION_F64) {
        pare_yaml_to_f64(&scalar, f);
    } else if (row->type == PARE_OPTION_BOOL) {
        pare_yaml_to_bool(&scalar, f);
    } else if (row->choices) {
        *(int *)f = find_word(row->choices, canonical);
    } else {
        pare_yaml_to_i64(&scalar, &whole);
        if (row->type == PARE_OPTION_INT)
            *(int *)f = (int)whole;
        else
            *(int64_t *)f = whole;
    }
    return true;
}

/* The canonical text of the default is accepted even where the default lies outside the range
 * ("nan", "inf" or 0 for "off"). */
static bool set_default(const struct pare_option *row, void *f, const char *canonical)
{
    struct pare_text def = {0};
    bool is_default;

    if (row->type != PARE_OPTION_F64)
        return false;
    add_number(&def, row->def);
    is_default = strcmp(def.s, canonical) == 0;
    if (is_default)
        *(double *)f = row->def;
    pare_text_clear(&def);
    return is_default;
}

pare_status pare_option_set(const struct pare_option *row, void *options, const char *canonical,
                            struct pare_arena *arena, struct pare_error *err)
{
    struct pare_text why = {0};
    void *f = field(row, options);
    pare_status st = PARE_OK;

    if (row->type == PARE_OPTION_STRING) {
        if (!canonical[0])
            *(const char **)f = NULL;
        else if (check_word(row, canonical, &why))
            *(const char **)f = pare_arena_strdup(arena, canonical);
    } else if (row->type == PARE_OPTION_STRINGS) {
        if (!parse_list(f, canonical, arena))
            pare_text_printf(&why, "'%.100s' is not a list such as [a, b]", canonical);
    } else if (!set_default(row, f, canonical)) {
        set_checked(row, f, canonical, &why);
    }
    if (why.s)
        st = pare_fail(err, PARE_EINVAL, "%s: %s", row->name, why.s);
    pare_text_clear(&why);
    return st;
}

/* ---- Maps ---- */

static void say_unknown(const struct pare_option *table, const struct pare_yaml *key,
                        struct pare_problems *problems)
{
    struct pare_text names = {0};
    const char **words, *near;
    int n = 0;

    for (const struct pare_option *row = table; row->name; row++)
        n++;
    words = pare_xcalloc((size_t)n + 1, sizeof *words);
    for (int i = 0; i < n; i++)
        words[i] = table[i].name;
    near = pare_text_nearest(key->text, words, n);
    if (n)
        add_words(&names, words);
    pare_problem_add(problems, key, "%.100s: unknown option%s%s%s (%s%s)", key->text,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
                     n ? "options: " : "there are no options", names.s ? names.s : "");
    pare_text_clear(&names);
    free(words);
}

void pare_options_read(const struct pare_option *table, void *options, const struct pare_yaml *map,
                       const char *const *skip, struct pare_arena *arena,
                       struct pare_problems *problems)
{
    if (map && map->kind != PARE_YAML_MAP && map->kind != PARE_YAML_NULL) {
        pare_problem_add(problems, map, "a map of options is needed here, as in {name: value}");
        return;
    }
    for (int i = 0; map && i < map->n; i++) {
        const struct pare_option *row = pare_option_find(table, map->keys[i]->text);
        struct pare_error err = {0};
        const char *canonical;

        if (find_word(skip, map->keys[i]->text) >= 0)
            continue;
        if (!row)
            say_unknown(table, map->keys[i], problems);
        else if (pare_option_check(row, map->items[i], problems, arena, &canonical) &&
                 pare_option_set(row, options, canonical, arena, &err))
            pare_problem_add(problems, map->items[i], "%s", err.text);
    }
    for (const struct pare_option *row = table; row->name; row++)
        if (row->required && !pare_yaml_get(map, row->name) && find_word(skip, row->name) < 0)
            pare_problem_add(problems, map, "%s: is missing (%s)", row->name,
                             row->help ? row->help : "it must be given");
}

/* ---- Help ---- */

/* Adds text at an indentation, broken between words. */
static void add_wrapped(struct pare_text *out, const char *text, int indent, int columns)
{
    int room = columns - indent > 20 ? columns - indent : 20, used = 0;

    while (*text) {
        int n = (int)strcspn(text, " ");

        if (used && used + 1 + n > room) {
            pare_text_printf(out, "\n%*s", indent, "");
            used = 0;
        }
        if (used) {
            pare_text_add(out, " ");
            used++;
        }
        pare_text_add_n(out, text, (size_t)n);
        used += n;
        text += n;
        text += strspn(text, " ");
    }
    pare_text_add(out, "\n");
}

/* "number [0, 0.99], default 0.5"; "l1, taylor; default l1". */
static void add_domain(struct pare_text *out, const struct pare_option *row)
{
    struct pare_text range = {0};

    add_range(&range, row);
    if (row->choices) {
        add_words(out, row->choices);
    } else {
        static const char *const kinds[] = {
            [PARE_OPTION_F64] = "number",       [PARE_OPTION_INT] = "whole number",
            [PARE_OPTION_I64] = "whole number", [PARE_OPTION_BOOL] = "true or false",
            [PARE_OPTION_STRING] = "text",      [PARE_OPTION_STRINGS] = "list of names",
        };

        pare_text_add(out, kinds[row->type]);
        if (is_number(row) && range.s)
            pare_text_printf(out, " %s", range.s);
    }
    if (row->unit && strcmp(row->unit, "1") != 0)
        pare_text_printf(out, " %s", row->unit);
    pare_text_clear(&range);
    if (row->required) {
        pare_text_add(out, "; required");
        return;
    }
    if (row->type == PARE_OPTION_STRING || row->type == PARE_OPTION_STRINGS) {
        if (row->def_text)
            pare_text_printf(out, "; default %s", row->def_text);
        return;
    }
    pare_text_add(out, "; default ");
    if (row->type == PARE_OPTION_BOOL)
        pare_text_add(out, row->def != 0 ? "true" : "false");
    else if (row->choices)
        pare_text_add(out, row->choices[(int)row->def]);
    else
        add_number(out, row->def);
}

void pare_options_help(const struct pare_option *table, int columns, struct pare_text *out)
{
    int width = 0;

    for (const struct pare_option *row = table; row->name; row++)
        if ((int)strlen(row->name) > width && strlen(row->name) <= 24)
            width = (int)strlen(row->name);
    for (const struct pare_option *row = table; row->name; row++) {
        struct pare_text text = {0};

        pare_text_printf(out, "  %-*s  ", width, row->name);
        add_domain(&text, row);
        add_wrapped(out, text.s, width + 4, columns);
        pare_text_clear(&text);
        if (row->help) {
            pare_text_printf(out, "%*s", width + 4, "");
            add_wrapped(out, row->help, width + 4, columns);
        }
    }
}
