/* A host name to addresses without blocking: getaddrinfo in a short-lived thread of its own. */
#ifndef TOKENS_RESOLVE_H
#define TOKENS_RESOLVE_H

#include "io/loop/loop.h"

enum { RESOLVE_MAX = 8, RESOLVE_ADDRESS_MAX = 46 };

typedef struct resolve resolve_t;

/* n 0: nothing was found, `why` says so. The resolve_t is gone when this is called. */
typedef void (*resolve_fn)(void *arg, char (*addresses)[RESOLVE_ADDRESS_MAX], size_t n, const char *why);

/* `fn` is called once from the loop, unless resolve_forget comes first. There is no timeout here: a caller that lost
 * its patience keeps the resolve_t and waits on, so that never more than one thread a caller hangs in a name server. */
int resolve_start(loop_t *loop, const char *host, resolve_fn fn, void *arg, resolve_t **ret, fanmap_error_t *err);
/* No callback will come; the thread ends by itself. */
void resolve_forget(resolve_t *resolve);

#endif
