#include "plugin/places.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

static void add(struct pare_places *places, char *path)
{
    places->paths = pare_xrealloc(places->paths, (size_t)(places->n + 1) * sizeof *places->paths);
    places->paths[places->n++] = path;
}

/* The folder of the library that holds this code. */
static char *own_folder(void)
{
    static const char here; /* an address inside of the library */
    Dl_info info;
    char *path, *slash;

    if (!dladdr(&here, &info) || !info.dli_fname)
        return pare_xstrdup(".");
    path = realpath(info.dli_fname, NULL);
    if (!path)
        path = pare_xstrdup(info.dli_fname);
    slash = strrchr(path, '/');
    if (!slash) {
        free(path);
        return pare_xstrdup(".");
    }
    *(slash == path ? slash + 1 : slash) = '\0';
    return path;
}

void pare_places_find(struct pare_places *out, const char *beside, const char *installed,
                      const char *variable)
{
    const char *more = getenv(variable);
    char *own = own_folder(), *path = pare_path_join(own, beside);

    *out = (struct pare_places){0};
    if (!pare_file_exists(path)) {
        free(path);
        path = pare_path_join(own, installed);
    }
    add(out, path);
    free(own);
    while (more && *more) {
        size_t n = strcspn(more, ":");
        char *part = strndup(more, n);

        if (part && n)
            add(out, pare_path_expand(part));
        free(part);
        more += n + (more[n] == ':');
    }
}

void pare_places_clear(struct pare_places *places)
{
    for (int i = 0; i < places->n; i++)
        free(places->paths[i]);
    free(places->paths);
    *places = (struct pare_places){0};
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int pare_places_list(char ***out, const char *folder, const char *ending)
{
    struct pare_places found = {0};
    DIR *dir = opendir(folder);
    struct dirent *entry;

    *out = NULL;
    if (!dir)
        return -1;
    while ((entry = readdir(dir))) {
        size_t n = strlen(entry->d_name), n_ending = strlen(ending);

        if (entry->d_name[0] != '.' && n > n_ending &&
            strcmp(entry->d_name + n - n_ending, ending) == 0)
            add(&found, pare_path_join(folder, entry->d_name));
    }
    closedir(dir);
    if (found.n)
        qsort(found.paths, (size_t)found.n, sizeof *found.paths, by_text);
    *out = found.paths;
    return found.n;
}
