#include "tokens/presence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokens/redis_conn.h"

enum { SERVE_KEY_MAX = 2 * NAME_MAX_LEN + TASK_NAME_MAX + 16, SILENT_S = 3 * PRESENCE_EVERY_MS / 1000 };

/* What another program left under a key of ours, of a type that is none of ours, would hide the workers for ever. */
#define DROP_FOREIGN                                                                                                   \
    "local function drop(key, r) if type(r) == 'table' and r.err and string.find(r.err, 'WRONGTYPE', 1, true) then "   \
    "redis.call('DEL', key) end end drop(KEYS[1], redis.pcall('ZCARD', KEYS[1])) "                                     \
    "if KEYS[2] then drop(KEYS[2], redis.pcall('HGET', KEYS[2], '')) end "

static const char announce_text[] = DROP_FOREIGN "redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1]) "
                                                 "redis.call('EXPIRE', KEYS[1], ARGV[2]) return 1";
static const char row_text[] =
    DROP_FOREIGN "local now = redis.call('TIME')[1] redis.call('ZADD', KEYS[1], now, ARGV[1]) "
                 "redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) "
                 "for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))) do "
                 "redis.call('ZREM', KEYS[1], old) redis.call('HDEL', KEYS[2], old) end "
                 "redis.call('EXPIRE', KEYS[1], ARGV[3]) redis.call('EXPIRE', KEYS[2], ARGV[3]) return 1";
static const char ask_text[] = DROP_FOREIGN "local now = tonumber(redis.call('TIME')[1]) "
                                            "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1])) "
                                            "return redis.call('ZCARD', KEYS[1])";

static const char bounds_text[] = DROP_FOREIGN
    "redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) redis.call('EXPIRE', KEYS[2], ARGV[3]) "
    "for _, old in ipairs(redis.call('HKEYS', KEYS[2])) do if old ~= ARGV[1] and not redis.call('ZSCORE', KEYS[1], "
    "old) then "
    "redis.call('HDEL', KEYS[2], old) end end return 1";
/* Of each bound the largest; 0, no bound, is larger than all. */
static const char ask_bounds_text[] =
    DROP_FOREIGN "local since = tonumber(redis.call('TIME')[1]) - tonumber(ARGV[1]) local most = {} "
                 "for n, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], since, '+inf')) do local i = 0 "
                 "for bound in string.gmatch(redis.call('HGET', KEYS[2], id) or '0 0 0', '%d+') do i = i + 1 bound = "
                 "tonumber(bound) "
                 "if n == 1 or bound == 0 or (most[i] ~= 0 and bound > most[i]) then most[i] = bound end end end "
                 "for i, bound in ipairs(most) do most[i] = string.format('%.0f', bound) end return most";

struct presence {
    loop_t *loop;
    char name_space[NAME_MAX_LEN + 1];
    redis_conn_t *conn;
    loop_timer_t *timer;
    presence_refused_fn refused;
    void *refused_arg;
    presence_fn fn; /* NULL: nothing is asked */
    void *arg;
    char key[SERVE_KEY_MAX];
    int workers_n;
    char bounds_key[SERVE_KEY_MAX];
    uint64_t bounds[PRESENCE_BOUNDS];
    bool wants_bounds;
    bool is_sent, is_closed, was_up;
    bool has_told; /* of the refusal that lasts */
};

static void make_key(const presence_t *p, char *ret, const char *queue, const char *task)
{
    snprintf(ret, SERVE_KEY_MAX, "%s.serve.%s.%s", p->name_space, queue, task);
}

static void make_bounds_key(const presence_t *p, char *ret, const char *queue, const char *task)
{
    snprintf(ret, SERVE_KEY_MAX, "%s.bounds.%s.%s", p->name_space, queue, task);
}

static void tell_refused(presence_t *p, const fanmap_error_t *why)
{
    if (p->has_told && why->code != FANMAP_EREFUSED)
        return;
    p->has_told = true;
    p->refused(p->refused_arg, why);
}

static void is_served(presence_t *p)
{
    redis_conn_served(p->conn);
    p->has_told = false;
}

static void answer(presence_t *p, int workers_n)
{
    p->workers_n = workers_n;
    p->is_sent = false;
    loop_timer_at(p->timer, loop_now_ms(p->loop)); /* never from inside hiredis */
}

static void on_timer(void *arg)
{
    presence_t *p = arg;
    presence_fn fn = p->fn;
    p->fn = NULL;
    if (fn)
        fn(p->arg, p->workers_n);
}

/* 1: read; 0: nobody serves the task; -1: no answer. */
static int read_bounds(presence_t *p, const redisReply *reply)
{
    if (!reply || reply->type != REDIS_REPLY_ARRAY || (reply->elements != 0 && reply->elements != PRESENCE_BOUNDS))
        return -1;
    for (size_t i = 0; i < reply->elements; i++)
        p->bounds[i] = reply->element[i]->type == REDIS_REPLY_STRING ? strtoull(reply->element[i]->str, NULL, 10) : 0;
    return reply->elements > 0;
}

static void on_reply(redisAsyncContext *context, void *reply_arg, void *arg)
{
    const redisReply *reply = reply_arg;
    presence_t *p = arg;
    (void)context;
    if (!p->is_closed && reply && reply->type != REDIS_REPLY_ERROR)
        is_served(p);
    if (!p->is_closed && p->is_sent && p->wants_bounds)
        answer(p, read_bounds(p, reply));
    else if (!p->is_closed && p->is_sent)
        answer(p, reply && reply->type == REDIS_REPLY_INTEGER ? (int)reply->integer : -1);
}

static void send_question(presence_t *p)
{
    char silent[16];
    snprintf(silent, sizeof silent, "%d", SILENT_S);
    p->is_sent = true;
    int r = p->wants_bounds ? redisAsyncCommand(redis_conn_context(p->conn), on_reply, p, "EVAL %s 2 %s %s %s",
                                                ask_bounds_text, p->key, p->bounds_key, silent)
                            : redisAsyncCommand(redis_conn_context(p->conn), on_reply, p, "EVAL %s 1 %s %s", ask_text,
                                                p->key, silent);
    if (r != REDIS_OK)
        answer(p, -1);
}

static void on_up(void *arg, redisAsyncContext *context)
{
    presence_t *p = arg;
    (void)context;
    p->was_up = true;
    if (p->fn && !p->is_sent)
        send_question(p);
}

static void on_down(void *arg, const fanmap_error_t *why)
{
    presence_t *p = arg;
    if (redis_conn_is_refused(p->conn))
        tell_refused(p, why);
    if (p->fn && !p->is_sent)
        answer(p, -1);
}

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
        is_served(p);
        return;
    }
    redis_conn_explain(p->conn, reply->str, (size_t)reply->len, &why);
    if (why.code != FANMAP_EIO)
        tell_refused(p, &why);
}

void presence_announce(presence_t *p, const char *incarnation, const char *queue, const char *const *tasks,
                       size_t tasks_n)
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char key[SERVE_KEY_MAX], forget[16];
    snprintf(forget, sizeof forget, "%d", PRESENCE_FORGET_S);
    for (size_t i = 0; context && i < tasks_n; i++) {
        make_key(p, key, queue, tasks[i]);
        if (redisAsyncCommand(context, on_announced, p, "EVAL %s 1 %s %s %s", announce_text, key, incarnation,
                              forget) != REDIS_OK)
            return;
    }
}

void presence_row_keys(const char *name_space, char *ret_seen, char *ret_rows, size_t cap)
{
    snprintf(ret_seen, cap, "%s.workers.seen", name_space);
    snprintf(ret_rows, cap, "%s.workers", name_space);
}

void presence_announce_row(presence_t *p, const char *incarnation, const char *row)
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char seen[SERVE_KEY_MAX], rows[SERVE_KEY_MAX], forget[16];
    presence_row_keys(p->name_space, seen, rows, sizeof seen);
    snprintf(forget, sizeof forget, "%d", PRESENCE_FORGET_S);
    if (context)
        redisAsyncCommand(context, on_announced, p, "EVAL %s 2 %s %s %s %s %s", row_text, seen, rows, incarnation, row,
                          forget);
}

static void query(presence_t *p, const char *queue, const char *task, bool wants_bounds, presence_fn fn, void *arg)
{
    p->fn = fn;
    p->arg = arg;
    p->wants_bounds = wants_bounds;
    make_key(p, p->key, queue, task);
    make_bounds_key(p, p->bounds_key, queue, task);
    if (redis_conn_context(p->conn))
        send_question(p);
    else if (!redis_conn_trying(p->conn))
        answer(p, -1);
}

void presence_query(presence_t *p, const char *queue, const char *task, presence_fn fn, void *arg)
{
    query(p, queue, task, false, fn, arg);
}

void presence_query_bounds(presence_t *p, const char *queue, const char *task, presence_fn fn, void *arg)
{
    query(p, queue, task, true, fn, arg);
}

const uint64_t *presence_bounds(const presence_t *p)
{
    return p->bounds;
}

void presence_announce_bounds(presence_t *p, const char *incarnation, const char *queue, const char *task,
                              const uint64_t bounds[PRESENCE_BOUNDS])
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char key[SERVE_KEY_MAX], bounds_key[SERVE_KEY_MAX], forget[16], text[80];
    snprintf(forget, sizeof forget, "%d", PRESENCE_FORGET_S);
    snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64, bounds[0], bounds[1], bounds[2]);
    make_key(p, key, queue, task);
    make_bounds_key(p, bounds_key, queue, task);
    if (context)
        redisAsyncCommand(context, NULL, NULL, "EVAL %s 2 %s %s %s %s %s", bounds_text, key, bounds_key, incarnation,
                          text, forget);
}

static int open_parts(presence_t *p, const redis_port_config_t *config, fanmap_error_t *err)
{
    int r = loop_timer_new(p->loop, on_timer, p, &p->timer, err);
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

void presence_close(presence_t *p)
{
    if (!p)
        return;
    p->is_closed = true;
    if (p->conn)
        redis_conn_close(p->conn);
    if (p->timer)
        loop_timer_free(p->timer);
    free(p);
}
