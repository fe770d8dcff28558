/* The board of one slot: memory shared by the worker, the guardian, the slot's supervisor and its task host.
 *
 * The story. The worker sends runs to a slot ahead of time. Each run n is either started (claimed) by the process in
 * the slot or taken back by the worker, never both and never neither. One 64-bit word decides, by compare-and-swap:
 *
 *     next:32      the only n that may be claimed
 *     ready:16     how many runs from `next` on may be started
 *     turn:13      one more for each run that goes on from those claimed ahead
 *     running      a claimed run has not finished
 *     held         nothing starts until the worker has taken back what waits: an attempt failed, and its job may be over
 *     closed       nothing starts any more and nothing that runs counts any more; never taken off
 *
 *     grant    worker    ready += k         (from ready 0 it also sets next: see take back)
 *     take     worker    ready = 0, held = 0   what is at or behind `next` will never start
 *     claim    slot      next += 1, ready -= 1, running = 1      only if n == next, ready > 0, not held or closed
 *     finish   slot      running = 0        only if not closed: then the result counts; held = 1 after an error where
 *                                           the job asks for it
 *     ahead    slot      next += 1, ready -= 1              as claim, behind a run that goes on
 *     go on    slot      running = 1, turn += 1             the oldest of those claimed ahead, after a finish
 *     give     slot      next = n, ready = 0                runs claimed ahead from n on were never begun after all; only if
 *                                                           not closed
 *     unclaim  slot      next = run_n, running = 0, closed = 1   only if not closed: a grant may have moved next on
 *     close    worker or guardian: closed = 1; close_run only while run n is the running one
 *
 * What can go wrong, and why it does not:
 *  - A run that was taken back still lies in the socket. The claimer reads it, finds n != next or ready == 0, and drops
 *    it. Runs granted later have higher numbers than all that were sent, and their grant moves `next` beyond the dead
 *    ones.
 *  - Grant comes before send, else the claimer could read a run before it may start it, and drop it.
 *  - A timeout must not hit the run that follows. The guardian reads run_n and started_ms, which the claimer writes
 *    before its claim, between two reads of the word (board_running), and close_run's swap succeeds only if the word
 *    is the one that was looked at. From then on nothing can be claimed here, so that signals sent later hit run n or
 *    nothing.
 *  - A run ends while it is being closed. If finish comes first, close_run fails and the result counts. If close comes
 *    first, finish fails and the claimer throws the result away; the worker then learns that the run was ended. One of
 *    the two, never both.
 *  - The claimer dies between claim and start, or between finish and the result's way into the ring. For the worker
 *    every claimed run (n before next) without a result is one that was started and is over.
 *  - A served program is told of runs ahead. They are claimed before it may begin them, and for the worker begun from then
 *    on; what the supervisor gets back of them before they begin (serve_ahead.c) it gives back. What runs is the oldest
 *    claimed one: run_n moves on while `next` stays, and `turn` lets a swap that was meant for the run before fail. It
 *    comes round after more runs than can be ahead, and by then `next` has moved.
 *  - A new run of the same numbers after 2^32 of them: all comparisons are of differences, and far fewer are in flight.
 *  - A slot that died starts again with a board of its own: nothing that outlived the old one can reach the new.
 */
#ifndef SLOTS_SHARED_BOARD_H
#define SLOTS_SHARED_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "schemas/spec.h"
#include "slots/shared/terms.h"

enum { BOARD_RING_BYTES = 128 * 1024, BOARD_TAIL_BYTES = 4096, BOARD_TEXT_BYTES = 480 };

typedef struct {
    _Alignas(64) _Atomic uint64_t word;

    /* Of the run that was claimed last; the claimer writes them before its claim. */
    _Alignas(64) _Atomic uint32_t run_n;
    _Atomic uint32_t attempt;
    _Atomic uint64_t index;
    _Atomic int64_t started_ms; /* CLOCK_BOOTTIME */

    /* What the worker says about the job in the slot. */
    _Alignas(64) _Atomic uint32_t timeout_ms; /* of a run; 0: none */
    _Atomic uint32_t grace_ms;
    _Atomic uint32_t holds_on_error;
    _Atomic int64_t lapse_at_ms; /* nothing starts from here on, and what runs is frozen; INT64_MAX: never */

    limits_t limits;               /* of later runs; the worker writes them while nothing is in the slot */
    _Atomic uint32_t limits_id;    /* rises with each change */
    _Atomic uint32_t limits_asked; /* the task host: its next job has these; it waits until they are in force for it */
    _Atomic uint32_t limits_set;   /* the supervisor: they are */

    /* The container of the command that runs: which task of the plan, counted from 1, and which run; 0: none that has
     * to be ended by name. Written by the supervisor. */
    _Atomic uint32_t container_task, container_n;

    /* The job that log lines of the task host belong to; written by the host while nothing runs. */
    _Alignas(64) char job[JOB_ID_MAX + 1];

    /* Why the slot is unusable, "" if it is not; written by host or supervisor before it leaves. NUL-terminated. */
    char unusable[BOARD_TEXT_BYTES];
    _Atomic uint32_t is_short; /* it is for lack of processes, memory or descriptors: no fault of the task */

    /* The last bytes of what the attempt wrote to stderr; written by the supervisor. */
    _Atomic uint32_t tail_len;
    char tail[BOARD_TAIL_BYTES];

    /* The ring of results, from the slot to the worker: positions only rise. */
    _Alignas(64) _Atomic uint64_t ring_head; /* written so far */
    _Alignas(64) _Atomic uint64_t ring_read; /* read so far */
    _Atomic uint32_t ring_waits;             /* the writer sleeps on ring_turns */
    _Atomic uint32_t ring_turns;
    _Alignas(64) uint8_t ring[BOARD_RING_BYTES];
} board_t;

typedef enum { BOARD_CLAIMED, BOARD_TAKEN_BACK, BOARD_CLOSED } board_claim_t;

/* A new board in a memfd (close-on-exec), mapped. Its size is sealed: whoever shortened it would kill everybody who looks
 * at it. NULL with errno. */
board_t *board_create(uint32_t first_n, int *ret_fd);
/* Maps the board behind a descriptor that was handed over. NULL with errno. */
board_t *board_map(int fd);
void board_unmap(board_t *b);

/* ---- the worker ---- */

/* Runs first..first+count-1 may start. Returns false if the board is closed: then none of them ever starts. */
bool board_grant(board_t *b, uint32_t first, uint32_t count);
/* Nothing that was not claimed starts any more; returns the first n that was not. */
uint32_t board_take_back(board_t *b);
bool board_was_claimed(const board_t *b, uint32_t n);

/* ---- the worker and the guardian ---- */

/* Closes the board if run n is the one that runs now. Returns false if it is not (any more). */
bool board_close_run(board_t *b, uint32_t n);
void board_close(board_t *b);
bool board_is_closed(const board_t *b);
/* Whether something runs, and then which run since when. */
bool board_running(const board_t *b, uint32_t *ret_n, int64_t *ret_started_ms);
/* Something runs or may start. */
bool board_is_loaded(const board_t *b);

/* ---- the process in the slot ---- */

board_claim_t board_claim(board_t *b, uint32_t n, uint64_t index, uint32_t attempt, int64_t now_ms);
/* The run that was claimed last is over. Returns false if the board was closed before; its result must not be sent. */
bool board_finish(board_t *b, bool is_error);

/* Claims run n behind one that goes on. */
board_claim_t board_claim_ahead(board_t *b, uint32_t n);
/* After a finish: run n, the oldest that was claimed ahead, is what runs now. Returns false if the board is closed. */
bool board_go_on(board_t *b, uint32_t n, uint64_t index, uint32_t attempt, int64_t now_ms);
/* Runs from n on were claimed ahead and never begun. What was granted behind them is taken back with them: all up to
 * (not including) *ret_to. Returns false if the board is closed. */
bool board_give_back(board_t *b, uint32_t n, uint32_t *ret_to);

/* The run that runs never reached the task: it counts as not started, and the board is closed. Returns false if it was
 * closed before. */
bool board_unclaim(board_t *b);

/* Appends to the tail, dropping its oldest bytes. Supervisor only. */
void board_tail_add(board_t *b, const char *bytes, size_t len);

#endif
