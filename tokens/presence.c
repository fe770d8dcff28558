/* One connection to Redis, and what a worker announces over it. Nobody waits for the answers to that. */
#include "tokens/presence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tokens/presence_private.h"
#include "tokens/script.h"

enum { RENEW_EVERY_MS = PRESENCE_FORGET_S * 1000 / 6 };

static void report_refused(presence_t *p, const fanmap_error_t *why)
{
    if (p->is_refusal_reported && why->code != FANMAP_EREFUSED)
        return;
    p->is_refusal_reported = true;
    p->refused(p->refused_arg, why);
}

void presence_served(presence_t *p)
{
    redis_conn_served(p->conn);
    p->is_refusal_reported = false;
}

void presence_name_rows(const char *name_space, char ret_seen[PRESENCE_KEY_MAX], char ret_rows[PRESENCE_KEY_MAX])
{
    snprintf(ret_seen, PRESENCE_KEY_MAX, "%s.workers.seen", name_space);
    snprintf(ret_rows, PRESENCE_KEY_MAX, "%s.workers", name_space);
}

bool presence_eval(presence_t *p, redisCallbackFn *fn, void *arg, const char *text, const char *const keys[2],
                   const char *const *args)
{
    const char *argv[9] = {"EVAL", text, keys[1] ? "2" : "1", keys[0], keys[1]};
    int n = keys[1] ? 5 : 4;
    for (; *args; args++)
        argv[n++] = *args;
    redisAsyncContext *context = redis_conn_context(p->conn);
    return context && redisAsyncCommandArgv(context, fn, arg, n, argv, NULL) == REDIS_OK;
}

static void on_up(void *arg, redisAsyncContext *context)
{
    presence_t *p = arg;
    (void)context;
    p->was_up = true;
    presence_send_questions(p);
}

static void on_down(void *arg, const fanmap_error_t *why)
{
    presence_t *p = arg;
    if (redis_conn_is_refused(p->conn))
        report_refused(p, why);
    presence_fail_questions(p, why);
}

/* ---- announcing ---- */

/* A worker that nobody can see would be worse than none: maps would wait for one that is there. */
static void on_announced(redisAsyncContext *context, void *reply_arg, void *arg)
{
    const redisReply *reply = reply_arg;
    presence_t *p = arg;
    fanmap_error_t why;
    (void)context;
    if (p->is_closed || !reply)
        return;
    if (reply->type != REDIS_REPLY_ERROR) {
        presence_served(p);
        return;
    }
    redis_conn_explain(p->conn, reply->str, (size_t)reply->len, &why);
    if (why.code != FANMAP_EIO)
        report_refused(p, &why);
}

/* How long all of it is remembered: an argument of each script that announces. */
static const char *name_forget(char ret[16])
{
    snprintf(ret, 16, "%d", PRESENCE_FORGET_S);
    return ret;
}

/* "1": what is announced now gets its time anew. All that is said within a second is in the same case. */
static const char *renewal(presence_t *p)
{
    int64_t now_ms = loop_now_ms(p->loop);
    if (presence_is_up(p) && now_ms >= p->renew_ms + RENEW_EVERY_MS)
        p->renew_ms = now_ms;
    return now_ms < p->renew_ms + PRESENCE_EVERY_MS ? "1" : "0";
}

static const char *name_servers(const presence_t *p, char ret[PRESENCE_KEY_MAX], const char *queue, const char *task)
{
    snprintf(ret, PRESENCE_KEY_MAX, "%s.serve.%s.%s", p->name_space, queue, task);
    return ret;
}

void presence_announce(presence_t *p, const char *incarnation, const char *queue, const char *const *tasks,
                       size_t tasks_n)
{
    char key[PRESENCE_KEY_MAX], forget[16];
    const char *const keys[2] = {key, NULL};
    const char *const args[] = {incarnation, name_forget(forget), renewal(p), NULL};
    for (size_t i = 0; i < tasks_n; i++) {
        name_servers(p, key, queue, tasks[i]);
        if (!presence_eval(p, on_announced, p, script_announce_text, keys, args))
            return;
    }
}

void presence_withdraw(presence_t *p, const char *incarnation, const char *queue, const char *const *tasks,
                       size_t tasks_n)
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char key[PRESENCE_KEY_MAX];
    for (size_t i = 0; context && i < tasks_n; i++)
        if (redisAsyncCommand(context, NULL, NULL, "ZREM %s %s", name_servers(p, key, queue, tasks[i]), incarnation) !=
            REDIS_OK)
            return;
}

void presence_announce_row(presence_t *p, const char *incarnation, const char *row)
{
    char seen[PRESENCE_KEY_MAX], rows[PRESENCE_KEY_MAX], forget[16];
    presence_name_rows(p->name_space, seen, rows);
    const char *const keys[2] = {seen, rows};
    const char *const args[] = {incarnation, row, name_forget(forget), renewal(p), NULL};
    (void)presence_eval(p, on_announced, p, script_announce_row_text, keys, args);
}

void presence_announce_bounds(presence_t *p, const char *incarnation, const char *queue, const char *task,
                              const uint64_t bounds[PRESENCE_BOUNDS_N])
{
    char key[PRESENCE_KEY_MAX], bounds_key[PRESENCE_KEY_MAX], text[80], forget[16];
    snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64, bounds[0], bounds[1], bounds[2]);
    snprintf(bounds_key, sizeof bounds_key, "%s.bounds.%s.%s", p->name_space, queue, task);
    const char *const keys[2] = {name_servers(p, key, queue, task), bounds_key};
    const char *const args[] = {incarnation, text, name_forget(forget), NULL};
    (void)presence_eval(p, NULL, p, script_announce_bounds_text, keys, args);
}

static int open_parts(presence_t *p, const redis_port_config_t *config, fanmap_error_t *err)
{
    int r = loop_timer_new(p->loop, presence_answer_next, p, &p->timer, err);
    redis_conn_config_t conn = {.up = on_up, .down = on_down, .arg = p};
    return r == FANMAP_OK ? redis_conn_open_to(p->loop, config, conn, &p->conn, err) : r;
}

int presence_open(loop_t *loop, const redis_port_config_t *config, presence_refused_fn refused, void *arg,
                  presence_t **ret, fanmap_error_t *err)
{
    presence_t *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    p->loop = loop;
    p->refused = refused;
    p->refused_arg = arg;
    snprintf(p->name_space, sizeof p->name_space, "%s", config->name_space);
    int r = open_parts(p, config, err);
    if (r == FANMAP_OK)
        *ret = p;
    else
        presence_close(p);
    return r;
}

bool presence_was_up(const presence_t *p)
{
    return p->was_up;
}

bool presence_is_up(const presence_t *p)
{
    return redis_conn_context(p->conn) != NULL;
}

void presence_close(presence_t *p)
{
    if (!p)
        return;
    p->is_closed = true;
    if (p->conn)
        redis_conn_close(p->conn);
    loop_timer_free(p->timer);
    presence_free_questions(p);
    free(p);
}
