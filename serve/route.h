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

/* *ret_name: what stands for {}, still encoded. NULL: *ret_status (404, 405) and *ret_why say why. HEAD finds the route
 * of GET, unless it answers in chunks. */
typedef const route_t *(*route_find_fn)(const http_head_t *head, http_text_t *ret_name, int *ret_status,
                                        const char **ret_why);
const route_t *route_find(const http_head_t *head, http_text_t *ret_name, int *ret_status, const char **ret_why);

#endif
