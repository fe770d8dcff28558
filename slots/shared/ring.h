/* The ring of results on a board: one writer (the process in the slot), one reader (the worker). It carries slotwire
 * frames as a stream of bytes. What is in it survives its writer, so that results that were finished before a crash are
 * not lost. The data socket is only the bell: the writer sends one byte on it when the worker should look.
 */
#ifndef SLOTS_SHARED_RING_H
#define SLOTS_SHARED_RING_H

#include "slots/shared/board.h"

/* Writes as much as there is room for and returns how much that was. */
size_t ring_write(board_t *b, const void *bytes, size_t len);
/* Sleeps until the reader made room, at most `wait_ms`. */
void ring_wait(board_t *b, unsigned wait_ms);
/* Moves everything that is there into `into` and wakes a writer that waits. Returns how much, or -1 when the positions
 * make no sense (the writer's process scribbled over them) or memory is out. */
long ring_read(board_t *b, buf_t *into);

/* The writer's side with its bell. One result after the other; the bell is rung when the worker should not wait longer.
 */
typedef struct {
    board_t *board;
    int bell_fd;
    buf_t rest;      /* of a result that did not fit */
    unsigned unrung; /* results since the bell was rung */
    size_t unrung_bytes;
    int64_t first_unrung_ns;
} outlet_t;

enum { OUTLET_RESULTS_MAX = 64, OUTLET_BYTES_MAX = BOARD_RING_BYTES / 2, OUTLET_AGE_NS = 1000000 };

/* Takes one whole frame; what the ring has no room for stays in `rest`. */
void outlet_put(outlet_t *o, const void *frame, size_t len, int64_t now_ns);
/* Goes on with the rest. True when nothing is left. */
bool outlet_pump(outlet_t *o);
/* Rings when a bound is reached: results, bytes, or 1 ms after the first. */
void outlet_ring_if_due(outlet_t *o, int64_t now_ns);
void outlet_ring(outlet_t *o);

#endif
