/* What stderr shows while a job runs: a line that rewrites itself on a terminal, else a plain line every 10 s. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/cli.h"

typedef struct {
    bool is_on, is_terminal;
    int64_t began_ms, shown_ms, moved_ms; /* moved_ms: when an outcome was last seen to have come */
    uint64_t shown_known;
    double recent_known, recent_ms; /* how many outcomes came in how long, the later counting for more */
    double rate;                    /* that, a second */
} progress_t;

int64_t monotonic_ms(void);
void progress_open(progress_t *progress, const arguments_t *arguments);
/* The line for `now_ms`, which is later than the last one's, of less than `cap` columns. What stands still has no ETA. */
void progress_step(progress_t *progress, const fanmap_stats_t *stats, int64_t now_ms, char *line, size_t cap);
/* Shows the present state when it is time to. */
void progress_show(progress_t *progress, const fanmap_stats_t *stats);
/* When progress_show has something to do next. */
int64_t progress_next_ms(const progress_t *progress);
/* Clears the line of whoever shows one, so that something else can be printed. */
void progress_hide(void);
/* It is not shown again before the next progress_show. */
void progress_end(void);
/* Shows it again below what was printed, at once; `is_line_open`: that did not end its line, and there is no place. */
void progress_again(bool is_line_open);
/* What goes to stdout stands on the terminal that has the line. */
bool progress_shares_stdout(void);
void progress_close(progress_t *progress, const fanmap_stats_t *stats);

#endif
