/* One connection. What a worker announces goes out and is forgotten. What is asked waits in a list until Redis has
 * answered or cannot be reached, and is answered from the timer, never from inside hiredis. */
#include "tokens/presence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokens/redis_conn.h"

enum { KEY_MAX = 2 * NAME_MAX_LEN + TASK_NAME_MAX + JOB_ID_MAX + 16, TEXTS_MAX = 1 << 20 };
enum { SILENT_S = 3 * PRESENCE_EVERY_MS / 1000, RENEW_EVERY_MS = PRESENCE_FORGET_S * 1000 / 6 };

/* What another program left under a key of ours, of a type that is none of ours, would hide the workers for ever. */
#define DROP_FOREIGN                                                                                                   \
    "local function drop(key, r) if type(r) == 'table' and r.err and string.find(r.err, 'WRONGTYPE', 1, true) then "   \
    "redis.call('DEL', key) end end drop(KEYS[1], redis.pcall('ZCARD', KEYS[1])) "                                     \
    "if KEYS[2] then drop(KEYS[2], redis.pcall('HGET', KEYS[2], '')) end "

/* What is said each second costs Redis a command or two: a foreign key is noticed where writing fails, and keys are given
 * their time anew when somebody is new in them, and else where the caller says so. */
#define PUT                                                                                                            \
    "local function put(command, key, ...) local r = redis.pcall(command, key, ...) "                                  \
    "if type(r) ~= 'table' then return r end "                                                                         \
    "if r.err and string.find(r.err, 'WRONGTYPE', 1, true) then redis.call('DEL', key) end "                           \
    "return redis.call(command, key, ...) end "

static const char announce_text[] = PUT "if put('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1]) == 1 or "
                                        "ARGV[3] == '1' then redis.call('EXPIRE', KEYS[1], ARGV[2]) end return 1";
static const char row_text[] =
    PUT "local now = redis.call('TIME')[1] local is_new = put('ZADD', KEYS[1], now, ARGV[1]) == 1 "
        "is_new = put('HSET', KEYS[2], ARGV[1], ARGV[2]) == 1 or is_new "
        "for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))) do "
        "redis.call('ZREM', KEYS[1], old) redis.call('HDEL', KEYS[2], old) end "
        "if is_new or ARGV[4] == '1' then "
        "redis.call('EXPIRE', KEYS[1], ARGV[3]) redis.call('EXPIRE', KEYS[2], ARGV[3]) end return 1";
static const char bounds_text[] = DROP_FOREIGN
    "redis.call('HSET', KEYS[2], ARGV[1], ARGV[2]) redis.call('EXPIRE', KEYS[2], ARGV[3]) "
    "for _, old in ipairs(redis.call('HKEYS', KEYS[2])) do if old ~= ARGV[1] and not redis.call('ZSCORE', KEYS[1], "
    "old) then "
    "redis.call('HDEL', KEYS[2], old) end end return 1";

static const char servers_text[] =
    DROP_FOREIGN "local now = redis.call('TIME')[1] local out = {now} "
                 "local seen = redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf', 'WITHSCORES') "
                 "for i = 1, #seen do out[#out + 1] = seen[i] end return out";
static const char workers_text[] =
    "local now = redis.call('TIME')[1] local out = {now} "
    "local seen = redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf', 'WITHSCORES') "
    "for i = 1, #seen, 2 do out[#out + 1] = seen[i] out[#out + 1] = seen[i + 1] "
    "out[#out + 1] = redis.call('HGET', KEYS[2], seen[i]) or '' end return out";
/* Of each bound the largest; 0, no bound, is larger than all. */
static const char ask_bounds_text[] =
    DROP_FOREIGN "local now = redis.call('TIME')[1] local most = {} "
                 "for n, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - tonumber(ARGV[1]), '+inf')) do "
                 "local i = 0 for bound in string.gmatch(redis.call('HGET', KEYS[2], id) or '0 0 0', '%d+') do "
                 "i = i + 1 bound = tonumber(bound) "
                 "if n == 1 or bound == 0 or (most[i] ~= 0 and bound > most[i]) then most[i] = bound end end end "
                 "for i, bound in ipairs(most) do most[i] = string.format('%.0f', bound) end "
                 "table.insert(most, 1, now) return most";
static const char table_text[] = "local time = redis.call('TIME') "
                                 "local out = {string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))} "
                                 "local flat = redis.pcall('HGETALL', KEYS[1]) "
                                 "for i = 1, #flat do out[#out + 1] = flat[i] end return out";
static const char leave_text[] = "redis.call('ZREM', KEYS[1], ARGV[1]) redis.call('HDEL', KEYS[2], ARGV[1]) "
                                 "return {redis.call('TIME')[1]}";

typedef struct question question_t;

struct question {
    question_t *next;
    presence_t *presence;
    presence_what_t what;
    char keys[2][KEY_MAX], word[32]; /* word: the script's one argument */
    presence_fn fn;                  /* NULL: nobody wants to know any more */
    void *arg;
    bool is_sent, is_over;
    const char **texts;
    size_t texts_n;
    char *bytes; /* of the texts */
    fanmap_error_t error;
};

struct presence {
    loop_t *loop;
    char name_space[NAME_MAX_LEN + 1];
    redis_conn_t *conn;
    loop_timer_t *timer;
    presence_refused_fn refused;
    void *refused_arg;
    question_t *questions;
    bool is_closed, was_up;
    bool has_told;    /* of the refusal that lasts */
    int64_t renew_ms; /* when keys were given their time anew */
};

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

/* ---- asking ---- */

static void question_free(question_t *q)
{
    free(q->texts);
    free(q->bytes);
    free(q);
}

/* One a turn: it may close the presence. */
static void on_timer(void *arg)
{
    presence_t *p = arg;
    question_t **at = &p->questions, *q;
    while ((q = *at) && !q->is_over)
        at = &q->next;
    if (!q)
        return;
    *at = q->next;
    loop_timer_at(p->timer, loop_now_ms(p->loop));
    if (q->fn)
        q->fn(q->arg, q->texts, q->texts_n, q->error.code ? &q->error : NULL);
    question_free(q);
}

static void end_question(question_t *q)
{
    q->is_over = true;
    loop_timer_at(q->presence->timer, loop_now_ms(q->presence->loop));
}

static bool keep_texts(question_t *q, const redisReply *reply)
{
    size_t bytes = 0, n = reply->elements;
    for (size_t i = 0; i < n; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
        bytes += (size_t)reply->element[i]->len + 1;
    }
    q->texts = calloc(n + 1, sizeof *q->texts);
    char *at = q->bytes = malloc(bytes + 1);
    if (!q->texts || !q->bytes)
        return false;
    for (size_t i = 0; i < n; i++) {
        size_t len = (size_t)reply->element[i]->len;
        memcpy(at, reply->element[i]->str, len);
        at[len] = '\0';
        q->texts[i] = at;
        at += len + 1;
    }
    q->texts_n = n;
    return true;
}

static void on_reply(redisAsyncContext *context, void *reply_arg, void *arg)
{
    const redisReply *reply = reply_arg;
    question_t *q = arg;
    presence_t *p = q->presence;
    (void)context;
    if (p->is_closed)
        return;
    if (!reply)
        err_set_retry(&q->error, FANMAP_EUNREACHABLE, "Redis: connection lost");
    else if (reply->type == REDIS_REPLY_ERROR)
        redis_conn_explain(p->conn, reply->str, (size_t)reply->len, &q->error);
    else if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 || reply->elements > TEXTS_MAX ||
             !keep_texts(q, reply))
        err_set(&q->error, FANMAP_EIO, "Redis answered a question with something else");
    else
        is_served(p);
    end_question(q);
}

static void send_question(question_t *q)
{
    static const char *const texts[] = {workers_text, servers_text, ask_bounds_text, table_text, leave_text};
    bool has_two = q->what != PRESENCE_SERVERS && q->what != PRESENCE_TABLE;
    const char *argv[] = {"EVAL", texts[q->what], has_two ? "2" : "1", q->keys[0], q->keys[1], q->word};
    if (!has_two)
        argv[4] = q->word;
    q->is_sent = true;
    if (redisAsyncCommandArgv(redis_conn_context(q->presence->conn), on_reply, q, has_two ? 6 : 5, argv, NULL) ==
        REDIS_OK)
        return;
    err_set_retry(&q->error, FANMAP_EUNREACHABLE, "Redis: the connection is ending");
    end_question(q);
}

/* Of the rows: when each was heard of, and what it said. */
static void name_row_keys(const char *name_space, char ret_seen[KEY_MAX], char ret_rows[KEY_MAX])
{
    snprintf(ret_seen, KEY_MAX, "%s.workers.seen", name_space);
    snprintf(ret_rows, KEY_MAX, "%s.workers", name_space);
}

static void name_keys(question_t *q, const char *name)
{
    static const char *const places[] = {
        [PRESENCE_SERVERS] = "serve", [PRESENCE_BOUNDS] = "serve", [PRESENCE_TABLE] = "tokens"};
    const char *name_space = q->presence->name_space;
    if (q->what == PRESENCE_LEAVE)
        snprintf(q->word, sizeof q->word, "%s", name);
    else
        snprintf(q->word, sizeof q->word, "%d", q->what == PRESENCE_WORKERS ? PRESENCE_FORGET_S : SILENT_S);
    if (q->what == PRESENCE_WORKERS || q->what == PRESENCE_LEAVE) {
        name_row_keys(name_space, q->keys[0], q->keys[1]);
        return;
    }
    snprintf(q->keys[0], KEY_MAX, "%s.%s.%s", name_space, places[q->what], name);
    snprintf(q->keys[1], KEY_MAX, "%s.bounds.%s", name_space, name);
}

int presence_ask(presence_t *p, presence_what_t what, const char *name, presence_fn fn, void *arg, fanmap_error_t *err)
{
    question_t *q = calloc(1, sizeof *q);
    if (!q)
        return err_set(err, FANMAP_ENOMEM, "out of memory");
    *q = (question_t){.next = p->questions, .presence = p, .what = what, .fn = fn, .arg = arg};
    p->questions = q;
    name_keys(q, name);
    if (redis_conn_context(p->conn)) {
        send_question(q);
    } else if (!redis_conn_trying(p->conn)) {
        q->error = *redis_conn_why(p->conn);
        end_question(q);
    }
    return FANMAP_OK;
}

void presence_forget(presence_t *p, const void *arg)
{
    for (question_t *q = p ? p->questions : NULL; q; q = q->next)
        if (q->arg == arg)
            q->fn = NULL;
}

static void on_up(void *arg, redisAsyncContext *context)
{
    presence_t *p = arg;
    (void)context;
    p->was_up = true;
    for (question_t *q = p->questions; q; q = q->next)
        if (!q->is_sent && !q->is_over)
            send_question(q);
}

static void on_down(void *arg, const fanmap_error_t *why)
{
    presence_t *p = arg;
    if (redis_conn_is_refused(p->conn))
        tell_refused(p, why);
    for (question_t *q = p->questions; q; q = q->next)
        if (!q->is_sent && !q->is_over) {
            q->error = *why;
            end_question(q);
        }
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
        is_served(p);
        return;
    }
    redis_conn_explain(p->conn, reply->str, (size_t)reply->len, &why);
    if (why.code != FANMAP_EIO)
        tell_refused(p, &why);
}

/* "1": what is announced now gets its time anew. All that is said within a second is in the same case. */
static const char *renewal(presence_t *p)
{
    int64_t now_ms = loop_now_ms(p->loop);
    if (now_ms >= p->renew_ms + RENEW_EVERY_MS)
        p->renew_ms = now_ms;
    return now_ms < p->renew_ms + PRESENCE_EVERY_MS ? "1" : "0";
}

void presence_announce(presence_t *p, const char *incarnation, const char *queue, const char *const *tasks,
                       size_t tasks_n)
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char key[KEY_MAX], forget[16];
    snprintf(forget, sizeof forget, "%d", PRESENCE_FORGET_S);
    for (size_t i = 0; context && i < tasks_n; i++) {
        snprintf(key, sizeof key, "%s.serve.%s.%s", p->name_space, queue, tasks[i]);
        if (redisAsyncCommand(context, on_announced, p, "EVAL %s 1 %s %s %s %s", announce_text, key, incarnation,
                              forget, renewal(p)) != REDIS_OK)
            return;
    }
}

void presence_withdraw(presence_t *p, const char *incarnation, const char *queue, const char *const *tasks,
                       size_t tasks_n)
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char key[KEY_MAX];
    for (size_t i = 0; context && i < tasks_n; i++) {
        snprintf(key, sizeof key, "%s.serve.%s.%s", p->name_space, queue, tasks[i]);
        if (redisAsyncCommand(context, NULL, NULL, "ZREM %s %s", key, incarnation) != REDIS_OK)
            return;
    }
}

void presence_announce_row(presence_t *p, const char *incarnation, const char *row)
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char seen[KEY_MAX], rows[KEY_MAX], forget[16];
    name_row_keys(p->name_space, seen, rows);
    snprintf(forget, sizeof forget, "%d", PRESENCE_FORGET_S);
    if (context)
        redisAsyncCommand(context, on_announced, p, "EVAL %s 2 %s %s %s %s %s %s", row_text, seen, rows, incarnation,
                          row, forget, renewal(p));
}

void presence_announce_bounds(presence_t *p, const char *incarnation, const char *queue, const char *task,
                              const uint64_t bounds[PRESENCE_BOUNDS_N])
{
    redisAsyncContext *context = redis_conn_context(p->conn);
    char key[KEY_MAX], bounds_key[KEY_MAX], forget[16], text[80];
    snprintf(forget, sizeof forget, "%d", PRESENCE_FORGET_S);
    snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64, bounds[0], bounds[1], bounds[2]);
    snprintf(key, sizeof key, "%s.serve.%s.%s", p->name_space, queue, task);
    snprintf(bounds_key, sizeof bounds_key, "%s.bounds.%s.%s", p->name_space, queue, task);
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
    for (question_t *q = p->questions, *next; q; q = next) {
        next = q->next;
        question_free(q);
    }
    free(p);
}
