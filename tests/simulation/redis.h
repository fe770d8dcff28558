/* A Redis whose only content is token tables: the real sync.lua over an in-process keyspace (tests/lib/token_table), behind a
 * network that loses requests and replies, delays them for seconds, repeats and reorders them. */
#ifndef SIMULATION_REDIS_H
#define SIMULATION_REDIS_H

#include "clock.h"
#include "tests/lib/token_table/token_table.h"

typedef struct {
    token_table_t *table;
    token_table_image_t *first,
        *image; /* what a restart may come back with: before any worker came, and of some later time */
    bool down;
    uint64_t runs_n;
    int64_t wall_off_ms, jumped_ms; /* TIME */
    int64_t latency_min_ms, latency_max_ms;
    unsigned lost_permille, repeat_permille, lost_wake_permille;
} redis_t;

/* `sync_text` NULL: the embedded script. */
void redis_begin(sim_t *sim, const char *sync_text);
void redis_end(sim_t *sim);
/* The reply, or its failure, reaches `done` in the process: event->data is a redis_answer_t. At least once, and
 * possibly twice. */
typedef struct {
    tokens_request_t request;
    tokens_reply_t reply;
    uint64_t table_version; /* of N: the highest that the table was told since it last lost its data */
    bool ok;
} redis_answer_t;
void redis_sync(sim_t *sim, process_t *process, const tokens_request_t *request, event_fn done);
/* event->b: created or was there; 0: could not be asked. */
void redis_create(sim_t *sim, process_t *process, const spec_t *spec, event_fn done);
void redis_flush(sim_t *sim);
void redis_restart(sim_t *sim, int64_t down_ms);
void redis_jump(sim_t *sim, int64_t by_ms);
void redis_choose_network(sim_t *sim);

#endif
