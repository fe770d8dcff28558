/* One of the readers that divide a job's list among them (--share NAME): which parts it has, and how far they are
 * handed out. */
#ifndef CLIENT_GATHERING_SHARE_H
#define CLIENT_GATHERING_SHARE_H

#include "client/connection/job.h"

typedef struct share share_t;

/* FANMAP_EUSAGE: the job's options ask for what a divided list cannot have. */
int share_check(const fanmap_job_t *job, fanmap_error_t *err);
/* Joins the readers of that name. job->queue is that of its task. What fails later fails the job. */
int share_open(fanmap_job_t *job, share_t **ret, fanmap_error_t *err);
/* Leaves them: what was handed out and not stored comes again, elsewhere. */
void share_close(share_t *share);

/* Parts were dealt out: the log is to be read from its start, and this list to begin at what share_start says. */
bool share_is_new(const share_t *share);
uint64_t share_start(share_t *share);
/* It has its parts, keeps them for now, and is not through with them. */
bool share_hands_out(const share_t *share);
bool share_has(const share_t *share, uint64_t index);
void share_handed_out(share_t *share, uint64_t index);
/* The list has n entries, and what it has of them is handed out. */
void share_ended(share_t *share, uint64_t n);
/* So it is for all readers, and stored. */
bool share_is_over(const share_t *share);

/* As kept_place_is_busy, kept_place_store, kept_place_mark. */
bool share_is_busy(const share_t *share);
void share_store(share_t *share, uint64_t mark);
uint64_t share_mark(const share_t *share);

#endif
