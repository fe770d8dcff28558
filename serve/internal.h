/* What the files of this room share of the server. */
#ifndef SERVE_INTERNAL_H
#define SERVE_INTERNAL_H

#include <event2/event.h>

#include "serve/access.h"
#include "serve/connection.h"
#include "serve/counts.h"
#include "serve/route.h"
#include "serve/serve.h"
#include "serve/timer.h"

typedef struct queries queries_t;
typedef struct listener listener_t;

struct serve {
    struct event_base *base;
    struct event *fleet_ready, *stop, *watched_fd; /* the last: of serve_watch, or NULL */
    void (*on_watched_fd)(void *arg);
    void *watched_fd_arg;
    serve_timer_t every; /* of serve_every */
    int (*on_every)(void *arg);
    void *every_arg;
    fanmap_options_t *options; /* the caller's */
    fanmap_t *f;
    fanmap_log_fn log;
    void *log_arg;
    access_t access;
    route_find_fn find;
    listener_t *listener;
    queries_t *queries;      /* NULL: embedded, as the next */
    queries_t *long_queries; /* what may read a log of millions: nobody who asks little waits behind it */
    struct events *events;   /* NULL: embedded */
    connection_t *connections;
    size_t connections_n;
    serve_counts_t counts;
    struct watched *watched; /* jobs that pages look at */
    size_t watched_n;
    fanmap_error_t error;
    int stop_fd; /* written by serve_stop */
};

#endif
