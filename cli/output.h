/* Outcomes to stdout: data and nothing else. Never blocks on a pipe: while the reader is slow, nothing more is taken
 * from the library, which then holds its own sources back. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli/kept.h"
#include "cli/results.h"
#include "cli/tag.h"
#include "cli/task_log.h"

typedef enum { OUTPUT_JSONL, OUTPUT_LINES, OUTPUT_NUL, OUTPUT_MSGPACK } output_format_t;

typedef struct {
    output_format_t format;
    bool as_records, can_block, as_printed, is_raw, is_verbose;
    bool is_topic;        /* --to: the library writes outcomes there, and nothing is printed */
    bool shares_terminal; /* with the line of progress, which stands below what is printed */
    buf_t waiting;        /* for stdout, from `at` on */
    size_t at;
    int error; /* errno of a write that failed */
    uint64_t failures;
    parallel_log_t parallel_log;
    bool keeps_items; /* something shows the item beside its outcome */
    kept_t kept;
    tag_t tag;
    buf_t tagged;
    results_t results;
    bool is_shown_live; /* --line-buffer, --ungroup: stdout comes by `live` */
    live_t live;
    task_log_t *log; /* that feeds `live`; NULL: nothing does */
} output_t;

/* EXIT_ALL_WELL, or EXIT_IO after a complaint. output_close in every case. */
int output_open(output_t *output, const arguments_t *arguments, const char *standard_format);
/* False, after a complaint: the log of --joblog is not whole. */
bool output_close(output_t *output);
/* What commands print must come while they run: the "command-copy" that the library must have; NULL: it need not. */
const char *output_command_copy(const output_t *output);
/* What commands print comes through `log`, which outlives it. */
void output_listen(output_t *output, task_log_t *log);
/* The values of -- CMD are printed as the command printed them: the library must keep their newlines. */
bool output_is_as_printed(const output_t *output);
/* With --to: the "to-format" that --output-format stands for; NULL: what the library has. */
const char *output_topic_format(const output_t *output, const arguments_t *arguments);
/* The "value-format" that the library must hand values out in. */
const char *output_value_format(const output_t *output);
/* True: another outcome may be put. */
bool output_has_room(const output_t *output);
/* Bytes for stdout; false: no memory. */
bool output_append(output_t *output, const void *bytes, size_t len);
/* FANMAP_OK, or a negative code with err. */
int output_put(output_t *output, fanmap_job_t *job, const fanmap_outcome_t *outcome, fanmap_error_t *err);
bool output_is_empty(const output_t *output);
/* Writes what stdout takes without blocking. False: output->error says why. */
bool output_flush(output_t *output);

#endif
