/* Frames of what a command prints, into the pipe of the log. While that takes no more, nothing more is read of the
 * command, so that it waits as it would for any reader; nothing is dropped. */
#ifndef SLOTS_SUPERVISOR_COPY_H
#define SLOTS_SUPERVISOR_COPY_H

#include <stdbool.h>
#include <stddef.h>

#include "slots/shared/copy_frame.h"

typedef struct {
    int fd; /* -1: nowhere */
    uint64_t index;
    uint32_t attempt;
    bool has_ended; /* its last frame was made */
    size_t len;     /* of a frame that waits for room; 0: none does */
    unsigned char frame[COPY_FRAME_MAX];
} copy_t;

/* Later frames are of this attempt. */
void copy_begin(copy_t *copy, uint64_t index, uint32_t attempt);
/* No frame waits any more. */
bool copy_flush(copy_t *copy);
/* A frame of at most COPY_BYTES_MAX bytes; not while one waits. */
void copy_put(copy_t *copy, copy_stream_t stream, const char *bytes, size_t len);

#endif
