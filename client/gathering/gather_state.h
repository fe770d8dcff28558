/* What a gathering holds; for gather*.c and share.c alone. */
#ifndef CLIENT_GATHERING_GATHER_STATE_H
#define CLIENT_GATHERING_GATHER_STATE_H

#include "aggregator/order.h"
#include "aggregator/reading.h"
#include "client/gathering/gather.h"
#include "client/gathering/share.h"
#include "client/joblog/lookup.h"

struct gathering {
    gather_changed_fn changed;
    lookup_t *lookup;
    list_t *list;
    order_t *order;
    bus_reader_t *reader;
    uint64_t window_bytes;
    reading_t reading;
    position_t *from; /* NULL: the start of the list */
    char *place;      /* of a stream, NULL: nothing is asked for */
    follow_t *follow; /* NULL: it is a job */
    kept_place_t *kept;
    job_output_t *output;  /* NULL: outcomes are only handed out */
    kept_place_fn ready;   /* of its place */
    queue_ready_fn then;   /* of a map that waits for it; NULL: none does */
    share_t *share;        /* NULL: the list is its own */
    loop_timer_t *unbegun; /* NULL until the log has ended without the job's start */
    followed_t followed;
    decision_t decision;
    bool is_unordered, is_reader_held, halt_published, has_end_copy;
};

/* gather.c */
/* The next one of the list is there, whoever it is for. */
bool gather_list_has_next(const gathering_t *g);
/* gather_whole.c: each fails the job where its log is not the one that it should be. */
/* read_to: up to where the log was read; 0: only what a record has shown. */
void gather_check_list(fanmap_job_t *job, int64_t read_to);
/* After a record: the job's start is the first one of its log, whose offset the spec has. Another one there is of another log. */
void gather_check_start(fanmap_job_t *job);
/* At the log's end, in a while: a leader that is new may not show for a moment what was stored before. */
void gather_check_start_later(fanmap_job_t *job);
/* Of a bus_reader_callbacks_t. */
void gather_log_gone(void *job, int64_t low);

/* gather_share.c */
/* The next one of the list, whoever it is for. As gather_next. */
int gather_next_of_list(const fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err);
int gather_next_of_share(fanmap_job_t *job, outcome_t *ret, fanmap_error_t *err);
/* The parts of the list that are handed out here are others now: the gathering as it was before it began. */
int gather_anew(fanmap_job_t *job, fanmap_error_t *err);
/* The topics of its task are there: joins the readers of the list. */
void gather_on_items(fanmap_job_t *job);

#endif
