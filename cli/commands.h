/* The subcommands; each returns the exit status of the program. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

int run_map(arguments_t *arguments);
int run_submit(arguments_t *arguments);
int run_gather(arguments_t *arguments);
int run_worker(arguments_t *arguments);
int run_control(arguments_t *arguments);
int run_jobs(arguments_t *arguments);
int run_show(arguments_t *arguments);
int run_workers(arguments_t *arguments);

#endif
