/* A connection goes through its states once a try; whatever goes wrong anywhere ends in `fail`, which keeps the reason,
 * lets hiredis answer what is pending with NULL, and sets the timer for the next try.
 *
 * One timer serves both waits: for the next try while WAITING, else for the end of the try. A name that is still being
 * resolved when a try ends is waited for by the next one. hiredis frees a context that it gave up itself, after telling
 * us; every other one we free. */
#include "tokens/redis_conn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/redis/redis_loop.h"
#include "tokens/resolve.h"

enum { WAIT_MS_MIN = 50, WAIT_MS_MAX = 2000, PLACE_MAX = REDIS_HOST_MAX + 16, SAID_MAX = 200 };

typedef enum { CONN_WAITING, CONN_RESOLVING, CONN_CONNECTING, CONN_LOGIN, CONN_READY } conn_state_t;

struct redis_conn {
    loop_t *loop;
    redis_conn_config_t config;
    conn_state_t state;
    loop_timer_t *timer;
    int64_t wait_ms;
    resolve_t *resolve; /* not NULL: a thread is at it */
    char addresses[RESOLVE_MAX][RESOLVE_ADDRESS_MAX];
    size_t addresses_n, address;
    redisAsyncContext *context; /* not NULL from CONNECTING on */
    unsigned logins_open;
    char place[PLACE_MAX];
    redis_url_t url;
    char *password_file; /* NULL: the password of the URL */
    redis_url_t login;   /* of this try, with the password as the file now has it */
    fanmap_error_t why;
    bool begun, closed;
    bool was_ready, was_served, is_refused;
};

static void give_up(redis_conn_t *c, const fanmap_error_t *why);
static void next_address(redis_conn_t *c);

redisAsyncContext *redis_conn_context(const redis_conn_t *conn)
{
    return conn->state == CONN_READY ? conn->context : NULL;
}

bool redis_conn_trying(const redis_conn_t *conn)
{
    return conn->state != CONN_READY && (conn->state != CONN_WAITING || !conn->begun);
}

const fanmap_error_t *redis_conn_why(const redis_conn_t *conn)
{
    return &conn->why;
}

static bool starts_with_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strncmp(text, *words, strlen(*words)) == 0)
            return true;
    return false;
}

/* What worked once may work again: a secret is changed in two places, and never at the same moment. */
static void soften(fanmap_error_t *err)
{
    if (err->code != FANMAP_EREFUSED)
        return;
    err->code = FANMAP_EUNREACHABLE;
    err->retry_may_help = true;
}

static void explain(const redis_conn_t *conn, const char *text, size_t len, fanmap_error_t *ret)
{
    static const char *const wants[] = {"NOAUTH", NULL};
    static const char *const logins[] = {"WRONGPASS", "ERR AUTH", "ERR invalid password", "ERR Client sent AUTH", NULL};
    static const char *const passing[] = {
        "LOADING",  "BUSY",        "MASTERDOWN", "READONLY",   "MISCONF",
        "TRYAGAIN", "CLUSTERDOWN", "OOM",        "NOREPLICAS", "ERR max number of clients",
        NULL};
    char said[SAID_MAX], start[64];
    text_escape_to(said, sizeof said, text, len);
    snprintf(start, sizeof start, "%.*s", (int)(len < sizeof start ? len : sizeof start - 1), text);
    if (starts_with_any(start, wants))
        err_set(ret, FANMAP_EREFUSED, "Redis at %s wants a password: give --redis-password-file", conn->place);
    else if (starts_with_any(start, logins))
        err_set(ret, FANMAP_EREFUSED, "Redis at %s refused the login: %s", conn->place, said);
    else if (strncmp(start, "DENIED", 6) == 0)
        err_set(ret, FANMAP_EREFUSED, "Redis at %s is in protected mode and refuses other hosts", conn->place);
    else if (strncmp(start, "NOPERM", 6) == 0 || strstr(said, "can't run this command") || strstr(said, "NOPERM"))
        err_set(ret, FANMAP_EREFUSED,
                "Redis at %s denies user %s a right that fanmap needs (fanmap topics --print-acls lists them): %s",
                conn->place, conn->url.user[0] ? conn->url.user : "default", said);
    else if (starts_with_any(start, passing))
        err_set_retry(ret, FANMAP_EUNREACHABLE, "Redis at %s cannot serve now: %s", conn->place, said);
    else
        err_set(ret, FANMAP_EIO, "Redis at %s: %s", conn->place, said);
}

void redis_conn_explain(const redis_conn_t *conn, const char *text, size_t len, fanmap_error_t *ret)
{
    explain(conn, text, len, ret);
    if (conn->was_served)
        soften(ret);
}

void redis_conn_served(redis_conn_t *conn)
{
    conn->was_served = true;
}

bool redis_conn_is_refused(const redis_conn_t *conn)
{
    return conn->is_refused;
}

static void give_up_lost(redis_conn_t *c, const char *what)
{
    fanmap_error_t why;
    err_set_retry(&why, FANMAP_EUNREACHABLE, "Redis at %s: %s", c->place, what && what[0] != '\0' ? what : "lost");
    give_up(c, &why);
}

/* Ours to free: hiredis answers what is pending with NULL and must not call back about the end. */
static void drop_context(redis_conn_t *c)
{
    redisAsyncContext *context = c->context;
    if (!context)
        return;
    c->context = NULL;
    context->data = NULL;
    redisAsyncFree(context);
}

static void give_up(redis_conn_t *c, const fanmap_error_t *why)
{
    c->why = *why;
    c->is_refused = why->code == FANMAP_EREFUSED;
    if (c->was_ready)
        soften(&c->why);
    c->state = CONN_WAITING;
    drop_context(c);
    if (c->closed)
        return;
    c->wait_ms = c->is_refused ? WAIT_MS_MAX : c->wait_ms * 2;
    if (c->wait_ms < WAIT_MS_MIN)
        c->wait_ms = WAIT_MS_MIN;
    else if (c->wait_ms > WAIT_MS_MAX)
        c->wait_ms = WAIT_MS_MAX;
    loop_timer_at(c->timer, loop_clock_ms() + c->wait_ms);
    if (c->config.down)
        c->config.down(c->config.arg, &c->why);
}

void redis_conn_drop(redis_conn_t *conn, const fanmap_error_t *why)
{
    if (conn->state != CONN_WAITING)
        give_up(conn, why);
}

/* Login: AUTH or a PING that shows whether one is wanted, then SELECT; all sent at once, READY with the last reply. */

static void on_login_reply(redisAsyncContext *context, void *reply_arg, void *arg)
{
    (void)arg;
    redis_conn_t *c = context->data;
    const redisReply *reply = reply_arg;
    if (!c || !reply || c->state != CONN_LOGIN)
        return; /* the end of the connection is told otherwise */
    if (reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) != 0) { /* a user may lack just PING */
        fanmap_error_t why;
        explain(c, reply->str, (size_t)reply->len, &why);
        if (why.code == FANMAP_EIO)
            why.code = FANMAP_EREFUSED; /* no such database and the like: waiting does not change it */
        give_up(c, &why);
        return;
    }
    if (--c->logins_open > 0)
        return;
    c->state = CONN_READY;
    c->was_ready = true;
    c->is_refused = false;
    c->wait_ms = 0;
    loop_timer_stop(c->timer);
    c->config.up(c->config.arg, context);
}

static void log_in(redis_conn_t *c)
{
    const redis_url_t *login = &c->login;
    c->state = CONN_LOGIN;
    c->logins_open = login->db > 0 ? 2 : 1;
    if (login->password[0] == '\0')
        redisAsyncCommand(c->context, on_login_reply, NULL, "PING");
    else if (login->user[0] == '\0')
        redisAsyncCommand(c->context, on_login_reply, NULL, "AUTH %s", login->password);
    else
        redisAsyncCommand(c->context, on_login_reply, NULL, "AUTH %s %s", login->user, login->password);
    if (login->db > 0)
        redisAsyncCommand(c->context, on_login_reply, NULL, "SELECT %u", (unsigned)login->db);
}

/* hiredis tells us and then frees the context itself when the connect failed. */
static void on_connect(const redisAsyncContext *context, int status)
{
    redis_conn_t *c = context->data;
    if (!c)
        return;
    if (status == REDIS_OK) {
        if (c->url.path[0] == '\0') /* else it fails, and hiredis takes that for a lost connection */
            redisEnableKeepAlive(&c->context->c);
        log_in(c);
        return;
    }
    c->context->data = NULL;
    c->context = NULL;
    snprintf(c->why.message, sizeof c->why.message, "%s", context->c.errstr);
    next_address(c);
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
    (void)status;
    redis_conn_t *c = context->data;
    if (!c)
        return;
    c->context = NULL;
    const char *said = context->errstr;
    if (said && context->err == REDIS_ERR_OTHER) { /* an error that the server sent unasked, before it closed */
        fanmap_error_t why;
        explain(c, said, strlen(said), &why);
        if (why.code == FANMAP_EIO)
            err_set_retry(&why, FANMAP_EUNREACHABLE, "Redis at %s: connection lost", c->place);
        give_up(c, &why);
        return;
    }
    give_up_lost(c, said);
}

static bool begin_connect(redis_conn_t *c, redisAsyncContext *context)
{
    fanmap_error_t why;
    if (!context)
        return false;
    if (context->err != 0 || redis_loop_attach(c->loop, context, &why) != FANMAP_OK) {
        snprintf(c->why.message, sizeof c->why.message, "%s", context->err != 0 ? context->errstr : why.message);
        redisAsyncFree(context);
        return false;
    }
    context->data = c;
    redisAsyncSetDisconnectCallback(context, on_disconnect);
    redisAsyncSetConnectCallback(context, on_connect);
    c->context = context;
    c->state = CONN_CONNECTING;
    return true;
}

/* Tries what is left of the addresses; c->why.message holds what was wrong with the last. */
static void next_address(redis_conn_t *c)
{
    const redis_url_t *url = &c->url;
    while (c->address < c->addresses_n) {
        const char *address = c->addresses[c->address++];
        bool begun = url->path[0] != '\0' ? begin_connect(c, redisAsyncConnectUnix(url->path))
                                          : begin_connect(c, redisAsyncConnect(address, url->port));
        if (begun)
            return;
    }
    char what[SAID_MAX];
    snprintf(what, sizeof what, "%.*s", (int)sizeof what - 1, c->why.message);
    give_up_lost(c, what);
}

static void on_resolved(void *arg, char (*addresses)[RESOLVE_ADDRESS_MAX], size_t n, const char *why)
{
    redis_conn_t *c = arg;
    c->resolve = NULL;
    if (c->state != CONN_RESOLVING)
        return; /* its try is over; the next one asks again */
    if (n == 0) {
        give_up_lost(c, why);
        return;
    }
    memcpy(c->addresses, addresses, n * RESOLVE_ADDRESS_MAX);
    c->addresses_n = n;
    next_address(c);
}

static void begin_resolve(redis_conn_t *c)
{
    const char *host = c->url.host;
    unsigned char bytes[16];
    c->address = 0;
    bool numeric = inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
    if (numeric || c->url.path[0] != '\0') {
        snprintf(c->addresses[0], RESOLVE_ADDRESS_MAX, "%.*s", RESOLVE_ADDRESS_MAX - 1, host);
        c->addresses_n = 1;
        next_address(c);
        return;
    }
    c->state = CONN_RESOLVING;
    fanmap_error_t why;
    if (!c->resolve && resolve_start(c->loop, host, on_resolved, c, &c->resolve, &why) != FANMAP_OK)
        give_up(c, &why);
}

/* The password is read here and not after the connect: hiredis 0.14 does not bear a context freed in its connect
 * callback. */
static void begin_try(redis_conn_t *c)
{
    fanmap_error_t why;
    c->begun = true;
    c->state = CONN_RESOLVING;
    c->login = c->url;
    if (c->password_file && redis_url_read_password(&c->login, c->password_file, &why) != FANMAP_OK) {
        why.code = FANMAP_EREFUSED;
        give_up(c, &why);
        return;
    }
    loop_timer_at(c->timer, loop_clock_ms() + c->config.timeout_ms);
    begin_resolve(c);
}

static void on_timer(void *arg)
{
    redis_conn_t *c = arg;
    if (c->state == CONN_WAITING) {
        begin_try(c);
        return;
    }
    static const char *const steps[] = {"", "its name was not resolved", "no connection", "no answer to the login", ""};
    char what[SAID_MAX];
    snprintf(what, sizeof what, "%s within %u ms", steps[c->state], (unsigned)c->config.timeout_ms);
    give_up_lost(c, what);
}

static int open_parts(redis_conn_t *c, const redis_conn_config_t *config, fanmap_error_t *err)
{
    c->config = *config;
    c->url = *config->url;
    redis_url_place(&c->url, c->place, sizeof c->place);
    if (config->password_file && (c->password_file = strdup(config->password_file)) == NULL)
        return err_set(err, FANMAP_ENOMEM, "no memory for a connection to Redis");
    return loop_timer_new(c->loop, on_timer, c, &c->timer, err);
}

int redis_conn_open(loop_t *loop, const redis_conn_config_t *config, redis_conn_t **ret, fanmap_error_t *err)
{
    redis_conn_t *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, FANMAP_ENOMEM, "no memory for a connection to Redis");
    c->loop = loop;
    int code = open_parts(c, config, err);
    if (code != FANMAP_OK) {
        free(c->password_file);
        free(c);
        return code;
    }
    /* The first try begins from the loop, and counts as under way. */
    c->state = CONN_WAITING;
    loop_timer_at(c->timer, loop_clock_ms());
    err_set_retry(&c->why, FANMAP_EUNREACHABLE, "Redis at %s: not connected yet", c->place);
    *ret = c;
    return FANMAP_OK;
}

int redis_conn_open_to(loop_t *loop, const redis_port_config_t *to, redis_conn_config_t config, redis_conn_t **ret,
                       fanmap_error_t *err)
{
    redis_url_t url;
    int code = redis_url_parse(to->url, &url, err);
    config.url = &url;
    config.password_file = to->password_file;
    config.timeout_ms = to->connect_timeout_ms > 0 ? to->connect_timeout_ms : REDIS_TIMEOUT_MS;
    return code == FANMAP_OK ? redis_conn_open(loop, &config, ret, err) : code;
}

void redis_conn_close(redis_conn_t *conn)
{
    conn->closed = true;
    conn->state = CONN_WAITING;
    drop_context(conn);
    if (conn->resolve)
        resolve_forget(conn->resolve);
    loop_timer_free(conn->timer);
    free(conn->password_file);
    free(conn);
}
