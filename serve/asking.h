/* From a request to a question to the fleet, and its answer as one JSON body. The query may outlive the connection that asked: then
 * its answer goes nowhere. */
#ifndef SERVE_ASKING_H
#define SERVE_ASKING_H

#include "serve/connection.h"
#include "serve/queries.h"

typedef int (*asking_fn)(query_t *q, fanmap_t *f, fanmap_error_t *err);

/* The query is the connection's, asked or not. NULL: answered with why not. */
query_t *asking_begin(connection_t *c, asking_fn ask);
/* NAME=VALUE of the request's query become options in q->filter, if they are among `names`. False: answered with why not. */
bool asking_filter(connection_t *c, query_t *q, const char *const *names);
void asking_ask(connection_t *c, query_t *q);
/* All of it, for a list. */
void asking_list(connection_t *c, asking_fn ask, const char *const *filters);

/* In the thread: {"NAME":[...]}, an object a line. */
buf_t *asking_begin_list(query_t *q, const char *name);
void asking_begin_object(buf_t *body);
int asking_end_list(query_t *q, int r);

#endif
