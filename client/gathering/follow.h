/* A stream as one who reads it sees it: the records of its log, lane by lane, into outcomes (aggregator/follower.h). */
#ifndef CLIENT_GATHERING_FOLLOW_H
#define CLIENT_GATHERING_FOLLOW_H

#include "aggregator/follower.h"
#include "client/gathering/kept_place.h"

typedef struct follow follow_t;

/* The job is a stream by its spec, `has_end`: it was cancelled. `from`: NULL, or where to begin. What fails later fails the job. */
int follow_begin(fanmap_job_t *job, const char *from, bool has_end, follow_t **ret, fanmap_error_t *err);
void follow_free(follow_t *follow);
bool follow_has_next(const follow_t *follow);
/* FANMAP_OK; FANMAP_AGAIN; FANMAP_END: what was there is handed out, and nothing is waited for, or nothing will come. */
int follow_next(follow_t *follow, followed_t *ret);
/* It was cancelled, and everything is handed out. */
bool follow_is_cancelled(const follow_t *follow);
/* Begins to store the place behind what was handed out. */
int follow_store_place(const follow_t *follow, kept_place_t *kept, uint64_t mark, fanmap_error_t *err);
/* Appends it. */
void follow_put_place(const follow_t *follow, buf_t *b);

#endif
