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

struct tokens_port {
    /* Sends one sync; `fn` is called once, at the latest when the connection is given up. */
    void (*sync)(tokens_port_t *port, const tokens_request_t *request, tokens_sync_fn fn, void *arg);
    /* The producer's creation of an empty table under a new nonce; never changes an existing one. */
    void (*create)(tokens_port_t *port, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                   tokens_create_fn fn, void *arg);
    /* Wake-ups for this incarnation from now on; survives reconnects. */
    void (*listen)(tokens_port_t *port, const char *incarnation, tokens_wake_fn fn, void *arg);
    void (*close)(tokens_port_t *port);
};

#endif
