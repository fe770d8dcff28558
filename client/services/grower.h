/* --grow: the file of a job that has not ended, as it grows.
 *
 * DIR/JOB.jsonl.part has the first lines of the list, and is put on the disk once a second; behind each time DIR/JOB.jsonl.place says
 * for how many of them, and where in the log to go on (fanmap_position). Who finds the two, after a kill or on another machine, cuts
 * the part behind that many lines and goes on: what is there already is not read again. When the list is whole the part gets its name.
 * Whoever grows a file holds a lock (flock) on it; who does not get that leaves the file to the end of the job, as do jobs beyond
 * GROWERS_MAX, and a grower that fails. */
#ifndef CLIENT_SERVICES_GROWER_H
#define CLIENT_SERVICES_GROWER_H

#include "client/services/aggregator.h"

typedef struct grower grower_t;

/* The `start` of a job without a file was read. */
void grower_begin(fanmap_aggregator_t *a, const watch_task_t *task);
/* NULL: nobody grows it. */
grower_t *grower_of(const fanmap_aggregator_t *a, const char *job);
/* What is written so far goes to the disk: once a second. */
void growers_sync(fanmap_aggregator_t *a);
/* Those of the partition, or of all (-1), end; their parts stay for who comes next. */
void growers_close_partition(fanmap_aggregator_t *a, int32_t partition);
/* Outside the loop: those that have ended are freed. */
void growers_sweep(fanmap_aggregator_t *a);
/* The job has its file, or will have none. */
void grower_forget_part(const char *dir, const char *job);

#endif
