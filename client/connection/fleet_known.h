/* What is known of the fleet so far, for one question about a job: the rows of workers and of the token table are read into it
 * as Redis gives them (pure). For fleet.c. */
#ifndef CLIENT_CONNECTION_FLEET_KNOWN_H
#define CLIENT_CONNECTION_FLEET_KNOWN_H

#include "client/connection/fleet.h"

enum { SEEN_MAX = 64 };

typedef struct {
    char id[64], process[FLEET_NAME_MAX];
} seen_worker_t;

typedef struct {
    char queue[NAME_MAX_LEN + 1], task[TASK_NAME_MAX + 1], job[JOB_ID_MAX + 1], parent[JOB_ID_MAX + 1];
    seen_worker_t seen[SEEN_MAX]; /* some workers: the token table knows them by id, people by process */
    size_t seen_n;
    fleet_t fleet;
} fleet_known_t;

/* The answers to PRESENCE_WORKERS and PRESENCE_TABLE (tokens/presence.h). */
void fleet_read_workers(fleet_known_t *known, const char *const *texts, size_t n);
void fleet_read_table(fleet_known_t *known, const char *const *texts, size_t n);

#endif
