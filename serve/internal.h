/* What the files of this room share of the server. */
#ifndef SERVE_INTERNAL_H
#define SERVE_INTERNAL_H

#include <event2/event.h>

#include "serve/access.h"
#include "serve/connection.h"
#include "serve/route.h"
#include "serve/serve.h"

typedef struct queries queries_t;
typedef struct listener listener_t;

struct serve {
    struct event_base *base;
    struct event *fleet_ready, *stop;
    fanmap_options_t *options; /* the caller's */
    fanmap_t *f;
    fanmap_log_fn log;
    void *log_arg;
    access_t access;
    route_find_fn find;
    listener_t *listener;
    queries_t *queries; /* NULL: embedded */
    connection_t *connections;
    size_t connections_n;
    struct watched *watched; /* jobs that pages look at */
    size_t watched_n;
    fanmap_error_t error;
    int stop_fd; /* written by serve_stop */
};

#endif
