#include "io/data_locate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/text.h"

const struct pare_option pare_data_options[] = {
    PARE_OPT(struct pare_data_spec, name, .required = true,
             .choices =
                 PARE_CHOICES("digits", "mnist", "fashion-mnist", "cifar-10", "kws01", "csv"),
             .help = "which data set"),
    PARE_OPT(struct pare_data_spec, path,
             .help = "its folder or file; else $PARE_DATA/NAME, then ~/.local/share/pare/NAME"),
    PARE_OPT(struct pare_data_spec, val_fraction, .def = 0.1, .min = 0, .max = 0.9,
             .help = "part of the training samples that is kept for validation"),
    {.name = "seed",
     .type = PARE_OPTION_I64,
     .offset = offsetof(struct pare_data_spec, seed),
     .help = "of the split into training and validation"},
    PARE_OPT(struct pare_data_spec, normalize, .def_text = "standard",
             .choices = PARE_CHOICES("standard", "unit", "raw"),
             .help = "standard: mean 0 and deviation 1 per channel of the training samples; unit: "
                     "0 to 1; raw: as the file says"),
    PARE_OPT(struct pare_data_spec, limit_train, .def = 0, .min = 0, .max = 1e15,
             .help = "use only so many training samples; 0: all"),
    PARE_OPT(struct pare_data_spec, limit_test, .def = 0, .min = 0, .max = 1e15,
             .help = "use only so many test samples; 0: all"),
    PARE_OPT(struct pare_data_spec, label, .def_text = "last",
             .choices = PARE_CHOICES("first", "last", "none"),
             .help = "csv: the column that holds the class number"),
    PARE_OPT(struct pare_data_spec, test_fraction, .def = 0.2, .min = 0, .max = 0.9,
             .help = "csv: part of a single file that is kept for testing"),
    PARE_OPT_END,
};

void pare_data_spec_defaults(struct pare_data_spec *spec)
{
    *spec = (struct pare_data_spec){.val_fraction = 0.1,
                                    .normalize = "standard",
                                    .label = "last",
                                    .test_fraction = 0.2};
}

/* The folders (or the file) to look into, best first. */
struct candidates {
    int n;
    char *paths[3];
};

static void candidates_add(struct candidates *candidates, char *path)
{
    candidates->paths[candidates->n++] = path;
}

static void candidates_find(struct candidates *candidates, const struct pare_data_spec *spec)
{
    const char *root = getenv("PARE_DATA");
    char *home;

    if (spec->path) {
        char *path = pare_path_expand(spec->path);

        candidates_add(candidates, path);
        candidates_add(candidates, pare_path_join(path, spec->name)); /* a folder of data sets */
        return;
    }
    if (root && root[0])
        candidates_add(candidates, pare_path_join(root, spec->name));
    home = pare_path_expand("~/.local/share/pare");
    candidates_add(candidates, pare_path_join(home, spec->name));
    free(home);
}

static pare_status missing(const struct pare_data_source *source, const struct pare_data_spec *spec,
                           const struct candidates *candidates, const struct pare_data_files *files,
                           struct pare_error *err)
{
    const struct pare_data_entry *entry = &source->entry;
    struct pare_text text = {0};
    pare_status st;

    pare_text_printf(&text, "data '%s': ", entry->name);
    for (int i = 0; i < files->n_looked; i++)
        pare_text_printf(&text, "%s%s", i ? ", " : "", files->looked[i]);
    pare_text_add(&text, files->n_looked > 1 ? " are not in " : " is not in ");
    for (int i = 0; i < candidates->n; i++)
        pare_text_printf(&text, "%s%s", i ? " nor in " : "", candidates->paths[i]);
    pare_text_add(&text, ". ");
    if (entry->has_download)
        pare_text_printf(&text, "Download them with: pare data get %s%s%s. ", entry->name,
                         spec->path ? " --dir " : "", spec->path ? spec->path : "");
    pare_text_printf(&text, "By hand: put %s there%s", source->by_hand,
                     spec->path ? "" : ", or say data.path");
    st = pare_fail(err, PARE_EIO, "%s", text.s);
    pare_text_clear(&text);
    return st;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (word && strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static pare_status check_options(const struct pare_data_spec *spec, struct pare_error *err)
{
    if (!is_one_of(spec->normalize, PARE_CHOICES("standard", "unit", "raw")))
        return pare_fail(err, PARE_EINVAL, "normalize: '%s' is not standard, unit or raw",
                         spec->normalize ? spec->normalize : "");
    if (!is_one_of(spec->label, PARE_CHOICES("first", "last", "none")))
        return pare_fail(err, PARE_EINVAL, "label: '%s' is not first, last or none",
                         spec->label ? spec->label : "");
    if (!(spec->val_fraction >= 0 && spec->val_fraction <= 0.9))
        return pare_fail(err, PARE_EINVAL, "val_fraction: %g is outside [0, 0.9]",
                         spec->val_fraction);
    if (!(spec->test_fraction >= 0 && spec->test_fraction <= 0.9))
        return pare_fail(err, PARE_EINVAL, "test_fraction: %g is outside [0, 0.9]",
                         spec->test_fraction);
    if (spec->limit_train < 0 || spec->limit_test < 0)
        return pare_fail(err, PARE_EINVAL, "limit_train and limit_test are not negative");
    return PARE_OK;
}

pare_status pare_data_locate(const struct pare_data_source **source, struct pare_data_files *files,
                             const struct pare_data_spec *spec, struct pare_error *err)
{
    struct candidates candidates = {0};
    struct pare_data_files nowhere = {0};
    bool found = false;
    pare_status st;

    st = pare_data_source_find(source, spec->name, err);
    if (!st)
        st = check_options(spec, err);
    if (st)
        return st;
    candidates_find(&candidates, spec);
    for (int i = 0; !found && i < candidates.n; i++) {
        *files = (struct pare_data_files){0};
        found = (*source)->find(files, candidates.paths[i]);
        if (!found) {
            /* the place where most was there is the one to talk about */
            if (i == 0 || files->n > nowhere.n) {
                pare_data_files_clear(&nowhere);
                nowhere = *files;
                *files = (struct pare_data_files){0};
            }
            pare_data_files_clear(files);
        }
    }
    if (!found)
        st = missing(*source, spec, &candidates, &nowhere, err);
    pare_data_files_clear(&nowhere);
    for (int i = 0; i < candidates.n; i++)
        free(candidates.paths[i]);
    return st;
}

pare_status pare_data_check(const struct pare_data_spec *spec, struct pare_error *err)
{
    const struct pare_data_source *source;
    struct pare_data_files files = {0};
    pare_status st;

    st = pare_data_locate(&source, &files, spec, err);
    pare_data_files_clear(&files);
    return st;
}
