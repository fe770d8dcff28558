/* Jobs that pages look at; see watch.c. */
#ifndef SERVE_WATCH_H
#define SERVE_WATCH_H

typedef struct serve serve_t;
typedef struct watched watched_t;

/* After the connections are closed. */
void watch_close_all(serve_t *serve);

#endif
