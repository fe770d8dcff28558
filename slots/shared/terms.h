/* On what terms a task runs: limits, surroundings, and the container it is put into. The operator names them, with the
 * task; a job may only ask for less. */
#ifndef SLOTS_SHARED_TERMS_H
#define SLOTS_SHARED_TERMS_H

#include "schemas/mp.h"

/* Of one attempt, everything it started included, unless it says otherwise. 0: no limit. */
typedef struct {
    uint64_t memory_bytes;
    uint64_t file_bytes;  /* of one file it writes */
    uint32_t cpus_milli;  /* thousandths of a processor */
    uint32_t cpu_time_ms; /* processor time */
    uint32_t files_n;     /* open descriptors of one process */
    uint32_t processes_n; /* processes and threads at once */
} limits_t;

/* What a command's stdout is as its value. */
typedef enum {
    STDOUT_TEXT, /* a string without its last newline where it is UTF-8, else binary */
    STDOUT_JSON, /* one JSON text */
    STDOUT_RAW   /* every byte of it, as a string or binary */
} stdout_rule_t;

/* Where a command's output goes while it runs, as frames (slots/shared/copy_frame.h) in the pipe of the log. */
typedef enum {
    COPY_NOWHERE,
    COPY_BESIDE, /* its stdout is its value too */
    COPY_INSTEAD /* its value is empty, and what it prints has no limit */
} copy_rule_t;

typedef struct {
    limits_t limits;
    uint32_t timeout_ms; /* an attempt's, at most; 0: the job's alone */
    int32_t nice;        /* added to the worker's own; commands and served programs only */
    char *workdir;       /* NULL: the worker's */
    char **env;          /* NAME=VALUE, NULL-terminated, or NULL: beside the worker's own environment */
    uint32_t own_from;   /* where in argv the task's own words begin, behind those of the container's runtime */
    char **kill_argv;    /* ends the container {container}; NULL: its processes are ours to kill */
    stdout_rule_t output;
    copy_rule_t copy;
    uint32_t script_at; /* which word is a text of the shell, in which nothing is put; 0: none */
    char *replace;      /* what stands for the item in the words; NULL: {} */
    bool raw_input;     /* a command's stdin is the item's bytes and no newline behind them */
    char **list_argv;   /* prints the names of the containers that there are, one a line; NULL: none are left behind */
} terms_t;

enum { TERMS_WORDS_MAX = 65536, LIMITS_TEXT_MAX = 240 };

/* Of each limit the smaller one. */
limits_t limits_smaller(const limits_t *a, const limits_t *b);
bool limits_any(const limits_t *limits);
/* "memory 64MiB, cpus 0.5, cpu-time 10s, files 64, processes 16, file-size 1MiB"; "" when there is no limit. Returns
 * `ret`, of at least LIMITS_TEXT_MAX. */
char *limits_format(char *ret, size_t cap, const limits_t *limits);

void terms_encode(buf_t *b, const terms_t *terms);
/* What cannot be read makes r->bad. */
terms_t terms_decode(mp_reader_t *r);
void terms_free(terms_t *terms);

/* NULL-terminated lists of words. NULL: no memory. */
char **words_copy(const char *const *words);
void words_free(char **words);
size_t words_count(const char *const *words); /* of NULL: 0 */
void words_encode(buf_t *b, const char *const *words);
char *text_decode(mp_reader_t *r);   /* a copy; NULL, and r->bad, when it is bad */
char **words_decode(mp_reader_t *r); /* NULL when it is bad */

#endif
