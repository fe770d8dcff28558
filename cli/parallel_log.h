/* --joblog FILE: one line for each item that ran, as its outcome is handed out, in GNU parallel's columns. What is not
 * known of an attempt on another machine stands as parallel writes it for its own: Host ":", Send 0. */
#ifndef CLI_PARALLEL_LOG_H
#define CLI_PARALLEL_LOG_H

#include <stdio.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/kept.h"

typedef struct {
    FILE *file; /* NULL: none is kept */
    const char *path;
    const arguments_t *arguments;
    fanmap_filler_t *filler; /* NULL: the command is the item, or a task of a fleet */
    buf_t command;
    bool has_failed;
} parallel_log_t;

/* EXIT_ALL_WELL, or EXIT_IO after a complaint. A file that is there is written anew; +FILE, and whatever
 * resumes, goes on with it. */
int parallel_log_open(parallel_log_t *log, const arguments_t *arguments);
/* What is asked for goes on with the files of an earlier run. */
bool parallel_log_goes_on(const arguments_t *arguments);
/* What one says of an attempt, in parallel's terms. */
typedef struct {
    uint64_t seq;
    const char *host; /* ":" where that is this one; valid as long as the outcome */
    int host_len;
    double start_s, run_s;
    size_t receive;
    int exit_value, signo;
} parallel_row_t;

/* False: nothing of it ran, or it was killed with its job, and parallel has no line for these. */
bool parallel_row(const fanmap_outcome_t *outcome, const kept_item_t *item, parallel_row_t *ret);
/* `item`: what was run; NULL where that is not known. */
void parallel_log_put(parallel_log_t *log, const fanmap_outcome_t *outcome, const kept_item_t *item);
/* Appends the command of an item as it stands in the log: a text for sh, in which a NUL stands for a newline, as parallel
 * writes it. */
void parallel_log_command(parallel_log_t *log, uint64_t seq, fanmap_format_t format, const fanmap_part_t *parts,
                          size_t n, buf_t *ret);
/* What was put is in the file. */
void parallel_log_flush(parallel_log_t *log);
/* False, after a complaint: the file is not whole. */
bool parallel_log_close(parallel_log_t *log);

#endif
