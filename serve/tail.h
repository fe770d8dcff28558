/* What a thread is asked for again and again, some lines at a time, each time from where the last answer ended: while there are more,
 * at once, and not before the client has taken what was written; who follows is asked for again every AGAIN_MS until nothing more can
 * come. As lines, as events (`id:` is the position; Last-Event-ID goes on behind it), or as one page with its position in a header. */
#ifndef SERVE_TAIL_H
#define SERVE_TAIL_H

#include "serve/connection.h"
#include "serve/queries.h"
#include "serve/timer.h"

enum { TAIL_LINES_A_TIME = 1000 };

typedef enum { TAIL_LINES, TAIL_EVENTS, TAIL_PAGE } tail_form_t;

typedef struct tail tail_t;
struct tail {
    connection_t *c;
    query_t *query; /* NULL: none is out */
    serve_timer_t again;
    /* Of the request, by whoever begins it: */
    char job[QUERY_JOB_MAX], position[QUERY_POSITION_MAX]; /* "": from the beginning */
    tail_form_t form;
    bool follows;
    uint64_t limit; /* of lines: about so many a time; a page has no more */
    /* In the thread: tells each line by tail_put_line, then by tail_end_batch how far it came. */
    int (*ask)(query_t *q, fanmap_t *f, fanmap_error_t *err);
    /* What else the query needs; NULL: nothing. */
    int (*prepare)(const tail_t *tail, query_t *q, fanmap_error_t *err);
    uint64_t index; /* for those two */
    bool has_index, is_some_only;

    bool waits_for_room;
    unsigned rounds, quiet_rounds, failures; /* the last two in a row */
    unsigned over_rounds; /* without a line, since it is over: the last ones may come behind the end */
};

/* NULL: answered with why not. It is the connection's. */
tail_t *tail_begin(connection_t *c);
/* `wrong`: what is wrong with the request; NULL: it begins. */
void tail_start(tail_t *tail, const char *wrong);
/* In the thread. The line has no newline. */
void tail_put_line(query_t *q, const char *position, const void *line, size_t len);
void tail_end_batch(query_t *q, const char *position, bool is_over);

#endif
