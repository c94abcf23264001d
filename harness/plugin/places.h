/* Where plugins and device files are: beside libpare.so in a build folder, or below the prefix it
 * was installed to. */
#ifndef PARE_PLUGIN_PLACES_H
#define PARE_PLUGIN_PLACES_H

/* Folders, best first; malloc'ed. */
struct pare_places {
    int n;
    char **paths;
};

/* The own folder (beside the library: `beside`, else `installed` relative to it), then those of the
 * colon-separated environment variable. */
void pare_places_find(struct pare_places *out, const char *beside, const char *installed,
                      const char *variable);
void pare_places_clear(struct pare_places *places);
/* Files of the folder whose names end so, sorted; malloc'ed paths.  -1: the folder cannot be read. */
int pare_places_list(char ***out, const char *folder, const char *ending);

#endif
