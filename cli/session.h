/* One running of map, submit or gather: input, library and output in one poll loop, and what ends it. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/items.h"
#include "cli/output.h"
#include "cli/position_file.h"
#include "cli/progress.h"
#include "cli/resume.h"
#include "cli/task_log.h"

typedef struct {
    const arguments_t *arguments;
    fanmap_t *f;
    fanmap_job_t *job;
    items_t *input; /* NULL: none */
    bool is_gather;
    output_t output;
    resume_t resume;
    position_file_t position_file;
    progress_t progress;
    task_log_t task_log;
    bool input_done, job_done, is_dry, is_held;
    bool input_failed, keeping_failed;
    int result; /* FANMAP_END or a negative code, once job_done */
    fanmap_error_t error;
    int interrupts_seen;
} session_t;

/* Catches INT and TERM for `f`. */
void session_catch_signals(fanmap_t *f);
/* From here on a signal ends the program at once. */
void session_release_signals(void);
/* Runs the job to its end and returns the exit status of the program; f and job are closed then. A closed stdout pipe
 * cancels the job and ends the program by SIGPIPE. */
int session_run(session_t *session);

#endif
