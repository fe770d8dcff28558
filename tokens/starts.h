/* The starts of one job that this worker may make, where the job has a rate (--rate, --delay). Pure; a part of
 * tokens_t.
 *
 * The story. The job's table has a row of places for starts, each so long after the one before, and gives the next ones
 * to whoever asks, as a time from now to the first of them. A place may be used from its time on, and for a second, or
 * less where starts are to be apart: it is then void. So in any time T there are no more starts than places in T and a
 * second, however late an answer comes: the place's time is counted from when the answer came, the end of it from when
 * the question left, and the table's own now was between the two. What is not used is lost, never saved up. */
#ifndef TOKENS_STARTS_H
#define TOKENS_STARTS_H

#include <stdbool.h>
#include <stdint.h>

enum { STARTS_LATE_MS = 1000 /* how late a place may be used; sync.lua knows it as SECOND */ };

/* Places that are `step` apart. The first is good from at_us on, until void_us. */
typedef struct {
    uint32_t n;
    int64_t at_us, void_us, step_us;
} starts_grant_t;

/* Zeroed: no rate, everything may start. */
typedef struct {
    uint64_t every_us;        /* 0: no rate */
    bool is_apart;            /* no two starts may be nearer than that; else on average, each up to a second late */
    uint32_t wanted;          /* what the worker could start soon */
    starts_grant_t grants[2]; /* in the order of their places */
    int64_t ask_ms;           /* the table had nothing to give: not before */
    int64_t trip_ms;          /* of the last answer; -1: none came yet */
    int64_t late_ms;          /* of the question under way */
} starts_t;

void starts_init(starts_t *s, uint64_t every_us, bool is_apart);
bool starts_may(const starts_t *s, int64_t now_ms);
/* One was started; it might. */
void starts_used(starts_t *s, int64_t now_ms);
/* Places that are not void yet. */
uint64_t starts_in_hand(const starts_t *s, int64_t now_ms);
/* How many to ask for now; 0: none. */
uint32_t starts_to_ask(const starts_t *s, int64_t now_ms);
/* The time from one place to the next, for a question that leaves now. */
uint64_t starts_ask(starts_t *s);
/* The answer to the question that left at sent_ms: `n` places, or none before in_us. */
void starts_answered(starts_t *s, uint64_t n, uint64_t in_us, int64_t sent_ms, int64_t now_ms);
/* When the next place is good that is not yet; INT64_MAX: none is in hand. */
int64_t starts_next_ms(const starts_t *s, int64_t now_ms);

#endif
