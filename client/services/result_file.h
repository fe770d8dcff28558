/* DIR/JOB.jsonl: written beside its final path, then renamed. What has the final name is whole.
 *
 * While it is written a file is called .JOB.jsonl.OWNER.part, where OWNER names host, process and instance, and its
 * writer holds a lock (flock) on it. A part whose lock can be had has lost its writer: result_files_sweep removes it.
 * DIR is opened anew for every file, so that one that was mounted again is found. One thread; the calls block for as
 * long as the disk does.
 */
#ifndef CLIENT_SERVICES_RESULT_FILE_H
#define CLIENT_SERVICES_RESULT_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "schemas/spec.h"

enum { RESULT_OWNER_MAX = 96, RESULT_NAME_MAX = JOB_ID_MAX + RESULT_OWNER_MAX + 24 };

typedef struct {
    const char *dir;
    int dir_fd, fd; /* -1: closed */
    char final[RESULT_NAME_MAX], part[RESULT_NAME_MAX];
    int64_t submitted_ms;
    buf_t bytes; /* not written yet */
} result_file_t;

/* HOST-PID-RANDOM, for the names of parts. */
int result_owner(char ret[RESULT_OWNER_MAX + 1]);
/* Whether DIR/JOB.jsonl is the file of the job that was submitted then, which its modification time says. (An id can be
 * used again once its old log is gone.) */
bool result_file_is_whole(const char *dir, const char *job, int64_t submitted_ms);
/* `job` is a valid job id, `dir` lives as long as the file. Every failure is FANMAP_EIO; the message names the path. */
int result_file_open(result_file_t *file, const char *dir, const char *job, const char *owner, int64_t submitted_ms,
                     fanmap_error_t *err);
int result_file_append(result_file_t *file, const void *bytes, size_t len, fanmap_error_t *err);
/* Puts it on the disk under its final name; with a failure it is as result_file_abort. A whole file of this job that is
 * there by now stays as it is (*ret_was_there). Closes in any case. */
int result_file_finish(result_file_t *file, bool *ret_was_there, fanmap_error_t *err);
/* All of it into the file. */
bool result_write(int fd, const void *bytes, size_t len);
/* The file's time becomes that of its job, by which result_file_is_whole knows it. */
bool result_settle(int fd, int64_t submitted_ms);
/* Removes the part and closes. Legal for one that is closed, or all zero with fd -1. */
void result_file_abort(result_file_t *file);
/* Removes the parts in DIR that have lost their writer; returns how many. */
size_t result_files_sweep(const char *dir);

#endif
