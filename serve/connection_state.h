/* What connection.c and reply.c know of a connection; handlers see connection.h. */
#ifndef SERVE_CONNECTION_STATE_H
#define SERVE_CONNECTION_STATE_H

#include "serve/connection.h"
#include "serve/http/body.h"
#include "serve/route.h"
#include "serve/timer.h"

typedef enum { HEAD, BODY, REPLY, CLOSING } connection_state_t;

struct connection {
    serve_t *serve;
    connection_t *prev, *next;
    struct bufferevent *bev;
    serve_timer_t deadline, again;
    struct event closed; /* the client's side, while its body is not read */
    bool tells_closed;   /* false: that cannot be told */
    const access_t *access;
    connection_state_t state;
    buf_t head_bytes; /* of the request that is read or answered; an idle connection has none */
    http_head_t head;
    uint64_t asked_us; /* when it was read */
    http_body_t body;
    const route_t *route;
    char allow[ROUTE_ALLOW_MAX]; /* of a path that takes another method; "": what any takes */
    http_text_t name;            /* what stands for the route's {} */
    const exchange_ops_t *ops;   /* NULL: nobody has taken the request */
    void *self;
    buf_t whole;    /* the body of a route that wants it so */
    buf_t lines;    /* of the reply, not written yet: what comes in one turn goes in one chunk */
    bool has_bytes; /* of the next head */
    size_t unsent;  /* bytes that had not left at the last deadline */
    bool is_begun, is_replied, is_aborted, closes, is_paused, is_in_turn;
};

/* Writes `lines`. */
void reply_flush(connection_t *c);

/* What has changed is seen to when the loop comes round. */
static inline void connection_turn_soon(connection_t *c)
{
    serve_timer_soon(&c->again);
}

#endif
