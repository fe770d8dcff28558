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
/* What an incarnation can listen for: the job that its tokens should be asked for anew; the text of a request for items,
 * by another worker. */
typedef enum { TOKENS_WAKES, TOKENS_REQUESTS } tokens_channel_t;
typedef void (*tokens_text_fn)(void *arg, const char *text);

struct tokens_port {
    /* Sends one sync; `fn` is called once, at the latest when the connection is given up. */
    void (*sync)(tokens_port_t *port, const tokens_request_t *request, tokens_sync_fn fn, void *arg);
    /* The producer's creation of an empty table under a new nonce; never changes an existing one. */
    void (*create)(tokens_port_t *port, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                   tokens_create_fn fn, void *arg);
    /* NULL, these three: there is no other worker. From now on; survives reconnects. */
    void (*listen)(tokens_port_t *port, tokens_channel_t channel, const char *incarnation, tokens_text_fn fn,
                   void *arg);
    /* Hand-off, of items of a queue's tasks. How long the last item that waits here would wait; 0: nothing is offered. */
    void (*offer)(tokens_port_t *port, const char *queue, const char *task, const char *incarnation,
                  uint64_t backlog_ms);
    /* The text reaches one who offers much of one of these tasks, or is lost. */
    void (*beg)(tokens_port_t *port, const char *queue, const char *const *tasks, size_t tasks_n,
                const char *incarnation, const char *text);
    void (*close)(tokens_port_t *port);
};

#endif
