/* A connection of its own, one command or a short script, its reply as a list of texts. Every failure is the answer
 * that there is none. */
#include "tokens/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokens/presence.h"
#include "tokens/redis_conn.h"

enum { ASK_KEY_MAX = 4 * NAME_MAX_LEN + TASK_NAME_MAX + JOB_ID_MAX, TEXTS_MAX = 1 << 20 };

static const char workers_text[] =
    "local now = redis.call('TIME')[1] local out = {now} "
    "local seen = redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf', 'WITHSCORES') "
    "for i = 1, #seen, 2 do out[#out + 1] = seen[i] out[#out + 1] = seen[i + 1] "
    "out[#out + 1] = redis.call('HGET', KEYS[2], seen[i]) or '' end return out";
static const char servers_text[] =
    "local now = redis.call('TIME')[1] local out = {now} "
    "local seen = redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf', 'WITHSCORES') "
    "for i = 1, #seen do out[#out + 1] = seen[i] end return out";
static const char table_text[] = "local time = redis.call('TIME') "
                                 "local out = {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))} "
                                 "local flat = redis.pcall('HGETALL', KEYS[1]) "
                                 "for i = 1, #flat do out[#out + 1] = flat[i] end return out";

struct inspect {
    loop_t *loop;
    redis_conn_t *conn;
    loop_timer_t *timer;
    inspect_what_t what;
    char keys[2][ASK_KEY_MAX];
    inspect_fn fn;
    void *arg;
    const char **texts;
    size_t texts_n;
    char *bytes; /* of the texts */
    fanmap_error_t error;
    bool is_over, is_closed;
};

/* Never from inside hiredis. */
static void on_timer(void *arg)
{
    inspect_t *p = arg;
    inspect_fn fn = p->fn;
    p->fn = NULL;
    if (fn)
        fn(p->arg, p->texts, p->texts_n, p->error.code ? &p->error : NULL);
}

static void end(inspect_t *p)
{
    p->is_over = true;
    loop_timer_at(p->timer, loop_now_ms(p->loop));
}

static bool keep(inspect_t *p, const redisReply *reply)
{
    size_t bytes = 0, n = reply->elements;
    for (size_t i = 0; i < n; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
        bytes += (size_t)reply->element[i]->len + 1;
    }
    p->texts = calloc(n + 1, sizeof *p->texts);
    char *at = p->bytes = malloc(bytes + 1);
    if (!p->texts || !p->bytes)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)reply->element[i]->len;
        memcpy(at, reply->element[i]->str, len);
        at[len] = '\0';
        p->texts[i] = at;
        at += len + 1;
    }
    p->texts_n = n;
    return true;
}

static void on_reply(redisAsyncContext *context, void *reply_arg, void *arg)
{
    const redisReply *reply = reply_arg;
    inspect_t *p = arg;
    (void)context;
    if (p->is_closed || p->is_over)
        return;
    if (!reply)
        err_set_retry(&p->error, FANMAP_EUNREACHABLE, "Redis: connection lost");
    else if (reply->type == REDIS_REPLY_ERROR)
        redis_conn_explain(p->conn, reply->str, (size_t)reply->len, &p->error);
    else if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 || reply->elements > TEXTS_MAX || !keep(p, reply))
        err_set(&p->error, FANMAP_EIO, "Redis answered a question with something else");
    end(p);
}

static void on_up(void *arg, redisAsyncContext *context)
{
    static const char *const texts[] = {workers_text, servers_text, table_text};
    inspect_t *p = arg;
    char forget[16];
    snprintf(forget, sizeof forget, "%d",
             p->what == INSPECT_WORKERS ? PRESENCE_FORGET_S : 3 * PRESENCE_EVERY_MS / 1000);
    if (!p->is_over && redisAsyncCommand(context, on_reply, p, "EVAL %s 2 %s %s %s", texts[p->what], p->keys[0],
                                         p->keys[1], forget) != REDIS_OK) {
        err_set_retry(&p->error, FANMAP_EUNREACHABLE, "Redis: the connection is ending");
        end(p);
    }
}

static void on_down(void *arg, const fanmap_error_t *why)
{
    inspect_t *p = arg;
    if (p->is_over)
        return;
    p->error = *why;
    end(p);
}

static void name_keys(inspect_t *p, const char *name_space, const char *name)
{
    switch (p->what) {
    case INSPECT_WORKERS:
        presence_row_keys(name_space, p->keys[0], p->keys[1], ASK_KEY_MAX);
        return;
    case INSPECT_SERVERS:
        snprintf(p->keys[0], ASK_KEY_MAX, "%s.serve.%s", name_space, name);
        break;
    case INSPECT_TABLE:
        snprintf(p->keys[0], ASK_KEY_MAX, "%s.tokens.%s", name_space, name);
        break;
    }
    memcpy(p->keys[1], p->keys[0], ASK_KEY_MAX);
}

static int open_parts(inspect_t *p, const redis_port_config_t *config, fanmap_error_t *err)
{
    int r = loop_timer_new(p->loop, on_timer, p, &p->timer, err);
    redis_conn_config_t conn = {.up = on_up, .down = on_down, .arg = p};
    return r == FANMAP_OK ? redis_conn_open_to(p->loop, config, conn, &p->conn, err) : r;
}

int inspect_open(loop_t *loop, const redis_port_config_t *config, inspect_what_t what, const char *name, inspect_fn fn,
                 void *arg, inspect_t **ret, fanmap_error_t *err)
{
    inspect_t *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    p->loop = loop;
    p->what = what;
    p->fn = fn;
    p->arg = arg;
    name_keys(p, config->name_space, name ? name : "");
    int r = open_parts(p, config, err);
    if (r == FANMAP_OK)
        *ret = p;
    else
        inspect_close(p);
    return r;
}

void inspect_close(inspect_t *p)
{
    if (!p)
        return;
    p->is_closed = true;
    if (p->conn)
        redis_conn_close(p->conn);
    if (p->timer)
        loop_timer_free(p->timer);
    free(p->texts);
    free(p->bytes);
    free(p);
}
