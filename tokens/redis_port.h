/* The token tables in Redis: a tokens_port_t over two connections, one for calls and one for wake-ups.
 *
 * Nothing here blocks: connecting, logging in and resolving names happen beside the loop, and a connection that is lost
 * is made again by itself, after a wait that grows to two seconds. While there is none, calls fail at once (deferred)
 * with the last reason:
 *
 *   FANMAP_EUNREACHABLE  no connection, a lost one, Redis is loading or busy; retry_may_help
 *   FANMAP_EREFUSED      a password is wanted or wrong, or the user may not do what the scripts do, and so it was from
 *                        the start: what worked once and is refused now is FANMAP_EUNREACHABLE, and tried again every
 *                        two seconds, the password file being read anew
 *   FANMAP_EIO           an answer that makes no sense
 */
#ifndef TOKENS_REDIS_PORT_H
#define TOKENS_REDIS_PORT_H

#include "io/loop/loop.h"
#include "tokens/port.h"

enum { REDIS_TIMEOUT_MS = 10000 };

typedef struct {
    /* redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], HOST a name, an IPv4 address or an IPv6 one in brackets; or
     * unix://[[USER]:PASSWORD@]/PATH[?db=DB]. Percent-escapes are decoded. */
    const char *url;
    const char *password_file;   /* its first line is the password, read anew for each login; NULL: that of the URL */
    const char *name_space;      /* prefix of keys and channels */
    uint32_t connect_timeout_ms; /* for resolving, connecting and logging in, and for a call without answer; 0:
                                    REDIS_TIMEOUT_MS */
} redis_port_config_t;

/* Starts connecting and returns at once. The config is copied, the loop borrowed: it must outlive the port. port->close
 * frees it; calls still unanswered are then dropped without their callbacks. FANMAP_EUSAGE: the URL or the password
 * file. */
int redis_port_open(loop_t *loop, const redis_port_config_t *config, tokens_port_t **ret, fanmap_error_t *err);

#endif
