/* The gathering side of a job: its log, read into what is known and what is handed out next. */
#ifndef CLIENT_GATHERING_GATHER_H
#define CLIENT_GATHERING_GATHER_H

#include "aggregator/list.h"
#include "client/connection/job.h"
#include "client/gathering/follow.h"
#include "client/gathering/job_output.h"
#include "client/gathering/kept_place.h"

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
/* Before it begins: from an index or a position on. FANMAP_EUSAGE: it is none. */
int gather_from(fanmap_job_t *job, const char *text, fanmap_error_t *err);
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
/* Where the log ended when what was read last was fetched, or since; -1: that is not known. */
int64_t gather_told_end(const fanmap_job_t *job);
/* Appends the position behind what was handed out. False: no memory. */
bool gather_put_position(const fanmap_job_t *job, buf_t *b);
/* NULL: it is no stream, or not known to be one. */
follow_t *gather_follow(const fanmap_job_t *job);
/* Of a reader with a name (--as), or whose list goes to a topic: opens the place of it. As kept_place_open. */
int gather_open_place(fanmap_job_t *job, bus_topic_t *topic, const char *topic_name, uint32_t n, kept_place_fn ready,
                      fanmap_error_t *err);
/* NULL: there is none, or it is not opened yet. */
kept_place_t *gather_kept_place(const fanmap_job_t *job);
/* NULL: its outcomes are only handed out. */
job_output_t *gather_output(const fanmap_job_t *job);
/* Once the spec is known: looks its topics up, and then opens the place, whose kept_place_fn `ready` is. */
int gather_open_output(fanmap_job_t *job, kept_place_fn ready, fanmap_error_t *err);
/* Nothing stands against handing out another: it has none, or it takes one. */
bool gather_output_takes(const fanmap_job_t *job);
/* One that was handed out goes there too, if it has one. */
int gather_put_output(fanmap_job_t *job, outcome_t *outcome, fanmap_error_t *err);
/* False: something of it is not stored yet, which is under way then, or has failed the job. */
bool gather_output_is_stored(fanmap_job_t *job);
/* The transaction is to be ended. */
void gather_end_output(fanmap_job_t *job);
/* Of a map whose queue is ready. True: it may begin. False: `then` is called when it may, or the job has failed. */
bool gather_output_may_begin(fanmap_job_t *job, queue_ready_fn then);
/* Where the reader stands is not to be stored now: it has no place, or that is busy. */
bool gather_is_storing(const fanmap_job_t *job);
/* Begins to store it. The caller has what was handed out. */
int gather_store_place(fanmap_job_t *job, uint64_t mark, fanmap_error_t *err);
/* Of the latest store that Kafka has; 0: none. */
uint64_t gather_stored_mark(const fanmap_job_t *job);
/* What gather_next handed out last came of this record; NULL: it is of a job. */
const followed_t *gather_followed(const fanmap_job_t *job);
uint64_t gather_waiting_bytes(const fanmap_job_t *job);
/* What waits for its turn: outcomes, and bytes of them in the spill file. */
void gather_reorder(const fanmap_job_t *job, uint64_t *ret_items, uint64_t *ret_spilled_bytes);
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
