/* --joblog FILE: one line for each item that ran, as its outcome is handed out, in GNU parallel's columns. What is not
 * known of an attempt on another machine stands as parallel writes it for its own: Host ":", Send 0. */
#ifndef CLI_PARALLEL_LOG_H
#define CLI_PARALLEL_LOG_H

#include <stdio.h>

#include "cli/cli.h"
#include "cli/kept.h"

typedef struct {
    FILE *file; /* NULL: none is kept */
    const char *path;
    const arguments_t *arguments;
    fanmap_filler_t *filler; /* NULL: no command of ours */
    bool has_failed;
} parallel_log_t;

/* EXIT_ALL_WELL, or EXIT_IO after a complaint. A file that is there is written anew; +FILE goes on
 * with it. */
int parallel_log_open(parallel_log_t *log, const arguments_t *arguments);
/* `item`: what was run; NULL where that is not known. */
void parallel_log_put(parallel_log_t *log, const fanmap_outcome_t *outcome, const kept_item_t *item);
/* What was put is in the file. */
void parallel_log_flush(parallel_log_t *log);
/* False, after a complaint: the file is not whole. */
bool parallel_log_close(parallel_log_t *log);

#endif
