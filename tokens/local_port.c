#include "tokens/local_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokens/script.h"
#include "tokens/table.h"

/* One answer or wake-up on its way to its callback. */
typedef struct answer answer_t;
struct answer {
    answer_t *next;
    enum { ANSWER_SYNC, ANSWER_CREATE, ANSWER_WAKE } kind;
    char job[JOB_ID_MAX + 1];
    char name[TOKENS_INCARNATION_MAX + 1]; /* the nonce of a create */
    uint64_t seq;
    bool created;
    int code;
    fanmap_error_t err;
    tokens_reply_t reply;
    tokens_sync_fn sync_fn;
    tokens_create_fn create_fn;
    tokens_wake_fn wake_fn;
    void *arg;
};

typedef struct listener listener_t;
struct listener {
    listener_t *next;
    char channel[SCRIPT_PREFIX_MAX + TOKENS_INCARNATION_MAX + 1];
    tokens_wake_fn fn;
    void *arg;
};

/* The time is the loop's, so that the table's clock and the workers' never part. */
typedef struct {
    tokens_port_t port;
    loop_t *loop;
    token_table_t *table;
    loop_timer_t *timer; /* due while answers wait; unlike a deferred call it can be taken back at close */
    answer_t *first, **last;
    listener_t *listeners;
    bool running, closed;
} local_port_t;

static const char name_space[] = "local";

static local_port_t *local_of(tokens_port_t *port)
{
    return (local_port_t *)(void *)port;
}

static void put(local_port_t *p, answer_t *a)
{
    *p->last = a;
    p->last = &a->next;
    loop_timer_at(p->timer, loop_now_ms(p->loop));
}

static answer_t *answer_new(int kind, const char *job, void *arg)
{
    answer_t *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->kind = kind;
    a->arg = arg;
    snprintf(a->job, sizeof a->job, "%s", job);
    return a;
}

static void give(const answer_t *a)
{
    const fanmap_error_t *err = a->code < 0 ? &a->err : NULL;
    switch (a->kind) {
    case ANSWER_SYNC:
        a->sync_fn(a->arg, a->job, a->seq, err == NULL ? &a->reply : NULL, err);
        break;
    case ANSWER_CREATE:
        a->create_fn(a->arg, a->job, a->name, a->created, err);
        break;
    case ANSWER_WAKE:
        a->wake_fn(a->arg, a->job);
        break;
    }
}

static void release(local_port_t *p)
{
    while (p->first != NULL) {
        answer_t *a = p->first;
        p->first = a->next;
        free(a);
    }
    while (p->listeners != NULL) {
        listener_t *l = p->listeners;
        p->listeners = l->next;
        free(l);
    }
    loop_timer_free(p->timer);
    token_table_free(p->table);
    free(p);
}

/* Hands out what waits now; what the callbacks add comes in the next turn. */
static void run(void *arg)
{
    local_port_t *p = arg;
    answer_t *a = p->first;
    p->first = NULL;
    p->last = &p->first;
    p->running = true;
    while (a != NULL) {
        answer_t *next = a->next;
        if (!p->closed)
            give(a);
        free(a);
        a = next;
    }
    p->running = false;
    if (p->closed)
        release(p);
}

static void on_publish(void *arg, const char *channel, const char *message)
{
    local_port_t *p = arg;
    for (const listener_t *l = p->listeners; l != NULL; l = l->next) {
        if (strcmp(l->channel, channel) != 0)
            continue;
        answer_t *a = answer_new(ANSWER_WAKE, message, l->arg);
        if (a == NULL)
            return; /* a hint: the heartbeat is the truth */
        a->wake_fn = l->fn;
        put(p, a);
    }
}

static void set_time(local_port_t *p)
{
    token_table_set_time_us(p->table, loop_clock_ms() * 1000);
}

static void local_sync(tokens_port_t *port, const tokens_request_t *request, tokens_sync_fn fn, void *arg)
{
    local_port_t *p = local_of(port);
    answer_t *a = answer_new(ANSWER_SYNC, request->job, arg);
    if (a == NULL)
        return; /* as a lost reply: the client's timeout asks again */
    a->seq = request->seq;
    a->sync_fn = fn;
    set_time(p);
    a->code = token_table_sync(p->table, request, &a->reply, &a->err);
    put(p, a);
}

static void local_create(tokens_port_t *port, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                         tokens_create_fn fn, void *arg)
{
    local_port_t *p = local_of(port);
    answer_t *a = answer_new(ANSWER_CREATE, job, arg);
    if (a == NULL)
        return;
    snprintf(a->name, sizeof a->name, "%s", nonce);
    a->create_fn = fn;
    set_time(p);
    a->code = token_table_create(p->table, job, nonce, n, lease_ms, &a->created, &a->err);
    put(p, a);
}

static void local_listen(tokens_port_t *port, const char *incarnation, tokens_wake_fn fn, void *arg)
{
    local_port_t *p = local_of(port);
    listener_t *l = calloc(1, sizeof *l);
    if (l == NULL)
        return;
    script_channel_prefix(l->channel, SCRIPT_PREFIX_MAX, name_space);
    snprintf(l->channel + strlen(l->channel), TOKENS_INCARNATION_MAX + 1, "%s", incarnation);
    l->fn = fn;
    l->arg = arg;
    l->next = p->listeners;
    p->listeners = l;
}

static void local_close(tokens_port_t *port)
{
    local_port_t *p = local_of(port);
    p->closed = true;
    if (!p->running)
        release(p);
}

int tokens_local_port_open(loop_t *loop, tokens_port_t **ret, fanmap_error_t *err)
{
    local_port_t *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_set(err, FANMAP_ENOMEM, "no memory for the token tables");
    p->port = (tokens_port_t){local_sync, local_create, local_listen, local_close};
    p->loop = loop;
    p->last = &p->first;
    token_table_config_t config = {.name_space = name_space, .publish = on_publish, .publish_arg = p};
    int code = token_table_new(&config, &p->table, err);
    if (code == FANMAP_OK)
        code = loop_timer_new(loop, run, p, &p->timer, err);
    if (code != FANMAP_OK) {
        token_table_free(p->table);
        free(p);
        return code;
    }
    *ret = &p->port;
    return FANMAP_OK;
}
