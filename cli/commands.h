/* The subcommands; each returns the exit status of the program. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

int run_map(arguments_t *arguments);
int run_submit(arguments_t *arguments);
int run_gather(arguments_t *arguments);
int run_health(arguments_t *arguments);
int run_worker(arguments_t *arguments);
int run_stream(arguments_t *arguments);
int run_serve(arguments_t *arguments);
int run_aggregator(arguments_t *arguments);
int run_check_task(arguments_t *arguments);
int run_control(arguments_t *arguments);
int run_jobs(arguments_t *arguments);
int run_show(arguments_t *arguments);
int run_dead(arguments_t *arguments);
int run_logs(arguments_t *arguments);
int run_topics(arguments_t *arguments);
int run_workers(arguments_t *arguments);
int run_completion(arguments_t *arguments);
int run_man(arguments_t *arguments);

/* What a service says: a line of stderr with the time, by --quiet and --verbose. `arg` is the arguments_t. */
/* From now on, if --log-format says so, complain() and service_log() print JSON objects. */
void log_as_json(const arguments_t *arguments);
bool is_json_logged(void);
void json_log(fanmap_log_level_t level, const char *line);
void service_log(void *arg, fanmap_log_level_t level, const char *line);

#endif
