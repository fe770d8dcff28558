/* --joblog FILE: one line for each item that ran, as its outcome is handed out, in GNU parallel's columns. What is not
 * known of an attempt on another machine stands as parallel writes it for its own: Host ":", Send 0. */
#ifndef CLI_PARALLEL_LOG_H
#define CLI_PARALLEL_LOG_H

#include <stdio.h>

#include "cli/cli.h"

typedef struct {
    FILE *file; /* NULL: none is kept */
    const char *path;
    const arguments_t *arguments;
    bool has_failed;
} parallel_log_t;

/* EXIT_ALL_WELL, or EXIT_IO after a complaint. A file that is there is written anew. */
int parallel_log_open(parallel_log_t *log, const arguments_t *arguments);
void parallel_log_put(parallel_log_t *log, const fanmap_outcome_t *outcome);
/* What was put is in the file. */
void parallel_log_flush(parallel_log_t *log);
/* False, after a complaint: the file is not whole. */
bool parallel_log_close(parallel_log_t *log);

#endif
