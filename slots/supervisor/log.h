/* What attempts write besides their value, on its way to the worker's log: each line escaped and labelled
 * `job/index/attempt: `, at most LOG_ATTEMPT_BYTES of an attempt; what is beyond that, or finds the log's reader stuck,
 * is dropped and counted. Never blocks.
 */
#ifndef SLOTS_SUPERVISOR_LOG_H
#define SLOTS_SUPERVISOR_LOG_H

#include "base/buf.h"

enum { LOG_LABEL_MAX = 128, LOG_LINE_BYTES = 1024, LOG_ATTEMPT_BYTES = 64 * 1024 };

typedef struct {
    int fd; /* -1: nowhere */
    bool is_file;
    char label[LOG_LABEL_MAX];
    buf_t part; /* of a line that has not ended */
    size_t taken, dropped;
} log_t;

void log_open(log_t *log, int fd);
/* Later text is of this attempt; what the one before left unfinished is written out. */
void log_label(log_t *log, const char *label);
void log_text(log_t *log, const char *bytes, size_t len);
/* Writes out an unfinished line and the count of dropped bytes. */
void log_end_attempt(log_t *log);

#endif
