#include "measure/machine.h"

#include <ctype.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/pool.h"

#ifndef PARE_COMMIT
#define PARE_COMMIT "unknown"
#endif

/* The text of a small file of the kernel without its last newline, or NULL; free it. */
static char *read_small(const char *path)
{
    char text[4096];
    FILE *file = fopen(path, "re");
    size_t n;

    if (!file)
        return NULL;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    text[n] = '\0';
    return n ? pare_xstrdup(text) : NULL;
}

/* The first value of a key of /proc/cpuinfo, or NULL; free it. */
static char *cpuinfo(const char *key)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char *line = NULL, *value = NULL;
    size_t capacity = 0, n = strlen(key);

    while (file && !value && getline(&line, &capacity, file) > 0) {
        char *colon = strchr(line, ':');

        if (!colon || strncmp(line, key, n) != 0 || !strchr(" \t:", line[n]))
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        colon[strcspn(colon, "\n")] = '\0';
        value = pare_xstrdup(colon);
    }
    free(line);
    if (file)
        fclose(file);
    return value;
}

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = words; p && (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static void add_pair(struct pare_text *out, const char *key, const char *value)
{
    pare_text_add(out, out->n && out->s[out->n - 1] != '{' ? ", " : "");
    pare_text_json_string(out, key);
    pare_text_add(out, ": ");
    if (value)
        pare_text_json_string(out, value);
    else
        pare_text_add(out, "null");
}

/* ARM's cpuinfo has no model name, only numbers of the maker. */
static char *cpu_name(void)
{
    char *name = cpuinfo("model name"), *maker, *part;
    struct pare_text text = {0};

    if (name)
        return name;
    maker = cpuinfo("CPU implementer");
    part = cpuinfo("CPU part");
    if (part)
        pare_text_printf(&text, "implementer %s part %s", maker ? maker : "?", part);
    else
        pare_text_add(&text, "unknown");
    free(maker);
    free(part);
    return pare_text_take(&text);
}

/* The extensions that kernels choose by, in a fixed order: "avx2 fma avx512f". */
static void add_isa(struct pare_text *out)
{
    static const char *const known[] = {
        "sse4_2",   "avx",      "f16c",     "fma",         "avx2",        "avx512f",
        "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16",
        "avx_vnni", "amx_tile", "amx_int8", "amx_bf16",    "asimd",       "asimddp",
        "asimdhp",  "i8mm",     "bf16",     "sve",         "sve2",
    };
    char *flags = cpuinfo("flags");

    if (!flags)
        flags = cpuinfo("Features");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (has_word(flags, known[i]))
            pare_text_printf(out, "%s%s", out->n ? " " : "", known[i]);
    pare_text_add(out, "");
    free(flags);
}

static void add_caches(struct pare_text *out)
{
    pare_text_add(out, ", \"caches\": {");
    for (int i = 0; i < 8; i++) {
        static const char *const names[] = {"level", "type", "size"};
        char *value[3], path[128], key[32];

        for (int k = 0; k < 3; k++) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", i,
                     names[k]);
            value[k] = read_small(path);
        }
        if (value[0] && value[1] && value[2]) {
            snprintf(key, sizeof key, "L%.4s%s", value[0],
                     value[1][0] == 'D'   ? "d"
                     : value[1][0] == 'I' ? "i"
                                          : "");
            add_pair(out, key, value[2]);
        }
        for (int k = 0; k < 3; k++)
            free(value[k]);
    }
    pare_text_add(out, "}");
}

static char *os_name(void)
{
    char *text = read_small("/etc/os-release"), *name = NULL;
    char *line = text ? strstr(text, "PRETTY_NAME=") : NULL;

    if (line) {
        line += strlen("PRETTY_NAME=");
        line += *line == '"';
        line[strcspn(line, "\"\n")] = '\0';
        name = pare_xstrdup(line);
    }
    free(text);
    return name;
}

struct libraries {
    int n;
    bool only_fast; /* those whose version changes how fast or exact networks run */
    struct library {
        char soname[64], file[128]; /* libdnnl.so.2, libdnnl.so.2.6 */
    } items[32];
};

/* Notes a loaded library that results depend on.  Its file bears its full version. */
static int note_library(struct dl_phdr_info *info, size_t n_bytes, void *state)
{
    static const char *const wanted[] = {"libdnnl",    "libopenblas", "libgomp", "libpapi",
                                         "libyaml",    "libsqlite3",  "libz.",   "libxxhash",
                                         "libjansson", "liblzma"};
    enum { N_FAST = 3, N_WANTED = sizeof wanted / sizeof wanted[0] };
    struct libraries *found = state;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *soname = slash ? slash + 1 : info->dlpi_name;
    struct library *library = &found->items[found->n];
    char *real;
    int i = 0, n = found->only_fast ? N_FAST : N_WANTED;

    (void)n_bytes;
    while (i < n && strncmp(soname, wanted[i], strlen(wanted[i])) != 0)
        i++;
    if (i == n || found->n == (int)(sizeof found->items / sizeof found->items[0]))
        return 0;
    real = realpath(info->dlpi_name, NULL);
    slash = real ? strrchr(real, '/') : NULL;
    snprintf(library->soname, sizeof library->soname, "%s", soname);
    snprintf(library->file, sizeof library->file, "%s", slash ? slash + 1 : soname);
    found->n++;
    free(real);
    return 0;
}

static int by_soname(const void *a, const void *b)
{
    const struct library *x = a, *y = b;

    return strcmp(x->soname, y->soname);
}

/* A JSON object: each library by its soname with the file it is, without folders. */
static void add_libraries(struct pare_text *out, bool only_fast)
{
    struct libraries *found = pare_xcalloc(1, sizeof *found);
    char libc[64] = "";

    found->only_fast = only_fast;
    dl_iterate_phdr(note_library, found);
    qsort(found->items, (size_t)found->n, sizeof found->items[0], by_soname);
    pare_text_add(out, "{");
#ifdef _CS_GNU_LIBC_VERSION
    confstr(_CS_GNU_LIBC_VERSION, libc, sizeof libc);
#endif
    add_pair(out, "libc", libc[0] ? libc : NULL);
    for (int i = 0; i < found->n; i++)
        add_pair(out, found->items[i].soname, found->items[i].file);
    pare_text_add(out, "}");
    free(found);
}

static bool is_virtual(void)
{
    char *flags = cpuinfo("flags"), *hypervisor = read_small("/sys/hypervisor/type");
    bool result = has_word(flags, "hypervisor") || hypervisor;

    free(flags);
    free(hypervisor);
    return result;
}

void pare_machine_json(struct pare_text *out)
{
    double memory_gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 0x1p30;
    char *cpu = cpu_name(), *os = os_name();
    char *governor = read_small("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    struct pare_text isa = {0};
    struct utsname kernel = {0};

    uname(&kernel);
    add_isa(&isa);
    pare_text_add(out, "{");
    add_pair(out, "cpu", cpu);
    add_pair(out, "architecture", kernel.machine);
    pare_text_printf(out, ", \"cores\": %d", pare_cpu_count());
    add_pair(out, "isa", isa.s);
    add_caches(out);
    pare_text_printf(out, ", \"memory_gib\": %.1f", memory_gib);
    add_pair(out, "os", os);
    add_pair(out, "kernel", kernel.release);
    pare_text_printf(out, ", \"virtual\": %s", is_virtual() ? "true" : "false");
    add_pair(out, "governor", governor);
    add_pair(out, "compiler", __VERSION__);
    pare_text_add(out, ", \"libraries\": ");
    add_libraries(out, false);
    add_pair(out, "pare_commit", PARE_COMMIT);
    pare_text_add(out, "}");
    pare_text_clear(&isa);
    free(cpu);
    free(os);
    free(governor);
}

const char *pare_machine_digest(char *buffer, int n)
{
    struct pare_hash *hash = pare_hash_new();
    struct pare_text text = {0};
    struct pare_digest digest;
    char *cpu = cpu_name();

    pare_text_printf(&text, "%s\n%ld\n", cpu, sysconf(_SC_NPROCESSORS_ONLN));
    add_isa(&text);
    add_libraries(&text, true);
    pare_hash_add_text(hash, text.s);
    digest = pare_hash_finish(hash);
    snprintf(buffer, (size_t)n, "%s", digest.hex);
    pare_text_clear(&text);
    free(cpu);
    return buffer;
}
