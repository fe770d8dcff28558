/* Does a program keep to the slot protocol (docs/tasks.md)? It is started several times, told everything that a worker
 * may tell it, and what it says is judged by the reader that workers use. Blocks; the caller's thread only.
 */
#ifndef SLOTS_POOL_PROTOCOL_CHECK_H
#define SLOTS_POOL_PROTOCOL_CHECK_H

#include <sys/types.h>

#include "fanmap/admin.h"
#include "schemas/served.h"

/* `argv` is NULL-terminated; its program is looked up in PATH. The program's own output goes to `log_fd` (-1: nowhere).
 * Each finding is reported, good or bad. FANMAP_EUSAGE: it cannot be started at all. */
int slots_check_program(const char *const *argv, uint32_t start_timeout_ms, int log_fd, fanmap_check_fn report,
                        void *arg, unsigned *ret_wrong, fanmap_error_t *err);

/* ---- check_peer.c: the program at the other end ---- */

typedef enum {
    PEER_MESSAGE, /* a message, in `message` */
    PEER_BAD,     /* something that is none: reader.why */
    PEER_CLOSED,  /* the end of what it has to say */
    PEER_SILENT   /* nothing in time */
} peer_event_t;

typedef struct {
    pid_t pid;
    int pidfd, from_fd, to_fd, stdin_fd, out_fd, log_fd; /* -1: closed */
    int permits_fd; /* the pipe of FANMAP_SLOT_GO; -1: it has none, and is told one run at a time */
    bool is_first;  /* nothing was said: its stdout may become the protocol */
    bool is_stdio;
    served_reader_t reader;
    served_message_t message;
    buf_t in, first;
    size_t in_used;
    size_t frame_max;
} peer_t;

/* with_permits: it may be told runs ahead. */
int peer_start(peer_t *p, const char *const *argv, int log_fd, bool with_permits, fanmap_error_t *err);
/* Returns false if it does not read, and what was to be said is lost. */
bool peer_send(peer_t *p, const buf_t *bytes);
peer_event_t peer_receive(peer_t *p, int64_t wait_ms);
/* Returns false if nobody reads them. */
bool peer_permit(peer_t *p, const char *permits);
/* No more will be said to it. */
void peer_end_writing(peer_t *p);
/* Waits for its end. Returns true if *ret_status is its wait status. */
bool peer_ended(peer_t *p, int64_t wait_ms, int *ret_status);
/* Kills what is left of it. */
void peer_close(peer_t *p);

#endif
