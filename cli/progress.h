/* What stderr shows while a job runs: a line that rewrites itself on a terminal, else a plain line every 10 s. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/cli.h"

typedef struct {
    bool is_on, is_terminal;
    int64_t began_ms, shown_ms;
    uint64_t shown_known;
    double rate; /* outcomes a second, smoothed */
} progress_t;

int64_t monotonic_ms(void);
void progress_open(progress_t *progress, const arguments_t *arguments);
/* Shows the present state when it is time to. */
void progress_show(progress_t *progress, const fanmap_stats_t *stats);
/* When progress_show has something to do next. */
int64_t progress_next_ms(const progress_t *progress);
/* Clears the line of whoever shows one, so that something else can be printed. */
void progress_hide(void);
void progress_close(progress_t *progress, const fanmap_stats_t *stats);

#endif
