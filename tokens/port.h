/* Whom a worker asks for tokens: the tables in Redis, which sync.lua keeps (tokens/redis_port.c), or, where it is the
 * only one, plain arithmetic (tokens/local_port.c). */
#ifndef TOKENS_PORT_H
#define TOKENS_PORT_H

#include "fanmap/fanmap.h"
#include "tokens/tokens.h"

typedef struct tokens_port tokens_port_t;

/* reply NULL: the call failed (err says why). Always called later, never from inside the call itself. */
typedef void (*tokens_sync_fn)(void *arg, const char *job, uint64_t seq, const tokens_reply_t *reply,
                               const fanmap_error_t *err);
typedef void (*tokens_create_fn)(void *arg, const char *job, const char *nonce, bool created,
                                 const fanmap_error_t *err);
typedef void (*tokens_wake_fn)(void *arg, const char *job);
/* The text of a request for items, by another worker. */
typedef void (*tokens_beg_fn)(void *arg, const char *text);

struct tokens_port {
    /* Sends one sync; `fn` is called once, at the latest when the connection is given up. */
    void (*sync)(tokens_port_t *port, const tokens_request_t *request, tokens_sync_fn fn, void *arg);
    /* The producer's creation of an empty table under a new nonce; never changes an existing one. */
    void (*create)(tokens_port_t *port, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                   tokens_create_fn fn, void *arg);
    /* Wake-ups for this incarnation from now on; survives reconnects. */
    void (*listen)(tokens_port_t *port, const char *incarnation, tokens_wake_fn fn, void *arg);
    /* Hand-off, of items of a queue's tasks. How long the last item that waits here would wait; 0: nothing is offered. */
    void (*offer)(tokens_port_t *port, const char *queue, const char *task, const char *incarnation,
                  uint64_t backlog_ms);
    /* The text reaches one who offers much of one of these tasks, or is lost. */
    void (*beg)(tokens_port_t *port, const char *queue, const char *const *tasks, size_t tasks_n,
                const char *incarnation, const char *text);
    /* Requests to this incarnation from now on; survives reconnects. */
    void (*hear)(tokens_port_t *port, const char *incarnation, tokens_beg_fn fn, void *arg);
    void (*close)(tokens_port_t *port);
};

#endif
