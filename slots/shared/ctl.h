/* Messages between worker and guardian (ctl) and between guardian and supervisor (link): fixed structs on SEQPACKET
 * sockets, both ends built from the same source. Descriptors travel with them. Nothing blocks.
 */
#ifndef SLOTS_SHARED_CTL_H
#define SLOTS_SHARED_CTL_H

#include <stdint.h>

#include "slots/shared/board.h"

typedef enum {
    CTL_BEAT = 1,  /* both ways, every second */
    CTL_START = 2, /* worker: start a slot; with CTL_START_FDS descriptors */
    CTL_KILL = 3,  /* worker, guardian: end what runs; grace_ms 0: at once */
    CTL_FREEZE = 4,
    CTL_THAW = 5,
    CTL_LOOK = 6,      /* worker: something on a board changed that makes an earlier deadline */
    CTL_UP = 7,        /* supervisor; guardian, with a pidfd of the supervisor */
    CTL_DOWN = 8,      /* supervisor, guardian: the slot ended; nothing of it is alive */
    CTL_ABILITIES = 9, /* guardian: what it can do here, for the log */
    CTL_NOTE = 10,     /* supervisor, guardian: something about the slot for the log; it goes on */
} ctl_type_t;

/* How a slot's life ended. */
typedef enum {
    SLOT_DOWN_DIED,    /* the process ended or was killed by something else: charged to the attempt that ran */
    SLOT_DOWN_TIMEOUT, /* the guardian ended the attempt for its timeout */
    SLOT_DOWN_KILLED,  /* slots_kill */
    SLOT_DOWN_LAPSED,  /* frozen past its token deadline for a minute, or the worker was silent: not the item's fault */
    SLOT_DOWN_UNUSABLE, /* the task library cannot be loaded or its open failed: charged to no item */
    SLOT_DOWN_GUARDIAN  /* the guardian was lost, perhaps by what ran here or in another slot */
} slot_down_why_t;

/* What comes with CTL_START, in this order. */
enum { CTL_FD_BOARD, CTL_FD_COMMANDS, CTL_FD_HOST, CTL_START_FDS, CTL_FDS_MAX = CTL_START_FDS };

typedef struct {
    uint32_t type, slot;
    uint32_t generation; /* which life of the slot; a message of an older one is void */
    uint32_t why;        /* slot_down_why_t */
    uint32_t grace_ms;
    int32_t exit_status, signo;
    uint32_t is_short;           /* CTL_DOWN: it did not start, for lack of processes, memory or descriptors */
    uint32_t out_of_memory;      /* CTL_DOWN: something of the attempt was killed for its memory limit */
    int32_t pid;                 /* CTL_UP of a guardian: of the supervisor */
    char text[BOARD_TEXT_BYTES]; /* NUL-terminated */
} ctl_message_t;

/* 0; -1 with errno EAGAIN when the queue is full, anything else when the peer is gone. The descriptors stay the
 * caller's. */
int ctl_send(int fd, const ctl_message_t *message, const int *fds, unsigned fds_n);
/* 1; 0 when the peer is gone; -1 when there is nothing now. `fds` takes CTL_FDS_MAX of them, all close-on-exec, now the
 * caller's; those that did not come are -1. */
int ctl_receive(int fd, ctl_message_t *ret, int *fds);
/* Both ends close-on-exec and non-blocking. */
int ctl_pair(int type, int ret[2]);

#endif
