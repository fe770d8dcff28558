/* One kept connection to Redis: resolved, connected, logged in, and made again whenever it is lost.
 *
 *   WAITING ──► RESOLVING ──► CONNECTING ──► LOGIN ──► READY
 *      ▲            │              │           │         │
 *      └────────────┴── a reason ──┴───────────┴─────────┘      the wait doubles from 50 ms to 2 s; 2 s when refused
 */
#ifndef TOKENS_REDIS_CONN_H
#define TOKENS_REDIS_CONN_H

#include <hiredis/async.h>

#include "io/loop/loop.h"
#include "tokens/redis_port.h"
#include "tokens/redis_url.h"

typedef struct redis_conn redis_conn_t;

typedef struct {
    const redis_url_t *url;
    const char *password_file; /* NULL: the password of the URL */
    uint32_t timeout_ms;       /* of one whole try */
    /* Logged in. The context is hiredis's, valid until `down`; its `data` is the connection's own. */
    void (*up)(void *arg, redisAsyncContext *context);
    /* A try failed, or the connection was lost: after the callbacks of its commands got their NULL replies. A refusal
     * is FANMAP_EREFUSED before the first `up` and FANMAP_EUNREACHABLE later. NULL: of no interest. */
    void (*down)(void *arg, const fanmap_error_t *why);
    void *arg;
} redis_conn_config_t;

/* Starts the first try. The callbacks come later, from the loop. The config is copied with what it points to. */
int redis_conn_open(loop_t *loop, const redis_conn_config_t *config, redis_conn_t **ret, fanmap_error_t *err);
/* The same to where a port would go: that says what of `config` is not about callbacks. */
int redis_conn_open_to(loop_t *loop, const redis_port_config_t *to, redis_conn_config_t config, redis_conn_t **ret,
                       fanmap_error_t *err);
/* No `up` and `down` after this; pending commands get their NULL replies inside. Never from inside a callback of
 * hiredis or of this. */
void redis_conn_close(redis_conn_t *conn);
/* NULL while it is not READY. */
redisAsyncContext *redis_conn_context(const redis_conn_t *conn);
/* A try is under way: an `up` or a `down` will come within the timeout. */
bool redis_conn_trying(const redis_conn_t *conn);
/* Why it is not READY, or was last lost. */
const fanmap_error_t *redis_conn_why(const redis_conn_t *conn);
/* Gives the connection up for this reason and begins anew. */
void redis_conn_drop(redis_conn_t *conn, const fanmap_error_t *why);

/* A command was answered as it should be: from now on a right that is missing is something that may come back. */
void redis_conn_served(redis_conn_t *conn);
/* The last try ended with a refusal. */
bool redis_conn_is_refused(const redis_conn_t *conn);

/* What an error reply means: FANMAP_EREFUSED for a login or a right that is missing, FANMAP_EUNREACHABLE when trying
 * again may help, which after redis_conn_served is so for logins and rights too; else FANMAP_EIO. Fills *ret, message
 * included; the server's text is escaped. */
void redis_conn_explain(const redis_conn_t *conn, const char *text, size_t len, fanmap_error_t *ret);

#endif
