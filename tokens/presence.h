/* Who serves what: soft state in Redis by which a map that waits can say that no worker serves its task, and what else
 * people ask of what the fleet left there.
 *
 * For each task a sorted set NAMESPACE.serve.QUEUE.TASK of incarnations, scored by Redis's own clock (the clocks of
 * machines play no part). A worker announces itself every PRESENCE_EVERY_MS; one silent for three times that does not
 * count. Nothing depends on it but what people are told.
 *
 * And for each worker a row of text that says more of it, `KEY=VALUE` separated by blanks: the hash NAMESPACE.workers,
 * with when each was last heard of in the sorted set NAMESPACE.workers.seen. Who was silent for a minute is forgotten
 * by whoever announces itself next; who ends in peace takes its row along.
 */
#ifndef TOKENS_PRESENCE_H
#define TOKENS_PRESENCE_H

#include "tokens/redis_port.h"

enum { PRESENCE_EVERY_MS = 2000, PRESENCE_FORGET_S = 60, PRESENCE_ROW_MAX = 4096 };

typedef struct presence presence_t;
/* Redis wants another password, or forbids what is asked. FANMAP_EREFUSED: from the start, said at each try.
 * FANMAP_EUNREACHABLE: it worked before; said once, until it works again. May not close the presence. */
typedef void (*presence_refused_fn)(void *arg, const fanmap_error_t *err);

/* As redis_port_open: starts connecting and returns at once. `arg` is for `refused`. */
int presence_open(loop_t *loop, const redis_port_config_t *config, presence_refused_fn refused, void *arg,
                  presence_t **ret, fanmap_error_t *err);
/* This incarnation serves these tasks now. Does nothing while Redis is away. */
void presence_announce(presence_t *presence, const char *incarnation, const char *queue, const char *const *tasks,
                       size_t tasks_n);
/* The row of this incarnation, at most PRESENCE_ROW_MAX bytes. Does nothing while Redis is away. */
void presence_announce_row(presence_t *presence, const char *incarnation, const char *row);
/* It serves them no longer. The row stays until PRESENCE_LEAVE. Does nothing while Redis is away. */
void presence_withdraw(presence_t *presence, const char *incarnation, const char *queue, const char *const *tasks,
                       size_t tasks_n);
/* What this incarnation allows an attempt of a task, each 0: no bound. */
enum { PRESENCE_BOUNDS_N = 3 };
void presence_announce_bounds(presence_t *presence, const char *incarnation, const char *queue, const char *task,
                              const uint64_t bounds[PRESENCE_BOUNDS_N]);

/* What can be asked, and the texts of the answer behind its first, which is Redis's time in s (of a table in ms). */
typedef enum {
    PRESENCE_WORKERS, /* of each worker: incarnation, when it was last heard of in s, its row */
    PRESENCE_SERVERS, /* `name` is QUEUE.TASK: of each worker that serves it: incarnation, when in s */
    PRESENCE_BOUNDS, /* `name` as before: the most that any of them allows an attempt, PRESENCE_BOUNDS_N numbers, each 0
                         where one has no bound; none: nobody serves it */
    PRESENCE_TABLE,  /* `name` is a job: field and value of its token table; none: it has no table */
    PRESENCE_LEAVE   /* `name` is an incarnation, whose row goes: nothing more */
} presence_what_t;

/* Once. The texts are borrowed until it returns. err: the answer is that there is none. */
typedef void (*presence_fn)(void *arg, const char *const *texts, size_t n, const fanmap_error_t *err);
/* `fn` comes later, from the loop, and may close the presence. */
int presence_ask(presence_t *presence, presence_what_t what, const char *name, presence_fn fn, void *arg,
                 fanmap_error_t *err);
/* What was asked with this `arg` is answered to nobody. NULL is allowed. */
void presence_forget(presence_t *presence, const void *arg);
/* A connection to Redis stood at some time. */
bool presence_was_up(const presence_t *presence);
/* One stands now. */
bool presence_is_up(const presence_t *presence);
void presence_close(presence_t *presence);

#endif
