/* Whether a stream was cancelled, as the jobs topic says while it is read on. */
#ifndef CLIENT_JOBLOG_END_WATCH_H
#define CLIENT_JOBLOG_END_WATCH_H

#include "io/bus.h"

/* Zeroed: it watches nothing. */
typedef struct {
    bus_reader_t *reader;
    const char *id;
    void (*ended)(void *arg);
    void *arg;
    bool has_end, has_read_all; /* as far as the topic was read; up to the end that it had, once */
} end_watch_t;

/* `id` is borrowed. `ended` is called when it is known to be cancelled, perhaps more than once. */
int end_watch_begin(end_watch_t *watch, bus_topic_t *jobs, const char *id, void (*ended)(void *arg), void *arg,
                    fanmap_error_t *err);
void end_watch_close(end_watch_t *watch);
/* What stands before the topic's end may be the end of an earlier stream of this name, which was taken away since. */
bool end_watch_has_ended(const end_watch_t *watch);

#endif
