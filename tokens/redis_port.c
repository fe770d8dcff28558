/* Calls over one connection, wake-ups over another.
 *
 * A call waits while a try to connect is under way, is sent as EVALSHA, and once more as EVAL when Redis does not know
 * the script. Redis answers in order, so the oldest call without an answer times for all: when it is too old the
 * connection is given up, and every call on it fails. All callbacks go through the answers queue and so run outside
 * hiredis. */
#include "tokens/redis_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "tokens/answers.h"
#include "tokens/redis_conn.h"
#include "tokens/redis_handoff.h"
#include "tokens/redis_wakes.h"
#include "tokens/script.h"

enum { CALLS_MAX = 4096, KEY_MAX = SCRIPT_PREFIX_MAX + JOB_ID_MAX + 1 };

typedef struct redis_port redis_port_t;

typedef struct call call_t;
struct call {
    call_t *prev, *next; /* in waiting or sent */
    redis_port_t *port;
    answer_t *answer;
    tokens_request_t request; /* of a sync */
    uint64_t n;               /* of a create */
    uint32_t lease_ms;
    bool by_text;
    int64_t sent_ms;
};

struct redis_port {
    tokens_port_t port; /* first, so that a pointer to it is one to this */
    loop_t *loop;
    redis_url_t url;
    char *password_file;
    char name_space[NAME_MAX_LEN + 1], channel_prefix[SCRIPT_PREFIX_MAX];
    uint32_t timeout_ms;
    redis_conn_config_t config; /* of both connections, but for their callbacks */
    redis_conn_t *calls;
    redis_wakes_t *wakes;   /* NULL before the first listener */
    call_t *waiting, *sent; /* in the order in which they came */
    size_t calls_n;
    loop_timer_t *oldest; /* when the oldest sent call is too old */
    answers_t *answers;
    bool closed;
};

static redis_port_t *redis_of(tokens_port_t *port)
{
    return (redis_port_t *)(void *)port;
}

/* Ends the call, which is in no list, with what its answer holds. */
static void finish(call_t *c)
{
    redis_port_t *p = c->port;
    p->calls_n--;
    if (p->closed)
        free(c->answer);
    else
        answers_put(p->answers, c->answer);
    free(c);
}

static void finish_failed(call_t *c, const fanmap_error_t *why)
{
    c->answer->err = *why;
    c->answer->code = why->code;
    finish(c);
}

static void watch_oldest(redis_port_t *p)
{
    if (p->sent)
        loop_timer_at(p->oldest, p->sent->sent_ms + p->timeout_ms);
    else
        loop_timer_stop(p->oldest);
}

static void on_oldest(void *arg)
{
    redis_port_t *p = arg;
    fanmap_error_t why;
    char place[REDIS_HOST_MAX + 16];
    err_set_retry(&why, FANMAP_EUNREACHABLE, "Redis at %s: no answer within %u ms",
                  redis_url_place(&p->url, place, sizeof place), (unsigned)p->timeout_ms);
    redis_conn_drop(p->calls, &why);
}

static void read_reply(call_t *c, const redisReply *reply)
{
    answer_t *a = c->answer;
    if (a->kind == ANSWER_CREATE && reply->type == REDIS_REPLY_INTEGER) {
        a->created = reply->integer != 0;
        return;
    }
    script_value_t values[SCRIPT_REPLY_FIELDS] = {0};
    size_t n = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    n = n < SCRIPT_REPLY_FIELDS ? n : SCRIPT_REPLY_FIELDS;
    bool ok = a->kind == ANSWER_SYNC;
    for (size_t i = 0; i < n; i++) {
        const redisReply *e = reply->element[i];
        ok = ok && (e->type == REDIS_REPLY_INTEGER || e->type == REDIS_REPLY_STRING);
        if (ok && e->type == REDIS_REPLY_STRING)
            values[i] = (script_value_t){.text = e->str, .len = (size_t)e->len};
        else
            values[i].number = e->integer;
    }
    if (!ok || !script_sync_reply(values, n, &a->reply))
        a->code = err_set(&a->err, FANMAP_EIO, "Redis answered a token script with something else");
}

static void send_call(call_t *c);

static void on_reply(redisAsyncContext *context, void *reply_arg, void *arg)
{
    call_t *c = arg;
    redis_port_t *p = c->port;
    const redisReply *reply = reply_arg;
    DL_DELETE(p->sent, c);
    if (!p->closed)
        watch_oldest(p);
    if (p->closed) {
        finish(c);
    } else if (!reply) {
        fanmap_error_t why = *redis_conn_why(p->calls); /* given up by us */
        if (context->err != 0)
            err_set_retry(&why, FANMAP_EUNREACHABLE, "Redis: connection lost: %s", context->errstr);
        finish_failed(c, &why);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        if (strncmp(reply->str, "NOSCRIPT", 8) == 0 && !c->by_text) {
            c->by_text = true;
            send_call(c);
            return;
        }
        fanmap_error_t why;
        redis_conn_explain(p->calls, reply->str, (size_t)reply->len, &why);
        finish_failed(c, &why);
    } else {
        redis_conn_served(p->calls);
        read_reply(c, reply);
        finish(c);
    }
}

/* The connection is ready. */
static void send_call(call_t *c)
{
    redis_port_t *p = c->port;
    bool is_sync = c->answer->kind == ANSWER_SYNC;
    char key[KEY_MAX];
    script_args_t args;
    script_key(key, sizeof key, p->name_space, c->answer->job);
    if (is_sync)
        script_sync_args(&args, &c->request, p->channel_prefix);
    else
        script_create_args(&args, c->answer->nonce, c->n, c->lease_ms);
    const char *text = is_sync ? script_sync_text : script_create_text;
    const char *sha = is_sync ? script_sync_sha : script_create_sha;
    const char *argv[4 + SCRIPT_SYNC_ARGS] = {c->by_text ? "EVAL" : "EVALSHA", c->by_text ? text : sha, "1", key};
    memcpy(argv + 4, args.argv, args.n * sizeof args.argv[0]);
    c->sent_ms = loop_clock_ms();
    DL_APPEND(p->sent, c);
    int status = redisAsyncCommandArgv(redis_conn_context(p->calls), on_reply, c, (int)(4 + args.n), argv, NULL);
    if (status == REDIS_OK) {
        watch_oldest(p);
        return;
    }
    DL_DELETE(p->sent, c);
    fanmap_error_t why;
    err_set_retry(&why, FANMAP_EUNREACHABLE, "Redis: the connection is ending");
    finish_failed(c, &why);
}

static void submit(call_t *c)
{
    redis_port_t *p = c->port;
    if (redis_conn_context(p->calls))
        send_call(c);
    else if (redis_conn_trying(p->calls))
        DL_APPEND(p->waiting, c);
    else
        finish_failed(c, redis_conn_why(p->calls));
}

static void on_calls_up(void *arg, redisAsyncContext *context)
{
    (void)context;
    redis_port_t *p = arg;
    while (p->waiting) {
        call_t *c = p->waiting;
        DL_DELETE(p->waiting, c);
        send_call(c);
    }
}

static void fail_waiting(redis_port_t *p, const fanmap_error_t *why)
{
    while (p->waiting) {
        call_t *c = p->waiting;
        DL_DELETE(p->waiting, c);
        finish_failed(c, why);
    }
}

static void on_calls_down(void *arg, const fanmap_error_t *why)
{
    fail_waiting(arg, why);
}

/* NULL: no memory or too many calls; as a lost request, the client's timeout asks again. */
static call_t *call_new(redis_port_t *p, answer_kind_t kind, const char *job, void *arg)
{
    call_t *c = p->calls_n < CALLS_MAX ? calloc(1, sizeof *c) : NULL;
    answer_t *a = c ? answer_new(kind, job, arg) : NULL;
    if (!a) {
        free(c);
        return NULL;
    }
    c->port = p;
    c->answer = a;
    p->calls_n++;
    return c;
}

static void redis_sync(tokens_port_t *port, const tokens_request_t *request, tokens_sync_fn fn, void *arg)
{
    call_t *c = call_new(redis_of(port), ANSWER_SYNC, request->job, arg);
    if (!c)
        return;
    c->request = *request;
    c->answer->seq = request->seq;
    c->answer->sync_fn = fn;
    submit(c);
}

static void redis_create(tokens_port_t *port, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                         tokens_create_fn fn, void *arg)
{
    call_t *c = call_new(redis_of(port), ANSWER_CREATE, job, arg);
    if (!c)
        return;
    snprintf(c->answer->nonce, sizeof c->answer->nonce, "%s", nonce);
    c->answer->create_fn = fn;
    c->n = n;
    c->lease_ms = lease_ms;
    submit(c);
}

static void redis_listen(tokens_port_t *port, tokens_channel_t channel, const char *incarnation, tokens_text_fn fn,
                         void *arg)
{
    redis_port_t *p = redis_of(port);
    char name[REDIS_CHANNEL_MAX];
    if (channel == TOKENS_WAKES)
        snprintf(name, sizeof name, "%s%s", p->channel_prefix, incarnation);
    else
        redis_handoff_channel(name, sizeof name, p->name_space, incarnation);
    if (p->wakes || redis_wakes_open(p->loop, &p->config, p->answers, &p->wakes, NULL) == FANMAP_OK)
        redis_wakes_add(p->wakes, name, fn, arg);
}

static void redis_offer(tokens_port_t *port, const char *queue, const char *task, const char *incarnation,
                        uint64_t backlog_ms)
{
    redis_port_t *p = redis_of(port);
    redis_handoff_offer(redis_conn_context(p->calls), p->name_space, queue, task, incarnation, backlog_ms);
}

static void redis_beg(tokens_port_t *port, const char *queue, const char *const *tasks, size_t tasks_n,
                      const char *incarnation, const char *text)
{
    redis_port_t *p = redis_of(port);
    redis_handoff_beg(redis_conn_context(p->calls), p->name_space, queue, tasks, tasks_n, incarnation, text);
}

static void redis_close(tokens_port_t *port)
{
    redis_port_t *p = redis_of(port);
    p->closed = true;
    if (p->wakes)
        redis_wakes_close(p->wakes);
    if (p->calls)
        redis_conn_close(p->calls);
    fail_waiting(p, &(fanmap_error_t){.code = FANMAP_EUNREACHABLE});
    if (p->answers)
        answers_close(p->answers);
    loop_timer_free(p->oldest);
    free(p->password_file);
    free(p);
}

static int fill_config(redis_port_t *p, const redis_port_config_t *config, fanmap_error_t *err)
{
    int code = redis_url_parse(config->url, &p->url, err);
    if (code != FANMAP_OK)
        return code;
    snprintf(p->name_space, sizeof p->name_space, "%s", config->name_space);
    script_channel_prefix(p->channel_prefix, sizeof p->channel_prefix, p->name_space);
    p->timeout_ms = config->connect_timeout_ms > 0 ? config->connect_timeout_ms : REDIS_TIMEOUT_MS;
    if (!config->password_file)
        return FANMAP_OK;
    redis_url_t with_password = p->url;
    code = redis_url_read_password(&with_password, config->password_file, err);
    if (code != FANMAP_OK)
        return code;
    p->password_file = strdup(config->password_file);
    return p->password_file ? FANMAP_OK : err_set(err, FANMAP_ENOMEM, "no memory for a connection to Redis");
}

static int open_calls(redis_port_t *p, fanmap_error_t *err)
{
    p->config = (redis_conn_config_t){.url = &p->url, .password_file = p->password_file, .timeout_ms = p->timeout_ms};
    redis_conn_config_t config = p->config;
    config.up = on_calls_up;
    config.down = on_calls_down;
    config.arg = p;
    return redis_conn_open(p->loop, &config, &p->calls, err);
}

int redis_port_open(loop_t *loop, const redis_port_config_t *config, tokens_port_t **ret, fanmap_error_t *err)
{
    redis_port_t *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, FANMAP_ENOMEM, "no memory for a connection to Redis");
    p->port = (tokens_port_t){redis_sync, redis_create, redis_listen, redis_offer, redis_beg, redis_close};
    p->loop = loop;
    int code = fill_config(p, config, err);
    if (code == FANMAP_OK)
        code = answers_new(loop, &p->answers, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(loop, on_oldest, p, &p->oldest, err);
    if (code == FANMAP_OK)
        code = open_calls(p, err);
    if (code != FANMAP_OK) {
        redis_close(&p->port);
        return code;
    }
    *ret = &p->port;
    return FANMAP_OK;
}
