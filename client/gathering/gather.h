/* The gathering side of a job: its log, read into what is known and what is handed out next. */
#ifndef CLIENT_GATHERING_GATHER_H
#define CLIENT_GATHERING_GATHER_H

#include "aggregator/list.h"
#include "client/connection/job.h"

typedef struct gathering gathering_t;

typedef struct {
    bool is_decided; /* else the rest says nothing */
    uint64_t n;
    list_state_t state;
    end_reason_t reason;
} decision_t;

/* A record was read, or the end of the log was reached, or less waits than before. */
typedef void (*gather_changed_fn)(fanmap_job_t *job);

/* Makes job->gathering. `changed` (NULL: nobody) is told from inside the loop and from calls of the caller's; where
 * nobody is told, a decision is copied to the jobs topic here. */
int gather_new(fanmap_job_t *job, gather_changed_fn changed, fanmap_error_t *err);
void gather_free(fanmap_job_t *job);
/* Reads the job's log from spec.start_offset on. */
int gather_begin(fanmap_job_t *job, fanmap_error_t *err);
/* The topics are there: looks for the job that the caller wants to gather, and begins. */
void gather_lookup(fanmap_job_t *job);

/* NULL: not begun. */
const list_t *gather_list(const fanmap_job_t *job);
const decision_t *gather_decision(const fanmap_job_t *job);
/* It was stopped before its end. */
bool gather_is_closed(const fanmap_job_t *job);
/* Of the next record of the log; what lies before it is in the list. */
int64_t gather_position(const fanmap_job_t *job);
uint64_t gather_waiting_bytes(const fanmap_job_t *job);
/* The first index that was not handed out yet; without an order: what list_known says. */
uint64_t gather_next_index(const fanmap_job_t *job);
/* The caller does not take what it could have, and the log is not read on before it does. */
bool gather_is_held(const fanmap_job_t *job);

/* The next outcome; FANMAP_AGAIN, FANMAP_END, or a negative code. Lets the reader and the producer go on when there is
 * room again. */
int gather_next(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err);
/* gather_next would not say FANMAP_AGAIN. */
bool gather_has_next(const fanmap_job_t *job);
/* Something that the reader may be held for has changed. */
void gather_relieve(fanmap_job_t *job);

#endif
