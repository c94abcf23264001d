#include "report_store.h"

#include "io/json.h"
#include "report/summary.h"
#include "report/table.h"

static int make_dir(void **state)
{
    *state = check_make_dir();
    return 0;
}

static int remove_dir(void **state)
{
    check_remove_dir(*state);
    return 0;
}

static struct pare_dataset *load(const char *dir)
{
    struct pare_dataset *data = NULL;
    struct pare_error err = {0};

    assert_ok(pare_dataset_load(&data, dir, &err), &err);
    return data;
}

/* The whole table of a folder, malloc'ed. */
static char *table(const char *dir, enum pare_table_format format, const char *metrics, int columns,
                   bool all)
{
    struct pare_dataset *data = load(dir);
    struct pare_table_options options = {.format = format, .columns = columns, .with_status = all};
    struct pare_error err = {0};
    struct pare_text out = {0};
    struct pare_rows rows;
    int *chosen;

    assert_ok(pare_table_metrics(&chosen, &options.n_metrics, data, metrics, true, &err), &err);
    options.metrics = chosen;
    pare_rows_init(&rows, data, all);
    pare_table_print(&out, data, &rows, &options);
    pare_rows_clear(&rows);
    free(chosen);
    pare_dataset_free(data);
    return pare_text_take(&out);
}

static int width_of(const char *line)
{
    int n = 0;

    for (; *line && *line != '\n'; line++)
        n += ((unsigned char)*line & 0xc0) != 0x80;
    return n;
}

static void assert_fits(const char *text, int columns)
{
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (width_of(line) > columns)
            fail_msg("%d columns, not %d: %.*s", width_of(line), columns, (int)strcspn(line, "\n"),
                     line);
}

static void a_table_is_never_wider_than_the_terminal(void **state)
{
    struct pare_store *store;
    char *text;

    made_sweep(*state, 60);
    for (int columns = 40; columns <= 200; columns += 8) {
        text = table(*state, PARE_TABLE_TEXT, "all", columns, true);
        assert_fits(text, columns);
        free(text);
        text =
            table(*state, PARE_TABLE_TEXT, "accuracy,latency_ms@host,size_bytes", columns, false);
        assert_fits(text, columns);
        free(text);
    }
    store = made_store(*state, NULL, NULL);
    made_trial(
        store, 60,
        "a > very > long > pipeline > of > very > many > stages > that > nobody > would > run",
        "{\"stage.option\": \"a_value_without_any_blank_in_it_that_is_longer_than_the_page_"
        "of_eighty_columns_is_wide\"}");
    made_metric_full(
        store, 60, "PAPI_TOT_INS@host", NAN, NAN, NAN, "1", "unavailable",
        "a_reason_without_blanks_that_is_far_longer_than_eighty_columns_________________"
        "____________________________________end");
    pare_store_close(store);
    text = table(*state, PARE_TABLE_TEXT, "all", 80, false);
    assert_fits(text, 80);
    assert_null(strchr(text, '\033'));
    free(text);
}

static void columns_that_fit_stand_at_eighty(void **state)
{
    char *text;

    made_sweep(*state, 60);
    text = table(*state, PARE_TABLE_TEXT, "accuracy,latency_ms@host,size_bytes", 80, false);
    assert_non_null(strstr(text, "accuracy"));
    assert_non_null(strstr(text, "latency@host"));
    assert_non_null(strstr(text, "KiB"));
    assert_non_null(strstr(text, "±"));
    assert_non_null(strstr(text, "config"));
    assert_null(strstr(text, "no room"));
    assert_null(strstr(text, "\033"));
    free(text);
    /* too many: intervals go first, then columns from the right, and the table says so */
    text = table(*state, PARE_TABLE_TEXT, "all", 80, false);
    assert_null(strstr(text, "±"));
    assert_non_null(strstr(text, "intervals: no room here"));
    assert_non_null(strstr(text, "no room for: "));
    free(text);
}

static void numbers_stand_under_each_other(void **state)
{
    char *text;
    size_t end = 0;

    made_sweep(*state, 30);
    text = table(*state, PARE_TABLE_TEXT, "macs", 80, false);
    for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
        /* trial and pipeline, then the number right under the head's last letter */
        const char *macs = strstr(line, "macs");

        if (macs)
            end = (size_t)(macs - line) + 4;
    }
    assert_true(end > 0);
    for (char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (line[0] == ' ' && line[3] != ' ' && strlen(line) > end)
            assert_true(line[end - 1] != ' ' && (line[end] == ' ' || line[end] == '\n'));
    free(text);
}

static void provenance_is_visible(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    char *text;

    for (int id = 0; id < 3; id++) {
        made_trial(store, id, "c", "{}");
        made_metric_full(store, id, "energy_mj@m7", 2.5, NAN, NAN, "mJ", "modeled", "");
        made_metric_full(store, id, "PAPI_TOT_INS@host", NAN, NAN, NAN, "1", "unavailable",
                         "no PMU here");
        if (id == 1)
            made_metric_full(store, id, "latency_ms@host", 1.5, 1, 2, "ms", "measured",
                             "unstable: the clock drifts");
        else if (id == 0)
            made_metric_full(store, id, "latency_ms@host", 1.5, 1.4, 1.6, "ms", "measured", "");
    }
    pare_store_close(store);
    text = table(*state, PARE_TABLE_TEXT, "all", 100, false);
    assert_non_null(strstr(text, "~2.5"));
    assert_non_null(strstr(text, "~ modeled, not measured\n"));
    assert_non_null(strstr(text, "PAPI_TOT_INS@host[1]")); /* the cause of the whole column */
    assert_non_null(strstr(text, "[1] no PMU here\n"));
    assert_non_null(strstr(text, "1.5 ±0.5!"));
    assert_non_null(strstr(text, "! unstable: "));
    free(text);
    text = table(*state, PARE_TABLE_MD, "all", 80, false);
    assert_non_null(strstr(text, "| \\~2.5 |"));
    assert_non_null(strstr(text, "| 1.50 ±0.10 |"));
    free(text);
}

static void colour_is_only_used_when_asked_for(void **state)
{
    struct pare_dataset *data;
    struct pare_text plain = {0}, colored = {0};
    struct pare_error err = {0};

    made_sweep(*state, 30);
    data = load(*state);
    assert_ok(pare_summary_front(&plain, data, 80, false, &err), &err);
    assert_ok(pare_summary_front(&colored, data, 80, true, &err), &err);
    assert_null(strstr(plain.s, "\033"));
    assert_non_null(strstr(colored.s, "\033[1m"));
    assert_fits(plain.s, 80);
    pare_text_clear(&plain);
    pare_text_clear(&colored);
    pare_dataset_free(data);
}

static void the_front_is_shown_with_the_baseline_even_where_it_is_dominated(void **state)
{
    struct pare_store *store = made_store(*state, MADE_OBJECTIVES, NULL);
    struct pare_dataset *data;
    struct pare_text out = {0};
    struct pare_error err = {0};

    for (int id = 0; id < 3; id++) {
        made_trial(store, id, id == 1 ? "good" : "bad", "{}");
        made_metric(store, id, "accuracy", id == 1 ? 0.9 : 0.8, 0.001, "1");
        made_metric(store, id, "latency_ms@host", id == 1 ? 1 : 2, 0.01, "ms");
        made_metric(store, id, "size_bytes", id == 1 ? 100 : 200, 0, "B");
    }
    pare_store_close(store);
    data = load(*state);
    assert_ok(pare_summary_front(&out, data, 80, false, &err), &err);
    assert_non_null(strstr(out.s, "baseline"));
    assert_non_null(strstr(out.s, "1  *  good"));
    assert_null(strstr(out.s, "bad"));
    pare_text_clear(&out);
    pare_dataset_free(data);
}

/* ---- csv ---- */

/* Takes one cell from *text by the rules of RFC 4180; false at the end of a record. */
static bool csv_cell(const char **text, char *out)
{
    const char *s = *text;
    bool quoted = *s == '"';

    for (s += quoted; *s; s++) {
        if (quoted && *s == '"' && s[1] == '"')
            s++;
        else if (quoted ? *s == '"' : *s == ',' || *s == '\n')
            break;
        *out++ = *s;
    }
    *out = '\0';
    s += quoted;
    *text = s + 1;
    return *s == ',';
}

static void csv_survives_commas_quotes_and_line_ends(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    static const char *const chain = "a, \"b\" > c\nd";
    char *text, cell[300];
    const char *at;
    int n = 0, n_columns = 0;

    made_trial(store, 1, chain, "{}");
    made_metric(store, 1, "accuracy", 0.1 + 0.2, 0.01, "1");
    made_metric_full(store, 1, "PAPI_X@host", NAN, NAN, NAN, "1", "unavailable", "no, \"none\"");
    pare_store_close(store);
    text = table(*state, PARE_TABLE_CSV, "all", 80, false);
    at = text;
    while (csv_cell(&at, cell))
        n_columns++;
    n_columns++;
    assert_string_equal(cell, "config");
    while (csv_cell(&at, cell)) {
        if (n == 0)
            assert_string_equal(cell, "1");
        if (n == 1)
            assert_string_equal(cell, chain);
        if (n == 3) /* raw: it reads back to the same double */
            assert_true(strtod(cell, NULL) == 0.1 + 0.2);
        if (n == 8)
            assert_string_equal(cell, "");
        if (n == 10)
            assert_string_equal(cell, "no, \"none\"");
        n++;
    }
    assert_int_equal(n + 1, n_columns);
    assert_int_equal(*at, '\0');
    free(text);
}

/* ---- json ---- */

static void json_is_an_array_of_objects_with_numbers_as_numbers(void **state)
{
    struct pare_error err = {0};
    struct pare_json *json;
    const struct pare_json *row;
    double value;
    char *text;

    made_sweep(*state, 60);
    text = table(*state, PARE_TABLE_JSON, "all", 80, true);
    assert_ok(pare_json_parse(&json, text, strlen(text), &err), &err);
    assert_int_equal(pare_json_kind(json), PARE_JSON_ARRAY);
    assert_int_equal(pare_json_n(json), 60);
    row = pare_json_at(json, 5);
    assert_int_equal(pare_json_get_int(row, "trial", -1), 5);
    assert_true(pare_json_number(pare_json_get(row, "accuracy"), &value));
    assert_true(value > 0 && value < 1);
    assert_int_equal(pare_json_kind(pare_json_get(row, "size_bytes")), PARE_JSON_INT);
    assert_int_equal(pare_json_kind(pare_json_get(row, "PAPI_TOT_INS@host")), PARE_JSON_NULL);
    assert_int_equal(pare_json_n(pare_json_get(pare_json_get(row, "intervals"), "accuracy")), 2);
    assert_string_equal(pare_json_get_string(pare_json_get(row, "provenance"), "energy_mj@m7", ""),
                        "modeled");
    assert_string_equal(pare_json_get_string(pare_json_get(row, "notes"), "PAPI_TOT_INS@host", ""),
                        "no PMU in this virtual machine");
    assert_string_equal(pare_json_get_string(pare_json_get(row, "options"), "tune.epochs", ""),
                        "3");
    assert_string_equal(pare_json_get_string(pare_json_at(json, 28), "status", ""), "failed");
    assert_int_equal(pare_json_kind(pare_json_get(pare_json_at(json, 28), "accuracy")),
                     PARE_JSON_NULL);
    pare_json_free(json);
    free(text);
}

static void an_empty_table_is_an_empty_array(void **state)
{
    char *text;

    pare_store_close(made_store(*state, MADE_OBJECTIVES, NULL));
    text = table(*state, PARE_TABLE_JSON, NULL, 80, true);
    assert_string_equal(text, "[]\n");
    free(text);
    text = table(*state, PARE_TABLE_TEXT, NULL, 80, true);
    assert_fits(text, 80);
    free(text);
}

/* ---- latex ---- */

static void latex_escapes_what_it_must(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    int balance = 0;
    char *text;

    made_trial(store, 1, "50% & $x_1^2$ #3 {a} ~b \\c <d>", "{}");
    made_metric(store, 1, "size_bytes", 4096, 0, "B");
    made_metric(store, 1, "accuracy", 0.9, 0.01, "1");
    pare_store_close(store);
    text = table(*state, PARE_TABLE_LATEX, "all", 80, false);
    assert_non_null(strstr(text, "50\\% \\& \\$x\\_1\\textasciicircum{}2\\$ \\#3 \\{a\\} "
                                 "\\textasciitilde{}b \\textbackslash{}c \\textless{}d"
                                 "\\textgreater{}"));
    assert_non_null(strstr(text, "90.0 $\\pm$1.0"));
    assert_non_null(strstr(text, "\\begin{tabular}{rlrrl}\n\\toprule\n"));
    assert_non_null(strstr(text, "\\bottomrule\n\\end{tabular}\n"));
    for (const char *s = text; *s; s++) {
        if (*s == '\\' && (s[1] == '{' || s[1] == '}'))
            s++;
        else
            balance += *s == '{' ? 1 : *s == '}' ? -1 : 0;
        assert_true(balance >= 0);
    }
    assert_int_equal(balance, 0);
    free(text);
}

/* ---- markdown ---- */

static void markdown_rows_have_as_many_cells_as_the_head(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    int n_first = -1;
    char *text;

    made_trial(store, 1, "a | b", "{\"q.x\": \"1|2\"}");
    made_trial(store, 2, "a `c`", "{\"q.x\": \"3\"}");
    made_metric(store, 1, "size_bytes", 4096, 0, "B");
    pare_store_close(store);
    text = table(*state, PARE_TABLE_MD, "all", 80, false);
    for (const char *line = text; *line == '|'; line += strcspn(line, "\n") + 1) {
        int n = 0;

        for (const char *s = line; *s != '\n'; s++)
            n += *s == '|' && (s == line || s[-1] != '\\');
        if (n_first < 0)
            n_first = n;
        assert_int_equal(n, n_first);
    }
    assert_true(n_first > 3);
    free(text);
}

/* ---- the rest ---- */

static void the_same_store_gives_the_same_bytes(void **state)
{
    made_sweep(*state, 50);
    for (int format = PARE_TABLE_TEXT; format <= PARE_TABLE_LATEX; format++) {
        char *a = table(*state, (enum pare_table_format)format, "all", 100, true);
        char *b = table(*state, (enum pare_table_format)format, "all", 100, true);

        assert_string_equal(a, b);
        free(a);
        free(b);
    }
}

static void only_options_that_differ_are_shown(void **state)
{
    struct pare_store *store = made_store(*state, NULL, NULL);
    struct pare_dataset *data;
    struct pare_text out = {0};

    made_trial(store, 1, "c", "{\"prune.sparsity\": 0.5, \"quant.scheme\": \"W8A8\", \"t.lr\": 1}");
    made_trial(store, 2, "c", "{\"prune.sparsity\": 0.7, \"quant.scheme\": \"W8A8\", \"t.lr\": 2}");
    made_trial(store, 3, "d", "{\"a.sparsity\": 0.1, \"prune.sparsity\": 0.7}");
    made_trial(store, 4, "d", "{\"a.sparsity\": 0.2, \"prune.sparsity\": 0.7}");
    pare_store_close(store);
    data = load(*state);
    pare_config_brief(&out, data, &data->trials[0]);
    assert_string_equal(out.s, "sparsity=0.5 lr=1");
    pare_text_clear(&out);
    pare_config_brief(&out, data, &data->trials[2]); /* two stages have such an option */
    assert_string_equal(out.s, "a.sparsity=0.1 prune.sparsity=0.7");
    pare_text_clear(&out);
    pare_dataset_free(data);
}

static void an_unknown_metric_is_answered_with_the_nearest(void **state)
{
    struct pare_dataset *data;
    struct pare_error err = {0};
    int *metrics = NULL, n;

    made_sweep(*state, 4);
    data = load(*state);
    assert_int_equal(pare_table_metrics(&metrics, &n, data, "accuracy,latency_ms@hots", true, &err),
                     PARE_EINVAL);
    assert_null(metrics);
    assert_non_null(strstr(err.text, "did you mean 'latency_ms@host'"));
    pare_dataset_free(data);
}

int main(void)
{
#define TEST(F) cmocka_unit_test_setup_teardown(F, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(a_table_is_never_wider_than_the_terminal),
        TEST(columns_that_fit_stand_at_eighty),
        TEST(numbers_stand_under_each_other),
        TEST(provenance_is_visible),
        TEST(colour_is_only_used_when_asked_for),
        TEST(the_front_is_shown_with_the_baseline_even_where_it_is_dominated),
        TEST(csv_survives_commas_quotes_and_line_ends),
        TEST(json_is_an_array_of_objects_with_numbers_as_numbers),
        TEST(an_empty_table_is_an_empty_array),
        TEST(latex_escapes_what_it_must),
        TEST(markdown_rows_have_as_many_cells_as_the_head),
        TEST(the_same_store_gives_the_same_bytes),
        TEST(only_options_that_differ_are_shown),
        TEST(an_unknown_metric_is_answered_with_the_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
