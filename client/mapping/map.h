/* The mapping side of a job, for whoever holds it: its items go in, its records go out, its end is seen to. A job that
 * is a gather has none (job->mapping NULL), which every question here allows. */
#ifndef CLIENT_MAPPING_MAP_H
#define CLIENT_MAPPING_MAP_H

#include "client/connection/job.h"
#include "schemas/joblog.h"

typedef struct mapping mapping_t;

/* Makes job->mapping and job->gathering and begins, as job->options say. `task` NULL: that of the job that is tried
 * again. */
int map_new(fanmap_job_t *job, const char *task, fanmap_error_t *err);
void map_free(fanmap_job_t *job);
/* The caller leaves it: what is left of it is cancelled, or with `detach` let go. */
void map_close(fanmap_job_t *job, bool detach);
/* job_fail, and the items that are left must not run: cancels it first. Nothing is handed out any more. */
void map_give_up(fanmap_job_t *job, const fanmap_error_t *err);
/* True: Kafka has everything that the job had to say. */
bool map_is_over(const fanmap_job_t *job);
/* True: a caller that gathers nothing may leave. */
bool map_may_leave(const fanmap_job_t *job);
void map_stats(const fanmap_job_t *job, fanmap_stats_t *stats);

bool map_writable(const fanmap_job_t *job);
/* A push that was refused would now be taken. */
bool map_has_room(const fanmap_job_t *job);
/* True, once, when map_has_room. */
bool map_became_writable(fanmap_job_t *job);
/* It takes no more items: --halt soon, or the list is closed. */
bool map_is_stopped(const fanmap_job_t *job);

/* The job whose values are its items (fanmap_pipe); NULL: none. */
fanmap_job_t *map_source(const fanmap_job_t *job);
void map_set_source(fanmap_job_t *job, fanmap_job_t *source);
/* FANMAP_EUSAGE: it is a gather, or its items come from elsewhere, or are all there. */
int map_check_source(const fanmap_job_t *job, fanmap_error_t *err);
/* What another job handed out, as the next item: a value as it is, an error as this map's outcome of the item. The map
 * is writable. */
int map_put_outcome(fanmap_job_t *job, const outcome_t *outcome, fanmap_error_t *err);

/* Maps that run another job's failed items again feed themselves, outside the loop. */
bool maps_due(const fanmap_t *f);
void maps_run(fanmap_t *f);

#endif
