/* A worker's hourly pass of fanmap_clean, and its looks for items that Kafka lost, in a thread of its own with a connection of its own: it reads much and
 * hurries nobody, and the worker's loop does not wait for it. At most one thread at a time; between passes there is
 * none. */
#ifndef CLIENT_ADMIN_CLEANER_H
#define CLIENT_ADMIN_CLEANER_H

#include "fanmap/admin.h"
#include "io/loop/loop.h"

typedef struct cleaner cleaner_t;

/* Every "clean-every" of `options` or so, from a moment on that `seed` chooses, so that the workers of a fleet take
 * turns; 0: never. The options are copied; `log` is called in the loop's thread. */
int cleaner_new(loop_t *loop, const fanmap_options_t *options, uint64_t seed, fanmap_log_fn log, void *log_arg,
                cleaner_t **ret, fanmap_error_t *err);
/* Kafka lost items: in some seconds it is looked whose they are, and again until no more are found (lost.h). */
void cleaner_look_for_lost(cleaner_t *cleaner);
/* Called every few seconds: whether the worker has nothing to do although a job of its tasks is open. After 10 s of that it
 * is looked as well, then after twice as long each time, up to an hour: of what was lost before anybody saw it. */
void cleaner_stranded(cleaner_t *cleaner, bool is_stranded);
/* Stops a pass that is under way and waits for its end, about a second. NULL is allowed. */
void cleaner_free(cleaner_t *cleaner);

#endif
