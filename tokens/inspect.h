/* One question to Redis about what the fleet left there, on a connection of its own: for operators, reads only. */
#ifndef TOKENS_INSPECT_H
#define TOKENS_INSPECT_H

#include "tokens/redis_port.h"

typedef enum {
    INSPECT_WORKERS, /* now in s, then of each worker: incarnation, when it was last heard of in s, its row */
    INSPECT_SERVERS, /* `name` is QUEUE.TASK: now, then of each worker that serves it: incarnation, when in s */
    INSPECT_TABLE /* `name` is a job: now in ms, then field and value of its token table; only now when there is none */
} inspect_what_t;

typedef struct inspect inspect_t;
/* Once. The texts are borrowed until it returns. err: the answer is that there is none. */
typedef void (*inspect_fn)(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err);

/* As redis_port_open; `fn` comes later, from the loop, at the latest when the first try to connect has failed. */
int inspect_open(loop_t *loop, const redis_port_config_t *config, inspect_what_t what, const char *name, inspect_fn fn,
                 void *arg, inspect_t **ret, fanmap_error_t *err);
/* Not from inside `fn`. */
void inspect_close(inspect_t *inspect);

#endif
