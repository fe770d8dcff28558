/* A connection's life: HEAD (a request is being read) → BODY (it goes to its handler, as it arrives) → REPLY (the body
 * is over, the handler still answers) → HEAD again, or CLOSING: what was written leaves, then the socket closes.
 *
 * A reply may begin and even end before the body is over: a map answers while its items come in. If it ends before, the
 * rest of the body is nobody's, so the connection closes. All that follows from an event is done in `turn`, which is
 * never entered twice: a handler that replies from inside it only leaves marks. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "base/clock.h"
#include "serve/connection_state.h"
#include "serve/http/target.h"
#include "serve/internal.h"

enum {
    HEAD_S = 10,        /* from the first byte of a head to its last: a slow one holds a connection no longer */
    IDLE_S = 75,        /* between requests */
    WHOLE_BODY_S = 60,  /* a body that a route wants whole */
    SLOW_S = 60,        /* for part of what was written to leave */
    LINGER_S = 20,      /* and for the other side to see that it was all */
    IN_MAX = 128 << 10, /* bytes of input that wait */
    OUT_LOW = 64 << 10,
    WHOLE_BODY_MAX = 1 << 20
};

static void set_deadline(connection_t *c, int seconds)
{
    if (seconds == 0)
        serve_timer_stop(&c->deadline);
    else
        serve_timer_after(&c->deadline, seconds * INT64_C(1000));
}

static void end_exchange(connection_t *c)
{
    const exchange_ops_t *ops = c->ops;
    c->ops = NULL;
    if (ops)
        ops->on_close(c->self);
}

static void close_connection(connection_t *c)
{
    end_exchange(c);
    DL_DELETE(c->serve->connections, c);
    c->serve->connections_n--;
    serve_timer_stop(&c->deadline);
    serve_timer_stop(&c->again);
    if (c->tells_closed)
        (void)event_del(&c->closed);
    bufferevent_free(c->bev);
    buf_free(&c->whole);
    buf_free(&c->lines);
    buf_free(&c->head_bytes);
    free(c);
}

/* ---- reading ---- */

static void refuse(connection_t *c, int status, const char *code, const char *why)
{
    c->closes = true;
    reply_problem(c, status, code, why);
}

static void begin_request(connection_t *c)
{
    const char *why;
    route_miss_t miss;
    c->route = c->serve->find(&c->head, &c->name, &miss);
    if (!c->route) {
        memcpy(c->allow, miss.allow, sizeof c->allow);
        refuse(c, miss.status, miss.status == 405 ? "method" : "no_route", miss.why);
        return;
    }
    int status = access_check(c->access, &c->head, c->route->need, &why);
    if (status == 0 && c->route->wants_whole_body && c->head.length > WHOLE_BODY_MAX) {
        status = 413;
        why = "the body is over 1 MiB";
    }
    if (status != 0) {
        refuse(c, status, "access", why);
        return;
    }
    if (c->head.wants_continue && !http_body_is_over(&c->body))
        bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    set_deadline(c, c->route->wants_whole_body ? WHOLE_BODY_S : 0);
    if (!c->route->wants_whole_body)
        c->route->begin(c);
}

/* As http_head_read, of what has come so far. */
static int parse_head(connection_t *c, struct evbuffer *in, size_t len, const char **ret_why)
{
    len = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
    buf_clear(&c->head_bytes);
    char *bytes = buf_reserve(&c->head_bytes, len);
    *ret_why = "out of memory";
    if (!bytes)
        return -503;
    (void)evbuffer_copyout(in, bytes, len);
    return http_head_read(bytes, len, &c->head, ret_why);
}

static bool read_head(connection_t *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    size_t len = evbuffer_get_length(in);
    const char *why;
    if (len == 0 || !reply_has_room(c)) /* requests in a row whose answers nobody reads */
        return false;
    if (!c->has_bytes)
        set_deadline(c, HEAD_S);
    c->has_bytes = true;
    int n = parse_head(c, in, len, &why);
    if (n == 0)
        return false;
    c->state = BODY;
    c->has_bytes = false;
    c->asked_us = mono_us();
    if (n < 0) {
        refuse(c, -n, "http", why);
        return true;
    }
    (void)evbuffer_drain(in, (size_t)n);
    http_body_begin(&c->body, &c->head);
    c->closes = c->head.wants_close;
    begin_request(c);
    return true;
}

static size_t keep_whole(connection_t *c, http_text_t part)
{
    if (c->whole.len + part.len > WHOLE_BODY_MAX)
        refuse(c, 413, "too_large", "the body is over 1 MiB");
    else
        buf_append(&c->whole, part.at, part.len);
    return part.len;
}

static bool end_body(connection_t *c)
{
    c->state = REPLY;
    set_deadline(c, 0);
    if (c->route->wants_whole_body && !c->is_replied)
        c->route->begin(c);
    else if (c->ops && c->ops->on_body_end)
        c->ops->on_body_end(c->self);
    return true;
}

static void on_closed(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    close_connection(arg);
}

/* Bytes that are not read hide the client's end. One whose request ends with it is watched for that alone. */
static void pause_body(connection_t *c)
{
    c->is_paused = true;
    if (c->tells_closed && c->ops && c->ops->ends_with_client)
        (void)event_add(&c->closed, NULL);
}

/* One run of bytes. False: nothing moves until something happens. */
static bool read_body(connection_t *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    http_text_t part;
    if (c->is_replied) {
        c->closes = true; /* the rest of the body is nobody's */
        c->state = REPLY;
        return true;
    }
    if (http_body_is_over(&c->body))
        return end_body(c);
    size_t len = evbuffer_get_contiguous_space(in);
    if (len == 0 || c->is_paused)
        return false;
    int64_t n = http_body_read(&c->body, (const char *)evbuffer_pullup(in, (ev_ssize_t)len), len, &part);
    if (n < 0) {
        if (c->is_begun)
            reply_abort(c);
        else
            refuse(c, 400, "http", "the chunks of the body are not well formed");
        return true;
    }
    size_t taken = part.len; /* a handler that wants none lets it pass */
    if (part.len > 0 && c->route->wants_whole_body)
        taken = keep_whole(c, part);
    else if (part.len > 0 && c->ops && c->ops->on_body)
        taken = c->ops->on_body(c->self, part.at, part.len);
    http_body_give_back(&c->body, part.len - taken);
    if (taken < part.len)
        pause_body(c);
    (void)evbuffer_drain(in, (size_t)n - (part.len - taken));
    return true;
}

/* ---- the end of a request ---- */

static bool end_request(connection_t *c)
{
    if (!c->is_replied)
        return false;
    end_exchange(c);
    reply_flush(c);
    buf_free(&c->whole);
    buf_free(&c->lines);
    buf_free(&c->head_bytes);
    c->state = c->closes || c->is_aborted ? CLOSING : HEAD;
    c->is_begun = c->is_replied = c->is_paused = false;
    c->unsent = SIZE_MAX;
    c->route = NULL;
    c->head = (http_head_t){0};
    set_deadline(c, c->state == CLOSING ? SLOW_S : IDLE_S);
    return true;
}

/* What was written has left: no more is coming. The other side may still be sending what nobody reads; it is given a
 * while to see the reply before the socket is reset under it. */
static bool close_gently(connection_t *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    (void)evbuffer_drain(in, evbuffer_get_length(in));
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
        return false;
    (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    return false;
}

static void turn(connection_t *c)
{
    bool moved = true;
    if (c->is_in_turn)
        return;
    c->is_in_turn = true;
    reply_flush(c);
    while (moved) {
        switch (c->state) {
        case HEAD:
            moved = read_head(c);
            break;
        case BODY:
            moved = read_body(c);
            break;
        case REPLY:
            moved = end_request(c);
            break;
        case CLOSING:
            moved = close_gently(c);
            break;
        }
    }
    c->is_in_turn = false;
}

static void on_again(void *arg)
{
    turn(arg);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    (void)bev;
    turn(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    connection_t *c = arg;
    (void)bev;
    if (c->state == CLOSING)
        set_deadline(c, LINGER_S);
    if (c->ops && c->ops->on_room && c->state != CLOSING && !c->is_replied)
        c->ops->on_room(c->self);
    turn(c);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    close_connection(arg);
}

static void on_deadline(void *arg)
{
    connection_t *c = arg;
    bool is_idle = c->state == HEAD && evbuffer_get_length(bufferevent_get_input(c->bev)) == 0;
    bool waits_for_reader = c->state == CLOSING || (c->state == HEAD && !c->has_bytes);
    size_t unsent = evbuffer_get_length(bufferevent_get_output(c->bev));
    if (waits_for_reader && unsent > 0 && unsent < c->unsent) { /* slowly, but it leaves */
        c->unsent = unsent;
        set_deadline(c, SLOW_S);
        return;
    }
    if (c->state == CLOSING || c->state == REPLY || is_idle) {
        close_connection(c);
        return;
    }
    c->state = BODY;
    refuse(c, 408, "timeout", "the request did not come in time");
    turn(c);
}

void connection_begin(serve_t *serve, struct bufferevent *bev, const access_t *access)
{
    connection_t *c = calloc(1, sizeof *c);
    if (!c) {
        bufferevent_free(bev);
        return;
    }
    serve_timer_init(&c->deadline, serve->base, on_deadline, c);
    serve_timer_init(&c->again, serve->base, on_again, c);
    c->tells_closed = event_base_get_features(serve->base) & EV_FEATURE_EARLY_CLOSE;
    if (c->tells_closed)
        (void)event_assign(&c->closed, serve->base, bufferevent_getfd(bev), EV_CLOSED, on_closed, c);
    c->serve = serve;
    c->bev = bev;
    c->access = access;
    c->unsent = SIZE_MAX;
    DL_PREPEND(serve->connections, c);
    serve->connections_n++;
    bufferevent_setwatermark(bev, EV_READ, 0, IN_MAX);
    bufferevent_setwatermark(bev, EV_WRITE, OUT_LOW, 0);
    bufferevent_setcb(bev, on_readable, on_written, on_gone, c);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
    set_deadline(c, IDLE_S);
}

void connection_close_all(serve_t *serve)
{
    while (serve->connections)
        close_connection(serve->connections);
}

/* ---- for handlers ---- */

const http_head_t *connection_head(const connection_t *c)
{
    return &c->head;
}

serve_t *connection_serve(const connection_t *c)
{
    return c->serve;
}

bool connection_name(const connection_t *c, char *ret, size_t cap)
{
    return c->name.at && http_decode(c->name, false, ret, cap);
}

const buf_t *connection_body(const connection_t *c)
{
    return &c->whole;
}

void connection_attach(connection_t *c, const exchange_ops_t *ops, void *self)
{
    c->ops = ops;
    c->self = self;
}

void *connection_attach_new(connection_t *c, const exchange_ops_t *ops, size_t size)
{
    void *self = calloc(1, size);
    if (self)
        connection_attach(c, ops, self);
    else
        reply_problem(c, 503, "no_memory", "out of memory");
    return self;
}

void connection_resume(connection_t *c)
{
    c->is_paused = false;
    if (c->tells_closed)
        (void)event_del(&c->closed);
    connection_turn_soon(c);
}
