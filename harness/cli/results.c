#include "cli/results.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "option/yaml.h"

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_results(const char *folder)
{
    char *path = pare_path_join(folder, "pare.sqlite");
    bool is = pare_file_exists(path);

    free(path);
    return is;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Results folders inside a folder, by name; the caller frees them. */
static int list_results(const char *folder, char ***out)
{
    DIR *dir = opendir(folder);
    char **list = NULL;
    int n = 0;

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char *path;

        if (entry->d_name[0] == '.')
            continue;
        path = pare_path_join(folder, entry->d_name);
        if (is_folder(path) && is_results(path)) {
            list = pare_xrealloc(list, (size_t)(n + 1) * sizeof *list);
            list[n++] = path;
        } else {
            free(path);
        }
    }
    if (dir)
        closedir(dir);
    if (n)
        qsort(list, (size_t)n, sizeof *list, by_name);
    *out = list;
    return n;
}

/* The only results folder inside `folder`. */
static pare_status find_only(char **out, const char *folder, struct pare_error *err)
{
    struct pare_text names = {0};
    char **list;
    int n = list_results(folder, &list);
    pare_status st = PARE_OK;

    if (n == 1)
        *out = pare_xstrdup(list[0]);
    for (int i = 0; i < n; i++) {
        pare_text_printf(&names, "%s%s", i ? ", " : "", list[i]);
        free(list[i]);
    }
    free(list);
    if (n == 0)
        st = pare_fail(err, PARE_EINVAL,
                       "%s holds no results (no pare.sqlite); give a results folder or the sweep "
                       "file, or begin with `pare run SWEEP`",
                       folder);
    else if (n > 1)
        st = pare_fail(err, PARE_EINVAL, "which results? %s", names.s);
    pare_text_clear(&names);
    return st;
}

/* The name of a sweep, as sweep/file.h has it: its `name:`, else that of the file. */
static pare_status sweep_name(char **out, const char *path, struct pare_error *err)
{
    struct pare_yaml_doc *doc = NULL;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const struct pare_yaml *node;
    pare_status st = pare_yaml_load(&doc, path, err);

    if (st)
        return st;
    node = pare_yaml_get(pare_yaml_root(doc), "name");
    if (node && node->kind == PARE_YAML_SCALAR)
        *out = pare_xstrdup(node->text);
    else
        *out = strndup(base, strcspn(base, "."));
    pare_yaml_free(doc);
    return PARE_OK;
}

static pare_status find_of_sweep(char **out, const char *path, const char *results,
                                 struct pare_error *err)
{
    char *name = NULL, *folder;
    pare_status st = sweep_name(&name, path, err);

    if (st)
        return st;
    folder = results ? pare_xstrdup(results) : pare_path_join("results", name);
    free(name);
    if (!is_results(folder)) {
        st = pare_fail(err, PARE_EINVAL,
                       "%s has no results in %s yet; run it with `pare run %s`, or give the folder "
                       "with --results",
                       path, folder, path);
        free(folder);
        return st;
    }
    *out = folder;
    return PARE_OK;
}

pare_status pare_results_find(char **folder, const char *operand, const char *results,
                              struct pare_error *err)
{
    char *named;

    *folder = NULL;
    if (!operand)
        operand = results ? results : "results";
    if (is_folder(operand)) {
        if (is_results(operand)) {
            *folder = pare_xstrdup(operand);
            return PARE_OK;
        }
        return find_only(folder, operand, err);
    }
    if (pare_file_exists(operand))
        return find_of_sweep(folder, operand, results, err);
    named = pare_path_join("results", operand);
    if (is_results(named)) {
        *folder = named;
        return PARE_OK;
    }
    free(named);
    if (strcmp(operand, "results") == 0)
        return pare_fail(err, PARE_EINVAL,
                         "there is no folder results/ here; give a results folder or the sweep "
                         "file, or begin with `pare run SWEEP`");
    return pare_fail(err, PARE_EINVAL,
                     "'%s' is neither a results folder nor a sweep file, and there is no "
                     "results/%s",
                     operand, operand);
}

void pare_results_split(const char *text, char **folder, int64_t *trial)
{
    const char *colon = strrchr(text, ':');

    *trial = -1;
    if (colon && colon[1] && strlen(colon) < 18 &&
        strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
        *trial = strtoll(colon + 1, NULL, 10);
        *folder = strndup(text, (size_t)(colon - text));
    } else {
        *folder = pare_xstrdup(text);
    }
}

int pare_stdout_columns(void)
{
    const char *columns = getenv("COLUMNS");
    int n = columns ? atoi(columns) : 0;

    if (isatty(STDOUT_FILENO))
        return pare_terminal_columns();
    return n >= 20 && n <= 10000 ? n : 80;
}

int pare_stdout_put(const struct pare_command *command, struct pare_text *text)
{
    int code = PARE_EXIT_DONE;

    if (text->s)
        fputs(text->s, stdout);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "pare %s: cannot write: %s\n", command->name, strerror(errno));
        code = PARE_EXIT_USAGE;
    }
    pare_text_clear(text);
    return code;
}
