/* SUBSCRIBE for each listener at every connect. A message becomes an answer in the queue of the port, so that
 * callbacks run outside hiredis. */
#include "tokens/redis_wakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct listener listener_t;
struct listener {
    listener_t *next;
    redis_wakes_t *wakes;
    char channel[REDIS_CHANNEL_MAX];
    tokens_text_fn fn;
    void *arg;
};

struct redis_wakes {
    redis_conn_t *conn;
    answers_t *answers;
    listener_t *listeners;
};

/* hiredis calls this for every message, and with NULL when the connection ends. */
static void on_message(redisAsyncContext *context, void *reply_arg, void *arg)
{
    (void)context;
    const listener_t *l = arg;
    const redisReply *reply = reply_arg;
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    const redisReply *kind = reply->element[0], *text = reply->element[2];
    if (kind->type != REDIS_REPLY_STRING || strcmp(kind->str, "message") != 0 || text->type != REDIS_REPLY_STRING)
        return;
    answer_t *a = answer_new(ANSWER_TEXT, "", l->arg);
    if (!a)
        return;
    a->text_fn = l->fn;
    if ((a->text = strdup(text->str)))
        answers_put(l->wakes->answers, a);
    else
        answer_free(a);
}

static void subscribe(listener_t *l, redisAsyncContext *context)
{
    redisAsyncCommand(context, on_message, l, "SUBSCRIBE %s", l->channel);
}

static void on_up(void *arg, redisAsyncContext *context)
{
    redis_wakes_t *wakes = arg;
    for (listener_t *l = wakes->listeners; l; l = l->next)
        subscribe(l, context);
}

int redis_wakes_open(loop_t *loop, const redis_conn_config_t *config, answers_t *answers, redis_wakes_t **ret,
                     fanmap_error_t *err)
{
    redis_wakes_t *wakes = calloc(1, sizeof *wakes);
    if (!wakes)
        return err_set(err, FANMAP_ENOMEM, "no memory for a connection to Redis");
    wakes->answers = answers;
    redis_conn_config_t own = *config;
    own.up = on_up;
    own.down = NULL;
    own.arg = wakes;
    int code = redis_conn_open(loop, &own, &wakes->conn, err);
    if (code != FANMAP_OK) {
        free(wakes);
        return code;
    }
    *ret = wakes;
    return FANMAP_OK;
}

void redis_wakes_add(redis_wakes_t *wakes, const char *channel, tokens_text_fn fn, void *arg)
{
    listener_t *l = calloc(1, sizeof *l);
    if (!l)
        return;
    snprintf(l->channel, sizeof l->channel, "%s", channel);
    l->wakes = wakes;
    l->fn = fn;
    l->arg = arg;
    l->next = wakes->listeners;
    wakes->listeners = l;
    if (redis_conn_context(wakes->conn))
        subscribe(l, redis_conn_context(wakes->conn));
}

void redis_wakes_close(redis_wakes_t *wakes)
{
    redis_conn_close(wakes->conn);
    while (wakes->listeners) {
        listener_t *l = wakes->listeners;
        wakes->listeners = l->next;
        free(l);
    }
    free(wakes);
}
