/* --position-file FILE, and --as and --share NAME, which have Kafka in place of FILE: how far the output of a gather is written, kept
 * so that another run goes on behind it.
 *
 * What FILE promises: everything up to its position was written to stdout, and is on the disk where stdout is a file. It
 * is replaced as a whole, about once a second, at the end, and when the program is interrupted. A run that is killed has
 * printed at most a second's outcomes more, which the next one prints again. */
#ifndef CLI_POSITION_FILE_H
#define CLI_POSITION_FILE_H

#include "cli/cli.h"

typedef struct {
    const char *path; /* NULL: none */
    bool is_named;    /* --as, --share: Kafka has it */
    char *kept;       /* what it says, NULL: nothing */
    int64_t next_ms;  /* when it is due again */
    bool is_behind;   /* something was handed out since */
} position_file_t;

/* Reads it and makes it the "from" of the gather. EXIT_ALL_WELL, also where there is none yet, or a status after a
 * complaint. */
int position_file_open(position_file_t *file, arguments_t *arguments);
void position_file_close(position_file_t *file);
/* When the output is to be written out whole, so that it can be kept; INT64_MAX: nothing was handed out since. */
int64_t position_file_next_ms(const position_file_t *file);
bool position_file_is_due(const position_file_t *file);
/* Everything that `job` handed out was written. False, after a complaint. Where Kafka has it, that is waited for only if `is_last`, and what
 * is wrong fails the job. */
bool position_file_keep(position_file_t *file, fanmap_job_t *job, bool is_last);

#endif
