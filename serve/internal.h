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
    bool is_local;
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

void serve_log(serve_t *serve, fanmap_log_level_t level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
