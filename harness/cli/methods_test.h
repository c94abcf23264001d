/* `pare methods test FILE.so`: the conformance suite on one plugin. */
#ifndef PARE_CLI_METHODS_TEST_H
#define PARE_CLI_METHODS_TEST_H

/* Prints one line per check; returns the exit code: 0, or 2 when a check failed. */
int pare_methods_test(const char *path);

#endif
