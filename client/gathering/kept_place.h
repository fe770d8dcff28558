/* The place of a reader, kept in Kafka under its name (--as): the committed positions of the group NS.reader.ID.NAME, with texts.
 *
 * Nobody is a member of that group. Who stores there first opens a writer whose transactional id is the group's name, and so takes
 * the name over: whatever the one before it has under way is decided then, and its next store is refused (FANMAP_ECONFLICT). What was
 * stored is read after that. So of two readers of one name the later one goes on, from what the earlier one last stored, and no store
 * of the earlier one comes after it. */
#ifndef CLIENT_GATHERING_KEPT_PLACE_H
#define CLIENT_GATHERING_KEPT_PLACE_H

#include "client/connection/job.h"
#include "io/bus_admin.h"
#include "io/bus_writer.h"

enum { KEPT_TEXT_MAX = 4000 }; /* Kafka: offset.metadata.max.bytes, 4096 */

/* A job whose list goes to a topic (job_output.h) has a place whether it has a name or not: its records are in the same transactions.
 * Without a name nothing else is in them. */
typedef struct kept_place kept_place_t;

/* Once: what is stored of each of `n` partitions, NULL without a name; its error, which fails the job in any case, is no answer. */
typedef void (*kept_place_fn)(fanmap_job_t *job, const bus_answer_t *stored);

/* `topic`, called `topic_name`, is that of the log. */
int kept_place_open(fanmap_job_t *job, bus_topic_t *topic, const char *topic_name, uint32_t n, kept_place_fn ready,
                    kept_place_t **ret, fanmap_error_t *err);
void kept_place_close(kept_place_t *place);
/* Of the records that go with the place. */
bus_writer_t *kept_place_writer(const kept_place_t *place);
bool kept_place_has_name(const kept_place_t *place);
/* Nothing is known yet, or a store has no answer yet. */
bool kept_place_is_busy(const kept_place_t *place);
/* Only if it is not busy; without a name `positions` mean nothing. `mark` becomes that of kept_place_mark when it is stored. */
int kept_place_store(kept_place_t *place, const bus_position_t *positions, size_t n, uint64_t mark,
                     fanmap_error_t *err);
/* Of the latest store that Kafka has; 0: none. */
uint64_t kept_place_mark(const kept_place_t *place);

#endif
