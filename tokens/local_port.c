#include "tokens/local_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokens/answers.h"
#include "tokens/script.h"
#include "tokens/table.h"

typedef struct listener listener_t;
struct listener {
    listener_t *next;
    char channel[SCRIPT_PREFIX_MAX + TOKENS_INCARNATION_MAX + 1];
    tokens_wake_fn fn;
    void *arg;
};

typedef struct {
    tokens_port_t port; /* first, so that a pointer to it is one to this */
    token_table_t *table;
    answers_t *answers;
    listener_t *listeners;
} local_port_t;

static const char name_space[] = "local";

static local_port_t *local_of(tokens_port_t *port)
{
    return (local_port_t *)(void *)port;
}

static void on_publish(void *arg, const char *channel, const char *message)
{
    local_port_t *p = arg;
    for (const listener_t *l = p->listeners; l != NULL; l = l->next) {
        answer_t *a = strcmp(l->channel, channel) == 0 ? answer_new(ANSWER_WAKE, message, l->arg) : NULL;
        if (a == NULL)
            continue; /* no memory: it is a hint, the heartbeat is the truth */
        a->wake_fn = l->fn;
        answers_put(p->answers, a);
    }
}

/* The time is the loop's clock, so that the table's and the workers' never part. */
static void set_time(local_port_t *p)
{
    token_table_set_time_us(p->table, loop_clock_ms() * 1000);
}

static void local_sync(tokens_port_t *port, const tokens_request_t *request, tokens_sync_fn fn, void *arg)
{
    local_port_t *p = local_of(port);
    answer_t *a = answer_new(ANSWER_SYNC, request->job, arg);
    if (a == NULL)
        return; /* as a lost reply: after its timeout the client asks again */
    a->seq = request->seq;
    a->sync_fn = fn;
    set_time(p);
    a->code = token_table_sync(p->table, request, &a->reply, &a->err);
    answers_put(p->answers, a);
}

static void local_create(tokens_port_t *port, const char *job, const char *nonce, uint64_t n, uint32_t lease_ms,
                         tokens_create_fn fn, void *arg)
{
    local_port_t *p = local_of(port);
    answer_t *a = answer_new(ANSWER_CREATE, job, arg);
    if (a == NULL)
        return;
    snprintf(a->nonce, sizeof a->nonce, "%s", nonce);
    a->create_fn = fn;
    set_time(p);
    a->code = token_table_create(p->table, job, nonce, n, lease_ms, &a->created, &a->err);
    answers_put(p->answers, a);
}

static void local_listen(tokens_port_t *port, const char *incarnation, tokens_wake_fn fn, void *arg)
{
    local_port_t *p = local_of(port);
    listener_t *l = calloc(1, sizeof *l);
    if (l == NULL)
        return;
    char prefix[SCRIPT_PREFIX_MAX];
    script_channel_prefix(prefix, sizeof prefix, name_space);
    snprintf(l->channel, sizeof l->channel, "%s%s", prefix, incarnation);
    l->fn = fn;
    l->arg = arg;
    l->next = p->listeners;
    p->listeners = l;
}

static void local_close(tokens_port_t *port)
{
    local_port_t *p = local_of(port);
    answers_close(p->answers);
    while (p->listeners != NULL) {
        listener_t *l = p->listeners;
        p->listeners = l->next;
        free(l);
    }
    token_table_free(p->table);
    free(p);
}

int tokens_local_port_open(loop_t *loop, tokens_port_t **ret, fanmap_error_t *err)
{
    local_port_t *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_set(err, FANMAP_ENOMEM, "no memory for the token tables");
    p->port = (tokens_port_t){local_sync, local_create, local_listen, local_close};
    token_table_config_t config = {.name_space = name_space, .publish = on_publish, .publish_arg = p};
    int code = token_table_new(&config, &p->table, err);
    if (code == FANMAP_OK)
        code = answers_new(loop, &p->answers, err);
    if (code != FANMAP_OK) {
        token_table_free(p->table);
        free(p);
        return code;
    }
    *ret = &p->port;
    return FANMAP_OK;
}
