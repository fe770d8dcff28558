/* Wake-ups from Redis: a connection of its own that subscribes, and again after each reconnect. A hint that gets lost
 * costs no more than a heartbeat, so failures are not told: what is wrong shows on the connection for calls. */
#ifndef TOKENS_REDIS_WAKES_H
#define TOKENS_REDIS_WAKES_H

#include "tokens/answers.h"
#include "tokens/redis_conn.h"
#include "tokens/script.h"

enum { REDIS_CHANNEL_MAX = SCRIPT_PREFIX_MAX + TOKENS_INCARNATION_MAX + 1 };

typedef struct redis_wakes redis_wakes_t;

/* Of `config` the callbacks are not used; what it borrows must outlive this, as must `answers`. */
int redis_wakes_open(loop_t *loop, const redis_conn_config_t *config, answers_t *answers, redis_wakes_t **ret,
                     fanmap_error_t *err);
/* Each message on the channel is a text, and becomes one answer. */
void redis_wakes_add(redis_wakes_t *wakes, const char *channel, tokens_text_fn fn, void *arg);
void redis_wakes_close(redis_wakes_t *wakes);

#endif
