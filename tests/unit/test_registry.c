#include "../support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "plugin/registry.h"
#include "plugin/table.h"

static char *dir; /* plugins and device files that the tests make */

static int make_dir(void **state)
{
    (void)state;
    dir = check_make_dir();
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    check_remove_dir(dir);
    return 0;
}

/* Compiles a plugin as a stranger would, against the public headers alone; malloc'ed path. */
static char *compile(const char *name, const char *source)
{
    const char *top = getenv("PARE_TOP");
    struct pare_text file = {0}, command = {0};
    struct pare_error err = {0};
    char *path;

    pare_text_printf(&file, "%s/%s.c", dir, name);
    assert_ok(pare_file_write(file.s, source, strlen(source), &err), &err);
    pare_text_printf(&command,
                     "cc -shared -fPIC -std=c17 -I'%s/harness/include' -o '%s/%s.so' '%s'",
                     top ? top : ".", dir, name, file.s);
    assert_int_equal(system(command.s), 0);
    pare_text_clear(&command);
    pare_text_clear(&file);
    pare_text_printf(&file, "%s/%s.so", dir, name);
    path = pare_text_take(&file);
    return path;
}

/* A method's source with some parts replaced. */
static char *method_source(const char *abi, const char *name, const char *rows, const char *bytes,
                           const char *apply)
{
    struct pare_text text = {0};

    pare_text_printf(&text,
                     "#include <pare/method.h>\n"
                     "struct options { double amount; int count; };\n"
                     "static const struct pare_option schema[] = { %s PARE_OPT_END };\n"
                     "static pare_status apply(const struct pare_context *c, const void *o,\n"
                     "    struct pare_graph *g, struct pare_error *e)\n"
                     "{ (void)c; (void)o; (void)g; (void)e; return PARE_OK; }\n"
                     "const struct pare_method pare_entry = { .abi = %s, .revision = 1,\n"
                     "    .name = \"%s\", .summary = \"a test\", .source = \"nowhere\",\n"
                     "    .options = schema, .options_bytes = %s, .apply = %s };\n"
                     "void *use(void); void *use(void) { return (void *)apply; }\n",
                     rows, abi, name, bytes, apply);
    return pare_text_take(&text);
}

static const char good_rows[] =
    "PARE_OPT(struct options, amount, .def = 0.5, .min = 0, .max = 1, .help = \"how much\"),"
    "PARE_OPT(struct options, count, .def = 2, .min = 1, .max = 9, .help = \"how many\"),";

static pare_status load(struct pare_registry *registry, const char *name, char *source,
                        struct pare_error *err)
{
    char *path = compile(name, source);
    pare_status st = pare_registry_load(registry, path, err);

    free(source);
    free(path);
    return st;
}

static struct pare_registry *open_registry(void)
{
    struct pare_registry *registry;
    struct pare_error err = {0};

    assert_ok(pare_registry_open(&registry, &err), &err);
    return registry;
}

static void a_plugin_from_outside_is_found_by_its_name(void **state)
{
    struct pare_registry *registry = open_registry();
    struct pare_error err = {0};
    const struct pare_method *method;
    int n = pare_registry_n_methods(registry);

    (void)state;
    assert_ok(
        load(registry, "good",
             method_source("PARE_ABI", "test.good", good_rows, "sizeof(struct options)", "apply"),
             &err),
        &err);
    assert_int_equal(pare_registry_n_methods(registry), n + 1);
    method = pare_registry_method(registry, "test.good");
    assert_non_null(method);
    assert_string_equal(method->options[1].name, "count");
    assert_null(pare_registry_method(registry, "test.goo"));
    for (int i = 1; i <= n; i++)
        assert_true(strcmp(pare_registry_method_at(registry, i - 1)->name,
                           pare_registry_method_at(registry, i)->name) < 0);
    pare_registry_close(registry);
}

static void the_path_variable_adds_folders_and_files(void **state)
{
    char *source =
        method_source("PARE_ABI", "test.path", good_rows, "sizeof(struct options)", "apply");
    char *path = compile("path", source);
    struct pare_registry *registry;

    (void)state;
    setenv("PARE_PLUGIN_PATH", path, 1);
    registry = open_registry();
    assert_non_null(pare_registry_method(registry, "test.path"));
    pare_registry_close(registry);
    setenv("PARE_PLUGIN_PATH", "/nonexistent::/tmp/nothing-here", 1);
    registry = open_registry(); /* warnings only */
    assert_null(pare_registry_method(registry, "test.path"));
    pare_registry_close(registry);
    unsetenv("PARE_PLUGIN_PATH");
    free(source);
    free(path);
}

static void the_same_file_twice_is_one_plugin(void **state)
{
    char *source =
        method_source("PARE_ABI", "test.twice", good_rows, "sizeof(struct options)", "apply");
    char *path = compile("twice", source);
    struct pare_registry *registry = open_registry();
    struct pare_error err = {0};
    int n = pare_registry_n_methods(registry);

    (void)state;
    assert_ok(pare_registry_load(registry, path, &err), &err);
    assert_ok(pare_registry_load(registry, path, &err), &err);
    assert_int_equal(pare_registry_n_methods(registry), n + 1);
    pare_registry_close(registry);
    free(source);
    free(path);
}

struct fault {
    const char *abi, *name, *rows, *bytes, *apply;
    pare_status st;
    const char *message; /* NULL: the one about ABIs */
};

static void unsound_plugins_are_refused_with_the_cause(void **state)
{
    static const struct fault faults[] = {
        {"PARE_ABI + 1", "test.x", good_rows, "sizeof(struct options)", "apply", PARE_EUNSUPPORTED,
         NULL},
        {"PARE_ABI", "Test X", good_rows, "sizeof(struct options)", "apply", PARE_EFORMAT,
         "name 'Test X': small letters"},
        {"PARE_ABI", "test.x", good_rows, "sizeof(struct options)", "0", PARE_EFORMAT,
         "does nothing"},
        {"PARE_ABI", "test.x", good_rows, "sizeof(double)", "apply", PARE_EFORMAT,
         "option 'count': the field at byte 8 lies outside of the struct of 8 bytes"},
        {"PARE_ABI", "test.x",
         "PARE_OPT(struct options, amount, .help = \"a\"),"
         "PARE_OPT(struct options, amount, .help = \"a\"),",
         "sizeof(struct options)", "apply", PARE_EFORMAT, "option 'amount' stands there twice"},
        {"PARE_ABI", "test.x",
         "PARE_OPT(struct options, amount, .help = \"a\", .min = 2, .max = 1),",
         "sizeof(struct options)", "apply", PARE_EFORMAT, "limits [2, 1] are in the wrong order"},
        {"PARE_ABI", "test.x", "PARE_OPT(struct options, amount),", "sizeof(struct options)",
         "apply", PARE_EFORMAT, "option 'amount': has no help text"},
        {"PARE_ABI", "test.x",
         "PARE_OPT(struct options, count, .help = \"a\", .def = 2, .choices = "
         "PARE_CHOICES(\"p\", \"q\")),",
         "sizeof(struct options)", "apply", PARE_EFORMAT, "default 2 is not the index of a choice"},
        {"PARE_ABI", "test.x",
         "PARE_OPT(struct options, count, .help = \"a\", .choices = PARE_CHOICES(\"p\", \"p\")),",
         "sizeof(struct options)", "apply", PARE_EFORMAT, "choice 'p' stands there twice"},
        {"PARE_ABI", "test.x",
         "PARE_OPT(struct options, amount, .help = \"a\", .choices = PARE_CHOICES(\"p\", \"q\")),",
         "sizeof(struct options)", "apply", PARE_EFORMAT, "choices are for words"},
    };
    struct pare_registry *registry = open_registry();
    int n = pare_registry_n_methods(registry);

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct fault *f = &faults[i];
        struct pare_error err = {0};
        char name[32], abi[96];
        const char *message = f->message ? f->message : abi;

        snprintf(name, sizeof name, "fault%zu", i);
        snprintf(abi, sizeof abi, "built for plugin ABI %d, this pare has %d: compile it again",
                 PARE_ABI + 1, PARE_ABI);
        assert_int_equal(
            load(registry, name, method_source(f->abi, f->name, f->rows, f->bytes, f->apply), &err),
            f->st);
        if (!strstr(err.text, message) || !strstr(err.text, name))
            fail_msg("expected '%s' in: %s", message, err.text);
        assert_int_equal(pare_registry_n_methods(registry), n);
    }
    pare_registry_close(registry);
}

static void a_name_that_is_taken_is_refused(void **state)
{
    struct pare_registry *registry = open_registry();
    struct pare_error err = {0};

    (void)state;
    assert_ok(
        load(registry, "first",
             method_source("PARE_ABI", "test.same", good_rows, "sizeof(struct options)", "apply"),
             &err),
        &err);
    assert_int_equal(
        load(registry, "second",
             method_source("PARE_ABI", "test.same", good_rows, "sizeof(struct options)", "apply"),
             &err),
        PARE_EINVAL);
    assert_non_null(strstr(err.text, "'test.same' was already loaded from"));
    assert_non_null(strstr(err.text, "first.so"));
    pare_registry_close(registry);
}

static void files_that_are_no_plugins_are_refused(void **state)
{
    struct pare_registry *registry = open_registry();
    struct pare_error err = {0};
    char *path = compile("stranger", "int nothing_of_ours;\n"), *text;

    (void)state;
    assert_int_equal(pare_registry_load(registry, path, &err), PARE_EFORMAT);
    assert_non_null(strstr(err.text, "neither pare_entry nor pare_hwmodel_entry"));
    free(path);
    text = pare_path_join(dir, "text.so");
    assert_ok(pare_file_write(text, "hello", 5, &err), &err);
    assert_int_equal(pare_registry_load(registry, text, &err), PARE_EFORMAT);
    assert_int_equal(pare_registry_load(registry, "/no/such.so", &err), PARE_EIO);
    assert_non_null(strstr(err.text, "/no/such.so"));
    free(text);
    pare_registry_close(registry);
}

/* ---- Device files ---- */

static struct pare_registry *registry_with_model(void)
{
    struct pare_registry *registry = open_registry();
    struct pare_error err = {0};
    char *path = compile(
        "model",
        "#include <pare/hwmodel.h>\n"
        "struct device { double clock_mhz; int cores; };\n"
        "static const struct pare_option schema[] = {\n"
        "  PARE_OPT(struct device, clock_mhz, .required = true, .min = 1, .max = 9999, .help = "
        "\"clock\"),\n"
        "  PARE_OPT(struct device, cores, .def = 1, .min = 1, .max = 64, .help = \"cores\"),\n"
        "  PARE_OPT_END };\n"
        "static pare_status estimate(const void *d, const struct pare_hw_network *n,\n"
        "  struct pare_hw_result *o, double *k, struct pare_error *e)\n"
        "{ (void)d; (void)n; (void)o; (void)k; (void)e; return PARE_OK; }\n"
        "const struct pare_hwmodel pare_hwmodel_entry = { .abi = PARE_ABI, .revision = 1,\n"
        "  .name = \"test-model\", .summary = \"a test\", .source = \"nowhere\",\n"
        "  .options = schema, .options_bytes = sizeof(struct device), .estimate = estimate };\n");

    assert_ok(pare_registry_load(registry, path, &err), &err);
    free(path);
    return registry;
}

static void write_device(const char *name, const char *text)
{
    struct pare_error err = {0};
    char *path = pare_path_join(dir, name);

    assert_ok(pare_file_write(path, text, strlen(text), &err), &err);
    free(path);
}

static void a_device_file_fills_the_table_of_its_model(void **state)
{
    struct pare_registry *registry = registry_with_model();
    struct pare_device device;
    struct pare_error err = {0};
    char **names, *path = pare_path_join(dir, "board.yaml");
    int n, found = 0;

    (void)state;
    write_device("board.yaml", "id: board\npart: ABC 1\nmodel: test-model\nclock_mhz: 216\n");
    setenv("PARE_HWMODEL_PATH", dir, 1);
    for (int by_path = 0; by_path < 2; by_path++) {
        assert_ok(pare_device_open(&device, registry, by_path ? path : "board", &err), &err);
        assert_string_equal(device.id, "board");
        assert_string_equal(device.part, "ABC 1");
        assert_string_equal(device.model->name, "test-model");
        assert_true(*(double *)device.options == 216);
        pare_device_close(&device);
    }
    n = pare_device_names(&names);
    for (int i = 0; i < n; i++) {
        found += strcmp(names[i], "board") == 0;
        free(names[i]);
    }
    free(names);
    assert_int_equal(found, 1);
    unsetenv("PARE_HWMODEL_PATH");
    free(path);
    pare_registry_close(registry);
}

static void wrong_device_files_are_explained(void **state)
{
    static const struct {
        const char *text, *messages[3];
    } faults[] = {
        {"id: b\npart: p\nmodel: test-modell\n",
         {"b.yaml:3:", "unknown hardware model 'test-modell'"}},
        {"id: b\npart: p\nmodel: test-model\nclock_mhz: -3\n", {"b.yaml:4:", "clock_mhz"}},
        {"id: b\npart: p\nmodel: test-model\nclok_mhz: 3\n", {"b.yaml:4:", "clock_mhz"}},
        {"id: b\npart: p\nmodel: test-model\n", {"clock_mhz"}},
        {"part: p\nmodel: test-model\nclock_mhz: 3\n", {"'id' is missing"}},
        {"id: b\npart: [p]\nmodel: test-model\nclock_mhz: 3\n", {"b.yaml:2:", "part"}},
        {"- a\n- b\n", {"is a map"}},
        {"id: b\n  part: [\n", {"b.yaml"}},
    };
    struct pare_registry *registry = registry_with_model();

    (void)state;
    setenv("PARE_HWMODEL_PATH", dir, 1);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct pare_device device;
        struct pare_error err = {0};

        write_device("b.yaml", faults[i].text);
        assert_int_not_equal(pare_device_open(&device, registry, "b", &err), PARE_OK);
        assert_null(device.arena);
        for (int k = 0; k < 3 && faults[i].messages[k]; k++)
            if (!strstr(err.text, faults[i].messages[k]))
                fail_msg("expected '%s' in: %s", faults[i].messages[k], err.text);
    }
    unsetenv("PARE_HWMODEL_PATH");
    pare_registry_close(registry);
}

static void an_unknown_device_is_answered_with_the_nearest(void **state)
{
    struct pare_registry *registry = registry_with_model();
    struct pare_device device;
    struct pare_error err = {0};

    (void)state;
    write_device("stm32x.yaml", "id: stm32x\n");
    setenv("PARE_HWMODEL_PATH", dir, 1);
    assert_int_equal(pare_device_open(&device, registry, "stm32y", &err), PARE_EINVAL);
    assert_non_null(strstr(err.text, "did you mean 'stm32x'?"));
    unsetenv("PARE_HWMODEL_PATH");
    pare_registry_close(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plugin_from_outside_is_found_by_its_name),
        cmocka_unit_test(the_path_variable_adds_folders_and_files),
        cmocka_unit_test(the_same_file_twice_is_one_plugin),
        cmocka_unit_test(unsound_plugins_are_refused_with_the_cause),
        cmocka_unit_test(a_name_that_is_taken_is_refused),
        cmocka_unit_test(files_that_are_no_plugins_are_refused),
        cmocka_unit_test(a_device_file_fills_the_table_of_its_model),
        cmocka_unit_test(wrong_device_files_are_explained),
        cmocka_unit_test(an_unknown_device_is_answered_with_the_nearest),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
