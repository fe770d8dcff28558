/* The slot's side of a data socket: frames of the worker, read in large pieces. */
#ifndef SLOTS_SHARED_INLET_H
#define SLOTS_SHARED_INLET_H

#include "schemas/slotwire.h"

enum { INLET_READ_BYTES = 64 * 1024, INLET_FRAME_MAX = 1 << 30 };

typedef struct {
    int fd;
    buf_t in;
    size_t at, last; /* where the next frame begins; how long the last one was */
} inlet_t;

/* 1: the next frame, borrowed until inlet_fill; 0: more has to be read; -1: not a sound frame. */
int inlet_next(inlet_t *i, slot_frame_t *ret);
/* Puts the frame that inlet_next gave last back. */
void inlet_unread(inlet_t *i);
/* Reads what is there, or waits for it. 1: something came; 0: the end; -1: nothing now, or a signal (errno). */
int inlet_fill(inlet_t *i, bool wait);

#endif
