/* What this machine is: for the manifest and for comparing runs. */
#ifndef PARE_MEASURE_MACHINE_H
#define PARE_MEASURE_MACHINE_H

#include "base/text.h"

/* JSON object: cpu, cores, isa, caches, memory_gib, os, kernel, virtual, compiler, libraries (with versions),
 * pare_commit, governor. */
void pare_machine_json(struct pare_text *out);
/* Digest of what must be equal for latencies to be comparable (cpu, cores, isa, libraries). */
const char *pare_machine_digest(char *buffer, int n);
#endif
