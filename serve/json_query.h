/* A request whose answer is one JSON body, which a thread gets from the fleet (queries.h). Its query may outlive the connection:
 * then the answer is dropped. */
#ifndef SERVE_JSON_QUERY_H
#define SERVE_JSON_QUERY_H

#include "serve/connection.h"
#include "serve/queries.h"

typedef int (*json_query_fn)(query_t *q, fanmap_t *f, fanmap_error_t *err);

/* The query is the connection's, asked or not. NULL: answered with why not. */
query_t *json_query_begin(connection_t *c, json_query_fn ask);
/* NAME=VALUE of the request's query become options in q->filter, if they are among `names`. False: answered with why not. */
bool json_query_filter(connection_t *c, query_t *q, const char *const *names);
/* Asks; answers that too many wait, if so. */
void json_query_send(connection_t *c, query_t *q);
/* Begins, filters and sends. */
void json_query_list(connection_t *c, json_query_fn ask, const char *const *filters);

/* In the thread: {"NAME":[...]}, an object a line. */
buf_t *json_query_begin_list(query_t *q, const char *name);
void json_query_begin_object(buf_t *body);
int json_query_end_list(query_t *q, int r);

#endif
