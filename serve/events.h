/* The fleet looked at, now and again, from the start on; see events.c. */
#ifndef SERVE_EVENTS_H
#define SERVE_EVENTS_H

typedef struct serve serve_t;
typedef struct events events_t;

/* NULL: no memory. */
events_t *events_start(serve_t *serve);
/* After the queries are stopped. */
void events_free(events_t *events);

#endif
