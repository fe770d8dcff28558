/* What attempts write, on the terminal that also shows the line of progress: it comes through a pipe, and is printed
 * above that line. Elsewhere attempts have stderr itself, and nothing here is open. */
#ifndef CLI_TASK_LOG_H
#define CLI_TASK_LOG_H

#include "cli/live.h"

typedef struct {
    int read_fd, write_fd; /* -1: not open */
    live_t *live;          /* NULL: lines of text come */
} task_log_t;

/* False: there is no pipe to be had. */
bool task_log_open(task_log_t *log);
/* Prints what has come, or gives it to `live`. False: nothing had. */
bool task_log_copy(task_log_t *log);
/* Nobody has to wait any more for what nobody reads. */
void task_log_let_go(task_log_t *log);
/* Prints the rest. */
void task_log_close(task_log_t *log);

#endif
