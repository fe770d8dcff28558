/* A route: what connection.c does with a request, and who answers it. routes.c has the table. */
#ifndef SERVE_ROUTE_H
#define SERVE_ROUTE_H

#include "serve/access.h"
#include "serve/http/head.h"

typedef struct connection connection_t;

typedef struct {
    http_method_t method;
    const char *path; /* {} stands for one segment */
    access_need_t need;
    bool wants_whole_body; /* begin is called behind it; else as soon as the head is there */
    void (*begin)(connection_t *c);
} route_t;

enum { ROUTE_ALLOW_MAX = 64 };

/* Why there is no route. */
typedef struct {
    int status; /* 404, 405 */
    const char *why;
    char allow[ROUTE_ALLOW_MAX]; /* of a 405: the methods of this path, as Allow has them */
} route_miss_t;

/* *ret_name: what stands for {}, still encoded. NULL: *ret_miss says why. HEAD finds the route of GET, unless it answers
 * in chunks. */
typedef const route_t *(*route_find_fn)(const http_head_t *head, http_text_t *ret_name, route_miss_t *ret_miss);
const route_t *route_find(const http_head_t *head, http_text_t *ret_name, route_miss_t *ret_miss);

#endif
