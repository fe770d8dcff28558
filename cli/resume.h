/* --resume, --resume-failed and --retry-failed: which items need not run, by what a --joblog says of those that ran. An
 * item is known by its place in the input and by its command together, so that one that has changed runs. */
#ifndef CLI_RESUME_H
#define CLI_RESUME_H

#include "cli/parallel_log.h"

typedef enum { RESUME_NOT, RESUME_REST, RESUME_REST_AND_FAILED, RESUME_FAILED } resume_mode_t;

typedef struct {
    uint64_t seq, hash; /* of the command as it stands in the log */
    size_t line;        /* which of the log it was; the last one of an item counts */
    bool has_failed;
    char *command; /* NULL: nobody asks for it */
} resume_row_t;

/* Zeroed: everything runs. */
typedef struct {
    resume_mode_t mode;
    bool by_results;    /* there is no log: what has files of --results has run */
    resume_row_t *rows; /* by seq and hash, one of each */
    size_t n, cap;
    buf_t command;
    char **again; /* the commands of the log that are the input; NULL: it has another */
} resume_t;

/* Reads the log. Where there is no command and no task, those of the log that failed become the lists of `arguments`.
 * EXIT_ALL_WELL, or another status after a complaint. resume_close in every case. */
int resume_open(resume_t *resume, arguments_t *arguments);
void resume_close(resume_t *resume);
/* The item at place `seq`, from 1, is to run. */
bool resume_wants(resume_t *resume, parallel_log_t *log, uint64_t seq, fanmap_format_t format,
                  const fanmap_part_t *parts, size_t n);
/* The place, from 1, that the item read as number `taken` has in the log. */
uint64_t resume_seq(const resume_t *resume, uint64_t taken);

/* resume_rows.c: a line of the log without its newline, written over. False: it is none. Pure. */
bool resume_read_row(char *line, size_t len, resume_row_t *ret, const char **ret_command, size_t *ret_len);
uint64_t resume_hash(const char *command, size_t len);
/* Sorts rows, and leaves the last one of each item. Returns how many. Pure. */
size_t resume_sort(resume_row_t *rows, size_t n);
/* NULL: there is none. */
const resume_row_t *resume_find(const resume_row_t *rows, size_t n, uint64_t seq, uint64_t hash);

#endif
