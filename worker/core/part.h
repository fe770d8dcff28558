/* A partition of the topic of one of our tasks: ownership, commits, the claims and names in them. */
#ifndef WORKER_CORE_PART_H
#define WORKER_CORE_PART_H

#include "schemas/item.h"
#include "worker/core/deferred.h"
#include "worker/core/job.h"
#include "worker/core/source.h"
#include "worker/core/tracker.h"

/* What a commit says of an item that runs, or ran, at another member. */
typedef struct {
    int64_t offset;  /* they are ordered by it */
    unsigned missed; /* how often in a row the member was missing from the group */
    char member[COMMIT_MEMBER_MAX + 1];
} claim_t;

typedef struct {
    uint64_t number; /* of the first commit that says it */
    int64_t offset;
} horizon_t;
enum { HORIZONS_MAX = 4 };

/* What commits say runs here, until the item is finished or a commit without it is accepted. */
typedef struct {
    commit_count_t counts; /* as far as it was dropped with any; begins with the offset */
    uint64_t number;       /* of the last commit that says it */
} committed_name_t;

/* An item that outlived a revocation, to be matched when its record comes again. */
typedef struct {
    int64_t offset;
    worker_item_t *item; /* NULL: it is over */
} survivor_t;

struct worker_part {
    int32_t number;                       /* its lane */
    int32_t partition;                    /* its number in its topic */
    uint32_t task;                        /* whose items it has */
    bool is_owned, is_revoking, is_dirty; /* dirty: a commit would say something new */
    uint32_t ownership;
    int64_t revoke_end_ms;
    tracker_t tracker;
    deferred_t deferred;
    source_t *source;              /* NULL: its items are those of jobs */
    worker_item_t *items;          /* by part_next */
    uint64_t runs_n, publishing_n; /* RUNNING; PUBLISHING and CLOSING */
    int64_t committed;
    uint32_t log; /* which log it is; 0: never begun */
    int64_t witness,
        witness_ms; /* the first record that was read of it, and when the broker appended it; 0: not known yet, -1: never */
    int64_t mark;         /* items below it start only after a commit that names them; -1: none */
    int64_t horizon;      /* items below it may start: an accepted commit of this ownership said so */
    int64_t horizon_sent; /* what the last commit says */
    horizon_t horizons[HORIZONS_MAX];
    uint32_t horizons_n;
    bool must_commit;                                     /* as soon as the commit before is answered */
    uint64_t first_number, asked_number, answered_number; /* of commits of this ownership */
    int64_t unaccepted_ms; /* since when a commit waits and none was accepted; 0: none waits */
    claim_t *claims;       /* of others, ascending */
    uint32_t claims_n;
    bool is_watched;       /* for notes about them */
    size_t members_bytes;  /* what their members' ids take in a commit */
    uint32_t kept_n;       /* items claimed by us */
    uint32_t names_n;      /* items with a name asked for or held */
    buf_t metadata;        /* of the last commit, */
    uint64_t commit_step;  /* which is of this step */
    bool has_tried;        /* some of `items` may be tried: commits look for their counts */
    buf_t counts;          /* commit_count_t of items that were dropped while it is revoked */
    buf_t said;            /* committed_name_t: what the next owner charges if we are lost now and do not release it */
    buf_t released;        /* offsets that this member id has given up: it cannot claim them again */
    survivor_t *survivors; /* ascending */
    size_t survivors_n;
};

/* part.c */
worker_part_t *part_get(worker_t *w, int32_t lane); /* NULL: impossible number or no memory */
void parts_free(worker_t *w);
int by_offset(const void *a, const void *b); /* for structs that begin with the offset, or offsets */
/* NULL: no survivor at this offset; `item` not NULL: that one. */
survivor_t *part_find_survivor(worker_part_t *part, int64_t offset, const worker_item_t *item);
void part_forget_survivor(worker_part_t *part, const worker_item_t *item);
/* The attempts that an item of a partition under revocation has used go into the closing commit. */
void part_note_counts(worker_t *w, worker_part_t *part, const worker_item_t *item);

/* What to commit: behind the finished prefix. */
int64_t part_prefix(const worker_part_t *part);

/* partitions.c: ownership. */
void part_assigned(worker_t *w, const worker_event_t *event);
void parts_rebalanced(worker_t *w, const char *member);
void part_revoked(worker_t *w, int32_t lane, bool may_wait);
void part_let_go(worker_t *w, worker_part_t *part); /* closes it, at the end of a revocation */
void parts_lost(worker_t *w);
/* The survivor at this offset, adopted into the present ownership; NULL: none. */
worker_item_t *part_adopt(worker_t *w, worker_part_t *part, int64_t offset);

/* log.c: which log it is. What the commit found says of it; what was known of another one is forgotten. */
void log_found(worker_t *w, worker_part_t *part, bool was_committed, const commit_meta_t *meta);
/* Items of another log may still run here, and nobody has said that they are to be killed. */
bool log_is_haunted(const worker_part_t *part);
/* A record was read. False: it shows that the log is another one. */
bool log_arrived(worker_t *w, worker_part_t *part, int64_t offset, int64_t appended_ms);
void log_remade(worker_t *w, int32_t lane);

/* commits.c: what is committed, and what that proves. */
void part_commit(worker_t *w, worker_part_t *part, bool is_closing);
void part_committed(worker_t *w, const worker_event_t *event);
void parts_turn(worker_t *w);
/* After a gap: nothing starts until the group has shown that it still knows us. */
void parts_doubt(worker_t *w);
/* Commits everything, clean, because nothing runs any more. */
void parts_commit_all(worker_t *w);
bool parts_are_committed(const worker_t *w);
int64_t parts_next_ms(const worker_t *w);

#endif
