/* What `pare run` ends with: the front, the best trial, plots, and the best model's file. */
#ifndef PARE_CLI_RUN_SUMMARY_H
#define PARE_CLI_RUN_SUMMARY_H

#include <stdbool.h>

#include <pare/status.h>

/* Prints the summary of a results folder to stdout and puts the best trial's model into
 * FOLDER/best.safetensors.  *has_best: something is within the budget. */
pare_status pare_run_summary(const char *folder, bool *has_best, struct pare_error *err);

#endif
