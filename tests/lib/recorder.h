/* The recorder: who ran, when, and how many at once, told by the sockets of the attempts themselves.
 *
 * Every attempt connects, sends one line `JOB INDEX ATTEMPT [WHERE]` and waits for one byte, so that it begins only
 * after it was counted. It holds the socket while it works; its end is the close that the recorder sees, so that a
 * killed attempt ends too. The socket is close-on-exec, so that no child keeps it open. WHERE is any word (a worker's
 * name).
 *
 * A control connection sends `report`, `reset` or `quit` and gets one JSON line for each.
 *
 * This file is the bookkeeping, without sockets: tests/lib/recorder.c feeds it and prints it. Times are microseconds of
 * one steady clock. Nothing here trusts an attempt: a line that cannot be read is counted as `bad`.
 */
#ifndef TESTS_LIB_RECORDER_H
#define TESTS_LIB_RECORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { RECORDER_JOB_MAX = 128, RECORDER_WHERE_MAX = 32 };

typedef struct recorder recorder_t;
typedef struct recorder_item recorder_item_t;

/* A line of an attempt, taken apart. */
typedef struct {
    char job[RECORDER_JOB_MAX + 1];
    char where[RECORDER_WHERE_MAX + 1]; /* "" when not said */
    uint64_t index, attempt;
} recorder_line_t;

/* False when `text` (NUL-terminated, no newline) is not such a line. */
bool recorder_parse(const char *text, recorder_line_t *ret_line);

/* NULL only when memory is out. */
recorder_t *recorder_new(void);
void recorder_free(recorder_t *r);
/* Forgets everything but what is open now, which goes on being counted. */
void recorder_reset(recorder_t *r);

/* An attempt begins. The item returned stands for it until recorder_close; NULL when memory is out. */
recorder_item_t *recorder_open(recorder_t *r, const recorder_line_t *line, uint64_t now_us);
/* That attempt is over. `where` as in its line. */
void recorder_close(recorder_t *r, recorder_item_t *item, const char *where, uint64_t now_us);
/* A line that could not be read. */
void recorder_bad(recorder_t *r);

/* One line of JSON:
 *   {"open":O,"max":M,"starts":S,"overlaps":V,"bad":B,"jobs":{"JOB":{"open":..,"max":..,"starts":..,"indexes":..,
 *    "overlaps":..,"starts_max":..,"attempts_max":..,"refill_same_us":{"n":..,"p50":..,"p99":..,"max":..},
 *    "refill_other_us":{..}}}}
 * open: running now; max: the most at once; indexes: different items seen; overlaps: starts of an item that was running
 * already; refill: how long a freed place stood empty until the next start of the job (the oldest free place is filled
 * first; places still free are not counted), by whether it was filled from where it was freed. */
void recorder_report(const recorder_t *r, FILE *out);

#endif
