/* What blocks is asked by a thread, over a connection of its own, one query after the other; the answer comes
 * back into the loop. At most QUERIES_MAX wait. */
#ifndef SERVE_QUERIES_H
#define SERVE_QUERIES_H

#include "base/buf.h"
#include "fanmap/admin.h"

enum { QUERIES_MAX = 64, QUERY_TIMEOUT_MS = 15000, QUERY_JOB_MAX = 256, QUERY_POSITION_MAX = 192 };

typedef struct serve serve_t;
typedef struct queries queries_t;
typedef struct query query_t;

struct query {
    /* In the thread; fills body, or says why not. */
    int (*ask)(query_t *q, fanmap_t *f, fanmap_error_t *err);
    /* In the loop, with `result` and `error`; frees the query. */
    void (*answer)(query_t *q);
    void *arg;    /* the asker's; the thread does not touch it */
    bool is_long; /* it is one for serve->long_queries */
    bool is_asked;
    char job[QUERY_JOB_MAX];
    uint64_t index;           /* of an item, a lane */
    char verb[16], value[32]; /* of a control */
    fanmap_options_t *filter; /* NULL: none; freed with the query */
    int read_ms;              /* of a job's log, as in fanmap_show_soon */
    uint64_t limit;           /* of what is asked for a part at a time (tail.h): about so many lines ... */
    bool as_events, is_some_only;
    unsigned lines_n;                  /* ... how many came, ... */
    char position[QUERY_POSITION_MAX]; /* ... from where, then how far it was read, ... */
    bool is_over;                      /* ... and whether nothing can come any more */
    buf_t body;
    int result;
    fanmap_error_t error;
    bool is_waiting; /* for the thread */
    query_t *prev, *next;
};

/* NULL: no thread or no memory. `log` is called from that thread. */
queries_t *queries_start(serve_t *serve);
/* False: too many wait already; the query stays the caller's. */
bool queries_ask(queries_t *queries, query_t *q);
/* The asker has gone: one that still waits is not asked and freed; one that is being asked ends soon, unless it
 * stores something, and is answered with `arg` NULL. */
void queries_forget(queries_t *queries, query_t *q);
/* Ends the thread, and what it is asking, unless that stores something; what waits is answered with FANMAP_AGAIN. */
void queries_stop(queries_t *queries);
void query_free(query_t *q);

#endif
